//! The fenced block with the info word `mosaic`: TOML, names in snake case.
//!
//! A block that is no TOML as a whole is read entry by entry, and what cannot be read is passed over.

use toml::{Table, Value};

use super::{
    key::{self, Key},
    section::{fill, set},
    value,
};
use crate::domain::{
    id::{IssueRef, RepoRef},
    metadata::Metadata,
};

/// Reads what the block says.
pub(super) fn read(block: &str, repo: &RepoRef) -> Metadata {
    let mut found = Metadata::default();
    match block.parse::<Table>() {
        Ok(table) => read_table(&table, repo, &mut found),
        Err(_) => {
            for entry in entries(block) {
                let first_line = || entry.lines().next().unwrap_or_default();
                if let Ok(table) = entry.parse::<Table>().or_else(|_| first_line().parse()) {
                    read_table(&table, repo, &mut found);
                }
            }
        }
    }
    found
}

fn read_table(table: &Table, repo: &RepoRef, found: &mut Metadata) {
    for (name, value) in table {
        let Some(key) = key::named(name) else { continue };
        match key {
            Key::EstimatedContext => fill(&mut found.estimated_tokens, || tokens(value)),
            Key::Files => fill(&mut found.files, || files(value)),
            Key::Blocks => fill(&mut found.blocks, || issues(value, repo)),
            Key::BlockedBy => fill(&mut found.blocked_by, || issues(value, repo)),
            Key::Acceptance => fill(&mut found.acceptance, || list(value, |_| None)),
            Key::Difficulty | Key::Agent | Key::Model | Key::Priority => {
                let text: Vec<String> = value.as_str().map(str::to_owned).into_iter().collect();
                set(found, key, &text, repo);
            }
        }
    }
}

fn tokens(value: &Value) -> Option<u64> {
    match value {
        Value::Integer(number) => value::tokens(&number.to_string()),
        Value::String(text) => value::tokens(text),
        _ => None,
    }
}

/// A path in an array is taken as it is, blanks and all; a text is parted as behind `Files:`.
fn files(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => value::files(std::slice::from_ref(text)),
        _ => list(value, |_| None),
    }
}

/// A number stands for the issue of that number.
fn issues(value: &Value, repo: &RepoRef) -> Option<Vec<IssueRef>> {
    let texts = list(value, |number| Some(format!("#{number}")))?;
    if texts.is_empty() { Some(Vec::new()) } else { value::issues(&texts, repo) }
}

/// The texts of an array, or a text by itself; `None` where there is something, but nothing that can be read.
fn list(value: &Value, number: impl Fn(i64) -> Option<String>) -> Option<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Integer(value) => number(*value),
        _ => None,
    };
    let Value::Array(values) = value else { return text(value).map(|text| vec![text]) };
    let texts: Vec<String> = values.iter().filter_map(text).collect();
    (values.is_empty() || !texts.is_empty()).then_some(texts)
}

/// The block cut before each line that begins an entry, up to the first table.
fn entries(block: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in block.lines().take_while(|line| !line.starts_with('[')) {
        if begins_entry(line) || found.is_empty() {
            found.push(String::new());
        }
        if let Some(entry) = found.last_mut() {
            entry.push_str(line);
            entry.push('\n');
        }
    }
    found
}

fn begins_entry(line: &str) -> bool {
    line.split_once('=').is_some_and(|(name, _)| key::named(name.trim().trim_matches(['"', '\''])).is_some())
}
