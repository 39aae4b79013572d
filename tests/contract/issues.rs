//! Cases on issues, comments, labels and timelines.

use reqwest::Method;
use serde_json::{Value, json};

use super::stage::{Stage, Who::*};

/// The numbers of the issues in a list, in its order.
fn numbers(list: &Value) -> Value {
    list.as_array().map(|list| list.iter().map(|issue| issue["number"].clone()).collect()).unwrap_or_default()
}

pub async fn issues_are_made_and_read(stage: &mut Stage<'_>) {
    let bot = stage.forge.bot.login.clone();
    let plain = stage.post(Stranger, "repos/{repo}/issues", json!({ "title": "Plain", "body": "B" })).await;
    stage.note("assignees", json!([plain.json["assignee"], plain.json["assignees"], plain.json["labels"]]));
    stage.note("state", plain.json["state"].clone());
    stage.post(Owner, "repos/{repo}/labels", json!({ "name": "p1", "color": "#ff0000" })).await;
    let label = stage.get(Owner, "repos/{repo}/labels").await.json[0]["id"].clone();
    let full = json!({ "title": "Full", "body": "B", "assignees": [bot], "labels": [label] });
    let full = stage.post(Owner, "repos/{repo}/issues", full).await;
    stage.note("assignee", full.json["assignee"]["login"].clone());
    stage.note("label", full.json["labels"][0]["color"].clone());
    stage.note("comments", full.json["comments"].clone());
    let silent = json!({ "title": "Silent", "assignees": [bot], "labels": [label] });
    let silent = stage.post(Stranger, "repos/{repo}/issues", silent).await;
    stage.note("dropped", json!([silent.json["assignees"], silent.json["labels"]]));
    let closed = stage.post(Owner, "repos/{repo}/issues", json!({ "title": "Closed", "closed": true })).await;
    stage.note("state", closed.json["state"].clone());
    for who in [Bot, Nobody, Admin] {
        stage.get(who, "repos/{repo}/issues/2").await;
    }
    let missing = stage.get(Bot, "repos/{repo}/issues/99").await;
    stage.note("missing", missing.json["message"].clone());
    let cased = format!("repos/{}/issues/1", stage.repo.to_uppercase());
    let cased = stage.ask_named(Bot, Method::GET, &cased, "repos/{REPO}/issues/1", None).await;
    stage.note("of another case", cased.json["repository"]["full_name"].clone());
}

pub async fn issues_are_changed(stage: &mut Stage<'_>) {
    stage.issues(1).await;
    let path = "repos/{repo}/issues/1";
    let titled = stage.patch(Bot, path, json!({ "title": "New" })).await;
    stage.note("title", titled.json["title"].clone());
    let untitled = stage.patch(Bot, path, json!({ "title": "", "body": "" })).await;
    stage.note("kept", json!([untitled.json["title"], untitled.json["body"]]));
    let closed = stage.patch(Bot, path, json!({ "state": "closed" })).await;
    stage.note("state", closed.json["state"].clone());
    stage.patch(Bot, path, json!({ "state": "closed" })).await;
    let open = stage.patch(Bot, path, json!({ "state": "open" })).await;
    stage.note("state", json!([open.json["state"], open.json["closed_at"]]));
    stage.patch(Bot, path, json!({ "state": "half" })).await;
    stage.patch(Stranger, path, json!({ "title": "Mine" })).await;
    stage.patch(Nobody, path, json!({ "title": "Mine" })).await;
    stage.patch(Bot, "repos/{repo}/issues/99", json!({ "title": "x" })).await;
    stage.post(Stranger, "repos/{repo}/issues", json!({ "title": "Own" })).await;
    let own = stage
        .patch(Stranger, "repos/{repo}/issues/2", json!({ "title": "Own still", "state": "closed" }))
        .await;
    stage.note("own", json!([own.json["title"], own.json["state"]]));
    stage.delete(Bot, "repos/{repo}/issues/2", json!(null)).await;
    stage.delete(Owner, "repos/{repo}/issues/2", json!(null)).await;
    stage.get(Owner, "repos/{repo}/issues/2").await;
}

pub async fn issues_are_listed(stage: &mut Stage<'_>) {
    let (bot, repo) = (stage.forge.bot.clone(), stage.repo.clone());
    stage.issues(3).await;
    stage.forge.create_issue(&repo, "Assigned", "needle", &[&bot]).await;
    stage.forge.close(&repo, 2).await;
    stage.forge.push(&bot, &repo, "topic", &[("a", "1")], "A").await;
    stage.forge.create_pull(&repo, "topic", "main", "P", "").await;
    for query in [
        "",
        "state=open",
        "state=closed",
        "state=all",
        "type=issues",
        "type=pulls",
        "state=all&type=issues",
        "assigned_by={bot}",
        "assigned_by={owner}",
        "created_by={bot}",
        "q=needle",
        "labels=unknown",
        "since=2001-01-01T00:00:00Z",
        "since=2901-01-01T00:00:00Z",
        "before=2001-01-01T00:00:00%2B01:00",
    ] {
        let list = stage.get(Bot, &format!("repos/{{repo}}/issues?{query}")).await;
        stage.note("numbers", numbers(&list.json));
        stage
            .note("total", list.headers.get("x-total-count").map(|total| total.to_str().unwrap().to_owned()));
    }
    stage.get(Bot, "repos/{repo}/issues?since=yesterday").await;
    stage.get(Bot, "repos/{repo}/issues?assigned_by=nobody-at-all").await;
}

pub async fn issues_are_searched(stage: &mut Stage<'_>) {
    let (bot, repo) = (stage.forge.bot.clone(), stage.repo.clone());
    stage.issues(1).await;
    stage.forge.create_issue(&repo, "Assigned", "", &[&bot]).await;
    stage.forge.create_issue(&repo, "Assigned too", "", &[&bot]).await;
    stage.forge.close(&repo, 3).await;
    for query in [
        "assigned=true&state=open&type=issues",
        "assigned=true&state=all",
        "assigned=true&state=closed",
        "assigned=true&owner={owner}",
        "assigned=true&owner={stranger}",
        "created=true",
        "assigned=true&since=2901-01-01T00:00:00Z",
        "assigned=true&limit=1&state=all",
        "assigned=1&state=all&page=2&limit=1",
    ] {
        let list = stage.get(Bot, &format!("repos/issues/search?{query}")).await;
        stage.note("numbers", numbers(&list.json));
        stage
            .note("total", list.headers.get("x-total-count").map(|total| total.to_str().unwrap().to_owned()));
    }
    stage.get(Bot, "repos/issues/search?owner=nobody-at-all").await;
    stage.get(Bot, "repos/issues/search?since=soon").await;
    let all = stage.get(Nobody, "repos/issues/search?assigned=true&owner={owner}&limit=50").await;
    stage.note("anonymous sees", numbers(&all.json));
    stage.patch(Owner, "repos/{repo}", json!({ "private": true })).await;
    let hidden = stage.get(Nobody, "repos/issues/search?owner={owner}&limit=50").await;
    stage.note("anonymous sees", numbers(&hidden.json));
    let seen = stage.get(Bot, "repos/issues/search?assigned=true").await;
    stage.note("bot sees", numbers(&seen.json));
}

pub async fn pages_are_clamped(stage: &mut Stage<'_>) {
    stage.issues(53).await;
    for query in
        ["", "limit=0", "limit=7", "limit=500", "limit=50&page=2", "page=2", "page=9", "page=0&limit=2"]
    {
        let list = stage.get(Bot, &format!("repos/{{repo}}/issues?{query}")).await;
        stage.note(query, list.json.as_array().map(Vec::len));
        stage
            .note("total", list.headers.get("x-total-count").map(|total| total.to_str().unwrap().to_owned()));
    }
    for query in ["", "limit=0", "limit=500"] {
        let list = stage.get(Owner, &format!("repos/issues/search?created=true&{query}")).await;
        stage.note(query, list.json.as_array().map(Vec::len));
    }
}

pub async fn comments(stage: &mut Stage<'_>) {
    stage.issues(1).await;
    let list = stage.get(Bot, "repos/{repo}/issues/1/comments").await;
    stage.note("none", list.json);
    let made =
        stage.post(Bot, "repos/{repo}/issues/1/comments", json!({ "body": "One <!-- marker -->" })).await;
    stage.note("body", made.json["body"].clone());
    let id = made.json["id"].as_u64().unwrap();
    let other = stage.post(Stranger, "repos/{repo}/issues/1/comments", json!({ "body": "Two" })).await;
    let other = other.json["id"].as_u64().unwrap();
    let list = stage.get(Nobody, "repos/{repo}/issues/1/comments?limit=1").await;
    stage.note("all", list.json.as_array().map(Vec::len));
    let issue = stage.get(Bot, "repos/{repo}/issues/1").await;
    stage.note("count", issue.json["comments"].clone());
    let empty = stage.post(Bot, "repos/{repo}/issues/1/comments", json!({ "body": "" })).await;
    stage.note("message", empty.json["message"].clone());
    stage.post(Bot, "repos/{repo}/issues/99/comments", json!({ "body": "x" })).await;
    stage.get(Bot, "repos/{repo}/issues/99/comments").await;
    stage.post(Nobody, "repos/{repo}/issues/1/comments", json!({ "body": "x" })).await;
    let mut on = async |who, method, id: u64, body: Value| {
        let path = format!("repos/{{repo}}/issues/comments/{id}");
        let answer =
            stage.ask_named(who, method, &path, "repos/{repo}/issues/comments/{id}", Some(body)).await;
        stage.note("body", answer.json["body"].clone());
    };
    on(Bot, Method::PATCH, id, json!({ "body": "One, edited" })).await;
    on(Bot, Method::GET, id, json!(null)).await;
    on(Stranger, Method::PATCH, id, json!({ "body": "Not mine" })).await;
    on(Stranger, Method::PATCH, other, json!({ "body": "Mine" })).await;
    on(Bot, Method::PATCH, other, json!({ "body": "A writer may" })).await;
    on(Bot, Method::PATCH, id, json!({ "body": "" })).await;
    on(Stranger, Method::DELETE, id, json!(null)).await;
    on(Bot, Method::DELETE, id, json!(null)).await;
    on(Bot, Method::GET, id, json!(null)).await;
    on(Bot, Method::PATCH, id, json!({ "body": "Gone" })).await;
    stage.get(Bot, "repos/{repo}/issues/comments").await;
}

pub async fn labels(stage: &mut Stage<'_>) {
    stage.issues(1).await;
    stage
        .post(Owner, "repos/{repo}/labels", json!({ "name": "hard", "color": "#FF0000", "description": "d" }))
        .await;
    let made = stage.post(Owner, "repos/{repo}/labels", json!({ "name": "easy", "color": "00ff00" })).await;
    stage.note("color", made.json["color"].clone());
    let easy = made.json["id"].clone();
    stage.post(Owner, "repos/{repo}/labels", json!({ "name": "odd", "color": "green" })).await;
    stage.post(Stranger, "repos/{repo}/labels", json!({ "name": "x", "color": "#000000" })).await;
    let all = stage.get(Bot, "repos/{repo}/labels").await;
    stage.note(
        "in order",
        all.json.as_array().map(|all| all.iter().map(|l| l["name"].clone()).collect::<Value>()),
    );
    let path = "repos/{repo}/issues/1/labels";
    stage.post(Bot, path, json!({ "labels": ["hard", "unknown"] })).await;
    let both = stage.post(Bot, path, json!({ "labels": [easy] })).await;
    stage.note(
        "both",
        both.json.as_array().map(|all| all.iter().map(|l| l["name"].clone()).collect::<Value>()),
    );
    stage.post(Bot, path, json!({ "labels": ["hard", easy] })).await;
    stage.post(Stranger, path, json!({ "labels": ["hard"] })).await;
    stage.post(Bot, "repos/{repo}/issues/99/labels", json!({ "labels": ["hard"] })).await;
    let one = stage.put(Bot, path, json!({ "labels": ["hard"] })).await;
    stage.note("one", one.json[0]["name"].clone());
    let filtered = stage.get(Bot, "repos/{repo}/issues?labels=hard").await;
    stage.note("filtered", numbers(&filtered.json));
    let filtered = stage.get(Bot, "repos/{repo}/issues?labels=easy").await;
    stage.note("filtered", numbers(&filtered.json));
    let hard = one.json[0]["id"].clone();
    let gone = format!("repos/{{repo}}/issues/1/labels/{hard}");
    stage.ask_named(Bot, Method::DELETE, &gone, "repos/{repo}/issues/1/labels/{id}", None).await;
    stage.get(Bot, path).await;
    stage.put(Bot, path, json!({ "labels": ["hard"] })).await;
    stage.delete(Bot, path, json!(null)).await;
    let none = stage.get(Bot, path).await;
    stage.note("none", none.json);
    stage.put(Bot, path, json!({ "labels": ["hard"] })).await;
    let of_repository = format!("repos/{{repo}}/labels/{hard}");
    for (who, method) in [
        (Nobody, Method::GET),
        (Stranger, Method::DELETE),
        (Bot, Method::DELETE),
        (Bot, Method::GET),
        (Bot, Method::DELETE),
    ] {
        stage.ask_named(who, method, &of_repository, "repos/{repo}/labels/{id}", None).await;
    }
    let none = stage.get(Bot, path).await;
    stage.note("gone from issues", none.json);
}

pub async fn timeline(stage: &mut Stage<'_>) {
    let (bot, repo) = (stage.forge.bot.clone(), stage.repo.clone());
    stage.issues(2).await;
    let none = stage.get(Bot, "repos/{repo}/issues/1/timeline").await;
    stage.note("nothing yet", none.json);
    stage.forge.assign(&repo, 1, &[&bot]).await;
    stage.forge.assign(&repo, 1, &[]).await;
    stage.forge.add_dependency(&repo, 1, 2).await;
    stage.forge.comment(&bot, &repo, 1, "Hello").await;
    stage.forge.edit_issue(&repo, 1, json!({ "title": "Renamed" })).await;
    stage.forge.remove_dependency(&repo, 1, 2).await;
    stage.forge.close(&repo, 1).await;
    stage.forge.reopen(&repo, 1).await;
    let told = stage.get(Bot, "repos/{repo}/issues/1/timeline").await;
    let read = |entry: &Value| {
        json!([
            entry["type"],
            entry["user"]["login"],
            entry["assignee"]["login"],
            entry["removed_assignee"],
            entry["dependent_issue"]["number"],
            entry["body"],
            entry["old_title"],
            entry["new_title"],
        ])
    };
    for entry in told.json.as_array().unwrap() {
        stage.note("entry", read(entry));
    }
    let page = stage.get(Bot, "repos/{repo}/issues/1/timeline?limit=2&page=2").await;
    stage.note("a page", page.json.as_array().map(Vec::len));
    let other = stage.get(Bot, "repos/{repo}/issues/2/timeline").await;
    stage.note("the other end", other.json[0]["type"].clone());
}

pub async fn what_is_missing_is_refused(stage: &mut Stage<'_>) {
    let untitled = stage.post(Bot, "repos/{repo}/issues", json!({ "body": "x" })).await;
    stage.note("message", untitled.json["message"].clone());
    let body = json!({ "title": "x", "assignees": ["nobody-at-all"] });
    let unknown = stage.post(Bot, "repos/{repo}/issues", body).await;
    stage.note("message", unknown.json["message"].clone());
    stage.post(Bot, "repos/{repo}/issues", json!({ "title": 7 })).await;
    stage.post(Bot, "repos/{repo}/issues", json!([])).await;
    stage.issues(1).await;
    let unknown = stage.patch(Bot, "repos/{repo}/issues/1", json!({ "assignees": ["nobody-at-all"] })).await;
    stage.note("message", unknown.json["message"].clone());
    stage.patch(Admin, "repos/{repo}/issues/1", json!({ "assignees": ["nobody-at-all"] })).await;
    let issue = stage.get(Bot, "repos/{repo}/issues/1").await;
    stage.note("untouched", issue.json["assignees"].clone());
}
