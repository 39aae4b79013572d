//! Which issue waits for which. No webhook tells of a change here.

use serde::Deserialize;
use serde_json::Value;

use super::{
    Answer, Call, Refusal,
    call::{self, Place},
    json as answer,
};
use crate::forge::simulated::{
    render::hidden_issue,
    state::{Access, Forge, Issue},
};

#[derive(Deserialize)]
struct Other {
    #[serde(default)]
    index: u64,
    #[serde(default)]
    owner: String,
    #[serde(default)]
    repo: String,
}

fn missing(what: &'static str) -> Refusal {
    Refusal::missing(what, Some("issue does not exist".to_owned()))
}

/// The issue of the path.
fn named<'f>(call: &Call, forge: &'f Forge, place: Place) -> Result<&'f Issue, Refusal> {
    call.issue(forge, place).map_err(|_| missing("IsErrIssueNotExist"))
}

/// Issues that block the one of the path. What the caller may not see is shown all zero, not left out.
pub(super) async fn list(call: Call) -> Answer {
    let forge = call.site.forge();
    let place = call.place(&forge)?;
    if !forge.repo(place.repo).dependencies_enabled {
        return Err(Refusal::not_found());
    }
    let issue = named(&call, &forge, place)?;
    let (page, limit) = call::page_and_limit(&call, call::DEFAULT_PAGE);
    let shown: Vec<Value> = forge
        .blockers(issue.id)
        .skip((page - 1) * limit)
        .take(limit)
        .map(|blocker| {
            let seen = forge.access(forge.repo(blocker.repo), call.caller) >= Access::Read;
            if seen {
                forge.issue_json(blocker, call.caller)
            } else {
                hidden_issue(place.access >= Access::Write)
            }
        })
        .collect();
    answer(200, &Value::Array(shown))
}

/// Issues that the one of the path blocks. What the caller may not see is left out; pages are cut before.
pub(super) async fn list_blocks(call: Call) -> Answer {
    let forge = call.site.forge();
    let place = call.place(&forge)?;
    let issue = named(&call, &forge, place)?;
    let asked = |name: &str| call.asked(name).and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
    let limit = if asked("limit") <= 1 { call::DEFAULT_PAGE } else { asked("limit") };
    let page = asked("page").max(1);
    let shown: Vec<Value> = forge
        .blocked_by(issue.id)
        .skip((page - 1) * limit)
        .take(limit)
        .filter(|blocked| forge.access(forge.repo(blocked.repo), call.caller) >= Access::Read)
        .map(|blocked| forge.issue_json(blocked, call.caller))
        .collect();
    answer(200, &Value::Array(shown))
}

/// One end of an edge: an issue and what the caller may do in its repository.
#[derive(Clone, Copy)]
struct End {
    issue: u64,
    place: Place,
}

/// The issue of the path and the one the body names.
fn ends(call: &Call, forge: &Forge) -> Result<(End, End, u64), Refusal> {
    let (place, user) = call.place_to_change(forge)?;
    let first = named(call, forge, place)?;
    let other: Other = call.json()?;
    let repo = forge.repo(place.repo);
    // Spelling counts here: another case is taken for another repository, and found all the same.
    let there = if other.owner == forge.login(repo.owner) && other.repo == repo.name {
        place
    } else if !call.site.cross_repository_dependencies {
        return Err(Refusal::bare(400, "CrossRepositoryDependencies not enabled"));
    } else {
        let found = forge.repository_named(&other.owner, &other.repo);
        let repo = found.ok_or_else(|| missing("IsErrRepoNotExist"))?;
        Place { repo: repo.id, access: forge.access(repo, call.caller) }
    };
    let second =
        forge.issue_numbered(there.repo, other.index).ok_or_else(|| missing("IsErrIssueNotExist"))?;
    Ok((End { issue: first.id, place }, End { issue: second.id, place: there }, user))
}

/// Adds or removes the edge; answers with `shown`.
fn change(call: &Call, forge: &mut Forge, edge: (End, End, u64), shown: u64, adds: bool) -> Answer {
    let (blocked, blocker, user) = edge;
    let target = forge.repo(blocked.place.repo);
    let usable = !target.archived && target.dependencies_enabled;
    if !usable || blocked.place.access < Access::Write || blocker.place.access < Access::Read {
        return Err(Refusal::not_found());
    }
    let changed = if adds {
        forge.depend(blocked.issue, blocker.issue, user)
    } else {
        forge.undepend(blocked.issue, blocker.issue, user)
    };
    changed.map_err(|why| call.internal(forge, why))?;
    answer(201, &forge.show(shown, user))
}

pub(super) async fn add(call: Call) -> Answer {
    let mut forge = call.site.forge();
    let (path, body, user) = ends(&call, &forge)?;
    change(&call, &mut forge, (path, body, user), path.issue, true)
}

pub(super) async fn remove(call: Call) -> Answer {
    let mut forge = call.site.forge();
    let (path, body, user) = ends(&call, &forge)?;
    change(&call, &mut forge, (path, body, user), path.issue, false)
}

pub(super) async fn add_block(call: Call) -> Answer {
    let mut forge = call.site.forge();
    let (path, body, user) = ends(&call, &forge)?;
    change(&call, &mut forge, (body, path, user), path.issue, true)
}

pub(super) async fn remove_block(call: Call) -> Answer {
    let mut forge = call.site.forge();
    let (path, body, user) = ends(&call, &forge)?;
    change(&call, &mut forge, (body, path, user), path.issue, false)
}
