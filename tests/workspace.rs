//! Mirrors, workspaces and what is taken over from agents, with real git.

#![allow(clippy::unwrap_used)]

mod clone;
mod harvest;
mod mirror;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use mosaic_coordinator::{
    domain::id::{CommitId, Generation, RepoRef, TreeId},
    process::Keeper,
    workspace::{Harvest, Identity, Remote, Workspace, WorkspaceError, WorkspaceKey, Workspaces},
};
use secrecy::SecretString;

const TOKEN: &str = "canary-0123456789";
const BRANCH: &str = "mosaic/7-work";

/// Git as a person or an agent runs it.
fn git(folder: &Path, args: &[&str]) -> String {
    let (code, stdout, stderr) = git_code(folder, args);
    assert_eq!(code, 0, "git {args:?}: {stderr}");
    stdout
}

#[allow(clippy::disallowed_methods)]
fn git_code(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let output = std::process::Command::new("git")
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .envs(["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"].map(|name| (name, "person")))
        .envs(["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"].map(|name| (name, "person@example")))
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A remote with one commit on `main`, a person's clone of it, and the coordinator's workspaces.
struct World {
    root: tempfile::TempDir,
    spaces: Workspaces,
    repo: RepoRef,
    remote: Remote,
    base: CommitId,
}

#[allow(clippy::disallowed_methods)]
fn environment() -> BTreeMap<String, String> {
    BTreeMap::from([("PATH".to_owned(), std::env::var("PATH").unwrap())])
}

fn open(root: &Path, environment: BTreeMap<String, String>) -> Workspaces {
    let keeper = Keeper::at(PathBuf::from(env!("CARGO_BIN_EXE_mosaic-coordinator")));
    let identity = Identity { name: "Mosaic \"Bot\"".to_owned(), email: "bot@example".to_owned() };
    Workspaces::open(root.join("spaces"), keeper, environment, identity).unwrap()
}

fn local(path: &Path) -> Remote {
    Remote {
        url: path.display().to_string(),
        token: SecretString::from(TOKEN),
        base_url: "http://forge/".to_owned(),
    }
}

impl World {
    async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        git(root.path(), &["init", "-q", "--bare", "-b", "main", "remote.git"]);
        git(root.path(), &["clone", "-q", "remote.git", "person"]);
        let person = root.path().join("person");
        git(&person, &["symbolic-ref", "HEAD", "refs/heads/main"]);
        fs::create_dir(person.join("src")).unwrap();
        fs::write(person.join("src/lib.rs"), "one\ntwo\nthree\n").unwrap();
        fs::write(person.join("README"), "read me\n").unwrap();
        fs::write(person.join(".gitignore"), "*.log\n/target\n").unwrap();
        git(&person, &["add", "-A"]);
        git(&person, &["commit", "-q", "-m", "first"]);
        git(&person, &["push", "-q", "origin", "main"]);
        let base = CommitId(git(&person, &["rev-parse", "HEAD"]));
        let spaces = open(root.path(), environment());
        let remote = local(&root.path().join("remote.git"));
        let world = Self { spaces, repo: RepoRef::new("acme", "app"), remote, base, root };
        world.fetch().await;
        world
    }

    async fn fetch(&self) {
        self.spaces.fetch(&self.repo, &self.remote).await.unwrap();
    }

    fn person(&self) -> PathBuf {
        self.root.path().join("person")
    }

    fn remote_path(&self) -> PathBuf {
        self.root.path().join("remote.git")
    }

    fn mirror(&self) -> PathBuf {
        self.root.path().join("spaces/mirrors/acme+app.git")
    }

    /// A person's commit of one file on `main`, pushed and fetched.
    async fn commit_on_main(&self, path: &str, content: &str) -> CommitId {
        fs::write(self.person().join(path), content).unwrap();
        git(&self.person(), &["add", "-A"]);
        git(&self.person(), &["commit", "-q", "-m", "more"]);
        git(&self.person(), &["push", "-q", "origin", "main"]);
        self.fetch().await;
        self.spaces.branch_head(&self.repo, "main").await.unwrap().unwrap()
    }

    async fn workspace(&self) -> Workspace {
        let key = WorkspaceKey::new(7, Generation(1));
        self.spaces.prepare(&self.repo, &key, BRANCH, &self.base).await.unwrap()
    }

    async fn harvest(&self, workspace: &Workspace) -> Harvest {
        self.spaces.harvest(workspace, &self.base).await.unwrap()
    }

    async fn content(&self, tree: &TreeId, path: &str) -> Option<String> {
        let commit = self.spaces.commit_tree(&self.repo, tree, &[], "look", 0).await.unwrap();
        let content = self.spaces.read_file(&self.repo, &commit, path, 1 << 20).await.unwrap();
        content.map(|bytes| String::from_utf8(bytes).unwrap())
    }
}

fn rule(error: &WorkspaceError) -> (&str, Option<&str>) {
    match error {
        WorkspaceError::Refused { rule, path, .. } => (rule, path.as_deref()),
        other => panic!("{other}"),
    }
}
