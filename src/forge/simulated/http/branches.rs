//! Branches.

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
    let shown = call.site.forge().plain_commit_json(place.repo, commit);
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
    // One that is not there is deleted already.
    let Some(old) = call.site.git.branch(&path, name).await else { return call::empty(204) };
    let full = format!("refs/heads/{name}");
    call.site.git.run(&path, &["update-ref", "-d", &full, &old]).await?;
    call.site.moved(place.repo, user, &full, old, ZERO_ID.to_owned()).await?;
    call::empty(204)
}
