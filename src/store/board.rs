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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        command::{Command, Observation},
        decide,
        issue::{IssueSnapshot, IssueState},
        metadata::Metadata,
        policy::Rules,
        state::State,
        view,
    };

    fn issue(repo: &str, number: u64) -> IssueRef {
        format!("acme/{repo}#{number}").parse().unwrap()
    }

    /// Everything ready, nothing started.
    fn rules() -> Rules {
        crate::config::Config::default().rules(BTreeMap::new(), Some("the disk is full".to_owned()))
    }

    fn ready(state: &mut State, issue: &IssueRef, created_ms: i64) {
        let snapshot = IssueSnapshot {
            issue: issue.clone(),
            title: "Lay the ground".to_owned(),
            body: String::new(),
            state: IssueState::Open,
            assigned: true,
            labels: Vec::new(),
            blockers: Vec::new(),
            blocks: Vec::new(),
            created_ms,
            updated_ms: created_ms,
        };
        let observation =
            Observation { snapshot, metadata: Metadata::default(), pull: None, assignment: None };
        decide::apply(state, Command::Observed(Box::new(observation)), &rules(), created_ms);
    }

    fn entry(state: &State, issue: &IssueRef) -> Entry {
        let task = state.task(issue).expect("it was observed");
        let view = view::view(state, task, None, None, "2025-11-24T12:00:00Z".to_owned());
        Entry { view, waiting: state.standing(issue) }
    }

    #[test]
    fn a_ready_task_says_how_many_are_ahead_of_it_now() {
        let (old, young) = (issue("app", 9), issue("lib", 2));
        let mut state = State::default();
        ready(&mut state, &young, 2_000);
        let board = Board::new();
        board.put(entry(&state, &young));
        let mut full = rules();
        (full.start_barred, full.max_tasks) = (None, 0);
        board.set_slots(Slots::of(&state, &full));
        let reason = |issue: &IssueRef| board.task(issue).and_then(|task| task.reason).unwrap();
        assert!(reason(&young).contains("0 ready tasks are ahead"), "{}", reason(&young));

        // Nothing was said of the young one since, and yet its sentence is another.
        ready(&mut state, &old, 1_000);
        board.put(entry(&state, &old));
        assert!(reason(&old).contains("0 ready tasks are ahead"), "{}", reason(&old));
        assert!(reason(&young).contains("1 ready task is ahead"), "{}", reason(&young));
        let all = board.tasks();
        assert_eq!(
            all.iter().map(|task| task.issue.clone()).collect::<Vec<_>>(),
            [old.clone(), young.clone()]
        );
        assert_eq!(
            all.iter().map(|task| task.reason.clone().unwrap()).collect::<Vec<_>>(),
            [reason(&old), reason(&young)]
        );
    }

    #[test]
    fn what_bars_all_starts_is_told_instead_and_who_does_not_wait_says_nothing() {
        let (first, other) = (issue("app", 1), issue("app", 2));
        let mut state = State::default();
        ready(&mut state, &first, 1_000);
        ready(&mut state, &other, 2_000);
        let board = Board::new();
        board.put(entry(&state, &first));
        board.put(Entry { waiting: None, ..entry(&state, &other) });
        board.set_slots(Slots::of(&state, &rules()));
        assert_eq!(board.task(&first).unwrap().reason.as_deref(), Some("the disk is full"));
        assert_eq!(board.task(&other).unwrap().reason, None);
        assert_eq!(board.tasks()[1].reason, None);
        assert_eq!(board.task(&issue("app", 3)), None);
    }

    #[test]
    fn branches_and_pull_requests_lead_to_their_issue() {
        let first = issue("app", 1);
        let mut state = State::default();
        ready(&mut state, &first, 1_000);
        let board = Board::new();
        let mut shown = entry(&state, &first);
        let branch = shown.view.branch.clone();
        board.put(shown.clone());
        assert_eq!(board.issue_of_pull(&first.repo, 7), None);
        shown.view.pull_request = Some(7);
        board.put(shown);
        assert_eq!(board.issue_of_branch(&first.repo, &branch), Some(first.clone()));
        assert_eq!(board.issue_of_pull(&first.repo, 7), Some(first.clone()));
        let elsewhere = issue("lib", 1).repo;
        assert_eq!(board.issue_of_branch(&elsewhere, &branch), None);
        assert_eq!(board.issue_of_pull(&elsewhere, 7), None);
        assert_eq!(board.issue_of_branch(&first.repo, "main"), None);
    }

    #[test]
    fn the_measures_are_those_that_were_shown_last() {
        let board = Board::default();
        assert_eq!(board.report(), Ledger::new().report());
        let report = Report { rotations: 3, ..board.report() };
        board.set_report(report.clone());
        assert_eq!(board.report(), report);
    }
}
