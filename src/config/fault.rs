//! Faults of a configuration: where, which key, what is wrong, and what to do about it.
//!
//! Owns their one text form. Promises that all faults are reported together, in reading order. Never holds the
//! value of a secret: whoever makes a fault about one names its key only.

use std::fmt;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The built-in defaults: nobody wrote it.
    Default,
    /// A file, at a line counted from 1 where one is known.
    File {
        /// The path as it was given.
        path: String,
        /// The line.
        line: Option<usize>,
    },
    /// An environment variable, by name.
    Environment(String),
    /// A flag of the command line.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("defaults"),
            Self::File { path, line: Some(line) } => write!(f, "{path}:{line}"),
            Self::File { path, line: None } => f.write_str(path),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

/// One thing that is wrong (or, as a warning, unwise) in a configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where it was written.
    pub origin: Origin,
    /// The key's path, such as `gates.test.timeout`; empty where no key can be named.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.origin != Origin::Default {
            write!(f, "{}: ", self.origin)?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}; {}", self.problem, self.remedy)
    }
}

/// All faults of a configuration, in reading order; there is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Sorts what was found by place; `Ok` when nothing was.
    pub(super) fn refuse(mut found: Vec<Fault>) -> Result<(), Self> {
        if found.is_empty() {
            return Ok(());
        }
        found.sort();
        found.dedup();
        Err(Self(found))
    }

    /// The faults, in reading order.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0.iter()
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(render_faults(self).trim_end())
    }
}

impl std::error::Error for Faults {}

/// The faults for a person, one a line under a heading, each line ended.
pub fn render_faults(faults: &Faults) -> String {
    let mut text = match faults.0.len() {
        1 => "configuration refused, 1 fault:\n".to_owned(),
        count => format!("configuration refused, {count} faults:\n"),
    };
    for fault in &faults.0 {
        text.push_str(&format!("  {fault}\n"));
    }
    text
}

/// The warnings for a person, one a line, each line ended; empty when there are none.
pub fn render_warnings(warnings: &[Fault]) -> String {
    warnings.iter().map(|warning| format!("warning: {warning}\n")).collect()
}

/// The name among `known` that a person most likely meant by `written`.
pub(super) fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let farthest = written.chars().count() / 3 + 1;
    known
        .into_iter()
        .map(|name| (edits(&written.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= farthest)
        .min()
        .map(|(_, name)| name)
}

/// How many characters must be inserted, removed or replaced to get from `from` to `to`.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_the_one_with_the_fewest_edits() {
        let known = ["port", "host", "operator_token", "max_body_bytes"];
        assert_eq!(nearest("prot", known), Some("port"));
        assert_eq!(nearest("Operator-Token", known), Some("operator_token"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("", known), None);
    }

    #[test]
    fn edits_count_insertions_removals_and_replacements() {
        for (from, to, count) in [("", "", 0), ("", "ab", 2), ("ab", "", 2), ("kitten", "sitting", 3)] {
            assert_eq!(edits(from, to), count, "{from} {to}");
        }
    }

    #[test]
    fn a_fault_names_place_key_problem_and_remedy() {
        let fault = |origin| Fault {
            origin,
            key: "server.port".into(),
            problem: "is text".into(),
            remedy: "write a number".into(),
        };
        let line = Some(3);
        let shown: Vec<String> = [
            Origin::Default,
            Origin::File { path: "m.toml".into(), line },
            Origin::File { path: "m.toml".into(), line: None },
            Origin::Environment("PORT".into()),
            Origin::CommandLine,
        ]
        .map(|origin| fault(origin).to_string())
        .into();
        insta::assert_snapshot!(shown.join("\n"), @r"
        server.port: is text; write a number
        m.toml:3: server.port: is text; write a number
        m.toml: server.port: is text; write a number
        environment PORT: server.port: is text; write a number
        command line: server.port: is text; write a number
        ");
    }

    #[test]
    fn faults_come_once_each_and_in_reading_order() {
        let at = |line| Fault {
            origin: Origin::File { path: "m.toml".into(), line: Some(line) },
            key: String::new(),
            problem: format!("problem {line}"),
            remedy: "mend it".into(),
        };
        let faults = Faults::refuse(vec![at(9), at(2), at(9)]).unwrap_err();
        insta::assert_snapshot!(faults, @r"
        configuration refused, 2 faults:
          m.toml:2: problem 2; mend it
          m.toml:9: problem 9; mend it
        ");
        assert_eq!(render_warnings(&[at(1)]), "warning: m.toml:1: problem 1; mend it\n");
        assert!(Faults::refuse(Vec::new()).is_ok());
    }
}
