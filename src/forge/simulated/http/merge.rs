//! Merging a pull request, in Gitea's styles, with its many ways to refuse.

use actix_web::HttpResponse;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Call, Refusal, call, pulls::pull};
use crate::forge::simulated::{
    git::{GitError, Identity, Joined},
    state::{Access, Merged, now},
};

#[derive(Deserialize)]
struct Wanted {
    #[serde(default, rename = "Do")]
    style: String,
    #[serde(default, rename = "MergeTitleField")]
    title: String,
    #[serde(default, rename = "MergeMessageField")]
    message: String,
    #[serde(default)]
    head_commit_id: String,
    delete_branch_after_merge: Option<bool>,
}

const STYLES: &[&str] =
    &["merge", "rebase", "rebase-merge", "squash", "fast-forward-only", "manually-merged"];

/// A pull request that passed all checks but git's.
struct Ready {
    repo: u64,
    issue: u64,
    user: u64,
    who: Identity,
    head: String,
    base: String,
    message: String,
    writing: std::sync::Arc<tokio::sync::Mutex<()>>,
}

pub(super) async fn is_merged(call: Call) -> Answer {
    let forge = call.site.forge();
    let place = call.place(&forge)?;
    let merged = pull(&call, &forge, place)?.pull.as_ref().is_some_and(|pull| pull.merged.is_some());
    if merged { call::empty(204) } else { Err(Refusal::not_found()) }
}

/// The checks that need no git, in Gitea's order.
fn check(call: &Call, wanted: &Wanted) -> Result<Ready, Refusal> {
    let forge = call.site.forge();
    let (place, user) = call.place_to_change(&forge)?;
    let missing =
        |_| Refusal::missing("GetPullRequestByIndex", Some("pull request does not exist".to_owned()));
    let issue = pull(call, &forge, place).map_err(missing)?;
    let refused = |message: &str| Err(Refusal::new(405, message));
    let Some(pull) = &issue.pull else { return Err(Refusal::not_found()) };
    if pull.merged.is_some() {
        return refused("The PR is already merged");
    }
    if issue.closed.is_some() {
        return Err(Refusal::not_found());
    }
    if place.access < Access::Write {
        return refused("User not allowed to merge PR");
    }
    if issue.is_draft() {
        return refused("Work in progress PRs cannot be merged");
    }
    if call.site.faults.still_checking() || !pull.facts.mergeable {
        return refused("Please try again later");
    }
    if forge.open_blockers(issue.id) {
        return Err(call.internal(&forge, "issue has open dependencies"));
    }
    let repo = forge.repo(place.repo);
    let number = issue.number;
    let title = match (wanted.title.trim(), wanted.style.as_str()) {
        ("", "squash") => format!("{} (#{number})", issue.title),
        ("", _) => {
            format!("Merge pull request '{}' (#{number}) from {} into {}", issue.title, pull.head, pull.base)
        }
        (title, _) => title.to_owned(),
    };
    let body = wanted.message.trim();
    let message = if body.is_empty() { title } else { format!("{title}\n\n{body}") };
    Ok(Ready {
        repo: place.repo,
        issue: issue.id,
        user,
        who: forge.identity(user),
        head: pull.head.clone(),
        base: pull.base.clone(),
        message,
        writing: repo.writing.clone(),
    })
}

pub(super) async fn merge(call: Call) -> Answer {
    let wanted: Wanted = call.json()?;
    call.user()?;
    let field = if wanted.style.is_empty() { "[Do]: Required" } else { "[Do]: In" };
    if !STYLES.contains(&wanted.style.as_str()) {
        return Err(Refusal::invalid(field));
    }
    let ready = check(&call, &wanted)?;
    let _writing = ready.writing.lock().await;
    let path = call.site.path(ready.repo);
    let git = &call.site.git;
    let (Some(base), Some(head)) =
        (git.branch(&path, &ready.base).await, git.branch(&path, &ready.head).await)
    else {
        return Err(call.internal(&call.site.forge(), "branch does not exist"));
    };
    if !wanted.head_commit_id.is_empty() && wanted.head_commit_id != head {
        return Err(Refusal::new(409, "head out of date"));
    }
    let made = make(&call, &ready, &wanted.style, &path, &base, &head).await?;
    git.advance(&path, &ready.base, &made, &base)
        .await
        .map_err(|_| Refusal::new(409, "merge push out of date"))?;
    {
        let mut forge = call.site.forge();
        let merged = Merged { at: now(), by: ready.user, commit: made.clone() };
        forge.merged(ready.issue, ready.user, merged);
    }
    call.site.moved(ready.repo, ready.user, &format!("refs/heads/{}", ready.base), base, made).await?;
    if wanted.delete_branch_after_merge == Some(true) {
        let full = format!("refs/heads/{}", ready.head);
        git.run(&path, &["update-ref", "-d", &full, &head]).await?;
        let gone = crate::forge::simulated::events::ZERO_ID.to_owned();
        call.site.moved(ready.repo, ready.user, &full, head, gone).await?;
    }
    Ok(HttpResponse::Ok().finish())
}

/// The commit the base is to stand on.
async fn make(
    call: &Call,
    ready: &Ready,
    style: &str,
    path: &std::path::Path,
    base: &str,
    head: &str,
) -> Result<String, Refusal> {
    let git = &call.site.git;
    let contained = git.run(path, &["merge-base", "--is-ancestor", base, head]).await.is_ok();
    let joined = |joined: Result<Joined, GitError>| match joined {
        Ok(Joined::Tree(tree)) => Ok(tree),
        Ok(Joined::Conflict) => Err(conflict(style)),
        Err(error) => Err(error.into()),
    };
    let made = match style {
        "merge" => {
            let tree = joined(git.join(path, base, head).await)?;
            git.commit_tree(path, &tree, &[base, head], &ready.message, &ready.who).await?
        }
        "squash" => {
            let tree = joined(git.join(path, base, head).await)?;
            git.commit_tree(path, &tree, &[base], &ready.message, &ready.who).await?
        }
        "fast-forward-only" if contained => head.to_owned(),
        "rebase" => replay(call, ready, path, base, head).await?,
        "rebase-merge" => {
            let top = replay(call, ready, path, base, head).await?;
            let tree = git.run(path, &["rev-parse", &format!("{top}^{{tree}}")]).await?;
            git.commit_tree(path, &tree, &[base, &top], &ready.message, &ready.who).await?
        }
        // Not mapped to anything better.
        "fast-forward-only" => return Err(call.internal(&call.site.forge(), "not possible to fast-forward")),
        // Marking as merged what somebody merged by hand is switched off, as in a fresh repository.
        other => {
            let message = format!("{other} is not allowed an allowed merge style for this repository");
            return Err(Refusal::new(405, message));
        }
    };
    Ok(made)
}

async fn replay(
    call: &Call,
    ready: &Ready,
    path: &std::path::Path,
    base: &str,
    head: &str,
) -> Result<String, Refusal> {
    call.site.git.rebase(path, base, head, &ready.who).await?.ok_or_else(|| conflict("rebase"))
}

/// Go's error value, as it is.
fn conflict(style: &str) -> Refusal {
    let body: Value = json!({ "Style": style, "StdOut": "", "StdErr": "", "Err": {} });
    Refusal::whole(409, body)
}
