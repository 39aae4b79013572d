//! Commit statuses: a row for each post, the newest of each context counts.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Call, Refusal, call, json as answer};
use crate::forge::simulated::state::{Status, now};

#[derive(Deserialize)]
struct NewStatus {
    #[serde(default)]
    state: String,
    #[serde(default)]
    context: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    target_url: String,
}

/// Stores whatever state it is given; a commit that is not there is an internal error.
pub(super) async fn create(call: Call) -> Answer {
    let wanted: NewStatus = call.json()?;
    let (repo, user) = {
        let forge = call.site.forge();
        let place = call.place(&forge)?;
        let user = call.user()?;
        if place.access < crate::forge::simulated::state::Access::Write {
            return Err(Refusal::new(403, "user should have a permission to write to a repo"));
        }
        (place.repo, user)
    };
    let path = call.site.path(repo);
    let Some(commit) = call.site.pushed(&path, call.part("sha")).await else {
        let forge = call.site.forge();
        return Err(call.internal(&forge, "GetCommit: object does not exist"));
    };
    let mut forge = call.site.forge();
    let id = forge.next_id("status");
    let sha = commit.commit.id.clone();
    let rows = forge.statuses.iter().filter(|status| status.repo == repo && status.sha == sha).count();
    let NewStatus { state, context, description, target_url } = wanted;
    let index = rows as u64 + 1;
    let status = Status {
        id,
        index,
        repo,
        sha,
        state,
        context,
        description,
        target_url,
        creator: user,
        created: now(),
    };
    let shown = forge.status_json(&status);
    forge.statuses.push(status);
    forge.announce_status(id, &commit);
    answer(201, &shown)
}

/// The rows of one commit, the newest second first, within one as they were made.
async fn rows(call: &Call, name: &str) -> Result<(u64, String, Vec<Value>), Refusal> {
    let repo = {
        let forge = call.site.forge();
        call.place(&forge)?.repo
    };
    let path = call.site.path(repo);
    let sha = call.site.git.resolve(&path, name).await;
    let sha = sha
        .ok_or_else(|| Refusal::missing("not found", Some(format!("object does not exist [id: {name}]"))))?;
    let forge = call.site.forge();
    let of_commit = |status: &&Status| status.repo == repo && status.sha == sha;
    let mut rows: Vec<&Status> = forge.statuses.iter().filter(of_commit).collect();
    rows.sort_by_key(|status| (std::cmp::Reverse(status.created), status.index));
    let shown = rows.into_iter().map(|status| forge.status_json(status)).collect();
    Ok((repo, sha, shown))
}

pub(super) async fn list(call: Call) -> Answer {
    // Here only a commit's id is taken, and one that is not there has no statuses.
    let shown = match rows(&call, call.part("sha")).await {
        Ok((_, sha, shown)) if sha == call.part("sha") => shown,
        Ok(_) => Vec::new(),
        Err(refusal) => {
            let forge = call.site.forge();
            call.place(&forge).map_err(|_| refusal)?;
            Vec::new()
        }
    };
    call::page_of(&call, shown, call::DEFAULT_PAGE)
}

pub(super) async fn of_ref(call: Call) -> Answer {
    let (_, _, shown) = rows(&call, call.part("sha")).await?;
    call::page_of(&call, shown, call::DEFAULT_PAGE)
}

pub(super) async fn combined(call: Call) -> Answer {
    let (repo, sha, shown) = rows(&call, call.part("sha")).await?;
    let mut newest: BTreeMap<String, Value> = BTreeMap::new();
    for status in shown {
        let context = status["context"].as_str().unwrap_or_default().to_owned();
        let known = newest.entry(context).or_insert_with(|| status.clone());
        if known["id"].as_u64() < status["id"].as_u64() {
            *known = status;
        }
    }
    let total = newest.len();
    let mut latest: Vec<Value> = newest.into_values().collect();
    latest.sort_by_key(|status| std::cmp::Reverse(status["id"].as_u64()));
    let (page, limit) = call::page_and_limit(&call, call::DEFAULT_PAGE);
    let statuses: Vec<Value> = latest.into_iter().skip((page - 1) * limit).take(limit).collect();
    let states: Vec<&str> =
        statuses.iter().map(|status| status["status"].as_str().unwrap_or_default()).collect();
    let forge = call.site.forge();
    let place = call.place(&forge)?;
    let url = format!("{}/commits/{sha}", forge.api_url(forge.repo(repo)));
    let body = json!({
        "state": combine(&states), "sha": sha, "total_count": statuses.len(),
        "statuses": if statuses.is_empty() { Value::Null } else { json!(statuses) },
        "repository": forge.repo_json(forge.repo(repo), place.access), "commit_url": url,
        "url": format!("{url}/status"),
    });
    let mut combined = actix_web::HttpResponse::Ok();
    combined.insert_header(("X-Total-Count", total.to_string()));
    Ok(combined.json(body))
}

/// Gitea 1.25's rule; no statuses have no state.
fn combine(states: &[&str]) -> &'static str {
    if states.is_empty() {
        return "";
    }
    if states.iter().any(|state| matches!(*state, "error" | "failure")) {
        return "failure";
    }
    let fine = |state: &&str| matches!(*state, "success" | "warning" | "skipped");
    if states.iter().all(fine) { "success" } else { "pending" }
}
