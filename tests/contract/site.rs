//! Cases on the site, its users and repositories.

use reqwest::Method;
use serde_json::json;

use super::stage::{Stage, Who::*};
use crate::support::git::git;

pub async fn the_site_and_its_users(stage: &mut Stage<'_>) {
    let version = stage.get(Nobody, "version").await;
    stage.note("version", version.json["version"].clone());
    let settings = stage.get(Bot, "settings/api").await;
    stage.note("settings", settings.json);
    let me = stage.get(Bot, "user").await;
    stage.note("login", me.json["login"].clone());
    stage.note("private", json!([me.json["is_admin"], me.json["active"], me.json["last_login"]]));
    let admin = stage.get(Admin, "user").await;
    stage.note("is_admin", admin.json["is_admin"].clone());
    let other = stage.get(Bot, "users/{owner}").await;
    stage.note("private", json!([other.json["active"], other.json["last_login"]]));
    stage.get(Nobody, "users/{owner}").await;
    let missing = stage.get(Bot, "users/nobody-at-all").await;
    stage.note("message", missing.json["message"].clone());
    stage.get(Bot, "nowhere/at/all").await;
}

pub async fn tokens_are_checked_before_all_else(stage: &mut Stage<'_>) {
    for path in ["version", "user", "repos/{repo}", "repos/nobody/nothing", "repos/issues/search"] {
        let answer = stage.get(Liar, path).await;
        stage.note("message", answer.json["message"].clone());
    }
    let anonymous = stage.get(Nobody, "user").await;
    stage.note("message", anonymous.json["message"].clone());
    stage.post(Nobody, "repos/{repo}/issues", json!({ "title": "x" })).await;
    stage.post(Nobody, "user/repos", json!({ "name": "x" })).await;
    stage.get(Nobody, "repos/{repo}/assignees").await;
    stage.get(Nobody, "repos/{repo}").await;
}

pub async fn repositories_are_made_and_seen(stage: &mut Stage<'_>) {
    let name = stage.repo.split_once('/').unwrap().1.to_owned();
    let made =
        stage.post(Owner, "user/repos", json!({ "name": format!("{name}-two"), "private": true })).await;
    stage.note("made", json!([made.json["empty"], made.json["private"], made.json["default_branch"]]));
    let twice = stage.post(Owner, "user/repos", json!({ "name": name })).await;
    stage.note("message", twice.json["message"].clone());
    let bad = stage.post(Owner, "user/repos", json!({ "name": "a bad name" })).await;
    stage.note("message", bad.json["message"].clone());
    let nameless = stage.post(Owner, "user/repos", json!({})).await;
    stage.note("message", nameless.json["message"].clone());
    let grown =
        stage.post(Owner, "user/repos", json!({ "name": format!("{name}-three"), "auto_init": true })).await;
    stage.note("grown", json!([grown.json["empty"], grown.json["default_branch"]]));
    stage.get(Owner, "repos/{repo}-three/branches/main").await;
    stage.post(Admin, "admin/users/{bot}/repos", json!({ "name": "own" })).await;
    stage.post(Bot, "admin/users/{bot}/repos", json!({ "name": "other" })).await;
    let seen = stage.get(Bot, "repos/{repo}").await;
    stage.note("full_name", seen.json["full_name"].clone());
    stage.note("permissions", seen.json["permissions"].clone());
    stage.note("branch", json!([seen.json["default_branch"], seen.json["empty"], seen.json["archived"]]));
    stage.note("merge style", seen.json["default_merge_style"].clone());
    stage.note("tracker", seen.json["internal_tracker"].clone());
    let seen = stage.get(Stranger, "repos/{repo}").await;
    stage.note("permissions", seen.json["permissions"].clone());
    let found = format!("repos/search?q={name}&limit=1");
    let found = stage.ask_named(Bot, Method::GET, &found, "repos/search?q={name}&limit=1", None).await;
    stage.note("found", json!([found.json["ok"], found.json["data"].as_array().map(Vec::len)]));
    stage.get(Owner, "user/repos?limit=1").await;
    for change in [
        json!({ "default_merge_style": "squash" }),
        json!({ "default_merge_style": "squash", "has_pull_requests": true }),
        json!({ "internal_tracker": { "enable_issue_dependencies": false } }),
    ] {
        let edited = stage.patch(Owner, "repos/{repo}", change).await;
        stage.note("merge style", edited.json["default_merge_style"].clone());
        stage.note("dependencies", edited.json["internal_tracker"]["enable_issue_dependencies"].clone());
    }
    stage.patch(Bot, "repos/{repo}", json!({ "private": true })).await;
    stage.get(Bot, "repos/nobody-here/nothing").await;
    stage.get(Bot, "repos/{owner}/nothing").await;
    stage.delete(Bot, "repos/{repo}", json!(null)).await;
    stage.delete(Owner, "repos/{repo}", json!(null)).await;
    stage.get(Owner, "repos/{repo}").await;
}

pub async fn collaborators_and_permissions(stage: &mut Stage<'_>) {
    stage.get(Owner, "repos/{repo}/collaborators/{bot}").await;
    stage.get(Owner, "repos/{repo}/collaborators/{stranger}").await;
    stage.get(Owner, "repos/{repo}/collaborators").await;
    for who in [Owner, Admin, Bot] {
        let permission = stage.get(who, "repos/{repo}/collaborators/{bot}/permission").await;
        stage.note("permission", permission.json["permission"].clone());
    }
    let refused = stage.get(Bot, "repos/{repo}/collaborators/{owner}/permission").await;
    stage.note("message", refused.json["message"].clone());
    for whom in ["{owner}", "{stranger}"] {
        let permission = stage.get(Owner, &format!("repos/{{repo}}/collaborators/{whom}/permission")).await;
        stage.note("permission", permission.json["permission"].clone());
    }
    stage.put(Bot, "repos/{repo}/collaborators/{stranger}", json!({ "permission": "read" })).await;
    for permission in ["read", "write", "admin"] {
        stage.put(Owner, "repos/{repo}/collaborators/{stranger}", json!({ "permission": permission })).await;
        let seen = stage.get(Stranger, "repos/{repo}").await;
        stage.note("permissions", seen.json["permissions"].clone());
    }
    stage.delete(Owner, "repos/{repo}/collaborators/{stranger}", json!(null)).await;
    let assignable = stage.get(Bot, "repos/{repo}/assignees").await;
    stage.note("assignable", assignable.json.as_array().map(Vec::len));
}

pub async fn private_repositories_are_not_there_for_others(stage: &mut Stage<'_>) {
    stage.issues(1).await;
    stage.patch(Owner, "repos/{repo}", json!({ "private": true })).await;
    for who in [Bot, Stranger, Nobody] {
        stage.get(who, "repos/{repo}").await;
        stage.get(who, "repos/{repo}/issues/1").await;
        stage.get(who, "repos/{repo}/issues").await;
    }
    stage.post(Stranger, "repos/{repo}/issues", json!({ "title": "x" })).await;
    stage.post(Nobody, "repos/{repo}/issues", json!({ "title": "x" })).await;
}

pub async fn archived_repositories_are_locked(stage: &mut Stage<'_>) {
    stage.issues(2).await;
    stage.patch(Owner, "repos/{repo}", json!({ "archived": true })).await;
    stage.get(Bot, "repos/{repo}/issues/1").await;
    stage.post(Bot, "repos/{repo}/issues", json!({ "title": "x" })).await;
    stage.post(Bot, "repos/{repo}/issues/1/comments", json!({ "body": "x" })).await;
    let body = json!({ "head": "a", "base": "main", "title": "x" });
    stage.post(Bot, "repos/{repo}/pulls", body).await;
    stage.post(Bot, "repos/{repo}/branches", json!({ "new_branch_name": "a" })).await;
    let (owner, name) = stage.repo.split_once('/').map(|(o, n)| (o.to_owned(), n.to_owned())).unwrap();
    let dependency = json!({ "index": 2, "owner": owner, "repo": name });
    stage.post(Bot, "repos/{repo}/issues/1/dependencies", dependency).await;
}

pub async fn a_renamed_repository_leads_on(stage: &mut Stage<'_>) {
    stage.issues(1).await;
    let (owner, name) =
        stage.repo.split_once('/').map(|(owner, name)| (owner.to_owned(), name.to_owned())).unwrap();
    let renamed = stage.patch(Owner, "repos/{repo}", json!({ "name": format!("{name}-new") })).await;
    stage.note("full_name", renamed.json["full_name"].clone());
    for (method, path, body) in [
        (Method::GET, "repos/{repo}", None),
        (Method::GET, "repos/{repo}/issues?state=all", None),
        (Method::GET, "repos/{repo}/branches/mosaic/1-one", None),
        (Method::POST, "repos/{repo}/issues", Some(json!({ "title": "x" }))),
    ] {
        let moved = stage.ask(Bot, method, path, body).await;
        stage.note("to", moved.headers["location"].to_str().unwrap());
    }
    stage.get(Bot, "repos/{repo}-new/issues/1").await;
    let url = format!("{}/{owner}/{name}.git", stage.forge.url());
    let bot = stage.forge.bot.clone();
    let here = std::env::temp_dir();
    let found =
        tokio::task::spawn_blocking(move || git(&here, Some(&bot), &["ls-remote", &url])).await.unwrap();
    stage.note("git finds it", found.is_ok());
}
