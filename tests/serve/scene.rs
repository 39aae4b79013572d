//! A forge, a repository, a configuration and scripts: all that a coordinator needs to work on something.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use super::process::{BINARY, Coordinator, processes_of, until};
use crate::support::forge_under_test::ForgeUnderTest;

pub const SECRET: &str = "s3cret-of-the-hook";

/// The scene; `config` and `environment` may be changed before a start or a reload.
pub struct Scene {
    pub forge: ForgeUnderTest,
    pub repo: String,
    folder: tempfile::TempDir,
    pub config: toml::Table,
    pub environment: BTreeMap<String, String>,
}

impl Scene {
    /// One repository whose gate wants each changed file to end in `good`, one agent, one free model.
    pub async fn new() -> Self {
        let forge = ForgeUnderTest::simulated().await;
        let repo = forge.repository("app", &[("README.md", "An app.\n")]).await;
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().canonicalize().unwrap();
        for name in ["scripts", "hold", "tmp", "home"] {
            fs::create_dir(at.join(name)).unwrap();
        }
        let config = toml::from_str(&format!(
            r#"
            [server]
            host = "127.0.0.1"
            port = {port}
            [gitea]
            url = "{url}"
            token = "{token}"
            webhook_secrets = ["{SECRET}"]
            reconcile_active = "1s"
            reconcile_idle = "1s"
            [store]
            path = "{at}/data/mosaic.db"
            reserve_bytes = 1
            [workspace]
            root = "{at}/workspaces"
            [gates.check]
            command = ["sh", "-c", "while [ -e '{at}/hold/gates' ]; do sleep 0.02; done; for f in work-*; do [ \"$(tail -n 1 \"$f\")\" = good ] || exit 1; done"]
            [agents.scripted]
            command = ["{BINARY}", "scripted-agent", "--scripts", "{at}/scripts"]
            [models.small]
            agent = "scripted"
            model = "vendor-small"
            window_tokens = 100000
            capability = "high"
            "#,
            port = free_port(),
            url = forge.url(),
            token = forge.bot.token,
            at = at.display(),
        ))
        .unwrap();
        let path = std::env::var("PATH").unwrap();
        let environment = [
            ("PATH", path),
            ("HOME", at.join("home").display().to_string()),
            ("TMPDIR", at.join("tmp").display().to_string()),
            ("LOG_LEVEL", "debug".to_owned()),
        ];
        let mut environment: BTreeMap<String, String> =
            environment.map(|(name, value)| (name.to_owned(), value)).into();
        // Where coverage is measured, it is measured there as well.
        environment.extend(std::env::var("LLVM_PROFILE_FILE").map(|at| ("LLVM_PROFILE_FILE".to_owned(), at)));
        let scene = Self { forge, repo, folder, config, environment };
        scene.hook(SECRET).await;
        scene
    }

    /// Has the forge send its webhooks.
    pub async fn hook(&self, secret: &str) {
        let url = format!("http://127.0.0.1:{}/webhook/gitea", self.config["server"]["port"]);
        self.forge.hook(&self.repo, &url, secret).await;
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Sets a key, named by its table and its name.
    pub fn set(&mut self, table: &str, key: &str, value: impl Into<toml::Value>) {
        let mut at = &mut self.config;
        for part in table.split('.') {
            let next = at.entry(part).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            at = next.as_table_mut().unwrap();
        }
        at.insert(key.to_owned(), value.into());
    }

    /// Writes the configuration where a coordinator reads it.
    pub fn write_config(&self) -> PathBuf {
        let file = self.file("config.toml");
        fs::write(&file, toml::to_string(&self.config).unwrap()).unwrap();
        file
    }

    /// A command of the binary, in this scene's environment and in its own working directory.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(args).env_clear().envs(&self.environment).current_dir("/");
        command
    }

    /// Starts `serve` on the configuration as it is now; it need not come to listen.
    pub fn try_start(&self) -> Coordinator {
        let config = self.write_config();
        let command = self.command(&["serve", "--config", config.to_str().unwrap()]);
        Coordinator::start(command, &self.file("log"))
    }

    /// The same, and it listens.
    pub fn start(&self) -> Coordinator {
        let coordinator = self.try_start();
        assert!(coordinator.listens(), "{}", coordinator.log());
        coordinator
    }

    /// Writes what the agent does on an issue.
    pub fn script(&self, issue: u64, script: &Value) {
        fs::write(self.file(&format!("scripts/{issue}.json")), script.to_string()).unwrap();
    }

    /// An agent that notes its prompts' headers, begins, holds while it is told to, and ends the work well.
    pub fn honest_script(&self, issue: u64) {
        let at = self.path().display().to_string();
        let steps = |begin: Value| {
            json!([
                { "capture": { "name": "header", "regex": "^<!-- (mosaic:[^>]*) -->" } },
                { "run": format!("echo '{{{{header}}}}' >> '{at}/prompts'") },
                begin,
                { "usage": { "used": 20000 } },
                { "say": format!("working on {issue}") },
                { "run": format!("while [ -e '{at}/hold/turn' ]; do sleep 0.02; done") },
                { "append": { "path": format!("work-{issue}"), "content": "good\n" } },
            ])
        };
        let begin = json!({ "write": { "path": format!("work-{issue}"), "content": "begun\n" } });
        // The next session goes on with what it finds, and fails its gates where it finds nothing.
        let go_on = json!({ "run": format!("test -e work-{issue} || echo bad > lost-{issue}") });
        self.script(
            issue,
            &json!({ "turns": [
                { "match": { "phase": "work" }, "times": 99, "steps": steps(begin) },
                { "match": { "phase": "handover" }, "times": 99, "steps": steps(go_on) },
            ] }),
        );
    }

    /// Makes an issue that an honest agent is able to do; it is not assigned yet.
    pub async fn issue(&self, title: &str) -> u64 {
        let body = "Difficulty: easy\nEstimated context: 20000 tokens\n";
        let issue = self.forge.create_issue(&self.repo, title, body, &[]).await;
        self.honest_script(issue);
        issue
    }

    /// The same, assigned to the bot.
    pub async fn assigned_issue(&self, title: &str) -> u64 {
        let issue = self.issue(title).await;
        self.forge.assign(&self.repo, issue, &[&self.forge.bot]).await;
        issue
    }

    /// Has gates or turns wait until they are let go.
    pub fn hold(&self, what: &str) {
        fs::write(self.file("hold").join(what), "").unwrap();
    }

    pub fn let_go(&self, what: &str) {
        // Twice is as good as once.
        let _ = fs::remove_file(self.file("hold").join(what));
    }

    /// The headers of the prompts so far that name an issue.
    pub fn prompts(&self, issue: u64) -> Vec<String> {
        let all = fs::read_to_string(self.file("prompts")).unwrap_or_default();
        let mark = format!("#{issue} ");
        all.lines().filter(|line| line.contains(&mark)).map(str::to_owned).collect()
    }

    /// A task's work tree.
    pub fn work_tree(&self, issue: u64) -> PathBuf {
        let folder = self.repo.replace('/', "+");
        self.file(&format!("workspaces/tasks/{folder}/{issue}-g1/tree"))
    }

    /// Waits until the agent has begun on an issue.
    pub async fn begun(&self, issue: u64) {
        let file = self.work_tree(issue).join(format!("work-{issue}"));
        until(&format!("the agent begins on {issue}"), async || file.exists().then_some(())).await;
    }

    /// Waits until nothing is left of agents and gates; `but` is the coordinator itself, while it lives.
    pub async fn nothing_left(&self, but: &[i32]) {
        let folder = self.path();
        let mut left = Vec::new();
        let begun = std::time::Instant::now();
        while begun.elapsed() < std::time::Duration::from_secs(20) {
            left = processes_of(&folder, but);
            if left.is_empty() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("left behind: {left:#?}");
    }

    /// One merged pull request and one comment, and the issue is closed.
    pub async fn finished_once(&self, issue: u64) {
        let read = self.forge.issue(&self.repo, issue).await;
        assert_eq!(read["state"], "closed", "#{issue}");
        let closes = format!("Closes #{issue}");
        let pulls = self.forge.pulls(&self.repo).await;
        let pulls: Vec<_> = pulls
            .iter()
            .filter(|pull| pull["body"].as_str().unwrap().lines().any(|line| line == closes))
            .collect();
        assert_eq!(pulls.len(), 1, "pull requests of #{issue}: {pulls:#?}");
        assert_eq!(pulls[0]["merged"], true, "#{issue}");
        let comments = self.forge.comments(&self.repo, issue).await;
        assert_eq!(comments.len(), 1, "comments on #{issue}: {comments:#?}");
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> i64 {
    i64::from(TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port())
}

/// Whether a file's text has a word in it.
pub fn says(file: &Path, word: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.contains(word))
}
