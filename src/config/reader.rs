//! Reads one table of the tree key by key and collects what is wrong with it.
//!
//! Promises that one fault hides no other: a faulty key keeps its default, and reading goes on. What was not asked
//! for when a table is done with is an unknown key.

use std::cell::RefCell;

use super::{
    fault::{Fault, Origin, nearest},
    tree::{Node, Table, Value},
    value::{Read, Wrong, is_name, shown, wrong_kind},
};

/// All that was found wrong so far.
#[derive(Default)]
pub(super) struct Found(RefCell<Vec<Fault>>);

impl Found {
    pub(super) fn add(&self, origin: &Origin, key: impl Into<String>, wrong: Wrong) {
        let Wrong { problem, remedy } = wrong;
        self.0.borrow_mut().push(Fault { origin: origin.clone(), key: key.into(), problem, remedy });
    }

    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.0.into_inner()
    }
}

/// One table being read.
pub(super) struct Reader<'a> {
    table: &'a Table,
    origin: &'a Origin,
    path: String,
    known: Vec<&'static str>,
    found: &'a Found,
}

impl<'a> Reader<'a> {
    /// Opens the table at `path` (empty: the whole document); says so and gives `None` where it is none.
    pub(super) fn open(node: &'a Node, path: String, found: &'a Found) -> Option<Self> {
        let Value::Table(table) = &node.value else {
            let remedy = format!("write it as a table, [{path}]");
            found.add(&node.origin, path, wrong_kind(node, "a table", &remedy));
            return None;
        };
        Some(Self { table, origin: &node.origin, path, known: Vec::new(), found })
    }

    /// The full path of `key`.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The node under `key`, which is known from now on.
    pub(super) fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        self.table.get(key)
    }

    /// Whether somebody wrote `key`, and it is no default.
    pub(super) fn is_written(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|node| node.origin != Origin::Default)
    }

    /// Says that the value under `key` is wrong, at its place or, where it is absent, at its table's.
    pub(super) fn refuse(&self, key: &str, wrong: Wrong) {
        let origin = self.table.get(key).map_or(self.origin, |node| &node.origin);
        self.found.add(origin, self.path_of(key), wrong);
    }

    /// Says that a value below this table, at `key`, is wrong.
    pub(super) fn refuse_at(&self, origin: &Origin, key: &str, wrong: Wrong) {
        self.found.add(origin, self.path_of(key), wrong);
    }

    /// Puts the value under `key`, where there is one, into `slot`; whether it is not faulty.
    pub(super) fn set<T>(
        &mut self,
        key: &'static str,
        slot: &mut T,
        read: impl FnOnce(&Node) -> Read<T>,
    ) -> bool {
        let Some(node) = self.node(key) else { return true };
        match read(node) {
            Ok(value) => {
                *slot = value;
                true
            }
            Err(wrong) => {
                self.refuse(key, wrong);
                false
            }
        }
    }

    /// The value under `key`, which may be absent; `None` also where it is faulty.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Node) -> Read<T>,
    ) -> Option<T> {
        let mut slot = None;
        self.set(key, &mut slot, |node| read(node).map(Some));
        slot
    }

    /// The value under `key`, which must be there.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        remedy: &str,
        read: impl FnOnce(&Node) -> Read<T>,
    ) -> Option<T> {
        if !self.table.contains_key(key) {
            self.refuse(key, Wrong::new("is missing", remedy));
        }
        self.optional(key, read)
    }

    /// The list under `key`, every faulty item told by its index; `None` where it is absent or faulty.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&Node) -> Read<T>,
    ) -> Option<Vec<T>> {
        let node = self.node(key)?;
        let Value::List(items) = &node.value else {
            self.refuse(key, wrong_kind(node, "a list", "write it in brackets, such as [\"a\", \"b\"]"));
            return None;
        };
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match read(item) {
                Ok(value) => values.push(value),
                Err(wrong) => self.found.add(&item.origin, format!("{}[{index}]", self.path_of(key)), wrong),
            }
        }
        (values.len() == items.len()).then_some(values)
    }

    /// Reads each table of `key`, such as `[gates.NAME]`, by its name; faulty names are told.
    pub(super) fn each(&mut self, key: &'static str, mut read: impl FnMut(&str, Reader<'a>)) {
        let path = self.path_of(key);
        let Some(node) = self.node(key) else { return };
        let Some(tables) = Self::open(node, path, self.found) else { return };
        for (name, node) in tables.table {
            if !is_name(name) {
                let problem = format!("{} is no name", shown(name));
                let remedy = "use up to 64 of the characters A-Z a-z 0-9 _ -";
                self.found.add(&node.origin, tables.path.clone(), Wrong::new(problem, remedy));
            } else if let Some(reader) = Self::open(node, tables.path_of(name), self.found) {
                read(name, reader);
            }
        }
    }

    /// The entries of the table under `key`, whatever their names.
    pub(super) fn entries(&mut self, key: &'static str) -> Vec<(&'a str, &'a Node)> {
        let path = self.path_of(key);
        let opened = self.node(key).and_then(|node| Self::open(node, path, self.found));
        opened.map_or_else(Vec::new, |reader| {
            reader.table.iter().map(|(name, node)| (name.as_str(), node)).collect()
        })
    }

    /// Opens the table under `key`.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Reader<'a>> {
        let path = self.path_of(key);
        let node = self.node(key)?;
        Self::open(node, path, self.found)
    }

    /// Ends the table: every key that was not asked for is refused, as `special` says or as unknown.
    pub(super) fn finish(self, special: impl Fn(&str) -> Option<Wrong>) {
        for (key, node) in self.table {
            if self.known.contains(&key.as_str()) {
                continue;
            }
            let wrong = special(key).unwrap_or_else(|| self.unknown(key));
            self.found.add(&node.origin, self.path_of(key), wrong);
        }
    }

    fn unknown(&self, key: &str) -> Wrong {
        let remedy = match nearest(key, self.known.iter().copied()) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("known here: {}", self.known.join(", ")),
        };
        Wrong::new("is an unknown key", remedy)
    }
}

/// The refusal of keys that a later version will know.
pub(super) fn not_yet(later: &'static [&'static str]) -> impl Fn(&str) -> Option<Wrong> {
    move |key| {
        later
            .contains(&key)
            .then(|| Wrong::new("is not supported yet", "remove it until a version that knows it"))
    }
}
