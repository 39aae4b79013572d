//! Facts that come too late, or about another task than the one in force, change nothing.

use super::*;
use crate::domain::id::{Generation, SessionNo, TurnNo};

fn turn_report(world: &mut World) -> Box<TurnReport> {
    Box::new(world.report("t9"))
}

/// Every fact about a task, as if told of `key`, `turn` and `commit`.
fn facts(world: &mut World, turn: &TurnKey, commit: &str) -> Vec<Command> {
    let (key, commit, session) = (turn.task.clone(), CommitId(commit.to_owned()), turn.session);
    let (used_tokens, window_tokens) = (100_000, 200_000);
    let report = turn_report(world);
    let ground = Box::new(world.ground("base-9"));
    let gates = GateReport {
        commit: commit.clone(),
        tree: TreeId("t9".to_owned()),
        gate_set: ground.gate_set.clone(),
        gates: BTreeMap::new(),
    };
    vec![
        Command::Prepared { key: key.clone(), ground },
        Command::PrepareFailed { key: key.clone(), reason: "late".into(), retry: false },
        Command::Usage { turn: turn.clone(), used_tokens, window_tokens },
        Command::Warned { key: key.clone(), session },
        Command::RotationOrdered { key: key.clone(), session, used_tokens, window_tokens },
        Command::Noted { turn: turn.clone(), notes: Notes { plan: vec!["late".into()], ..Notes::default() } },
        Command::TurnEnded { turn: turn.clone(), report },
        Command::SessionFailed { turn: turn.clone(), cause: "late".into(), fault: Fault::Agent },
        Command::SessionFailed { turn: turn.clone(), cause: "late".into(), fault: Fault::Configuration },
        Command::Verified { key: key.clone(), report: Box::new(gates) },
        Command::PublishEnded { key: key.clone(), commit, outcome: PublishOutcome::Refused("late".into()) },
        Command::Closed { key: key.clone() },
        Command::CloseRefused { key, reason: "late".into() },
    ]
}

/// Facts that only a generation dates.
fn facts_of_the_task(key: &TaskKey) -> Vec<Command> {
    let key = key.clone();
    vec![
        Command::Overrun { key: key.clone(), session: SessionNo::FIRST },
        Command::SessionLost { key: key.clone(), cause: "late".into() },
        Command::VerifyFailed { key: key.clone(), reason: "late".into() },
        Command::PublishDelayed { key: key.clone(), reason: "late".into() },
        Command::Pushed { key: key.clone(), commit: CommitId("late".into()), tree: TreeId("late".into()) },
        Command::PullOpened { key: key.clone(), number: 77 },
        Command::CommentPosted { key, id: 1, digest: "late".into() },
    ]
}

fn change_nothing(world: &mut World, facts: Vec<Command>) {
    let before = world.state.clone();
    for fact in facts {
        let told = format!("{fact:?}");
        assert!(world.decide(fact).is_empty(), "{told}");
    }
    assert_eq!(world.state, before);
}

#[test]
fn facts_of_an_older_generation_change_nothing() {
    let mut world = World::new();
    world.works_on(1);
    let old = world.turn_key(1);
    world.observe(said(1).closed());
    world.observe(said(1));
    world.prepared(1);
    assert_eq!(world.task(1).key.generation, Generation(2));
    let mut late = facts(&mut world, &old, "commit-1");
    late.extend(facts_of_the_task(&old.task));
    change_nothing(&mut world, late);
}

#[test]
fn facts_of_a_task_that_nobody_knows_change_nothing() {
    let mut world = World::new();
    let key = TaskKey { issue: app(5), generation: Generation::FIRST };
    let turn = TurnKey { task: key.clone(), session: SessionNo::FIRST, turn: TurnNo::FIRST };
    let mut late = facts(&mut world, &turn, "commit-1");
    late.extend(facts_of_the_task(&key));
    change_nothing(&mut world, late);
}

#[test]
fn facts_of_an_older_session_change_nothing() {
    let mut world = World::new();
    world.works_on(1);
    let old = world.turn_key(1);
    world.cut_short(1, "t1");
    let late = facts(&mut world, &old, "commit-1");
    change_nothing(&mut world, late);
}

#[test]
fn how_an_older_turn_of_the_session_ended_changes_nothing() {
    let mut world = World::new();
    world.gates_run_on(1, "t1");
    let old = TurnKey { task: world.key(1), session: SessionNo::FIRST, turn: TurnNo::FIRST };
    world.red(1);
    let notes = Notes { message: "late".into(), ..Notes::default() };
    let report = turn_report(&mut world);
    change_nothing(
        &mut world,
        vec![
            Command::Noted { turn: old.clone(), notes },
            Command::TurnEnded { turn: old.clone(), report },
            Command::SessionFailed { turn: old, cause: "late".into(), fault: Fault::Agent },
        ],
    );
}

#[test]
fn facts_about_another_commit_change_nothing() {
    let mut world = World::new();
    world.gates_run_on(1, "t1");
    let other = CommitId("another".to_owned());
    let mut report = world.gate_report(1, &[]);
    report.commit = other.clone();
    let verified = Command::Verified { key: world.key(1), report: Box::new(report) };
    change_nothing(&mut world, vec![verified]);
    world.green(1);
    let ended = |outcome| Command::PublishEnded { key: app_key(1), commit: other.clone(), outcome };
    let late = vec![ended(PublishOutcome::Merged), ended(PublishOutcome::Refused("late".into()))];
    change_nothing(&mut world, late);
}

fn app_key(number: u64) -> TaskKey {
    TaskKey { issue: app(number), generation: Generation::FIRST }
}

#[test]
fn a_report_that_comes_twice_counts_once() {
    let mut world = World::new();
    world.gates_run_on(1, "t1");
    let report = Box::new(world.gate_report(1, &[("test", Verdict::Red)]));
    let verified = Command::Verified { key: world.key(1), report };
    world.decide(verified.clone());
    change_nothing(&mut world, vec![verified]);
    assert_eq!(world.task(1).continuations, 1);
}

#[test]
fn what_publishing_came_to_after_a_person_merged_changes_nothing() {
    let mut world = World::new();
    world.publishes(1, "t1");
    world.pushed(1);
    world.observe(said(1).with_pull(PullState::Merged));
    let commit = world.candidate(1).commit;
    let ground = Box::new(world.ground("base-2"));
    let outcome = PublishOutcome::Conflicted { ground, files: Vec::new() };
    let late = Command::PublishEnded { key: world.key(1), commit, outcome };
    change_nothing(&mut world, vec![late]);
}

#[test]
fn facts_after_the_end_change_nothing() {
    let mut world = World::new();
    world.finishes(1, "t1");
    let turn = TurnKey { task: world.key(1), session: SessionNo::FIRST, turn: TurnNo::FIRST };
    let late = facts(&mut world, &turn, "commit-1");
    change_nothing(&mut world, late);
}
