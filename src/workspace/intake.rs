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
        let identity = self.git.identity();
        let dir = GitDir { branch: "main", bare: true, borrows: Some(&mirror), identity: &identity };
        dir.write(intake).map_err(WorkspaceError::io(intake))?;
        // The bundle builds on the base, which has to be part of this repository's history.
        let base_ref = intake.join("refs/heads/base-of-the-work");
        std::fs::write(&base_ref, format!("{base}\n")).map_err(WorkspaceError::io(&base_ref))?;
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

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, path::PathBuf};

    use super::*;
    use crate::{domain::id::Generation, process::Keeper, workspace::Identity};

    /// A mirror with one commit, and a git directory beside it in which an agent's side can make anything.
    struct Forge {
        root: tempfile::TempDir,
        spaces: Workspaces,
        repo: RepoRef,
        base: CommitId,
    }

    const WORK: &str = "refs/heads/mosaic/7-work";

    impl Forge {
        async fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let environment =
                BTreeMap::from([("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())]);
            let identity = Identity { name: "bot".to_owned(), email: "bot@x".to_owned() };
            let keeper = Keeper::at(PathBuf::from("/nowhere"));
            let spaces = Workspaces::open(root.path().join("spaces"), keeper, environment, identity).unwrap();
            let repo = RepoRef::new("acme", "app");
            let identity = &spaces.git.identity();
            let dir = GitDir { branch: "main", bare: true, borrows: None, identity };
            dir.write(&spaces.layout.mirror(&repo)).unwrap();
            let mut forge = Self { root, spaces, repo, base: CommitId(String::new()) };
            let tree = TreeId(forge.git(&forge.mirror(), &["mktree"], "").await);
            forge.base = forge.spaces.commit_tree(&forge.repo, &tree, &[], "base", 0).await.unwrap();
            forge.spaces.set_ref(&forge.repo, "refs/heads/main", Some(&forge.base)).await.unwrap();
            forge
        }

        fn mirror(&self) -> PathBuf {
            self.spaces.layout.mirror(&self.repo)
        }

        async fn git(&self, git_dir: &Path, args: &[&str], input: &str) -> String {
            let call = self.spaces.git.call(&self.repo, "test", git_dir).args(args.iter().copied());
            call.stdin(input).done().await.unwrap().text()
        }

        /// A bundle of a commit on `parent` whose tree has a file below each of `names`.
        async fn bundle(&self, names: &[&str], parent: &CommitId) -> PathBuf {
            let dir = self.root.path().join("agent.git");
            let mirror = self.mirror();
            let identity = &self.spaces.git.identity();
            GitDir { branch: "main", bare: true, borrows: Some(&mirror), identity }.write(&dir).unwrap();
            let blob = self.git(&dir, &["hash-object", "-w", "--stdin"], "[core]\n").await;
            let inner = self.git(&dir, &["mktree"], &format!("100644 blob {blob}\tconfig\n")).await;
            let entries: String = names.iter().map(|name| format!("040000 tree {inner}\t{name}\n")).collect();
            let tree = self.git(&dir, &["mktree"], &entries).await;
            let commit = self.git(&dir, &["commit-tree", "-m", "work", "-p", &parent.0, &tree], "").await;
            self.git(&dir, &["update-ref", WORK, &commit], "").await;
            let bundle = self.root.path().join("out.bundle");
            let path = bundle.display().to_string();
            self.git(&dir, &["bundle", "create", &path, WORK, &format!("^{}", self.base)], "").await;
            bundle
        }

        async fn import(&self, bundle: &Path) -> Result<TreeId, WorkspaceError> {
            let key = WorkspaceKey::new(7, Generation(1));
            let imported = self.spaces.import(&self.repo, key, bundle, WORK, &self.base).await;
            assert_eq!(fs::read_dir(self.spaces.layout.intake()).unwrap().count(), 0);
            imported
        }

        async fn rule(&self, bundle: &Path) -> &'static str {
            match self.import(bundle).await {
                Err(WorkspaceError::Refused { rule, .. }) => rule,
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn an_honest_bundle_is_imported_under_a_private_reference() {
        let forge = Forge::new().await;
        let tree = forge.import(&forge.bundle(&["src"], &forge.base).await).await.unwrap();
        let kept = forge.git(&forge.mirror(), &["rev-parse", "refs/mosaic/harvest/7-g1"], "").await;
        assert_eq!(forge.spaces.tree_of(&forge.repo, &CommitId(kept)).await.unwrap(), tree);
    }

    #[tokio::test]
    async fn a_tree_with_a_git_directory_in_it_never_reaches_the_mirror() {
        let forge = Forge::new().await;
        let bundle = forge.bundle(&[".git", "src"], &forge.base).await;
        assert_eq!(forge.rule(&bundle).await, "git/dot-git");
        let refs = forge.git(&forge.mirror(), &["for-each-ref", "--format=%(refname)"], "").await;
        assert_eq!(refs, "refs/heads/main");
        let made = forge.git(&forge.root.path().join("agent.git"), &["rev-parse", WORK], "").await;
        assert!(forge.spaces.tree_of(&forge.repo, &CommitId(made)).await.is_err());
    }

    #[tokio::test]
    async fn a_commit_on_anything_but_the_base_is_refused() {
        let forge = Forge::new().await;
        let tree = forge.spaces.tree_of(&forge.repo, &forge.base).await.unwrap();
        let parents = [forge.base.clone()];
        let other = forge.spaces.commit_tree(&forge.repo, &tree, &parents, "other", 0).await.unwrap();
        assert_eq!(forge.rule(&forge.bundle(&["src"], &other).await).await, "git/bad-object");
    }

    #[tokio::test]
    async fn what_is_no_bundle_is_refused() {
        let forge = Forge::new().await;
        let bundle = forge.root.path().join("out.bundle");
        fs::write(&bundle, "# v2 git bundle\ngarbage").unwrap();
        assert_eq!(forge.rule(&bundle).await, "git/bad-object");
        fs::remove_file(&bundle).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &bundle).unwrap();
        assert_eq!(forge.rule(&bundle).await, "git/bad-object");
    }

    #[test]
    fn a_disk_that_failed_is_no_fault_of_the_content() {
        let repo = RepoRef::new("acme", "app");
        let full = of_check(&repo, "remote: fatal: write error: No space left on device");
        assert!(matches!(full, WorkspaceError::Git { .. }));
        let found = of_check(&repo, "remote: error: object 0123: badTimezone: invalid author line");
        let WorkspaceError::Refused { rule, detail, .. } = found else { panic!("{found}") };
        assert_eq!(rule, "git/bad-object");
        assert_eq!(detail, "object 0123: badTimezone: invalid author line; make the change anew without it");
    }
}
