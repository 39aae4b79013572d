//! Key lines, and the lists and lines below keys that have no value of their own.

use super::{
    key::{self, Key},
    line::{Line, Mark},
    value,
};
use crate::domain::{
    id::RepoRef,
    metadata::{Field, Metadata, Source},
};

/// Reads the keys that lines and headings name.
pub(super) fn read(lines: &[Line], repo: &RepoRef) -> Metadata {
    let mut found = Metadata::default();
    let mut open: Option<Open> = None;
    for line in lines {
        let key = key::split(&line.text, line.mark == Mark::Heading);
        if let Some(section) = &mut open {
            match section.take(line, key.is_some()) {
                Taken::Kept => continue,
                Taken::Last => {
                    open.take().into_iter().for_each(|section| section.close(&mut found, repo));
                    continue;
                }
                Taken::Refused => open.take().into_iter().for_each(|section| section.close(&mut found, repo)),
            }
        }
        let Some((key, value)) = key else { continue };
        if value.is_empty() || key == Key::Acceptance {
            open = Some(Open::new(key, value, line));
        } else {
            set(&mut found, key, &[value.to_owned()], repo);
        }
    }
    open.into_iter().for_each(|section| section.close(&mut found, repo));
    found
}

/// Sets what `key` says, unless it has been said or cannot be read.
pub(super) fn set(found: &mut Metadata, key: Key, texts: &[String], repo: &RepoRef) {
    let [first, ..] = texts else { return };
    match key {
        Key::Difficulty => fill(&mut found.difficulty, || value::difficulty(first)),
        Key::EstimatedContext => fill(&mut found.estimated_tokens, || value::tokens(first)),
        Key::Files => fill(&mut found.files, || value::files(texts)),
        Key::Agent => fill(&mut found.agent, || value::name(first)),
        Key::Model => fill(&mut found.model, || value::name(first)),
        Key::Priority => fill(&mut found.priority, || value::priority(first)),
        Key::Blocks => fill(&mut found.blocks, || value::issues(texts, repo)),
        Key::BlockedBy => fill(&mut found.blocked_by, || value::issues(texts, repo)),
        Key::Acceptance => fill(&mut found.acceptance, || Some(texts.to_vec())),
    }
}

pub(super) fn fill<T>(field: &mut Option<Field<T>>, read: impl FnOnce() -> Option<T>) {
    if field.is_none() {
        *field = read().map(|value| Field { value, source: Source::Line });
    }
}

/// What a section made of a line.
enum Taken {
    /// The line belongs to it; more may follow.
    Kept,
    /// The line belongs to it and ends it.
    Last,
    /// The line is none of it.
    Refused,
}

/// A key whose value stands below it.
struct Open {
    key: Key,
    /// Columns before the key's own bullet: a list of it lies deeper.
    bullet_indent: Option<usize>,
    /// What stands behind the key: the only point, or what leads to the list.
    lead: String,
    items: Vec<String>,
    is_after_blank: bool,
}

impl Open {
    fn new(key: Key, lead: &str, line: &Line) -> Self {
        let bullet_indent = (line.mark == Mark::Bullet).then_some(line.indent);
        Self { key, bullet_indent, lead: lead.to_owned(), items: Vec::new(), is_after_blank: false }
    }

    fn take(&mut self, line: &Line, is_key: bool) -> Taken {
        if line.text.is_empty() {
            self.is_after_blank = true;
            return Taken::Kept;
        }
        match self.key {
            Key::Acceptance => self.take_point(line, is_key),
            _ if is_key || line.mark == Mark::Heading => Taken::Refused,
            Key::Files | Key::Blocks | Key::BlockedBy => self.take_item(line),
            // `## Model` may head a list of classes.
            Key::Agent | Key::Model if line.mark == Mark::Bullet => Taken::Refused,
            Key::Difficulty | Key::EstimatedContext | Key::Priority | Key::Agent | Key::Model => {
                if !self.lies_below(line) {
                    return Taken::Refused;
                }
                self.items.push(line.text.clone());
                Taken::Last
            }
        }
    }

    /// A bullet is a point even where it names a key; a paragraph that names one ends the list.
    fn take_point(&mut self, line: &Line, is_key: bool) -> Taken {
        match line.mark {
            Mark::Heading => Taken::Refused,
            Mark::Bullet if !self.lies_below(line) => Taken::Refused,
            Mark::Bullet => self.keep(line),
            Mark::Plain if line.indent < 2 && (is_key || (self.is_after_blank && !self.items.is_empty())) => {
                Taken::Refused
            }
            Mark::Plain => {
                if let Some(point) = self.items.last_mut() {
                    point.push(' ');
                    point.push_str(&line.text);
                }
                Taken::Kept
            }
        }
    }

    fn take_item(&mut self, line: &Line) -> Taken {
        match line.mark {
            Mark::Bullet if self.lies_below(line) => self.keep(line),
            Mark::Plain if self.items.is_empty() => {
                self.items.push(line.text.clone());
                Taken::Last
            }
            Mark::Plain if line.indent >= 2 || !self.is_after_blank => Taken::Kept,
            _ => Taken::Refused,
        }
    }

    fn keep(&mut self, line: &Line) -> Taken {
        self.items.push(line.text.clone());
        self.is_after_blank = false;
        Taken::Kept
    }

    fn lies_below(&self, line: &Line) -> bool {
        line.mark != Mark::Bullet || self.bullet_indent.is_none_or(|indent| line.indent > indent)
    }

    fn close(mut self, found: &mut Metadata, repo: &RepoRef) {
        if self.items.is_empty() && !self.lead.is_empty() {
            self.items.push(std::mem::take(&mut self.lead));
        }
        set(found, self.key, &self.items, repo);
    }
}
