//! A world to run a coordinator in: a forge of either kind, a repository with gates, a bot, scripts for the agent, and
//! the coordinator itself, in this process, reached as from outside: by signed webhooks and over HTTP.
//!
//! A test stages a world, drives it, waits for what should come, and leaves it. Leaving asserts that nothing is left
//! over: see `leaving`.
#![allow(clippy::disallowed_methods, reason = "tests wait against a deadline")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{Mutex, Once},
    time::{Duration, Instant},
};

use hmac::{Hmac, KeyInit, Mac};
use mosaic_coordinator::{
    app::{self, Options, Running},
    config::{Config, Sources, load},
};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;

use super::{forge_under_test::ForgeUnderTest, git::git, leftovers::processes_of};

/// What webhooks are signed with.
pub const SECRET: &str = "s3cret";
/// No wait is longer.
const PATIENCE: Duration = Duration::from_secs(90);
pub(super) const LOOK: Duration = Duration::from_millis(25);

/// The gates of a staged repository, unless it brings others. Both are red while no issue's work is there.
pub const GATES: &str = r#"
[gates.build]
command = ["sh", "-c", "test -d work && ! grep -rn BROKEN work"]
[gates.test]
command = ["sh", "-c", "for file in work/*.txt; do grep -q ^done $file || { echo $file: not done; exit 1; }; done"]
"#;

/// A world in the making.
pub struct Staging {
    forge: ForgeUnderTest,
    folder: TempDir,
    files: BTreeMap<String, String>,
    gates: BTreeSet<String>,
    config: Config,
    hooked: bool,
}

impl Staging {
    /// Changes the configuration.
    pub fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// The repository's `.mosaic.toml`; `names` are its gates.
    pub fn gates(mut self, names: &[&str], rules: &str) -> Self {
        self.gates = names.iter().map(|name| (*name).to_owned()).collect();
        self.files.insert(".mosaic.toml".to_owned(), rules.to_owned());
        self
    }

    /// A file on the base branch.
    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.to_owned(), text.to_owned());
        self
    }

    /// A path in the world's folder.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Without a webhook: nothing is told, all has to be found.
    pub fn unhooked(mut self) -> Self {
        self.hooked = false;
        self
    }

    /// The repository is made; the coordinator does not run yet.
    pub async fn set(self) -> World {
        let Self { forge, folder, files, gates, config, hooked } = self;
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let repo = forge.repository("project", &files).await;
        let environment = BTreeMap::from([
            ("PATH".to_owned(), std::env::var("PATH").unwrap()),
            ("HOME".to_owned(), folder.path().join("home").display().to_string()),
        ]);
        // A fresh connection for each request, so that all workers of the coordinator's get some.
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
        let options = Options { config, exe: exe(folder.path()), environment };
        World {
            forge,
            repo,
            options,
            folder,
            gates,
            hooked,
            running: None,
            http,
            expected: Mutex::default(),
            restarted: Mutex::default(),
        }
    }

    /// The repository is made and hooked, and the coordinator runs.
    pub async fn begin(self) -> World {
        let mut world = self.set().await;
        world.start().await;
        world
    }
}

/// See the module.
pub struct World {
    pub forge: ForgeUnderTest,
    /// The repository, as `owner/name`.
    pub repo: String,
    options: Options,
    pub(super) folder: TempDir,
    pub(super) gates: BTreeSet<String>,
    hooked: bool,
    running: Option<Running>,
    http: reqwest::Client,
    /// How each issue has to end, by repository and number.
    pub(super) expected: Mutex<BTreeMap<(String, u64), String>>,
    /// Actors that were made to crash.
    pub(super) restarted: Mutex<BTreeSet<String>>,
}

impl World {
    /// Begins to stage a world on a forge.
    pub fn on(forge: ForgeUnderTest) -> Staging {
        log_where_asked_for();
        let folder = tempfile::Builder::new().prefix("world-").tempdir().unwrap();
        for name in ["home", "scripts"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        symlink(env!("CARGO_BIN_EXE_mosaic-coordinator"), exe(folder.path())).unwrap();
        let config = configuration(&forge, folder.path());
        let files = BTreeMap::from([
            (".mosaic.toml".to_owned(), GATES.to_owned()),
            ("README.md".to_owned(), "# Project\n".to_owned()),
        ]);
        let gates = ["build", "test"].map(str::to_owned).into();
        Staging { forge, folder, files, gates, config, hooked: true }
    }

    /// Starts the coordinator and, where there shall be one, points a webhook at it.
    pub async fn start(&mut self) {
        let options = self.options.clone();
        let running = tokio::task::spawn_blocking(move || app::start(options)).await.unwrap().unwrap();
        self.running = Some(running);
        if self.hooked {
            self.hook(&self.repo).await;
        }
    }

    /// Points a webhook of a repository at the coordinator.
    pub async fn hook(&self, repo: &str) {
        self.forge.hook(repo, &self.url("/webhook/gitea"), SECRET).await;
    }

    /// The coordinator itself.
    pub fn running(&self) -> &Running {
        self.running.as_ref().expect("it was started")
    }

    /// The configuration that it was started with.
    pub fn config(&self) -> Config {
        self.options.config.clone()
    }

    /// A URL of the coordinator.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.running().url())
    }

    /// A path in the world's folder.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Lets agents go on that wait for a file of this name.
    pub fn say(&self, name: &str) {
        fs::write(self.path(name), "").unwrap();
    }

    /// The step that waits until [`World::say`] says this name.
    pub fn heard(&self, name: &str) -> Value {
        json!({ "wait_file": self.path(name) })
    }

    /// Makes an issue that is nobody's yet, with what its agent will do; returns its number.
    pub async fn issue(&self, title: &str, body: &str, script: impl FnOnce(u64) -> Value) -> u64 {
        let number = self.forge.create_issue(&self.repo, title, body, &[]).await;
        self.script(number, &script(number));
        self.expect(number, "done");
        number
    }

    /// Writes what the agent does for an issue; its next process reads it.
    pub fn script(&self, issue: u64, script: &Value) {
        fs::write(self.path(&format!("scripts/{issue}.json")), script.to_string()).unwrap();
    }

    /// How an issue has to end; `done` where nothing is said.
    pub fn expect(&self, issue: u64, state: &str) {
        self.expect_in(&self.repo, issue, state);
    }

    /// The same for an issue of another repository.
    pub fn expect_in(&self, repo: &str, issue: u64, state: &str) {
        self.expected.lock().unwrap().insert((repo.to_owned(), issue), state.to_owned());
    }

    /// An actor that the test makes crash.
    pub fn expect_restart_of(&self, actor: &str) {
        self.restarted.lock().unwrap().insert(actor.to_owned());
    }

    /// Assigns issues to the bot, one after the other.
    pub async fn assign(&self, issues: &[u64]) {
        for issue in issues {
            self.forge.assign(&self.repo, *issue, &[&self.forge.bot]).await;
        }
    }

    /// `GET path` of the coordinator, any answer.
    pub async fn ask(&self, path: &str) -> (u16, Value) {
        let answer = self.http.get(self.url(path)).send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// `GET path` of the coordinator; it has to answer 200.
    pub async fn read(&self, path: &str) -> Value {
        let (status, body) = self.ask(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// All tasks.
    pub async fn tasks(&self) -> Vec<Value> {
        self.read("/api/v1/tasks").await["tasks"].as_array().unwrap().clone()
    }

    /// The task on an issue; null where there is none.
    pub async fn task(&self, issue: u64) -> Value {
        self.task_in(&self.repo, issue).await
    }

    /// The task on an issue of another repository.
    pub async fn task_in(&self, repo: &str, issue: u64) -> Value {
        let (status, body) = self.ask(&format!("/api/v1/tasks/{repo}/{issue}")).await;
        if status == 200 { body } else { Value::Null }
    }

    /// The report.
    pub async fn report(&self) -> Value {
        self.read("/api/v1/report").await
    }

    /// One measure of the report.
    pub async fn measure(&self, name: &str) -> Value {
        self.report().await["measures"][name].clone()
    }

    /// The actor of that id, percent-encoded as in a path.
    pub async fn actor(&self, id: &str) -> Value {
        let id = id.replace('/', "%2F").replace('#', "%23");
        self.read(&format!("/actors/{id}")).await
    }

    /// Waits until it holds.
    pub async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds().await {
            if Instant::now() > deadline {
                panic!("not on {:?}: {what}\n{}", self.forge.kind(), self.told().await);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the task on an issue is in a state; returns it.
    pub async fn until_state(&self, issue: u64, state: &str) -> Value {
        self.until_task(issue, state, |task| task["state"] == state).await
    }

    /// Waits until the task on an issue is as wanted; returns it.
    pub async fn until_task(&self, issue: u64, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let mut task = Value::Null;
        self.until(&format!("#{issue} is {what}"), async || {
            task = self.task(issue).await;
            holds(&task)
        })
        .await;
        task
    }

    /// Waits until all issues have ended as expected.
    pub async fn until_over(&self) {
        let expected = self.expected.lock().unwrap().clone();
        self.until("all have ended as expected", async || {
            for ((repo, issue), state) in &expected {
                if self.task_in(repo, *issue).await["state"] != *state {
                    return false;
                }
            }
            true
        })
        .await;
    }

    /// Bodies of the bot's comments on an issue.
    pub async fn comments(&self, repo: &str, issue: u64) -> Vec<String> {
        let bot = json!(self.forge.bot.login);
        let comments = self.forge.comments(repo, issue).await;
        let own = comments.iter().filter(|comment| comment["user"]["login"] == bot);
        own.map(|comment| comment["body"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the bot's comment on an issue says this.
    pub async fn until_comment(&self, issue: u64, text: &str) {
        self.until(&format!("the comment on #{issue} says `{text}`"), async || {
            self.comments(&self.repo, issue).await.iter().any(|body| body.contains(text))
        })
        .await;
    }

    /// A file on the base branch, as it is now on the forge.
    pub async fn file(&self, path: &str) -> Option<String> {
        self.git(&["show", &format!("main:{path}")]).await.ok()
    }

    /// Runs git on a fresh mirror of the repository.
    pub async fn git(&self, args: &[&str]) -> Result<String, String> {
        self.git_in(&self.repo, args).await
    }

    pub(super) async fn git_in(&self, repo: &str, args: &[&str]) -> Result<String, String> {
        let (url, owner) = (format!("{}/{repo}.git", self.forge.url()), self.forge.owner.clone());
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let read = tokio::task::spawn_blocking(move || {
            let folder = tempfile::tempdir().unwrap();
            git(folder.path(), Some(&owner), &["clone", "--quiet", "--mirror", &url, "."])?;
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            git(folder.path(), Some(&owner), &args)
        });
        read.await.unwrap()
    }

    /// Sends a webhook by hand, signed with `secret`; returns status and answer.
    pub async fn deliver(&self, event: &str, id: &str, secret: &str, payload: &Value) -> (u16, Value) {
        let body = payload.to_string();
        let signature = signature(secret, body.as_bytes());
        let headers = [("X-Gitea-Event", event), ("X-Gitea-Delivery", id), ("X-Gitea-Signature", &signature)];
        self.send(&headers, body).await
    }

    /// Sends any request to the webhook's address.
    pub async fn send(&self, headers: &[(&str, &str)], body: String) -> (u16, Value) {
        let mut request =
            self.http.post(self.url("/webhook/gitea")).header("Content-Type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
    }

    /// The payload of a webhook about an issue, as the forge would send it now.
    pub async fn payload(&self, issue: u64, action: &str) -> Value {
        let repository = self.forge.read(&format!("repos/{}", self.repo)).await;
        let issue = self.forge.issue(&self.repo, issue).await;
        json!({ "action": action, "number": issue["number"], "issue": issue, "repository": repository,
                "sender": repository["owner"] })
    }

    /// Processes of keepers, agents and gates that live.
    pub fn processes(&self) -> Vec<String> {
        processes_of(self.folder.path())
    }

    /// Stops the coordinator in order.
    pub async fn stop(&mut self) {
        let running = self.running.take().expect("it was started");
        tokio::task::spawn_blocking(move || running.stop()).await.unwrap();
    }

    /// What a person would look at when something does not come.
    async fn told(&self) -> String {
        let mut told = String::new();
        for path in ["/api/v1/tasks", "/actors", "/health/ready"] {
            let (status, body) = self.ask(path).await;
            told += &format!("{path} {status}: {body:#}\n");
        }
        told
    }
}

/// The signature of a payload.
pub fn signature(secret: &str, payload: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(payload);
    hex::encode(mac.finalize().into_bytes())
}

/// Our own binary under a name in the world's folder, so that keepers can be told apart.
fn exe(folder: &Path) -> PathBuf {
    folder.join("mosaic-coordinator")
}

fn configuration(forge: &ForgeUnderTest, folder: &Path) -> Config {
    let text = format!(
        r#"
[server]
host = "127.0.0.1"
port = 0
[gitea]
url = "{url}"
token = "{token}"
webhook_secrets = ["{SECRET}"]
[store]
path = "{folder}/data/mosaic.db"
reserve_bytes = 0
[workspace]
root = "{folder}/workspaces"
[agents.scripted]
command = ["{exe}", "scripted-agent", "--scripts", "{folder}/scripts"]
[models.small]
agent = "scripted"
model = "vendor-small"
window_tokens = 100000
capability = "low"
[models.middle]
agent = "scripted"
model = "vendor-middle"
window_tokens = 200000
capability = "medium"
[models.large]
agent = "scripted"
model = "vendor-large"
window_tokens = 400000
input_price = 1.0
output_price = 5.0
capability = "high"
"#,
        url = forge.url(),
        token = forge.bot.token,
        folder = folder.display(),
        exe = exe(folder).display(),
    );
    let file = folder.join("mosaic.toml");
    fs::write(&file, text).unwrap();
    config_of(&file)
}

/// A configuration file's content on top of the defaults.
pub fn config_of(file: &Path) -> Config {
    let sources = Sources { file: Some(file.to_owned()), environment: BTreeMap::new(), ..Sources::default() };
    load(sources).unwrap_or_else(|faults| panic!("{faults}")).config
}

/// Logs to standard error where `MOSAIC_TEST_LOG` names what (`info`, `debug`, …).
fn log_where_asked_for() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if let Ok(filter) = std::env::var("MOSAIC_TEST_LOG") {
            tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
        }
    });
}
