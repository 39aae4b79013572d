//! The state: the fold of all events, with the indexes that decisions need.
//!
//! Owns nothing that the events do not say: graph, ready order and counts are derived, and rebuilt after a snapshot
//! is read.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use serde::{Deserialize, Serialize};

use super::{
    estimate::{self, Finished},
    graph::{Graph, NodeState},
    id::{IssueRef, RepoRef},
    issue::{IssueSnapshot, IssueState},
    metadata::{Metadata, Priority},
    task::{Phase, Task},
};

/// What is known of one issue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IssueRecord {
    /// What the forge said last.
    pub snapshot: IssueSnapshot,
    /// What its text asks for.
    pub metadata: Metadata,
}

/// Where a ready task stands in the order of starting: priority, then age, then number, then repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turnout {
    priority: Priority,
    created_ms: i64,
    number: u64,
    issue: IssueRef,
}

impl Turnout {
    /// The issue that stands here.
    pub fn issue(&self) -> &IssueRef {
        &self.issue
    }
}

/// Everything that decisions are made from.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Kept", into = "Kept")]
pub struct State {
    pub(super) issues: BTreeMap<IssueRef, IssueRecord>,
    pub(super) unreadable: BTreeSet<IssueRef>,
    pub(super) tasks: BTreeMap<IssueRef, Task>,
    pub(super) history: BTreeMap<RepoRef, Vec<Finished>>,
    pub(super) graph: Graph<IssueRef>,
    ready: BTreeSet<Turnout>,
    active: BTreeSet<IssueRef>,
    active_by_repo: BTreeMap<RepoRef, usize>,
}

/// The part of the state that a snapshot keeps.
#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    issues: Vec<IssueRecord>,
    unreadable: BTreeSet<IssueRef>,
    tasks: Vec<Task>,
    history: Vec<(RepoRef, Vec<Finished>)>,
    /// What was last said of each issue's own state; of all others it is unknown.
    node_states: Vec<(IssueRef, IssueState)>,
}

impl From<State> for Kept {
    fn from(state: State) -> Self {
        let node_states = state.node_states().into_iter().collect();
        Self {
            node_states,
            issues: state.issues.into_values().collect(),
            unreadable: state.unreadable,
            tasks: state.tasks.into_values().collect(),
            history: state.history.into_iter().collect(),
        }
    }
}

impl From<Kept> for State {
    fn from(kept: Kept) -> Self {
        let mut state = Self { history: kept.history.into_iter().collect(), ..Self::default() };
        for record in kept.issues {
            super::evolve::link(&mut state.graph, &record, &mut BTreeSet::new());
            state.put_issue(record);
        }
        // One record may tell an older state of a blocker than another: which was last is not in the records.
        let told: BTreeMap<IssueRef, IssueState> = kept.node_states.into_iter().collect();
        for issue in state.node_states().into_keys().filter(|issue| !told.contains_key(issue)) {
            state.graph.set_state(issue, NodeState::Unknown);
        }
        for (issue, told) in told {
            state.graph.set_state(issue, told.into());
        }
        state.unreadable = kept.unreadable;
        for task in kept.tasks {
            state.put_task(task);
        }
        state
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        let Self { issues, unreadable, tasks, history, graph: _, ready, active, active_by_repo } = self;
        *issues == other.issues
            && *unreadable == other.unreadable
            && *tasks == other.tasks
            && *history == other.history
            && *ready == other.ready
            && *active == other.active
            && *active_by_repo == other.active_by_repo
            && self.node_states() == other.node_states()
    }
}

impl State {
    /// The task on an issue: the latest generation.
    pub fn task(&self, issue: &IssueRef) -> Option<&Task> {
        self.tasks.get(issue)
    }

    /// All tasks, by issue.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }

    /// What is known of an issue.
    pub fn issue(&self, issue: &IssueRef) -> Option<&IssueRecord> {
        self.issues.get(issue)
    }

    /// Whether an issue was found to be unreadable.
    pub fn is_unreadable(&self, issue: &IssueRef) -> bool {
        self.unreadable.contains(issue)
    }

    /// Whether anything is known of an issue, or waits for it.
    pub fn concerns(&self, issue: &IssueRef) -> bool {
        self.issues.contains_key(issue)
            || self.tasks.contains_key(issue)
            || !self.graph.dependants(issue).is_empty()
    }

    /// The dependency graph.
    pub fn graph(&self) -> &Graph<IssueRef> {
        &self.graph
    }

    /// Ready tasks in the order of starting.
    pub fn ready(&self) -> impl Iterator<Item = &Turnout> {
        self.ready.iter()
    }

    /// The ready task that stands next after `last`, or first of all.
    pub(super) fn ready_after(&self, last: Option<&Turnout>) -> Option<Turnout> {
        let after = last.map_or(Bound::Unbounded, Bound::Excluded);
        self.ready.range((after, Bound::Unbounded)).next().cloned()
    }

    /// Tasks that take a slot.
    pub fn active(&self) -> usize {
        self.active.len()
    }

    /// The tasks that take a slot.
    pub fn active_tasks(&self) -> impl Iterator<Item = &Task> {
        self.active.iter().filter_map(|issue| self.tasks.get(issue))
    }

    /// Tasks that take a slot in one repository.
    pub fn active_in(&self, repo: &RepoRef) -> usize {
        self.active_by_repo.get(repo).copied().unwrap_or(0)
    }

    pub(super) fn active_by_repo(&self) -> &BTreeMap<RepoRef, usize> {
        &self.active_by_repo
    }

    /// Where a ready task stands in the order of starting.
    pub fn standing(&self, issue: &IssueRef) -> Option<Turnout> {
        self.turnout(issue).filter(|turnout| self.ready.contains(turnout))
    }

    /// What a repository's finished tasks teach about estimates, oldest first.
    pub fn history(&self, repo: &RepoRef) -> &[Finished] {
        self.history.get(repo).map_or(&[], Vec::as_slice)
    }

    /// What the graph was last told of the issues that records name, where it was told anything.
    fn node_states(&self) -> BTreeMap<IssueRef, IssueState> {
        let blockers = |record: &IssueRecord| {
            let native = record.snapshot.blockers.iter().filter_map(|blocker| blocker.issue.clone());
            native.collect::<Vec<_>>()
        };
        let named = self.issues.values().flat_map(blockers).chain(self.issues.keys().cloned());
        named
            .filter_map(|issue| {
                let told = match self.graph.state(&issue) {
                    NodeState::Open => IssueState::Open,
                    NodeState::Closed => IssueState::Closed,
                    NodeState::Unknown => return None,
                };
                Some((issue, told))
            })
            .collect()
    }

    /// Puts a record in place of the one before; its dependencies are linked already.
    pub(super) fn put_issue(&mut self, record: IssueRecord) {
        let issue = record.snapshot.issue.clone();
        self.unreadable.remove(&issue);
        self.unindex(&issue);
        self.issues.insert(issue.clone(), record);
        self.index(&issue);
    }

    /// Takes the issue of a finished task for closed before it is read again.
    pub(super) fn close_issue(&mut self, issue: &IssueRef) {
        if let Some(record) = self.issues.get_mut(issue) {
            record.snapshot.state = IssueState::Closed;
        }
    }

    pub(super) fn put_task(&mut self, task: Task) {
        let issue = task.key.issue.clone();
        self.unindex(&issue);
        self.tasks.insert(issue.clone(), task);
        self.index(&issue);
    }

    /// Changes a task and keeps the indexes true.
    pub(super) fn change_task(&mut self, issue: &IssueRef, change: impl FnOnce(&mut Task)) {
        self.unindex(issue);
        if let Some(task) = self.tasks.get_mut(issue) {
            change(task);
        }
        self.index(issue);
    }

    pub(super) fn record_history(&mut self, repo: RepoRef, finished: Finished) {
        let latest = self.history.entry(repo).or_default();
        latest.push(finished);
        if latest.len() > estimate::CALIBRATION_TASKS {
            latest.remove(0);
        }
    }

    fn turnout(&self, issue: &IssueRef) -> Option<Turnout> {
        let task = self.tasks.get(issue)?;
        let record = self.issues.get(issue);
        let priority = record.map(|record| record.metadata.priority_in_force().value).unwrap_or_default();
        let created_ms = record.map_or(task.accepted_ms, |record| record.snapshot.created_ms);
        Some(Turnout { priority, created_ms, number: issue.number, issue: issue.clone() })
    }

    fn unindex(&mut self, issue: &IssueRef) {
        let Some(task) = self.tasks.get(issue) else { return };
        if task.is_active() {
            self.active.remove(issue);
            if let Some(count) = self.active_by_repo.get_mut(&issue.repo) {
                *count -= 1;
                if *count == 0 {
                    self.active_by_repo.remove(&issue.repo);
                }
            }
        }
        if matches!(task.phase, Phase::Ready)
            && let Some(turnout) = self.turnout(issue)
        {
            self.ready.remove(&turnout);
        }
    }

    fn index(&mut self, issue: &IssueRef) {
        let Some(task) = self.tasks.get(issue) else { return };
        if task.is_active() {
            self.active.insert(issue.clone());
            *self.active_by_repo.entry(issue.repo.clone()).or_default() += 1;
        }
        if matches!(task.phase, Phase::Ready)
            && let Some(turnout) = self.turnout(issue)
        {
            self.ready.insert(turnout);
        }
    }
}
