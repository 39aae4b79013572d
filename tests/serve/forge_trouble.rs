//! A forge that is down, refuses the token or wants to be left alone, and a disk that is nearly full: no reason to end.

use std::time::{Duration, Instant};

use mosaic_coordinator::forge::simulated::RequestFault;
use rustix::process::Signal;

use super::{
    process::until,
    scene::{SECRET, Scene},
};

#[tokio::test]
async fn a_forge_that_is_down_at_the_start_is_waited_for() {
    let scene = Scene::new().await;
    let knobs = scene.forge.knobs().unwrap();
    let issue = scene.assigned_issue("Lay the ground").await;
    knobs.faults().requests(usize::MAX, |_| true, RequestFault::DropRequest);
    let coordinator = scene.start();
    let (_, detail) = until("it says that the forge is down", async || {
        coordinator.check("forge").await.filter(|(ok, detail)| !ok && detail.contains(scene.forge.url()))
    })
    .await;
    assert_eq!(coordinator.try_get("/health/ready").await.unwrap().status, 503, "{detail}");
    assert_eq!(coordinator.try_get("/health").await.unwrap().status, 200);
    assert_eq!(coordinator.deliver(SECRET, &scene.repo, issue).await, (200, "accepted".to_owned()));
    knobs.faults().clear();
    coordinator.task_is(&scene.repo, issue, "done").await;
    assert_eq!(coordinator.try_get("/health/ready").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_wrong_token_is_told_until_the_right_one_comes() {
    let mut scene = Scene::new().await;
    scene.set("gitea", "token", "not-the-token-of-anybody");
    let issue = scene.assigned_issue("Lay the ground").await;
    let coordinator = scene.start();
    let (_, detail) = until("it says that the token is refused", async || {
        coordinator.check("forge").await.filter(|(ok, detail)| !ok && detail.contains("gitea.token"))
    })
    .await;
    assert!(detail.contains(scene.forge.url()) && detail.contains("refuses"), "{detail}");
    assert!(!detail.contains("not-the-token"), "{detail}");
    assert_eq!(coordinator.deliver(SECRET, &scene.repo, issue).await, (200, "accepted".to_owned()));
    scene.set("gitea", "token", scene.forge.bot.token.clone());
    scene.write_config();
    coordinator.signal(Signal::HUP);
    coordinator.task_is(&scene.repo, issue, "done").await;
    scene.finished_once(issue).await;
}

#[tokio::test]
async fn retry_after_holds_for_every_call() {
    let scene = Scene::new().await;
    let knobs = scene.forge.knobs().unwrap();
    let coordinator = scene.start();
    until("the forge answers", async || coordinator.check("forge").await.filter(|(ok, _)| *ok)).await;
    let issue = scene.issue("Lay the ground").await;
    let path = format!("/api/v1/repos/{}/issues/{issue}", scene.repo);
    let pause = Duration::from_secs(4);
    let fault = RequestFault::Answer { status: 429, retry_after: Some(pause.as_secs()) };
    let bot = scene.forge.bot.login.clone();
    let theirs = bot.clone();
    let at = path.clone();
    knobs.faults().requests(
        1,
        move |r| r.method == "GET" && r.path == at && r.user.as_ref() == Some(&theirs),
        fault,
    );
    scene.forge.assign(&scene.repo, issue, &[&scene.forge.bot]).await;
    let asked = || knobs.requests().iter().filter(|request| request.user.as_ref() == Some(&bot)).count();
    until("the refusal", async || knobs.requests().iter().any(|r| r.status == Some(429)).then_some(())).await;
    // What was under way at that moment may still come; sweeps are made every second.
    let refused_at = Instant::now();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = asked();
    assert_eq!(coordinator.deliver(SECRET, &scene.repo, issue).await, (200, "accepted".to_owned()));
    until("the next call", async || (asked() > before).then_some(())).await;
    assert!(refused_at.elapsed() > pause.mul_f64(0.8), "only {:?}", refused_at.elapsed());
    coordinator.task_is(&scene.repo, issue, "done").await;
}

#[tokio::test]
async fn below_the_reserve_nothing_is_promised_and_nothing_starts() {
    let mut scene = Scene::new().await;
    scene.set("store", "reserve_bytes", i64::MAX);
    let issue = scene.assigned_issue("Lay the ground").await;
    let mut coordinator = scene.start();
    // From the first moment on.
    assert_eq!(coordinator.deliver(SECRET, &scene.repo, issue).await, (503, "unavailable".to_owned()));
    let ready = coordinator.try_get("/health/ready").await.unwrap();
    assert_eq!(ready.status, 503);
    let (ok, detail) = coordinator.check("disk").await.unwrap();
    assert!(!ok && detail.contains("store.reserve_bytes"), "{detail}");
    let task = coordinator.task_is(&scene.repo, issue, "ready").await;
    assert!(task["reason"].as_str().unwrap().contains("store.reserve_bytes"), "{task:#}");
    coordinator.stop().await;
    assert!(scene.prompts(issue).is_empty());
    scene.set("store", "reserve_bytes", 1);
    let coordinator = scene.start();
    assert_eq!(coordinator.deliver(SECRET, &scene.repo, issue).await, (200, "accepted".to_owned()));
    coordinator.task_is(&scene.repo, issue, "done").await;
}
