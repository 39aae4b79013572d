//! What is missing in the configuration, and what happens when it is there.

use super::*;

#[test]
fn without_agents_and_models_a_task_parks_and_names_both() {
    let mut world = World::new().with(|rules| {
        rules.agents.clear();
        rules.models.clear();
    });
    world.observe(said(1));
    assert_eq!(world.word(1), StateWord::Parked);
    assert_eq!(
        world.reason(1),
        "no agent and no model is configured: add [agents.NAME] and [models.NAME] to the configuration"
    );
    assert!(world.decide(Command::Reconfigured).is_empty(), "nothing is better");
    world.rules = rules();
    world.decide(Command::Reconfigured);
    assert_eq!((world.word(1), world.task(1).key.generation.0), (StateWord::Preparing, 1));
}

#[test]
fn without_models_a_task_parks_and_names_them() {
    let mut world = World::new().with(|rules| rules.models.clear());
    world.observe(said(1));
    assert_eq!(world.reason(1), "no model is configured: add [models.NAME] to the configuration");
    world.rules = rules();
    world.restart();
    assert_eq!(world.word(1), StateWord::Preparing, "a new start is a new configuration too");
}

#[test]
fn without_gates_a_task_parks_and_the_base_is_asked_again_once_there_are_some() {
    let mut world = World::new().with(|rules| rules.gates.clear());
    world.observe(said(1));
    world.prepared(1);
    assert_eq!(world.word(1), StateWord::Parked);
    assert_eq!(
        world.reason(1),
        "no gates are defined: add [gates.NAME] to `.mosaic.toml` on main or to the configuration"
    );
    assert!(world.task(1).sessions.is_empty(), "no agent was started in vain");
    let repo = world.key(1).issue.repo;
    world.decide(Command::BaseChanged { repo });
    assert_eq!(world.word(1), StateWord::Preparing, "the base may have some by now");
    world.prepared(1);
    assert_eq!(world.word(1), StateWord::Parked, "there are still none");
    world.rules = rules();
    world.decide(Command::Reconfigured);
    let Some(Order::Prepare { ground, .. }) = world.work_order(1) else { panic!("nothing is prepared") };
    assert_eq!(ground, None, "what the base said without gates is of no use");
    world.prepared(1);
    assert_eq!(world.prompt(1), "work 1.1 small");
}

#[test]
fn gates_that_could_not_run_park_without_a_continuation_and_are_asked_anew() {
    let mut world = World::new();
    world.gates_run_on(1, "t1");
    world.verified(1, &[("test", Verdict::CouldNotRun), ("lint", Verdict::Red)]);
    assert_eq!(world.word(1), StateWord::Parked);
    assert_eq!(world.reason(1), "the gate test could not run: `cargo test` did not start");
    assert_eq!((world.task(1).continuations, world.sessions(1)), (0, vec!["cancelled".to_owned()]));

    world.rules.gates.insert("test".to_owned(), gate(&["sh", "test.sh"]));
    world.decide(Command::Reconfigured);
    assert!(matches!(world.work_order(1), Some(Order::Prepare { ground: None, .. })));
    world.prepared(1);
    assert_eq!(world.prompt(1), "handover 2.1 small");
    assert_eq!(world.turn(1).ground.gates["test"].command, ["sh", "test.sh"]);
}

#[test]
fn what_a_gate_says_of_why_it_could_not_run_is_told() {
    let mut world = World::new();
    world.gates_run_on(1, "t1");
    let mut report = world.gate_report(1, &[("test", Verdict::CouldNotRun)]);
    report.gates.get_mut("test").unwrap().detail = Some("there is no program `cargo`".to_owned());
    world.decide(Command::Verified { key: world.key(1), report: Box::new(report) });
    assert_eq!(world.reason(1), "the gate test could not run: there is no program `cargo`");
}

#[test]
fn a_base_that_cannot_be_worked_on_is_looked_at_again_when_it_may_be_mended() {
    let mut world = World::new();
    world.observe(said(1));
    world.decide(Command::PrepareFailed {
        key: world.key(1),
        reason: "no such branch".to_owned(),
        retry: false,
    });
    assert_eq!((world.word(1), world.reason(1)), (StateWord::Parked, "no such branch"));
    world.decide(Command::BaseChanged { repo: "other/repo".parse().unwrap() });
    assert_eq!(world.word(1), StateWord::Parked, "another repository says nothing");
    let repo = world.key(1).issue.repo;
    world.decide(Command::BaseChanged { repo });
    assert_eq!(world.word(1), StateWord::Preparing);
}

#[test]
fn a_task_parked_for_its_work_is_not_taken_up_by_a_new_configuration() {
    let mut world = World::new();
    world.gates_run_on(1, "t1");
    world.verified(1, &[("test", Verdict::Green), ("lint", Verdict::Green)]);
    let Phase::Publishing(candidate) = world.task(1).phase.clone() else { panic!("nothing is published") };
    world.decide(Command::PublishEnded {
        key: world.key(1),
        commit: candidate.commit,
        outcome: PublishOutcome::Refused("no".to_owned()),
    });
    assert_eq!((world.word(1), world.reason(1)), (StateWord::Parked, "no"));
    assert!(world.decide(Command::Reconfigured).is_empty());
    let repo = world.key(1).issue.repo;
    assert!(world.decide(Command::BaseChanged { repo }).is_empty());
    assert!(world.restart().is_empty());
}

#[test]
fn a_reload_ends_the_waits() {
    let mut world = World::new();
    world.works_on(1);
    world.failed(1, "the agent `mine` cannot be started", Fault::Configuration);
    world.works_on(2);
    world.failed(2, "it fell over", Fault::Agent);
    world.rules.unusable_agents.insert("mine".to_owned(), "not logged in".to_owned());
    world.decide(Command::Reconfigured);
    assert_eq!((world.word(1), world.word(2)), (StateWord::Preparing, StateWord::Preparing));
}

#[test]
fn the_cheapest_capable_model_is_chosen_when_the_task_starts() {
    let mut world = World::new().with_large();
    world.observe(said(1));
    world.observe(said(2).of_difficulty(Difficulty::Hard));
    world.observe(said(3).wants_model("large"));
    let model = |number: u64| world.task(number).route.clone().unwrap().model;
    assert_eq!((model(1), model(2), model(3)), ("small".to_owned(), "large".to_owned(), "large".to_owned()));
    assert!(world.task(3).route.as_ref().unwrap().why.contains("narrowed by `Model: large`"));
}

#[test]
fn what_the_issue_asks_for_when_it_starts_counts_not_when_it_was_accepted() {
    let mut world = World::new().with_large().with(|rules| rules.start_barred = Some("not yet".to_owned()));
    world.observe(said(1));
    assert_eq!(world.task(1).route, None);
    world.observe(said(1).of_difficulty(Difficulty::Hard));
    world.rules.start_barred = None;
    world.decide(Command::Tick);
    assert_eq!(world.task(1).route.as_ref().unwrap().model, "large");
}

#[test]
fn an_agent_that_cannot_be_started_keeps_its_task_ready_with_its_route_shown() {
    let mut world = World::new().with(|rules| {
        rules.unusable_agents.insert("mine".to_owned(), "no such program".to_owned());
    });
    let events = world.observe(said(1));
    assert_eq!(kinds(&events), ["issue_seen", "accepted", "readied", "routed"]);
    assert_eq!(world.word(1), StateWord::Ready);
    assert!(world.passes(60_000).is_empty(), "nothing is tried, nothing is told twice");
    world.rules.unusable_agents.clear();
    world.decide(Command::Tick);
    assert_eq!(world.word(1), StateWord::Preparing);
}

#[test]
fn a_fault_of_the_configuration_leaves_no_trace_and_is_tried_again() {
    let mut world = World::new();
    world.works_on(1);
    let before = world.task(1).sessions.len();
    world.failed(1, "the agent `mine` cannot be started: it is not logged in", Fault::Configuration);
    world.rules.unusable_agents.insert("mine".to_owned(), "it is not logged in".to_owned());
    assert_eq!(before, 1);
    assert_eq!((world.word(1), world.task(1).sessions.len()), (StateWord::Ready, 0));
    assert_eq!(
        world.reason(1),
        "the agent `mine` cannot be started: it is not logged in; tried again after 30 s"
    );
    assert_eq!((world.task(1).counted_sessions(), world.task(1).failures_in_a_row), (0, 0));
    // Others do not queue up for the same refusal.
    world.observe(said(2));
    assert_eq!(world.word(2), StateWord::Ready);
    assert!(world.passes(29_000).is_empty());
    world.passes(1_000);
    assert_eq!((world.word(1), world.word(2)), (StateWord::Preparing, StateWord::Ready));
    world.prepared(1);
    assert_eq!(world.prompt(1), "work 1.1 small", "as if it had never been");
}

#[test]
fn a_session_that_worked_already_is_not_forgotten_for_a_fault_of_the_configuration() {
    let mut world = World::new();
    world.works_on(1);
    world.used(1, 50_000);
    world.failed(1, "the provider refuses the key", Fault::Configuration);
    assert_eq!((world.word(1), world.sessions(1)), (StateWord::Ready, vec!["failed".to_owned()]));
    assert_eq!(world.task(1).counted_sessions(), 0);
    assert_eq!(world.task(1).peak_tokens(), Some(50_000));
    assert_eq!(world.reason(1), "the provider refuses the key; tried again after 30 s");
}

#[test]
fn a_model_taken_out_of_the_configuration_is_replaced_at_the_next_session() {
    let mut world = World::new().with_large();
    world.works_on(1);
    world.rules.models.remove("small");
    world.cut_short(1, "t1");
    assert_eq!(world.word(1), StateWord::Preparing);
    world.prepared(1);
    assert_eq!(world.prompt(1), "handover 2.1 large");
}

#[test]
fn a_model_given_to_another_agent_is_run_by_that_one_at_the_next_session() {
    let mut world = World::new();
    world.works_on(1);
    world.rules.models.get_mut("small").unwrap().agent = "other".to_owned();
    world.cut_short(1, "t1");
    world.prepared(1);
    assert_eq!((world.prompt(1).as_str(), world.turn(1).agent.as_str()), ("handover 2.1 small", "other"));
}

#[test]
fn without_any_model_left_the_next_session_parks() {
    let mut world = World::new();
    world.works_on(1);
    world.rules.models.clear();
    world.cut_short(1, "t1");
    assert_eq!(world.reason(1), "no model is configured: add [models.NAME] to the configuration");
}

#[test]
fn a_workspace_that_cannot_be_made_is_tried_again_after_a_while() {
    let mut world = World::new();
    world.observe(said(1));
    world.decide(Command::PrepareFailed {
        key: world.key(1),
        reason: "the forge is down".to_owned(),
        retry: true,
    });
    assert_eq!(
        (world.word(1), world.reason(1)),
        (StateWord::Ready, "the forge is down; tried again after 10 s")
    );
    assert!(world.passes(9_000).is_empty());
    world.passes(1_000);
    assert_eq!(world.word(1), StateWord::Preparing);
}
