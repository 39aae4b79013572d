//! A real Gitea for tests: its own folder, its own port, and nothing left of it afterwards.
//!
//! The program is named by `MOSAIC_GITEA` (`.ci/gitea` builds it); without it there is none. A small shell is
//! its parent: it waits on a pipe from this process, so however this process ends, Gitea's process group is
//! stopped and its folder removed.
#![allow(clippy::disallowed_methods, reason = "tests start programs, read the environment and wait")]

use std::{
    fs,
    io::Write,
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::json;

/// Every password in there.
pub const PASSWORD: &str = "Passw0rd!1";
const ADMIN: &str = "root1";
const START_WITHIN: Duration = Duration::from_secs(60);

/// Runs Gitea (`$1` folder, the rest its command line), then waits for the end of its standard input.
const KEEPER: &str = r#"
folder=$1; shift
trap : TERM
"$@" >"$folder/web.log" 2>&1 &
gitea=$!
read -r _
kill -TERM "$gitea"
(sleep 5; kill -KILL "$gitea") &
wait "$gitea"
cd /
rm -rf "$folder"
kill -KILL -$$
"#;

/// One running Gitea.
pub struct RealGitea {
    url: String,
    admin_token: String,
    folder: PathBuf,
    keeper: Child,
    leash: Option<ChildStdin>,
}

impl RealGitea {
    /// The one that all tests of this run share, started by the first who asks. `None`, with a word on it,
    /// when `MOSAIC_GITEA` names no program.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<RealGitea>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// Starts one of its own; stopped when dropped.
    pub fn start() -> Option<Self> {
        let Some(program) = std::env::var_os("MOSAIC_GITEA").map(PathBuf::from) else {
            eprintln!("skipped on a real Gitea: MOSAIC_GITEA is not set (see .ci/gitea)");
            return None;
        };
        assert!(program.is_file(), "MOSAIC_GITEA names no file: {}", program.display());
        let folder = tempfile::Builder::new().prefix("gitea-").tempdir().unwrap().keep();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{port}");
        fs::write(folder.join("app.ini"), configuration(&program, &folder, port)).unwrap();
        run(&program, &folder, &["migrate"]);
        let create = ["admin", "user", "create", "--admin", "--username", ADMIN, "--password", PASSWORD];
        let mail = ["--email", "root1@users.localhost", "--must-change-password=false"];
        run(&program, &folder, &[&create[..], &mail[..]].concat());
        let token = ["admin", "user", "generate-access-token", "--username", ADMIN, "--token-name", "t"];
        let printed = run(&program, &folder, &[&token[..], &["--raw", "--scopes", "all"]].concat());
        let admin_token = printed.trim().lines().last().unwrap().trim().to_owned();
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(&folder)
            .arg(&program)
            .args(place(&folder))
            .arg("web")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let leash = keeper.stdin.take();
        let gitea = Self { url, admin_token, folder, keeper, leash };
        gitea.await_ready();
        Some(gitea)
    }

    /// Its base, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A token of a site administrator, with all scopes.
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// Makes a user and returns a token of theirs with all scopes.
    pub async fn add_user(&self, login: &str) -> String {
        let http = reqwest::Client::new();
        let user = json!({
            "username": login, "password": PASSWORD, "must_change_password": false,
            "email": format!("{}@users.localhost", login.to_ascii_lowercase()),
        });
        let made = http
            .post(format!("{}/api/v1/admin/users", self.url))
            .header("Authorization", format!("token {}", self.admin_token))
            .json(&user);
        let made = made.send().await.unwrap();
        assert_eq!(made.status(), 201, "making {login}: {}", made.text().await.unwrap());
        let token = http
            .post(format!("{}/api/v1/users/{login}/tokens", self.url))
            .basic_auth(login, Some(PASSWORD))
            .json(&json!({ "name": "t", "scopes": ["all"] }));
        let token: serde_json::Value = token.send().await.unwrap().json().await.unwrap();
        token["sha1"].as_str().unwrap().to_owned()
    }

    /// Where it keeps all it has.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn await_ready(&self) {
        let address = self.url.trim_start_matches("http://");
        let began = Instant::now();
        while !answers(address) {
            if began.elapsed() > START_WITHIN {
                let log = fs::read_to_string(self.folder.join("web.log")).unwrap_or_default();
                panic!("Gitea does not answer on {address}: {log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for RealGitea {
    fn drop(&mut self) {
        drop(self.leash.take());
        let _ = self.keeper.wait();
    }
}

/// Whether `GET /api/v1/version` is answered with 200. Plain sockets: this runs inside and outside of async.
fn answers(address: &str) -> bool {
    let Ok(mut stream) = std::net::TcpStream::connect(address) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let asked = write!(stream, "GET /api/v1/version HTTP/1.0\r\nHost: {address}\r\n\r\n");
    let mut answer = String::new();
    asked.is_ok()
        && std::io::Read::read_to_string(&mut stream, &mut answer).is_ok()
        && answer.lines().next().is_some_and(|status| status.contains(" 200"))
}

fn place(folder: &Path) -> [String; 4] {
    let config = folder.join("app.ini").display().to_string();
    ["--work-path".to_owned(), folder.display().to_string(), "--config".to_owned(), config]
}

fn run(program: &Path, folder: &Path, args: &[&str]) -> String {
    let out = Command::new(program).args(place(folder)).args(args).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "gitea {args:?}: {stdout}{stderr}");
    stdout.into_owned()
}

fn configuration(program: &Path, folder: &Path, port: u16) -> String {
    let user = Command::new("id").arg("-un").output().unwrap();
    let user = String::from_utf8_lossy(&user.stdout).trim().to_owned();
    let source = program.with_file_name("source");
    let (source, folder) = (source.display(), folder.display());
    let internal = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJuYmYiOjE3MDAwMDAwMDB9.\
                    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    // One worker sends the webhooks, so that they arrive in the order of their causes.
    format!(
        "RUN_MODE = prod
RUN_USER = {user}
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = http://127.0.0.1:{port}/
STATIC_ROOT_PATH = {source}
APP_DATA_PATH = {folder}/data
DISABLE_SSH = true
OFFLINE_MODE = true
LFS_START_SERVER = false
[database]
DB_TYPE = sqlite3
PATH = {folder}/gitea.db
[repository]
ROOT = {folder}/repos
DEFAULT_BRANCH = main
[security]
INSTALL_LOCK = true
SECRET_KEY = 0123456789abcdef0123456789abcdef
INTERNAL_TOKEN = {internal}
PASSWORD_HASH_ALGO = pbkdf2
[oauth2]
ENABLED = false
[service]
DISABLE_REGISTRATION = true
[webhook]
ALLOWED_HOST_LIST = loopback
DELIVER_TIMEOUT = 5
[queue.webhook_sender]
MAX_WORKERS = 1
[mailer]
ENABLED = false
[picture]
DISABLE_GRAVATAR = true
[session]
PROVIDER = memory
[indexer]
ISSUE_INDEXER_TYPE = db
[cron]
ENABLED = false
[actions]
ENABLED = false
[log]
MODE = console
LEVEL = Warn
"
    )
}
