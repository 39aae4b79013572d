//! Work trees made from a mirror: a task's own clone, and clean checkouts for gates.
//!
//! Promises that a clone has a git directory of its own, shares no file with the mirror (its objects are borrowed,
//! not linked), and that a workspace once made is found again with whatever is in it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Workspaces,
    error::WorkspaceError,
    git::{commit_arg, is_object_id},
    git_dir::GitDir,
    layout::{TaskFolder, WorkspaceKey, is_folder, private_ref},
    mirror::missing,
};
use crate::{
    domain::{
        branch::is_branch_name,
        id::{CommitId, RepoRef},
    },
    files::{EphemeralFolder, remove_tree_apart},
};

/// A task's own clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// Which repository.
    pub repo: RepoRef,
    /// Which task.
    pub key: WorkspaceKey,
    /// The work tree.
    pub path: PathBuf,
    /// The branch that was checked out.
    pub branch: String,
    /// The commit of the base it stands on.
    pub base: CommitId,
}

/// What is written down of a workspace once it is complete.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) branch: String,
    pub(super) base: CommitId,
}

impl Record {
    /// The record of a task; `None` where there is none or it makes no sense.
    pub(super) fn read(folder: &TaskFolder) -> Option<Self> {
        let record: Self = serde_json::from_slice(&fs::read(folder.record()).ok()?).ok()?;
        (is_branch_name(&record.branch) && is_object_id(&record.base.0)).then_some(record)
    }

    /// Writes it so that a crash leaves the old or the new one.
    pub(super) fn write(&self, folder: &TaskFolder) -> io::Result<()> {
        let unfinished = folder.record().with_extension("new");
        fs::write(&unfinished, serde_json::to_vec(self)?)?;
        fs::rename(unfinished, folder.record())
    }
}

/// A clean checkout of one commit; removed when dropped.
#[derive(Debug)]
pub struct Checkout {
    folder: EphemeralFolder,
}

impl Checkout {
    /// The work tree.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Removes it, and returns when it is gone.
    pub async fn remove(self) -> Result<(), WorkspaceError> {
        let path = self.path().to_owned();
        self.folder.remove().await.map_err(WorkspaceError::io(path))
    }
}

impl Workspaces {
    /// The workspace of a task: made at `base` on `branch`, or found as it was left.
    pub async fn prepare(
        &self,
        repo: &RepoRef,
        key: &WorkspaceKey,
        branch: &str,
        base: &CommitId,
    ) -> Result<Workspace, WorkspaceError> {
        let folder = self.layout.task(repo, *key);
        if let Some(found) = self.find(repo, key) {
            return Ok(found);
        }
        if !is_branch_name(branch) {
            return Err(missing(
                repo,
                &format!("branch `{}`, which is no valid name", branch.escape_debug()),
            ));
        }
        // What is there without a record is from a preparation that did not end.
        removed(folder.path.clone()).await?;
        self.set_ref(repo, &private_ref("base", *key), Some(base)).await?;
        self.clone_into(repo, &folder.tree(), Some(branch), base).await?;
        let record = Record { branch: branch.to_owned(), base: base.clone() };
        record.write(&folder).map_err(WorkspaceError::io(folder.record()))?;
        Ok(workspace(repo, key, &folder, record))
    }

    /// The workspace of a task, where there is one.
    pub fn find(&self, repo: &RepoRef, key: &WorkspaceKey) -> Option<Workspace> {
        let folder = self.layout.task(repo, *key);
        let record = Record::read(&folder).filter(|_| is_folder(&folder.tree()))?;
        Some(workspace(repo, key, &folder, record))
    }

    /// Where the work tree of a task is, or would be.
    pub fn path_of(&self, repo: &RepoRef, key: &WorkspaceKey) -> PathBuf {
        self.layout.task(repo, *key).tree()
    }

    /// Removes a workspace with all that belongs to it; that it is gone already is fine.
    pub async fn remove(&self, workspace: &Workspace) -> Result<(), WorkspaceError> {
        let Workspace { repo, key, .. } = workspace;
        removed(self.layout.task(repo, *key).path).await?;
        if self.mirror_of(repo).is_ok() {
            for kind in ["base", "harvest"] {
                self.set_ref(repo, &private_ref(kind, *key), None).await?;
            }
        }
        Ok(())
    }

    /// A clean checkout of `commit` in a folder of its own, with a git directory of its own.
    pub async fn checkout(&self, repo: &RepoRef, commit: &CommitId) -> Result<Checkout, WorkspaceError> {
        // Whatever was written before a failure goes with it.
        let path = self.layout.checkouts().join(Uuid::new_v4().simple().to_string());
        let checkout = Checkout { folder: EphemeralFolder::at(path) };
        self.clone_into(repo, checkout.path(), None, commit).await?;
        Ok(checkout)
    }

    /// Clones into `tree`, which must not be there: on `branch`, or detached.
    async fn clone_into(
        &self,
        repo: &RepoRef,
        tree: &Path,
        branch: Option<&str>,
        commit: &CommitId,
    ) -> Result<(), WorkspaceError> {
        let action = "check out";
        let git_dir = tree.join(".git");
        let id = commit_arg(repo, commit)?;
        self.tree_of(repo, commit).await?;
        self.borrowing(repo, branch.unwrap_or("main"), &git_dir)?;
        let head = match branch {
            Some(branch) => vec!["update-ref".to_owned(), format!("refs/heads/{branch}"), id.clone()],
            None => ["update-ref", "--no-deref", "HEAD", &id].map(str::to_owned).into(),
        };
        self.git.call(repo, action, &git_dir).args(head).done().await?;
        let call = self.git.call(repo, action, &git_dir).work_tree(tree);
        call.args(["read-tree", "--reset", "-u", &id]).done().await?;
        Ok(())
    }

    /// Writes a git directory at `path` that borrows the mirror's objects.
    pub(super) fn borrowing(&self, repo: &RepoRef, branch: &str, path: &Path) -> Result<(), WorkspaceError> {
        let mirror = self.mirror_of(repo)?;
        let identity = self.git.identity();
        let dir = GitDir { branch, bare: false, borrows: Some(&mirror), identity: &identity };
        dir.write(path).map_err(WorkspaceError::io(path))
    }
}

fn workspace(repo: &RepoRef, key: &WorkspaceKey, folder: &TaskFolder, record: Record) -> Workspace {
    let Record { branch, base } = record;
    Workspace { repo: repo.clone(), key: *key, path: folder.tree(), branch, base }
}

/// Removes a folder with all below it.
pub(super) async fn removed(path: PathBuf) -> Result<(), WorkspaceError> {
    remove_tree_apart(path.clone()).await.map_err(WorkspaceError::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_makes_no_sense_is_none() {
        let root = tempfile::tempdir().unwrap();
        let folder = TaskFolder { path: root.path().to_owned() };
        assert_eq!(Record::read(&folder), None);
        let record =
            |branch: &str, base: &str| Record { branch: branch.to_owned(), base: CommitId(base.to_owned()) };
        let good = record("mosaic/7-x", &"a".repeat(40));
        good.write(&folder).unwrap();
        assert_eq!(Record::read(&folder), Some(good));
        for bad in [record("-x", &"a".repeat(40)), record("x", "--output=/etc/passwd")] {
            bad.write(&folder).unwrap();
            assert_eq!(Record::read(&folder), None);
        }
        fs::write(folder.record(), "{").unwrap();
        assert_eq!(Record::read(&folder), None);
    }
}
