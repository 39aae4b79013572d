//! A server on loopback with its own thread, a clock that stands still, and a stub in place of the WebhookActor.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use arc_swap::ArcSwap;
use mosaic_coordinator::{
    config::Config,
    forge::intake::{Deliver, Intake},
    http::{HttpState, Listening, WebhookPorts, listen},
    runtime::{Census, Clock, Health, Port},
    store::board::Board,
};

/// Longer than anything takes: whoever waits for it has found a fault.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server, stopped when dropped.
pub struct Served {
    pub address: SocketAddr,
    pub state: HttpState,
    /// The way to the stub, the same for all workers.
    pub port: Port<Deliver>,
    /// What came to the stub and was not taken yet.
    pub deliveries: tokio::sync::mpsc::Receiver<Deliver>,
    server: actix_web::dev::ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    pub fn start() -> Self {
        Self::with(|_| ())
    }

    /// Lets `set_up` start actors before the server does.
    pub fn with(set_up: impl FnOnce(&HttpState) + Send + 'static) -> Self {
        let (started, starting) = mpsc::channel();
        let thread = thread::spawn(move || {
            let pool = || {
                tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
            };
            actix_rt::System::with_tokio_rt(pool).block_on(async move {
                let state = state();
                set_up(&state);
                let (port, deliveries) = Port::to_channel("webhook:0", 4);
                let ports: WebhookPorts = {
                    let port = port.clone();
                    Arc::new(move |_| port.clone())
                };
                let Listening { address, server, run } =
                    listen("127.0.0.1", 0, 2, state.clone(), ports).unwrap();
                started.send(Self { address, state, port, deliveries, server, thread: None }).unwrap();
                run.await.unwrap();
            });
        });
        let mut served = starting.recv().unwrap();
        served.thread = Some(thread);
        served
    }

    /// Changes the configuration in force.
    pub fn configure(&self, change: impl FnOnce(&mut Config)) {
        let mut config = Config::clone(&self.state.config.load());
        change(&mut config);
        self.state.config.store(Arc::new(config));
    }

    /// Waits for the next delivery at the stub.
    pub fn delivery(&mut self) -> Deliver {
        self.deliveries.blocking_recv().expect("the port is still held")
    }

    /// Sends the request, answers its delivery, and reads what the client is told.
    pub fn deliver(&mut self, request: impl AsRef<[u8]>, intake: Intake) -> Answer {
        let mut client = self.connect();
        client.send(request);
        self.delivery().reply.send(intake).expect("the worker waits");
        client.answer()
    }

    /// Asks the server to stop once what is under way is done.
    pub fn stop(&self) {
        // The order is sent at once; what comes back is when it was carried out.
        drop(self.server.stop(true));
    }

    pub fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client { stream, read: Vec::new() }
    }

    /// Sends one whole request and reads the answer.
    pub fn ask(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut client = self.connect();
        client.send(request);
        client.answer()
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the server's thread panicked");
        }
    }
}

fn state() -> HttpState {
    let clock = Clock::manual(1_700_000_000_000);
    HttpState {
        board: Board::new(),
        census: Census::new(Duration::from_secs(10), clock.clone(), tokio::runtime::Handle::current()),
        health: Health::new(),
        clock,
        config: Arc::new(ArcSwap::from_pointee(Config::default())),
        metrics: Arc::new(|| "mosaic_up 1\n".to_owned()),
    }
}

/// A connection, byte for byte.
pub struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Client {
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends no more, as one that died does.
    pub fn end(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Whether something came within a moment.
    pub fn hears(&mut self) -> bool {
        self.stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut byte = [0];
        let heard = self.stream.peek(&mut byte).is_ok();
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        heard
    }

    /// Reads up to and with the empty line.
    pub fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = self.read.drain(..end + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            assert!(self.more() > 0, "the connection ended within a head: {:?}", self.read);
        }
    }

    /// Reads one answer by its length; the connection may go on.
    pub fn answer(&mut self) -> Answer {
        let head = self.head();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: BTreeMap<String, String> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let length: usize = headers["content-length"].parse().unwrap();
        while self.read.len() < length {
            assert!(self.more() > 0, "the connection ended within a body: {head}");
        }
        let body = self.read.drain(..length).collect();
        Answer { status, headers, body: String::from_utf8(body).unwrap() }
    }

    /// Reads to the end of the connection.
    pub fn rest(&mut self) -> String {
        while self.more() > 0 {}
        String::from_utf8(std::mem::take(&mut self.read)).unwrap()
    }

    fn more(&mut self) -> usize {
        let mut piece = [0; 4096];
        let count = self.stream.read(&mut piece).unwrap();
        self.read.extend_from_slice(&piece[..count]);
        count
    }
}

impl Answer {
    /// Checks the shape of a refusal, and tells its code.
    pub fn refusal(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"));
        assert_eq!(self.headers["content-type"], "application/json");
        for field in ["message", "remedy"] {
            assert!(body["error"][field].as_str().is_some_and(|text| !text.is_empty()), "{self:?}");
        }
        body["error"]["code"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}
