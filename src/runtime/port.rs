//! The sending side of a mailbox, for one message type and whichever role stands behind it.
//!
//! Promises an exact bound: a message has its place before it is sent, and a refused one is given back and counted.
//! An accepted message is handled even when its asker went away. Never waits and never blocks the sender.

use std::fmt;
use std::sync::Arc;

use tokio::runtime;
use tokio::sync::{mpsc, oneshot};

use super::clock::Clock;
use super::policy::Backoff;
use super::role::Message;

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// All places of the mailbox are taken; a later try may succeed.
    #[error("its mailbox is full; try again later")]
    Full,
    /// The actor has stopped for good.
    #[error("it has stopped")]
    Gone,
}

/// A message that was not taken, given back.
#[derive(thiserror::Error)]
#[error("actor refused the message: {why}")]
pub struct Refused<M> {
    /// The message.
    pub message: M,
    /// The reason.
    pub why: Why,
}

impl<M> fmt::Debug for Refused<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Refused").field("why", &self.why).finish_non_exhaustive()
    }
}

/// Why an `ask` has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The mailbox was full, and the message was not taken.
    #[error("actor's mailbox is full; try again later")]
    Full,
    /// The role crashed on this very message.
    #[error("actor crashed on the message: {0}")]
    Crashed(String),
    /// The actor has stopped for good.
    #[error("actor has stopped")]
    Gone,
}

/// What deferred sending needs: the pool it runs on and the clock it waits by.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    pub(super) pool: runtime::Handle,
    pub(super) clock: Clock,
}

/// Whether a refusal is to be counted: one message counts once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    First,
    Again,
}

/// Where the answer to an `ask` goes.
pub(super) type ReplySlot<M> = oneshot::Sender<Result<<M as Message>::Reply, Lost>>;

/// A mailbox as seen by who sends to it.
pub(super) trait Inlet<M: Message>: Send + Sync {
    fn id(&self) -> &str;
    fn ground(&self) -> &Ground;
    fn push(&self, message: M, reply: Option<ReplySlot<M>>, attempt: Attempt) -> Result<(), Refused<M>>;
}

/// Sends messages of one type to one actor.
pub struct Port<M: Message> {
    inlet: Arc<dyn Inlet<M>>,
}

impl<M: Message> Port<M> {
    pub(super) fn new(inlet: Arc<dyn Inlet<M>>) -> Self {
        Self { inlet }
    }

    /// The actor's id.
    pub fn id(&self) -> &str {
        self.inlet.id()
    }

    /// Sends the message, or gives it back at once.
    pub fn tell(&self, message: M) -> Result<(), Refused<M>> {
        self.inlet.push(message, None, Attempt::First)
    }

    /// Sends the message; while the mailbox is full, keeps it and tries again with back-off, until it is accepted or the
    /// actor is gone. A message kept may be overtaken by later ones.
    pub fn deliver(&self, message: M) {
        let Err(Refused { message, why: Why::Full }) = self.tell(message) else { return };
        let Ground { pool, clock } = self.inlet.ground().clone();
        let inlet = Arc::clone(&self.inlet);
        pool.spawn(async move {
            let (mut message, mut failures) = (message, 1);
            loop {
                clock.sleep(Backoff::REDELIVERY.delay(failures)).await;
                match inlet.push(message, None, Attempt::Again) {
                    Err(Refused { message: back, why: Why::Full }) => message = back,
                    Ok(()) | Err(_) => return,
                }
                failures = failures.saturating_add(1);
            }
        });
    }

    /// Sends the message now; the future ends with its answer. Dropping the future does not take the message back.
    pub fn ask(&self, message: M) -> impl Future<Output = Result<M::Reply, Lost>> + Send + 'static + use<M> {
        let (slot, answer) = oneshot::channel();
        let sent =
            self.inlet.push(message, Some(slot), Attempt::First).map_err(|refused| match refused.why {
                Why::Full => Lost::Full,
                Why::Gone => Lost::Gone,
            });
        async move {
            sent?;
            // A slot dropped without an answer means that the actor's thread ended with the message unhandled.
            answer.await.unwrap_or(Err(Lost::Gone))
        }
    }
}

impl<M: Message> Clone for Port<M> {
    fn clone(&self) -> Self {
        Self { inlet: Arc::clone(&self.inlet) }
    }
}

impl<M: Message> fmt::Debug for Port<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Port").field("id", &self.id()).field("message", &M::NAME).finish()
    }
}

impl<M: Message<Reply = ()>> Port<M> {
    /// A port without an actor, and where its messages come out: a stand-in for tests. `ask` is answered on acceptance.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn to_channel(id: impl Into<String>, capacity: usize) -> (Self, mpsc::Receiver<M>) {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        let ground = Ground { pool: runtime::Handle::current(), clock: Clock::system() };
        (Self::new(Arc::new(ChannelInlet { id: id.into(), sender, ground })), receiver)
    }
}

struct ChannelInlet<M> {
    id: String,
    sender: mpsc::Sender<M>,
    ground: Ground,
}

impl<M: Message<Reply = ()>> Inlet<M> for ChannelInlet<M> {
    fn id(&self) -> &str {
        &self.id
    }

    fn ground(&self) -> &Ground {
        &self.ground
    }

    fn push(&self, message: M, reply: Option<ReplySlot<M>>, _attempt: Attempt) -> Result<(), Refused<M>> {
        self.sender.try_send(message).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(message) => Refused { message, why: Why::Full },
            mpsc::error::TrySendError::Closed(message) => Refused { message, why: Why::Gone },
        })?;
        if let Some(slot) = reply {
            // The asker may have gone away already.
            let _ = slot.send(Ok(()));
        }
        Ok(())
    }
}
