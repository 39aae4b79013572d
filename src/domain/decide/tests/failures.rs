//! Sessions that fail: whose fault it is, how long the next one waits, and when it is enough.

use super::*;
use crate::domain::task::HandoverCause;

/// How long a task that failed waits, in ms.
fn pause_ms(world: &World) -> i64 {
    world.task(1).not_before_ms - world.now_ms
}

fn again(world: &mut World) {
    let wait = pause_ms(world);
    world.passes(wait);
    world.prepared(1);
}

#[test]
fn a_failed_session_is_followed_by_a_hand_over_after_a_back_off() {
    let mut world = World::new();
    world.works_on(1);
    let events = world.failed(1, "the agent exited within a turn", Fault::Agent);
    assert_eq!(kinds(&events), ["session_ended", "readied"]);
    assert_eq!(world.word(1), StateWord::Ready);
    assert_eq!(world.reason(1), "session 1 failed: the agent exited within a turn; tried again after 1 s");
    assert!(world.passes(500).is_empty());
    again(&mut world);
    assert_eq!(world.prompt(1), "handover 2.1 small");
    let cause = HandoverCause::Failed { cause: "the agent exited within a turn".to_owned() };
    assert_eq!(world.turn(1).purpose, Purpose::Handover { cause });
    assert_eq!(world.sessions(1), ["failed", "lives"]);
}

#[test]
fn the_back_off_doubles_from_a_second_to_a_minute_and_starts_anew_after_a_turn() {
    let mut world = World::new().with(|rules| rules.policy.max_sessions = 99);
    world.works_on(1);
    for expected in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
        world.failed(1, "it fell over", Fault::Agent);
        assert_eq!(pause_ms(&world), expected);
        again(&mut world);
    }
    world.turn_ended(1, "t1");
    world.red(1);
    world.failed(1, "it fell over", Fault::Agent);
    assert_eq!(pause_ms(&world), 1_000);
}

#[test]
fn too_many_failed_sessions_park_with_the_last_cause() {
    let mut world = World::new().with(|rules| rules.policy.max_sessions = 2);
    world.works_on(1);
    world.failed(1, "the first cause", Fault::Agent);
    again(&mut world);
    world.failed(1, "the last cause", Fault::Agent);
    assert_eq!(world.word(1), StateWord::Parked);
    assert_eq!(
        world.reason(1),
        "all 2 sessions are used up (policy.max_sessions); the last one failed: the last cause"
    );
}

#[test]
fn faults_of_ours_and_of_the_provider_count_nothing() {
    for fault in [Fault::Ours, Fault::Provider] {
        let mut world = World::new().with(|rules| rules.policy.max_sessions = 1);
        world.works_on(1);
        for _ in 0..5 {
            world.failed(1, "not the agent's fault", fault.clone());
            assert_eq!(world.word(1), StateWord::Ready, "{fault:?}");
            again(&mut world);
        }
        assert_eq!(world.task(1).counted_sessions(), 1, "only the one that lives");
        world.failed(1, "the agent's fault", Fault::Agent);
        assert_eq!(world.word(1), StateWord::Parked);
    }
}

#[test]
fn a_lost_session_is_failed_and_burns_no_attempt() {
    let mut world = World::new();
    world.works_on(1);
    world.decide(Command::SessionLost { key: world.key(1), cause: "its actor crashed".to_owned() });
    assert_eq!((world.sessions(1), world.task(1).counted_sessions()), (vec!["failed".to_owned()], 0));
    again(&mut world);
    assert_eq!(world.prompt(1), "handover 2.1 small");
}

#[test]
fn a_session_lost_between_turns_leaves_the_gates_the_word() {
    let mut world = World::new();
    world.gates_run_on(1, "t1");
    let lost = Command::SessionLost { key: world.key(1), cause: "its actor crashed".to_owned() };
    assert_eq!(kinds(&world.decide(lost.clone())), ["session_ended"]);
    assert_eq!(world.word(1), StateWord::Gating);
    assert!(world.decide(lost).is_empty(), "there is none left to lose");
    world.red(1);
    assert_eq!(world.prompt(1), "handover 2.1 small");
    let cause = HandoverCause::Failed { cause: "its actor crashed".to_owned() };
    assert_eq!(world.turn(1).purpose, Purpose::Handover { cause });
}

#[test]
fn a_session_lost_between_turns_does_not_keep_green_work_from_being_published() {
    let mut world = World::new();
    world.gates_run_on(1, "t1");
    world.decide(Command::SessionLost { key: world.key(1), cause: "its actor crashed".to_owned() });
    world.green(1);
    world.merges(1);
    assert_eq!(world.word(1), StateWord::Done);
}

#[test]
fn a_fault_of_the_configuration_between_turns_moves_nothing() {
    let mut world = World::new();
    world.gates_run_on(1, "t1");
    let turn = TurnKey {
        task: world.key(1),
        session: world.task(1).sessions[0].number,
        turn: crate::domain::id::TurnNo(1),
    };
    let cause = "not logged in".to_owned();
    world.decide(Command::SessionFailed { turn, cause, fault: Fault::Configuration });
    assert_eq!((world.word(1), world.sessions(1)), (StateWord::Gating, vec!["failed".to_owned()]));
}

#[test]
fn a_crash_while_the_workspace_is_made_changes_nothing() {
    let mut world = World::new();
    world.observe(said(1));
    assert!(world.decide(Command::SessionLost { key: world.key(1), cause: "crash".to_owned() }).is_empty());
    assert_eq!(world.word(1), StateWord::Preparing);
}

#[test]
fn a_blocker_that_comes_and_goes_ends_a_back_off() {
    let mut world = World::new();
    world.works_on(1);
    world.failed(1, "it fell over", Fault::Agent);
    world.observe(said(1).waits_for_open(2));
    assert_eq!(world.word(1), StateWord::Blocked);
    world.observe(said(1));
    assert_eq!(world.word(1), StateWord::Preparing);
}
