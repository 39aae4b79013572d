//! One call of git: its flags, its environment, its outcome.
//!
//! Promises that git reads no configuration but what is given here, asks nobody, runs no hook, no monitor and no
//! credential program, speaks only the protocols a call allows, and that the forge's token reaches it by its
//! environment alone. Never runs by itself in a folder that an agent could write: such calls go to a keeper.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::OnceCell;

use super::{error::WorkspaceError, git_dir::Identity, kept::run_kept};
use crate::{
    domain::id::{CommitId, RepoRef},
    process::{Keeper, Tool, ToolError},
};

/// The least version: `merge-tree --write-tree` came with it.
const LEAST_VERSION: (u32, u32) = (2, 38);
/// Most time for work on the local disk.
pub(super) const LOCAL_LIMIT: Duration = Duration::from_secs(10 * 60);
/// Most time for a transfer; a stalled one ends sooner by the low-speed limit.
const REMOTE_LIMIT: Duration = Duration::from_secs(30 * 60);
/// Most output of one call.
pub(super) const OUTPUT_LIMIT_BYTES: usize = 64 * 1024 * 1024;

/// Where a repository is cloned from and pushed to.
#[derive(Clone)]
pub struct Remote {
    /// Clone address, built from our own configuration; never holds a secret.
    pub url: String,
    /// The forge's token; empty: none is sent.
    pub token: SecretString,
    /// The forge's address: the token is sent nowhere else.
    pub base_url: String,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote")
            .field("url", &self.url)
            .field("base_url", &self.base_url)
            .finish_non_exhaustive()
    }
}

/// What git left; a code other than 0 is for the caller to judge.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) code: i32,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: String,
}

impl Output {
    /// Standard output as one trimmed text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }

    /// Standard output as texts that end in a zero byte.
    pub(super) fn fields(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.stdout);
        text.split('\0').filter(|field| !field.is_empty()).map(str::to_owned).collect()
    }
}

/// Git, as the coordinator calls it.
#[derive(Clone)]
pub(super) struct Git {
    environment: Arc<BTreeMap<String, String>>,
    identity: Arc<ArcSwap<Identity>>,
    is_new_enough: Arc<OnceCell<()>>,
}

impl Git {
    /// `home` is an empty folder; of `environment` everything is passed on, but what would let git ask or run others.
    pub(super) fn new(environment: BTreeMap<String, String>, home: &Path, identity: Identity) -> Self {
        let mut environment = environment;
        environment.retain(|name, _| name.starts_with("GIT_SSL_CA") || !is_of_git(name));
        let home = home.display().to_string();
        let fixed = [
            ("HOME", home.as_str()),
            ("LC_ALL", "C"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
        ];
        environment.extend(fixed.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Self {
            environment: Arc::new(environment),
            identity: Arc::new(ArcSwap::from_pointee(identity)),
            is_new_enough: Arc::default(),
        }
    }

    /// Who commits are by.
    pub(super) fn identity(&self) -> Arc<Identity> {
        self.identity.load_full()
    }

    /// Commits from now on are by `identity`; all clones follow.
    pub(super) fn set_identity(&self, identity: Identity) {
        self.identity.store(Arc::new(identity));
    }

    /// A call for `repo` on the git directory `git_dir`; `action` names it in errors.
    pub(super) fn call<'a>(&'a self, repo: &'a RepoRef, action: &'static str, git_dir: &Path) -> Call<'a> {
        Call {
            git: self,
            repo,
            action,
            git_dir: git_dir.to_owned(),
            work_tree: None,
            protocol: None,
            token: None,
            args: Vec::new(),
            env: BTreeMap::new(),
            stdin: None,
        }
    }

    async fn require_version(&self) -> Result<(), WorkspaceError> {
        let check = async || {
            let tool = Tool {
                program: "git".to_owned(),
                args: vec!["--version".to_owned()],
                cwd: PathBuf::from("/"),
                env: self.environment.as_ref().clone(),
                stdin: None,
                timeout: Duration::from_secs(30),
                output_limit_bytes: 64 * 1024,
            };
            let unusable = |detail: String| WorkspaceError::GitUnusable { detail };
            let output = tool.run().await.map_err(|error| unusable(error.to_string()))?;
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            match version(&text) {
                Some(found) if found >= LEAST_VERSION => Ok(()),
                _ => Err(unusable(format!("`{text}` is too old or no git"))),
            }
        };
        self.is_new_enough.get_or_try_init(check).await.copied()
    }
}

/// Whether a variable could give git a configuration, a repository or a program to run.
fn is_of_git(name: &str) -> bool {
    name.starts_with("GIT_") || name.starts_with("XDG_")
}

/// Reads `git version 2.39.5 (…)`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix("git version ")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// One call of git, being put together.
pub(super) struct Call<'a> {
    git: &'a Git,
    repo: &'a RepoRef,
    action: &'static str,
    git_dir: PathBuf,
    work_tree: Option<PathBuf>,
    protocol: Option<&'static str>,
    token: Option<SecretString>,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    stdin: Option<Vec<u8>>,
}

impl Call<'_> {
    /// The folder whose files it reads or writes.
    pub(super) fn work_tree(mut self, tree: &Path) -> Self {
        self.work_tree = Some(tree.to_owned());
        self
    }

    /// Adds arguments.
    pub(super) fn args<T: Into<String>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of its environment.
    pub(super) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// What it finds on standard input.
    pub(super) fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(input.into());
        self
    }

    /// Lets it talk to other repositories on this disk.
    pub(super) fn local_transport(mut self) -> Self {
        self.protocol = Some("file");
        self
    }

    /// Lets it talk to `remote`, with the token for addresses below the forge's own.
    pub(super) fn remote(mut self, remote: &Remote) -> Self {
        self.protocol = Some(match remote.url.split_once("://") {
            Some(("https", _)) => "https",
            Some(("http", _)) => "http",
            _ => "file",
        });
        let token = remote.token.expose_secret();
        if self.protocol != Some("file") && !token.is_empty() {
            self.token = Some(remote.token.clone());
            self = self
                .env("GIT_CONFIG_COUNT", "1")
                .env("GIT_CONFIG_KEY_0", format!("http.{}.extraHeader", remote.base_url))
                .env("GIT_CONFIG_VALUE_0", format!("Authorization: token {token}"));
        }
        self
    }

    fn argv(&mut self) -> Vec<String> {
        let mut argv: Vec<String> =
            ["--no-pager", "--no-optional-locks", "--no-replace-objects", "--literal-pathspecs"]
                .map(str::to_owned)
                .into();
        let config = [
            "core.hooksPath=/dev/null",
            "core.fsmonitor=false",
            "core.attributesFile=/dev/null",
            "core.excludesFile=/dev/null",
            "core.quotePath=false",
            "credential.helper=",
            "protocol.allow=never",
            "submodule.recurse=false",
            "safe.bareRepository=explicit",
            "gc.auto=0",
            "maintenance.auto=false",
            "commit.gpgSign=false",
            "checkout.workers=2",
            "http.followRedirects=false",
            "http.lowSpeedLimit=1000",
            "http.lowSpeedTime=60",
        ];
        let protocol = self.protocol.map(|name| format!("protocol.{name}.allow=always"));
        for setting in config.into_iter().map(str::to_owned).chain(protocol) {
            argv.extend(["-c".to_owned(), setting]);
        }
        argv.push(format!("--git-dir={}", self.git_dir.display()));
        if let Some(tree) = &self.work_tree {
            argv.push(format!("--work-tree={}", tree.display()));
        }
        argv.append(&mut self.args);
        argv
    }

    fn environment(&mut self) -> BTreeMap<String, String> {
        let mut environment = self.git.environment.as_ref().clone();
        let identity = self.git.identity();
        for role in ["AUTHOR", "COMMITTER"] {
            environment.insert(format!("GIT_{role}_NAME"), identity.name.clone());
            environment.insert(format!("GIT_{role}_EMAIL"), identity.email.clone());
        }
        environment.append(&mut self.env);
        environment
    }

    /// Runs it as the coordinator's own child.
    pub(super) async fn run(mut self) -> Result<Output, WorkspaceError> {
        self.git.require_version().await?;
        let tool = Tool {
            program: "git".to_owned(),
            args: self.argv(),
            cwd: self.work_tree.clone().unwrap_or_else(|| PathBuf::from("/")),
            env: self.environment(),
            stdin: self.stdin.take(),
            timeout: if self.crosses_network() { REMOTE_LIMIT } else { LOCAL_LIMIT },
            output_limit_bytes: OUTPUT_LIMIT_BYTES,
        };
        let output = tool.run().await.map_err(|error| self.failed(error))?;
        let stderr = self.without_token(String::from_utf8_lossy(&output.stderr).into_owned());
        Ok(Output { code: output.code, stdout: output.stdout, stderr })
    }

    /// Runs it as [`Self::run`] does, and takes any code but 0 for a failure.
    pub(super) async fn done(self) -> Result<Output, WorkspaceError> {
        let (repo, action) = (self.repo, self.action);
        successful(repo, action, self.run().await?)
    }

    /// Runs it in its work tree with an agent's rights: as a kept tree, without the token.
    pub(super) async fn run_kept(mut self, keeper: &Keeper) -> Result<Output, WorkspaceError> {
        self.git.require_version().await?;
        let cwd = self.work_tree.clone().unwrap_or_else(|| self.git_dir.clone());
        let (args, environment) = (self.argv(), self.environment());
        run_kept(keeper, self.repo, self.action, cwd, args, environment).await
    }

    /// Runs it as [`Self::run_kept`] does, and takes any code but 0 for a failure.
    pub(super) async fn done_kept(self, keeper: &Keeper) -> Result<Output, WorkspaceError> {
        let (repo, action) = (self.repo, self.action);
        successful(repo, action, self.run_kept(keeper).await?)
    }

    fn failed(&self, error: ToolError) -> WorkspaceError {
        let (repo, action) = (self.repo.clone(), self.action);
        match error {
            ToolError::NotFound { .. } => WorkspaceError::GitUnusable { detail: error.to_string() },
            ToolError::TimedOut { .. } if self.crosses_network() => {
                WorkspaceError::Unreachable { repo, action, detail: error.to_string() }
            }
            other => WorkspaceError::Git { repo, action, detail: other.to_string() },
        }
    }

    fn crosses_network(&self) -> bool {
        matches!(self.protocol, Some("http" | "https"))
    }

    fn without_token(&self, text: String) -> String {
        match &self.token {
            Some(token) => text.replace(token.expose_secret(), "***"),
            None => text,
        }
    }
}

fn successful(repo: &RepoRef, action: &'static str, output: Output) -> Result<Output, WorkspaceError> {
    if output.code != 0 {
        return Err(WorkspaceError::git(repo, action, &output.stderr));
    }
    Ok(output)
}

/// Whether `text` is a whole object id: nothing else may stand where git takes a revision.
pub(super) fn is_object_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The commit's id as an argument, refused where it is none.
pub(super) fn commit_arg(repo: &RepoRef, commit: &CommitId) -> Result<String, WorkspaceError> {
    if is_object_id(&commit.0) {
        return Ok(commit.0.clone());
    }
    Err(WorkspaceError::NotFound {
        repo: repo.clone(),
        what: format!("commit `{}`", commit.0.escape_debug()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git() -> Git {
        let identity = Identity { name: "bot".to_owned(), email: "bot@x".to_owned() };
        let environment = [
            ("PATH", "/usr/bin:/bin"),
            ("GIT_DIR", "/evil"),
            ("XDG_CONFIG_HOME", "/evil"),
            ("GIT_SSL_CAINFO", "/ca.pem"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Git::new(environment.into(), Path::new("/home-of-nobody"), identity)
    }

    fn remote(url: &str) -> Remote {
        Remote {
            url: url.to_owned(),
            token: SecretString::from("canary-token"),
            base_url: "https://forge.example/sub/".to_owned(),
        }
    }

    #[test]
    fn the_token_is_in_the_environment_alone_and_bound_to_the_forge() {
        let (git, repo) = (git(), RepoRef::new("acme", "app"));
        let remote = remote("https://forge.example/sub/acme/app.git");
        let mut call =
            git.call(&repo, "fetch", Path::new("/m.git")).remote(&remote).args(["fetch", &remote.url]);
        assert!(!call.argv().join(" ").contains("canary"));
        let environment = call.environment();
        assert_eq!(environment["GIT_CONFIG_KEY_0"], "http.https://forge.example/sub/.extraHeader");
        assert_eq!(environment["GIT_CONFIG_VALUE_0"], "Authorization: token canary-token");
        assert_eq!(call.without_token("x canary-token y".to_owned()), "x *** y");
        assert!(!format!("{remote:?}").contains("canary"));
    }

    #[test]
    fn only_the_protocol_of_the_address_is_allowed() {
        let (git, repo) = (git(), RepoRef::new("acme", "app"));
        let allowed = |url: &str| {
            let mut call = git.call(&repo, "fetch", Path::new("/m.git")).remote(&remote(url));
            let argv = call.argv();
            assert!(argv.contains(&"protocol.allow=never".to_owned()));
            argv.into_iter().filter(|arg| arg.ends_with(".allow=always")).collect::<Vec<_>>()
        };
        assert_eq!(allowed("https://h/x"), ["protocol.https.allow=always"]);
        assert_eq!(allowed("http://h/x"), ["protocol.http.allow=always"]);
        assert_eq!(allowed("/srv/x.git"), ["protocol.file.allow=always"]);
        assert_eq!(allowed("ssh://h/x"), ["protocol.file.allow=always"]);
    }

    #[test]
    fn a_local_remote_gets_no_token() {
        let (git, repo) = (git(), RepoRef::new("acme", "app"));
        let mut call = git.call(&repo, "fetch", Path::new("/m.git")).remote(&remote("file:///srv/x.git"));
        assert!(!call.environment().values().any(|value| value.contains("canary")));
    }

    #[test]
    fn variables_that_redirect_git_are_not_passed_on() {
        let git = git();
        assert!(!git.environment.values().any(|value| value == "/evil"));
        assert_eq!(git.environment["HOME"], "/home-of-nobody");
        assert_eq!(git.environment["GIT_SSL_CAINFO"], "/ca.pem");
    }

    #[test]
    fn a_failure_to_run_is_classed_by_what_was_tried() {
        let (git, repo) = (git(), RepoRef::new("acme", "app"));
        let timed_out = || ToolError::TimedOut { program: "git".to_owned(), limit: LOCAL_LIMIT };
        let call = git.call(&repo, "fetch", Path::new("/m.git"));
        assert!(matches!(call.failed(timed_out()), WorkspaceError::Git { .. }));
        let missing = ToolError::NotFound { program: "git".to_owned() };
        assert!(matches!(call.failed(missing), WorkspaceError::GitUnusable { .. }));
        let call = call.remote(&remote("https://forge.example/sub/acme/app.git"));
        assert!(matches!(call.failed(timed_out()), WorkspaceError::Unreachable { .. }));
    }

    #[test]
    fn versions_are_read_and_compared() {
        assert_eq!(version("git version 2.39.5 (Apple Git-154)"), Some((2, 39)));
        assert_eq!(version("git version 2.38"), Some((2, 38)));
        assert_eq!(version("hg 5"), None);
    }

    #[test]
    fn only_whole_object_ids_are_taken() {
        assert!(is_object_id(&"a1".repeat(20)) && is_object_id(&"0".repeat(64)));
        for text in ["", "--upload-pack=x", "HEAD", &"A1".repeat(20), &"a".repeat(39)] {
            assert!(!is_object_id(text), "{text}");
        }
    }
}
