//! Orders: what is derived from the state, under which keys, and what their receivers are given.

use super::*;
use crate::domain::{
    command::{Command, PublishOutcome},
    decide::tests::{World, app, said},
};

fn keys(world: &World) -> Vec<(OrderKind, String)> {
    orders(&world.state, &app(7)).iter().map(Order::key).map(|key| (key.kind, key.detail)).collect()
}

fn kinds(world: &World) -> Vec<OrderKind> {
    keys(world).into_iter().map(|(kind, _)| kind).collect()
}

#[test]
fn each_stage_has_its_order_and_its_comment() {
    let mut world = World::new().barred("not yet");
    assert!(kinds(&world).is_empty(), "there is no task");
    world.observe(said(7));
    assert_eq!(kinds(&world), [OrderKind::Comment]);
    world.rules.start_barred = None;
    world.decide(Command::Tick);
    assert_eq!(kinds(&world), [OrderKind::Prepare, OrderKind::Comment]);
    world.prepared(7);
    assert_eq!(kinds(&world), [OrderKind::Turn, OrderKind::Comment]);
    world.turn_ended(7, "t1");
    assert_eq!(kinds(&world), [OrderKind::Verify, OrderKind::Comment]);
    world.green(7);
    assert_eq!(kinds(&world), [OrderKind::Publish, OrderKind::Comment]);
    world.publish_ended(7, PublishOutcome::WaitsForReview(None));
    assert_eq!(kinds(&world), [OrderKind::Comment]);
    world.publish_ended(7, PublishOutcome::Merged);
    assert_eq!(kinds(&world), [OrderKind::Close, OrderKind::Comment]);
    world.closed(7);
    assert_eq!(kinds(&world), [OrderKind::Comment]);
}

#[test]
fn an_order_is_the_same_until_what_it_is_about_changes() {
    let mut world = World::new();
    world.works_on(7);
    assert_eq!(keys(&world)[0], (OrderKind::Turn, "1.1".to_owned()));
    world.used(7, 50_000);
    assert_eq!(keys(&world)[0], (OrderKind::Turn, "1.1".to_owned()));
    world.turn_ended(7, "t1");
    let (kind, first) = keys(&world).remove(0);
    assert_eq!(kind, OrderKind::Verify);
    world.red(7);
    assert_eq!(keys(&world)[0], (OrderKind::Turn, "1.2".to_owned()));
    world.turn_ended(7, "t2");
    let (_, second) = keys(&world).remove(0);
    assert_ne!(first, second, "another commit is another order");
    world.green(7);
    let commit = keys(&world).remove(0).1;
    assert!(second.starts_with(&commit), "{commit}");
}

#[test]
fn the_comment_is_written_once_for_each_text() {
    let mut world = World::new();
    world.observe(said(7));
    let Some(Order::Comment { key, text, digest, known }) = orders(&world.state, &app(7)).pop() else {
        panic!()
    };
    assert!(text.contains("preparing the workspace"));
    assert_eq!(known, None);
    world.decide(Command::CommentPosted { key, id: 5, digest });
    assert_eq!(kinds(&world), [OrderKind::Prepare]);
    world.prepared(7);
    assert!(matches!(orders(&world.state, &app(7)).pop(), Some(Order::Comment { known: Some(5), .. })));
}

#[test]
fn a_workspace_is_made_again_from_what_the_base_said_before() {
    let mut world = World::new();
    world.works_on(7);
    let ground = world.task(7).ground.clone().map(Box::new);
    world.failed(7, "it fell over", crate::domain::command::Fault::Agent);
    world.now_ms += 1_000;
    world.decide(Command::Tick);
    let first = orders(&world.state, &app(7)).remove(0);
    assert_eq!(
        first,
        Order::Prepare { key: world.task(7).key.clone(), branch: "mosaic/7-issue-7".to_owned(), ground }
    );
}

#[test]
fn a_turn_carries_all_that_its_prompt_needs() {
    let mut world = World::new();
    world.gates_run_on(7, "t1");
    world.red(7);
    let Order::Turn(turn) = orders(&world.state, &app(7)).remove(0) else { panic!() };
    assert_eq!((turn.model.as_str(), turn.agent.as_str(), turn.window_tokens), ("small", "mine", 200_000));
    assert_eq!(
        (turn.title.as_str(), turn.body.as_str(), turn.branch.as_str()),
        ("Issue 7", "Do it.", "mosaic/7-issue-7")
    );
    assert_eq!(turn.report.unwrap().failing(), ["test"]);
}

#[test]
fn every_hand_over_says_why_in_one_sentence() {
    let files = vec!["a.rs".to_owned(), "b.rs".to_owned()];
    let causes = [
        HandoverCause::Rotated,
        HandoverCause::Escalated,
        HandoverCause::Failed { cause: "the agent exited".to_owned() },
        HandoverCause::Interrupted,
        HandoverCause::Conflict { files },
    ];
    insta::assert_snapshot!(causes.map(|cause| handover_reason(&cause)).join("\n"), @r#"
    the session before came to the limit of its context window
    the model before did not get the gates green; a more capable one takes over
    the session before failed: the agent exited
    the session before was interrupted
    the base branch moved, and the work conflicts with it; it is merged into your work tree, and conflict markers are in: a.rs, b.rs. Resolve them so that both changes hold
    "#);
}
