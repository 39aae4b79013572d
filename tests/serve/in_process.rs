//! A coordinator within the test's own process: what supervisors do when an actor cannot be kept alive.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use mosaic_coordinator::{
    actor::Fatal,
    app::{self, Options, Running, StartError},
    config::{self, Sources},
    domain::{id::IssueRef, task::Ended, view::StateWord},
    runtime::{ActorState, Sabotage},
};

use super::{
    process::{BINARY, BOUND, until},
    scene::Scene,
};

/// Starts it off the test's thread, which the forge may need.
async fn start(scene: &Scene) -> Running {
    try_start(scene).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn try_start(scene: &Scene) -> Result<Running, StartError> {
    let environment = scene.environment.clone();
    let sources =
        Sources { file: Some(scene.write_config()), environment: environment.clone(), overrides: Vec::new() };
    let config = config::load(sources).unwrap_or_else(|faults| panic!("{faults}")).config;
    let options = Options { config, exe: PathBuf::from(BINARY), environment };
    tokio::task::spawn_blocking(move || app::start(options)).await.unwrap()
}

async fn stop(running: Running) {
    tokio::task::spawn_blocking(move || running.stop()).await.unwrap();
}

/// Crashes an actor until its supervisor gives it up and the coordinator has to end.
async fn crashed_for_good(running: &mut Running, id: &str) -> Fatal {
    let begun = Instant::now();
    loop {
        running.census().sabotage(id, Sabotage::CorruptAndPanic);
        tokio::select! {
            fatal = running.failed() => return fatal,
            () = tokio::time::sleep(Duration::from_millis(10)) => {}
        }
        assert!(begun.elapsed() < BOUND, "{id} is never given up");
    }
}

#[tokio::test]
async fn an_actor_that_cannot_be_kept_alive_ends_the_coordinator_with_70() {
    for id in ["queue", "courier", "quality", "metrics", "context_monitor", "webhook:0", "warden"] {
        let scene = Scene::new().await;
        let mut running = start(&scene).await;
        let fatal = crashed_for_good(&mut running, id).await;
        assert_eq!(fatal.exit_code, 70, "{id}");
        assert!(fatal.why.contains(&format!("`{id}`")), "{id}: {}", fatal.why);
        // Whatever is given up, the rest comes to its end.
        stop(running).await;
        scene.nothing_left(&[]).await;
    }
}

#[tokio::test]
async fn an_agents_actor_that_is_given_up_costs_its_session_and_nothing_else() {
    let mut scene = Scene::new().await;
    // None of the sessions that are lost so may count.
    scene.set("policy", "max_sessions", 1);
    scene.hold("turn");
    let running = start(&scene).await;
    let issue = scene.assigned_issue("Lay the ground").await;
    scene.begun(issue).await;
    let id = format!("agent:{}#{issue}", scene.repo);
    until("it is given up", async || {
        let lives = running.census().sabotage(&id, Sabotage::CorruptAndPanic);
        let state = running.census().get(&id).map(|actor| actor.actor.state);
        (!lives || state.is_none_or(|state| state == ActorState::Stopped)).then_some(())
    })
    .await;
    scene.let_go("turn");
    let named: IssueRef = format!("{}#{issue}", scene.repo).parse().unwrap();
    let task = until("the task is done", async || {
        running.board().task(&named).filter(|task| task.state == StateWord::Done)
    })
    .await;
    let (last, lost) = task.sessions.split_last().unwrap();
    assert_eq!(last.ended, Some(Ended::Finished));
    assert!(!lost.is_empty() && lost.iter().all(|session| session.ended == Some(Ended::Failed)), "{lost:#?}");
    scene.finished_once(issue).await;
    stop(running).await;
    scene.nothing_left(&[]).await;
}

#[tokio::test]
async fn two_live_side_by_side_and_one_does_not_start_where_the_other_is() {
    let (one, mut other) = (Scene::new().await, Scene::new().await);
    let running = start(&one).await;
    let second = start(&other).await;
    assert!(running.health().is_ready() || running.health().get("forge").is_some());
    assert_ne!(running.address(), second.address());
    stop(second).await;
    other.set("server", "port", i64::from(running.address().port()));
    let refused = try_start(&other).await.err().unwrap();
    assert_eq!(refused.exit_code(), 69, "{refused}");
    assert!(matches!(refused, StartError::Port(_)), "{refused}");
    other.set("store", "path", one.config["store"]["path"].as_str().unwrap());
    let refused = try_start(&other).await.err().unwrap();
    assert_eq!(refused.exit_code(), 75, "{refused}");
    let url = running.url();
    drop(running);
    assert!(reqwest::get(format!("{url}/health")).await.is_err(), "dropped is stopped");
}
