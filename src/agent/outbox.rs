//! What goes to an agent's standard input.
//!
//! Owns the writing half of a session. Promises to write whole lines in the order in which they were sent, and
//! that a sender never waits: an agent which does not read costs a bounded backlog, then a refusal.

use std::sync::Arc;

use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::mpsc,
    task::AbortHandle,
};

use super::transcript::{Direction, Transcript};

/// Lines that may wait for an agent to read them.
const BACKLOG_LINES: usize = 256;

/// Lines on their way to an agent.
pub(super) struct Outbox {
    lines: mpsc::Sender<Parcel>,
    writer: AbortHandle,
    transcript: Option<Arc<Transcript>>,
}

enum Parcel {
    Line(String),
    End,
}

/// The agent takes no more: its input is closed, or the backlog is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused;

impl Outbox {
    /// Starts the task that writes to `stdin`; must be called within a tokio runtime.
    pub(super) fn to<W>(stdin: W, transcript: Option<Arc<Transcript>>) -> Self
    where
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let (lines, waiting) = mpsc::channel(BACKLOG_LINES);
        let writer = tokio::spawn(write(stdin, waiting)).abort_handle();
        Self { lines, writer, transcript }
    }

    /// Sends one line (without its end).
    pub(super) fn send(&self, line: String) -> Result<(), Refused> {
        // Recorded first: the answer must not come before the question.
        if let Some(transcript) = &self.transcript {
            transcript.record(Direction::Sent, &line);
        }
        self.lines.try_send(Parcel::Line(line)).map_err(|_| Refused)
    }

    /// Closes the agent's standard input behind what was sent so far; at once where the backlog is full.
    pub(super) fn end(&self) {
        if self.lines.try_send(Parcel::End).is_err() {
            self.writer.abort();
        }
    }
}

async fn write(mut stdin: impl AsyncWrite + Unpin, mut waiting: mpsc::Receiver<Parcel>) {
    while let Some(Parcel::Line(mut line)) = waiting.recv().await {
        line.push('\n');
        // An agent that closed its input is on its way out, which its exit tells.
        if stdin.write_all(line.as_bytes()).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, duplex};

    use super::*;

    #[tokio::test]
    async fn lines_arrive_in_order_and_the_end_comes_behind_them() {
        let (ours, mut theirs) = duplex(4);
        let outbox = Outbox::to(ours, None);
        outbox.send("first".into()).unwrap();
        outbox.send("second".into()).unwrap();
        outbox.end();
        let mut read = String::new();
        theirs.read_to_string(&mut read).await.unwrap();
        assert_eq!(read, "first\nsecond\n");
    }

    #[tokio::test]
    async fn a_full_backlog_is_refused_and_its_end_comes_at_once() {
        let (ours, mut theirs) = duplex(1);
        let outbox = Outbox::to(ours, None);
        let sent = (0..=BACKLOG_LINES).map_while(|_| outbox.send("x".repeat(100)).ok()).count();
        assert_eq!(sent, BACKLOG_LINES);
        outbox.end();
        let mut read = Vec::new();
        theirs.read_to_end(&mut read).await.unwrap();
        assert!(read.len() < 100, "{}", read.len());
    }

    #[tokio::test]
    async fn a_closed_input_refuses_what_comes_after() {
        let (ours, theirs) = duplex(64);
        let outbox = Outbox::to(ours, None);
        drop(theirs);
        outbox.send("lost".into()).unwrap();
        outbox.lines.closed().await;
        assert_eq!(outbox.send("refused".into()), Err(Refused));
    }
}
