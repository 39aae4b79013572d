//! The one decision: (state, command, rules, now) → events.
//!
//! Every event is folded in as soon as it is decided, so that the next question of the same command sees it; the
//! caller makes the events durable before anyone else sees the state, and throws the state away when it cannot.

mod observe;
mod publish;
mod schedule;
mod session;
mod verify;

pub use schedule::Slots;

use std::collections::BTreeSet;

use super::{
    command::Command,
    event::{Event, TaskEvent},
    evolve::evolve,
    id::{IssueRef, RepoRef},
    policy::Rules,
    state::State,
    task::{Ended, ParkCause, Parking, Phase, PostedComment, Task, TaskKey},
};

/// Decides upon one command. The returned events are already folded into `state`.
pub fn apply(state: &mut State, command: Command, rules: &Rules, now_ms: i64) -> Vec<Event> {
    let mut step = Step { state, rules, now_ms, events: Vec::new(), touched: BTreeSet::new() };
    step.decide(command);
    step.settle_touched();
    step.start_ready();
    step.events
}

/// One decision in the making.
struct Step<'a> {
    state: &'a mut State,
    rules: &'a Rules,
    now_ms: i64,
    events: Vec<Event>,
    /// Issues whose dependencies changed.
    touched: BTreeSet<IssueRef>,
}

impl Step<'_> {
    fn decide(&mut self, command: Command) {
        match command {
            Command::Started => self.started(),
            Command::Reconfigured => {
                self.reconfigured();
                self.lift_waits();
            }
            Command::Tick => {}
            Command::Observed(observation) => self.observed(*observation),
            Command::Unreadable(issue) => self.unreadable(issue),
            Command::Prepared { key, ground } => self.prepared(&key, *ground),
            Command::PrepareFailed { key, reason, retry } => self.prepare_failed(&key, reason, retry),
            Command::Usage { turn, used_tokens, window_tokens } => {
                self.usage(&turn, used_tokens, window_tokens);
            }
            Command::Warned { key, session } => self.warned(&key, session),
            Command::RotationOrdered { key, session, used_tokens, window_tokens } => {
                self.rotation_ordered(&key, session, used_tokens, window_tokens);
            }
            Command::Overrun { key, session } => self.overrun(&key, session),
            Command::Noted { turn, notes } => self.noted(&turn, notes),
            Command::TurnEnded { turn, report } => self.turn_ended(&turn, *report),
            Command::SessionFailed { turn, cause, fault } => self.session_failed(&turn, cause, fault),
            Command::SessionLost { key, cause } => self.session_lost(&key, cause),
            Command::Verified { key, report } => self.verified(&key, *report),
            Command::VerifyFailed { key, reason } => self.verify_failed(&key, reason),
            Command::Pushed { key, commit, tree } => self.pushed(&key, commit, tree),
            Command::PullOpened { key, number } => self.pull_opened(&key, number),
            Command::PublishDelayed { key, reason } => self.publish_delayed(&key, reason),
            Command::BaseChanged { repo } => self.look_at_unconfigured(Some(&repo)),
            Command::PublishEnded { key, commit, outcome } => self.publish_ended(&key, &commit, outcome),
            Command::Closed { key } => self.closed(&key),
            Command::CloseRefused { key, reason } => self.close_refused(&key, reason),
            Command::CommentPosted { key, id, digest } => {
                let posted = PostedComment { id, digest };
                if self.current(&key).is_some_and(|task| task.comment.as_ref() != Some(&posted)) {
                    let PostedComment { id, digest } = posted;
                    self.emit(&key, TaskEvent::CommentPosted { id, digest });
                }
            }
        }
    }

    fn record(&mut self, event: Event) {
        self.touched.extend(evolve(self.state, &event, self.now_ms));
        self.events.push(event);
    }

    fn emit(&mut self, key: &TaskKey, what: TaskEvent) {
        self.record(Event::Task { key: key.clone(), what });
    }

    /// The task, unless the key is of an older generation.
    fn current(&self, key: &TaskKey) -> Option<&Task> {
        self.state.task(&key.issue).filter(|task| task.key == *key)
    }

    fn end_session(&mut self, key: &TaskKey, ended: Ended, cause: Option<String>, counts: bool) {
        let Some(session) = self.current(key).and_then(Task::live_session) else { return };
        let session = session.number;
        self.emit(key, TaskEvent::SessionEnded { session, ended, cause, counts });
    }

    fn park(&mut self, key: &TaskKey, cause: ParkCause, reason: impl Into<String>) {
        self.end_session(key, Ended::Cancelled, None, true);
        self.emit(key, TaskEvent::Parked { parking: Parking { cause, reason: reason.into() } });
    }

    fn cancel(&mut self, key: &TaskKey, reason: &str) {
        self.end_session(key, Ended::Cancelled, None, true);
        self.emit(key, TaskEvent::Cancelled { reason: reason.to_owned() });
    }

    /// Sessions of the process before are over; what they were at is taken up by a fresh one.
    fn started(&mut self) {
        let live: Vec<TaskKey> = self
            .state
            .tasks()
            .filter(|task| task.live_session().is_some())
            .map(|task| task.key.clone())
            .collect();
        for key in live {
            self.end_session(&key, Ended::Interrupted, None, false);
            if matches!(self.current(&key).map(|task| &task.phase), Some(Phase::Running { .. })) {
                self.resume(&key);
            }
        }
        self.reconfigured();
    }

    /// Tasks that were parked for a lack of configuration are looked at again.
    fn reconfigured(&mut self) {
        self.look_at_unconfigured(None);
    }

    /// The same in one repository, where what was missing may have been pushed.
    fn look_at_unconfigured(&mut self, repo: Option<&RepoRef>) {
        if self.rules.models.is_empty() {
            return;
        }
        let parked: Vec<TaskKey> = self
            .state
            .tasks()
            .filter(|task| repo.is_none_or(|repo| task.key.issue.repo == *repo))
            .filter(|task| {
                matches!(&task.phase, Phase::Parked(parking) if parking.cause == ParkCause::NotConfigured)
            })
            .map(|task| task.key.clone())
            .collect();
        for key in parked {
            self.settle(&key.issue, true);
        }
    }

    /// Who reloads the configuration has mended something: nobody waits for the next look by the clock.
    fn lift_waits(&mut self) {
        let waiting: Vec<TaskKey> = self
            .state
            .tasks()
            .filter(|task| matches!(task.phase, Phase::Ready) && task.not_before_ms > self.now_ms)
            .map(|task| task.key.clone())
            .collect();
        for key in waiting {
            self.emit(&key, TaskEvent::Readied { reason: None, not_before_ms: self.now_ms });
        }
    }
}

/// A list for a person: `a`, `a and b`, `a, b and c`.
fn listed<T: ToString>(items: &[T]) -> String {
    let words: Vec<String> = items.iter().map(ToString::to_string).collect();
    match words.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
pub(in crate::domain) mod tests;
