//! Blockers, cycles, and what they do to tasks at every stage.

use super::*;
use crate::domain::{
    graph::NodeState,
    task::{HandoverCause, ParkCause},
};

const OPEN: Option<IssueState> = Some(IssueState::Open);
const CLOSED: Option<IssueState> = Some(IssueState::Closed);

fn parked_for(world: &World, number: u64) -> ParkCause {
    match &world.task(number).phase {
        Phase::Parked(parking) => parking.cause,
        other => panic!("#{number} is not parked: {other:?}"),
    }
}

#[test]
fn a_blocked_issue_starts_when_its_last_blocker_closes() {
    let mut world = World::new();
    world.observe(said(3).waits_for_open(1).waits_for_open(2));
    assert_eq!(world.word(3), StateWord::Blocked);
    assert_eq!(world.reason(3), "waits for acme/app#1 and acme/app#2 to be closed");
    world.observe(said(1).unassigned().closed());
    assert_eq!(world.reason(3), "waits for acme/app#2 to be closed");
    assert_eq!(world.work_order(3), None);
    world.observe(said(2).unassigned().closed());
    assert_eq!(world.word(3), StateWord::Preparing);
}

#[test]
fn a_finished_blocker_frees_its_dependants_before_its_issue_is_read_again() {
    let mut world = World::new();
    world.observe(said(1));
    world.observe(said(2).waits_for_open(1));
    world.observe(said(3).says_blocked_by(1).waits_for_open(1).waits_for_open(9));
    world.prepared(1);
    world.turn_ended(1, "t1");
    world.green(1);
    world.merges(1);
    assert_eq!(world.word(1), StateWord::Done);
    assert_eq!(world.word(2), StateWord::Preparing);
    assert_eq!(world.reason(3), "waits for acme/app#9 to be closed");
    assert!(world.observe(said(1).closed()).is_empty(), "the look that follows is no news");
}

#[test]
fn native_dependencies_and_words_of_the_body_block_alike_from_either_end() {
    let waiters = [said(2).waits_for(app(1), OPEN), said(2).says_blocked_by(1)];
    for waiter in waiters {
        let mut world = World::new();
        world.observe(waiter);
        assert_eq!(world.word(2), StateWord::Blocked);
    }
    for blocker in [said(1).blocks(2), said(1).says_blocks(2)] {
        let mut world = World::new().with(|rules| rules.max_tasks = 1);
        world.observe(blocker);
        world.observe(said(2));
        assert_eq!(
            (world.word(2), world.reason(2)),
            (StateWord::Blocked, "waits for acme/app#1 to be closed")
        );
    }
}

#[test]
fn a_blocker_in_another_repository_counts() {
    let mut world = World::new();
    let other = issue("acme/lib#4");
    world.observe(said(2).waits_for(other.clone(), OPEN));
    assert_eq!(world.reason(2), "waits for acme/lib#4 to be closed");
    world.observe(said_of(&other).unassigned().closed());
    assert_eq!(world.word(2), StateWord::Preparing);
}

#[test]
fn a_closed_blocker_does_not_block() {
    let mut world = World::new();
    world.observe(said(2).waits_for(app(1), CLOSED));
    assert_eq!(world.word(2), StateWord::Preparing);
}

#[test]
fn hidden_unknown_and_unreadable_blockers_block_and_the_reason_says_what_to_do() {
    let mut world = World::new();
    world.observe(said(2).waits_for_hidden());
    assert_eq!(world.word(2), StateWord::Blocked);
    assert_eq!(
        world.reason(2),
        "has a blocker in a repository that the bot cannot see: give it access, or remove the dependency"
    );
    world.observe(said(2).waits_for_hidden().waits_for_hidden());
    assert!(world.reason(2).starts_with("has 2 blockers in a repository"), "{}", world.reason(2));
    world.observe(said(3).waits_for(app(1), None));
    assert_eq!(
        world.reason(3),
        "is blocked by acme/app#1, which the bot cannot read: give it access, or remove the dependency"
    );
    world.observe(said(4).waits_for_open(8).says_blocked_by(9).waits_for_hidden());
    assert!(
        world.reason(4).starts_with("waits for acme/app#8 to be closed; is blocked by acme/app#9, which")
    );
    world.decide(Command::Unreadable(app(8)));
    assert!(
        world.reason(4).starts_with("is blocked by acme/app#8 and acme/app#9, which"),
        "{}",
        world.reason(4)
    );
}

#[test]
fn a_blocker_that_becomes_unreadable_and_readable_again_blocks_for_what_it_is() {
    let mut world = World::new();
    world.observe(said(1).unassigned());
    world.observe(said(2).waits_for_open(1));
    world.observe(said(1).unassigned());
    world.decide(Command::Unreadable(app(1)));
    assert_eq!(world.state.graph().state(&app(1)), NodeState::Unknown);
    world.observe(said(1).unassigned());
    assert_eq!(world.reason(2), "waits for acme/app#1 to be closed");
    world.decide(Command::Unreadable(app(1)));
    world.observe(said(1).unassigned().closed());
    assert_eq!(world.word(2), StateWord::Preparing);
}

#[test]
fn the_last_word_on_a_blocker_counts_whoever_said_it() {
    let mut world = World::new();
    world.observe(said(2).waits_for_open(1));
    world.observe(said(1).unassigned());
    // Another issue's record tells that it was closed meanwhile.
    world.observe(said(3).waits_for(app(1), CLOSED));
    assert_eq!(world.word(2), StateWord::Preparing);
    // Reopened: its own record is as it was, but no longer what was said last.
    world.observe(said(1).unassigned());
    assert_eq!(world.word(2), StateWord::Blocked);
    assert_eq!(world.word(3), StateWord::Blocked);
    world.observe(said(3).waits_for(app(1), CLOSED));
    assert_eq!(world.word(2), StateWord::Preparing);
    assert_eq!(world.word(3), StateWord::Preparing);
}

#[test]
fn a_snapshot_keeps_the_last_word_on_a_blocker() {
    for (before, after) in [(OPEN, IssueState::Closed), (CLOSED, IssueState::Open), (None, IssueState::Open)]
    {
        let mut world = World::new();
        world.observe(said(2).waits_for(app(1), before));
        // Told last; its record comes first when the snapshot is read.
        let blocker = said(1).unassigned();
        world.observe(if after == IssueState::Closed { blocker.closed() } else { blocker });
        let word = world.word(2);
        world.restart();
        world.passes(1_000);
        assert_eq!(world.word(2), word);
        assert_eq!(world.state.graph().state(&app(1)), NodeState::from(after));
    }
    let mut world = World::new();
    world.observe(said(1).unassigned().waits_for_hidden());
    world.observe(said(2).waits_for_open(1));
    world.observe(said(1).unassigned());
    world.decide(Command::Unreadable(app(1)));
    world.restart();
    assert!(world.state.is_unreadable(&app(1)));
    assert_eq!(world.state.graph().state(&app(1)), NodeState::Unknown);
}

#[test]
fn a_cycle_of_three_is_parked_with_every_member_named_and_taken_up_when_it_is_broken() {
    let mut world = World::new();
    world.observe(said(1).waits_for_open(2));
    world.observe(said(2).waits_for_open(3));
    world.observe(said(4).waits_for_open(1));
    world.observe(said(3).waits_for_open(1));
    for number in [1, 2, 3] {
        assert_eq!(parked_for(&world, number), ParkCause::Cycle);
        assert_eq!(
            world.reason(number),
            "acme/app#1, acme/app#2 and acme/app#3 block each other in a cycle: remove one of these dependencies"
        );
    }
    assert_eq!(world.word(4), StateWord::Blocked, "who waits for a cycle is not in it");

    world.observe(said(3));
    assert_eq!(world.word(3), StateWord::Preparing);
    assert_eq!((world.word(1), world.word(2)), (StateWord::Blocked, StateWord::Blocked));
    assert_eq!(world.task(1).key.generation.0, 1, "nobody started it anew");
}

#[test]
fn a_cycle_that_changes_is_named_anew() {
    let mut world = World::new();
    world.observe(said(1).waits_for_open(2));
    world.observe(said(2).waits_for_open(1));
    assert!(world.reason(1).starts_with("acme/app#1 and acme/app#2 block each other"));
    world.observe(said(3).waits_for_open(1));
    assert!(
        world
            .observe(said(1).waits_for_open(2).waits_for_open(3))
            .iter()
            .any(|event| event.kind() == "parked")
    );
    for number in [1, 2, 3] {
        assert!(world.reason(number).starts_with("acme/app#1, acme/app#2 and acme/app#3 block"), "{number}");
    }
    assert!(world.observe(said(3).waits_for_open(1)).is_empty(), "said already");
}

#[test]
fn a_self_loop_is_parked_and_taken_up_when_it_is_gone() {
    let mut world = World::new();
    world.observe(said(1).waits_for_open(1));
    assert_eq!(parked_for(&world, 1), ParkCause::Cycle);
    assert_eq!(world.reason(1), "acme/app#1 blocks itself: remove that dependency");
    world.observe(said(1));
    assert_eq!(world.word(1), StateWord::Preparing);
}

#[test]
fn a_cycle_through_issues_that_are_not_the_bots_is_found() {
    let mut world = World::new();
    let foreign = issue("acme/lib#9");
    world.observe(said(1).waits_for(foreign.clone(), OPEN));
    assert_eq!(world.word(1), StateWord::Blocked);
    world.observe(said_of(&foreign).unassigned().waits_for(app(1), OPEN));
    assert_eq!(
        world.reason(1),
        "acme/app#1 and acme/lib#9 block each other in a cycle: remove one of these dependencies"
    );
    world.observe(said_of(&foreign).unassigned().closed().waits_for(app(1), OPEN));
    assert_eq!(world.word(1), StateWord::Preparing, "a closed issue is in no cycle");
}

#[test]
fn a_blocker_that_appears_mid_run_stops_it_and_it_resumes_as_a_hand_over() {
    let stages: [Stage; 3] = [
        ("preparing", |world| drop(world.observe(said(7)))),
        ("running", |world| world.works_on(7)),
        ("gating", |world| world.gates_run_on(7, "t1")),
    ];
    for (stage, reach) in stages {
        let mut world = World::new();
        reach(&mut world);
        let had_session = !world.task(7).sessions.is_empty();
        world.observe(said(7).waits_for_open(1));
        assert_eq!(
            (world.word(7), world.reason(7)),
            (StateWord::Blocked, "waits for acme/app#1 to be closed"),
            "{stage}"
        );
        assert_eq!((world.work_order(7), world.state.active()), (None, 0));
        world.observe(said(7));
        world.prepared(7);
        if had_session {
            assert_eq!(world.prompt(7), "handover 2.1 small", "{stage}");
            assert_eq!(world.turn(7).purpose, Purpose::Handover { cause: HandoverCause::Interrupted });
            assert_eq!(world.sessions(7), ["interrupted", "lives"]);
            assert_eq!(world.task(7).counted_sessions(), 1, "the interrupted one does not count");
        } else {
            assert_eq!(world.prompt(7), "work 1.1 small", "{stage}");
        }
    }
}

#[test]
fn a_cycle_that_appears_mid_run_parks_it_and_it_resumes_as_a_hand_over() {
    let mut world = World::new();
    world.works_on(7);
    world.observe(said(8).unassigned());
    world.observe(said(7).waits_for_open(7));
    assert_eq!(parked_for(&world, 7), ParkCause::Cycle);
    assert_eq!(world.sessions(7), ["interrupted"]);
    world.observe(said(7));
    world.prepared(7);
    assert_eq!(world.prompt(7), "handover 2.1 small");
}

#[test]
fn a_blocker_does_not_stop_what_is_being_published_until_its_base_moves() {
    let mut world = World::new();
    world.publishes(7, "t1");
    world.observe(said(7).waits_for_open(1));
    assert_eq!(world.word(7), StateWord::Publishing);
    let ground = Box::new(world.ground("base-2"));
    let candidate =
        Candidate { commit: CommitId("c2".into()), tree: TreeId("t2".into()), base: ground.base.clone() };
    world.publish_ended(7, PublishOutcome::BaseMoved { ground, candidate });
    assert_eq!(world.word(7), StateWord::Blocked);

    let mut world = World::new();
    world.publishes(7, "t1");
    world.observe(said(7).waits_for_open(1));
    let ground = Box::new(world.ground("base-2"));
    world.publish_ended(7, PublishOutcome::Conflicted { ground, files: vec!["a.rs".into()] });
    assert_eq!(world.word(7), StateWord::Blocked);
    assert!(!world.task(7).conflict_turn_spent, "no turn was spent on it");
}
