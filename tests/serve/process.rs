//! The coordinator as a process, and what can be seen of it from outside.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

pub const BINARY: &str = env!("CARGO_BIN_EXE_mosaic-coordinator");
/// Far above what anything here takes, even on a busy machine.
pub const BOUND: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < BOUND, "not within {BOUND:?}: {what}");
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

/// An answer over HTTP.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// A `serve` that runs, or ran.
pub struct Coordinator {
    child: Child,
    url: String,
    stdout: Arc<Mutex<String>>,
    reader: Option<std::thread::JoinHandle<()>>,
    log: PathBuf,
    /// The operator's token, sent along where there is one.
    pub bearer: Option<String>,
    http: reqwest::Client,
}

impl Coordinator {
    /// Starts the command; its standard error is added to the file `log`. Returns once it listens, or has ended.
    pub fn start(mut command: Command, log: &Path) -> Self {
        let errors = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).spawn().expect("it starts");
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        let url = first.trim_end().strip_prefix("listening on ").unwrap_or_default().to_owned();
        let stdout = Arc::new(Mutex::new(first));
        let more = Arc::clone(&stdout);
        let reader = std::thread::spawn(move || {
            let mut rest = String::new();
            // A killed coordinator ends its pipe like any other.
            let _ = out.read_to_string(&mut rest);
            more.lock().unwrap().push_str(&rest);
        });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { child, url, stdout, reader: Some(reader), log: log.to_owned(), bearer: None, http }
    }

    /// Whether it said where it listens.
    pub fn listens(&self) -> bool {
        !self.url.is_empty()
    }

    pub fn url(&self) -> &str {
        assert!(self.listens(), "it does not listen: {}", self.log());
        &self.url
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// All that it said on standard error, it and those before it.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        until("the coordinator ends", async || child.try_wait().unwrap()).await
    }

    /// Ends it in order.
    pub async fn stop(&mut self) {
        self.signal(Signal::TERM);
        let status = self.ended().await;
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }

    /// All of its standard output, once it has ended.
    pub fn stdout(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.stdout.lock().unwrap().clone()
    }

    /// Reads a path; `None` while nobody answers.
    pub async fn try_get(&self, path: &str) -> Option<Answer> {
        let mut request = self.http.get(format!("{}{path}", self.url()));
        if let Some(token) = &self.bearer {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        Some(Answer { status, body: answer.bytes().await.ok()?.to_vec() })
    }

    /// Reads a document.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self.try_get(path).await.unwrap_or_else(|| panic!("no answer: {}", self.log()));
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
        answer.json()
    }

    /// A check of readiness; `None` while it is not there.
    pub async fn check(&self, name: &str) -> Option<(bool, String)> {
        let checks = self.try_get("/health/ready").await?.json();
        let check = &checks["checks"][name];
        Some((check["ok"].as_bool()?, check["detail"].as_str()?.to_owned()))
    }

    /// The task on an issue; null where there is none.
    pub async fn task(&self, repo: &str, issue: u64) -> Value {
        match self.try_get(&format!("/api/v1/tasks/{repo}/{issue}")).await {
            Some(answer) if answer.status == 200 => answer.json(),
            _ => Value::Null,
        }
    }

    /// Waits until the task on an issue is in a state.
    pub async fn task_is(&self, repo: &str, issue: u64, state: &str) -> Value {
        let mut last = Value::Null;
        let begun = Instant::now();
        while begun.elapsed() < BOUND {
            last = self.task(repo, issue).await;
            if last["state"] == state {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        panic!("{repo}#{issue} is not {state}: {last:#}\n{}", self.log());
    }

    /// Sends a signed webhook about an issue; returns status and outcome.
    pub async fn deliver(&self, secret: &str, repo: &str, issue: u64) -> (u16, String) {
        let (owner, name) = repo.split_once('/').unwrap();
        let payload = serde_json::json!({
            "action": "assigned",
            "issue": { "number": issue, "title": "t", "state": "open" },
            "repository": { "name": name, "full_name": repo, "owner": { "login": owner } },
        })
        .to_string();
        let answer = self
            .http
            .post(format!("{}/webhook/gitea", self.url()))
            .header("Content-Type", "application/json")
            .header("X-Gitea-Event", "issues")
            .header("X-Gitea-Delivery", uuid())
            .header("X-Gitea-Signature", signature(secret, &payload))
            .body(payload)
            .send()
            .await
            .unwrap();
        let status = answer.status().as_u16();
        let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default();
        (status, body["outcome"].as_str().or(body["error"]["code"].as_str()).unwrap_or_default().to_owned())
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn signature(secret: &str, payload: &str) -> String {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    hex::encode(mac.chain_update(payload).finalize().into_bytes())
}

/// Every process that works in a folder or has it in its environment, but for those named.
pub fn processes_of(folder: &Path, but: &[i32]) -> Vec<(i32, String)> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let mark = folder.display().to_string();
    pids.filter(|pid| !but.contains(pid) && *pid != std::process::id().cast_signed())
        .filter(|pid| {
            let at = PathBuf::from(format!("/proc/{pid}"));
            let works_there = fs::read_link(at.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
            let told = |name: &str| {
                fs::read(at.join(name)).is_ok_and(|text| String::from_utf8_lossy(&text).contains(&mark))
            };
            // A zombie has nothing any more.
            works_there || told("environ") || told("cmdline")
        })
        .map(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            (pid, String::from_utf8_lossy(&line).replace('\0', " "))
        })
        .collect()
}
