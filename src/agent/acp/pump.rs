//! The pump: reads what an agent says until its tree is gone.
//!
//! Owns the reading half of a session, from the first line to the last event. Promises that every turn is ended,
//! that `Exited` comes last, and that neither noise nor a closed stream leaves the session hanging.

use std::{collections::VecDeque, future::Future, pin::Pin, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{io::AsyncRead, sync::mpsc, time::Instant};

use super::{
    codec::{self, Incoming, METHOD_NOT_FOUND, RpcError},
    link::Link,
    outlet::Outlet,
    updates::{Heard, Translator},
    wire::{PermissionRequest, SessionUpdate},
};
use crate::{
    agent::{
        AgentError, AgentEvent, ErrorClass, OpenError, Stop, TurnEnd, after_colon,
        clip::clip,
        describe,
        transcript::{Direction, Transcript},
    },
    process::{BoundedLines, Exit, Line},
};

/// Longest line of protocol.
const LINE_BYTES: usize = 8 * 1024 * 1024;

/// Longest line of standard error; how much of it is passed on; how many are remembered.
const STDERR_LINE_BYTES: usize = 64 * 1024;
const STDERR_EVENT_BYTES: usize = 2_000;
const LAST_WORDS: usize = 10;

/// How much of a skipped line is shown.
const PREVIEW_CHARS: usize = 200;

/// Longest title that is kept, in bytes.
const TITLE_BYTES: usize = 500;

/// How long the streams of an agent may disagree with its exit.
const LINGER: Duration = Duration::from_secs(2);

/// Everything that comes from an agent's process tree.
pub(super) struct Streams<R, E> {
    pub(super) stdout: R,
    pub(super) stderr: E,
    /// Resolves once the whole tree is gone.
    pub(super) ended: Pin<Box<dyn Future<Output = Exit> + Send>>,
    /// Kills the tree.
    pub(super) kill: Box<dyn Fn() + Send>,
}

/// The reading half of a session.
pub(super) struct Pump<R, E> {
    label: String,
    stdout: Option<BoundedLines<R>>,
    stderr: Option<BoundedLines<E>>,
    ended: Pin<Box<dyn Future<Output = Exit> + Send>>,
    kill: Box<dyn Fn() + Send>,
    exit: Option<Exit>,
    /// Until when the streams and the exit have to agree.
    linger: Option<Instant>,
    link: Arc<Link>,
    outlet: Outlet,
    translator: Translator,
    transcript: Option<Arc<Transcript>>,
    last_words: VecDeque<String>,
    /// The agent closed its standard output while it lived.
    mute: bool,
}

/// What happens next.
enum Input {
    Stdout(Line),
    Stderr(Line),
    /// Something gathered is due, or the wait for the streams is over.
    Due,
    /// Nothing comes any more.
    Over(Exit),
}

type Answer = (u64, Result<Value, RpcError>);

impl<R: AsyncRead + Unpin, E: AsyncRead + Unpin> Pump<R, E> {
    pub(super) fn new(
        label: String,
        streams: Streams<R, E>,
        link: Arc<Link>,
        events: mpsc::Sender<AgentEvent>,
        transcript: Option<Arc<Transcript>>,
    ) -> Self {
        Self {
            label,
            stdout: Some(BoundedLines::new(streams.stdout, LINE_BYTES)),
            stderr: Some(BoundedLines::new(streams.stderr, STDERR_LINE_BYTES)),
            ended: streams.ended,
            kill: streams.kill,
            exit: None,
            linger: None,
            link,
            outlet: Outlet::new(events),
            translator: Translator::default(),
            transcript,
            last_words: VecDeque::new(),
            mute: false,
        }
    }

    /// Calls a method and waits for its answer; what comes meanwhile is heard as ever.
    pub(super) async fn call(
        &mut self,
        method: &str,
        params: &Value,
    ) -> Result<Result<Value, RpcError>, OpenError> {
        // An agent that takes no input is on its way out, and its exit says more.
        let id = self.link.call(method, params).unwrap_or_default();
        loop {
            match self.next().await {
                Input::Over(exit) => {
                    return Err(OpenError::Exited { exit, last_words: self.last_words() });
                }
                input => match self.hear(input).await {
                    Some((answered, outcome)) if answered == id => return Ok(outcome),
                    Some((other, _)) => self.answer_to_nothing(other).await,
                    None => {}
                },
            }
        }
    }

    /// Tells that the session is open, then hears everything to the end.
    pub(super) async fn run(mut self, provider_session: String) {
        self.outlet.open();
        self.outlet.event(AgentEvent::Ready { provider_session }).await;
        loop {
            match self.next().await {
                Input::Over(exit) => return self.finish(exit).await,
                input => {
                    if let Some((id, answer)) = self.hear(input).await {
                        self.answered(id, answer).await;
                    }
                }
            }
        }
    }

    /// What happens next. May be dropped and called again.
    async fn next(&mut self) -> Input {
        loop {
            if let (Some(exit), None, None) = (self.exit, &self.stdout, &self.stderr) {
                return Input::Over(exit);
            }
            let due = [self.outlet.due(), self.linger].into_iter().flatten().min();
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    if self.linger.is_some_and(|linger| linger <= Instant::now()) {
                        self.part();
                    }
                    return Input::Due;
                }
                line = next_line(&mut self.stdout), if self.stdout.is_some() => match line {
                    Some(line) => return Input::Stdout(line),
                    None => {
                        self.stdout = None;
                        self.linger = Some(Instant::now() + LINGER);
                    }
                },
                line = next_line(&mut self.stderr), if self.stderr.is_some() => match line {
                    Some(line) => return Input::Stderr(line),
                    None => self.stderr = None,
                },
                exit = &mut self.ended, if self.exit.is_none() => {
                    self.exit = Some(exit);
                    self.linger = Some(Instant::now() + LINGER);
                }
            }
        }
    }

    /// The streams and the exit did not agree in time: an agent that cannot be heard is killed, a stream whose
    /// tree is gone is left.
    fn part(&mut self) {
        self.linger = None;
        if self.exit.is_some() {
            self.stdout = None;
            self.stderr = None;
        } else if !self.link.is_ending() {
            self.mute = true;
            (self.kill)();
        }
    }

    /// Hears one input; what answers a call of ours is left to the caller.
    async fn hear(&mut self, input: Input) -> Option<Answer> {
        match input {
            Input::Stdout(Line::Text(text)) => {
                self.record(Direction::Received, &text);
                return self.hear_line(&text).await;
            }
            Input::Stdout(Line::TooLong { bytes }) => {
                self.record(Direction::Received, &format!("(a line of {bytes} bytes)"));
                self.skip("", usize::try_from(bytes).unwrap_or(usize::MAX)).await;
            }
            Input::Stderr(line) => {
                let text = match line {
                    Line::Text(text) => text,
                    Line::TooLong { bytes } => format!("(a line of {bytes} bytes)"),
                };
                self.record(Direction::Stderr, &text);
                let text = clip(&text, STDERR_EVENT_BYTES);
                if self.last_words.len() == LAST_WORDS {
                    self.last_words.pop_front();
                }
                self.last_words.push_back(text.clone());
                self.outlet.event(AgentEvent::Stderr(text)).await;
            }
            Input::Due => self.outlet.flush().await,
            Input::Over(_) => {}
        }
        None
    }

    async fn hear_line(&mut self, line: &str) -> Option<Answer> {
        match codec::decode(line) {
            Incoming::Response { id, outcome } => return Some((id, outcome)),
            Incoming::Notification { method, params } if method == "session/update" => {
                self.update(params).await
            }
            Incoming::Notification { .. } => self.outlet.alive(),
            Incoming::Request { id, method, params } if method == "session/request_permission" => {
                self.permission(&id, params).await;
            }
            Incoming::Request { id, method, .. } => {
                let message = format!("{method} is not offered");
                self.link.answer(codec::refusal(&id, METHOD_NOT_FOUND, &message));
                self.outlet.alive();
            }
            Incoming::Noise if line.trim().is_empty() => {}
            Incoming::Noise => self.skip(line, line.len()).await,
        }
        None
    }

    async fn update(&mut self, params: Value) {
        let heard = match serde_json::from_value::<SessionUpdate>(params) {
            Ok(told) if self.link.is_ours(told.session_id.as_deref()) => self.translator.update(told.update),
            // Another session's context (a helper's of the agent) is not ours; what is malformed tells nothing.
            _ => Heard::Life,
        };
        match heard {
            Heard::Text(text) => self.outlet.text(&text).await,
            Heard::Event(event) => self.outlet.event(event).await,
            Heard::Life => self.outlet.alive(),
        }
    }

    async fn permission(&mut self, id: &Value, params: Value) {
        let asked: PermissionRequest = serde_json::from_value(params).unwrap_or_default();
        let option = |kinds: [&str; 2]| {
            let found =
                kinds.iter().find_map(|kind| asked.options.iter().find(|option| option.kind == *kind));
            found.map(|option| option.option_id.as_str())
        };
        // After a cancel nothing is granted any more, and the protocol has an answer of its own for that.
        let granted = if self.link.is_cancelled() { None } else { option(["allow_once", "allow_always"]) };
        let rejected = if self.link.is_cancelled() { None } else { option(["reject_once", "reject_always"]) };
        let outcome = match granted.or(rejected) {
            Some(option_id) => json!({ "outcome": { "outcome": "selected", "optionId": option_id } }),
            None => json!({ "outcome": { "outcome": "cancelled" } }),
        };
        self.link.answer(codec::answer(id, &outcome));
        let title = asked.tool_call["title"].as_str().unwrap_or_default();
        let event = AgentEvent::Permission { title: clip(title, TITLE_BYTES), allowed: granted.is_some() };
        self.outlet.event(event).await;
    }

    async fn answered(&mut self, id: u64, answer: Result<Value, RpcError>) {
        let Some(turn) = self.link.end_turn(id) else { return self.answer_to_nothing(id).await };
        let end = self.translator.turn_end(turn, answer);
        self.outlet.event(AgentEvent::TurnEnded(end)).await;
    }

    async fn answer_to_nothing(&mut self, id: u64) {
        self.skip(&format!("(an answer to request {id}, which is not open)"), 0).await;
    }

    async fn skip(&mut self, line: &str, bytes: usize) {
        let preview: String = line.chars().take(PREVIEW_CHARS).collect();
        tracing::debug!(label = %self.label, bytes, %preview, "agent wrote a line that is no protocol");
        self.outlet.event(AgentEvent::Skipped { preview, bytes }).await;
    }

    /// The last two events.
    async fn finish(mut self, exit: Exit) {
        let (turn, wished) = self.link.end_session();
        if turn.is_some() {
            let stop = if wished { Stop::Cancelled } else { Stop::Failed(self.death(&exit)) };
            self.outlet.event(AgentEvent::TurnEnded(TurnEnd { stop, tokens: None })).await;
        }
        self.outlet.event(AgentEvent::Exited(exit)).await;
    }

    fn death(&self, exit: &Exit) -> AgentError {
        // Nobody saw the end where the keeper was lost: that is the machine's doing, not the agent's.
        let unseen = exit.code.is_none() && exit.signal.is_none();
        let class = if unseen { ErrorClass::Infrastructure } else { ErrorClass::Agent };
        let what =
            if self.mute { "closed its standard output within the turn" } else { "exited within the turn" };
        let last_words = after_colon(&self.last_words());
        AgentError::new(class, format!("agent {what} ({}){last_words}", describe(exit)))
    }

    fn last_words(&self) -> String {
        self.last_words.iter().map(String::as_str).collect::<Vec<_>>().join(" / ")
    }

    fn record(&self, direction: Direction, line: &str) {
        if let Some(transcript) = &self.transcript {
            transcript.record(direction, line);
        }
    }
}

/// The next line of a stream that is open; none at its end, and an unreadable stream has ended.
async fn next_line<S: AsyncRead + Unpin>(stream: &mut Option<BoundedLines<S>>) -> Option<Line> {
    stream.as_mut()?.next().await.ok().flatten()
}
