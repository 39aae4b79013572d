//! A green commit on its way to the forge: bases that move, conflicts, people.

use super::*;
use crate::domain::task::{ContinueCause, HandoverCause};

fn moved(world: &World, base: &str, tree: &str) -> PublishOutcome {
    let ground = Box::new(world.ground(base));
    let candidate = Candidate {
        commit: CommitId(format!("merge-onto-{base}")),
        tree: TreeId(tree.to_owned()),
        base: ground.base.clone(),
    };
    PublishOutcome::BaseMoved { ground, candidate }
}

fn conflict(world: &World, base: &str) -> PublishOutcome {
    let files = vec!["a.rs".to_owned(), "b.rs".to_owned()];
    PublishOutcome::Conflicted { ground: Box::new(world.ground(base)), files }
}

#[test]
fn a_base_that_moved_goes_through_the_gates_again() {
    let mut world = World::new();
    world.publishes(1, "t1");
    let outcome = moved(&world, "base-2", "t2");
    assert_eq!(kinds(&world.publish_ended(1, outcome)), ["base_moved"]);
    assert_eq!(world.word(1), StateWord::Gating);
    assert!(matches!(world.work_order(1), Some(Order::Verify { candidate, ground, .. })
        if candidate.tree.0 == "t2" && ground.base.0 == "base-2"));
    world.green(1);
    assert_eq!(world.publish_order(1).candidate.base.0, "base-2");
    world.merges(1);
    assert_eq!((world.word(1), world.task(1).continuations), (StateWord::Done, 0));
}

#[test]
fn red_on_the_new_base_is_a_continuation() {
    let mut world = World::new();
    world.publishes(1, "t1");
    let outcome = moved(&world, "base-2", "t2");
    world.publish_ended(1, outcome);
    world.red(1);
    assert_eq!(world.prompt(1), "continue 1.2 small");
    assert_eq!(world.turn(1).ground.base.0, "base-2");
}

#[test]
fn a_conflict_is_one_continuation_and_then_parks() {
    let mut world = World::new();
    world.publishes(1, "t1");
    let outcome = conflict(&world, "base-2");
    assert_eq!(kinds(&world.publish_ended(1, outcome)), ["conflicted", "turn_ordered"]);
    assert_eq!(world.prompt(1), "continue 1.2 small");
    let files = vec!["a.rs".to_owned(), "b.rs".to_owned()];
    assert_eq!(world.turn(1).purpose, Purpose::Continue { cause: ContinueCause::Conflict { files } });
    world.turn_ended(1, "t2");
    world.green(1);
    let outcome = conflict(&world, "base-3");
    world.publish_ended(1, outcome);
    assert_eq!(world.word(1), StateWord::Parked);
    assert_eq!(
        world.reason(1),
        "the work conflicts with main in a.rs and b.rs, and the one turn to resolve it is spent"
    );
}

#[test]
fn a_conflict_where_no_continuation_is_left_parks() {
    let mut world = World::new().with(|rules| rules.policy.max_continuations = 1);
    world.gates_run_on(1, "t1");
    world.red(1);
    world.turn_ended(1, "t2");
    world.green(1);
    let outcome = conflict(&world, "base-2");
    world.publish_ended(1, outcome);
    assert_eq!(
        world.reason(1),
        "the work conflicts with main in a.rs and b.rs after 1 continuations (policy.max_continuations)"
    );
}

#[test]
fn a_conflict_after_a_restart_is_handed_over_with_the_files() {
    let mut world = World::new();
    world.publishes(1, "t1");
    world.restart();
    let outcome = conflict(&world, "base-2");
    world.publish_ended(1, outcome);
    assert_eq!(world.prompt(1), "handover 2.1 small");
    let cause = HandoverCause::Conflict { files: vec!["a.rs".to_owned(), "b.rs".to_owned()] };
    assert_eq!(world.turn(1).purpose, Purpose::Handover { cause });
}

#[test]
fn under_pull_request_policy_it_waits_for_a_person_who_merges() {
    let mut world = World::new().with(|rules| rules.policy.merge = MergePolicy::PullRequest);
    world.publishes(1, "t1");
    assert!(!world.publish_order(1).merge);
    world.pushed(1);
    world.publish_ended(1, PublishOutcome::WaitsForReview(None));
    assert_eq!((world.word(1), world.reason(1)), (StateWord::InReview, ""));
    assert_eq!((world.sessions(1), world.work_order(1)), (vec!["finished".to_owned()], None));
    assert!(world.observe(said(1).with_pull(PullState::Open)).is_empty());

    let events = world.observe(said(1).with_pull(PullState::Merged));
    assert_eq!(told(&events).collect::<Vec<_>>(), [&TaskEvent::Merged { by_person: true }]);
    assert!(matches!(world.work_order(1), Some(Order::Close { .. })));
    world.closed(1);
    assert_eq!(world.word(1), StateWord::Done);
    assert!(
        !told(&world.journal)
            .any(|what| matches!(what, TaskEvent::Accepted { restarted_by_person: true, .. }))
    );
}

#[test]
fn merged_and_closed_in_one_look_is_done() {
    let mut world = World::new();
    world.publishes(1, "t1");
    world.pushed(1);
    world.publish_ended(1, PublishOutcome::WaitsForReview(None));
    world.observe(said(1).closed().with_pull(PullState::Merged));
    assert_eq!(world.word(1), StateWord::Done);
}

#[test]
fn a_pull_request_closed_without_a_merge_parks() {
    let mut world = World::new();
    world.publishes(1, "t1");
    world.pushed(1);
    world.publish_ended(1, PublishOutcome::WaitsForReview(None));
    world.observe(said(1).with_pull(PullState::Closed));
    assert_eq!(
        (world.word(1), world.reason(1)),
        (StateWord::Parked, "the pull request was closed without a merge")
    );
}

#[test]
fn a_pull_request_merged_by_a_person_while_the_work_goes_on_ends_the_work() {
    let stages: [Stage; 3] = [
        ("gating", |_| {}),
        ("running", |world| drop(world.red(1))),
        ("blocked", |world| drop(world.observe(said(1).waits_for_open(9)))),
    ];
    for (stage, reach) in stages {
        let mut world = World::new();
        world.publishes(1, "t1");
        world.pushed(1);
        let outcome = moved(&world, "base-2", "t2");
        world.publish_ended(1, outcome);
        reach(&mut world);
        world.observe(said(1).with_pull(PullState::Merged));
        assert!(matches!(world.work_order(1), Some(Order::Close { .. })), "{stage}");
        assert!(world.task(1).live_session().is_none(), "{stage}");
        assert!(world.state.graph().is_free(&app(1)) || world.word(1) == StateWord::InReview);
        world.closed(1);
        assert_eq!(world.word(1), StateWord::Done, "{stage}");
    }
}

#[test]
fn what_the_forge_does_not_allow_waits_with_the_reason() {
    let mut world = World::new();
    world.publishes(1, "t1");
    world.publish_ended(1, PublishOutcome::WaitsForReview(Some("needs two approvals".to_owned())));
    assert_eq!((world.word(1), world.reason(1)), (StateWord::InReview, "needs two approvals"));
    assert!(world.publish_order(1).merge, "it is tried again now and then");
    let again = PublishOutcome::WaitsForReview(Some("needs two approvals".to_owned()));
    assert!(world.publish_ended(1, again).is_empty(), "said once");
    let other = PublishOutcome::WaitsForReview(Some("needs one approval".to_owned()));
    world.publish_ended(1, other);
    assert_eq!(world.reason(1), "needs one approval");
    world.pushed(1);
    world.publish_ended(1, PublishOutcome::Merged);
    world.closed(1);
    assert_eq!((world.word(1), world.sessions(1)), (StateWord::Done, vec!["finished".to_owned()]));
}

#[test]
fn what_waits_by_policy_is_left_to_the_person() {
    let mut world = World::new().with(|rules| rules.policy.merge = MergePolicy::PullRequest);
    world.publishes(1, "t1");
    world.publish_ended(1, PublishOutcome::WaitsForReview(Some("a word".to_owned())));
    assert_eq!(world.work_order(1), None);
}

#[test]
fn a_base_that_moved_under_a_waiting_pull_request_goes_through_the_gates() {
    let mut world = World::new();
    world.publishes(1, "t1");
    world.publish_ended(1, PublishOutcome::WaitsForReview(Some("needs two approvals".to_owned())));
    let outcome = moved(&world, "base-2", "t2");
    world.publish_ended(1, outcome);
    assert_eq!(world.word(1), StateWord::Gating);
    world.red(1);
    assert_eq!(world.prompt(1), "handover 2.1 small", "its session was finished");
}

#[test]
fn publishing_that_fails_for_a_while_says_so() {
    let mut world = World::new();
    world.publishes(1, "t1");
    let key = world.key(1);
    let delayed = |reason: &str| Command::PublishDelayed { key: key.clone(), reason: reason.to_owned() };
    assert_eq!(kinds(&world.decide(delayed("the forge is down"))), ["publish_delayed"]);
    assert_eq!(world.reason(1), "publishing is tried again: the forge is down");
    assert!(world.decide(delayed("the forge is down")).is_empty(), "said once");
    world.merges(1);
    assert!(world.decide(delayed("late")).is_empty());
    assert_eq!((world.word(1), world.reason(1)), (StateWord::Done, ""));
}

#[test]
fn what_the_forge_refuses_for_good_parks() {
    let mut world = World::new();
    world.publishes(1, "t1");
    world.publish_ended(1, PublishOutcome::Refused("the branch is protected".to_owned()));
    assert_eq!((world.word(1), world.reason(1)), (StateWord::Parked, "the branch is protected"));
    assert_eq!(world.sessions(1), ["cancelled"]);
}

#[test]
fn an_issue_that_cannot_be_closed_yet_waits_and_is_closed_later() {
    let mut world = World::new();
    world.publishes(1, "t1");
    let refused = |world: &World| Command::CloseRefused {
        key: world.key(1),
        reason: "a dependency is open".to_owned(),
    };
    let early = refused(&world);
    assert!(world.decide(early).is_empty(), "nothing is merged yet");
    world.pushed(1);
    world.publish_ended(1, PublishOutcome::Merged);
    let late = refused(&world);
    world.decide(late.clone());
    assert_eq!((world.word(1), world.reason(1)), (StateWord::InReview, "a dependency is open"));
    assert!(world.decide(late).is_empty(), "said once");
    assert!(matches!(world.work_order(1), Some(Order::Close { .. })));
    world.closed(1);
    assert_eq!(world.word(1), StateWord::Done);
}

#[test]
fn nothing_is_published_without_a_green_report_of_its_tree() {
    let mut world = World::new();
    world.gates_run_on(1, "t1");
    let mut other = world.gate_report(1, &[]);
    other.tree = TreeId("another-tree".to_owned());
    let mut stale = world.gate_report(1, &[]);
    stale.gate_set = "other gates".to_owned();
    let mut empty = world.gate_report(1, &[]);
    empty.gates.clear();
    for report in [other, stale] {
        let report = Box::new(report);
        assert!(world.decide(Command::Verified { key: world.key(1), report }).is_empty());
        assert_eq!(world.word(1), StateWord::Gating);
    }
    world.decide(Command::Verified { key: world.key(1), report: Box::new(empty) });
    assert_eq!(world.word(1), StateWord::Running, "no gate at all is not green");
}

#[test]
fn what_is_on_the_forge_is_recorded_whatever_became_of_the_task() {
    let mut world = World::new();
    world.publishes(1, "t1");
    let Candidate { commit, tree, .. } = world.candidate(1);
    world.observe(said(1).unassigned());
    let pushed = Command::Pushed { key: world.key(1), commit: commit.clone(), tree };
    assert_eq!(kinds(&world.decide(pushed.clone())), ["pushed"]);
    assert!(world.decide(pushed).is_empty(), "said once");
    let opened = Command::PullOpened { key: world.key(1), number: 12 };
    assert_eq!(kinds(&world.decide(opened.clone())), ["pull_opened"]);
    assert!(world.decide(opened).is_empty(), "said once");
    assert_eq!((world.task(1).pushed.as_ref(), world.task(1).pull_request), (Some(&commit), Some(12)));
}

#[test]
fn a_later_push_leases_on_the_one_before() {
    let mut world = World::new();
    world.publishes(1, "t1");
    assert_eq!(world.publish_order(1).pushed, None);
    world.pushed(1);
    let first = world.candidate(1).commit;
    let outcome = moved(&world, "base-2", "t2");
    world.publish_ended(1, outcome);
    world.green(1);
    let order = world.publish_order(1);
    assert_eq!((order.pushed, order.pull_request), (Some(first), Some(101)));
}
