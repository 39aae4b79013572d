//! SIGHUP: what may change is swapped, what may not is named, and a faulty file changes nothing.

use rustix::process::Signal;
use serde_json::Value;

use super::{
    process::{Coordinator, until},
    scene::{SECRET, Scene},
};

/// Reloads the configuration as the scene has it now; returns once the log says how it went.
async fn reload(scene: &Scene, coordinator: &Coordinator) -> Value {
    scene.write_config();
    hang_up(coordinator).await
}

async fn hang_up(coordinator: &Coordinator) -> Value {
    let told = |line: &Value| {
        let message = line["message"].as_str().unwrap_or_default();
        message == "configuration reloaded" || message.contains("nothing was changed")
    };
    let lines = || -> Vec<Value> {
        coordinator.log().lines().filter_map(|line| serde_json::from_str(line).ok()).filter(told).collect()
    };
    let before = lines().len();
    coordinator.signal(Signal::HUP);
    until("the reload", async || lines().get(before).cloned()).await
}

#[tokio::test]
async fn a_secret_is_rotated_without_losing_a_webhook() {
    let mut scene = Scene::new().await;
    let coordinator = scene.start();
    let new = "another-s3cret";
    assert_eq!(coordinator.deliver(SECRET, &scene.repo, 7).await.0, 200);
    assert_eq!(coordinator.deliver(new, &scene.repo, 7).await, (401, "bad_signature".to_owned()));
    scene.set("gitea", "webhook_secrets", vec![SECRET, new]);
    let line = reload(&scene, &coordinator).await;
    assert!(line["applied"].as_str().unwrap().contains("gitea.webhook_secrets"), "{line}");
    for secret in [SECRET, new] {
        assert_eq!(coordinator.deliver(secret, &scene.repo, 7).await.0, 200, "both hold during a rotation");
    }
    scene.set("gitea", "webhook_secrets", vec![new]);
    reload(&scene, &coordinator).await;
    assert_eq!(coordinator.deliver(SECRET, &scene.repo, 7).await.0, 401);
    assert_eq!(coordinator.deliver(new, &scene.repo, 7).await.0, 200);
    assert!(!coordinator.log().contains(new), "the new secret is told in no line");
}

#[tokio::test]
async fn a_token_is_renewed_in_the_middle_of_the_work() {
    let mut scene = Scene::new().await;
    scene.hold("gates");
    let coordinator = scene.start();
    let issue = scene.assigned_issue("Lay the ground").await;
    coordinator.task_is(&scene.repo, issue, "gating").await;
    let knobs = scene.forge.knobs().unwrap();
    let old = scene.forge.bot.token.clone();
    knobs.revoke(&old);
    scene.let_go("gates");
    coordinator.task_is(&scene.repo, issue, "publishing").await;
    until("a refused call", async || {
        let log = coordinator.log();
        log.lines()
            .any(|line| line.contains("an errand is tried again") && line.contains("\"task\":"))
            .then_some(())
    })
    .await;
    let new = knobs.add_user(&scene.forge.bot.login);
    scene.set("gitea", "token", new.clone());
    let line = reload(&scene, &coordinator).await;
    assert!(line["applied"].as_str().unwrap().contains("gitea.token"), "{line}");
    coordinator.task_is(&scene.repo, issue, "done").await;
    scene.finished_once(issue).await;
    until("it is ready", async || coordinator.check("forge").await.filter(|(ok, _)| *ok)).await;
    let log = coordinator.log();
    assert!(!log.contains(&old) && !log.contains(&new), "a token is told in no line");
}

#[tokio::test]
async fn repositories_hold_at_once() {
    let mut scene = Scene::new().await;
    scene.set("gitea", "reconcile_idle", "1h");
    scene.set("gitea", "reconcile_active", "1h");
    let other = scene.forge.repository("other", &[("README.md", "Another app.\n")]).await;
    scene.set("gitea", "repositories", vec![other.clone()]);
    let coordinator = scene.start();
    let issue = scene.assigned_issue("Lay the ground").await;
    assert_eq!(coordinator.deliver(SECRET, &scene.repo, issue).await, (200, "ignored".to_owned()));
    scene.set("gitea", "repositories", vec![other, scene.repo.clone()]);
    reload(&scene, &coordinator).await;
    // No webhook tells of it any more: the reload looks by itself.
    coordinator.task_is(&scene.repo, issue, "done").await;
}

#[tokio::test]
async fn what_was_missing_is_taken_up_as_soon_as_it_is_there() {
    let mut scene = Scene::new().await;
    let whole = scene.config.clone();
    for table in ["gates", "agents", "models"] {
        scene.config.remove(table);
    }
    let coordinator = scene.start();
    let issue = scene.assigned_issue("Lay the ground").await;
    let task = coordinator.task_is(&scene.repo, issue, "parked").await;
    assert!(task["reason"].as_str().unwrap().contains("[agents.NAME]"), "{task:#}");
    scene.config.insert("agents".to_owned(), whole["agents"].clone());
    reload(&scene, &coordinator).await;
    until("it asks for a model", async || {
        let task = coordinator.task(&scene.repo, issue).await;
        task["reason"].as_str().filter(|why| why.contains("[models.NAME]")).map(str::to_owned)
    })
    .await;
    scene.config.insert("models".to_owned(), whole["models"].clone());
    reload(&scene, &coordinator).await;
    until("it asks for gates", async || {
        let task = coordinator.task(&scene.repo, issue).await;
        task["reason"].as_str().filter(|why| why.contains("[gates.NAME]")).map(str::to_owned)
    })
    .await;
    scene.config.insert("gates".to_owned(), whole["gates"].clone());
    let line = reload(&scene, &coordinator).await;
    assert!(line["applied"].as_str().unwrap().contains("gates.check"), "{line}");
    let task = coordinator.task_is(&scene.repo, issue, "done").await;
    assert_eq!(task["generation"], 1, "no person had to do anything on the forge");
    scene.finished_once(issue).await;
}

#[tokio::test]
async fn a_policy_holds_at_once() {
    let mut scene = Scene::new().await;
    scene.set("policy", "max_tasks", 1);
    scene.hold("turn");
    let coordinator = scene.start();
    let first = scene.assigned_issue("Lay the ground").await;
    scene.begun(first).await;
    let second = scene.assigned_issue("Left wall").await;
    let task = coordinator.task_is(&scene.repo, second, "ready").await;
    assert!(task["reason"].as_str().unwrap().contains("policy.max_tasks"), "{task:#}");
    scene.set("policy", "max_tasks", 2);
    reload(&scene, &coordinator).await;
    scene.begun(second).await;
    scene.let_go("turn");
    coordinator.task_is(&scene.repo, first, "done").await;
    coordinator.task_is(&scene.repo, second, "done").await;
}

/// An agent that shakes hands and then asks for a login.
const LOGGED_OUT: &str = r#"
    answer() { read -r line && printf '{"jsonrpc":"2.0","id":%s,%s}\n' "$(echo "$line" | sed 's/.*"id":\([0-9]*\).*/\1/')" "$1"; }
    answer '"result":{"protocolVersion":1,"agentCapabilities":{},"authMethods":[]}'
    answer '"error":{"code":-32000,"message":"Authentication required"}'
    read -r line
"#;

#[tokio::test]
async fn an_agent_that_cannot_be_started_holds_its_task_until_it_is_corrected() {
    let mut scene = Scene::new().await;
    let right = scene.config["agents"]["scripted"]["command"].clone();
    // The first is no program at all; the second is one, but nobody has logged it in.
    for (title, wrong) in
        [("Lay the ground", vec!["/nonexistent/agent"]), ("Left wall", vec!["sh", "-c", LOGGED_OUT])]
    {
        scene.set("agents.scripted", "command", wrong);
        let coordinator = scene.start();
        let issue = scene.assigned_issue(title).await;
        let (_, detail) = until("readiness names the agent", async || {
            coordinator.check("agent.scripted").await.filter(|(ok, _)| !ok)
        })
        .await;
        let task = coordinator.task_is(&scene.repo, issue, "ready").await;
        let reason = task["reason"].as_str().unwrap();
        assert!(reason.contains("scripted"), "{reason} ({detail})");
        assert_eq!(task["sessions"].as_array().unwrap().len(), 0, "nothing is counted: {task:#}");
        assert_eq!(coordinator.try_get("/health/ready").await.unwrap().status, 503);
        scene.set("agents.scripted", "command", right.clone());
        reload(&scene, &coordinator).await;
        let task = coordinator.task_is(&scene.repo, issue, "done").await;
        assert_eq!(task["sessions"].as_array().unwrap().len(), 1, "{task:#}");
        assert_eq!(coordinator.try_get("/health/ready").await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_change_elsewhere_is_named_and_a_faulty_file_changes_nothing() {
    let mut scene = Scene::new().await;
    let coordinator = scene.start();
    scene.set("server", "max_body_bytes", 100);
    scene.set("store", "reserve_bytes", 2);
    scene.set("policy", "max_tasks", 3);
    let line = reload(&scene, &coordinator).await;
    let applied = line["applied"].as_str().unwrap();
    assert!(applied.contains("policy.max_tasks") && !applied.contains("server"), "{line}");
    let log = coordinator.log();
    let named = log.lines().find(|line| line.contains("need a restart")).unwrap();
    assert!(named.contains("server.max_body_bytes") && named.contains("store.reserve_bytes"), "{named}");
    assert!(!named.contains("max_tasks"), "{named}");
    // The old limit holds: a body of more than 100 bytes is taken.
    assert_eq!(coordinator.deliver(SECRET, &scene.repo, 7).await.0, 200);

    scene.set("gitea", "webhook_secrets", vec!["another-s3cret"]);
    scene.set("policy", "max_taks", 5);
    scene.set("policy", "warn_at", 7.0);
    let line = reload(&scene, &coordinator).await;
    assert_eq!(line["level"], "error");
    for key in ["max_taks", "warn_at"] {
        assert!(line["faults"].as_str().unwrap().contains(key), "{line}");
    }
    assert_eq!(coordinator.deliver(SECRET, &scene.repo, 8).await.0, 200);
    assert_eq!(coordinator.deliver("another-s3cret", &scene.repo, 8).await.0, 401);
    std::fs::remove_file(scene.file("config.toml")).unwrap();
    let line = hang_up(&coordinator).await;
    assert_eq!(line["level"], "error", "{line}");
    assert_eq!(coordinator.deliver(SECRET, &scene.repo, 9).await.0, 200);
}
