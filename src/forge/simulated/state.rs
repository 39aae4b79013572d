//! What the simulated forge knows: users, repositories, issues with their timelines, hooks, statuses.
//!
//! Plain data with look-ups; changes that a webhook tells of are made in `acts`. Everything lies in BTree
//! collections, so that two runs list the same things in the same order. Time is whole seconds, as in Gitea.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::sync::Mutex;

use super::{git::Identity, webhook::Outbox};

/// What a user may do in a repository, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Access {
    None,
    Read,
    Write,
    Admin,
    Owner,
}

impl Access {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// Reads the word the API uses; anything unknown is `write`, as in Gitea.
    pub(super) fn of_word(word: Option<&str>) -> Self {
        match word {
            Some("read") => Self::Read,
            Some("admin") => Self::Admin,
            Some("owner") => Self::Owner,
            _ => Self::Write,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) id: u64,
    pub(super) login: String,
    pub(super) site_admin: bool,
    pub(super) created: i64,
}

impl User {
    pub(super) fn email(&self) -> String {
        format!("{}@users.localhost", self.login.to_ascii_lowercase())
    }
}

#[derive(Clone, Debug)]
pub(super) struct Label {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) color: String,
    pub(super) description: String,
    pub(super) exclusive: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Repository {
    pub(super) id: u64,
    pub(super) owner: u64,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) private: bool,
    pub(super) archived: bool,
    pub(super) empty: bool,
    pub(super) default_branch: String,
    pub(super) merge_style: String,
    pub(super) dependencies_enabled: bool,
    pub(super) collaborators: BTreeMap<u64, Access>,
    pub(super) labels: BTreeMap<u64, Label>,
    pub(super) next_number: u64,
    pub(super) created: i64,
    pub(super) updated: i64,
    /// Held by whoever writes to the git repository.
    pub(super) writing: Arc<Mutex<()>>,
}

/// What git says of a pull request, kept since the last change of its branches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PullFacts {
    pub(super) base_sha: String,
    pub(super) head_sha: String,
    pub(super) merge_base: String,
    pub(super) additions: u64,
    pub(super) deletions: u64,
    pub(super) changed_files: u64,
    pub(super) mergeable: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Merged {
    pub(super) at: i64,
    pub(super) by: u64,
    pub(super) commit: String,
}

#[derive(Clone, Debug)]
pub(super) struct Pull {
    pub(super) id: u64,
    pub(super) head: String,
    pub(super) base: String,
    /// Whether its branch was deleted.
    pub(super) head_gone: bool,
    pub(super) facts: PullFacts,
    pub(super) merged: Option<Merged>,
}

/// An issue or a pull request.
#[derive(Clone, Debug)]
pub(super) struct Issue {
    pub(super) id: u64,
    pub(super) repo: u64,
    pub(super) number: u64,
    pub(super) poster: u64,
    pub(super) title: String,
    pub(super) body: String,
    pub(super) git_ref: String,
    pub(super) closed: Option<i64>,
    pub(super) labels: Vec<u64>,
    pub(super) assignees: Vec<u64>,
    pub(super) created: i64,
    pub(super) updated: i64,
    pub(super) pull: Option<Pull>,
}

impl Issue {
    pub(super) fn is_draft(&self) -> bool {
        let title = self.title.to_ascii_uppercase();
        self.pull.is_some() && (title.starts_with("WIP:") || title.starts_with("[WIP]"))
    }
}

/// What an entry of a timeline says.
#[derive(Clone, Debug)]
pub(super) enum Said {
    Comment(String),
    Closed,
    Reopened,
    Assigned { user: u64, removed: bool },
    Labelled { label: Label, added: bool },
    Renamed { old: String, new: String },
    Dependency { on: u64, added: bool },
    Dependent { of: u64, added: bool },
    PullReference { pull: u64, closes: bool },
    Commit { id: String, message: String },
    Merged,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: u64,
    pub(super) issue: u64,
    pub(super) poster: u64,
    pub(super) created: i64,
    pub(super) updated: i64,
    pub(super) said: Said,
}

#[derive(Clone, Debug)]
pub(super) struct Status {
    pub(super) id: u64,
    pub(super) index: u64,
    pub(super) repo: u64,
    pub(super) sha: String,
    pub(super) state: String,
    pub(super) context: String,
    pub(super) description: String,
    pub(super) target_url: String,
    pub(super) creator: u64,
    pub(super) created: i64,
}

/// Where a hook hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HookScope {
    Repository(u64),
    System,
    /// Copied to repositories made later, fires for none.
    Default,
}

#[derive(Clone, Debug)]
pub(super) struct Hook {
    pub(super) id: u64,
    pub(super) scope: HookScope,
    pub(super) kind: String,
    pub(super) url: String,
    pub(super) content_type: String,
    pub(super) secret: String,
    pub(super) active: bool,
    pub(super) events: BTreeSet<&'static str>,
    pub(super) branch_filter: String,
    pub(super) authorization: String,
    pub(super) created: i64,
    pub(super) updated: i64,
}

/// The whole forge. One lock guards it, so the order of its changes is the order of its webhooks.
pub(super) struct Forge {
    pub(super) base_url: String,
    pub(super) users: BTreeMap<u64, User>,
    pub(super) tokens: BTreeMap<String, u64>,
    pub(super) repositories: BTreeMap<u64, Repository>,
    /// Former names, by owner and name in lower case.
    pub(super) renamed: BTreeMap<(u64, String), u64>,
    pub(super) issues: BTreeMap<u64, Issue>,
    pub(super) entries: BTreeMap<u64, Entry>,
    /// (blocked, blocker), by issue id.
    pub(super) dependencies: BTreeSet<(u64, u64)>,
    pub(super) hooks: BTreeMap<u64, Hook>,
    pub(super) statuses: Vec<Status>,
    pub(super) outbox: Outbox,
    last_ids: BTreeMap<&'static str, u64>,
}

impl Forge {
    pub(super) fn new(base_url: String, outbox: Outbox) -> Self {
        Self {
            base_url,
            users: BTreeMap::new(),
            tokens: BTreeMap::new(),
            repositories: BTreeMap::new(),
            renamed: BTreeMap::new(),
            issues: BTreeMap::new(),
            entries: BTreeMap::new(),
            dependencies: BTreeSet::new(),
            hooks: BTreeMap::new(),
            statuses: Vec::new(),
            outbox,
            last_ids: BTreeMap::new(),
        }
    }

    /// The next id of a kind of thing; each kind counts for itself, from 1.
    pub(super) fn next_id(&mut self, kind: &'static str) -> u64 {
        let last = self.last_ids.entry(kind).or_insert(0);
        *last += 1;
        *last
    }

    pub(super) fn user_named(&self, login: &str) -> Option<&User> {
        self.users.values().find(|user| user.login.eq_ignore_ascii_case(login))
    }

    pub(super) fn repository_named(&self, owner: &str, name: &str) -> Option<&Repository> {
        let owner = self.user_named(owner)?.id;
        self.repositories.values().find(|repo| repo.owner == owner && repo.name.eq_ignore_ascii_case(name))
    }

    pub(super) fn login(&self, user: u64) -> &str {
        self.users.get(&user).map_or("Ghost", |user| user.login.as_str())
    }

    /// Who makes a commit when the forge makes one for a user.
    pub(super) fn identity(&self, user: u64) -> Identity {
        let email = self.users.get(&user).map(User::email).unwrap_or_default();
        Identity { name: self.login(user).to_owned(), email }
    }

    pub(super) fn is_site_admin(&self, user: Option<u64>) -> bool {
        user.and_then(|user| self.users.get(&user)).is_some_and(|user| user.site_admin)
    }

    /// The name a repository has now that was called `name` before.
    pub(super) fn name_now(&self, owner: &str, name: &str) -> Option<&str> {
        let owner = self.user_named(owner)?.id;
        let id = self.renamed.get(&(owner, name.to_ascii_lowercase()))?;
        Some(self.repositories.get(id)?.name.as_str())
    }

    /// What `user` (`None`: nobody in particular) may do in `repo`.
    pub(super) fn access(&self, repo: &Repository, user: Option<u64>) -> Access {
        if self.is_site_admin(user) || user == Some(repo.owner) {
            return Access::Owner;
        }
        let granted = user.and_then(|user| repo.collaborators.get(&user)).copied().unwrap_or(Access::None);
        if repo.private { granted } else { granted.max(Access::Read) }
    }

    pub(super) fn repo(&self, id: u64) -> &Repository {
        self.repositories.get(&id).expect("an issue is deleted with its repository")
    }

    pub(super) fn full_name(&self, repo: &Repository) -> String {
        format!("{}/{}", self.login(repo.owner), repo.name)
    }

    pub(super) fn issue_numbered(&self, repo: u64, number: u64) -> Option<&Issue> {
        self.issues.values().find(|issue| issue.repo == repo && issue.number == number)
    }

    pub(super) fn open_blockers(&self, issue: u64) -> bool {
        self.blockers(issue).any(|blocker| blocker.closed.is_none())
    }

    pub(super) fn blockers(&self, issue: u64) -> impl Iterator<Item = &Issue> {
        self.dependencies
            .iter()
            .filter(move |(blocked, _)| *blocked == issue)
            .filter_map(|(_, blocker)| self.issues.get(blocker))
    }

    pub(super) fn blocked_by(&self, issue: u64) -> impl Iterator<Item = &Issue> {
        self.dependencies
            .iter()
            .filter(move |(_, blocker)| *blocker == issue)
            .filter_map(|(blocked, _)| self.issues.get(blocked))
    }

    pub(super) fn entries_of(&self, issue: u64) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(move |entry| entry.issue == issue)
    }

    pub(super) fn comment_count(&self, issue: u64) -> usize {
        self.entries_of(issue).filter(|entry| matches!(entry.said, Said::Comment(_))).count()
    }

    /// Open pull requests of a repository with this head or base.
    pub(super) fn open_pulls_on(&self, repo: u64, branch: &str) -> Vec<u64> {
        let concerns = |pull: &Pull| pull.head == branch || pull.base == branch;
        self.issues
            .values()
            .filter(|issue| issue.repo == repo && issue.closed.is_none())
            .filter(|issue| issue.pull.as_ref().is_some_and(concerns))
            .map(|issue| issue.id)
            .collect()
    }
}

/// Now, in whole seconds since the epoch.
pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// An instant as Gitea writes it.
pub(super) fn instant(second: i64) -> String {
    jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}
