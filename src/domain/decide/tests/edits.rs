//! An issue that is edited while it is worked on.

use super::*;

#[test]
fn an_edit_reaches_the_next_prompt_once() {
    let mut world = World::new();
    world.works_on(1);
    assert!(!world.turn(1).edited);
    let events = world.observe(said(1).titled("New title").worded("New body."));
    assert_eq!(kinds(&events), ["issue_seen", "edited"]);
    assert!(!world.turn(1).edited, "the running prompt was written before");
    world.turn_ended(1, "t1");
    world.red(1);
    let turn = world.turn(1);
    assert!(turn.edited);
    assert_eq!((turn.title.as_str(), turn.body.as_str()), ("New title", "New body."));
    world.turn_ended(1, "t2");
    world.red(1);
    assert!(!world.turn(1).edited, "said once");
}

#[test]
fn an_edit_before_the_first_prompt_is_in_it_and_needs_no_word_of_its_own() {
    let mut world = World::new();
    world.observe(said(1));
    world.observe(said(1).worded("New body."));
    world.prepared(1);
    let turn = world.turn(1);
    assert_eq!((turn.body.as_str(), turn.edited), ("New body.", false));
}

#[test]
fn an_edit_during_the_gates_reaches_the_prompt_after_them() {
    let mut world = World::new();
    world.gates_run_on(1, "t1");
    world.observe(said(1).worded("New body."));
    world.red(1);
    assert!(world.turn(1).edited);
}

#[test]
fn an_edit_starts_nothing_anew_and_keeps_the_estimate_and_the_branch() {
    let mut world = World::new();
    world.works_on(1);
    let (estimate, branch) = (world.task(1).estimate.clone(), world.task(1).branch.clone());
    world.observe(said(1).titled("Quite another title").estimated_at(9_000));
    let task = world.task(1);
    assert_eq!((task.key.generation.0, &task.estimate, &task.branch), (1, &estimate, &branch));
    assert_eq!(task.title, "Quite another title");
}

#[test]
fn an_edit_between_sessions_reaches_the_hand_over() {
    let mut world = World::new();
    world.works_on(1);
    world.failed(1, "it fell over", Fault::Agent);
    world.observe(said(1).worded("New body."));
    world.passes(1_000);
    world.prepared(1);
    let turn = world.turn(1);
    assert_eq!((turn.purpose.phase_word(), turn.edited), ("handover", true));
}
