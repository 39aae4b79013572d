//! Workspaces, sessions and turns: beginning, measuring, failing, rotating.

use super::Step;
use crate::domain::{
    command::{Fault, TurnReport},
    event::TaskEvent,
    gate::Verdict,
    id::{SessionNo, TreeId, TurnNo},
    route::Tier,
    task::{
        ContinueCause, Ended, Ground, HandoverCause, Notes, ParkCause, Phase, Purpose, Session, Standstill,
        Task, TaskKey, TurnKey,
    },
};

/// First back-off after a failed session; it doubles up to [`LONGEST_BACKOFF_MS`].
const FIRST_BACKOFF_MS: i64 = 1_000;
const LONGEST_BACKOFF_MS: i64 = 60_000;
/// How long a task whose agent cannot be started waits before the next look.
const UNUSABLE_AGENT_PAUSE_MS: i64 = 30_000;
/// How long a task whose workspace could not be made waits before the next try.
const UNPREPARED_PAUSE_MS: i64 = 10_000;
/// How the failure of a turn that left the tree as it was is called in a standstill.
const NOTHING_CHANGED: &str = "nothing was changed";

impl Step<'_> {
    pub(super) fn prepared(&mut self, key: &TaskKey, ground: Ground) {
        if !matches!(self.current(key).map(|task| &task.phase), Some(Phase::Preparing)) {
            return;
        }
        let no_gates = ground.gates.is_empty();
        let base_branch = ground.base_branch.clone();
        self.emit(key, TaskEvent::Prepared { ground: Box::new(ground) });
        if no_gates {
            let reason = format!(
                "no gates are defined: add [gates.NAME] to `.mosaic.toml` on {base_branch} or to the configuration"
            );
            self.park(key, ParkCause::NotConfigured, reason);
            return;
        }
        self.resume(key);
    }

    pub(super) fn prepare_failed(&mut self, key: &TaskKey, reason: String, retry: bool) {
        if !matches!(self.current(key).map(|task| &task.phase), Some(Phase::Preparing)) {
            return;
        }
        if retry {
            self.wait(key, reason, UNPREPARED_PAUSE_MS);
        } else {
            self.park(key, ParkCause::NotConfigured, reason);
        }
    }

    /// Begins the first session, or the one after the last.
    pub(super) fn resume(&mut self, key: &TaskKey) {
        let cause = self.current(key).and_then(handover_cause);
        self.next_session(key, cause);
    }

    fn next_session(&mut self, key: &TaskKey, cause: Option<HandoverCause>) {
        let Some(task) = self.current(key) else { return };
        let limit = task.ground.as_ref().map_or(&self.rules.policy, |ground| &ground.policy).max_sessions;
        if task.counted_sessions() >= limit {
            let last = match (&task.last_failure, task.sessions.last().and_then(|last| last.ended)) {
                (Some(cause), Some(Ended::Failed)) => format!("; the last one failed: {cause}"),
                _ => String::new(),
            };
            let reason = format!("all {limit} sessions are used up (policy.max_sessions){last}");
            self.park(key, ParkCause::Work, reason);
            return;
        }
        if self.rules.start_barred.is_some() {
            let reason = self.rules.start_barred.clone();
            self.emit(key, TaskEvent::Readied { reason, not_before_ms: 0 });
            return;
        }
        let Some(route) = task.route.clone() else { return };
        let Some(model) = self.rules.models.get(&route.model).filter(|model| model.agent == route.agent)
        else {
            // The configuration changed under it: whoever starts ready tasks chooses anew.
            self.emit(key, TaskEvent::Readied { reason: None, not_before_ms: 0 });
            return;
        };
        let session = task.sessions.last().map_or(SessionNo::FIRST, |last| last.number.next());
        let purpose = cause.map_or(Purpose::Work, |cause| Purpose::Handover { cause });
        let ordered = TaskEvent::TurnOrdered {
            session,
            turn: TurnNo::FIRST,
            purpose,
            free: model.tier() == Tier::Free,
            window_tokens: model.window_tokens,
            model: route.model,
        };
        self.emit(key, ordered);
    }

    /// The task and its running turn, if `turn` is that one.
    fn running(&self, turn: &TurnKey) -> Option<&Task> {
        self.current(&turn.task).filter(|task| {
            matches!(&task.phase, Phase::Running { session, turn: number, .. }
                if *session == turn.session && *number == turn.turn)
        })
    }

    fn live(&self, key: &TaskKey, number: SessionNo) -> Option<&Session> {
        self.current(key).and_then(Task::live_session).filter(|session| session.number == number)
    }

    pub(super) fn usage(&mut self, turn: &TurnKey, used_tokens: u64, window_tokens: u64) {
        let Some(session) = self.live(&turn.task, turn.session) else { return };
        let step = (window_tokens / 100).max(1);
        let telling = session.window_tokens != window_tokens
            || session.used_tokens.is_none_or(|before| before.abs_diff(used_tokens) >= step);
        if telling {
            self.mark_usage(&turn.task, turn.session, used_tokens, used_tokens, window_tokens);
        }
    }

    fn mark_usage(
        &mut self,
        key: &TaskKey,
        number: SessionNo,
        used_tokens: u64,
        peak: u64,
        window_tokens: u64,
    ) {
        let Some(session) = self.live(key, number) else { return };
        let peak_tokens = session.peak_tokens.unwrap_or(0).max(peak).max(used_tokens);
        let known = (session.used_tokens, session.peak_tokens, session.window_tokens);
        if known != (Some(used_tokens), Some(peak_tokens), window_tokens) {
            let session = number;
            self.emit(key, TaskEvent::UsageMarked { session, used_tokens, peak_tokens, window_tokens });
        }
    }

    pub(super) fn warned(&mut self, key: &TaskKey, number: SessionNo) {
        if self.live(key, number).is_some_and(|session| !session.warned) {
            self.emit(key, TaskEvent::Warned { session: number });
        }
    }

    pub(super) fn rotation_ordered(&mut self, key: &TaskKey, number: SessionNo, used: u64, window: u64) {
        if self.live(key, number).is_some_and(|session| !session.rotation_ordered) {
            self.mark_usage(key, number, used, used, window);
            self.emit(
                key,
                TaskEvent::RotationOrdered { session: number, used_tokens: used, window_tokens: window },
            );
        }
    }

    pub(super) fn overrun(&mut self, key: &TaskKey, session: SessionNo) {
        if self.current(key).is_some_and(|task| task.sessions.iter().any(|known| known.number == session)) {
            self.emit(key, TaskEvent::Overrun { session });
        }
    }

    pub(super) fn noted(&mut self, turn: &TurnKey, notes: Notes) {
        if self.running(turn).is_some_and(|task| task.notes != notes) {
            self.emit(&turn.task, TaskEvent::Noted { notes });
        }
    }

    pub(super) fn turn_ended(&mut self, turn: &TurnKey, report: TurnReport) {
        if self.running(turn).is_none() {
            return;
        }
        let key = &turn.task;
        self.noted(turn, report.notes);
        if let (Some(used), Some(window)) = (report.used_tokens, report.window_tokens) {
            self.mark_usage(key, turn.session, used, report.peak_tokens.unwrap_or(used), window);
        }
        self.emit(
            key,
            TaskEvent::TurnEnded {
                session: turn.session,
                turn: turn.turn,
                stop: report.stop,
                tree: report.candidate.tree.clone(),
                cost_usd: report.cost_usd,
            },
        );
        if report.cut_short {
            self.end_session(key, Ended::Rotated, None, true);
            self.next_session(key, Some(HandoverCause::Rotated));
            return;
        }
        let Some(task) = self.current(key) else { return };
        let gate_set = task.ground.as_ref().map(|ground| ground.gate_set.as_str());
        let red_already = task.report.as_ref().filter(|last| {
            last.tree == report.candidate.tree && !last.is_green() && Some(last.gate_set.as_str()) == gate_set
        });
        if let Some(last) = red_already {
            let failing = last.failing().into_iter().map(str::to_owned).collect();
            self.fell_short(key, report.candidate.tree, failing, ContinueCause::NothingChanged);
        } else if report.candidate.tree == report.base_tree {
            let failing = vec![NOTHING_CHANGED.to_owned()];
            self.fell_short(key, report.candidate.tree, failing, ContinueCause::NothingChanged);
        } else {
            self.emit(key, TaskEvent::GatingStarted { candidate: report.candidate });
        }
    }

    pub(super) fn session_failed(&mut self, turn: &TurnKey, cause: String, fault: Fault) {
        let key = &turn.task;
        let Some(session) = self.live(key, turn.session).filter(|session| session.turns == turn.turn.0)
        else {
            return;
        };
        let came_to_be = session.turns > 1 || session.used_tokens.is_some();
        let running = self.running(turn).is_some();
        if fault == Fault::Configuration && running && !came_to_be {
            self.emit(key, TaskEvent::SessionWithdrawn { session: turn.session });
            self.wait(key, cause, UNUSABLE_AGENT_PAUSE_MS);
            return;
        }
        let counts = fault == Fault::Agent;
        self.end_session(key, Ended::Failed, Some(cause.clone()), counts);
        // Between turns the gates or the forge have the word: a new session begins only if they ask for one.
        if !running {
            return;
        }
        if fault == Fault::Configuration {
            self.wait(key, cause, UNUSABLE_AGENT_PAUSE_MS);
            return;
        }
        let Some(task) = self.current(key) else { return };
        let limit = task.ground.as_ref().map_or(&self.rules.policy, |ground| &ground.policy).max_sessions;
        if task.counted_sessions() >= limit {
            self.next_session(key, Some(HandoverCause::Failed { cause }));
            return;
        }
        let pause_ms = backoff_ms(task.failures_in_a_row);
        self.wait(key, format!("session {} failed: {cause}", turn.session), pause_ms);
    }

    /// Gives the slot back for a while.
    fn wait(&mut self, key: &TaskKey, why: String, pause_ms: i64) {
        let reason = format!("{}; tried again after {} s", why.trim_end_matches('.'), pause_ms / 1000);
        let not_before_ms = self.now_ms + pause_ms;
        self.emit(key, TaskEvent::Readied { reason: Some(reason), not_before_ms });
    }

    pub(super) fn session_lost(&mut self, key: &TaskKey, cause: String) {
        let Some(session) = self.current(key).and_then(Task::live_session) else { return };
        let turn = TurnKey { task: key.clone(), session: session.number, turn: TurnNo(session.turns) };
        self.session_failed(&turn, cause, Fault::Ours);
    }

    /// A turn brought nothing green: go on, escalate or park.
    pub(super) fn fell_short(
        &mut self,
        key: &TaskKey,
        tree: TreeId,
        failing: Vec<String>,
        cause: ContinueCause,
    ) {
        let Some(task) = self.current(key) else { return };
        let seen = task
            .standstill
            .as_ref()
            .filter(|last| last.tree == tree && last.failing == failing)
            .map_or(1, |last| last.seen + 1);
        let fruitless = task.fruitless + u32::from(task.last_turn_continued);
        let what = self.shortfall(key, &failing);
        let standstill = Standstill { tree, failing, seen };
        self.emit(key, TaskEvent::FellShort { standstill, fruitless });

        let no_progress = seen >= 3;
        if (no_progress || fruitless >= 2)
            && let Some(route) = self.escalation_of(key)
        {
            self.end_session(key, Ended::Escalated, None, true);
            self.emit(key, TaskEvent::Escalated { route });
            self.next_session(key, Some(HandoverCause::Escalated));
            return;
        }
        if no_progress {
            let reason = format!("no progress: {what} three times in a row on an unchanged tree");
            self.park(key, ParkCause::Work, reason);
            return;
        }
        self.go_on(key, cause, &what);
    }

    /// The next turn: in the same session, or, at the rotation line, in a fresh one.
    pub(super) fn go_on(&mut self, key: &TaskKey, cause: ContinueCause, what: &str) {
        let Some(task) = self.current(key) else { return };
        let policy = task.ground.as_ref().map_or(&self.rules.policy, |ground| &ground.policy);
        let spent = task.continuations >= policy.max_continuations;
        let rotate_at = policy.rotate_at;
        if spent {
            let reason =
                format!("{what} after {} continuations (policy.max_continuations)", task.continuations);
            self.park(key, ParkCause::Work, reason);
            return;
        }
        let conflict = match &cause {
            ContinueCause::Conflict { files } => Some(HandoverCause::Conflict { files: files.clone() }),
            ContinueCause::RedGates | ContinueCause::NothingChanged => None,
        };
        let Some(live) = task.live_session() else {
            let cause = conflict.or_else(|| handover_cause(task));
            self.next_session(key, cause);
            return;
        };
        let at_line =
            live.rotation_ordered || live.occupancy().is_some_and(|occupancy| occupancy >= rotate_at);
        if at_line {
            self.end_session(key, Ended::Rotated, None, true);
            self.next_session(key, conflict.or(Some(HandoverCause::Rotated)));
            return;
        }
        let ordered = TaskEvent::TurnOrdered {
            session: live.number,
            turn: TurnNo(live.turns + 1),
            purpose: Purpose::Continue { cause },
            model: live.model.clone(),
            free: live.free,
            window_tokens: live.window_tokens,
        };
        self.emit(key, ordered);
    }

    /// What falls short, for a person: `the gates lint and test are red`.
    fn shortfall(&self, key: &TaskKey, failing: &[String]) -> String {
        if failing == [NOTHING_CHANGED] {
            return NOTHING_CHANGED.to_owned();
        }
        let report = self.current(key).and_then(|task| task.report.as_ref());
        let verdict = |name: &String| {
            let word = match report.and_then(|report| report.gates.get(name)).map(|gate| gate.verdict) {
                Some(Verdict::TimedOut) => "timed out",
                Some(Verdict::NoTests) => "ran no tests",
                _ => "is red",
            };
            format!("the gate {name} {word}")
        };
        super::listed(&failing.iter().map(verdict).collect::<Vec<_>>())
    }
}

/// Why the next session begins, by how the last one ended; `None`: there was none.
fn handover_cause(task: &Task) -> Option<HandoverCause> {
    Some(match task.sessions.last()?.ended? {
        Ended::Failed => HandoverCause::Failed { cause: task.last_failure.clone().unwrap_or_default() },
        Ended::Rotated => HandoverCause::Rotated,
        Ended::Escalated => HandoverCause::Escalated,
        Ended::Finished | Ended::Interrupted | Ended::Cancelled => HandoverCause::Interrupted,
    })
}

fn backoff_ms(failures_in_a_row: u32) -> i64 {
    let doublings = failures_in_a_row.saturating_sub(1).min(16);
    (FIRST_BACKOFF_MS << doublings).min(LONGEST_BACKOFF_MS)
}
