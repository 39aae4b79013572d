//! The board: what HTTP shows of the tasks, in memory, kept by the QueueActor as it decides.
//!
//! Promises that reading never waits for an actor, and that a change costs what it changes: why a ready task waits
//! depends on its neighbours, so that sentence is made when it is read.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use crate::domain::{
    decide::Slots,
    id::{IssueRef, RepoRef},
    report::{Ledger, Report},
    state::Turnout,
    view::TaskView,
};

/// A task as shown, with what its sentence depends on.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The task.
    pub view: TaskView,
    /// Where it stands in the order of starting; `None` unless it is ready and nothing but a slot is missing.
    pub waiting: Option<Turnout>,
}

#[derive(Debug)]
struct Shown {
    entries: BTreeMap<IssueRef, Entry>,
    branches: BTreeMap<(RepoRef, String), IssueRef>,
    pulls: BTreeMap<(RepoRef, u64), IssueRef>,
    slots: Slots,
    report: Report,
}

/// The shared board.
#[derive(Clone, Debug)]
pub struct Board(Arc<RwLock<Shown>>);

impl Default for Board {
    fn default() -> Self {
        Self(Arc::new(RwLock::new(Shown {
            entries: BTreeMap::new(),
            branches: BTreeMap::new(),
            pulls: BTreeMap::new(),
            slots: Slots::default(),
            report: Ledger::new().report(),
        })))
    }
}

impl Board {
    /// An empty board.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows a task in place of what was shown of it before.
    pub fn put(&self, entry: Entry) {
        let mut shown = self.write();
        let issue = entry.view.issue.clone();
        shown.branches.insert((issue.repo.clone(), entry.view.branch.clone()), issue.clone());
        if let Some(number) = entry.view.pull_request {
            shown.pulls.insert((issue.repo.clone(), number), issue.clone());
        }
        shown.entries.insert(issue, entry);
    }

    /// Shows how the slots are taken.
    pub fn set_slots(&self, slots: Slots) {
        self.write().slots = slots;
    }

    /// Shows the measures.
    pub fn set_report(&self, report: Report) {
        self.write().report = report;
    }

    /// All tasks, by issue.
    pub fn tasks(&self) -> Vec<TaskView> {
        let shown = self.read();
        let mut queue: Vec<&Turnout> =
            shown.entries.values().filter_map(|entry| entry.waiting.as_ref()).collect();
        queue.sort_unstable();
        let ahead: BTreeMap<&IssueRef, usize> =
            queue.into_iter().enumerate().map(|(ahead, turnout)| (turnout.issue(), ahead)).collect();
        shown
            .entries
            .values()
            .map(|entry| shown.with_reason(entry, ahead.get(&entry.view.issue).copied()))
            .collect()
    }

    /// One task.
    pub fn task(&self, issue: &IssueRef) -> Option<TaskView> {
        let shown = self.read();
        let entry = shown.entries.get(issue)?;
        let ahead = entry.waiting.as_ref().map(|turnout| {
            shown.entries.values().filter(|other| other.waiting.as_ref().is_some_and(|w| w < turnout)).count()
        });
        Some(shown.with_reason(entry, ahead))
    }

    /// The measures.
    pub fn report(&self) -> Report {
        self.read().report.clone()
    }

    /// The issue whose task works on `branch`.
    pub fn issue_of_branch(&self, repo: &RepoRef, branch: &str) -> Option<IssueRef> {
        self.read().branches.get(&(repo.clone(), branch.to_owned())).cloned()
    }

    /// The issue whose task has this pull request.
    pub fn issue_of_pull(&self, repo: &RepoRef, number: u64) -> Option<IssueRef> {
        self.read().pulls.get(&(repo.clone(), number)).cloned()
    }

    fn read(&self) -> RwLockReadGuard<'_, Shown> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Shown> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shown {
    fn with_reason(&self, entry: &Entry, ahead: Option<usize>) -> TaskView {
        let mut view = entry.view.clone();
        if let Some(ahead) = ahead {
            view.reason = self.slots.reason(&view.issue.repo, ahead);
        }
        view
    }
}
