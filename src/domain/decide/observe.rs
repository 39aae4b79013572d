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
    issue::IssueState,
    metadata::Difficulty,
    task::{Ended, ParkCause, Phase, TaskKey},
};

impl Step<'_> {
    pub(super) fn observed(&mut self, observation: Observation) {
        let Observation { snapshot, metadata, pull } = observation;
        let issue = snapshot.issue.clone();
        let was_assigned = self.state.issue(&issue).is_some_and(|record| record.snapshot.assigned);
        let assigned = snapshot.assigned && self.rules.covers(&issue.repo);
        if !assigned && !self.state.concerns(&issue) {
            return;
        }
        let changed = self.state.issue(&issue).is_none_or(|record| {
            let mut seen = record.snapshot.clone();
            seen.updated_ms = snapshot.updated_ms;
            seen != snapshot || record.metadata != metadata
        });
        let open = snapshot.state == IssueState::Open;
        let digest = text_digest(&snapshot.title, &snapshot.body);
        let title = snapshot.title.clone();
        if changed {
            let (snapshot, metadata) = (Box::new(snapshot), Box::new(metadata));
            self.record(Event::IssueSeen { snapshot, metadata });
        }

        let Some(task) = self.state.task(&issue) else {
            if open && assigned {
                self.accept(&issue, Generation::FIRST, &title, &digest, false);
            }
            return;
        };
        let key = task.key.clone();
        if task.is_over() {
            self.look_again(&key, open, assigned, !was_assigned, &title, &digest);
            return;
        }
        if pull == Some(PullState::Merged) && !task.merged {
            self.emit(&key, TaskEvent::Merged { by_person: true });
        }
        if !open {
            self.closed_on_forge(&key);
        } else if !assigned {
            self.cancel(&key, "the issue is no longer assigned to the bot");
        } else if pull == Some(PullState::Closed) && self.in_review(&key) {
            self.park(&key, ParkCause::Work, "the pull request was closed without a merge");
        } else {
            self.edited(&key, &title, &digest);
            self.touched.insert(issue);
        }
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

    fn in_review(&self, key: &TaskKey) -> bool {
        matches!(self.current(key).map(|task| &task.phase), Some(Phase::InReview(_)))
    }

    /// Closed by our merge is done; by anything else is given up.
    fn closed_on_forge(&mut self, key: &TaskKey) {
        if self.current(key).is_some_and(|task| task.merged) {
            self.finish(key);
        } else {
            self.cancel(key, "the issue was closed");
        }
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
        let difficulty = metadata
            .and_then(|metadata| metadata.difficulty.as_ref())
            .map_or(Difficulty::Medium, |field| field.value);
        let written =
            metadata.and_then(|metadata| metadata.estimated_tokens.as_ref()).map(|field| field.value);
        estimate::estimate(difficulty, written, self.state.history(&issue.repo))
    }

    fn edited(&mut self, key: &TaskKey, title: &str, digest: &str) {
        let Some(task) = self.current(key) else { return };
        if task.text_digest == digest {
            return;
        }
        let at_rest = matches!(task.phase, Phase::Received | Phase::Blocked | Phase::Ready);
        let estimate = (at_rest && task.sessions.is_empty()).then(|| self.estimate(&key.issue));
        self.emit(
            key,
            TaskEvent::Edited { title: title.to_owned(), text_digest: digest.to_owned(), estimate },
        );
    }

    /// A task that is over starts anew when a person changes the text, assigns it again or reopens the issue.
    fn look_again(
        &mut self,
        key: &TaskKey,
        open: bool,
        assigned: bool,
        newly_assigned: bool,
        title: &str,
        digest: &str,
    ) {
        let Some(task) = self.current(key) else { return };
        let (parked, done) = (matches!(task.phase, Phase::Parked(_)), matches!(task.phase, Phase::Done));
        if !open || !assigned {
            if parked {
                let why =
                    if open { "the issue is no longer assigned to the bot" } else { "the issue was closed" };
                self.cancel(key, why);
            }
            return;
        }
        let cancelled = matches!(task.phase, Phase::Cancelled);
        let text_changed = task.text_digest != digest;
        if done || newly_assigned || text_changed || (cancelled && self.was_closed(key)) {
            self.accept(&key.issue, key.generation.next(), title, digest, true);
        } else if parked {
            self.touched.insert(key.issue.clone());
        }
    }

    /// Whether a cancelled task had been cancelled for a closed issue: open again is then reopened.
    fn was_closed(&self, key: &TaskKey) -> bool {
        self.current(key).and_then(|task| task.reason.as_deref()).is_some_and(|why| why.contains("closed"))
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
        let cycle = self.state.graph().cycle_of(issue);
        match &task.phase {
            Phase::Received | Phase::Blocked | Phase::Ready => self.settle_waiting(&key, cycle),
            Phase::Preparing | Phase::Running { .. } | Phase::Gating(_) => {
                if !self.state.graph().is_free(issue) {
                    self.end_session(&key, Ended::Interrupted, None, false);
                    self.settle_waiting(&key, cycle);
                }
            }
            Phase::Parked(parking) => match parking.cause {
                ParkCause::Cycle => {
                    let same = cycle.as_ref().is_some_and(|members| parking.reason == cycle_reason(members));
                    if !same {
                        self.settle_waiting(&key, cycle);
                    }
                }
                ParkCause::NotConfigured if retry => self.settle_waiting(&key, cycle),
                ParkCause::NotConfigured | ParkCause::Work => {}
            },
            Phase::Publishing(_) | Phase::InReview(_) | Phase::Done | Phase::Cancelled => {}
        }
    }

    fn settle_waiting(&mut self, key: &TaskKey, cycle: Option<Vec<IssueRef>>) {
        if let Some(members) = cycle {
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
            parts.push(format!(
                "has {hidden} blocker(s) in a repository that the bot cannot see: give it access, or remove the dependency"
            ));
        }
        parts.join("; ")
    }
}

fn cycle_reason(members: &[IssueRef]) -> String {
    match members {
        [only] => format!("{only} blocks itself: remove that dependency"),
        _ => format!("{} block each other in a cycle: remove one of these dependencies", listed(members)),
    }
}
