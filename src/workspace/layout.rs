//! Where things lie below the workspace root, and how folders are named.
//!
//! Promises names that are safe and unique whatever the forge calls a repository.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::domain::id::{Generation, RepoRef};

/// Which task of a repository a workspace belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkspaceKey {
    /// Number of the issue.
    pub number: u64,
    /// Which task on it.
    pub generation: Generation,
}

impl WorkspaceKey {
    /// Names the workspace of a task.
    pub fn new(number: u64, generation: Generation) -> Self {
        Self { number, generation }
    }

    fn folder(self) -> String {
        format!("{}-g{}", self.number, self.generation)
    }
}

/// The folders below one root.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// An empty home: git finds no configuration, no `.netrc`, nothing there.
    pub(super) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// Clean checkouts, each for one gate report.
    pub(super) fn checkouts(&self) -> PathBuf {
        self.root.join("checkouts")
    }

    /// Throw-away repositories in which what agents made is checked.
    pub(super) fn intake(&self) -> PathBuf {
        self.root.join("intake")
    }

    pub(super) fn mirror(&self, repo: &RepoRef) -> PathBuf {
        self.root.join("mirrors").join(folder_of(repo) + ".git")
    }

    pub(super) fn task(&self, repo: &RepoRef, key: WorkspaceKey) -> TaskFolder {
        TaskFolder { path: self.root.join("tasks").join(folder_of(repo)).join(key.folder()) }
    }

    /// All folders that have to be there before anything else.
    pub(super) fn folders(&self) -> [PathBuf; 5] {
        [self.home(), self.checkouts(), self.intake(), self.root.join("mirrors"), self.root.join("tasks")]
    }
}

/// The folder of one task: its work tree, and beside it what is not the agent's.
#[derive(Clone, Debug)]
pub(super) struct TaskFolder {
    pub(super) path: PathBuf,
}

impl TaskFolder {
    /// The work tree that the agent sees.
    pub(super) fn tree(&self) -> PathBuf {
        self.path.join("tree")
    }

    /// What is known of the workspace; written when it is complete.
    pub(super) fn record(&self) -> PathBuf {
        self.path.join("workspace.json")
    }

    /// Where what the agent left is packed.
    pub(super) fn harvest(&self) -> PathBuf {
        self.path.join("harvest")
    }

    /// Former git directories of the work tree, with the agent's own commits.
    pub(super) fn history(&self) -> PathBuf {
        self.path.join("history")
    }
}

/// Name of the private reference of a task, below `refs/mosaic/<kind>/`.
pub(super) fn private_ref(kind: &str, key: WorkspaceKey) -> String {
    format!("refs/mosaic/{kind}/{}", key.folder())
}

/// `owner+repo` without regard to case: `+` is in no name of the forge, so no two repositories share a folder.
fn folder_of(repo: &RepoRef) -> String {
    format!("{}+{}", escaped(&repo.owner), escaped(&repo.repo))
}

fn escaped(name: &str) -> String {
    let mut text = String::new();
    for byte in name.to_ascii_lowercase().bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => text.push(char::from(byte)),
            other => text.push_str(&format!("%{other:02x}")),
        }
    }
    text
}

/// Whether `path` is a folder and no link to one.
pub(super) fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_unique_per_repository_whatever_its_case() {
        let folder = |owner: &str, repo: &str| folder_of(&RepoRef::new(owner, repo));
        assert_eq!(folder("Acme", "App.rs"), "acme+app.rs");
        assert_eq!(folder("Acme", "App.rs"), folder("acme", "app.RS"));
        assert_ne!(folder("a-b", "c"), folder("a", "b-c"));
        assert_ne!(folder("a+b", "c"), folder("a", "b+c"));
    }

    #[test]
    fn no_name_leads_out_of_the_root() {
        let layout = Layout::new(PathBuf::from("/r"));
        let key = WorkspaceKey::new(7, Generation(2));
        let hostile = RepoRef::new("..", "../../etc");
        assert_eq!(layout.task(&hostile, key).tree(), Path::new("/r/tasks/..+..%2f..%2fetc/7-g2/tree"));
        assert_eq!(layout.mirror(&hostile), Path::new("/r/mirrors/..+..%2f..%2fetc.git"));
    }

    #[test]
    fn tasks_of_one_issue_have_folders_and_references_of_their_own() {
        let layout = Layout::new(PathBuf::from("/r"));
        let repo = RepoRef::new("a", "b");
        let one = layout.task(&repo, WorkspaceKey::new(1, Generation(1))).path;
        assert_ne!(one, layout.task(&repo, WorkspaceKey::new(1, Generation(2))).path);
        assert_ne!(one, layout.task(&repo, WorkspaceKey::new(11, Generation(1))).path);
        assert_eq!(private_ref("base", WorkspaceKey::new(7, Generation(2))), "refs/mosaic/base/7-g2");
    }
}
