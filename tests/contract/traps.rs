//! Cases on what surprises: dependencies, closing, assigning, rights.

use serde_json::{Value, json};

use super::stage::{Stage, Who::*};
use crate::support::forge_under_test::meta;

/// The shape-relevant names of a list of issues: numbers and states.
fn told(list: &Value) -> Value {
    let told = |issue: &Value| json!([issue["number"], issue["state"], issue["repository"]["full_name"]]);
    list.as_array().map(|list| list.iter().map(told).collect()).unwrap_or_default()
}

pub async fn dependencies(stage: &mut Stage<'_>) {
    stage.issues(4).await;
    let repo = stage.repo.clone();
    let path = "repos/{repo}/issues/1/dependencies";
    let none = stage.get(Bot, path).await;
    stage.note("none", none.json);
    let added = stage.post(Bot, path, meta(&repo, 2)).await;
    stage.note("answers with the one that waits", added.json["number"].clone());
    stage.post(Bot, path, meta(&repo, 3)).await;
    let twice = stage.post(Bot, path, meta(&repo, 2)).await;
    stage.note("message", twice.json["message"].clone());
    let twice = stage.post(Admin, path, meta(&repo, 2)).await;
    stage.note("told to administrators", twice.json["message"] != "");
    stage.post(Bot, "repos/{repo}/issues/2/dependencies", meta(&repo, 1)).await;
    stage.post(Bot, path, json!({ "index": 4 })).await;
    stage.post(Bot, path, meta(&repo, 99)).await;
    stage.post(Bot, "repos/{repo}/issues/99/dependencies", meta(&repo, 1)).await;
    stage.post(Stranger, path, meta(&repo, 4)).await;
    stage.post(Nobody, path, meta(&repo, 4)).await;
    for query in ["", "?limit=1", "?limit=1&page=2", "?page=2"] {
        let list = stage.get(Bot, &format!("{path}{query}")).await;
        stage.note("waits for", told(&list.json));
    }
    for query in ["", "?limit=1"] {
        let list = stage.get(Bot, &format!("repos/{{repo}}/issues/2/blocks{query}")).await;
        stage.note("blocks", told(&list.json));
    }
    let empty = stage.get(Bot, "repos/{repo}/issues/4/blocks").await;
    stage.note("blocks nothing", empty.json);
    stage.get(Nobody, path).await;
    let blocked = stage.post(Bot, "repos/{repo}/issues/4/blocks", meta(&repo, 3)).await;
    stage.note("answers with the one that blocks", blocked.json["number"].clone());
    let list = stage.get(Bot, "repos/{repo}/issues/3/dependencies").await;
    stage.note("waits for", told(&list.json));
    stage.delete(Bot, "repos/{repo}/issues/4/blocks", meta(&repo, 3)).await;
    let removed = stage.delete(Bot, path, meta(&repo, 2)).await;
    stage.note("answers with the one that waited", removed.json["number"].clone());
    stage.delete(Bot, path, meta(&repo, 2)).await;
    stage.get(Bot, "repos/{repo}/issues/99/dependencies").await;
    let off = json!({ "has_issues": true, "internal_tracker": {
        "enable_time_tracker": true, "allow_only_contributors_to_track_time": true, "enable_issue_dependencies": false,
    } });
    stage.patch(Owner, "repos/{repo}", off).await;
    stage.get(Bot, path).await;
    stage.post(Bot, path, meta(&repo, 4)).await;
}

pub async fn cycles_of_three_and_of_one_are_accepted(stage: &mut Stage<'_>) {
    stage.issues(4).await;
    let repo = stage.repo.clone();
    for (issue, blocker) in [(1, 2), (2, 3), (3, 1), (4, 4)] {
        stage.post(Bot, &format!("repos/{{repo}}/issues/{issue}/dependencies"), meta(&repo, blocker)).await;
    }
    let own = stage.get(Bot, "repos/{repo}/issues/4/dependencies").await;
    stage.note("waits for itself", told(&own.json));
    for issue in [1, 4] {
        stage.patch(Bot, &format!("repos/{{repo}}/issues/{issue}"), json!({ "state": "closed" })).await;
    }
}

pub async fn dependencies_across_repositories(stage: &mut Stage<'_>) {
    stage.issues(1).await;
    let lib = stage.forge.repository("lib", &[]).await;
    stage.forge.create_issue(&lib, "Elsewhere", "", &[]).await;
    let path = "repos/{repo}/issues/1/dependencies";
    stage.post(Bot, path, meta(&lib, 1)).await;
    let list = stage.get(Bot, path).await;
    stage.note("elsewhere", list.json[0]["repository"]["full_name"] == lib.as_str());
    let there = format!("repos/{lib}/issues/1/blocks");
    let blocks = stage.forge.ask(Some(&stage.forge.bot), reqwest::Method::GET, &there, None).await;
    stage.note("blocks", told(&blocks.json));
    stage.post(Bot, path, meta("nobody-here/nothing", 1)).await;
    stage.delete(Bot, path, meta(&lib, 1)).await;
}

pub async fn a_hidden_blocker_is_all_zero(stage: &mut Stage<'_>) {
    stage.issues(1).await;
    let secret = stage.forge.repository("secret", &[]).await;
    stage.forge.create_issue(&secret, "Hidden", "", &[]).await;
    stage.forge.add_dependency_across(&stage.repo.clone(), 1, &secret, 1).await;
    let bot = stage.forge.bot.clone();
    let path = format!("repos/{secret}/collaborators/{}", bot.login);
    let owner = stage.forge.owner.clone();
    assert_eq!(stage.forge.ask(Some(&owner), reqwest::Method::DELETE, &path, None).await.status, 204);
    let hide = Some(json!({ "private": true }));
    let hidden =
        stage.forge.ask(Some(&owner), reqwest::Method::PATCH, &format!("repos/{secret}"), hide).await;
    assert_eq!(hidden.status, 200);
    for who in [Bot, Stranger, Owner] {
        let list = stage.get(who, "repos/{repo}/issues/1/dependencies").await;
        let blocker = &list.json[0];
        stage.note(
            "blocker",
            json!([blocker["number"], blocker["state"], blocker["title"], blocker["user"].is_null()]),
        );
    }
    stage.patch(Bot, "repos/{repo}/issues/1", json!({ "state": "closed" })).await;
    stage.post(Bot, "repos/{repo}/issues/1/dependencies", meta(&secret, 1)).await;
}

pub async fn closing_with_open_dependencies(stage: &mut Stage<'_>) {
    stage.issues(2).await;
    let repo = stage.repo.clone();
    stage.forge.add_dependency(&repo, 1, 2).await;
    let change = json!({ "title": "Changed all the same", "state": "closed" });
    let refused = stage.patch(Bot, "repos/{repo}/issues/1", change).await;
    stage.note("message", refused.json["message"].clone());
    let issue = stage.get(Bot, "repos/{repo}/issues/1").await;
    stage.note("half done", json!([issue.json["title"], issue.json["state"]]));
    stage.patch(Bot, "repos/{repo}/issues/2", json!({ "state": "closed" })).await;
    let closed = stage.patch(Bot, "repos/{repo}/issues/1", json!({ "state": "closed" })).await;
    stage.note("state", closed.json["state"].clone());
    let reopened = stage.patch(Bot, "repos/{repo}/issues/2", json!({ "state": "open" })).await;
    stage.note("state", reopened.json["state"].clone());
}

pub async fn closes_stays_silent_while_a_dependency_is_open(stage: &mut Stage<'_>) {
    let (bot, repo) = (stage.forge.bot.clone(), stage.repo.clone());
    stage.issues(2).await;
    stage.forge.add_dependency(&repo, 1, 2).await;
    stage.forge.push(&bot, &repo, "topic", &[("a", "1")], "A").await;
    let pull = stage.forge.create_pull(&repo, "topic", "main", "P", "Closes #1").await;
    stage.forge.merge(&repo, pull).await;
    let merged = stage.get(Bot, "repos/{repo}/pulls/3").await;
    stage.note("merged", merged.json["merged"].clone());
    let issue = stage.get(Bot, "repos/{repo}/issues/1").await;
    stage.note("still", issue.json["state"].clone());
}

pub async fn assigning(stage: &mut Stage<'_>) {
    stage.issues(1).await;
    let (bot, owner) = (stage.forge.bot.login.clone(), stage.forge.owner.login.clone());
    let stranger = stage.stranger.login.clone();
    let path = "repos/{repo}/issues/1";
    let mut logins = async |body: Value| {
        let issue = stage.patch(Owner, path, body).await.json;
        let assigned = issue["assignees"].as_array().cloned().unwrap_or_default();
        let first = issue["assignee"]["login"].clone();
        stage.note(
            "assigned",
            json!([first, assigned.iter().map(|user| user["login"].clone()).collect::<Value>()]),
        );
    };
    logins(json!({ "assignees": [bot] })).await;
    logins(json!({ "assignees": [bot, owner] })).await;
    logins(json!({ "assignees": [owner] })).await;
    logins(json!({ "assignees": [bot.to_uppercase()] })).await;
    logins(json!({ "assignees": [stranger] })).await;
    logins(json!({ "assignee": bot })).await;
    logins(json!({ "assignees": null, "title": "same" })).await;
    logins(json!({ "assignees": [] })).await;
}

pub async fn strangers_are_not_heard(stage: &mut Stage<'_>) {
    stage.post(Stranger, "repos/{repo}/issues", json!({ "title": "Mine" })).await;
    let bot = stage.forge.bot.login.clone();
    let own = stage.patch(Stranger, "repos/{repo}/issues/1", json!({ "assignees": [bot] })).await;
    stage.note("silently not assigned", own.json["assignees"].clone());
    stage.post(Stranger, "repos/{repo}/branches", json!({ "new_branch_name": "x" })).await;
    stage.post(Stranger, "repos/{repo}/hooks", json!({})).await;
    stage.get(Stranger, "repos/{repo}/hooks").await;
    stage.get(Bot, "repos/{repo}/hooks").await;
    let sha = stage.forge.branch(&stage.repo.clone(), "main").await.unwrap();
    let path = format!("repos/{{repo}}/statuses/{sha}");
    let body = json!({ "state": "success" });
    stage.ask_named(Stranger, reqwest::Method::POST, &path, "repos/{repo}/statuses/{sha}", Some(body)).await;
}
