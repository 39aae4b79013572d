//! Our side of the wire: what is sent, and which turn is open.
//!
//! Owns the ids of our requests and the state of the turn, shared by the pump and by all who hold the session.
//! Promises at most one turn at a time, and that a turn is ended exactly once.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::{codec, wire};
use crate::agent::{
    outbox::{Outbox, Refused},
    session::{PromptError, Wire},
};

/// The wire of one session.
pub(super) struct Link {
    outbox: Outbox,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_id: u64,
    session_id: String,
    turn: Option<Turn>,
    /// The end of the session is our wish.
    ending: bool,
    /// Nothing is heard any more.
    over: bool,
}

/// The running turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// Id of its prompt.
    pub(super) id: u64,
    pub(super) cancelled: bool,
}

impl Link {
    pub(super) fn new(outbox: Outbox) -> Self {
        Self { outbox, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request that is no prompt; its id.
    pub(super) fn call(&self, method: &str, params: &Value) -> Result<u64, Refused> {
        let mut state = self.state();
        state.last_id += 1;
        self.outbox.send(codec::request(state.last_id, method, params))?;
        Ok(state.last_id)
    }

    /// Notes the session's id, with which prompts become possible.
    pub(super) fn opened(&self, session_id: &str) {
        session_id.clone_into(&mut self.state().session_id);
    }

    /// Whether an update of the named session concerns ours; one without a name does.
    pub(super) fn is_ours(&self, session_id: Option<&str>) -> bool {
        let state = self.state();
        session_id.is_none_or(|id| state.session_id.is_empty() || id == state.session_id)
    }

    /// Sends an answer to the agent.
    pub(super) fn answer(&self, line: String) {
        if self.outbox.send(line).is_err() {
            tracing::debug!("agent does not read the answer that it asked for");
        }
    }

    /// Whether the running turn was told to end, so that nothing is granted any more.
    pub(super) fn is_cancelled(&self) -> bool {
        let state = self.state();
        state.ending || state.turn.is_some_and(|turn| turn.cancelled)
    }

    /// Whether the end of the session is our wish.
    pub(super) fn is_ending(&self) -> bool {
        self.state().ending
    }

    /// Ends the turn whose prompt had this id; none if that is not running.
    pub(super) fn end_turn(&self, id: u64) -> Option<Turn> {
        self.state().turn.take_if(|turn| turn.id == id)
    }

    /// Ends the session; the turn that it interrupts, and whether that was our wish.
    pub(super) fn end_session(&self) -> (Option<Turn>, bool) {
        let mut state = self.state();
        state.over = true;
        (state.turn.take(), state.ending)
    }
}

impl Wire for Link {
    fn prompt(&self, text: &str) -> Result<(), PromptError> {
        let mut state = self.state();
        if state.over || state.ending {
            return Err(PromptError::Gone);
        }
        if state.turn.is_some() {
            return Err(PromptError::TurnRunning);
        }
        state.last_id += 1;
        let line = codec::request(state.last_id, "session/prompt", &wire::prompt(&state.session_id, text));
        self.outbox.send(line).map_err(|Refused| PromptError::Gone)?;
        state.turn = Some(Turn { id: state.last_id, cancelled: false });
        Ok(())
    }

    fn cancel(&self) -> bool {
        let mut state = self.state();
        let Some(turn) = &mut state.turn else { return false };
        turn.cancelled = true;
        let line = codec::notification("session/cancel", &json!({ "sessionId": state.session_id }));
        // An agent that does not read is not cancelled by words; the caller's deadline sees to it.
        let _ = self.outbox.send(line);
        true
    }

    fn ending(&self) {
        self.state().ending = true;
    }

    fn hang_up(&self) {
        self.outbox.end();
    }
}
