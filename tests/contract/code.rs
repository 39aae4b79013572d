//! Cases on branches, pull requests, merges, statuses and git over HTTP.

use reqwest::Method;
use serde_json::{Value, json};

use super::stage::{Stage, Who, Who::*};
use crate::support::git::git;

/// Pushes a branch with one more file as the bot; returns the commit.
async fn topic(stage: &Stage<'_>, branch: &str, file: &str, text: &str) -> String {
    stage.forge.push(&stage.forge.bot, &stage.repo, branch, &[(file, text)], &format!("Add {file}")).await
}

/// Waits until a pull request has been checked: a real forge does that a little after a push.
async fn checked(stage: &Stage<'_>, pull: u64, mergeable: bool) {
    let what = format!("pull request {pull} is mergeable: {mergeable}");
    let holds = async || stage.forge.pull(&stage.repo, pull).await["mergeable"] == mergeable;
    stage.forge.until(&what, holds).await;
}

pub async fn branches(stage: &mut Stage<'_>) {
    let first = stage.get(Bot, "repos/{repo}/branches/main").await;
    stage.note("message", first.json["commit"]["message"].clone());
    stage.note(
        "may",
        json!([first.json["user_can_push"], first.json["user_can_merge"], first.json["protected"]]),
    );
    stage.get(Nobody, "repos/{repo}/branches/main").await;
    let made = stage
        .post(
            Bot,
            "repos/{repo}/branches",
            json!({ "new_branch_name": "mosaic/1-one", "old_ref_name": "main" }),
        )
        .await;
    stage.note("name", made.json["name"].clone());
    let twice = stage.post(Bot, "repos/{repo}/branches", json!({ "new_branch_name": "mosaic/1-one" })).await;
    stage.note("message", twice.json["message"].clone());
    stage
        .post(Bot, "repos/{repo}/branches", json!({ "new_branch_name": "x", "old_ref_name": "nothing" }))
        .await;
    stage
        .post(Bot, "repos/{repo}/branches", json!({ "new_branch_name": "x", "old_branch_name": "nothing" }))
        .await;
    let seen = stage.get(Bot, "repos/{repo}/branches/mosaic/1-one").await;
    stage.note("name", seen.json["name"].clone());
    let all = stage.get(Bot, "repos/{repo}/branches").await;
    stage.note("count", all.json.as_array().map(Vec::len));
    stage.get(Bot, "repos/{repo}/branches/nothing").await;
    stage.delete(Bot, "repos/{repo}/branches/main", json!(null)).await;
    stage.delete(Bot, "repos/{repo}/branches/nothing", json!(null)).await;
    stage.delete(Bot, "repos/{repo}/branches/mosaic/1-one", json!(null)).await;
}

pub async fn pull_requests(stage: &mut Stage<'_>) {
    stage.issues(1).await;
    topic(stage, "mosaic/1-one", "a.txt", "1\n2\n").await;
    let body = json!({ "head": "mosaic/1-one", "base": "main", "title": "One", "body": "Closes #1" });
    let made = stage.post(Bot, "repos/{repo}/pulls", body).await.json;
    stage.note(
        "changes",
        json!([made["additions"], made["deletions"], made["changed_files"], made["mergeable"]]),
    );
    stage.note(
        "sides",
        json!([made["head"]["ref"], made["head"]["label"], made["base"]["ref"], made["merged"]]),
    );
    stage.note("assignees", json!([made["assignee"], made["assignees"]]));
    let seen = stage.get(Bot, "repos/{repo}/pulls/2").await;
    stage.note("number", seen.json["number"].clone());
    let by = stage.get(Bot, "repos/{repo}/pulls/main/mosaic/1-one").await;
    stage.note("number", by.json["number"].clone());
    stage.get(Bot, "repos/{repo}/pulls/main/nothing").await;
    stage.get(Bot, "repos/{repo}/pulls/1").await;
    stage.get(Bot, "repos/{repo}/pulls/99").await;
    let as_issue = stage.get(Bot, "repos/{repo}/issues/2").await;
    stage.note(
        "as an issue",
        json!([as_issue.json["pull_request"]["merged"], as_issue.json["pull_request"]["draft"]]),
    );
    stage.get(Bot, "repos/{repo}/pulls").await;
    let closed = stage.get(Bot, "repos/{repo}/pulls?state=closed").await;
    stage.note("closed", closed.json);
    let edited =
        stage.patch(Bot, "repos/{repo}/pulls/2", json!({ "title": "WIP: One", "body": "No more" })).await;
    stage.note("draft", json!([edited.json["draft"], edited.json["mergeable"], edited.json["body"]]));
    stage.patch(Stranger, "repos/{repo}/pulls/2", json!({ "title": "x" })).await;
    let closed = stage.patch(Bot, "repos/{repo}/pulls/2", json!({ "state": "closed" })).await;
    stage.note("state", closed.json["state"].clone());
    let again = stage.patch(Bot, "repos/{repo}/pulls/2", json!({ "state": "open" })).await;
    stage.note("state", again.json["state"].clone());
    for body in [
        json!({ "head": "main", "base": "main", "title": "x" }),
        json!({ "head": "nothing", "base": "main", "title": "x" }),
        json!({ "head": "mosaic/1-one", "base": "nothing", "title": "x" }),
        json!({ "base": "main", "title": "x" }),
        json!({ "head": "mosaic/1-one", "base": "main" }),
    ] {
        stage.post(Bot, "repos/{repo}/pulls", body).await;
    }
    stage.get(Bot, "repos/{repo}/pulls/2/merge").await;
}

pub async fn a_second_pull_request_is_a_conflict(stage: &mut Stage<'_>) {
    topic(stage, "topic", "a", "1").await;
    let head = format!("{}:topic", stage.forge.owner.login);
    stage.post(Bot, "repos/{repo}/pulls", json!({ "head": head, "base": "main", "title": "One" })).await;
    stage.post(Bot, "repos/{repo}/pulls", json!({ "head": "topic", "base": "main", "title": "Two" })).await;
    stage.patch(Bot, "repos/{repo}/pulls/1", json!({ "state": "closed" })).await;
    stage.post(Bot, "repos/{repo}/pulls", json!({ "head": "topic", "base": "main", "title": "Two" })).await;
    // One without any change is taken.
    stage
        .post(Bot, "repos/{repo}/branches", json!({ "new_branch_name": "same", "old_ref_name": "main" }))
        .await;
    let same = stage
        .post(Bot, "repos/{repo}/pulls", json!({ "head": "same", "base": "main", "title": "Same" }))
        .await;
    stage.note("changes", same.json["changed_files"].clone());
    let by = stage.get(Bot, "repos/{repo}/pulls/main/topic").await;
    stage.note("of two, found", json!([by.json["number"], by.json["state"]]));
}

/// Merges and writes down what git and the forge say afterwards.
async fn merge(stage: &mut Stage<'_>, who: Who, pull: u64, body: Value) {
    checked(stage, pull, true).await;
    stage.ask_to_merge(who, pull, body).await;
    let seen = stage.get(Bot, &format!("repos/{{repo}}/pulls/{pull}")).await.json;
    stage.note("merged", json!([seen["merged"], seen["state"], seen["merged_by"]["login"]]));
    let main = stage.get(Bot, "repos/{repo}/branches/main").await.json;
    stage.note("at the base", main["commit"]["id"] == seen["merge_commit_sha"]);
    stage.note("message", main["commit"]["message"].clone());
}

pub async fn merging(stage: &mut Stage<'_>) {
    let head = topic(stage, "mosaic/1-one", "a", "1").await;
    stage.forge.create_pull(&stage.repo, "mosaic/1-one", "main", "One", "").await;
    stage.get(Bot, "repos/{repo}/pulls/1/merge").await;
    let body = json!({ "Do": "merge", "head_commit_id": head, "delete_branch_after_merge": true });
    merge(stage, Bot, 1, body).await;
    stage.get(Bot, "repos/{repo}/pulls/1/merge").await;
    stage.get(Bot, "repos/{repo}/branches/mosaic/1-one").await;
    stage.patch(Bot, "repos/{repo}/pulls/1", json!({ "state": "open" })).await;
    let again = stage.post(Bot, "repos/{repo}/pulls/1/merge", json!({ "Do": "merge" })).await;
    stage.note("message", again.json["message"].clone());
    topic(stage, "two", "b", "1").await;
    stage.forge.create_pull(&stage.repo, "two", "main", "Two", "").await;
    let body = json!({ "Do": "merge", "MergeTitleField": "A title", "MergeMessageField": "A message" });
    merge(stage, Bot, 2, body).await;
}

pub async fn merge_refusals(stage: &mut Stage<'_>) {
    stage.issues(1).await;
    topic(stage, "topic", "a", "1").await;
    stage.forge.create_pull(&stage.repo, "topic", "main", "WIP: One", "").await;
    let path = "repos/{repo}/pulls/2/merge";
    let draft = stage.ask_to_merge(Bot, 2, json!({ "Do": "merge" })).await;
    stage.note("message", draft.json["message"].clone());
    stage.patch(Bot, "repos/{repo}/pulls/2", json!({ "title": "One" })).await;
    let behind = stage.ask_to_merge(Bot, 2, json!({ "Do": "merge", "head_commit_id": "0".repeat(40) })).await;
    stage.note("message", behind.json["message"].clone());
    let style = stage.ask_to_merge(Bot, 2, json!({ "Do": "nonsense" })).await;
    stage.note("style", style.json["message"].clone());
    let refused = stage.post(Stranger, path, json!({ "Do": "merge" })).await;
    stage.note("message", refused.json["message"].clone());
    stage.post(Nobody, path, json!({ "Do": "merge" })).await;
    stage.forge.add_dependency(&stage.repo.clone(), 2, 1).await;
    stage.ask_to_merge(Bot, 2, json!({ "Do": "merge" })).await;
    stage.forge.remove_dependency(&stage.repo.clone(), 2, 1).await;
    stage.patch(Bot, "repos/{repo}/pulls/2", json!({ "state": "closed" })).await;
    stage.ask_to_merge(Bot, 2, json!({ "Do": "merge" })).await;
    stage.post(Bot, "repos/{repo}/pulls/99/merge", json!({ "Do": "merge" })).await;
    stage.post(Bot, "repos/{repo}/pulls/1/merge", json!({ "Do": "merge" })).await;
}

pub async fn merge_conflicts(stage: &mut Stage<'_>) {
    topic(stage, "topic", "README.md", "Theirs.\n").await;
    topic(stage, "other", "README.md", "Ours.\n").await;
    let first = stage.forge.create_pull(&stage.repo, "topic", "main", "One", "").await;
    let second = stage.forge.create_pull(&stage.repo, "other", "main", "Two", "").await;
    checked(stage, first, true).await;
    stage.ask_to_merge(Bot, first, json!({ "Do": "merge" })).await;
    checked(stage, second, false).await;
    let seen = stage.get(Bot, &format!("repos/{{repo}}/pulls/{second}")).await;
    stage.note("mergeable", seen.json["mergeable"].clone());
    let refused =
        stage.post(Bot, &format!("repos/{{repo}}/pulls/{second}/merge"), json!({ "Do": "merge" })).await;
    stage.note("message", refused.json["message"].clone());
}

pub async fn squash_and_fast_forward(stage: &mut Stage<'_>) {
    for (number, style) in [(1, "squash"), (2, "fast-forward-only"), (3, "rebase"), (4, "rebase-merge")] {
        topic(stage, style, &format!("{number}.txt"), "1\n").await;
        let pull = stage.forge.create_pull(&stage.repo, style, "main", &format!("By {style}"), "").await;
        merge(stage, Bot, pull, json!({ "Do": style })).await;
    }
    // Both branches have moved: a replay has something to do, a fast-forward is refused.
    topic(stage, "late", "late.txt", "1\n").await;
    topic(stage, "main", "main.txt", "1\n").await;
    let pull = stage.forge.create_pull(&stage.repo, "late", "main", "Late", "").await;
    checked(stage, pull, true).await;
    stage.ask_to_merge(Bot, pull, json!({ "Do": "fast-forward-only" })).await;
    merge(stage, Bot, pull, json!({ "Do": "rebase" })).await;
}

pub async fn closes_ends_the_issue(stage: &mut Stage<'_>) {
    stage.issues(3).await;
    topic(stage, "topic", "a", "1").await;
    let pull = stage.forge.create_pull(&stage.repo, "topic", "main", "One", "Closes #1, mentions #2").await;
    stage.forge.merge(&stage.repo, pull).await;
    // By a commit on the default branch; a real forge reads those a little later.
    stage.forge.push(&stage.forge.bot, &stage.repo, "main", &[("b", "1")], "Fixes #3").await;
    let forge = stage.forge;
    forge
        .until("the commit closes #3", async || forge.issue(&stage.repo, 3).await["state"] == "closed")
        .await;
    for issue in 1..=3 {
        let seen = stage.get(Bot, &format!("repos/{{repo}}/issues/{issue}")).await;
        stage.note("state", seen.json["state"].clone());
    }
}

pub async fn statuses(stage: &mut Stage<'_>) {
    let sha = topic(stage, "topic", "a", "1").await;
    let path = format!("repos/{{repo}}/statuses/{sha}");
    let named = "repos/{repo}/statuses/{sha}";
    let none = stage.ask_named(Bot, Method::GET, &path, named, None).await;
    stage.note("none", none.json);
    let combined = stage.get(Bot, "repos/{repo}/commits/topic/status").await;
    stage.note(
        "none",
        json!([combined.json["state"], combined.json["statuses"], combined.json["total_count"]]),
    );
    for (state, context) in [
        ("pending", "mosaic/test"),
        ("success", "mosaic/test"),
        ("success", "mosaic/lint"),
        ("bogus", "odd"),
        ("success", "odd"),
        ("failure", ""),
        ("warning", ""),
    ] {
        let body =
            json!({ "state": state, "context": context, "description": "d", "target_url": "http://x/y" });
        let made = stage.ask_named(Bot, Method::POST, &path, named, Some(body)).await;
        stage.note("made", json!([made.json["status"], made.json["context"], made.json["id"]]));
        let combined = stage.get(Bot, "repos/{repo}/commits/topic/status").await;
        stage.note("combined", json!([combined.json["state"], combined.json["total_count"]]));
    }
    let rows = stage.ask_named(Bot, Method::GET, &path, named, None).await;
    let told = |row: &Value| json!([row["status"], row["context"], row["id"]]);
    // Rows of one second come in no order to rely on.
    let mut told: Vec<String> =
        rows.json.as_array().unwrap().iter().map(|row| told(row).to_string()).collect();
    told.sort();
    stage.note("rows", told);
    let rows = stage.get(Bot, "repos/{repo}/commits/topic/statuses").await;
    stage.note("rows", rows.json.as_array().map(Vec::len));
    let page = stage.get(Bot, "repos/{repo}/commits/topic/status?limit=1").await;
    stage.note("a page", page.json["statuses"].as_array().map(Vec::len));
    stage.get(Bot, "repos/{repo}/commits/nothing/status").await;
    let unknown = format!("repos/{{repo}}/statuses/{}", "0".repeat(40));
    let body = json!({ "state": "success", "context": "x" });
    stage.ask_named(Bot, Method::POST, &unknown, "repos/{repo}/statuses/{unknown}", Some(body)).await;
    stage.ask_named(Bot, Method::GET, &unknown, "repos/{repo}/statuses/{unknown}", None).await;
}

pub async fn pushing_over_http(stage: &mut Stage<'_>) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("{}/{}.git", stage.forge.url(), stage.repo);
    let (bot, stranger) = (stage.forge.bot.clone(), stage.stranger.clone());
    let stale = stage.forge.branch(&stage.repo, "main").await.unwrap();
    let place = folder.path().to_owned();
    let told = tokio::task::spawn_blocking(move || {
        let run = |who: Option<&_>, args: &[&str]| git(&place, who, args);
        let mut told = Vec::new();
        let mut note =
            |what: &str, result: Result<String, String>| told.push((what.to_owned(), result.is_ok()));
        note("anyone may clone what is public", run(None, &["clone", "--quiet", &url, "."]));
        run(Some(&bot), &["checkout", "--quiet", "-b", "topic"]).unwrap();
        run(Some(&bot), &["commit", "--quiet", "--allow-empty", "-m", "One"]).unwrap();
        note("nobody may push", run(None, &["push", "origin", "topic"]));
        note("a stranger may not push", run(Some(&stranger), &["push", "origin", "topic"]));
        note("a writer may push", run(Some(&bot), &["push", "origin", "topic"]));
        run(Some(&bot), &["commit", "--quiet", "--amend", "--allow-empty", "-m", "Two"]).unwrap();
        note("other history is refused", run(Some(&bot), &["push", "origin", "topic"]));
        let wrong = format!("--force-with-lease=topic:{stale}");
        note("a lease on another commit is refused", run(Some(&bot), &["push", &wrong, "origin", "topic"]));
        let right = run(Some(&bot), &["rev-parse", "origin/topic"]).unwrap();
        let right = format!("--force-with-lease=topic:{right}");
        note("a lease on the right commit is good", run(Some(&bot), &["push", &right, "origin", "topic"]));
        let basic = url.replace("http://", &format!("http://x:{}@", bot.token));
        note("a token is good as a password", run(None, &["push", &basic, "topic:basic"]));
        let basic = url.replace("http://", &format!("http://{}:x-oauth-basic@", bot.token));
        note("a token is good as a name", run(None, &["push", &basic, "topic:named"]));
        let wrong = url.replace("http://", "http://x:wrong@");
        note("a wrong token is not", run(None, &["push", &wrong, "topic:wrong"]));
        let missing = url.replace(".git", "-missing.git");
        note("what is not there cannot be cloned", run(Some(&bot), &["ls-remote", &missing]));
        note("a branch can be deleted", run(Some(&bot), &["push", "origin", ":basic"]));
        told
    });
    for (what, done) in told.await.unwrap() {
        stage.note(&what, done);
    }
    let all = stage.get(Bot, "repos/{repo}/branches").await;
    let mut names: Vec<&str> =
        all.json.as_array().unwrap().iter().filter_map(|b| b["name"].as_str()).collect();
    names.sort_unstable();
    stage.note("branches", names);
}
