//! The other side of a session in tests: an agent made of streams, without a process.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncWriteExt, DuplexStream, duplex},
    sync::oneshot,
    task::JoinHandle,
};

use super::{Connected, Streams, connect};
use crate::{
    agent::{OpenError, SessionSpec},
    process::{BoundedLines, Exit, Line},
};

pub(super) const SESSION_ID: &str = "s-1";

/// An agent without a process.
pub(super) struct Peer {
    lines: BoundedLines<DuplexStream>,
    pub(super) stdout: Option<DuplexStream>,
    pub(super) stderr: Option<DuplexStream>,
    exit: Option<oneshot::Sender<Exit>>,
    killed: Arc<AtomicBool>,
}

pub(super) fn exit_code(code: i32) -> Exit {
    Exit { code: Some(code), signal: None, leftovers: 0 }
}

pub(super) fn spec(model_id: &str) -> SessionSpec {
    SessionSpec {
        label: "agent:o/r#7".into(),
        command: vec!["agent".into()],
        env: BTreeMap::new(),
        cwd: PathBuf::from("/w"),
        model_id: model_id.into(),
        lock: None,
        transcript: None,
        open_timeout: Duration::from_secs(60),
    }
}

/// Begins to connect to a peer.
pub(super) fn dial(model_id: &str) -> (JoinHandle<Result<Connected, OpenError>>, Peer) {
    let (stdin, theirs) = duplex(64 * 1024);
    let (stdout, ours) = duplex(64 * 1024);
    let (stderr, our_stderr) = duplex(64 * 1024);
    let (exit, exited) = oneshot::channel();
    let killed = Arc::new(AtomicBool::new(false));
    let kill = killed.clone();
    let streams = Streams {
        stdout: ours,
        stderr: our_stderr,
        ended: Box::pin(async move { exited.await.unwrap_or(exit_code(0)) }),
        kill: Box::new(move || kill.store(true, Ordering::SeqCst)),
    };
    let spec = spec(model_id);
    let connecting = tokio::spawn(async move { connect(stdin, streams, &spec, None).await });
    let lines = BoundedLines::new(theirs, 1 << 20);
    (connecting, Peer { lines, stdout: Some(stdout), stderr: Some(stderr), exit: Some(exit), killed })
}

/// A session that is open.
pub(super) async fn open() -> (Connected, Peer) {
    let (connecting, mut peer) = dial("m");
    peer.shake_hands(json!({ "sessionId": SESSION_ID })).await;
    (connecting.await.unwrap().unwrap(), peer)
}

impl Peer {
    /// The next message from the client.
    pub(super) async fn hear(&mut self) -> Value {
        match self.lines.next().await.unwrap() {
            Some(Line::Text(line)) => serde_json::from_str(&line).unwrap(),
            other => panic!("the client said {other:?}"),
        }
    }

    /// The next message, which must be a request of this method; its id.
    pub(super) async fn hear_request(&mut self, method: &str) -> Value {
        let message = self.hear().await;
        assert_eq!(message["method"], method, "{message}");
        message["id"].clone()
    }

    /// Whether the client closed our input.
    pub(super) async fn is_hung_up(&mut self) -> bool {
        self.lines.next().await.unwrap().is_none()
    }

    pub(super) async fn say_raw(&mut self, line: &str) {
        let stdout = self.stdout.as_mut().expect("the peer has not closed it");
        stdout.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    pub(super) async fn say(&mut self, message: Value) {
        self.say_raw(&message.to_string()).await;
    }

    pub(super) async fn update(&mut self, update: Value) {
        let params = json!({ "sessionId": SESSION_ID, "update": update });
        self.say(json!({ "jsonrpc": "2.0", "method": "session/update", "params": params })).await;
    }

    pub(super) async fn answer(&mut self, id: &Value, result: Value) {
        self.say(json!({ "jsonrpc": "2.0", "id": id, "result": result })).await;
    }

    pub(super) async fn complain(&mut self, line: &str) {
        let stderr = self.stderr.as_mut().expect("the peer has not closed it");
        stderr.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// Answers the opening of a session.
    pub(super) async fn shake_hands(&mut self, new_session: Value) {
        let id = self.hear_request("initialize").await;
        self.answer(&id, json!({ "protocolVersion": 1 })).await;
        let id = self.hear_request("session/new").await;
        self.answer(&id, new_session).await;
    }

    /// Ends as a process does.
    pub(super) fn exit(&mut self, exit: Exit) {
        self.stdout = None;
        self.stderr = None;
        self.exit_only(exit);
    }

    /// Ends, while somebody else holds the streams open.
    pub(super) fn exit_only(&mut self, exit: Exit) {
        // Nobody may be listening any more.
        let _ = self.exit.take().expect("a process exits once").send(exit);
    }

    pub(super) fn is_killed(&self) -> bool {
        self.killed.load(Ordering::SeqCst)
    }
}
