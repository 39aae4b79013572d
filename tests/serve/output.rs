//! What it says: one line on standard output, JSON lines on standard error, and never a secret.

use serde_json::{Value, json};

use super::{
    process::until,
    scene::{SECRET, Scene},
};

/// What is told of a session says of which.
const OF_A_SESSION: [&str; 7] = [
    "turn ordered",
    "turn ended",
    "session ended",
    "session is open",
    "tool call",
    "the agent ended its turn",
    "agent's standard error",
];

#[tokio::test]
async fn a_whole_run_says_what_it_does_and_no_secret() {
    let mut scene = Scene::new().await;
    let operator = "operator-token-canary";
    let key = "agent-key-canary-value";
    scene.set("server", "operator_token", operator);
    scene.set("server", "port", 0);
    let mut own = toml::Table::new();
    own.insert("PROVIDER_API_KEY".to_owned(), key.into());
    scene.set("agents.scripted", "env", own);
    scene.environment.insert("ANTHROPIC_API_KEY".to_owned(), "sk-ant-canary".to_owned());
    let good = scene.issue("Lay the ground").await;
    // One that says its key aloud, fails its gates, and crashes.
    let bad = scene.issue("Left wall").await;
    let work = format!("work-{bad}");
    let turns = json!([
        { "match": { "phase": "work" }, "steps": [
            { "run": "echo \"my key is $PROVIDER_API_KEY\" >&2" }, { "stderr": format!("my key is {key}") },
            { "say": format!("the key {key}") }, { "garbage": format!("no protocol: {key}") },
            { "usage": { "used": 85000 } }, { "write": { "path": work, "content": "bad\n" } },
        ] },
        { "match": { "phase": "continue" }, "steps": [{ "crash": 3 }] },
        { "match": { "phase": "handover" }, "steps": [{ "write": { "path": work, "content": "good\n" } }] },
    ]);
    scene.script(bad, &json!({ "turns": turns }));
    let mut coordinator = scene.start();
    coordinator.bearer = Some(operator.to_owned());
    for issue in [good, bad] {
        scene.forge.assign(&scene.repo, issue, &[&scene.forge.bot]).await;
    }
    assert_eq!(coordinator.deliver("a-wrong-s3cret", &scene.repo, good).await.0, 401);
    assert_eq!(coordinator.deliver(SECRET, &scene.repo, good).await.0, 200);
    for issue in [good, bad] {
        coordinator.task_is(&scene.repo, issue, "done").await;
    }
    let url = coordinator.url().to_owned();
    coordinator.stop().await;
    assert_eq!(coordinator.stdout(), format!("listening on {url}\n"));
    assert!(!url.ends_with(":0"), "{url}");

    let log = coordinator.log();
    for secret in [operator, key, SECRET, "sk-ant-canary", &scene.forge.bot.token, "a-wrong-s3cret"] {
        assert!(!log.contains(secret), "{:?}", log.lines().find(|line| line.contains(secret)));
    }
    let mark = format!("{}#", scene.repo);
    let mut of_sessions = std::collections::BTreeSet::new();
    for line in log.lines() {
        let told: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for field in ["timestamp", "level", "target", "message"] {
            assert!(told[field].is_string(), "no {field}: {line}");
        }
        if line.contains(&mark) {
            assert!(told["task"].is_string(), "it is about a task, and does not say so: {line}");
        }
        let message = told["message"].as_str().unwrap();
        if let Some(known) = OF_A_SESSION.iter().find(|known| **known == message) {
            assert!(told["session"].is_number() && told["task"].is_string(), "{line}");
            of_sessions.insert(*known);
        }
    }
    assert_eq!(of_sessions.len(), OF_A_SESSION.len(), "all of them were said: {of_sessions:?}");
    assert!(log.contains("[redacted]"), "the agent did say its key");
}

#[tokio::test]
async fn an_address_of_ipv6_is_told_as_one() {
    let mut scene = Scene::new().await;
    scene.set("server", "host", "::1");
    scene.set("server", "port", 0);
    let coordinator = scene.try_start();
    if !coordinator.listens() {
        eprintln!("left out: this machine has no IPv6 loopback");
        return;
    }
    assert!(coordinator.url().starts_with("http://[::1]:"), "{}", coordinator.url());
    until("health", async || coordinator.try_get("/health").await.filter(|answer| answer.status == 200))
        .await;
}
