//! The other end of the wire, as the scripted agent sees it.
//!
//! Owns standard input (one reader thread) and standard output. Promises that a cancel is seen while anything is
//! waited for. Never plays a step.

use std::{
    collections::BTreeMap,
    io::{BufRead, Write},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::Duration,
};

use serde_json::{Value, json};

/// What cuts a turn short.
#[derive(Debug, PartialEq)]
pub(super) enum Cut {
    Cancelled,
    /// Standard input was closed: the client is gone.
    Closed,
    Failed(super::script::ErrorEnd),
}

/// A message from the client.
pub(super) enum Message {
    Request { id: Value, method: String, params: Value },
    Cancel,
    Answer { id: u64, result: Value },
}

impl Message {
    fn of(line: &str) -> Option<Self> {
        let mut frame: Value = serde_json::from_str(line).ok()?;
        let id = frame["id"].take();
        let Some(method) = frame["method"].as_str().map(str::to_owned) else {
            return Some(Self::Answer { id: id.as_u64()?, result: frame["result"].take() });
        };
        match (id, method.as_str()) {
            (Value::Null, "session/cancel") => Some(Self::Cancel),
            (Value::Null, _) => None,
            (id, _) => Some(Self::Request { id, method, params: frame["params"].take() }),
        }
    }
}

/// The client, and what it has said since.
pub(super) struct Client {
    inbox: Receiver<Message>,
    cancelled: bool,
    answers: BTreeMap<u64, Value>,
    /// Requests that came within a turn, other than prompts.
    pub(super) asides: Vec<(Value, String, Value)>,
    last_id: u64,
}

impl Client {
    /// Starts to read standard input.
    pub(super) fn connect() -> Self {
        let (sender, inbox) = mpsc::channel();
        std::thread::spawn(move || {
            let lines = std::io::stdin().lock().lines().map_while(Result::ok);
            lines.filter_map(|line| Message::of(&line)).try_for_each(|message| sender.send(message))
        });
        Self { inbox, cancelled: false, answers: BTreeMap::new(), asides: Vec::new(), last_id: 0 }
    }

    /// The next request between turns; `None` once the client is gone.
    pub(super) fn next_request(&mut self) -> Option<(Value, String, Value)> {
        loop {
            if let Message::Request { id, method, params } = self.inbox.recv().ok()? {
                return Some((id, method, params));
            }
        }
    }

    /// Forgets a cancel that came for an earlier turn.
    pub(super) fn begin_turn(&mut self) {
        self.cancelled = false;
    }

    /// Waits, unless the turn is cut meanwhile; `None` waits for that alone.
    pub(super) fn pause(&mut self, wait: Option<Duration>) -> Result<(), Cut> {
        loop {
            if self.cancelled {
                return Err(Cut::Cancelled);
            }
            let message = match wait {
                Some(wait) => self.inbox.recv_timeout(wait),
                None => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match message {
                Ok(message) => self.hear(message),
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => return Err(Cut::Closed),
            }
        }
    }

    /// Whether the turn may go on.
    pub(super) fn checkpoint(&mut self) -> Result<(), Cut> {
        self.pause(Some(Duration::ZERO))
    }

    /// Asks the client and waits for its answer.
    pub(super) fn ask(&mut self, method: &str, params: &Value) -> Result<Value, Cut> {
        self.last_id += 1;
        let id = self.last_id;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            if let Some(result) = self.answers.remove(&id) {
                return Ok(result);
            }
            self.pause(Some(Duration::from_millis(5)))?;
        }
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Cancel => self.cancelled = true,
            Message::Answer { id, result } => {
                self.answers.insert(id, result);
            }
            Message::Request { id, method, .. } if method == "session/prompt" => {
                self.refuse(&id, -32600, "a turn is running already");
            }
            Message::Request { id, method, params } => self.asides.push((id, method, params)),
        }
    }

    /// Answers a request.
    pub(super) fn answer(&self, id: &Value, result: &Value) {
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "result": result }));
    }

    /// Answers a request with an error.
    pub(super) fn refuse(&self, id: &Value, code: i64, message: &str) {
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }));
    }

    /// Sends one message.
    pub(super) fn send(&self, message: &Value) {
        self.send_raw(&message.to_string());
    }

    /// Sends one line as it is.
    pub(super) fn send_raw(&self, line: &str) {
        let mut out = std::io::stdout().lock();
        // A client that is gone shows on standard input, so a failed write says nothing new.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }
}
