//! Hearing the agent: use, words, plans, and how the turn ended.

use std::time::Duration;

use super::{AgentActor, Failed, Heard, Rotate, Stage, Stopping, begin::fault_of};
use crate::{
    actor::context_monitor::Usage,
    agent::{AgentEvent, ErrorClass, PlanEntry, Stop, TurnEnd},
    domain::{
        command::{Command, Fault},
        context::{UsageSample, effective_window},
    },
    process::Exit,
    runtime::{Handle, Scope},
};

/// The longest last message that is kept, in bytes; its end counts.
const MESSAGE_BYTES: usize = 8 * 1024;
/// How often notes are journaled at most.
const NOTES_PAUSE: Duration = Duration::from_secs(10);

impl Handle<Heard> for AgentActor {
    fn handle(&mut self, message: Heard, scope: &Scope<Self>) {
        let Heard { session, incarnation, event } = message;
        let stale = incarnation != scope.incarnation()
            || self.live.as_ref().is_none_or(|live| live.number != session);
        if stale {
            return;
        }
        if let Some(turn) = self.turn.as_mut() {
            turn.alive_at = self.ground.clock.instant();
        }
        let span = self.span(Some(session));
        let _entered = span.enter();
        match event {
            AgentEvent::Ready { provider_session } => tracing::debug!(provider_session, "session is open"),
            AgentEvent::Usage(sample) => self.measure(sample),
            AgentEvent::Text(text) => self.said(&text),
            AgentEvent::Plan(plan) => self.planned(&plan),
            AgentEvent::ToolCall { title, status, .. } => tracing::debug!(title, ?status, "tool call"),
            AgentEvent::Permission { title, allowed } => tracing::info!(title, allowed, "permission asked"),
            AgentEvent::Skipped { preview, bytes } => {
                tracing::warn!(preview, bytes, "output that is no protocol was skipped");
            }
            AgentEvent::Stderr(line) => tracing::debug!(line, "agent's standard error"),
            AgentEvent::Activity => {}
            AgentEvent::Compacted => tracing::warn!("the agent made room in its context by itself"),
            AgentEvent::TurnEnded(end) => self.turn_ended(end, scope),
            AgentEvent::Exited(exit) => self.exited(&exit, scope),
        }
    }
}

impl AgentActor {
    fn measure(&mut self, sample: UsageSample) {
        let (Some(live), Some(turn)) = (self.live.as_mut(), self.turn.as_ref()) else { return };
        live.used_tokens = Some(sample.used_tokens);
        live.peak_tokens = live.peak_tokens.max(Some(sample.used_tokens));
        let config = self.ground.config.load();
        let model = config.models.get(&turn.order.model);
        // Not the order's: that is what the agent said last, and it may have said too little at first.
        let configured_window_tokens = model.map_or(turn.order.window_tokens, |model| model.window_tokens);
        live.window_tokens = effective_window(configured_window_tokens, sample.reported_window_tokens);
        live.cost_usd = sample.cost_usd_total.or(live.cost_usd);
        let policy = &turn.order.ground.policy;
        let usage = Usage {
            turn: turn.order.key.clone(),
            sample,
            configured_window_tokens,
            rotate_at: policy.rotate_at,
            warn_at: policy.warn_at,
        };
        self.ground.wiring.context_monitor().port::<Usage>().deliver(usage);
    }

    fn said(&mut self, text: &str) {
        if !std::mem::replace(&mut self.spoke, true) {
            self.notes.message.clear();
        }
        self.notes.message.push_str(text);
        let excess = self.notes.message.len().saturating_sub(MESSAGE_BYTES);
        if excess > 0 {
            let cut = (excess..).find(|at| self.notes.message.is_char_boundary(*at)).unwrap_or(excess);
            self.notes.message.drain(..cut);
        }
        self.note();
    }

    fn planned(&mut self, plan: &[PlanEntry]) {
        self.notes.plan = plan.iter().map(|entry| format!("[{}] {}", entry.status, entry.content)).collect();
        self.note();
    }

    /// Has the notes journaled, so that a crash does not lose them; not more often than a person could read. What comes
    /// too soon after the last is told by the next look at the turn.
    pub(super) fn note(&mut self) {
        let Some(turn) = self.turn.as_ref().map(|turn| turn.order.key.clone()) else { return };
        let now = self.ground.clock.instant();
        self.unnoted = self.noted_at.is_some_and(|at| now.duration_since(at) < NOTES_PAUSE);
        if self.unnoted {
            return;
        }
        self.noted_at = Some(now);
        let notes = self.notes();
        self.tell(Command::Noted { turn, notes });
    }

    fn turn_ended(&mut self, end: TurnEnd, scope: &Scope<Self>) {
        let Some(turn) = self.turn.as_ref().filter(|turn| turn.stage == Stage::Working) else { return };
        let key = turn.order.key.clone();
        let stopping = turn.stopping.as_ref().map(|(why, _)| why.clone());
        tracing::debug!(stop = ?end.stop, tokens = ?end.tokens, "the agent ended its turn");
        match (end.stop, stopping) {
            (_, Some(Stopping::Limit(cause))) => self.fail(key, Failed { cause, fault: Fault::Agent }),
            (Stop::EndTurn, _) => self.harvest("end_turn", false, scope),
            (Stop::MaxTokens, rotating) => self.harvest("max_tokens", rotating.is_some(), scope),
            (Stop::MaxTurnRequests, rotating) => self.harvest("max_turn_requests", rotating.is_some(), scope),
            (Stop::Refusal, rotating) => self.harvest("refusal", rotating.is_some(), scope),
            (Stop::Cancelled | Stop::Failed(_), Some(Stopping::Rotation)) => {
                self.harvest("cancelled", true, scope);
            }
            // The agent's own window is smaller than anybody said: the same as coming to the line.
            (Stop::Failed(error), None) if error.class == ErrorClass::ContextOverflow => {
                self.harvest("context_overflow", true, scope);
            }
            (Stop::Failed(error), None) => {
                let fault = fault_of(error.class);
                if fault == Fault::Configuration
                    && let Some(turn) = &self.turn
                {
                    self.ground.health.bad(&format!("agent.{}", turn.order.agent), error.message.clone());
                }
                self.fail(key, Failed { cause: error.message, fault });
            }
            (Stop::Cancelled, None) => {
                let cause = "the agent says that it was cancelled, but nobody asked it to stop".to_owned();
                self.fail(key, Failed { cause, fault: Fault::Agent });
            }
        }
    }

    /// The tree is gone: between turns that is found out by the next order, within one it ends the session.
    fn exited(&mut self, exit: &Exit, scope: &Scope<Self>) {
        tracing::info!(
            code = exit.code,
            signal = exit.signal,
            leftovers = exit.leftovers,
            "the agent exited"
        );
        self.live = None;
        let Some(turn) = self.turn.as_ref().filter(|turn| turn.stage == Stage::Working) else { return };
        let key = turn.order.key.clone();
        match turn.stopping.as_ref().map(|(why, _)| why.clone()) {
            Some(Stopping::Rotation) => self.harvest("killed", true, scope),
            Some(Stopping::Limit(cause)) => self.fail(key, Failed { cause, fault: Fault::Agent }),
            None => {
                let cause = "the agent exited within a turn".to_owned();
                self.fail(key, Failed { cause, fault: Fault::Agent });
            }
        }
    }
}

impl Handle<Rotate> for AgentActor {
    fn handle(&mut self, message: Rotate, _scope: &Scope<Self>) {
        let Rotate { key, session } = message;
        let now = self.ground.clock.instant();
        let Some(turn) = self.turn.as_mut() else { return };
        let this = turn.order.key.task == key && turn.order.key.session == session;
        if !this || turn.stage != Stage::Working || turn.stopping.is_some() {
            return;
        }
        turn.stopping = Some((Stopping::Rotation, now));
        if let Some(live) = &self.live {
            live.hold.0.cancel();
        }
    }
}
