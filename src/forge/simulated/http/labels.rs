//! Labels of repositories and on issues.

use serde::Deserialize;
use serde_json::Value;

use super::{Answer, Call, Refusal, call, json as answer};
use crate::forge::simulated::{
    acts::LabelsTold,
    state::{Access, Forge, Label},
};

#[derive(Deserialize)]
struct NewLabel {
    #[serde(default)]
    name: String,
    #[serde(default)]
    color: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    exclusive: bool,
}

#[derive(Deserialize)]
struct Chosen {
    #[serde(default)]
    labels: Vec<Value>,
}

pub(super) async fn list(call: Call) -> Answer {
    let forge = call.site.forge();
    let repo = forge.repo(call.place(&forge)?.repo);
    let mut labels: Vec<&Label> = repo.labels.values().collect();
    labels.sort_by(|one, other| one.name.cmp(&other.name));
    let shown = labels.into_iter().map(|label| forge.label_json(label, repo)).collect();
    call::page_of(&call, shown, call::DEFAULT_PAGE)
}

pub(super) async fn create(call: Call) -> Answer {
    let mut forge = call.site.forge();
    let place = call.place(&forge)?;
    call.user()?;
    if place.access < Access::Write {
        return Err(Refusal::new(403, "user should have a permission to write to a repo"));
    }
    let wanted: NewLabel = call.json()?;
    if wanted.name.is_empty() || wanted.color.is_empty() {
        let field = if wanted.name.is_empty() { "Name" } else { "Color" };
        return Err(Refusal::invalid(format!("[{field}]: Required")));
    }
    let color = wanted.color.trim_start_matches('#').to_ascii_lowercase();
    if color.len() != 6 || !color.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(Refusal::invalid(format!("invalid color code: {}", wanted.color)));
    }
    let id = forge.next_id("label");
    let NewLabel { name, description, exclusive, .. } = wanted;
    let label = Label { id, name, color, description, exclusive };
    if let Some(repo) = forge.repositories.get_mut(&place.repo) {
        repo.labels.insert(id, label.clone());
    }
    answer(201, &forge.label_json(&label, forge.repo(place.repo)))
}

pub(super) async fn get(call: Call) -> Answer {
    let forge = call.site.forge();
    let repo = forge.repo(call.place(&forge)?.repo);
    let label = repo.labels.get(&call.number("id")).ok_or_else(Refusal::not_found)?;
    answer(200, &forge.label_json(label, repo))
}

pub(super) async fn delete(call: Call) -> Answer {
    let mut forge = call.site.forge();
    let place = call.place(&forge)?;
    call.user()?;
    if place.access < Access::Write {
        return Err(Refusal::new(403, "user should have a permission to write to a repo"));
    }
    let id = call.number("id");
    if let Some(repo) = forge.repositories.get_mut(&place.repo) {
        repo.labels.remove(&id);
    }
    for issue in forge.issues.values_mut() {
        issue.labels.retain(|label| *label != id);
    }
    call::empty(204)
}

pub(super) async fn of_issue(call: Call) -> Answer {
    let forge = call.site.forge();
    let place = call.place(&forge)?;
    let issue = call.issue(&forge, place)?;
    answer(200, &Value::Array(forge.labels_of(issue)))
}

/// The issue of the path, its labels, and the ones the body names (by id or by name, not mixed).
fn chosen(call: &Call, forge: &Forge) -> Result<(u64, u64, Vec<u64>, Vec<u64>), Refusal> {
    let place = call.place(forge)?;
    let user = call.user()?;
    let issue = call.issue(forge, place)?;
    if place.access < Access::Write {
        return Err(Refusal::new(403, "write permission is required"));
    }
    let Chosen { labels } = call.json()?;
    let known = &forge.repo(place.repo).labels;
    let (mut ids, mut names) = (Vec::new(), Vec::new());
    for label in &labels {
        match label {
            Value::Number(id) => ids.extend(id.as_u64()),
            Value::String(name) => names.push(name.as_str()),
            _ => return Err(Refusal::new(400, "a label must be an integer or a string")),
        }
    }
    if !ids.is_empty() && !names.is_empty() {
        return Err(Refusal::new(400, "labels should be an array of strings or integers"));
    }
    ids.extend(known.values().filter(|label| names.contains(&label.name.as_str())).map(|label| label.id));
    ids.retain(|id| known.contains_key(id));
    Ok((issue.id, user, issue.labels.clone(), ids))
}

fn set(forge: &mut Forge, issue: u64, user: u64, mut labels: Vec<u64>, told: LabelsTold) -> Answer {
    labels.sort_unstable();
    labels.dedup();
    forge.set_labels(issue, &labels, told, user);
    answer(200, &Value::Array(forge.labels_of(&forge.issues[&issue])))
}

pub(super) async fn add(call: Call) -> Answer {
    let mut forge = call.site.forge();
    let (issue, user, mut labels, more) = chosen(&call, &forge)?;
    labels.extend(more);
    set(&mut forge, issue, user, labels, LabelsTold::Now)
}

pub(super) async fn replace(call: Call) -> Answer {
    let mut forge = call.site.forge();
    let (issue, user, _, labels) = chosen(&call, &forge)?;
    set(&mut forge, issue, user, labels, LabelsTold::None)
}

pub(super) async fn clear(call: Call) -> Answer {
    let mut forge = call.site.forge();
    let (issue, user) = writable(&call, &forge)?;
    forge.set_labels(issue, &[], LabelsTold::Before, user);
    call::empty(204)
}

pub(super) async fn remove(call: Call) -> Answer {
    let mut forge = call.site.forge();
    let (issue, user) = writable(&call, &forge)?;
    let label = call.number("id");
    if !forge.repo(forge.issues[&issue].repo).labels.contains_key(&label) {
        return Err(Refusal::invalid(format!("label does not exist [label_id: {label}]")));
    }
    let mut labels = forge.issues[&issue].labels.clone();
    labels.retain(|id| *id != label);
    forge.set_labels(issue, &labels, LabelsTold::Now, user);
    call::empty(204)
}

fn writable(call: &Call, forge: &Forge) -> Result<(u64, u64), Refusal> {
    let place = call.place(forge)?;
    let user = call.user()?;
    let issue = call.issue(forge, place)?;
    if place.access < Access::Write { Err(Refusal::empty(403)) } else { Ok((issue.id, user)) }
}
