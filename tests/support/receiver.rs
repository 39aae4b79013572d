//! A receiver of webhooks: keeps what it is sent, byte for byte, and answers as it is told.
#![allow(clippy::disallowed_methods, reason = "tests wait against a deadline")]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::Value;

/// No wait for a webhook is longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// Header names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Received {
    /// A header's value, empty where it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The JSON text, out of the form where it came as one.
    pub fn payload(&self) -> Vec<u8> {
        if self.header("content-type").starts_with("application/json") {
            return self.body.clone();
        }
        let mut fields = form_urlencoded::parse(&self.body);
        let payload = fields.find(|(name, _)| name == "payload").expect("a form of Gitea's has a payload");
        payload.1.into_owned().into_bytes()
    }

    /// The payload.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload()).unwrap()
    }

    /// Event type and action, as `issue_assign/assigned`.
    pub fn what(&self) -> String {
        let action = self.json()["action"].as_str().map(|action| format!("/{action}")).unwrap_or_default();
        format!("{}{action}", self.header("x-gitea-event-type"))
    }
}

/// A receiver on loopback; stops when dropped.
pub struct Receiver {
    url: String,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    received: Mutex<Vec<Received>>,
    came: Condvar,
    status: AtomicU16,
    ended: AtomicBool,
}

impl Receiver {
    /// A receiver that answers 200.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            received: Mutex::new(Vec::new()),
            came: Condvar::new(),
            status: AtomicU16::new(200),
            ended: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.ended.load(Ordering::Acquire) {
                    break;
                }
                // One after the other: every answer closes its connection.
                let _ = stream.and_then(|stream| serving.serve(stream));
            }
        });
        Self { url, shared, thread: Some(thread) }
    }

    /// Where to send to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Answers with this status from now on.
    pub fn answer_with(&self, status: u16) {
        self.shared.status.store(status, Ordering::Release);
    }

    /// All that came so far.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// Waits until `count` have come in all and returns them.
    pub fn wait_for(&self, count: usize) -> Vec<Received> {
        let deadline = Instant::now() + PATIENCE;
        let mut received = self.shared.received.lock().unwrap();
        while received.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            let what: Vec<String> = received.iter().map(Received::what).collect();
            assert!(!left.is_zero(), "{count} webhooks expected, {} came: {what:?}", what.len());
            received = self.shared.came.wait_timeout(received, left).unwrap().0;
        }
        received.clone()
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut headers = BTreeMap::new();
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        self.received.lock().unwrap().push(Received { headers, body });
        self.came.notify_all();
        let status = self.status.load(Ordering::Acquire);
        write!(stream, "HTTP/1.1 {status} Said\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        // One last connection wakes it.
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
