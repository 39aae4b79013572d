//! Comments and timelines.

use serde::Deserialize;
use serde_json::Value;

use super::{Answer, Call, Refusal, call, json as answer};
use crate::forge::simulated::state::{Access, Entry, Forge, Issue, Said};

#[derive(Deserialize)]
struct Text {
    #[serde(default)]
    body: String,
}

fn text(call: &Call) -> Result<String, Refusal> {
    let Text { body } = call.json()?;
    if body.is_empty() { Err(Refusal::invalid("[Body]: Required")) } else { Ok(body) }
}

/// Between `since` and `before` of the query, by the last change.
fn span(call: &Call) -> Result<impl Fn(&Entry) -> bool + use<>, Refusal> {
    let (since, before) = (call.asked_instant("since")?, call.asked_instant("before")?);
    Ok(move |entry: &Entry| {
        since.is_none_or(|since| entry.updated >= since)
            && before.is_none_or(|before| entry.updated <= before)
    })
}

/// The issue, but what is not there is an internal error on these paths.
fn issue<'f>(call: &Call, forge: &'f Forge) -> Result<(call::Place, &'f Issue), Refusal> {
    let place = call.place(forge)?;
    let missing = |_| call.internal(forge, "issue does not exist");
    Ok((place, call.issue(forge, place).map_err(missing)?))
}

/// All comments of an issue: this list has no pages.
pub(super) async fn list(call: Call) -> Answer {
    let forge = call.site.forge();
    let within = span(&call)?;
    let (_, issue) = issue(&call, &forge)?;
    let comments = forge.entries_of(issue.id).filter(|entry| matches!(entry.said, Said::Comment(_)));
    let shown: Vec<Value> =
        comments.filter(|entry| within(entry)).map(|entry| forge.comment_json(entry)).collect();
    let mut listed = actix_web::HttpResponse::Ok();
    listed.insert_header(("X-Total-Count", shown.len().to_string()));
    Ok(listed.json(shown))
}

pub(super) async fn of_repository(call: Call) -> Answer {
    let forge = call.site.forge();
    let place = call.place(&forge)?;
    let within = span(&call)?;
    let here = |entry: &&Entry| forge.issues.get(&entry.issue).is_some_and(|issue| issue.repo == place.repo);
    let comments = forge.entries.values().filter(|entry| matches!(entry.said, Said::Comment(_))).filter(here);
    let shown = comments.filter(|entry| within(entry)).map(|entry| forge.comment_json(entry)).collect();
    call::page_of(&call, shown, call::DEFAULT_PAGE)
}

pub(super) async fn create(call: Call) -> Answer {
    let mut forge = call.site.forge();
    let (_, user) = call.place_to_change(&forge)?;
    let body = text(&call)?;
    let issue = issue(&call, &forge)?.1.id;
    let entry = forge.comment(issue, user, &body);
    answer(201, &forge.comment_json(&forge.entries[&entry]))
}

/// The comment of the path, with whether the caller may change it.
fn comment<'f>(call: &Call, forge: &'f Forge) -> Result<(&'f Entry, bool), Refusal> {
    let place = call.place(forge)?;
    let id = call.number("id");
    let missing =
        || Refusal::missing("not found", Some(format!("comment does not exist [id: {id}, issue_id: 0]")));
    let entry = forge.entries.get(&id).ok_or_else(missing)?;
    if forge.issues[&entry.issue].repo != place.repo {
        return Err(Refusal::empty(404));
    }
    Ok((entry, call.caller == Some(entry.poster) || place.access >= Access::Write))
}

pub(super) async fn get(call: Call) -> Answer {
    let forge = call.site.forge();
    let (entry, _) = comment(&call, &forge)?;
    if matches!(entry.said, Said::Comment(_)) {
        answer(200, &forge.comment_json(entry))
    } else {
        call::empty(204)
    }
}

pub(super) async fn edit(call: Call) -> Answer {
    let mut forge = call.site.forge();
    let (_, user) = call.place_to_change(&forge)?;
    let body = text(&call)?;
    let (entry, may) = comment(&call, &forge)?;
    if !may {
        return Err(Refusal::empty(403));
    }
    if !matches!(entry.said, Said::Comment(_)) {
        return call::empty(204);
    }
    let id = entry.id;
    let changed = forge.edit_comment(id, &body, user);
    let mut shown = forge.comment_json(&forge.entries[&id]);
    // Gitea has not looked the poster up where it had nothing to do.
    if !changed {
        shown["user"] = Value::Null;
    }
    answer(200, &shown)
}

pub(super) async fn delete(call: Call) -> Answer {
    let mut forge = call.site.forge();
    let user = call.user()?;
    let (entry, may) = comment(&call, &forge)?;
    if !may {
        return Err(Refusal::empty(403));
    }
    if !matches!(entry.said, Said::Comment(_)) {
        return Err(Refusal::empty(400));
    }
    let id = entry.id;
    forge.delete_comment(id, user);
    call::empty(204)
}

pub(super) async fn timeline(call: Call) -> Answer {
    let forge = call.site.forge();
    let within = span(&call)?;
    let (_, issue) = issue(&call, &forge)?;
    let entries = forge.entries_of(issue.id).filter(|entry| within(entry));
    let (page, limit) = call::page_and_limit(&call, call::DEFAULT_PAGE);
    let shown: Vec<Value> = entries
        .skip((page - 1) * limit)
        .take(limit)
        .map(|entry| forge.timeline_json(entry, call.caller))
        .collect();
    let mut listed = actix_web::HttpResponse::Ok();
    listed.insert_header(("X-Total-Count", shown.len().to_string()));
    // A Go slice that nothing was put into.
    Ok(if shown.is_empty() { listed.json(Value::Null) } else { listed.json(shown) })
}
