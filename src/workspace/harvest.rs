//! The harvest: what is in an agent's work tree, taken over as a tree that was checked.
//!
//! What counts is the content of the work tree on top of the base. It is added, ignored files aside, with a git
//! directory written for the purpose, so neither a removed `.git`, a lock, another branch, a rewritten history nor
//! any configuration, hook or filter of the agent's has a say. Files that the agent tracks although they are ignored
//! count too. All of that runs as a kept tree; what comes back is a bundle, which [`super::intake`] checks.

use std::path::{Path, PathBuf};

use super::{
    Workspaces,
    change::{ChangedFile, diff_stat},
    checkout::{Workspace, removed},
    error::WorkspaceError,
    git::{Output, commit_arg, is_object_id},
    layout::is_folder,
    mirror::missing,
};
use crate::domain::id::{CommitId, RepoRef, TreeId};

/// Most files taken over although they are ignored.
const FORCED_FILES: usize = 10_000;

/// What an agent left, checked and imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Harvest {
    /// The work tree's content.
    pub tree: TreeId,
    /// The base's; the same where nothing was changed.
    pub base_tree: TreeId,
    /// The files that differ from the base.
    pub files: Vec<ChangedFile>,
    /// The same for people and prompts.
    pub diff_stat: String,
}

impl Harvest {
    /// Whether anything differs from the base.
    pub fn has_changes(&self) -> bool {
        self.tree != self.base_tree
    }
}

/// The work tree's content as one commit on the base, in a git directory outside of the tree.
pub(super) struct Snapshot {
    pub(super) git_dir: PathBuf,
}

impl Workspaces {
    /// Takes over what is in the work tree, compared with `base`. No process of the agent may run meanwhile.
    pub async fn harvest(&self, workspace: &Workspace, base: &CommitId) -> Result<Harvest, WorkspaceError> {
        let folder = self.layout.task(&workspace.repo, workspace.key).harvest();
        let harvest = self.harvest_by(workspace, base, &folder).await;
        removed(folder).await?;
        harvest
    }

    async fn harvest_by(
        &self,
        workspace: &Workspace,
        base: &CommitId,
        folder: &Path,
    ) -> Result<Harvest, WorkspaceError> {
        let Workspace { repo, key, .. } = workspace;
        let base_tree = self.tree_of(repo, base).await?;
        let Snapshot { git_dir } = self.snapshot(workspace, base).await?;
        let bundle = folder.join("out.bundle");
        let branch = format!("refs/heads/{}", workspace.branch);
        let call = self.git.call(repo, "pack the work", &git_dir).work_tree(&workspace.path);
        let bundle_arg = bundle.display().to_string();
        let args = ["bundle", "create", "--quiet", &bundle_arg, &branch, &format!("^{base}")];
        call.args(args).done_kept(&self.keeper).await?;
        let tree = self.import(repo, *key, &bundle, &branch, base).await?;
        let files = self.changes(repo, &base_tree, &tree).await?;
        if let Some(nested) = files.iter().find(|file| file.is_new_gitlink()) {
            return Err(nested_repository(repo, &nested.path));
        }
        let diff_stat = diff_stat(&files);
        Ok(Harvest { tree, base_tree, files, diff_stat })
    }

    /// Commits the work tree's content on top of `base`.
    pub(super) async fn snapshot(
        &self,
        workspace: &Workspace,
        base: &CommitId,
    ) -> Result<Snapshot, WorkspaceError> {
        let Workspace { repo, key, path, branch, .. } = workspace;
        let action = "collect the work";
        let base = commit_arg(repo, base)?;
        let folder = self.layout.task(repo, *key).harvest();
        if !is_folder(path) {
            return Err(missing(repo, &format!("work tree of #{} any more", key.number)));
        }
        removed(folder.clone()).await?;
        let git_dir = folder.join("git");
        self.borrowing(repo, branch, &git_dir)?;
        let call = || self.git.call(repo, action, &git_dir).work_tree(path);
        call().args(["read-tree", &base]).done_kept(&self.keeper).await?;
        let added = call().args(["add", "--all"]).run_kept(&self.keeper).await?;
        refuse_unaddable(repo, &added)?;
        self.add_ignored(workspace, &git_dir, &folder).await?;
        let tree = call().args(["write-tree"]).done_kept(&self.keeper).await?.text();
        let message = format!("Work on {branch}");
        let commit = call()
            // Without a date of its own the same work is the same commit, however often it is taken over.
            .env("GIT_AUTHOR_DATE", "@0 +0000")
            .env("GIT_COMMITTER_DATE", "@0 +0000")
            .args(["commit-tree", "-p", &base, "-m", &message, &tree])
            .done_kept(&self.keeper)
            .await?
            .text();
        if !is_object_id(&commit) {
            return Err(WorkspaceError::git(repo, action, "it gave no commit"));
        }
        let name = format!("refs/heads/{branch}");
        call().args(["update-ref", &name, &commit]).done_kept(&self.keeper).await?;
        Ok(Snapshot { git_dir })
    }

    /// Adds what the agent's own index tracks although it is ignored; an index that cannot be read tracks nothing.
    async fn add_ignored(
        &self,
        workspace: &Workspace,
        git_dir: &Path,
        folder: &Path,
    ) -> Result<(), WorkspaceError> {
        let Workspace { repo, path, .. } = workspace;
        let action = "collect ignored files";
        let own = path.join(".git");
        let args = ["ls-files", "-z", "--cached", "--ignored", "--exclude-standard"];
        let call = self.git.call(repo, action, &own).work_tree(path).args(args);
        let listed = match call.run_kept(&self.keeper).await {
            Ok(output) if output.code == 0 => output.fields(),
            _ => return Ok(()),
        };
        let mut list = String::new();
        for file in listed.iter().filter(|file| is_plain_beneath(path, file)).take(FORCED_FILES) {
            list.push_str(file);
            list.push('\0');
        }
        if list.is_empty() {
            return Ok(());
        }
        let list_path = folder.join("ignored");
        std::fs::write(&list_path, list).map_err(WorkspaceError::io(&list_path))?;
        let from = format!("--pathspec-from-file={}", list_path.display());
        let call = self.git.call(repo, action, git_dir).work_tree(path);
        let added =
            call.args(["add", "--force", "--pathspec-file-nul", &from]).run_kept(&self.keeper).await?;
        refuse_unaddable(repo, &added)
    }
}

/// Whether `file` is a file or link below `tree`, no link leading there.
fn is_plain_beneath(tree: &Path, file: &str) -> bool {
    let relative = Path::new(file);
    let mut parents = relative.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty());
    relative.components().all(|part| matches!(part, std::path::Component::Normal(_)))
        && parents.all(|parent| is_folder(&tree.join(parent)))
        && tree.join(relative).symlink_metadata().is_ok_and(|metadata| !metadata.is_dir())
}

/// What git would not add is for the agent to change where git names the place.
fn refuse_unaddable(repo: &RepoRef, added: &Output) -> Result<(), WorkspaceError> {
    if added.code == 0 {
        return Ok(());
    }
    let refused = |rule, path: String, detail| WorkspaceError::Refused {
        repo: repo.clone(),
        rule,
        path: Some(path),
        detail,
    };
    for line in added.stderr.lines().map(|line| line.strip_prefix("error: ").unwrap_or(line)) {
        let within = |prefix: &str, suffix: &str| {
            let rest = line.strip_prefix(prefix)?;
            rest.find(suffix).map(|end| rest[..end].trim_end_matches('/').to_owned())
        };
        if let Some(path) = within("'", "' does not have a commit checked out") {
            return Err(nested_repository(repo, &path));
        }
        if let Some(path) = within("invalid path '", "'") {
            let detail = format!("git does not take the name `{path}`; give it another");
            return Err(refused("git/dot-git", path, detail));
        }
        if let Some(path) = within("", ": can only add regular files, symbolic links or git-directories") {
            let detail = format!("`{path}` is a pipe, socket or device; remove it");
            return Err(refused("git/bad-object", path, detail));
        }
    }
    Err(WorkspaceError::git(repo, "collect the work", &added.stderr))
}

fn nested_repository(repo: &RepoRef, path: &str) -> WorkspaceError {
    WorkspaceError::Refused {
        repo: repo.clone(),
        rule: "git/nested-repository",
        path: Some(path.to_owned()),
        detail: format!(
            "`{path}` is a git repository of its own inside the work tree; remove its `.git` to keep its files, \
             or remove it whole"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(stderr: &str) -> WorkspaceError {
        let output = Output { code: 128, stdout: Vec::new(), stderr: stderr.to_owned() };
        refuse_unaddable(&RepoRef::new("acme", "app"), &output).unwrap_err()
    }

    #[test]
    fn what_git_would_not_add_is_named_by_rule_and_place() {
        let nested =
            refused("error: 'a/nested/' does not have a commit checked out\nfatal: adding files failed");
        let WorkspaceError::Refused { rule, path, .. } = nested else { panic!("{nested}") };
        assert_eq!((rule, path.as_deref()), ("git/nested-repository", Some("a/nested")));
        let dot_git =
            refused("error: invalid path '.GIT/config'\nerror: unable to add '.GIT/config' to index");
        let WorkspaceError::Refused { rule, path, .. } = dot_git else { panic!("{dot_git}") };
        assert_eq!((rule, path.as_deref()), ("git/dot-git", Some(".GIT/config")));
        let pipe = refused("error: a b: can only add regular files, symbolic links or git-directories");
        let WorkspaceError::Refused { rule, path, .. } = pipe else { panic!("{pipe}") };
        assert_eq!((rule, path.as_deref()), ("git/bad-object", Some("a b")));
        assert!(matches!(refused("error: open(\"x\"): Permission denied"), WorkspaceError::Git { .. }));
    }

    #[test]
    fn only_files_truly_below_the_tree_are_taken_although_ignored() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir(tree.path().join("sub")).unwrap();
        std::fs::write(tree.path().join("sub/file"), "").unwrap();
        std::os::unix::fs::symlink("/etc", tree.path().join("link")).unwrap();
        assert!(is_plain_beneath(tree.path(), "sub/file"));
        assert!(is_plain_beneath(tree.path(), "link"));
        for file in ["sub", "link/passwd", "../x", "/etc/passwd", "none"] {
            assert!(!is_plain_beneath(tree.path(), file), "{file}");
        }
    }
}
