//! Where events leave the pump.
//!
//! Owns the gathering of text and of signs of life. Promises the order in which things were heard, text at most
//! a second late, and no event after the last.

use std::time::Duration;

use tokio::{
    sync::mpsc::{Sender, error::TrySendError},
    time::Instant,
};

use crate::agent::AgentEvent;

/// How long pieces are gathered.
const GATHER: Duration = Duration::from_secs(1);

/// From this size on gathered text is passed on at once.
const TEXT_BYTES: usize = 8 * 1024;

/// The sending end of a session's events.
pub(super) struct Outlet {
    events: Sender<AgentEvent>,
    /// Before the session is open nobody reads yet, so what does not fit is dropped.
    reader_waits: bool,
    text: String,
    alive: bool,
    due: Option<Instant>,
}

impl Outlet {
    pub(super) fn new(events: Sender<AgentEvent>) -> Self {
        Self { events, reader_waits: true, text: String::new(), alive: false, due: None }
    }

    /// From now on the events are read.
    pub(super) fn open(&mut self) {
        self.reader_waits = false;
    }

    /// When something gathered is to be passed on.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Takes a piece of text.
    pub(super) async fn text(&mut self, piece: &str) {
        self.text.push_str(piece);
        self.alive();
        if self.text.len() >= TEXT_BYTES {
            self.flush().await;
        }
    }

    /// Notes a sign of life.
    pub(super) fn alive(&mut self) {
        self.alive = true;
        self.due.get_or_insert_with(|| Instant::now() + GATHER);
    }

    /// Passes an event on, behind the text heard before.
    pub(super) async fn event(&mut self, event: AgentEvent) {
        // Any event is a sign of life itself.
        self.alive = false;
        self.flush().await;
        self.pass(event).await;
    }

    /// Passes on what was gathered.
    pub(super) async fn flush(&mut self) {
        self.due = None;
        let alive = std::mem::take(&mut self.alive);
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.pass(AgentEvent::Text(text)).await;
        } else if alive {
            self.pass(AgentEvent::Activity).await;
        }
    }

    async fn pass(&mut self, event: AgentEvent) {
        if self.reader_waits {
            if let Err(TrySendError::Full(_)) = self.events.try_send(event) {
                tracing::debug!("agent is noisy before its session opens; an event is dropped");
            }
            return;
        }
        // A session that was dropped hears nothing more; its tree is being killed.
        let _ = self.events.send(event).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn text_is_gathered_in_front_of_the_next_event() {
        let (sender, mut events) = mpsc::channel(8);
        let mut outlet = Outlet::new(sender);
        outlet.open();
        outlet.text("a").await;
        outlet.alive();
        outlet.text("b").await;
        outlet.event(AgentEvent::Compacted).await;
        outlet.flush().await;
        assert_eq!(events.try_recv(), Ok(AgentEvent::Text("ab".into())));
        assert_eq!(events.try_recv(), Ok(AgentEvent::Compacted));
        assert!(events.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn signs_of_life_are_told_once_and_a_second_late() {
        let (sender, mut events) = mpsc::channel(8);
        let mut outlet = Outlet::new(sender);
        outlet.open();
        assert_eq!(outlet.due(), None);
        let start = Instant::now();
        outlet.alive();
        tokio::time::advance(GATHER / 2).await;
        outlet.alive();
        assert_eq!(outlet.due(), Some(start + GATHER));
        outlet.flush().await;
        assert_eq!(events.try_recv(), Ok(AgentEvent::Activity));
        assert_eq!((events.try_recv().ok(), outlet.due()), (None, None));
    }

    #[tokio::test]
    async fn a_long_text_does_not_wait() {
        let (sender, mut events) = mpsc::channel(8);
        let mut outlet = Outlet::new(sender);
        outlet.open();
        outlet.text(&"x".repeat(TEXT_BYTES)).await;
        assert!(matches!(events.try_recv(), Ok(AgentEvent::Text(text)) if text.len() == TEXT_BYTES));
    }

    #[tokio::test]
    async fn before_the_session_opens_a_full_channel_blocks_nothing() {
        let (sender, mut events) = mpsc::channel(1);
        let mut outlet = Outlet::new(sender);
        outlet.event(AgentEvent::Compacted).await;
        outlet.event(AgentEvent::Activity).await;
        assert_eq!(events.try_recv(), Ok(AgentEvent::Compacted));
        assert!(events.try_recv().is_err());
    }
}
