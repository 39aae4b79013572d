//! What became of a green commit on the forge.

use super::Step;
use crate::domain::{
    command::PublishOutcome,
    event::TaskEvent,
    id::{CommitId, TreeId},
    task::{Candidate, ContinueCause, Ended, Ground, ParkCause, Phase, TaskKey},
};

impl Step<'_> {
    fn publishing(&self, key: &TaskKey) -> Option<&Candidate> {
        match self.current(key).map(|task| &task.phase) {
            Some(Phase::Publishing(candidate) | Phase::InReview(candidate)) => Some(candidate),
            _ => None,
        }
    }

    pub(super) fn pushed(&mut self, key: &TaskKey, commit: CommitId, tree: TreeId) {
        // What is on the forge is true whatever the task's state is by now.
        if self.current(key).is_some_and(|task| task.pushed.as_ref() != Some(&commit)) {
            self.emit(key, TaskEvent::Pushed { commit, tree });
        }
    }

    pub(super) fn pull_opened(&mut self, key: &TaskKey, number: u64) {
        if self.current(key).is_some_and(|task| task.pull_request != Some(number)) {
            self.emit(key, TaskEvent::PullOpened { number });
        }
    }

    pub(super) fn publish_delayed(&mut self, key: &TaskKey, reason: String) {
        let Some(task) = self.current(key) else { return };
        let reason = format!("publishing is tried again: {reason}");
        if matches!(task.phase, Phase::Publishing(_)) && task.reason.as_ref() != Some(&reason) {
            self.emit(key, TaskEvent::PublishDelayed { reason });
        }
    }

    pub(super) fn publish_ended(&mut self, key: &TaskKey, commit: &CommitId, outcome: PublishOutcome) {
        let Some(candidate) = self.publishing(key).cloned() else { return };
        let merged = self.current(key).is_some_and(|task| task.merged);
        if candidate.commit != *commit || merged {
            return;
        }
        match outcome {
            PublishOutcome::Merged => self.emit(key, TaskEvent::Merged { by_person: false }),
            PublishOutcome::WaitsForReview(reason) => {
                let told = self
                    .current(key)
                    .is_some_and(|task| matches!(task.phase, Phase::InReview(_)) && task.reason == reason);
                if !told {
                    self.end_session(key, Ended::Finished, None, true);
                    self.emit(key, TaskEvent::WaitsForReview { candidate, reason });
                }
            }
            PublishOutcome::BaseMoved { ground, candidate } => {
                self.emit(key, TaskEvent::BaseMoved { ground, candidate });
                // A blocker that came up meanwhile stops what is not on the forge yet.
                self.touched.insert(key.issue.clone());
            }
            PublishOutcome::Conflicted { ground, files } => self.conflicted(key, ground, files),
            PublishOutcome::Refused(reason) => self.park(key, ParkCause::Work, reason),
        }
    }

    fn conflicted(&mut self, key: &TaskKey, ground: Box<Ground>, files: Vec<String>) {
        if !self.state.graph().is_free(&key.issue) {
            // Stopped by a blocker: the conflict is met again when the work goes on.
            self.end_session(key, Ended::Interrupted, None, false);
            self.settle_waiting(key);
            return;
        }
        let what = format!("the work conflicts with {} in {}", ground.base_branch, super::listed(&files));
        if self.current(key).is_some_and(|task| task.conflict_turn_spent) {
            let reason = format!("{what}, and the one turn to resolve it is spent");
            self.park(key, ParkCause::Work, reason);
            return;
        }
        self.emit(key, TaskEvent::Conflicted { ground, files: files.clone() });
        self.go_on(key, ContinueCause::Conflict { files }, &what);
    }

    pub(super) fn closed(&mut self, key: &TaskKey) {
        if self.current(key).is_some_and(|task| task.merged && !task.is_over()) {
            self.finish(key);
        }
    }

    pub(super) fn close_refused(&mut self, key: &TaskKey, reason: String) {
        let Some(candidate) = self.publishing(key).cloned() else { return };
        if self.current(key).is_none_or(|task| !task.merged || task.reason.as_ref() == Some(&reason)) {
            return;
        }
        self.end_session(key, Ended::Finished, None, true);
        self.emit(key, TaskEvent::WaitsForReview { candidate, reason: Some(reason) });
    }

    pub(super) fn finish(&mut self, key: &TaskKey) {
        self.end_session(key, Ended::Finished, None, true);
        self.emit(key, TaskEvent::Done);
    }
}
