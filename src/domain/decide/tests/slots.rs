//! Who starts, in which order, and what the others are told.

use super::*;
use crate::domain::{decide::Slots, task::HandoverCause};

fn reason(world: &World, number: u64) -> Option<String> {
    let ahead = world.ready().iter().position(|&other| other == number).unwrap();
    Slots::of(&world.state, &world.rules).reason(&app(number).repo, ahead)
}

#[test]
fn ready_tasks_start_by_priority_then_age_then_number() {
    let mut world = World::new().with(|rules| rules.start_barred = Some("not yet".to_owned()));
    world.observe(said(1).of_priority(Priority::Low).created_at(1));
    world.observe(said(2).created_at(50));
    world.observe(said(3).created_at(20));
    world.observe(said(5).created_at(20));
    world.observe(said(4).of_priority(Priority::High).created_at(90));
    assert_eq!(world.ready(), [4, 3, 5, 2, 1]);
    world.observe(said(1).of_priority(Priority::High).created_at(1));
    assert_eq!(world.ready(), [1, 4, 3, 5, 2], "a change of priority counts at once");
    world.rules.start_barred = None;
    world.rules.max_tasks = 3;
    let started = world.decide(Command::Tick);
    let prepared = started.iter().filter(|event| event.kind() == "preparing");
    let prepared: Vec<u64> = prepared.map(|event| event.issue().number).collect();
    assert_eq!(prepared, [1, 4, 3]);
}

#[test]
fn no_more_tasks_start_than_there_are_slots_and_the_others_say_what_they_wait_for() {
    let mut world = World::new();
    for number in 1..=7 {
        world.observe(said(number));
    }
    assert_eq!((world.state.active(), world.ready()), (4, vec![5, 6, 7]));
    assert!(world.state.standing(&app(5)) < world.state.standing(&app(6)));
    assert_eq!(world.state.standing(&app(1)), None, "who is at work does not stand in line");
    assert_eq!(
        reason(&world, 7).unwrap(),
        "waits for a slot: 4 of 4 tasks are at work (policy.max_tasks) and 2 ready tasks are ahead of it"
    );
    assert_eq!(
        reason(&world, 6).unwrap(),
        "waits for a slot: 4 of 4 tasks are at work (policy.max_tasks) and 1 ready task is ahead of it"
    );
    world.prepared(2);
    world.turn_ended(2, "t2");
    world.green(2);
    world.merges(2);
    assert_eq!((world.word(5), world.ready()), (StateWord::Preparing, vec![6, 7]));
}

#[test]
fn a_pull_request_that_waits_for_a_person_takes_no_slot() {
    let mut world = World::new().with(|rules| rules.max_tasks = 1);
    world.publishes(1, "t1");
    world.observe(said(2));
    assert_eq!(world.word(2), StateWord::Ready);
    world.publish_ended(1, PublishOutcome::WaitsForReview(None));
    assert_eq!(world.word(2), StateWord::Preparing);
}

#[test]
fn a_repository_may_have_a_limit_of_its_own() {
    let mut world = World::new().with(|rules| rules.max_tasks_per_repository = 1);
    world.observe(said(1));
    world.observe(said(2));
    world.observe(said_of(&issue("acme/lib#3")));
    assert_eq!(world.state.active_in(&RepoRef::new("acme", "app")), 1);
    assert_eq!(world.word(2), StateWord::Ready);
    assert_eq!(
        reason(&world, 2).unwrap(),
        "waits for a slot: 1 of 1 tasks are at work in acme/app (policy.max_tasks_per_repository) and 0 ready tasks \
         are ahead of it"
    );
    assert_eq!(
        world.task_of(&issue("acme/lib#3")).phase,
        Phase::Preparing,
        "the next one is not held up by it"
    );
    assert_eq!(Slots::of(&world.state, &world.rules).reason(&RepoRef::new("acme", "new"), 0), None);
}

#[test]
fn nothing_starts_while_starting_is_barred() {
    let mut world = World::new().with(|rules| rules.start_barred = Some("the disk is full".to_owned()));
    world.observe(said(1));
    assert_eq!((world.word(1), reason(&world, 1).as_deref()), (StateWord::Ready, Some("the disk is full")));
    world.rules.start_barred = None;
    world.passes(1_000);
    assert_eq!(world.word(1), StateWord::Preparing);
}

#[test]
fn no_new_session_begins_while_starting_is_barred() {
    let mut world = World::new();
    world.works_on(1);
    world.rules.start_barred = Some("the disk is full".to_owned());
    world.cut_short(1, "t1");
    assert_eq!((world.word(1), world.reason(1)), (StateWord::Ready, "the disk is full"));
    assert_eq!(world.sessions(1), ["rotated"]);
    world.rules.start_barred = None;
    world.passes(1_000);
    world.prepared(1);
    assert_eq!(world.prompt(1), "handover 2.1 small");
}

#[test]
fn an_escalation_while_starting_is_barred_is_handed_over_later() {
    let mut world = World::new().with_large();
    world.works_on(1);
    world.turn_ended(1, BASE_TREE);
    world.turn_ended(1, BASE_TREE);
    world.rules.start_barred = Some("the disk is full".to_owned());
    world.turn_ended(1, BASE_TREE);
    assert_eq!((world.word(1), world.sessions(1)), (StateWord::Ready, vec!["escalated".to_owned()]));
    world.rules.start_barred = None;
    world.passes(1_000);
    world.prepared(1);
    assert_eq!(world.prompt(1), "handover 2.1 large");
    assert_eq!(world.turn(1).purpose, Purpose::Handover { cause: HandoverCause::Escalated });
}

#[test]
fn a_task_that_stops_working_gives_its_slot_to_the_next() {
    let mut world = World::new().with(|rules| rules.max_tasks = 1);
    world.works_on(1);
    world.observe(said(2));
    let events = world.observe(said(1).unassigned());
    assert!(kinds(&events).ends_with(&["routed", "preparing"]), "{:?}", kinds(&events));
    assert_eq!(world.word(2), StateWord::Preparing);
}
