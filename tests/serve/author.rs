//! Who commits are by, and what agents see of the coordinator's environment.

use super::scene::Scene;
use crate::support::git::git;

#[tokio::test]
async fn commits_are_the_bots_and_say_what_they_are_for() {
    let scene = Scene::new().await;
    let coordinator = scene.start();
    let issue = scene.assigned_issue("Lay the ground").await;
    let task = coordinator.task_is(&scene.repo, issue, "done").await;
    let (folder, owner) = (scene.file("clone"), scene.forge.owner.clone());
    let (url, commit) = (format!("{}/{}.git", scene.forge.url(), scene.repo), task["commit"].clone());
    let log = tokio::task::spawn_blocking(move || {
        std::fs::create_dir(&folder).unwrap();
        git(&folder, Some(&owner), &["clone", "--quiet", &url, "."]).unwrap();
        let format = "--format=%an|%ae|%cn|%ce%n%B";
        git(&folder, None, &["log", "-1", format, commit.as_str().unwrap()]).unwrap()
    })
    .await
    .unwrap();
    let bot = &scene.forge.bot.login;
    let user = scene.forge.read(&format!("users/{bot}")).await;
    let email = user["email"].as_str().unwrap();
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines[0], format!("{bot}|{email}|{bot}|{email}"));
    assert_eq!(lines[1], "Lay the ground");
    for trailer in [
        format!("Mosaic-Issue: {}#{issue}", scene.repo),
        "Mosaic-Generation: 1".to_owned(),
        "Mosaic-Agent: scripted".to_owned(),
        "Mosaic-Model: vendor-small".to_owned(),
    ] {
        assert!(lines.contains(&trailer.as_str()), "{trailer} is not in\n{log}");
    }
}

#[tokio::test]
async fn an_agent_sees_five_names_of_the_environment_and_its_own() {
    let mut scene = Scene::new().await;
    let canary = "canary-of-the-coordinator";
    for name in ["GITEA_TOKEN_OLD", "AWS_SECRET_ACCESS_KEY", "LD_PRELOAD_", "MOSAIC_OPERATOR_TOKEN", "EDITOR"]
    {
        scene.environment.insert(name.to_owned(), canary.to_owned());
    }
    scene.environment.insert("ANTHROPIC_API_KEY".to_owned(), canary.to_owned());
    scene.environment.insert("LANG".to_owned(), "C.UTF-8".to_owned());
    scene.environment.insert("TERM".to_owned(), "dumb".to_owned());
    let mut own = toml::Table::new();
    own.insert("MY_NAME".to_owned(), "mine".into());
    scene.set("agents.scripted", "env", own);
    let issue = scene.issue("Lay the ground").await;
    let seen = scene.file("environment");
    let steps = serde_json::json!([
        { "run": format!("cat /proc/$PPID/environ | tr '\\0' '\\n' > '{}'", seen.display()) },
        { "write": { "path": format!("work-{issue}"), "content": "good\n" } },
    ]);
    scene.script(issue, &serde_json::json!({ "turns": [{ "steps": steps }] }));
    let coordinator = scene.start();
    scene.forge.assign(&scene.repo, issue, &[&scene.forge.bot]).await;
    coordinator.task_is(&scene.repo, issue, "done").await;
    let text = std::fs::read_to_string(&seen).unwrap();
    assert!(!text.contains(canary), "{text}");
    let mut names: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.sort_unstable();
    assert_eq!(names, ["HOME", "LANG", "MOSAIC_MODEL", "MY_NAME", "PATH", "TERM", "TMPDIR"]);
    assert!(text.lines().any(|line| line == "MOSAIC_MODEL=vendor-small"), "{text}");
    assert!(text.lines().any(|line| line == "MY_NAME=mine"), "{text}");
}
