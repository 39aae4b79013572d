//! A running session: its events, and the hold on it.
//!
//! Owns the life of one agent's process tree from the open session to its end. Promises that the tree is gone
//! when [`SessionControl::close`] returns, and after a [`Session`] is dropped. Never speaks a protocol: that is
//! the driver's [`Wire`].

use std::{fmt, sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::timeout};

use super::AgentEvent;
use crate::process::{Control, Exit, Ladder};

/// How hard an agent that does not leave by itself is asked to.
const LADDER: Ladder =
    Ladder { interrupt_for: Duration::from_secs(2), terminate_for: Duration::from_secs(3) };

/// A driver's wire to its agent. No call of it waits.
pub(super) trait Wire: Send + Sync {
    /// Begins a turn.
    fn prompt(&self, text: &str) -> Result<(), PromptError>;
    /// Asks the agent to end its turn; tells whether one is running.
    fn cancel(&self) -> bool;
    /// Notes that the end of the session is our wish.
    fn ending(&self);
    /// Closes the agent's standard input.
    fn hang_up(&self);
}

/// Why a prompt was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// The last turn has not ended.
    #[error("a turn is running: cancel it, or wait for its end")]
    TurnRunning,
    /// The session has ended, or its agent no longer reads.
    #[error("the session takes no more prompts")]
    Gone,
}

/// An open session. Dropping it kills its whole process tree.
pub struct Session {
    /// What happens; closed after [`AgentEvent::Exited`]. Must be read: an agent waits when nobody does.
    pub events: mpsc::Receiver<AgentEvent>,
    provider_session: String,
    hold: Hold,
}

/// Kills the tree when it is dropped.
struct Hold(SessionControl);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.kill();
    }
}

impl Session {
    pub(super) fn new(
        events: mpsc::Receiver<AgentEvent>,
        provider_session: String,
        control: SessionControl,
    ) -> Self {
        Self { events, provider_session, hold: Hold(control) }
    }

    /// A further hold on the session. It may outlive it.
    pub fn control(&self) -> SessionControl {
        self.hold.0.clone()
    }

    /// The session's name in the agent's own books.
    pub fn provider_session(&self) -> &str {
        &self.provider_session
    }
}

/// What can be done to a session; clones are equal.
#[derive(Clone)]
pub struct SessionControl {
    wire: Arc<dyn Wire>,
    process: Control,
}

impl SessionControl {
    pub(super) fn new(wire: Arc<dyn Wire>, process: Control) -> Self {
        Self { wire, process }
    }

    /// Begins the next turn; its end is an [`AgentEvent::TurnEnded`].
    pub fn prompt(&self, text: &str) -> Result<(), PromptError> {
        self.wire.prompt(text)
    }

    /// Asks the agent to end the running turn and refuses every permission until the next prompt. The turn's end
    /// is told as an event. False when none is running.
    pub fn cancel(&self) -> bool {
        self.wire.cancel()
    }

    /// Ends the session: closes the agent's standard input, gives it `grace` to leave, then interrupts, terminates
    /// and kills (2 s and 3 s apart). When this returns the whole tree is gone; its events may still be unread.
    pub async fn close(&self, grace: Duration) -> Exit {
        self.wire.ending();
        self.wire.hang_up();
        match timeout(grace, self.process.ended()).await {
            Ok(exit) => exit,
            Err(_) => self.process.stop(LADDER).await,
        }
    }

    /// Kills the whole tree at once; the end is told as an event.
    pub fn kill(&self) {
        self.wire.ending();
        self.process.kill();
    }

    /// Processor time of the whole tree so far, in milliseconds; none once it is gone.
    pub fn cpu_ms(&self) -> Option<u64> {
        self.process.cpu_ms()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("provider_session", &self.provider_session).finish_non_exhaustive()
    }
}

impl fmt::Debug for SessionControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionControl").field("process", &self.process).finish_non_exhaustive()
    }
}
