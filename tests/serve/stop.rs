//! Told to stop: nothing is left, nothing is lost, and the next start takes it all up.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use super::{
    process::{Coordinator, until},
    scene::{SECRET, Scene},
};

/// The interface's bound for a drain.
const DRAIN_BOUND: Duration = Duration::from_secs(35);

async fn drains(coordinator: &Coordinator) {
    until("it drains", async || coordinator.check("draining").await.filter(|(ok, _)| !ok)).await;
}

/// An agent that does not leave before it is killed: the drain takes a while.
fn stubborn(scene: &Scene, issue: u64) {
    let steps = json!([
        { "write": { "path": format!("work-{issue}"), "content": "begun\n" } },
        { "detach": "sleep 3600" },
        { "hang": { "stubborn": true } },
    ]);
    scene.script(issue, &json!({ "turns": [{ "steps": steps }] }));
}

fn kept_deliveries(scene: &Scene) -> i64 {
    let file = scene.file("data/mosaic.db");
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let store = rusqlite::Connection::open_with_flags(file, flags).unwrap();
    store.query_row("SELECT count(*) FROM delivery", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn told_to_terminate_it_drains_and_the_next_start_finishes() {
    let scene = Scene::new().await;
    let mut coordinator = scene.start();
    let issue = scene.issue("Lay the ground").await;
    stubborn(&scene, issue);
    scene.forge.assign(&scene.repo, issue, &[&scene.forge.bot]).await;
    scene.begun(issue).await;
    let kept = kept_deliveries(&scene);

    let begun = Instant::now();
    coordinator.signal(Signal::TERM);
    drains(&coordinator).await;
    let ready = coordinator.try_get("/health/ready").await.unwrap();
    assert_eq!(ready.status, 503);
    assert_eq!(coordinator.try_get("/health").await.unwrap().status, 200);
    // The forge sends its own as well, for a second issue.
    let second = scene.assigned_issue("Left wall").await;
    assert_eq!(coordinator.deliver(SECRET, &scene.repo, second).await, (200, "accepted".to_owned()));
    let status = coordinator.ended().await;
    assert_eq!(status.code(), Some(0), "{}", coordinator.log());
    assert!(begun.elapsed() < DRAIN_BOUND, "{:?}", begun.elapsed());
    scene.nothing_left(&[]).await;
    assert!(kept_deliveries(&scene) > kept, "the delivery is in the inbox");
    assert!(scene.prompts(second).is_empty(), "nothing new starts while it drains");

    scene.honest_script(issue);
    let coordinator = scene.start();
    let task = coordinator.task_is(&scene.repo, issue, "done").await;
    assert_eq!(task["sessions"][0]["ended"], "interrupted");
    assert!(scene.prompts(issue)[0].contains("phase=handover session=2"));
    coordinator.task_is(&scene.repo, second, "done").await;
    scene.finished_once(issue).await;
    scene.finished_once(second).await;
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once_and_leaves_nothing() {
    let scene = Scene::new().await;
    let mut coordinator = scene.start();
    let issue = scene.issue("Lay the ground").await;
    stubborn(&scene, issue);
    scene.forge.assign(&scene.repo, issue, &[&scene.forge.bot]).await;
    scene.begun(issue).await;
    coordinator.signal(Signal::TERM);
    drains(&coordinator).await;
    coordinator.signal(Signal::TERM);
    assert_eq!(coordinator.ended().await.code(), Some(128 + 15), "{}", coordinator.log());
    scene.nothing_left(&[]).await;
}

#[tokio::test]
async fn gates_are_ended_by_an_interrupt_and_run_again_after_the_next_start() {
    let scene = Scene::new().await;
    scene.hold("gates");
    let mut coordinator = scene.start();
    let issue = scene.assigned_issue("Lay the ground").await;
    until("the gate runs", async || {
        let task = coordinator.task(&scene.repo, issue).await;
        (task["gates"][0]["verdict"] == "running").then_some(())
    })
    .await;
    coordinator.signal(Signal::INT);
    assert_eq!(coordinator.ended().await.code(), Some(0), "{}", coordinator.log());
    scene.nothing_left(&[]).await;
    scene.let_go("gates");
    let coordinator = scene.start();
    let task = coordinator.task_is(&scene.repo, issue, "done").await;
    assert_eq!(task["sessions"].as_array().unwrap().len(), 1, "the work was done already: {task:#}");
    scene.finished_once(issue).await;
}
