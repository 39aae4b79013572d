//! The templates of the prompts: `work`, `continue` and `handover`, embedded from `config/prompts/`.
//!
//! A template holds `{{name}}` for a value and, on lines of their own, `{{#name}}` … `{{/name}}` around lines that are
//! dropped where the value is empty. `{{mark}}` is a word that occurs in none of the values, so that no text of an
//! issue can end the block it stands in. Promises that values are inserted as they are and never read as template.
//! The header line of a prompt is not its business.

use std::{collections::BTreeMap, sync::LazyLock};

/// The values a template may ask for.
pub const PLACEHOLDERS: &[&str] = &[
    "title",
    "body",
    "acceptance",
    "files",
    "gates",
    "branch",
    "failing_gates",
    "reason",
    "changed_files",
    "gate_report",
    "last_plan",
    "last_message",
    "issue_edits",
];

/// The name that stands for the delimiter.
const MARK: &str = "mark";

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A name that no value has.
    #[error("line {line}: there is no value `{name}`; known: {}", PLACEHOLDERS.join(", "))]
    UnknownPlaceholder {
        /// Where, from 1.
        line: usize,
        /// Which.
        name: String,
    },
    /// `{{` without `}}` on its line.
    #[error("line {line}: `{{{{` is not closed; end it with `}}}}` on the same line")]
    Unclosed {
        /// Where, from 1.
        line: usize,
    },
    /// `{{#name}}` without `{{/name}}`, or the other way round.
    #[error(
        "line {line}: the section `{name}` has no partner; open with `{{{{#{name}}}}}`, close with `{{{{/{name}}}}}`"
    )]
    Unpaired {
        /// Where, from 1.
        line: usize,
        /// Which.
        name: String,
    },
}

/// A template that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(String),
    Section { name: String, parts: Vec<Part> },
}

/// A section that was opened and not yet closed.
struct Open {
    line: usize,
    name: String,
    outer: Vec<Part>,
}

impl Template {
    /// Reads a template. Errors: an unknown placeholder, or one or a section that is not closed.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut open: Vec<Open> = Vec::new();
        for (index, content) in text.split_inclusive('\n').enumerate() {
            let line = index + 1;
            if let Some(name) = tag(content, "{{#") {
                let name = known(name, line)?;
                open.push(Open { line, name, outer: std::mem::take(&mut parts) });
            } else if let Some(name) = tag(content, "{{/") {
                let unpaired = || TemplateError::Unpaired { line, name: name.to_owned() };
                let section = open.pop().filter(|section| section.name == name).ok_or_else(unpaired)?;
                let inner = std::mem::replace(&mut parts, section.outer);
                parts.push(Part::Section { name: section.name, parts: inner });
            } else {
                inline(content, line, &mut parts)?;
            }
        }
        match open.pop() {
            Some(Open { line, name, .. }) => Err(TemplateError::Unpaired { line, name }),
            None => Ok(Self(parts)),
        }
    }

    /// The text with all values in place; one that is not given is empty. Values end without line breaks, so that
    /// the template alone decides on blank lines.
    pub fn render(&self, values: &BTreeMap<&str, String>) -> String {
        debug_assert!(
            values.keys().all(|name| PLACEHOLDERS.contains(name)),
            "values that no template can hold"
        );
        let mut text = String::new();
        render(&self.0, values, &mark(values), &mut text);
        text
    }
}

/// The name in a line that is only a tag.
fn tag<'a>(line: &'a str, opening: &str) -> Option<&'a str> {
    line.trim().strip_prefix(opening)?.strip_suffix("}}").map(str::trim)
}

fn known(name: &str, line: usize) -> Result<String, TemplateError> {
    if name == MARK || PLACEHOLDERS.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(TemplateError::UnknownPlaceholder { line, name: name.to_owned() })
}

/// Takes a line apart into text and values.
fn inline(mut rest: &str, line: usize, parts: &mut Vec<Part>) -> Result<(), TemplateError> {
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").ok_or(TemplateError::Unclosed { line })?;
        parts.push(Part::Text(before.to_owned()));
        parts.push(Part::Value(known(name.trim(), line)?));
        rest = after;
    }
    parts.push(Part::Text(rest.to_owned()));
    Ok(())
}

fn render(parts: &[Part], values: &BTreeMap<&str, String>, mark: &str, text: &mut String) {
    let value = |name: &str| {
        if name == MARK { mark } else { values.get(name).map_or("", |value| value.trim_end()) }
    };
    for part in parts {
        match part {
            Part::Text(plain) => text.push_str(plain),
            Part::Value(name) => text.push_str(value(name)),
            Part::Section { name, parts } => {
                if !value(name).trim().is_empty() {
                    render(parts, values, mark, text);
                }
            }
        }
    }
}

/// A delimiter that occurs in none of the values.
fn mark(values: &BTreeMap<&str, String>) -> String {
    let mut mark = "quoted".to_owned();
    let mut count = 1;
    while values.values().any(|value| value.contains(&mark)) {
        count += 1;
        mark = format!("quoted-{count}");
    }
    mark
}

/// The first prompt of a task.
pub fn work() -> &'static Template {
    static TEMPLATE: LazyLock<Template> =
        LazyLock::new(|| embedded(include_str!("../../config/prompts/work.md")));
    &TEMPLATE
}

/// The next prompt of a session whose work was not accepted.
pub fn continuation() -> &'static Template {
    static TEMPLATE: LazyLock<Template> =
        LazyLock::new(|| embedded(include_str!("../../config/prompts/continue.md")));
    &TEMPLATE
}

/// The first prompt of every session after a task's first.
pub fn handover() -> &'static Template {
    static TEMPLATE: LazyLock<Template> =
        LazyLock::new(|| embedded(include_str!("../../config/prompts/handover.md")));
    &TEMPLATE
}

fn embedded(text: &str) -> Template {
    Template::parse(text).expect("embedded, and a test reads it")
}
