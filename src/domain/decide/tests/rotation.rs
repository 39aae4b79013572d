//! Context: what is measured, and what happens at the lines.

use super::*;
use crate::domain::{id::SessionNo, task::HandoverCause};

#[test]
fn use_is_recorded_when_it_moved_by_a_hundredth_of_the_window() {
    let mut world = World::new();
    world.works_on(1);
    assert_eq!(kinds(&world.used(1, 50_000)), ["usage_marked"]);
    assert!(world.used(1, 51_999).is_empty(), "less than 2000 of 200000");
    assert_eq!(kinds(&world.used(1, 52_000)), ["usage_marked"]);
    assert_eq!(kinds(&world.used(1, 20_000)), ["usage_marked"], "a compacted context is told too");
    let session = &world.task(1).sessions[0];
    assert_eq!((session.used_tokens, session.peak_tokens), (Some(20_000), Some(52_000)));
}

#[test]
fn a_smaller_window_that_the_agent_reports_is_the_one_that_counts() {
    let mut world = World::new();
    world.works_on(1);
    let turn = world.turn_key(1);
    world.decide(Command::Usage { turn, used_tokens: 50_000, window_tokens: 100_000 });
    assert_eq!(world.task(1).sessions[0].occupancy(), Some(0.5));
}

#[test]
fn the_warning_is_recorded_once() {
    let mut world = World::new();
    world.works_on(1);
    let warned = Command::Warned { key: world.key(1), session: SessionNo::FIRST };
    assert_eq!(kinds(&world.decide(warned.clone())), ["warned"]);
    assert!(world.decide(warned).is_empty());
    assert!(world.task(1).sessions[0].warned);
}

#[test]
fn a_turn_cut_short_at_the_line_is_followed_by_a_hand_over() {
    let mut world = World::new();
    world.works_on(1);
    assert_eq!(kinds(&world.rotation_ordered(1, 191_000)), ["usage_marked", "rotation_ordered"]);
    assert!(world.rotation_ordered(1, 192_000).is_empty(), "ordered once");
    let events = world.cut_short(1, "t1");
    assert_eq!(kinds(&events), ["turn_ended", "session_ended", "turn_ordered"]);
    assert_eq!(world.prompt(1), "handover 2.1 small");
    assert_eq!(world.turn(1).purpose, Purpose::Handover { cause: HandoverCause::Rotated });
    assert_eq!(world.sessions(1), ["rotated", "lives"]);
    assert_eq!(world.task(1).sessions[0].peak_occupancy(), Some(0.955));
    assert_eq!(world.task(1).sessions[1].occupancy(), None, "a new session's use is not known yet");
    assert_eq!(world.task(1).continuations, 0);
}

#[test]
fn a_session_at_the_line_never_gets_another_turn() {
    for used in [190_000, 190_001, 200_000] {
        let mut world = World::new();
        world.works_on(1);
        world.used(1, used);
        world.turn_ended(1, "t1");
        world.red(1);
        assert_eq!(world.prompt(1), "handover 2.1 small", "{used}");
        assert_eq!(world.sessions(1), ["rotated", "lives"]);
    }
    let mut world = World::new();
    world.works_on(1);
    world.used(1, 189_999);
    world.turn_ended(1, "t1");
    world.red(1);
    assert_eq!(world.prompt(1), "continue 1.2 small", "below the line it goes on");
}

#[test]
fn a_session_told_to_rotate_gets_no_other_turn_even_where_its_turn_ended_by_itself() {
    let mut world = World::new();
    world.works_on(1);
    world.rotation_ordered(1, 191_000);
    world.used(1, 50_000);
    world.turn_ended(1, "t1");
    assert_eq!(world.word(1), StateWord::Gating, "what it left is looked at all the same");
    world.red(1);
    assert_eq!(world.prompt(1), "handover 2.1 small");
}

#[test]
fn a_session_at_the_line_whose_work_is_green_is_finished() {
    let mut world = World::new();
    world.works_on(1);
    world.rotation_ordered(1, 191_000);
    world.turn_ended(1, "t1");
    world.green(1);
    world.merges(1);
    assert_eq!(world.sessions(1), ["finished"]);
}

#[test]
fn rotations_count_as_sessions_and_the_cap_parks() {
    let mut world = World::new().with(|rules| rules.policy.max_sessions = 2);
    world.works_on(1);
    world.cut_short(1, "t1");
    world.cut_short(1, "t2");
    assert_eq!(world.word(1), StateWord::Parked);
    assert_eq!(world.reason(1), "all 2 sessions are used up (policy.max_sessions)");
    assert_eq!(world.sessions(1), ["rotated", "rotated"]);
}

#[test]
fn an_overrun_is_recorded_for_sessions_that_are_known() {
    let mut world = World::new();
    world.works_on(1);
    let overrun = |world: &World, session| Command::Overrun { key: world.key(1), session };
    let unknown = overrun(&world, SessionNo(2));
    assert!(world.decide(unknown).is_empty());
    world.cut_short(1, "t1");
    let late = overrun(&world, SessionNo::FIRST);
    assert_eq!(kinds(&world.decide(late)), ["overrun"], "also when it is over by now");
}

#[test]
fn a_conflict_at_the_line_is_handed_over_with_the_files() {
    let mut world = World::new();
    world.works_on(1);
    world.used(1, 195_000);
    world.turn_ended(1, "t1");
    world.green(1);
    let ground = Box::new(world.ground("base-2"));
    world.publish_ended(1, PublishOutcome::Conflicted { ground, files: vec!["a.rs".to_owned()] });
    assert_eq!(world.prompt(1), "handover 2.1 small");
    let cause = HandoverCause::Conflict { files: vec!["a.rs".to_owned()] };
    assert_eq!(world.turn(1).purpose, Purpose::Handover { cause });
    assert_eq!(world.turn(1).ground.base.0, "base-2");
}
