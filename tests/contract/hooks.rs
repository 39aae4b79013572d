//! Cases on webhooks: who is told what, in which order, in which words.

use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::json;

use super::stage::{Stage, Who::*};
use crate::support::{
    git::git,
    receiver::{Received, Receiver},
};

fn signature(body: &[u8]) -> String {
    let mut hmac = Hmac::<sha2::Sha256>::new_from_slice(b"s3cret").unwrap();
    hmac.update(body);
    hex::encode(hmac.finalize().into_bytes())
}

fn assert_signed(hook: &Received) {
    let expected = signature(&hook.payload());
    assert_eq!(hook.header("x-gitea-signature"), expected);
    assert_eq!(hook.header("x-hub-signature-256"), format!("sha256={expected}"));
}

pub async fn hooks_are_managed(stage: &mut Stage<'_>) {
    let body = json!({
        "type": "gitea", "active": true, "events": ["issues", "push"], "branch_filter": "main",
        "config": { "url": "http://127.0.0.1:1/x", "content_type": "json", "secret": "s" },
        "authorization_header": "Bearer b",
    });
    let made = stage.post(Owner, "repos/{repo}/hooks", body.clone()).await.json;
    let mut events: Vec<&str> =
        made["events"].as_array().unwrap().iter().filter_map(|e| e.as_str()).collect();
    events.sort_unstable();
    stage.note("events", json!(events));
    stage.note(
        "kept",
        json!([made["config"], made["active"], made["authorization_header"], made["branch_filter"]]),
    );
    stage.get(Owner, "repos/{repo}/hooks").await;
    let path = format!("repos/{{repo}}/hooks/{}", made["id"]);
    let named = "repos/{repo}/hooks/{id}";
    stage.ask_named(Owner, Method::GET, &path, named, None).await;
    let reset =
        stage.ask_named(Owner, Method::PATCH, &path, named, Some(json!({ "active": false }))).await.json;
    stage.note(
        "reset",
        json!([reset["events"], reset["active"], reset["authorization_header"], reset["config"]["url"]]),
    );
    let change = json!({ "config": { "url": "http://127.0.0.1:1/y", "content_type": "form" }, "events": ["pull_request_only"] });
    let changed = stage.ask_named(Owner, Method::PATCH, &path, named, Some(change)).await.json;
    stage.note("changed", json!([changed["events"], changed["config"]]));
    let asleep = stage
        .post(
            Owner,
            "repos/{repo}/hooks",
            json!({
                "type": "gitea", "config": { "url": "http://127.0.0.1:1/z", "content_type": "json" },
            }),
        )
        .await
        .json;
    stage.note("by default", json!([asleep["active"], asleep["events"]]));
    for broken in [
        json!({ "type": "gitea" }),
        json!({ "type": "nonsense", "config": { "url": "http://127.0.0.1:1", "content_type": "json" } }),
        json!({ "config": { "url": "http://127.0.0.1:1", "content_type": "json" } }),
        json!({ "type": "gitea", "config": { "url": "nonsense", "content_type": "json" } }),
        json!({ "type": "gitea", "config": { "url": "http://127.0.0.1:1", "content_type": "xml" } }),
    ] {
        let refused = stage.post(Owner, "repos/{repo}/hooks", broken).await;
        stage.note("message", refused.json["message"].clone());
    }
    let refused = stage.post(Bot, "repos/{repo}/hooks", body).await;
    stage.note("message", refused.json["message"].clone());
    stage.ask_named(Owner, Method::DELETE, &path, named, None).await;
    stage.ask_named(Owner, Method::GET, &path, named, None).await;
    stage.ask_named(Owner, Method::DELETE, &path, named, None).await;
}

pub async fn creating_and_assigning_is_told(stage: &mut Stage<'_>) {
    let (bot, owner, repo) = (stage.forge.bot.clone(), stage.forge.owner.clone(), stage.repo.clone());
    stage.listen().await;
    stage.forge.create_issue(&repo, "Plain", "B", &[]).await;
    let heard = stage.hear(1);
    stage.note_headers(&heard[0]);
    assert_signed(&heard[0]);
    assert_eq!(heard[0].header("x-gitea-hook-installation-target-type"), "repository");
    // Each assignment is told before the issue is, without times.
    stage.forge.create_issue(&repo, "Assigned", "B", &[&bot, &owner]).await;
    let heard = stage.hear(3);
    for hook in &heard {
        let issue = hook.json()["issue"].clone();
        stage.note("has times", issue["updated_at"] != "1970-01-01T00:00:00Z");
    }
    stage.forge.assign(&repo, 1, &[&bot]).await;
    stage.hear(1);
    // A swap is two events; the first shows nobody.
    stage.forge.assign(&repo, 1, &[&owner]).await;
    stage.hear(2);
    // The same again is none.
    stage.forge.assign(&repo, 1, &[&owner]).await;
    stage.forge.assign(&repo, 2, &[]).await;
    stage.hear(2);
    stage.hear_nothing().await;
}

pub async fn editing_and_closing_is_told(stage: &mut Stage<'_>) {
    let repo = stage.repo.clone();
    stage.issues(2).await;
    stage.listen().await;
    stage.forge.edit_issue(&repo, 1, json!({ "title": "New", "body": "New <b> & more" })).await;
    let heard = stage.hear(2);
    let text = String::from_utf8(heard[1].body.clone()).unwrap();
    stage.note(
        "written as Go does",
        json!([text.contains("New \\u003cb\\u003e \\u0026 more"), text.starts_with("{\n  \"")]),
    );
    stage.forge.edit_issue(&repo, 1, json!({ "title": "New" })).await;
    stage.forge.close(&repo, 1).await;
    stage.forge.close(&repo, 1).await;
    let heard = stage.hear(1);
    stage.note("commit", heard[0].json()["commit_id"].clone());
    stage.forge.reopen(&repo, 1).await;
    stage.hear(1);
    stage.forge.add_dependency(&repo, 1, 2).await;
    stage.patch(Owner, "repos/{repo}/issues/1", json!({ "state": "closed" })).await;
    stage.delete(Owner, "repos/{repo}/issues/2", json!(null)).await;
    stage.hear(1);
    stage.hear_nothing().await;
}

pub async fn comments_are_told(stage: &mut Stage<'_>) {
    let (bot, repo) = (stage.forge.bot.clone(), stage.repo.clone());
    stage.issues(1).await;
    stage.forge.push(&bot, &repo, "topic", &[("a", "1")], "A").await;
    let pull = stage.forge.create_pull(&repo, "topic", "main", "P", "").await;
    stage.listen().await;
    let comment = stage.forge.comment(&bot, &repo, 1, "/mosaic retry").await;
    stage.hear(1);
    let path = format!("repos/{{repo}}/issues/comments/{comment}");
    let named = "repos/{repo}/issues/comments/{id}";
    stage.ask_named(Bot, Method::PATCH, &path, named, Some(json!({ "body": "/mosaic cancel" }))).await;
    stage.hear(1);
    stage.ask_named(Bot, Method::PATCH, &path, named, Some(json!({ "body": "/mosaic cancel" }))).await;
    stage.ask_named(Bot, Method::DELETE, &path, named, None).await;
    stage.hear(1);
    stage.forge.comment(&bot, &repo, pull, "On the pull request").await;
    let heard = stage.hear(1);
    stage.note("is_pull", heard[0].json()["is_pull"].clone());
    stage.hear_nothing().await;
}

pub async fn labels_are_told(stage: &mut Stage<'_>) {
    stage.issues(1).await;
    let made = stage.post(Owner, "repos/{repo}/labels", json!({ "name": "hard", "color": "#ff0000" })).await;
    stage.post(Owner, "repos/{repo}/labels", json!({ "name": "easy", "color": "#00ff00" })).await;
    stage.listen().await;
    let path = "repos/{repo}/issues/1/labels";
    stage.post(Bot, path, json!({ "labels": ["hard", "easy"] })).await;
    stage.hear(1);
    // The same again is told again.
    stage.post(Bot, path, json!({ "labels": ["hard"] })).await;
    stage.hear(1);
    stage.put(Bot, path, json!({ "labels": ["easy", "hard"] })).await;
    stage.hear(1);
    let hard = format!("repos/{{repo}}/issues/1/labels/{}", made.json["id"]);
    stage.ask_named(Bot, Method::DELETE, &hard, "repos/{repo}/issues/1/labels/{id}", None).await;
    stage.hear(1);
    stage.delete(Bot, path, json!(null)).await;
    stage.hear(1);
    let body = json!({ "title": "Labelled", "labels": [made.json["id"]] });
    stage.post(Owner, "repos/{repo}/issues", body).await;
    stage.hear(2);
    stage.hear_nothing().await;
}

pub async fn dependencies_are_not_told(stage: &mut Stage<'_>) {
    let repo = stage.repo.clone();
    stage.issues(2).await;
    stage.listen().await;
    stage.forge.add_dependency(&repo, 1, 2).await;
    stage.forge.remove_dependency(&repo, 1, 2).await;
    stage.hear_nothing().await;
}

pub async fn pushes_are_told(stage: &mut Stage<'_>) {
    let (bot, repo) = (stage.forge.bot.clone(), stage.repo.clone());
    stage.issues(1).await;
    stage.listen().await;
    stage.forge.push(&bot, &repo, "topic", &[("a", "1"), ("README.md", "Changed.\n")], "A").await;
    let heard = stage.hear(1);
    let push = heard[0].json();
    stage.note(
        "a new branch",
        json!([push["total_commits"], push["commits"][0]["added"], push["commits"][0]["modified"]]),
    );
    stage.note("before", push["before"].clone());
    stage.forge.push(&bot, &repo, "topic", &[("b", "1")], "B").await;
    stage.hear(1);
    stage.forge.push(&bot, &repo, "main", &[("c", "1")], "Closes #1").await;
    let heard = stage.hear(2);
    let named = heard.iter().any(|hook| hook.json()["commit_id"] == heard[1].json()["after"]);
    stage.note("the issue names the commit", named);
    stage
        .post(Bot, "repos/{repo}/branches", json!({ "new_branch_name": "made", "old_ref_name": "main" }))
        .await;
    let heard = stage.hear(1);
    stage.note("a branch made", json!([heard[0].json()["total_commits"], heard[0].json()["commits"]]));
    stage.delete(Bot, "repos/{repo}/branches/topic", json!(null)).await;
    stage.hear_nothing().await;
}

pub async fn made_and_deleted_refs_are_told(stage: &mut Stage<'_>) {
    let (bot, repo) = (stage.forge.bot.clone(), stage.repo.clone());
    stage.listen_to(&["create", "delete", "push", "issues_only"]).await;
    stage.forge.push(&bot, &repo, "topic", &[("a", "1")], "A").await;
    stage.hear(2);
    stage.delete(Bot, "repos/{repo}/branches/topic", json!(null)).await;
    stage.hear(1);
    let url = format!("{}/{repo}.git", stage.forge.url());
    let push = async |refspec: &'static str| {
        let (url, bot) = (url.clone(), bot.clone());
        let done = tokio::task::spawn_blocking(move || {
            let folder = tempfile::tempdir().unwrap();
            git(folder.path(), Some(&bot), &["clone", "--quiet", &url, "."])?;
            git(folder.path(), Some(&bot), &["push", "origin", refspec])
        });
        done.await.unwrap().unwrap();
    };
    push("HEAD:refs/tags/v1").await;
    stage.hear(2);
    push(":refs/tags/v1").await;
    stage.hear(2);
    stage.hear_nothing().await;
}

pub async fn pull_requests_are_told(stage: &mut Stage<'_>) {
    let (bot, repo) = (stage.forge.bot.clone(), stage.repo.clone());
    stage.issues(1).await;
    stage.forge.push(&bot, &repo, "topic", &[("a", "1")], "A").await;
    stage.listen().await;
    let pull = stage.forge.create_pull(&repo, "topic", "main", "P", "Closes #1").await;
    stage.hear(1);
    stage.patch(Owner, "repos/{repo}/pulls/2", json!({ "assignees": [bot.login], "title": "Q" })).await;
    stage.hear(2);
    stage.forge.push(&bot, &repo, "topic", &[("b", "1")], "B").await;
    let mut heard = stage.forget(2);
    heard.sort();
    stage.note("a push to its head", json!(heard));
    stage.forge.merge(&repo, pull).await;
    let heard = stage.hear(3);
    let (closed, issue, push) = (heard[0].json(), heard[1].json(), heard[2].json());
    stage.note(
        "merged",
        json!([closed["pull_request"]["merged"], closed["pull_request"]["merged_by"]["login"]]),
    );
    stage.note(
        "one commit",
        closed["pull_request"]["merge_commit_sha"] == push["after"] && issue["commit_id"] == push["after"],
    );
    stage.note("commits", push["total_commits"].clone());
    // Without its branch a pull request is closed.
    stage.forge.push(&bot, &repo, "other", &[("c", "1")], "C").await;
    stage.hear(1);
    let other = stage.forge.create_pull(&repo, "other", "main", "Other", "").await;
    stage.hear(1);
    stage.delete(Bot, "repos/{repo}/branches/other", json!(null)).await;
    stage.hear(1);
    let closed = stage.forge.pull(&repo, other).await;
    stage.note("closed", json!([closed["state"], closed["merged"], closed["head"]["ref"] == "other"]));
    stage.hear_nothing().await;
}

pub async fn statuses_are_told(stage: &mut Stage<'_>) {
    let sha = stage.forge.branch(&stage.repo.clone(), "main").await.unwrap();
    stage.listen().await;
    let body = json!({ "state": "success", "context": "mosaic/test", "description": "d", "target_url": "http://x/y" });
    let path = format!("repos/{{repo}}/statuses/{sha}");
    stage.ask_named(Bot, Method::POST, &path, "repos/{repo}/statuses/{sha}", Some(body)).await;
    let heard = stage.hear(1);
    stage.note("status", json!([heard[0].json()["state"], heard[0].json()["context"]]));
    stage.hear_nothing().await;
}

pub async fn forms_are_signed_over_the_payload(stage: &mut Stage<'_>) {
    let receiver = Receiver::start();
    let body = json!({
        "type": "gitea", "active": true, "events": ["issues_only"], "authorization_header": "Bearer b",
        "config": { "url": receiver.url(), "content_type": "form", "secret": "s3cret" },
    });
    stage.post(Owner, "repos/{repo}/hooks", body.clone()).await;
    stage.forge.create_issue(&stage.repo.clone(), "Größe + mehr & \"so\"", "100 %", &[]).await;
    let heard = receiver.wait_for(1);
    assert_signed(&heard[0]);
    assert_ne!(heard[0].header("x-gitea-signature"), signature(&heard[0].body));
    stage.note("type", heard[0].header("content-type").to_owned());
    stage.note("authorization", heard[0].header("authorization").to_owned());
    stage.note("title", heard[0].json()["issue"]["title"].clone());
    // Without a secret the headers are there, and empty.
    let other = Receiver::start();
    let body = json!({
        "type": "gitea", "active": true, "events": ["issues_only"],
        "config": { "url": other.url(), "content_type": "json" },
    });
    stage.post(Owner, "repos/{repo}/hooks", body).await;
    stage.forge.create_issue(&stage.repo.clone(), "Unsigned", "", &[]).await;
    let heard = other.wait_for(1);
    stage.note(
        "unsigned",
        json!([heard[0].header("x-gitea-signature"), heard[0].header("x-hub-signature-256")]),
    );
}

pub async fn a_hook_that_is_not_active_is_silent(stage: &mut Stage<'_>) {
    let silent = Receiver::start();
    let config = json!({ "url": silent.url(), "content_type": "json" });
    stage
        .post(Owner, "repos/{repo}/hooks", json!({ "type": "gitea", "config": config, "events": ["issues"] }))
        .await;
    let pushes = json!({ "type": "gitea", "active": true, "config": config, "events": ["push"], "branch_filter": "release/*" });
    stage.post(Owner, "repos/{repo}/hooks", pushes).await;
    stage.listen().await;
    stage.forge.create_issue(&stage.repo.clone(), "Told to one", "", &[]).await;
    stage.hear(1);
    stage.forge.push(&stage.forge.bot, &stage.repo, "topic", &[("a", "1")], "A").await;
    stage.hear(1);
    stage.forge.push(&stage.forge.bot, &stage.repo, "release/1", &[("b", "1")], "B").await;
    stage.hear(1);
    let heard = silent.wait_for(1);
    stage.note("only", heard[0].json()["ref"].clone());
    stage.note("so many", silent.received().len());
}

pub async fn tests_are_pushes_of_nothing(stage: &mut Stage<'_>) {
    let receiver = Receiver::start();
    let hook = stage.forge.hook_to(&stage.repo.clone(), &receiver).await;
    let path = format!("repos/{{repo}}/hooks/{hook}/tests");
    stage.ask_named(Owner, Method::POST, &path, "repos/{repo}/hooks/{id}/tests", None).await;
    let heard = receiver.wait_for(1);
    let push = heard[0].json();
    stage.note("nothing moved", push["before"] == push["after"]);
    stage.note("files", json!([push["commits"][0]["added"], push["ref"]]));
    let config = json!({ "url": receiver.url(), "content_type": "json" });
    let body = json!({ "type": "gitea", "active": true, "config": config, "events": ["issues"] });
    let issues = stage.post(Owner, "repos/{repo}/hooks", body).await.json["id"].clone();
    let path = format!("repos/{{repo}}/hooks/{issues}/tests");
    stage.ask_named(Owner, Method::POST, &path, "repos/{repo}/hooks/{id}/tests", None).await;
    stage.note("so many", receiver.received().len());
}
