//! What the forge says of an issue: acceptance, edits, blockers, withdrawal, new generations.

use super::{Step, listed};
use crate::domain::{
    branch::branch_name,
    command::{Observation, PullState},
    digest::text_digest,
    estimate::{self, Estimate},
    event::{Event, TaskEvent},
    graph::NodeState,
    id::{Generation, IssueRef},
    issue::{IssueSnapshot, IssueState},
    metadata::Metadata,
    task::{Candidate, Ended, ParkCause, Phase, TaskKey},
};

impl Step<'_> {
    pub(super) fn observed(&mut self, observation: Observation) {
        let Observation { snapshot, metadata, pull, assignment } = observation;
        let issue = snapshot.issue.clone();
        let standing = self.standing_of(&snapshot);
        if standing != Standing::Ours && !self.state.concerns(&issue) {
            return;
        }
        let digest = text_digest(&snapshot.title, &snapshot.body);
        let title = snapshot.title.clone();
        if self.is_news(&snapshot, &metadata) {
            let (snapshot, metadata) = (Box::new(snapshot), Box::new(metadata));
            self.record(Event::IssueSeen { snapshot, metadata });
        }

        let Some(task) = self.state.task(&issue) else {
            if standing == Standing::Ours {
                self.accept(&issue, Generation::FIRST, &title, &digest, false);
            }
            return;
        };
        let key = task.key.clone();
        if task.is_over() {
            self.look_again(&key, standing, assignment, &title, &digest);
            return;
        }
        if pull == Some(PullState::Merged) && !task.merged {
            self.merged_by_person(&key);
        }
        if self.current(&key).is_some_and(|task| task.merged) {
            // What is merged is neither taken back nor done anew: only its issue is still to be closed.
            if standing == Standing::Closed {
                self.finish(&key);
            }
            return;
        }
        if let Some(why) = standing.withdrawal() {
            self.cancel(&key, why);
        } else if pull == Some(PullState::Closed) && self.in_review(&key) {
            self.park(&key, ParkCause::Work, "the pull request was closed without a merge");
        } else {
            self.edited(&key, &title, &digest);
            self.touched.insert(issue);
        }
    }

    fn standing_of(&self, snapshot: &IssueSnapshot) -> Standing {
        if snapshot.state == IssueState::Closed {
            Standing::Closed
        } else if !snapshot.assigned {
            Standing::Unassigned
        } else if !self.rules.covers(&snapshot.issue.repo) {
            Standing::Uncovered
        } else {
            Standing::Ours
        }
    }

    /// Whether an observation says anything new; the forge's clock alone is no news.
    fn is_news(&self, snapshot: &IssueSnapshot, metadata: &Metadata) -> bool {
        let issue = &snapshot.issue;
        let Some(record) = self.state.issue(issue) else { return true };
        let same = record.snapshot
            == IssueSnapshot { updated_ms: record.snapshot.updated_ms, ..snapshot.clone() }
            && record.metadata == *metadata;
        !same || self.state.is_unreadable(issue) || !self.graph_agrees(snapshot)
    }

    /// Whether the graph was last told the same of the issue and its blockers; other records may have said otherwise.
    fn graph_agrees(&self, snapshot: &IssueSnapshot) -> bool {
        let graph = self.state.graph();
        let blockers =
            snapshot.blockers.iter().filter_map(|blocker| Some((blocker.issue.as_ref()?, blocker.state)));
        let mut told = blockers
            .filter(|(blocker, _)| **blocker != snapshot.issue)
            .map(|(blocker, state)| (blocker, state.map_or(NodeState::Unknown, NodeState::from)))
            .chain([(&snapshot.issue, NodeState::from(snapshot.state))]);
        told.all(|(issue, state)| graph.state(issue) == state)
    }

    pub(super) fn unreadable(&mut self, issue: IssueRef) {
        let live = self.state.task(&issue).filter(|task| !task.is_over()).map(|task| task.key.clone());
        if let Some(key) = live {
            self.cancel(&key, "the issue cannot be read any more (deleted, moved, or hidden from the bot)");
        }
        if !self.state.is_unreadable(&issue) && self.state.concerns(&issue) {
            self.record(Event::IssueUnreadable { issue });
        }
    }

    /// A person merged the pull request, at whatever the task was: what is left is to see its issue closed.
    fn merged_by_person(&mut self, key: &TaskKey) {
        self.emit(key, TaskEvent::Merged { by_person: true });
        let Some(task) = self.current(key) else { return };
        let (Some(commit), Some(ground)) = (&task.pushed, &task.ground) else { return };
        if matches!(task.phase, Phase::Publishing(_) | Phase::InReview(_)) {
            return;
        }
        let tree = task.report.as_ref().map(|report| &report.tree).or(task.last_tree.as_ref());
        let Some(tree) = tree.cloned() else { return };
        let candidate = Candidate { commit: commit.clone(), tree, base: ground.base.clone() };
        self.end_session(key, Ended::Finished, None, true);
        self.emit(key, TaskEvent::WaitsForReview { candidate, reason: None });
    }

    fn in_review(&self, key: &TaskKey) -> bool {
        matches!(self.current(key).map(|task| &task.phase), Some(Phase::InReview(_)))
    }

    fn accept(
        &mut self,
        issue: &IssueRef,
        generation: Generation,
        title: &str,
        digest: &str,
        restarted_by_person: bool,
    ) {
        let key = TaskKey { issue: issue.clone(), generation };
        let accepted = TaskEvent::Accepted {
            title: title.to_owned(),
            branch: branch_name(issue.number, title, generation),
            text_digest: digest.to_owned(),
            estimate: self.estimate(issue),
            restarted_by_person,
        };
        self.emit(&key, accepted);
        self.touched.insert(issue.clone());
    }

    fn estimate(&self, issue: &IssueRef) -> Estimate {
        let metadata = self.state.issue(issue).map(|record| &record.metadata);
        let difficulty = metadata.map(|metadata| metadata.difficulty_in_force().value).unwrap_or_default();
        let written =
            metadata.and_then(|metadata| metadata.estimated_tokens.as_ref()).map(|field| field.value);
        estimate::estimate(difficulty, written, self.state.history(&issue.repo))
    }

    fn edited(&mut self, key: &TaskKey, title: &str, digest: &str) {
        let Some(task) = self.current(key) else { return };
        let at_rest = matches!(task.phase, Phase::Received | Phase::Blocked | Phase::Ready);
        let estimate = (at_rest && task.sessions.is_empty()).then(|| self.estimate(&key.issue));
        // A label may ask for another estimate without a word of the text being changed.
        let same_estimate = estimate.as_ref().is_none_or(|estimate| *estimate == task.estimate);
        if task.text_digest == digest && same_estimate {
            return;
        }
        self.emit(
            key,
            TaskEvent::Edited { title: title.to_owned(), text_digest: digest.to_owned(), estimate },
        );
    }

    /// A task that is over starts anew when a person changes the text, assigns it again or reopens the issue.
    fn look_again(
        &mut self,
        key: &TaskKey,
        standing: Standing,
        assignment: Option<i64>,
        title: &str,
        digest: &str,
    ) {
        let Some(task) = self.current(key) else { return };
        let parked = matches!(task.phase, Phase::Parked(_));
        let before = task.assignment;
        // Taken away and given back between two looks leaves the same assignees: only the history tells.
        let assigned_anew = assignment.zip(before).is_some_and(|(now, before)| now > before);
        match standing.withdrawal() {
            Some(why) if parked => self.cancel(key, why),
            Some(_) => {}
            // What was done or given up was closed, taken away or out of sight: a person brought it back.
            None if !parked || task.text_digest != digest || assigned_anew => {
                self.accept(&key.issue, key.generation.next(), title, digest, true);
            }
            None => {
                if let (Some(assignment), None) = (assignment, before) {
                    self.emit(key, TaskEvent::AssignmentNoted { assignment });
                }
                self.touched.insert(key.issue.clone());
            }
        }
    }

    pub(super) fn settle_touched(&mut self) {
        while let Some(issue) = self.touched.pop_first() {
            self.settle(&issue, false);
        }
    }

    /// Brings a task in line with its blockers. `retry` also takes up one parked for a lack of configuration.
    pub(super) fn settle(&mut self, issue: &IssueRef, retry: bool) {
        let Some(task) = self.state.task(issue) else { return };
        let key = task.key.clone();
        match &task.phase {
            Phase::Received | Phase::Blocked | Phase::Ready => self.settle_waiting(&key),
            Phase::Preparing | Phase::Running { .. } | Phase::Gating(_) => {
                if !self.state.graph().is_free(issue) {
                    self.end_session(&key, Ended::Interrupted, None, false);
                    self.settle_waiting(&key);
                }
            }
            Phase::Parked(parking) => match parking.cause {
                ParkCause::Cycle => {
                    let cycle = self.state.graph().cycle_of(issue);
                    if cycle.is_none_or(|members| parking.reason != cycle_reason(&members)) {
                        self.settle_waiting(&key);
                    }
                }
                ParkCause::NotConfigured if retry => self.settle_waiting(&key),
                ParkCause::NotConfigured | ParkCause::Work => {}
            },
            Phase::Publishing(_) | Phase::InReview(_) | Phase::Done | Phase::Cancelled => {}
        }
    }

    pub(super) fn settle_waiting(&mut self, key: &TaskKey) {
        if let Some(members) = self.state.graph().cycle_of(&key.issue) {
            self.park(key, ParkCause::Cycle, cycle_reason(&members));
            return;
        }
        let Some(task) = self.current(key) else { return };
        if self.state.graph().is_free(&key.issue) {
            if !matches!(task.phase, Phase::Ready) {
                self.emit(key, TaskEvent::Readied { reason: None, not_before_ms: 0 });
            }
            return;
        }
        let reason = self.blocked_reason(&key.issue);
        let said = matches!(task.phase, Phase::Blocked) && task.reason.as_deref() == Some(reason.as_str());
        if !said {
            self.emit(key, TaskEvent::Blocked { reason });
        }
    }

    fn blocked_reason(&self, issue: &IssueRef) -> String {
        let graph = self.state.graph();
        let (unknown, open): (Vec<IssueRef>, Vec<IssueRef>) = graph
            .open_blockers(issue)
            .into_iter()
            .partition(|blocker| graph.state(blocker) == NodeState::Unknown);
        let mut parts = Vec::new();
        if !open.is_empty() {
            parts.push(format!("waits for {} to be closed", listed(&open)));
        }
        if !unknown.is_empty() {
            parts.push(format!(
                "is blocked by {}, which the bot cannot read: give it access, or remove the dependency",
                listed(&unknown)
            ));
        }
        let hidden = graph.hidden(issue);
        if hidden > 0 {
            let blockers = if hidden == 1 { "a blocker".to_owned() } else { format!("{hidden} blockers") };
            parts.push(format!(
                "has {blockers} in a repository that the bot cannot see: give it access, or remove the dependency"
            ));
        }
        parts.join("; ")
    }
}

/// How an issue stands towards the bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Open, assigned to the bot, in a repository it works in.
    Ours,
    Closed,
    Unassigned,
    Uncovered,
}

impl Standing {
    /// Why a task on it is given up, if it is.
    fn withdrawal(self) -> Option<&'static str> {
        match self {
            Self::Ours => None,
            Self::Closed => Some("the issue was closed"),
            Self::Unassigned => Some("the issue is no longer assigned to the bot"),
            Self::Uncovered => Some("its repository is no longer among gitea.repositories"),
        }
    }
}

fn cycle_reason(members: &[IssueRef]) -> String {
    match members {
        [only] => format!("{only} blocks itself: remove that dependency"),
        _ => format!("{} block each other in a cycle: remove one of these dependencies", listed(members)),
    }
}
