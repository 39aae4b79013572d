//! Issues: lists, searches, making and changing them.

use serde::Deserialize;
use serde_json::Value;

use super::{
    Answer, Call, Refusal,
    call::{self, Place},
    json as answer,
};
use crate::forge::simulated::{
    acts::Draft,
    state::{Access, Forge, Issue},
};

/// Gitea's `[ui] ISSUE_PAGING_NUM`: the search's own default.
const SEARCH_PAGE: usize = 20;

#[derive(Deserialize)]
struct NewIssue {
    #[serde(default)]
    title: String,
    #[serde(default)]
    body: String,
    #[serde(default, rename = "ref")]
    git_ref: String,
    assignee: Option<String>,
    assignees: Option<Vec<String>>,
    labels: Option<Vec<u64>>,
    #[serde(default)]
    closed: bool,
}

#[derive(Deserialize)]
struct Edit {
    title: Option<String>,
    body: Option<String>,
    #[serde(rename = "ref")]
    git_ref: Option<String>,
    assignee: Option<String>,
    assignees: Option<Vec<String>>,
    state: Option<String>,
}

/// What a list is narrowed to.
struct Wanted {
    closed: Option<bool>,
    pulls: Option<bool>,
    since: Option<i64>,
    before: Option<i64>,
    word: String,
}

impl Wanted {
    fn of(call: &Call) -> Result<Self, Refusal> {
        Ok(Self {
            closed: match call.asked("state") {
                Some("closed") => Some(true),
                Some("all") => None,
                _ => Some(false),
            },
            pulls: match call.asked("type") {
                Some("pulls") => Some(true),
                Some("issues") => Some(false),
                _ => None,
            },
            since: call.asked_instant("since")?,
            before: call.asked_instant("before")?,
            word: call.asked("q").unwrap_or_default().to_lowercase(),
        })
    }

    fn takes(&self, issue: &Issue) -> bool {
        self.closed.is_none_or(|closed| issue.closed.is_some() == closed)
            && self.pulls.is_none_or(|pulls| issue.pull.is_some() == pulls)
            && self.since.is_none_or(|since| issue.updated >= since)
            && self.before.is_none_or(|before| issue.updated <= before)
            && (issue.title.to_lowercase().contains(&self.word)
                || issue.body.to_lowercase().contains(&self.word))
    }
}

/// Newest first, as all of Gitea's lists of issues.
fn shown(forge: &Forge, caller: Option<u64>, wanted: impl Fn(&Issue) -> bool) -> Vec<Value> {
    let mut found: Vec<&Issue> = forge.issues.values().filter(|issue| wanted(issue)).collect();
    found.sort_by_key(|issue| std::cmp::Reverse((issue.created, issue.id)));
    found.into_iter().map(|issue| forge.issue_json(issue, caller)).collect()
}

pub(super) async fn search(call: Call) -> Answer {
    let forge = call.site.forge();
    let wanted = Wanted::of(&call)?;
    let owner = match call.asked("owner") {
        Some(login) => {
            let missing = || Refusal::new(400, format!("user does not exist [uid: 0, name: {login}]"));
            Some(forge.user_named(login).ok_or_else(missing)?.id)
        }
        None => None,
    };
    let labels: Option<Vec<&str>> = call.asked("labels").map(|names| names.split(',').collect());
    let found = shown(&forge, call.caller, |issue| {
        let repo = forge.repo(issue.repo);
        let mine = |asked: &str, holds: bool| call.caller.is_none() || !call.asked_true(asked) || holds;
        let user = call.caller.unwrap_or(0);
        let labelled = |names: &Vec<&str>| {
            issue
                .labels
                .iter()
                .filter_map(|id| repo.labels.get(id))
                .any(|label| names.contains(&label.name.as_str()))
        };
        wanted.takes(issue)
            && forge.access(repo, call.caller) >= Access::Read
            && owner.is_none_or(|owner| repo.owner == owner)
            && mine("assigned", issue.assignees.contains(&user))
            && mine("created", issue.poster == user)
            && labels.as_ref().is_none_or(labelled)
    });
    call::page_of(&call, found, SEARCH_PAGE)
}

pub(super) async fn list(call: Call) -> Answer {
    let forge = call.site.forge();
    let place = call.place(&forge)?;
    let wanted = Wanted::of(&call)?;
    let user = |name: &str| -> Result<Option<u64>, Refusal> {
        let Some(login) = call.asked(name) else { return Ok(None) };
        let error = format!("user does not exist [uid: 0, name: {login}]");
        let missing = || Refusal::missing("not found", Some(error));
        Ok(Some(forge.user_named(login).ok_or_else(missing)?.id))
    };
    let (creator, assignee) = (user("created_by")?, user("assigned_by")?);
    // Names that no label has are dropped, so that a list of only such names narrows nothing.
    let labels: Vec<u64> = match call.asked("labels") {
        Some(names) => label_ids(&forge, place, names.split(',')),
        None => Vec::new(),
    };
    let found = shown(&forge, call.caller, |issue| {
        issue.repo == place.repo
            && wanted.takes(issue)
            && creator.is_none_or(|creator| issue.poster == creator)
            && assignee.is_none_or(|assignee| issue.assignees.contains(&assignee))
            && labels.iter().all(|label| issue.labels.contains(label))
    });
    call::page_of(&call, found, call::DEFAULT_PAGE)
}

fn label_ids<'n>(forge: &Forge, place: Place, names: impl Iterator<Item = &'n str>) -> Vec<u64> {
    let labels = &forge.repo(place.repo).labels;
    let find = |name: &str| labels.values().find(|label| label.name == name).map(|label| label.id);
    names.filter_map(find).collect()
}

pub(super) async fn get(call: Call) -> Answer {
    let forge = call.site.forge();
    let place = call.place(&forge)?;
    let issue = call.issue(&forge, place)?;
    answer(200, &forge.issue_json(issue, call.caller))
}

/// The users behind logins, each once, in the order given.
pub(super) fn users(
    forge: &Forge,
    one: Option<&String>,
    many: Option<&Vec<String>>,
) -> Result<Vec<u64>, String> {
    let mut users = Vec::new();
    for login in many.into_iter().flatten().chain(one).filter(|login| !login.is_empty()) {
        let missing = || format!("user does not exist [uid: 0, name: {login}]");
        let id = forge.user_named(login).ok_or_else(missing)?.id;
        if !users.contains(&id) {
            users.push(id);
        }
    }
    Ok(users)
}

/// The same for new issues and pull requests, with the right to be assigned.
pub(super) fn assignable(
    forge: &Forge,
    place: Place,
    one: Option<&String>,
    many: Option<&Vec<String>>,
) -> Result<Vec<u64>, Refusal> {
    let missing = |error| Refusal::invalid(format!("Assignee does not exist: [name: {error}]"));
    let users = users(forge, one, many).map_err(missing)?;
    let repo = forge.repo(place.repo);
    match users.iter().find(|user| forge.access(repo, Some(**user)) < Access::Read) {
        None => Ok(users),
        Some(user) => {
            let name = &repo.name;
            Err(Refusal::invalid(format!(
                "user doesn't have access to repo [user_id: {user}, repo_name: {name}]"
            )))
        }
    }
}

pub(super) async fn create(call: Call) -> Answer {
    let mut forge = call.site.forge();
    let (place, user) = call.place_to_change(&forge)?;
    let wanted: NewIssue = call.json()?;
    if wanted.title.trim().is_empty() {
        return Err(Refusal::invalid("[Title]: Required"));
    }
    let mut draft =
        Draft { title: wanted.title, body: wanted.body, git_ref: wanted.git_ref, ..Draft::default() };
    // Who may not write sets neither assignees nor labels, and is not told.
    if place.access >= Access::Write {
        draft.assignees = assignable(&forge, place, wanted.assignee.as_ref(), wanted.assignees.as_ref())?;
        let known = &forge.repo(place.repo).labels;
        draft.labels = wanted.labels.unwrap_or_default();
        draft.labels.retain(|label| known.contains_key(label));
    }
    let issue = forge.open(place.repo, user, draft);
    if wanted.closed && forge.close(issue, user, "").is_err() {
        let message = "cannot close this issue because it still has open dependencies";
        return Err(Refusal::new(412, message));
    }
    answer(201, &forge.show(issue, user))
}

pub(super) async fn edit(call: Call) -> Answer {
    let mut forge = call.site.forge();
    let place = call.place(&forge)?;
    let user = call.user()?;
    let edit: Edit = call.json()?;
    let (id, poster, merged) = {
        let issue = call.issue(&forge, place)?;
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
    if let (Some(git_ref), Some(issue)) = (edit.git_ref, forge.issues.get_mut(&id)) {
        issue.git_ref = git_ref;
    }
    if may_write && (edit.assignee.is_some() || edit.assignees.is_some()) {
        let wanted = users(&forge, edit.assignee.as_ref(), edit.assignees.as_ref());
        let wanted = wanted.map_err(|error| call.internal(&forge, &error))?;
        let repo = forge.repo(place.repo);
        if let Some(stranger) = wanted.iter().find(|user| forge.access(repo, Some(**user)) < Access::Read) {
            let message = format!("user doesn't have access to repo [user_id: {stranger}]");
            return Err(call.internal(&forge, &message));
        }
        forge.assign(id, &wanted, user);
    }
    if let Some(state) = edit.state {
        set_state(&mut forge, id, user, &state, merged)?;
    }
    answer(201, &forge.show(id, user))
}

/// Closes or reopens. What the same request changed before stays changed when this is refused.
pub(super) fn set_state(
    forge: &mut Forge,
    issue: u64,
    user: u64,
    state: &str,
    merged: bool,
) -> Result<(), Refusal> {
    if merged {
        let message = "cannot change state of this pull request, it was already merged";
        return Err(Refusal::new(412, message));
    }
    match state {
        "closed" => forge.close(issue, user, "").map_err(|_| {
            let message = "cannot close this issue or pull request because it still has open dependencies";
            Refusal::new(412, message)
        }),
        "open" => {
            forge.reopen(issue, user);
            Ok(())
        }
        other => Err(Refusal::new(412, format!("unknown state: {other}"))),
    }
}

pub(super) async fn delete(call: Call) -> Answer {
    let mut forge = call.site.forge();
    let (place, user) = call.place_to_administer(&forge)?;
    let issue = call.issue(&forge, place)?.id;
    forge.delete_issue(issue, user);
    call::empty(204)
}
