//! What makes a task start anew, and what that counts as.

use super::*;

fn restarts_by_person(world: &World) -> usize {
    let all = told(&world.journal);
    all.filter(|what| matches!(what, TaskEvent::Accepted { restarted_by_person: true, .. })).count()
}

fn parked() -> World {
    let mut world = World::new();
    world.works_on(7);
    for _ in 0..3 {
        world.turn_ended(7, BASE_TREE);
    }
    assert_eq!(world.word(7), StateWord::Parked);
    world
}

#[test]
fn a_parked_task_starts_anew_when_its_text_changes() {
    let changes: [fn(Said) -> Said; 2] =
        [|said| said.worded("Do it otherwise."), |said| said.titled("Other")];
    for change in changes {
        let mut world = parked();
        assert!(world.observe(said(7)).is_empty(), "the same text is no reason");
        world.observe(change(said(7)));
        let task = world.task(7);
        assert_eq!((task.key.generation.0, task.sessions.len(), task.continuations), (2, 0, 0));
        assert!(task.branch.ends_with("-g2"), "{}", task.branch);
        assert_eq!(world.word(7), StateWord::Preparing);
        assert_eq!(restarts_by_person(&world), 1);
    }
}

#[test]
fn line_ends_are_no_change_of_the_text() {
    let mut world = World::new();
    world.observe(said(7).worded("a\nb"));
    world.decide(Command::PrepareFailed { key: world.key(7), reason: "no".to_owned(), retry: false });
    world.observe(said(7).worded("a\r\nb"));
    assert_eq!((world.word(7), world.task(7).key.generation.0), (StateWord::Parked, 1));
}

#[test]
fn a_parked_task_starts_anew_when_it_is_assigned_again() {
    let mut world = parked();
    world.observe(said(7).unassigned());
    assert_eq!(
        (world.word(7), world.reason(7)),
        (StateWord::Cancelled, "the issue is no longer assigned to the bot")
    );
    assert_eq!(restarts_by_person(&world), 0);
    world.observe(said(7));
    assert_eq!((world.word(7), world.task(7).key.generation.0), (StateWord::Preparing, 2));
    assert_eq!(restarts_by_person(&world), 1);
}

#[test]
fn a_parked_task_starts_anew_when_it_was_taken_away_and_given_back_between_two_looks() {
    let mut world = parked();
    assert_eq!(kinds(&world.observe(said(7).assigned_by(4))), ["assignment_noted"]);
    assert!(world.observe(said(7).assigned_by(4)).is_empty(), "the assignment that it was parked under");
    assert!(world.observe(said(7).assigned_by(3)).is_empty(), "nor an earlier one");
    assert!(world.observe(said(7)).is_empty(), "nor an unknown one");
    world.observe(said(7).assigned_by(9));
    assert_eq!((world.word(7), world.task(7).key.generation.0), (StateWord::Preparing, 2));
    assert_eq!(restarts_by_person(&world), 1);
    assert_eq!(world.task(7).assignment, None, "what the next one is parked under is not known yet");
}

#[test]
fn a_parked_task_whose_issue_is_closed_is_cancelled() {
    let mut world = parked();
    world.observe(said(7).closed());
    assert_eq!((world.word(7), world.reason(7)), (StateWord::Cancelled, "the issue was closed"));
}

#[test]
fn a_reopened_issue_is_a_new_generation() {
    let mut world = World::new();
    world.finishes(7, "t1");
    world.observe(said(7).closed());
    assert_eq!(world.word(7), StateWord::Done);
    world.observe(said(7));
    assert_eq!((world.word(7), world.task(7).key.generation.0), (StateWord::Preparing, 2));

    let mut world = World::new();
    world.works_on(7);
    world.observe(said(7).closed());
    world.observe(said(7).closed().worded("Changed while closed."));
    assert_eq!(world.word(7), StateWord::Cancelled);
    world.observe(said(7).worded("Changed while closed."));
    assert_eq!((world.word(7), world.task(7).key.generation.0), (StateWord::Preparing, 2));
    assert_eq!(restarts_by_person(&world), 1);
}

#[test]
fn a_reopened_issue_that_is_not_assigned_stays_done() {
    let mut world = World::new();
    world.finishes(7, "t1");
    world.observe(said(7).unassigned());
    assert_eq!(world.word(7), StateWord::Done);
    world.observe(said(7));
    assert_eq!(world.task(7).key.generation.0, 2);
}

#[test]
fn a_reopened_blocker_blocks_again() {
    let mut world = World::new();
    world.finishes(1, "t1");
    world.observe(said(2).waits_for(app(1), Some(IssueState::Closed)));
    assert_eq!(world.word(2), StateWord::Preparing);
    world.observe(said(1).unassigned());
    assert_eq!(world.word(2), StateWord::Blocked);
}

#[test]
fn the_living_comment_outlives_a_generation() {
    let mut world = parked();
    let posted = Command::CommentPosted { key: world.key(7), id: 31, digest: "d".to_owned() };
    assert_eq!(kinds(&world.decide(posted.clone())), ["comment_posted"]);
    assert!(world.decide(posted.clone()).is_empty(), "said once");
    world.observe(said(7).worded("Otherwise."));
    assert!(matches!(
        orders(&world.state, &app(7)).as_slice(),
        [Order::Prepare { .. }, Order::Comment { known: Some(31), .. }]
    ));
    assert!(world.decide(posted).is_empty(), "a word on the generation before");
}

#[test]
fn a_first_acceptance_is_no_restart() {
    let mut world = World::new();
    world.finishes(7, "t1");
    assert_eq!(restarts_by_person(&world), 0);
}

#[test]
fn finished_tasks_teach_the_next_estimate() {
    let mut world = World::new();
    for number in 1..=10 {
        world.works_on(number);
        world.used(number, 30_000);
        world.turn_ended(number, &format!("t{number}"));
        world.green(number);
        world.merges(number);
    }
    assert_eq!(world.state.history(&RepoRef::new("acme", "app")).len(), 10);
    world.observe(said(11));
    assert_eq!((world.task(11).estimate.raw_tokens, world.task(11).estimate.tokens), (60_000, 30_000));
    world.observe(said_of(&issue("acme/lib#1")));
    assert_eq!(world.task_of(&issue("acme/lib#1")).estimate.tokens, 60_000, "each repository by itself");
}

#[test]
fn only_the_latest_finished_tasks_teach() {
    let mut world = World::new();
    for number in 1..=55 {
        world.works_on(number);
        world.used(number, 1_000 * number);
        world.turn_ended(number, &format!("t{number}"));
        world.green(number);
        world.merges(number);
    }
    let history = world.state.history(&RepoRef::new("acme", "app"));
    assert_eq!((history.len(), history[0].peak_tokens), (50, 6_000));
    world.restart();
}
