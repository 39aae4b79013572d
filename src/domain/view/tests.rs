//! TASK as scripts read it: names, words and nulls of the interface.

use insta::assert_snapshot;

use super::*;
use crate::domain::{
    command::{Command, PublishOutcome},
    decide::tests::{World, app, said},
    gate::Verdict,
    issue::IssueState,
};

fn shown(world: &World, number: u64) -> TaskView {
    view(&world.state, world.task(number), None, None, "2026-01-02T03:04:05Z".to_owned())
}

fn json(view: &TaskView) -> String {
    serde_json::to_string_pretty(view).unwrap()
}

fn word(world: &World, number: u64) -> String {
    let word = serde_json::to_value(shown(world, number).state).unwrap();
    assert_eq!(word, shown(world, number).state.as_str(), "one word for one state");
    word.as_str().unwrap().to_owned()
}

#[test]
fn a_task_that_waits_has_nulls_where_nothing_is_known() {
    let mut world = World::new();
    world.observe(said(7).titled("Add a flag").waits_for(app(3), Some(IssueState::Open)));
    assert_snapshot!(json(&shown(&world, 7)), @r#"
    {
      "issue": "acme/app#7",
      "generation": 1,
      "title": "Add a flag",
      "state": "blocked",
      "reason": "waits for acme/app#3 to be closed",
      "blocked_by": [
        "acme/app#3"
      ],
      "route": null,
      "estimate_tokens": 60000,
      "peak_tokens": null,
      "continuations": 0,
      "sessions": [],
      "gates": [],
      "branch": "mosaic/7-add-a-flag",
      "commit": null,
      "pull_request": null,
      "cost_usd": 0.0,
      "updated_at": "2026-01-02T03:04:05Z"
    }
    "#);
}

#[test]
fn a_task_with_all_there_is_to_show() {
    let mut world = World::new().with_large();
    world.works_on(7);
    world.used(7, 190_000);
    world.rotation_ordered(7, 195_000);
    world.cut_short(7, "t1");
    world.turn_ended_with(7, "t2", |report| report.cost_usd = Some(0.5));
    world.verified(7, &[("test", Verdict::Red)]);
    world.turn_ended(7, "t3");
    world.green(7);
    world.pushed(7);
    world.publish_ended(7, PublishOutcome::WaitsForReview(Some("two approvals are missing".to_owned())));
    assert_snapshot!(json(&shown(&world, 7)), @r#"
    {
      "issue": "acme/app#7",
      "generation": 1,
      "title": "Issue 7",
      "state": "in_review",
      "reason": "two approvals are missing",
      "blocked_by": [],
      "route": {
        "agent": "mine",
        "model": "small",
        "tier": "free",
        "why": "`small` is the cheapest of those capable of medium issues whose window covers twice the estimate of 60000 tokens: free, window 200000 tokens"
      },
      "estimate_tokens": 60000,
      "peak_tokens": 195000,
      "continuations": 1,
      "sessions": [
        {
          "number": 1,
          "model": "small",
          "window_tokens": 200000,
          "occupancy": 0.975,
          "peak_occupancy": 0.975,
          "turns": 1,
          "ended": "rotated",
          "warned": false
        },
        {
          "number": 2,
          "model": "small",
          "window_tokens": 200000,
          "occupancy": null,
          "peak_occupancy": null,
          "turns": 2,
          "ended": "finished",
          "warned": false
        }
      ],
      "gates": [
        {
          "name": "lint",
          "verdict": "green",
          "duration_ms": 1200,
          "tree": "t3"
        },
        {
          "name": "test",
          "verdict": "green",
          "duration_ms": 1200,
          "tree": "t3"
        }
      ],
      "branch": "mosaic/7-issue-7",
      "commit": "commit-3",
      "pull_request": 107,
      "cost_usd": 0.0,
      "updated_at": "2026-01-02T03:04:05Z"
    }
    "#);
}

#[test]
fn every_state_has_the_word_of_the_interface() {
    let mut world = World::new();
    world.rules.max_tasks = 20;
    let mut words = Vec::new();
    world.observe(said(1).waits_for(app(99), None));
    words.push(word(&world, 1));
    world.rules.start_barred = Some("not yet".to_owned());
    world.observe(said(2));
    words.push(word(&world, 2));
    world.rules.start_barred = None;
    world.decide(Command::Tick);
    words.push(word(&world, 2));
    world.works_on(3);
    words.push(word(&world, 3));
    world.gates_run_on(4, "t4");
    words.push(word(&world, 4));
    world.publishes(5, "t5");
    words.push(word(&world, 5));
    world.publishes(6, "t6");
    world.publish_ended(6, PublishOutcome::WaitsForReview(None));
    words.push(word(&world, 6));
    world.finishes(7, "t7");
    words.push(word(&world, 7));
    world.observe(said(8).waits_for(app(8), None));
    words.push(word(&world, 8));
    world.works_on(9);
    world.decide(Command::Unreadable(app(9)));
    words.push(word(&world, 9));
    assert_eq!(
        words,
        [
            "blocked",
            "ready",
            "preparing",
            "running",
            "gating",
            "publishing",
            "in_review",
            "done",
            "parked",
            "cancelled"
        ]
    );
    assert_eq!(
        (StateWord::from(&Phase::Received), StateWord::Received.as_str()),
        (StateWord::Received, "received")
    );
}

#[test]
fn every_verdict_has_the_word_of_the_interface() {
    let word = |word: GateWord| serde_json::to_value(word).unwrap().as_str().unwrap().to_owned();
    let words = [GateWord::Pending, GateWord::Running].map(word);
    assert_eq!(words, ["pending", "running"]);
    let verdicts = [Verdict::Green, Verdict::Red, Verdict::CouldNotRun, Verdict::NoTests, Verdict::TimedOut];
    assert_eq!(
        verdicts.map(GateWord::from).map(word),
        ["green", "red", "could_not_run", "no_tests", "timed_out"]
    );
}

#[test]
fn gates_that_run_are_shown_as_far_as_they_are() {
    let mut world = World::new();
    world.gates_run_on(7, "t1");
    let gates = |progress: Option<&GateProgress>| {
        let view = view(&world.state, world.task(7), None, progress, String::new());
        view.gates
            .into_iter()
            .map(|gate| (gate.name, gate.verdict, gate.duration_ms, gate.tree.0))
            .collect::<Vec<_>>()
    };
    let shown = |name: &str, word| (name.to_owned(), word, None, "t1".to_owned());
    assert_eq!(gates(None), [shown("lint", GateWord::Pending), shown("test", GateWord::Pending)]);
    let progress = GateProgress::from([("test".to_owned(), GateWord::Running)]);
    assert_eq!(gates(Some(&progress)), [shown("lint", GateWord::Pending), shown("test", GateWord::Running)]);
}

#[test]
fn the_last_report_stays_while_the_next_turn_runs_and_the_running_one_replaces_it() {
    let mut world = World::new();
    world.gates_run_on(7, "t1");
    world.red(7);
    let of = |world: &World| {
        shown(world, 7).gates.into_iter().map(|gate| (gate.verdict, gate.tree.0)).collect::<Vec<_>>()
    };
    assert_eq!(of(&world), [(GateWord::Green, "t1".to_owned()), (GateWord::Red, "t1".to_owned())]);
    world.turn_ended(7, "t2");
    assert_eq!(of(&world), [(GateWord::Pending, "t2".to_owned()), (GateWord::Pending, "t2".to_owned())]);
}

#[test]
fn the_commit_is_the_one_on_its_way_and_later_the_published_one() {
    let mut world = World::new();
    world.works_on(7);
    assert_eq!(shown(&world, 7).commit, None);
    world.turn_ended(7, "t1");
    let commit = shown(&world, 7).commit;
    assert!(commit.is_some());
    world.green(7);
    world.merges(7);
    assert_eq!(shown(&world, 7).commit, commit);
}

#[test]
fn cost_is_null_while_any_of_it_is_unknown_and_nought_where_it_is_free() {
    let mut world = World::new().with_large();
    world.works_on(7);
    assert_eq!(shown(&world, 7).cost_usd, Some(0.0));
    assert!(json(&shown(&world, 7)).contains("\"cost_usd\": 0.0"), "and not minus nought");
    world.rules.models.remove("small");
    world.cut_short(7, "t1");
    world.prepared(7);
    assert_eq!(shown(&world, 7).sessions[1].model, "large");
    assert_eq!(shown(&world, 7).cost_usd, None);
    world.turn_ended_with(7, "t2", |report| report.cost_usd = Some(0.25));
    assert_eq!(shown(&world, 7).cost_usd, Some(0.25));
}

#[test]
fn open_blockers_are_shown_wherever_the_work_has_not_ended() {
    let mut world = World::new();
    world.publishes(7, "t1");
    world.observe(
        said(7).waits_for(app(3), Some(IssueState::Open)).waits_for(app(4), Some(IssueState::Closed)),
    );
    assert_eq!((shown(&world, 7).state, shown(&world, 7).blocked_by), (StateWord::Publishing, vec![app(3)]));
    world.merges(7);
    assert_eq!((shown(&world, 7).state, shown(&world, 7).blocked_by), (StateWord::Done, vec![]));
}

#[test]
fn a_reason_that_is_handed_in_takes_the_place_of_the_tasks_own() {
    let mut world = World::new().barred("not yet");
    world.observe(said(7));
    let view = view(&world.state, world.task(7), Some("waits for a slot".to_owned()), None, String::new());
    assert_eq!(view.reason.as_deref(), Some("waits for a slot"));
}

#[test]
fn a_task_reads_back_as_it_is_shown() {
    let mut world = World::new();
    world.publishes(7, "t1");
    let shown = shown(&world, 7);
    assert_eq!(serde_json::from_str::<TaskView>(&json(&shown)).unwrap(), shown);
}
