//! The commands that read a running coordinator, and who may read.

use std::process::Output;

use serde_json::{Value, json};

use super::scene::Scene;

/// Runs a command of the binary to its end, off the test's thread.
async fn run(scene: &Scene, args: &[&str]) -> Output {
    let mut command = scene.command(args);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A document of actors without what changes from moment to moment.
fn settled(document: &[u8]) -> Value {
    let document: Value = serde_json::from_slice(document).unwrap();
    let actors = document["actors"].as_array().unwrap().iter();
    let steady = actors.map(|actor| {
        let mut actor = actor.as_object().unwrap().clone();
        actor.retain(|key, _| ["id", "role", "parent", "state", "restarts"].contains(&key.as_str()));
        Value::Object(actor)
    });
    steady.collect()
}

#[tokio::test]
async fn commands_print_the_documents_as_they_are() {
    let mut scene = Scene::new().await;
    let operator = "operator-token-canary";
    scene.set("server", "operator_token", operator);
    let mut coordinator = scene.start();
    coordinator.bearer = Some(operator.to_owned());
    let url = coordinator.url().to_owned();
    let good = run(&scene, &["report", "--check", "--url", &url, "--token", operator]).await;
    assert_eq!(good.status.code(), Some(0), "nothing is missed yet: {}", text(&good.stderr));

    let issue = scene.assigned_issue("Lay the ground").await;
    // Half as much again as estimated: that measure is missed.
    let steps = json!([
        { "usage": { "used": 30000 } },
        { "write": { "path": format!("work-{issue}"), "content": "good\n" } },
    ]);
    scene.script(issue, &json!({ "turns": [{ "steps": steps }] }));
    coordinator.task_is(&scene.repo, issue, "done").await;
    scene.environment.insert("MOSAIC_OPERATOR_TOKEN".to_owned(), operator.to_owned());
    for (command, path) in [("report", "/api/v1/report"), ("tasks", "/api/v1/tasks")] {
        let out = run(&scene, &[command, "--json", "--url", &url]).await;
        assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
        assert_eq!(out.stdout, coordinator.try_get(path).await.unwrap().body, "{command}");
        let shown = run(&scene, &[command, "--url", &url]).await;
        assert_eq!((shown.status.code(), shown.stderr.is_empty()), (Some(0), true));
        assert!(!shown.stdout.is_empty());
    }
    let out = run(&scene, &["actors", "--json", "--url", &url]).await;
    let served = coordinator.try_get("/actors").await.unwrap().body;
    assert_eq!(settled(&out.stdout), settled(&served));
    let ids = text(&run(&scene, &["actors", "--url", &url]).await.stdout);
    for id in
        ["warden", "queue", "courier", "quality", "metrics", "context_monitor", "webhook:0", "webhook:1"]
    {
        assert!(ids.contains(id), "{id} is not in\n{ids}");
    }

    let missed = run(&scene, &["report", "--check", "--url", &url]).await;
    assert_eq!(missed.status.code(), Some(1));
    assert_eq!(text(&missed.stderr), "missed: estimates\n");
    let missed = run(&scene, &["report", "--check", "--json", "--url", &url]).await;
    assert_eq!(missed.status.code(), Some(1));
    assert_eq!(missed.stdout, coordinator.try_get("/api/v1/report").await.unwrap().body);

    scene.environment.remove("MOSAIC_OPERATOR_TOKEN");
    for args in [&["tasks", "--url", &url][..], &["tasks", "--url", &url, "--token", "wrong"]] {
        let out = run(&scene, args).await;
        assert_eq!(out.status.code(), Some(1), "{args:?}");
        assert!(out.stdout.is_empty() && text(&out.stderr).contains("token"), "{}", text(&out.stderr));
    }
    coordinator.stop().await;
    let out = run(&scene, &["tasks", "--url", &url]).await;
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stderr).contains(&url), "{}", text(&out.stderr));
}

#[tokio::test]
async fn operators_hold_the_token() {
    let mut scene = Scene::new().await;
    scene.set("server", "operator_token", "operator-token-canary");
    let mut coordinator = scene.start();
    let paths = ["/actors", "/actors/queue", "/api/v1/tasks", "/api/v1/report", "/metrics"];
    for path in paths {
        assert_eq!(coordinator.try_get(path).await.unwrap().status, 401, "{path}");
    }
    for path in ["/health", "/health/live", "/health/ready"] {
        assert_ne!(coordinator.try_get(path).await.unwrap().status, 401, "{path}");
    }
    coordinator.bearer = Some("operator-token-canarx".to_owned());
    assert_eq!(coordinator.try_get("/actors").await.unwrap().status, 401);
    coordinator.bearer = Some("operator-token-canary".to_owned());
    for path in paths {
        assert_eq!(coordinator.try_get(path).await.unwrap().status, 200, "{path}");
    }
}

#[tokio::test]
async fn without_a_token_only_this_machine_by_its_own_name_reads() {
    let scene = Scene::new().await;
    let coordinator = scene.start();
    assert_eq!(coordinator.try_get("/api/v1/tasks").await.unwrap().status, 200);
    let rebound = reqwest::Client::new()
        .get(format!("{}/api/v1/tasks", coordinator.url()))
        .header("Host", "rebound.example")
        .send()
        .await
        .unwrap();
    assert_eq!(rebound.status().as_u16(), 403);
    let body: Value = serde_json::from_slice(&rebound.bytes().await.unwrap()).unwrap();
    assert!(body["error"]["remedy"].as_str().unwrap().contains("server.operator_token"), "{body}");
}

#[tokio::test]
async fn a_fine_configuration_is_told_without_starting_anything() {
    let scene = Scene::new().await;
    let file = scene.write_config();
    let out = run(&scene, &["check-config", "--config", file.to_str().unwrap()]).await;
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    let told = text(&out.stdout);
    assert_eq!(told, "configuration is fine: 1 model (small), 1 agent (scripted), 1 gate (check)\n");
    assert!(!scene.file("data").exists() && !scene.file("workspaces").exists());
}
