//! What environment variables say: the named ones and `MOSAIC__SECTION__KEY`.
//!
//! [`environment`] is the one place that reads the process environment; everything else works on what it gave.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::{
    fault::Origin,
    reader::Found,
    tree::{Node, Value},
    value::{Wrong, shown},
};

const PREFIX: &str = "MOSAIC__";

/// Variables of their own name, with the key each replaces; an empty one counts as unset.
const NAMED: &[(&str, [&str; 2], Form)] = &[
    ("HOST", ["server", "host"], Form::Text),
    ("PORT", ["server", "port"], Form::Toml),
    ("GITEA_URL", ["gitea", "url"], Form::Text),
    ("GITEA_TOKEN", ["gitea", "token"], Form::Text),
    ("GITEA_WEBHOOK_SECRET", ["gitea", "webhook_secrets"], Form::OneText),
];

#[derive(Clone, Copy)]
enum Form {
    /// Text as it is.
    Text,
    /// A list of just this text.
    OneText,
    /// TOML where it is that, else text.
    Toml,
}

/// The process environment. Variables that are not UTF-8 are left out.
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Lays what the variables say over `document`; `MOSAIC__…` goes last.
pub(super) fn overlay(document: &mut Node, variables: &BTreeMap<String, String>, found: &Found) {
    for (name, [section, key], form) in NAMED {
        let Some(text) = variables.get(*name).filter(|text| !text.is_empty()) else { continue };
        let origin = Origin::Environment((*name).to_owned());
        let node = match form {
            Form::Text => Node::new(Value::Text(text.clone()), origin),
            Form::OneText => {
                let item = Node::new(Value::Text(text.clone()), origin.clone());
                Node::new(Value::List(vec![item]), origin)
            }
            Form::Toml => Node::from_variable(name, text),
        };
        document.overlay(node.nested(&[(*section).to_owned(), (*key).to_owned()]));
    }
    for (name, text) in variables {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let segments: Vec<&str> = rest.split("__").collect();
        if segments.iter().any(|segment| segment.is_empty()) || segments.len() > 8 {
            let origin = Origin::Environment(name.clone());
            let remedy = "write MOSAIC__SECTION__KEY, such as MOSAIC__SERVER__PORT";
            found.add(&origin, "", Wrong::new("names no key", remedy));
            continue;
        }
        let path = key_path(document, &segments);
        document.overlay(Node::from_variable(name, text).nested(&path));
    }
}

/// The key that `segments` name: one that is there, whatever its case, else the lower-cased one. The names of an
/// agent's variables keep their case.
fn key_path(document: &Node, segments: &[&str]) -> Vec<String> {
    let mut here = Some(document);
    let mut path: Vec<String> = Vec::with_capacity(segments.len());
    for segment in segments {
        let is_variable = matches!(path.as_slice(), [agents, _, env] if agents == "agents" && env == "env");
        let key = if is_variable { (*segment).to_owned() } else { existing(here, segment) };
        here = match here.map(|node| &node.value) {
            Some(Value::Table(table)) => table.get(&key),
            _ => None,
        };
        path.push(key);
    }
    path
}

fn existing(here: Option<&Node>, segment: &str) -> String {
    let lower = segment.to_ascii_lowercase();
    match here.map(|node| &node.value) {
        Some(Value::Table(table)) if !table.contains_key(&lower) => {
            table.keys().find(|key| key.eq_ignore_ascii_case(segment)).cloned().unwrap_or(lower)
        }
        _ => lower,
    }
}

/// What only the environment says: the level of the log and the key of the provider.
pub(super) fn alone(
    variables: &BTreeMap<String, String>,
    found: &Found,
) -> (tracing::Level, Option<SecretString>) {
    let given = |name: &str| variables.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let level = match given("LOG_LEVEL").map(str::to_ascii_lowercase).as_deref() {
        None | Some("info") => tracing::Level::INFO,
        Some("debug") => tracing::Level::DEBUG,
        Some("warning" | "warn") => tracing::Level::WARN,
        Some("error") => tracing::Level::ERROR,
        Some(other) => {
            let problem = format!("{} is no level of the log", shown(other));
            let wrong = Wrong::new(problem, "write debug, info, warning or error");
            found.add(&Origin::Environment("LOG_LEVEL".to_owned()), "", wrong);
            tracing::Level::INFO
        }
    };
    (level, given("ANTHROPIC_API_KEY").map(SecretString::from))
}
