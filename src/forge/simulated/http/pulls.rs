//! Pull requests within one repository: lists, making and changing them.

use serde::Deserialize;
use serde_json::Value;

use super::{
    Answer, Call, Refusal,
    call::{self, Place},
    issues::{assignable, set_state, users},
    json as answer,
};
use crate::forge::simulated::{
    acts::Draft,
    state::{Access, Forge, Issue, Pull},
};

#[derive(Deserialize)]
struct NewPull {
    #[serde(default)]
    head: String,
    #[serde(default)]
    base: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    body: String,
    assignee: Option<String>,
    assignees: Option<Vec<String>>,
    labels: Option<Vec<u64>>,
}

#[derive(Deserialize)]
struct Edit {
    title: Option<String>,
    body: Option<String>,
    assignee: Option<String>,
    assignees: Option<Vec<String>>,
    state: Option<String>,
}

/// The pull request of the path.
pub(super) fn pull<'f>(call: &Call, forge: &'f Forge, place: Place) -> Result<&'f Issue, Refusal> {
    let issue = call.issue(forge, place)?;
    if issue.pull.is_some() { Ok(issue) } else { Err(Refusal::not_found()) }
}

pub(super) async fn list(call: Call) -> Answer {
    let forge = call.site.forge();
    let place = call.place(&forge)?;
    let state = call.asked("state");
    let mut found: Vec<&Issue> = forge
        .issues
        .values()
        .filter(|issue| issue.repo == place.repo && issue.pull.is_some())
        .filter(|issue| match state {
            Some("closed") => issue.closed.is_some(),
            Some("all") => true,
            _ => issue.closed.is_none(),
        })
        .collect();
    found.sort_by_key(|issue| std::cmp::Reverse(issue.id));
    let shown = found.into_iter().map(|issue| forge.listed_pull_json(issue, call.caller)).collect();
    call::page_of(&call, shown, call::DEFAULT_PAGE)
}

/// Shows a pull request, as not to be merged yet while its check is planned to last.
fn show(call: &Call, forge: &Forge, issue: &Issue) -> Answer {
    let mut shown = forge.pull_json(issue, call.caller);
    let open = issue.closed.is_none();
    if open && call.site.faults.still_checking() {
        shown["mergeable"] = Value::Bool(false);
    }
    answer(200, &shown)
}

pub(super) async fn get(call: Call) -> Answer {
    let forge = call.site.forge();
    let place = call.place(&forge)?;
    show(&call, &forge, pull(&call, &forge, place)?)
}

pub(super) async fn by_branches(call: Call) -> Answer {
    let forge = call.site.forge();
    let place = call.place(&forge)?;
    let head = call.part("head");
    let head = head.split_once(':').map_or(head, |(_, branch)| branch);
    let base = call.part("base");
    let fits = |issue: &&Issue| {
        issue.repo == place.repo
            && issue.pull.as_ref().is_some_and(|pull| pull.head == head && pull.base == base)
    };
    // The oldest, be it closed: an open one behind it is not found.
    let found = forge.issues.values().find(fits).ok_or_else(Refusal::not_found)?;
    show(&call, &forge, found)
}

/// An open pull request for the same two branches: the message Gitea refuses a second one with.
fn existing(forge: &Forge, place: Place, head: &str, base: &str) -> Option<String> {
    let fits = |issue: &&Issue| {
        let same = |pull: &Pull| pull.head == head && pull.base == base;
        issue.repo == place.repo && issue.closed.is_none() && issue.pull.as_ref().is_some_and(same)
    };
    let issue = forge.issues.values().find(fits)?;
    let (id, repo) = (issue.pull.as_ref()?.id, issue.repo);
    Some(format!(
        "pull request already exists for these targets [id: {id}, issue_id: {}, head_repo_id: {repo}, \
         base_repo_id: {repo}, head_branch: {head}, base_branch: {base}]",
        issue.number
    ))
}

pub(super) async fn create(call: Call) -> Answer {
    let wanted: NewPull = call.json()?;
    let (place, user) = {
        let forge = call.site.forge();
        call.place_to_change(&forge)?
    };
    for (field, value) in [("Head", &wanted.head), ("Base", &wanted.base), ("Title", &wanted.title)] {
        if value.is_empty() {
            return Err(Refusal::invalid(format!("[{field}]: Required")));
        }
    }
    if wanted.head == wanted.base {
        let message = "Invalid PullRequest: There are no changes between the head and the base";
        return Err(Refusal::invalid(message));
    }
    let head = head_branch(&call, &wanted.head)?;
    let Some(facts) = call.site.facts(place.repo, &wanted.base, &head).await? else {
        return Err(Refusal::not_found());
    };
    let mut forge = call.site.forge();
    if let Some(message) = existing(&forge, place, &head, &wanted.base) {
        return Err(Refusal::new(409, message));
    }
    let assignees = assignable(&forge, place, wanted.assignee.as_ref(), wanted.assignees.as_ref())?;
    if place.access < Access::Write {
        return Err(Refusal::new(
            403,
            "user should be a collaborator or have write access in the head repository",
        ));
    }
    let known = &forge.repo(place.repo).labels;
    let mut labels = wanted.labels.unwrap_or_default();
    labels.retain(|label| known.contains_key(label));
    let id = forge.next_id("pull");
    let pull = Some(Pull { id, head, base: wanted.base, head_gone: false, facts, merged: None });
    let draft = Draft { title: wanted.title, body: wanted.body, labels, assignees, pull, ..Draft::default() };
    let issue = forge.open(place.repo, user, draft);
    answer(201, &forge.pull_json(&forge.issues[&issue], call.caller))
}

/// The branch of `branch` or `owner:branch`; other heads than the repository itself are not there.
fn head_branch(call: &Call, head: &str) -> Result<String, Refusal> {
    match head.split_once(':') {
        None => Ok(head.to_owned()),
        Some((owner, branch)) if owner.eq_ignore_ascii_case(call.part("owner")) => Ok(branch.to_owned()),
        Some(_) => Err(Refusal::missing("head repository not found", None)),
    }
}

pub(super) async fn edit(call: Call) -> Answer {
    let mut forge = call.site.forge();
    let place = call.place(&forge)?;
    let user = call.user()?;
    let edit: Edit = call.json()?;
    let (id, poster, merged) = {
        let issue = pull(&call, &forge, place)?;
        (issue.id, issue.poster, issue.pull.as_ref().is_some_and(|pull| pull.merged.is_some()))
    };
    let may_write = place.access >= Access::Write;
    if poster != user && !may_write {
        return Err(Refusal::empty(403));
    }
    if let Some(title) = edit.title.filter(|title| !title.is_empty()) {
        forge.rename(id, &title, user);
    }
    if let Some(body) = edit.body {
        forge.rewrite(id, &body, user);
    }
    if may_write && (edit.assignee.is_some() || edit.assignees.is_some()) {
        let wanted = users(&forge, edit.assignee.as_ref(), edit.assignees.as_ref());
        let missing = |error| Refusal::invalid(format!("Assignee does not exist: [name: {error}]"));
        let wanted = wanted.map_err(missing)?;
        forge.assign(id, &wanted, user);
    }
    if let Some(state) = edit.state {
        set_state(&mut forge, id, user, &state, merged)?;
    }
    answer(201, &forge.pull_json(&forge.issues[&id], call.caller))
}
