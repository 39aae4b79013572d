//! Merging the moved base into a workspace, for an agent to see and to resolve.
//!
//! The workspace gets a fresh git directory first, whose one commit is what the work tree holds, so the merge works
//! whatever the agent did to its own; the former one, with the agent's commits, is kept beside the work tree.
//! Promises that markers of a conflict are left in the files. Runs as a kept tree.

use std::{fs, io, path::Path};

use super::{
    Workspaces,
    checkout::{Record, Workspace, removed},
    error::WorkspaceError,
    git::commit_arg,
    harvest::Snapshot,
    layout::{TaskFolder, private_ref},
};
use crate::domain::id::CommitId;

/// What came of merging the base into a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merged {
    /// The work tree holds both.
    Clean,
    /// These files hold markers, or were deleted on one side.
    Conflict {
        /// Their paths.
        files: Vec<String>,
    },
    /// It stands on that base already; nothing was done.
    UpToDate,
}

impl Workspaces {
    /// Merges `base` into the work tree. No process of the agent may run meanwhile.
    pub async fn merge_base_into(
        &self,
        workspace: &Workspace,
        base: &CommitId,
    ) -> Result<Merged, WorkspaceError> {
        let Workspace { repo, key, path, branch, .. } = workspace;
        let action = "merge the base";
        let id = commit_arg(repo, base)?;
        let folder = self.layout.task(repo, *key);
        let standing = Record::read(&folder).map_or_else(|| workspace.base.clone(), |record| record.base);
        if self.is_ancestor(repo, base, &standing).await? {
            return Ok(Merged::UpToDate);
        }
        self.set_ref(repo, &private_ref("base", *key), Some(base)).await?;
        let Snapshot { git_dir } = self.snapshot(workspace, &standing).await?;
        replace_git_dir(&folder, &git_dir).map_err(WorkspaceError::io(&folder.path))?;
        let call = || self.git.call(repo, action, &path.join(".git")).work_tree(path);
        let message = format!("Merge the base into {branch}");
        let args = ["merge", "--quiet", "--no-stat", "--no-verify", "--no-edit", "-m", &message, &id];
        let output = call().args(args).run_kept(&self.keeper).await?;
        let merged = if output.code == 0 {
            Merged::Clean
        } else {
            let unmerged = call().args(["ls-files", "--unmerged", "-z"]).done_kept(&self.keeper).await?;
            let entries = unmerged.fields();
            let mut files: Vec<_> = entries.iter().filter_map(|entry| entry.split_once('\t')).collect();
            files.dedup_by_key(|(_, file)| *file);
            if files.is_empty() {
                return Err(WorkspaceError::git(repo, action, &output.stderr));
            }
            Merged::Conflict { files: files.into_iter().map(|(_, file)| file.to_owned()).collect() }
        };
        let record = Record { branch: branch.clone(), base: base.clone() };
        record.write(&folder).map_err(WorkspaceError::io(folder.record()))?;
        removed(folder.harvest()).await?;
        Ok(merged)
    }
}

/// Puts `fresh` in the place of the work tree's git directory and keeps the former one.
fn replace_git_dir(folder: &TaskFolder, fresh: &Path) -> io::Result<()> {
    let current = folder.tree().join(".git");
    if current.symlink_metadata().is_ok() {
        fs::create_dir_all(folder.history())?;
        let number = fs::read_dir(folder.history())?.count() + 1;
        fs::rename(&current, folder.history().join(number.to_string()))?;
    }
    fs::rename(fresh, current)
}
