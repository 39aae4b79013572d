//! Names of things: repositories, issues, generations, sessions, turns, commits and trees.
//!
//! Owns their text forms (`owner/repo`, `owner/repo#7`). Repository names compare without regard to ASCII
//! case, as the forge does, and keep the spelling they were given.

use std::{cmp::Ordering, fmt, hash, str::FromStr};

use serde::{Deserialize, Serialize};

/// A repository on the forge, written `owner/repo`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoRef {
    /// The user or organisation.
    pub owner: String,
    /// The repository's name.
    pub repo: String,
}

impl RepoRef {
    /// Names a repository; see [`FromStr`] for text from outside.
    pub fn new(owner: impl Into<String>, repo: impl Into<String>) -> Self {
        Self { owner: owner.into(), repo: repo.into() }
    }

    /// The bytes that comparisons see; `/` is in no name, so the two parts do not run into each other.
    fn folded(&self) -> impl Iterator<Item = u8> {
        let owner = self.owner.bytes().chain([b'/']);
        owner.chain(self.repo.bytes()).map(|byte| byte.to_ascii_lowercase())
    }
}

impl PartialEq for RepoRef {
    fn eq(&self, other: &Self) -> bool {
        self.owner.eq_ignore_ascii_case(&other.owner) && self.repo.eq_ignore_ascii_case(&other.repo)
    }
}
impl Eq for RepoRef {}
impl Ord for RepoRef {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(other.folded())
    }
}
impl PartialOrd for RepoRef {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl hash::Hash for RepoRef {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        for byte in self.folded() {
            state.write_u8(byte);
        }
    }
}
impl fmt::Display for RepoRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.repo)
    }
}

/// Why a text is no name of a repository or an issue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct NameError {
    text: String,
    expected: &'static str,
}

/// Whether `part` can be an owner's or a repository's name: `[A-Za-z0-9._-]+`, not only dots, not led by `-`.
fn is_name_part(part: &str) -> bool {
    !part.is_empty()
        && part.len() <= 100
        && !part.starts_with('-')
        && part.chars().any(|c| c != '.')
        && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

impl FromStr for RepoRef {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.split_once('/') {
            Some((owner, repo)) if is_name_part(owner) && is_name_part(repo) => Ok(Self::new(owner, repo)),
            _ => Err(NameError { text: text.to_owned(), expected: "a repository (owner/repo)" }),
        }
    }
}
impl TryFrom<String> for RepoRef {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}
impl From<RepoRef> for String {
    fn from(repo: RepoRef) -> Self {
        repo.to_string()
    }
}

/// An issue on the forge, written `owner/repo#7`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IssueRef {
    /// Where the issue lives.
    pub repo: RepoRef,
    /// Its number in that repository, from 1.
    pub number: u64,
}

impl IssueRef {
    /// Names an issue.
    pub fn new(repo: RepoRef, number: u64) -> Self {
        Self { repo, number }
    }
}
impl fmt::Display for IssueRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.repo, self.number)
    }
}
impl FromStr for IssueRef {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let refused = || NameError { text: text.to_owned(), expected: "an issue (owner/repo#7)" };
        let (repo, number) = text.split_once('#').ok_or_else(refused)?;
        let repo = repo.parse().map_err(|_| refused())?;
        match number.parse::<u64>() {
            Ok(number) if number > 0 && !number_has_sign(text) => Ok(Self { repo, number }),
            _ => Err(refused()),
        }
    }
}

/// `u64` parses a leading `+`, which no issue number has.
fn number_has_sign(text: &str) -> bool {
    text.contains("#+")
}

impl TryFrom<String> for IssueRef {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}
impl From<IssueRef> for String {
    fn from(issue: IssueRef) -> Self {
        issue.to_string()
    }
}

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl $name {
            /// The first one.
            pub const FIRST: Self = Self(1);
            /// The one after this.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}
counter!(
    /// Which task on one issue this is, from 1: a reopened issue is a new generation.
    Generation
);
counter!(
    /// Which session of its task, from 1.
    SessionNo
);
counter!(
    /// Which turn of its session, from 1.
    TurnNo
);

macro_rules! object_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}
object_id!(
    /// A git commit, 40 or 64 lowercase hex digits.
    CommitId
);
object_id!(
    /// A git tree, 40 or 64 lowercase hex digits.
    TreeId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issue_reads_back_as_it_is_written() {
        let issue: IssueRef = "acme/app.rs#7".parse().unwrap();
        assert_eq!(issue.to_string(), "acme/app.rs#7");
        assert_eq!(serde_json::to_string(&issue).unwrap(), "\"acme/app.rs#7\"");
    }

    #[test]
    fn repositories_compare_without_case() {
        let one: RepoRef = "Acme/App".parse().unwrap();
        assert_eq!(one, "acme/app".parse().unwrap());
        assert_eq!(one.to_string(), "Acme/App");
    }

    #[test]
    fn equal_repositories_have_one_hash_and_one_place() {
        use std::collections::{BTreeSet, HashSet};
        let spelled = ["Acme/App", "acme/app", "ACME/app", "acme/ap", "ac/meapp", "acm/eapp"];
        let repos = || spelled.iter().map(|text| text.parse::<RepoRef>().unwrap());
        assert_eq!(repos().collect::<HashSet<_>>().len(), 4);
        assert_eq!(repos().collect::<BTreeSet<_>>().len(), 4);
    }

    #[test]
    fn counters_count_from_one() {
        assert_eq!((SessionNo::FIRST, SessionNo::FIRST.next().to_string()), (SessionNo(1), "2".to_owned()));
    }

    #[test]
    fn object_ids_are_their_text() {
        let id = CommitId("abc".to_owned());
        assert_eq!((id.as_ref(), id.to_string().as_str()), ("abc", "abc"));
    }

    #[test]
    fn names_that_are_paths_or_options_are_refused() {
        for text in
            ["", "app", "../etc", "a/..", "-a/b", "a/b/c", "a/b#0", "a/b#-1", "a/b#+1", "a/b#", "a b/c#1"]
        {
            assert!(
                text.parse::<IssueRef>().is_err() && (text.contains('#') || text.parse::<RepoRef>().is_err()),
                "{text}"
            );
        }
    }
}
