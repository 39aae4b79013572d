//! The shape of JSON: its keys and types, recursively, as text that a person can read.
//!
//! Objects of many keys that come again and again (users, repositories, issues) are written once and then
//! referred to, so that a transcript stays short.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Objects of at least so many keys are written aside.
const ASIDE_FROM: usize = 6;

/// Keys that one forge may have and the other not, by the name of what they stand in, and why.
///
/// Everything else must be alike.
pub const ALLOWED: &[(&str, &str)] = &[];

/// Headers of a webhook that one forge may send and the other not, and why.
pub const ALLOWED_HEADERS: &[(&str, &str)] =
    &[("accept", "our sender's HTTP library always says what it accepts")];

/// The shapes seen so far, each with a name.
#[derive(Default)]
pub struct Shapes {
    names: BTreeMap<String, String>,
    lines: Vec<String>,
}

impl Shapes {
    /// The shape of a value, in one line; new objects go to the list of shapes.
    pub fn of(&mut self, value: &Value) -> String {
        match value {
            Value::Null => "null".to_owned(),
            Value::Bool(_) => "bool".to_owned(),
            Value::Number(_) => "number".to_owned(),
            Value::String(_) => "string".to_owned(),
            Value::Array(items) => {
                let shapes: BTreeSet<String> = items.iter().map(|item| self.of(item)).collect();
                format!("[{}]", shapes.into_iter().collect::<Vec<_>>().join("|"))
            }
            Value::Object(fields) => {
                let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
                fields.sort_by_key(|(key, _)| *key);
                fields.retain(|(key, _)| !ALLOWED.iter().any(|(allowed, _)| allowed == key));
                let shown: Vec<String> =
                    fields.iter().map(|(key, value)| format!("{key}:{}", self.of(value))).collect();
                let text = format!("{{{}}}", shown.join(" "));
                if shown.len() < ASIDE_FROM { text } else { self.aside(text) }
            }
        }
    }

    fn aside(&mut self, text: String) -> String {
        if let Some(name) = self.names.get(&text) {
            return name.clone();
        }
        let name = format!("#{}", self.names.len() + 1);
        self.lines.push(format!("{name} = {text}"));
        self.names.insert(text, name.clone());
        name
    }

    /// The named shapes, in the order they came.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}
