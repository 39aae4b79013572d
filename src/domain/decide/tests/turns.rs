//! Turns, gates and continuations: on the way to green, and where that way ends.

use super::*;
use crate::domain::task::{ContinueCause, HandoverCause, ParkCause};

#[test]
fn the_green_path() {
    let mut world = World::new();
    world.observe(said(1));
    assert_eq!(kinds(&world.prepared(1)), ["prepared", "turn_ordered"]);
    assert_eq!(world.turn(1).purpose, Purpose::Work);
    assert_eq!(kinds(&world.turn_ended(1, "t1")), ["turn_ended", "gating_started"]);
    assert!(matches!(world.work_order(1), Some(Order::Verify { candidate, .. }) if candidate.tree.0 == "t1"));
    assert_eq!(kinds(&world.green(1)), ["verified", "publish_started"]);
    assert_eq!(world.publish_order(1).report.tree.0, "t1");
    assert!(world.publish_order(1).merge);
    world.pushed(1);
    assert_eq!(kinds(&world.publish_ended(1, PublishOutcome::Merged)), ["merged"]);
    assert!(matches!(world.work_order(1), Some(Order::Close { .. })));
    assert_eq!(kinds(&world.closed(1)), ["session_ended", "done"]);
    assert_eq!((world.sessions(1), world.task(1).continuations), (vec!["finished".to_owned()], 0));
}

#[test]
fn red_gates_lead_to_a_continuation_in_the_same_session() {
    for verdict in [Verdict::Red, Verdict::TimedOut, Verdict::NoTests] {
        let mut world = World::new();
        world.gates_run_on(1, "t1");
        world.verified(1, &[("test", verdict)]);
        assert_eq!(world.prompt(1), "continue 1.2 small");
        let turn = world.turn(1);
        assert_eq!(turn.purpose, Purpose::Continue { cause: ContinueCause::RedGates });
        assert_eq!(turn.report.unwrap().failing(), ["test"]);
        world.turn_ended(1, "t2");
        world.green(1);
        assert_eq!((world.word(1), world.task(1).continuations), (StateWord::Publishing, 1));
    }
}

#[test]
fn a_turn_that_changed_nothing_leads_to_a_continuation_and_not_to_gates() {
    let mut world = World::new();
    world.works_on(1);
    let events = world.turn_ended(1, BASE_TREE);
    assert_eq!(kinds(&events), ["turn_ended", "fell_short", "turn_ordered"]);
    assert_eq!(world.turn(1).purpose, Purpose::Continue { cause: ContinueCause::NothingChanged });
    assert_eq!(world.prompt(1), "continue 1.2 small");
}

#[test]
fn red_gates_are_not_asked_again_about_the_same_tree() {
    let mut world = World::new();
    world.gates_run_on(1, "t1");
    world.red(1);
    let events = world.turn_ended(1, "t1");
    assert_eq!(kinds(&events), ["turn_ended", "fell_short", "turn_ordered"]);
    let turn = world.turn(1);
    assert_eq!(turn.purpose, Purpose::Continue { cause: ContinueCause::NothingChanged });
    assert_eq!(turn.report.unwrap().failing(), ["test"], "the prompt still says what is red");
}

#[test]
fn gates_that_changed_are_asked_about_the_same_tree() {
    let mut world = World::new();
    world.gates_run_on(1, "t1");
    world.red(1);
    world.restart();
    world.failed(1, "it fell over", Fault::Ours);
    world.rules.gates.insert("extra".to_owned(), gate(&["true"]));
    world.passes(10_000);
    world.prepared(1);
    world.turn_ended(1, "t1");
    assert_eq!(world.word(1), StateWord::Gating);
}

#[test]
fn the_same_failures_on_an_unchanged_tree_are_not_prompted_a_third_time() {
    let mut world = World::new();
    world.gates_run_on(1, "t1");
    world.red(1);
    world.turn_ended(1, "t1");
    assert_eq!(world.prompt(1), "continue 1.3 small");
    world.turn_ended(1, "t1");
    assert_eq!(world.word(1), StateWord::Parked);
    assert_eq!(
        world.reason(1),
        "no progress: the gate test is red three times in a row on an unchanged tree"
    );
    assert_eq!((world.task(1).continuations, world.sessions(1)), (2, vec!["cancelled".to_owned()]));
}

#[test]
fn nothing_changed_three_times_in_a_row_parks() {
    let mut world = World::new();
    world.works_on(1);
    world.turn_ended(1, BASE_TREE);
    world.turn_ended(1, BASE_TREE);
    world.turn_ended(1, BASE_TREE);
    assert_eq!(world.reason(1), "no progress: nothing was changed three times in a row on an unchanged tree");
}

#[test]
fn no_progress_escalates_where_a_more_capable_model_is_configured() {
    let mut world = World::new().with_large();
    world.works_on(1);
    world.turn_ended(1, BASE_TREE);
    world.cut_short(1, BASE_TREE);
    assert_eq!(world.prompt(1), "handover 2.1 small");
    world.turn_ended(1, BASE_TREE);
    assert_eq!(
        world.prompt(1),
        "continue 2.2 small",
        "one continuation did not help, and a hand-over is none"
    );
    world.turn_ended(1, BASE_TREE);
    assert_eq!(world.prompt(1), "handover 3.1 large");
    assert_eq!(world.turn(1).purpose, Purpose::Handover { cause: HandoverCause::Escalated });
}

#[test]
fn two_fruitless_continuations_escalate_and_the_count_starts_anew() {
    let mut world = World::new().with_large();
    world.gates_run_on(1, "t1");
    world.red(1);
    world.turn_ended(1, "t2");
    world.red(1);
    assert_eq!((world.task(1).fruitless, world.prompt(1).as_str()), (1, "continue 1.3 small"));
    world.turn_ended(1, "t3");
    let events = world.red(1);
    assert_eq!(kinds(&events), ["verified", "fell_short", "session_ended", "escalated", "turn_ordered"]);
    assert_eq!(world.prompt(1), "handover 2.1 large");
    assert_eq!(world.sessions(1), ["escalated", "lives"]);
    let route = world.task(1).route.as_ref().unwrap();
    assert!(route.why.contains("of high capability, the next above medium"), "{}", route.why);
    assert_eq!(
        (world.task(1).fruitless, world.task(1).continuations),
        (0, 2),
        "the first turn is no continuation"
    );

    // The hand-over's own red gates are nobody's continuation.
    world.turn_ended(1, "t4");
    world.red(1);
    assert_eq!((world.task(1).fruitless, world.prompt(1).as_str()), (0, "continue 2.2 large"));
}

#[test]
fn an_escalation_skips_agents_that_cannot_be_started() {
    let mut world = World::new().with_large();
    world.rules.models.get_mut("large").unwrap().agent = "broken".to_owned();
    world.rules.unusable_agents.insert("broken".to_owned(), "no such program".to_owned());
    world.gates_run_on(1, "t1");
    for tree in ["t2", "t3"] {
        world.red(1);
        world.turn_ended(1, tree);
    }
    world.red(1);
    assert_eq!(world.prompt(1), "continue 1.4 small");
}

#[test]
fn a_continuation_that_bore_fruit_ends_the_row() {
    let mut world = World::new().with_large();
    world.gates_run_on(1, "t1");
    world.red(1);
    world.turn_ended(1, "t2");
    world.red(1);
    world.turn_ended(1, "t3");
    world.green(1);
    assert_eq!((world.task(1).fruitless, &world.task(1).standstill), (0, &None));
    // Green, but red on the new base: the last continuation was not in vain.
    let ground = Box::new(world.ground("base-2"));
    let candidate =
        Candidate { commit: CommitId("c9".into()), tree: TreeId("t9".into()), base: ground.base.clone() };
    world.publish_ended(1, PublishOutcome::BaseMoved { ground, candidate });
    world.red(1);
    assert_eq!((world.task(1).fruitless, world.prompt(1).as_str()), (0, "continue 1.4 small"));
}

#[test]
fn without_a_more_capable_model_fruitless_continuations_go_on_to_the_cap() {
    let mut world = World::new();
    world.gates_run_on(1, "t0");
    for turn in 1..=5 {
        world.red(1);
        assert_eq!(world.prompt(1), format!("continue 1.{} small", turn + 1));
        world.turn_ended(1, &format!("t{turn}"));
    }
    world.verified(1, &[("test", Verdict::TimedOut), ("lint", Verdict::NoTests)]);
    assert_eq!(world.word(1), StateWord::Parked);
    assert_eq!(
        world.reason(1),
        "the gate lint ran no tests and the gate test timed out after 5 continuations (policy.max_continuations)"
    );
    let Phase::Parked(parking) = &world.task(1).phase else { unreachable!() };
    assert_eq!(parking.cause, ParkCause::Work);
    assert_eq!(world.task(1).continuations, 5);
}

#[test]
fn the_limits_of_the_repository_are_the_ones_in_force() {
    let mut world = World::new();
    world.observe(said(1));
    let mut ground = Box::new(world.ground("base-1"));
    ground.policy.max_continuations = 0;
    world.decide(Command::Prepared { key: world.key(1), ground });
    world.turn_ended(1, "t1");
    world.red(1);
    assert_eq!(world.reason(1), "the gate test is red after 0 continuations (policy.max_continuations)");
}

#[test]
fn gates_that_could_not_be_asked_by_a_fault_of_ours_are_asked_again_and_nothing_is_counted() {
    let mut world = World::new();
    world.gates_run_on(1, "t1");
    let before = world.work_order(1);
    let failed = || Command::VerifyFailed { key: world.key(1), reason: "the disk is full".to_owned() };
    let failed = failed();
    assert_eq!(kinds(&world.decide(failed.clone())), ["gating_delayed"]);
    assert_eq!(world.reason(1), "the gates could not be asked and are asked again: the disk is full");
    assert_eq!(world.work_order(1), before);
    assert!(world.decide(failed).is_empty(), "said once");
    world.green(1);
    assert_eq!((world.word(1), world.reason(1)), (StateWord::Publishing, ""));
}

#[test]
fn what_the_agent_left_to_know_is_kept_for_a_hand_over() {
    let mut world = World::new();
    world.works_on(1);
    let notes = Notes { plan: vec!["[done] look".to_owned()], message: "half way".to_owned() };
    let turn = world.turn_key(1);
    assert_eq!(kinds(&world.decide(Command::Noted { turn: turn.clone(), notes: notes.clone() })), ["noted"]);
    assert!(world.decide(Command::Noted { turn, notes: notes.clone() }).is_empty(), "said once");
    let last = Notes { message: "the secret is 42".to_owned(), ..notes };
    world.turn_ended_with(1, "t1", |report| {
        report.cut_short = true;
        report.notes = last.clone();
    });
    assert_eq!(world.turn(1).notes, last);
}

#[test]
fn a_turns_cost_and_use_are_recorded() {
    let mut world = World::new();
    world.works_on(1);
    world.turn_ended_with(1, "t1", |report| {
        report.cost_usd = Some(0.25);
        report.used_tokens = Some(40_000);
        report.peak_tokens = Some(70_000);
        report.window_tokens = Some(100_000);
    });
    let session = &world.task(1).sessions[0];
    assert_eq!((session.used_tokens, session.peak_tokens), (Some(40_000), Some(70_000)));
    assert_eq!((session.occupancy(), session.peak_occupancy()), (Some(0.4), Some(0.7)));
    assert_eq!(session.cost_usd, Some(0.25));
    assert_eq!(world.task(1).cost_usd(), Some(0.0), "it ran on a free model");
}
