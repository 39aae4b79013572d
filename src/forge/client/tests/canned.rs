//! A forge of canned answers on loopback: one request a connection, every request kept.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What came in.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    pub(super) authorization: Option<String>,
    pub(super) body: String,
}

impl Request {
    /// Method and target below the API, for comparisons.
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, self.target.trim_start_matches("/api/v1"))
    }
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What goes out.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// A status, header lines and a body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// The connection is closed without an answer.
    HangUp,
    /// The body breaks off.
    CutOff,
    /// The connection stays open without an answer.
    Silence,
}

impl Reply {
    pub(super) fn json(body: Value) -> Self {
        Self::status(200, &body.to_string())
    }
    pub(super) fn status(status: u16, body: &str) -> Self {
        Self::Answer(status, Vec::new(), body.to_owned())
    }
    pub(super) fn header(self, name: &'static str, value: &str) -> Self {
        let Self::Answer(status, mut headers, body) = self else { panic!("{self:?} has no headers") };
        headers.push((name, value.to_owned()));
        Self::Answer(status, headers, body)
    }
}

type Answers = dyn FnMut(&Request) -> Reply + Send;

struct Shared {
    answers: Mutex<Box<Answers>>,
    requests: Mutex<Vec<Request>>,
    settings_asked: AtomicUsize,
    page_limit: u32,
}

/// The forge; it goes away with this value.
pub(super) struct Canned {
    url: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Drop for Canned {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Canned {
    /// Answers by a function; `/settings/api` is answered with 50 and only counted.
    pub(super) async fn by(answers: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        Self::with_page_limit(50, answers).await
    }

    /// Gives these answers in this order, and 418 after the last.
    pub(super) async fn in_order(replies: impl IntoIterator<Item = Reply>) -> Self {
        let mut replies: VecDeque<_> = replies.into_iter().collect();
        Self::by(move |_| replies.pop_front().unwrap_or_else(|| Reply::status(418, "no answer left"))).await
    }

    pub(super) async fn with_page_limit(
        page_limit: u32,
        answers: impl FnMut(&Request) -> Reply + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers: Box<Answers> = Box::new(answers);
        let shared = Arc::new(Shared {
            answers: Mutex::new(answers),
            requests: Mutex::default(),
            settings_asked: AtomicUsize::new(0),
            page_limit,
        });
        let serving = shared.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, serving.clone()));
            }
        });
        Self { url, shared, accepting }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// How often `/settings/api` was asked for.
    pub(super) fn settings_asked(&self) -> usize {
        self.shared.settings_asked.load(Ordering::SeqCst)
    }

    /// Method and target of each request so far.
    pub(super) fn lines(&self) -> Vec<String> {
        self.requests().iter().map(Request::line).collect()
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let request = read(&mut stream).await?;
    let reply = if request.target.ends_with("/settings/api") {
        shared.settings_asked.fetch_add(1, Ordering::SeqCst);
        Reply::json(serde_json::json!({"max_response_items": shared.page_limit, "default_paging_num": 30}))
    } else {
        shared.requests.lock().unwrap().push(request.clone());
        shared.answers.lock().unwrap()(&request)
    };
    let (status, headers, body, length) = match reply {
        Reply::Answer(status, headers, body) => (status, headers, body.clone(), body.len()),
        Reply::CutOff => (200, Vec::new(), "{".to_owned(), 1000),
        Reply::HangUp => return None,
        Reply::Silence => {
            std::future::pending::<()>().await;
            return None;
        }
    };
    let mut head = format!("HTTP/1.1 {status} Canned\r\ncontent-length: {length}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut request = Request::default();
    let mut length = 0;
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut words = line.split_whitespace();
    (request.method, request.target) = (words.next()?.to_owned(), words.next()?.to_owned());
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "authorization" => request.authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    request.body = String::from_utf8(body).ok()?;
    Some(request)
}
