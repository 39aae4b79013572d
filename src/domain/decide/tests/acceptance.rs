//! Which issues become tasks, and what takes a task away again.

use super::*;

#[test]
fn an_open_issue_assigned_to_the_bot_becomes_a_task() {
    let mut world = World::new();
    let events = world.observe(said(7).titled("Add a flag"));
    assert_eq!(kinds(&events), ["issue_seen", "accepted", "readied", "routed", "preparing"]);
    assert_eq!(world.task(7).branch, "mosaic/7-add-a-flag");
    assert_eq!(world.word(7), StateWord::Preparing);
    assert!(matches!(
        world.work_order(7),
        Some(Order::Prepare { branch, ground: None, .. }) if branch == "mosaic/7-add-a-flag"
    ));
}

#[test]
fn an_issue_that_is_not_assigned_or_not_open_is_none_of_ours() {
    let mut world = World::new();
    assert!(world.observe(said(7).unassigned()).is_empty());
    assert!(world.observe(said(8).closed()).is_empty());
    assert_eq!(world.state.tasks().count(), 0);
    assert!(!world.state.concerns(&app(7)));
}

#[test]
fn whatever_order_the_webhooks_come_in_the_last_look_decides() {
    // Every order of the same three looks ends where its last one says.
    let opened = said(7).unassigned();
    let (assigned, unassigned) = (said(7), said(7).unassigned().touched_at(1));
    for (looks, word) in [
        ([&opened, &assigned, &unassigned], StateWord::Cancelled),
        ([&assigned, &opened, &unassigned], StateWord::Cancelled),
        ([&unassigned, &opened, &assigned], StateWord::Preparing),
        ([&opened, &unassigned, &assigned], StateWord::Preparing),
        ([&assigned, &assigned, &assigned], StateWord::Preparing),
    ] {
        let mut world = World::new();
        for look in looks {
            world.observe(look.clone());
        }
        assert_eq!(world.word(7), word, "{looks:?}");
    }
}

#[test]
fn the_same_look_again_decides_nothing() {
    let mut world = World::new();
    world.observe(said(7));
    assert!(world.observe(said(7)).is_empty());
    assert!(world.observe(said(7).touched_at(99)).is_empty(), "the forge's clock alone is no news");
}

#[test]
fn a_repository_that_is_not_configured_is_none_of_ours() {
    let mut world = World::new().with(|rules| {
        rules.repositories.insert(RepoRef::new("acme", "other"));
    });
    assert!(world.observe(said(7)).is_empty());
    world.observe(said_of(&issue("Acme/Other#1")));
    assert_eq!(world.task_of(&issue("acme/other#1")).phase, Phase::Preparing);
}

#[test]
fn a_repository_taken_out_of_the_configuration_cancels_and_back_in_it_starts_anew() {
    let mut world = World::new();
    world.works_on(7);
    world.rules.repositories.insert(RepoRef::new("acme", "other"));
    world.observe(said(7));
    assert_eq!(world.reason(7), "its repository is no longer among gitea.repositories");
    world.rules.repositories.clear();
    world.observe(said(7));
    assert_eq!((world.word(7), world.task(7).key.generation.0), (StateWord::Preparing, 2));
}

#[test]
fn unassigned_mid_run_is_cancelled_and_its_session_too() {
    let mut world = World::new();
    world.works_on(7);
    world.observe(said(7).unassigned());
    assert_eq!(
        (world.word(7), world.reason(7)),
        (StateWord::Cancelled, "the issue is no longer assigned to the bot")
    );
    assert_eq!(world.sessions(7), ["cancelled"]);
    assert_eq!(world.work_order(7), None);
    assert_eq!(world.state.active(), 0);
}

#[test]
fn closed_mid_run_is_cancelled_at_every_stage() {
    let stages: [Stage; 5] = [
        ("preparing", |world| drop(world.observe(said(7)))),
        ("running", |world| world.works_on(7)),
        ("gating", |world| world.gates_run_on(7, "t1")),
        ("publishing", |world| world.publishes(7, "t1")),
        ("in review", |world| {
            world.publishes(7, "t1");
            world.publish_ended(7, PublishOutcome::WaitsForReview(None));
        }),
    ];
    for (stage, reach) in stages {
        let mut world = World::new();
        reach(&mut world);
        world.observe(said(7).closed());
        assert_eq!(
            (world.word(7), world.reason(7)),
            (StateWord::Cancelled, "the issue was closed"),
            "{stage}"
        );
        assert!(world.task(7).live_session().is_none(), "{stage}");
    }
}

#[test]
fn closed_by_our_merge_is_done() {
    let mut world = World::new();
    world.publishes(7, "t1");
    world.pushed(7);
    world.publish_ended(7, PublishOutcome::Merged);
    world.observe(said(7).closed());
    assert_eq!((world.word(7), world.reason(7)), (StateWord::Done, ""));
    assert_eq!(world.sessions(7), ["finished"]);
    assert!(world.closed(7).is_empty(), "done is done once");
}

#[test]
fn what_is_merged_is_not_cancelled_by_a_late_unassignment() {
    let mut world = World::new();
    world.publishes(7, "t1");
    world.pushed(7);
    world.publish_ended(7, PublishOutcome::Merged);
    world.observe(said(7).unassigned());
    assert_eq!(world.word(7), StateWord::Publishing);
    assert!(matches!(world.work_order(7), Some(Order::Close { .. })));
    world.closed(7);
    assert_eq!(world.word(7), StateWord::Done);
}

#[test]
fn an_issue_that_cannot_be_read_any_more_is_cancelled_and_starts_anew_when_it_can() {
    let mut world = World::new();
    world.works_on(7);
    let events = world.decide(Command::Unreadable(app(7)));
    assert_eq!(kinds(&events), ["session_ended", "cancelled", "issue_unreadable"]);
    assert!(world.state.is_unreadable(&app(7)));
    assert!(world.decide(Command::Unreadable(app(7))).is_empty(), "said once");
    world.observe(said(7));
    assert!(!world.state.is_unreadable(&app(7)));
    assert_eq!((world.word(7), world.task(7).key.generation.0), (StateWord::Preparing, 2));
}

#[test]
fn an_unreadable_issue_that_nobody_waits_for_leaves_no_trace() {
    let mut world = World::new();
    assert!(world.decide(Command::Unreadable(app(7))).is_empty());
    assert!(!world.state.is_unreadable(&app(7)));
}

#[test]
fn a_label_that_comes_before_the_work_changes_the_estimate() {
    let mut world = World::new().with(|rules| rules.max_tasks = 0);
    world.observe(said(7));
    assert_eq!(world.task(7).estimate.tokens, 60_000);
    let events = world.observe(said(7).of_difficulty(Difficulty::Hard));
    assert_eq!(kinds(&events), ["issue_seen", "edited"]);
    assert_eq!(world.task(7).estimate.tokens, 120_000);
    world.observe(said(7).estimated_at(45_000));
    assert_eq!(world.task(7).estimate.tokens, 45_000);
    assert!(!world.task(7).edited, "no prompt has said anything else yet");
}
