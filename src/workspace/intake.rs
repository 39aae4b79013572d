//! The intake: a bundle that an agent's side made, checked before anything of it reaches the mirror.
//!
//! It is unpacked in a throw-away repository and pushed from there with receive-side checks of every object (the
//! fetch side of older git lets a tree with `.git` in it pass). Promises that what was refused leaves nothing.

use std::path::Path;

use uuid::Uuid;

use super::{
    Workspaces,
    checkout::removed,
    error::{WorkspaceError, gist},
    git::is_object_id,
    git_dir::GitDir,
    layout::{WorkspaceKey, private_ref},
};
use crate::domain::id::{CommitId, RepoRef, TreeId};

impl Workspaces {
    /// Imports the one commit on `base` that `bundle` holds under `branch`; its tree, kept by a private reference.
    pub(super) async fn import(
        &self,
        repo: &RepoRef,
        key: WorkspaceKey,
        bundle: &Path,
        branch: &str,
        base: &CommitId,
    ) -> Result<TreeId, WorkspaceError> {
        let metadata = bundle.symlink_metadata().map_err(WorkspaceError::io(bundle))?;
        if !metadata.is_file() {
            return Err(refused(repo, "git/bad-object", "what was packed is no plain file; leave it alone"));
        }
        let limit = self.bundle_limit_bytes;
        if metadata.len() > limit {
            let detail =
                format!("the work packs to {} bytes, more than {limit}; remove large files", metadata.len());
            return Err(refused(repo, "git/size", &detail));
        }
        let intake = self.layout.intake().join(Uuid::new_v4().simple().to_string());
        let imported = self.through(repo, key, bundle, branch, base, &intake).await;
        removed(intake).await?;
        imported
    }

    async fn through(
        &self,
        repo: &RepoRef,
        key: WorkspaceKey,
        bundle: &Path,
        branch: &str,
        base: &CommitId,
        intake: &Path,
    ) -> Result<TreeId, WorkspaceError> {
        let mirror = self.mirror_of(repo)?;
        let dir = GitDir { branch: "main", bare: true, borrows: Some(&mirror), identity: &self.identity };
        dir.write(intake).map_err(WorkspaceError::io(intake))?;
        let call = self.git.call(repo, "unpack the work", intake).local_transport();
        let args =
            ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--"];
        let fetched = call.args(args).args([&bundle.display().to_string(), &format!("+{branch}:{branch}")]);
        let fetched = fetched.run().await?;
        if fetched.code != 0 {
            return Err(refused(repo, "git/bad-object", &gist(&fetched.stderr)));
        }
        let action = "read the work";
        let call = self.git.call(repo, action, intake).args(["log", "-1", "--format=%P %T", branch, "--"]);
        let found = call.done().await?.text();
        let Some((parents, tree)) = found.rsplit_once(' ').filter(|(_, tree)| is_object_id(tree)) else {
            return Err(WorkspaceError::git(repo, action, "it is no commit"));
        };
        if parents != base.0 {
            return Err(refused(repo, "git/bad-object", "what was packed is not one commit on the base"));
        }
        let call = self.git.call(repo, "check the work", intake).local_transport();
        let private = private_ref("harvest", key);
        let args = ["push", "--quiet", "--no-verify", "--recurse-submodules=no", "--"];
        let pushed = call.args(args).args([&mirror.display().to_string(), &format!("+{branch}:{private}")]);
        let pushed = pushed.run().await?;
        if pushed.code != 0 {
            return Err(of_check(repo, &pushed.stderr));
        }
        Ok(TreeId(tree.to_owned()))
    }
}

/// Tells content that was refused from a disk that failed.
fn of_check(repo: &RepoRef, stderr: &str) -> WorkspaceError {
    let found = stderr.lines().find_map(|line| {
        let line = line.strip_prefix("remote:").unwrap_or(line).trim();
        line.strip_prefix("error: object ").or_else(|| line.strip_prefix("warning: object "))
    });
    let Some(found) = found else { return WorkspaceError::git(repo, "check the work", stderr) };
    let rule = if found.contains("hasDotgit") { "git/dot-git" } else { "git/bad-object" };
    refused(repo, rule, &format!("object {}; make the change anew without it", gist(found)))
}

fn refused(repo: &RepoRef, rule: &'static str, detail: &str) -> WorkspaceError {
    WorkspaceError::Refused { repo: repo.clone(), rule, path: None, detail: detail.to_owned() }
}
