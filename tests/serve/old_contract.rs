//! The environment of old: three variables are enough to come up and lose nothing.

use std::collections::BTreeMap;

use super::{
    process::{Coordinator, until},
    scene::{SECRET, Scene, free_port},
};

#[tokio::test]
async fn with_three_variables_it_stores_webhooks_and_works_once_it_has_a_token() {
    let mut scene = Scene::new().await;
    let port = free_port().to_string();
    let mut environment: BTreeMap<String, String> = scene.environment.clone();
    for (name, value) in [
        ("GITEA_WEBHOOK_SECRET", SECRET),
        ("GITEA_URL", scene.forge.url()),
        ("ANTHROPIC_API_KEY", "sk-ant-canary"),
        ("HOST", "127.0.0.1"),
        ("PORT", &port),
    ] {
        environment.insert(name.to_owned(), value.to_owned());
    }
    std::mem::swap(&mut scene.environment, &mut environment);
    let start = |scene: &Scene, args: &[&str]| {
        let mut command = scene.command(args);
        // The defaults lie in the working directory.
        command.current_dir(scene.path());
        Coordinator::start(command, &scene.file("log"))
    };
    let issue = scene.assigned_issue("Lay the ground").await;
    let mut coordinator = start(&scene, &["serve"]);
    assert_eq!(coordinator.url(), format!("http://127.0.0.1:{port}"));
    assert_eq!(coordinator.get("/health").await["status"], "ok");
    assert_eq!(coordinator.deliver(SECRET, &scene.repo, issue).await, (200, "accepted".to_owned()));
    let ready = coordinator.try_get("/health/ready").await.unwrap();
    assert_eq!((ready.status, &ready.json()["status"]), (503, &"degraded".into()));
    let (ok, detail) = coordinator.check("forge").await.unwrap();
    assert!(!ok && detail.contains("gitea.token"), "{detail}");
    assert!(coordinator.log().contains("gitea.token"), "the log says it as well");
    coordinator.stop().await;
    assert!(scene.file("data/mosaic.db").exists());

    scene.environment.insert("GITEA_TOKEN".to_owned(), scene.forge.bot.token.clone());
    let config = scene.file("rest.toml");
    let mut rest = scene.config.clone();
    for table in ["server", "gitea", "store", "workspace"] {
        rest.remove(table);
    }
    std::fs::write(&config, toml::to_string(&rest).unwrap()).unwrap();
    let coordinator = start(&scene, &["serve", "--config", config.to_str().unwrap()]);
    until("it is ready", async || coordinator.check("forge").await.filter(|(ok, _)| *ok)).await;
    coordinator.task_is(&scene.repo, issue, "done").await;
    scene.finished_once(issue).await;
    assert_eq!(coordinator.try_get("/health/ready").await.unwrap().status, 200);
    assert!(!coordinator.log().contains("sk-ant-canary"));
}
