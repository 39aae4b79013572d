//! The forge's git: bare repositories in one folder, driven through the git command line.
//!
//! Every git process of the simulated forge starts here, shielded from the user's own configuration. It
//! never touches a work tree but the temporary one of a rebase.

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use bytes::Bytes;
use tokio::{io::AsyncWriteExt, process::Command};

/// Why a git command gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The program could not be started at all.
    #[error("cannot start {program}: {source}; install git")]
    Start {
        /// What was to be started.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ran and refused.
    #[error("`git {command}` failed: {message}")]
    Refused {
        /// The arguments.
        command: String,
        /// The end of its standard error.
        message: String,
    },
    /// This git has no `http-backend`.
    #[error("no git-http-backend in {folder}: install a complete git (the simulated forge serves with it)")]
    NoBackend {
        /// Where git keeps its programs.
        folder: String,
    },
}

/// The identity a commit is made with.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Name.
    pub name: String,
    /// Mail address.
    pub email: String,
}

/// One commit, as the forge shows it.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Its object id.
    pub id: String,
    /// Author.
    pub author: Identity,
    /// Committer.
    pub committer: Identity,
    /// Committer's date, RFC 3339.
    pub timestamp: String,
    /// Whole message.
    pub message: String,
    /// First parent, if any.
    pub parent: Option<String>,
}

/// Files that a commit added, removed and modified.
#[derive(Clone, Debug, Default)]
pub struct Touched {
    /// New files.
    pub added: Vec<String>,
    /// Files gone.
    pub removed: Vec<String>,
    /// Files changed.
    pub modified: Vec<String>,
}

/// Whether two commits can be joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Joined {
    /// The tree of the result.
    Tree(String),
    /// They touch the same lines.
    Conflict,
}

/// What a CGI request to `git http-backend` needs to know.
#[derive(Debug)]
pub struct Cgi {
    /// `GET` or `POST`.
    pub method: String,
    /// Path below the folder of repositories, with a leading slash.
    pub path: String,
    /// Query string.
    pub query: String,
    /// `Content-Type` of the request.
    pub content_type: String,
    /// `Content-Encoding` of the request.
    pub content_encoding: String,
    /// `Git-Protocol` of the request.
    pub protocol: String,
    /// Who asks.
    pub user: Option<String>,
    /// The whole body.
    pub body: Bytes,
}

/// Git with the folder of repositories it serves.
#[derive(Clone, Debug)]
pub struct Git {
    folder: PathBuf,
    backend: PathBuf,
}

impl Git {
    /// Finds git and its HTTP backend; `folder` is to hold the repositories.
    ///
    /// # Errors
    /// When there is no git or it has no `http-backend`.
    pub async fn locate(folder: PathBuf) -> Result<Self, GitError> {
        let out = finish("git", command("git").arg("--exec-path"), None).await?;
        let home = PathBuf::from(String::from_utf8_lossy(&out.stdout).trim());
        let backend = home.join("git-http-backend");
        if !backend.is_file() {
            return Err(GitError::NoBackend { folder: home.display().to_string() });
        }
        Ok(Self { folder, backend })
    }

    /// Where a repository lies.
    pub fn path(&self, owner: &str, name: &str) -> PathBuf {
        self.folder.join(owner.to_ascii_lowercase()).join(format!("{}.git", name.to_ascii_lowercase()))
    }

    /// Makes a bare repository whose HEAD is `branch`.
    ///
    /// # Errors
    /// When git refuses.
    pub async fn create(&self, path: &Path, branch: &str) -> Result<(), GitError> {
        let mut git = command("git");
        git.args(["init", "--quiet", "--bare", &format!("--initial-branch={branch}")]).arg(path);
        expect_success("init", finish("git", &mut git, None).await?)?;
        self.run(path, &["config", "http.receivepack", "true"]).await?;
        // As Gitea's hooks do: its own refs are not for pushing.
        self.run(path, &["config", "transfer.hideRefs", "refs/pull"]).await?;
        Ok(())
    }

    /// Runs `git ARGS` in a repository and returns what it printed, without the last line's end.
    ///
    /// # Errors
    /// When git exits with anything but 0.
    pub async fn run(&self, path: &Path, args: &[&str]) -> Result<String, GitError> {
        let out = finish("git", command("git").arg("-C").arg(path).args(args), None).await?;
        let out = expect_success(&args.join(" "), out)?;
        Ok(String::from_utf8_lossy(&out.stdout).trim_end_matches('\n').to_owned())
    }

    /// The commit a name stands for, if there is one.
    pub async fn resolve(&self, path: &Path, name: &str) -> Option<String> {
        if name.starts_with('-') {
            return None;
        }
        let wanted = format!("{name}^{{commit}}");
        self.run(path, &["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted]).await.ok()
    }

    /// The commit at a branch's head.
    pub async fn branch(&self, path: &Path, branch: &str) -> Option<String> {
        self.resolve(path, &format!("refs/heads/{branch}")).await
    }

    /// All branches and tags with their objects, in order of name.
    ///
    /// # Errors
    /// When git refuses.
    pub async fn refs(&self, path: &Path) -> Result<Vec<(String, String)>, GitError> {
        let format = "--format=%(refname) %(objectname)";
        let listed = self.run(path, &["for-each-ref", format, "refs/heads", "refs/tags"]).await?;
        let pair = |line: &str| line.split_once(' ').map(|(name, id)| (name.to_owned(), id.to_owned()));
        Ok(listed.lines().filter_map(pair).collect())
    }

    /// The commits that `range` (arguments of `git log`) names, newest first, at most `limit`.
    ///
    /// # Errors
    /// When git refuses the range.
    pub async fn log(&self, path: &Path, range: &[&str], limit: usize) -> Result<Vec<Commit>, GitError> {
        let format = "--format=%H%x1f%an%x1f%ae%x1f%cn%x1f%ce%x1f%cI%x1f%P%x1f%B%x1e";
        let limit = format!("-{limit}");
        let mut args = vec!["log", &limit, format];
        args.extend(range);
        args.push("--");
        let text = self.run(path, &args).await?;
        Ok(text.split('\u{1e}').filter_map(read_commit).collect())
    }

    /// One commit.
    pub async fn commit(&self, path: &Path, id: &str) -> Option<Commit> {
        self.log(path, &[id], 1).await.ok()?.pop()
    }

    /// The files a commit touched against its first parent.
    ///
    /// # Errors
    /// When git refuses the commit.
    pub async fn touched(&self, path: &Path, id: &str) -> Result<Touched, GitError> {
        let args = ["show", "--name-status", "--no-renames", "-m", "--first-parent", "--format=", id, "--"];
        let mut touched = Touched::default();
        for line in self.run(path, &args).await?.lines() {
            match line.split_once('\t') {
                Some(("A", file)) => touched.added.push(file.to_owned()),
                Some(("D", file)) => touched.removed.push(file.to_owned()),
                Some((_, file)) => touched.modified.push(file.to_owned()),
                None => {}
            }
        }
        Ok(touched)
    }

    /// Joins two commits without a work tree.
    ///
    /// # Errors
    /// When git fails for another reason than a conflict (before 2.38 it has no such command).
    pub async fn join(&self, path: &Path, ours: &str, theirs: &str) -> Result<Joined, GitError> {
        let args = ["merge-tree", "--write-tree", "--no-messages", ours, theirs];
        let out = finish("git", command("git").arg("-C").arg(path).args(args), None).await?;
        if out.status.code() == Some(1) {
            return Ok(Joined::Conflict);
        }
        let out = expect_success("merge-tree --write-tree (git 2.38 or newer)", out)?;
        Ok(Joined::Tree(String::from_utf8_lossy(&out.stdout).lines().next().unwrap_or_default().to_owned()))
    }

    /// The first commit of a new repository: one file on a branch.
    ///
    /// # Errors
    /// When git refuses.
    pub async fn first_commit(
        &self,
        path: &Path,
        branch: &str,
        (name, text): (&str, String),
        who: &Identity,
    ) -> Result<String, GitError> {
        let mut git = command("git");
        git.arg("-C").arg(path).args(["hash-object", "-w", "--stdin"]);
        let blob = expect_success("hash-object", finish("git", &mut git, Some(Bytes::from(text))).await?)?;
        let blob = String::from_utf8_lossy(&blob.stdout).trim().to_owned();
        let mut git = command("git");
        git.arg("-C").arg(path).arg("mktree");
        let entry = Bytes::from(format!("100644 blob {blob}\t{name}\n"));
        let tree = expect_success("mktree", finish("git", &mut git, Some(entry)).await?)?;
        let tree = String::from_utf8_lossy(&tree.stdout).trim().to_owned();
        let commit = self.commit_tree(path, &tree, &[], "Initial commit", who).await?;
        self.run(path, &["update-ref", &format!("refs/heads/{branch}"), &commit]).await?;
        Ok(commit)
    }

    /// Makes a commit of a tree.
    ///
    /// # Errors
    /// When git refuses.
    pub async fn commit_tree(
        &self,
        path: &Path,
        tree: &str,
        parents: &[&str],
        message: &str,
        who: &Identity,
    ) -> Result<String, GitError> {
        let mut git = command("git");
        git.arg("-C").arg(path).args(["commit-tree", tree]);
        for parent in parents {
            git.args(["-p", parent]);
        }
        sign(&mut git, who);
        let out = finish("git", &mut git, Some(Bytes::from(format!("{message}\n")))).await?;
        let out = expect_success("commit-tree", out)?;
        Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
    }

    /// Replays `head` on `base` and returns the new head; `None` when a commit does not apply.
    ///
    /// # Errors
    /// When git fails before the replay.
    pub async fn rebase(
        &self,
        path: &Path,
        base: &str,
        head: &str,
        who: &Identity,
    ) -> Result<Option<String>, GitError> {
        let tree = self.folder.join(format!(".rebase-{}", uuid::Uuid::new_v4()));
        let place = tree.display().to_string();
        self.run(path, &["worktree", "add", "--quiet", "--detach", &place, head]).await?;
        let mut git = command("git");
        git.arg("-C").arg(&tree).args(["rebase", "--quiet", base]);
        sign(&mut git, who);
        let replayed = finish("git", &mut git, None).await;
        let new = self.resolve(&tree, "HEAD").await;
        self.run(path, &["worktree", "remove", "--force", &place]).await?;
        Ok(if replayed?.status.success() { new } else { None })
    }

    /// Moves a branch from one commit to another; fails when it is elsewhere by now.
    ///
    /// # Errors
    /// When the branch is not at `old`.
    pub async fn advance(&self, path: &Path, branch: &str, new: &str, old: &str) -> Result<(), GitError> {
        self.run(path, &["update-ref", &format!("refs/heads/{branch}"), new, old]).await.map(drop)
    }

    /// Passes one HTTP request to `git http-backend` and returns its CGI answer.
    ///
    /// # Errors
    /// When the backend cannot be started.
    pub async fn serve(&self, request: Cgi) -> Result<Vec<u8>, GitError> {
        let mut git = command(&self.backend);
        git.env("GIT_PROJECT_ROOT", &self.folder)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("REQUEST_METHOD", &request.method)
            .env("PATH_INFO", &request.path)
            .env("QUERY_STRING", &request.query)
            .env("CONTENT_TYPE", &request.content_type)
            .env("CONTENT_LENGTH", request.body.len().to_string())
            .env("REMOTE_ADDR", "127.0.0.1");
        if !request.content_encoding.is_empty() {
            git.env("HTTP_CONTENT_ENCODING", &request.content_encoding);
        }
        if !request.protocol.is_empty() {
            git.env("GIT_PROTOCOL", &request.protocol);
        }
        if let Some(user) = &request.user {
            git.env("REMOTE_USER", user);
        }
        let out = finish("git http-backend", &mut git, Some(request.body)).await?;
        Ok(out.stdout)
    }
}

fn read_commit(text: &str) -> Option<Commit> {
    let mut fields = text.trim_start_matches('\n').splitn(8, '\u{1f}').map(str::to_owned);
    let mut next = || fields.next();
    let id = next()?;
    let author = Identity { name: next()?, email: next()? };
    let committer = Identity { name: next()?, email: next()? };
    let timestamp = next()?;
    let parent = next()?.split(' ').next().filter(|id| !id.is_empty()).map(str::to_owned);
    Some(Commit { id, author, committer, timestamp, parent, message: next()? })
}

fn sign(git: &mut Command, who: &Identity) {
    for role in ["AUTHOR", "COMMITTER"] {
        git.env(format!("GIT_{role}_NAME"), &who.name).env(format!("GIT_{role}_EMAIL"), &who.email);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a forge of its own, not the coordinator: its gits need no keeper and no sandbox"
)]
fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .kill_on_drop(true);
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"] {
        command.env_remove(name);
    }
    command
}

async fn finish(program: &str, command: &mut Command, input: Option<Bytes>) -> Result<Output, GitError> {
    let failed = |source| GitError::Start { program: program.to_owned(), source };
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let stdin = child.stdin.take();
    let feed = async {
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            // A program that has heard enough closes its end: its answer counts, not our write.
            let _ = stdin.write_all(&input).await;
        }
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), feed);
    output.map_err(failed)
}

fn expect_success(command: &str, out: Output) -> Result<Output, GitError> {
    if out.status.success() {
        return Ok(out);
    }
    let message = String::from_utf8_lossy(&out.stderr).trim().to_owned();
    Err(GitError::Refused { command: command.to_owned(), message })
}
