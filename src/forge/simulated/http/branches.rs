//! Branches, commits and files.

use actix_web::HttpResponse;
use base64::prelude::{BASE64_STANDARD, Engine};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Call, Refusal, call, json as answer};
use crate::forge::simulated::{
    events::{PushedCommit, ZERO_ID},
    state::Access,
};

#[derive(Deserialize)]
struct NewBranch {
    #[serde(default)]
    new_branch_name: String,
    #[serde(default)]
    old_ref_name: String,
    #[serde(default)]
    old_branch_name: String,
}

/// The repository of the path and what the caller may do there.
fn place(call: &Call) -> Result<call::Place, Refusal> {
    call.place(&call.site.forge())
}

fn branch_json(call: &Call, place: call::Place, name: &str, commit: &PushedCommit) -> Value {
    let mut shown = call.site.forge().pushed_json(place.repo, commit);
    for list in ["added", "removed", "modified"] {
        shown[list] = Value::Null;
    }
    let may_push = place.access >= Access::Write;
    json!({
        "name": name, "commit": shown, "protected": false, "required_approvals": 0,
        "enable_status_check": false, "status_check_contexts": [], "user_can_push": may_push,
        "user_can_merge": may_push, "effective_branch_protection_name": "",
    })
}

pub(super) async fn list(call: Call) -> Answer {
    let place = place(&call)?;
    let path = call.site.path(place.repo);
    let mut shown = Vec::new();
    for (name, id) in call.site.git.refs(&path).await? {
        if let (Some(name), Some(commit)) =
            (name.strip_prefix("refs/heads/"), call.site.pushed(&path, &id).await)
        {
            shown.push(branch_json(&call, place, name, &commit));
        }
    }
    call::page_of(&call, shown, call::DEFAULT_PAGE)
}

pub(super) async fn get(call: Call) -> Answer {
    let place = place(&call)?;
    let path = call.site.path(place.repo);
    let name = call.part("branch");
    let Some(commit) = call.site.pushed(&path, &format!("refs/heads/{name}")).await else {
        return Err(Refusal::not_found());
    };
    answer(200, &branch_json(&call, place, name, &commit))
}

pub(super) async fn create(call: Call) -> Answer {
    let (place, user, writing, default_branch, empty) = {
        let forge = call.site.forge();
        let (place, user) = call.place_to_write(&forge)?;
        let repo = forge.repo(place.repo);
        (place, user, repo.writing.clone(), repo.default_branch.clone(), repo.empty)
    };
    if empty {
        return Err(Refusal::new(404, "Git Repository is empty."));
    }
    let wanted: NewBranch = call.json()?;
    let name = wanted.new_branch_name;
    if name.is_empty() {
        return Err(Refusal::invalid("[BranchName]: Required"));
    }
    let path = call.site.path(place.repo);
    let _writing = writing.lock().await;
    let start = if !wanted.old_ref_name.is_empty() {
        call.site.git.resolve(&path, &wanted.old_ref_name).await
    } else if !wanted.old_branch_name.is_empty() {
        let found = call.site.git.branch(&path, &wanted.old_branch_name).await;
        Some(found.ok_or_else(|| Refusal::new(404, "The old branch does not exist"))?)
    } else {
        call.site.git.branch(&path, &default_branch).await
    };
    let Some(start) = start else {
        return Err(call.internal(&call.site.forge(), "object does not exist"));
    };
    if call.site.git.branch(&path, &name).await.is_some() {
        return Err(Refusal::new(409, "The branch already exists."));
    }
    call.site.git.advance(&path, &name, &start, ZERO_ID).await?;
    call.site
        .moved(place.repo, user, &format!("refs/heads/{name}"), ZERO_ID.to_owned(), start.clone())
        .await?;
    let commit = call.site.pushed(&path, &start).await.ok_or_else(Refusal::not_found)?;
    answer(201, &branch_json(&call, place, &name, &commit))
}

pub(super) async fn delete(call: Call) -> Answer {
    let (place, user, writing, default_branch) = {
        let forge = call.site.forge();
        let (place, user) = call.place_to_write(&forge)?;
        let repo = forge.repo(place.repo);
        (place, user, repo.writing.clone(), repo.default_branch.clone())
    };
    let name = call.part("branch");
    if name == default_branch {
        return Err(Refusal::new(403, "can not delete default branch"));
    }
    let path = call.site.path(place.repo);
    let _writing = writing.lock().await;
    let Some(old) = call.site.git.branch(&path, name).await else {
        return Err(Refusal::missing("not found", Some(format!("branch does not exist [name: {name}]"))));
    };
    let full = format!("refs/heads/{name}");
    call.site.git.run(&path, &["update-ref", "-d", &full, &old]).await?;
    call.site.moved(place.repo, user, &full, old, ZERO_ID.to_owned()).await?;
    call::empty(204)
}

/// The object of a file at the query's `ref`, or at the default branch.
async fn blob(call: &Call) -> Result<(std::path::PathBuf, String, String), Refusal> {
    let place = place(call)?;
    let path = call.site.path(place.repo);
    let asked = match call.asked("ref") {
        Some(name) => name.to_owned(),
        None => call.site.forge().repo(place.repo).default_branch.clone(),
    };
    let commit = call.site.git.resolve(&path, &asked).await.ok_or_else(Refusal::not_found)?;
    let named = format!("{commit}:{}", call.part("path"));
    let object = call.site.git.run(&path, &["rev-parse", "--verify", "--quiet", &named]).await;
    let object =
        object.map_err(|_| Refusal::missing("not found", Some("object does not exist".to_owned())))?;
    Ok((path, commit, object))
}

pub(super) async fn raw(call: Call) -> Answer {
    let (path, _, object) = blob(&call).await?;
    let bytes = call.site.git.blob(&path, &object).await.map_err(|_| Refusal::not_found())?;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(bytes))
}

pub(super) async fn contents(call: Call) -> Answer {
    let (path, commit, object) = blob(&call).await?;
    let bytes = call.site.git.blob(&path, &object).await.map_err(|_| Refusal::not_found())?;
    let file = call.part("path");
    let shown = json!({
        "name": file.rsplit('/').next(), "path": file, "sha": object, "last_commit_sha": commit, "type": "file",
        "size": bytes.len(), "encoding": "base64", "content": BASE64_STANDARD.encode(&bytes), "target": null,
    });
    answer(200, &shown)
}

fn commit_json(call: &Call, repo: u64, commit: &PushedCommit) -> Value {
    let forge = call.site.forge();
    let one = &commit.commit;
    let signed = |who: &crate::forge::simulated::git::Identity| json!({ "name": who.name, "email": who.email, "date": one.timestamp });
    let url = format!("{}/git/commits/{}", forge.api_url(forge.repo(repo)), one.id);
    let parents: Vec<Value> = one.parent.iter().map(|id| json!({ "sha": id })).collect();
    json!({
        "sha": one.id, "url": url, "parents": parents,
        "commit": { "message": one.message, "author": signed(&one.author), "committer": signed(&one.committer) },
    })
}

pub(super) async fn commits(call: Call) -> Answer {
    let place = place(&call)?;
    let path = call.site.path(place.repo);
    let asked = match call.asked("sha") {
        Some(name) => name.to_owned(),
        None => call.site.forge().repo(place.repo).default_branch.clone(),
    };
    let head = call.site.git.resolve(&path, &asked).await.ok_or_else(Refusal::not_found)?;
    let mut shown = Vec::new();
    for commit in call.site.git.log(&path, &[&head], usize::from(u16::MAX)).await? {
        shown.push(commit_json(&call, place.repo, &PushedCommit { commit, touched: Default::default() }));
    }
    call::page_of(&call, shown, call::DEFAULT_PAGE)
}

pub(super) async fn commit(call: Call) -> Answer {
    let place = place(&call)?;
    let path = call.site.path(place.repo);
    let id = call.site.git.resolve(&path, call.part("sha")).await.ok_or_else(Refusal::not_found)?;
    let commit = call.site.pushed(&path, &id).await.ok_or_else(Refusal::not_found)?;
    answer(200, &commit_json(&call, place.repo, &commit))
}
