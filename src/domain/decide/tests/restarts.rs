//! The process ends and another begins: what was under way is taken up.

use super::*;
use crate::domain::task::HandoverCause;

#[test]
fn a_running_session_is_interrupted_and_resumed_as_a_hand_over_and_nothing_is_counted() {
    let mut world = World::new();
    world.works_on(1);
    let events = world.restart();
    assert_eq!(kinds(&events), ["session_ended", "turn_ordered"]);
    assert_eq!(world.prompt(1), "handover 2.1 small");
    assert_eq!(world.turn(1).purpose, Purpose::Handover { cause: HandoverCause::Interrupted });
    assert_eq!(world.sessions(1), ["interrupted", "lives"]);
    assert_eq!(world.task(1).counted_sessions(), 1);
}

#[test]
fn no_number_of_restarts_uses_a_task_up() {
    let mut world = World::new().with(|rules| rules.policy.max_sessions = 1);
    world.works_on(1);
    for _ in 0..20 {
        world.restart();
    }
    assert_eq!(world.prompt(1), "handover 21.1 small");
}

#[test]
fn gating_goes_on_without_the_agent() {
    let mut world = World::new();
    world.gates_run_on(1, "t1");
    let order = world.work_order(1);
    assert_eq!(kinds(&world.restart()), ["session_ended"]);
    assert_eq!(world.work_order(1), order);
    world.green(1);
    world.merges(1);
    assert_eq!((world.word(1), world.sessions(1)), (StateWord::Done, vec!["interrupted".to_owned()]));
}

#[test]
fn red_gates_after_a_restart_are_handed_over() {
    let mut world = World::new();
    world.gates_run_on(1, "t1");
    world.restart();
    world.red(1);
    assert_eq!(world.prompt(1), "handover 2.1 small");
    assert_eq!(world.turn(1).report.unwrap().failing(), ["test"]);
    assert_eq!(world.task(1).continuations, 0, "a hand-over is no continuation");
}

#[test]
fn publishing_and_preparing_go_on() {
    let mut world = World::new();
    world.publishes(1, "t1");
    world.observe(said(2));
    let orders = (world.work_order(1), world.work_order(2));
    world.restart();
    assert_eq!((world.work_order(1), world.work_order(2)), orders);
    world.merges(1);
    assert_eq!(world.word(1), StateWord::Done);
}

#[test]
fn what_waits_for_a_person_still_does() {
    let mut world = World::new();
    world.publishes(1, "t1");
    world.publish_ended(1, PublishOutcome::WaitsForReview(None));
    assert!(world.restart().is_empty());
    assert_eq!(world.word(1), StateWord::InReview);
}

#[test]
fn where_nothing_may_start_a_running_task_waits() {
    let mut world = World::new();
    world.works_on(1);
    world.rules.start_barred = Some("the disk is full".to_owned());
    world.restart();
    assert_eq!((world.word(1), world.reason(1)), (StateWord::Ready, "the disk is full"));
    assert_eq!(world.sessions(1), ["interrupted"]);
}

#[test]
fn orders_after_a_restart_are_those_before_it_where_nothing_lived() {
    let mut world = World::new();
    world.publishes(1, "t1");
    world.pushed(1);
    world.publish_ended(1, PublishOutcome::Merged);
    let before = orders(&world.state, &app(1));
    world.restart();
    let after = orders(&world.state, &app(1));
    assert_eq!(
        before.iter().map(Order::key).collect::<Vec<_>>(),
        after.iter().map(Order::key).collect::<Vec<_>>()
    );
}
