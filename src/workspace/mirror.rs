//! Mirrors: the coordinator's own bare copies of the forge's repositories.
//!
//! Owns fetching, reading, merging, committing and pushing. Promises that only the coordinator writes here, that
//! one fetch or push at a time runs per repository, and that nothing is ever pruned: workspaces borrow objects.

use std::path::PathBuf;

use super::{
    Workspaces,
    change::{ChangedFile, parse_changes},
    error::{WorkspaceError, gist},
    git::{Call, Remote, commit_arg, is_object_id},
    git_dir::GitDir,
};
use crate::{
    domain::{
        branch::is_branch_name,
        id::{CommitId, RepoRef, TreeId},
    },
    files::remove_tree,
};

/// What came of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// The branch is now at the commit.
    Done,
    /// It was there already.
    UpToDate,
    /// The branch is not where it was expected: somebody else moved, made or removed it. Nothing was done.
    Stale,
}

/// What came of a merge of two commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merge {
    /// The merged tree.
    Clean(TreeId),
    /// These files need a decision.
    Conflict {
        /// Their paths.
        files: Vec<String>,
    },
}

impl Workspaces {
    /// Brings the mirror of `repo` to where the remote is, branches that are gone there included.
    pub async fn fetch(&self, repo: &RepoRef, remote: &Remote) -> Result<(), WorkspaceError> {
        let turn = self.turn(repo);
        let _turn = turn.lock().await;
        let mirror = self.made_mirror(repo)?;
        let action = "fetch";
        let args =
            ["fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"];
        let call = self.git.call(repo, action, &mirror).remote(remote).args(args);
        let output = call.args(["--", &remote.url, "+refs/heads/*:refs/heads/*"]).run().await?;
        if output.code != 0 {
            return Err(WorkspaceError::of_remote(repo, action, &output.stderr));
        }
        Ok(())
    }

    /// The mirror's folder, made where it is not yet there. The caller holds the repository's turn.
    fn made_mirror(&self, repo: &RepoRef) -> Result<PathBuf, WorkspaceError> {
        let mirror = self.layout.mirror(repo);
        if mirror.join("HEAD").is_file() {
            return Ok(mirror);
        }
        // A crash in between leaves the unfinished folder, never an unfinished mirror.
        let unfinished = mirror.with_extension("new");
        remove_tree(&unfinished).map_err(WorkspaceError::io(&unfinished))?;
        let identity = self.git.identity();
        let dir = GitDir { branch: "main", bare: true, borrows: None, identity: &identity };
        dir.write(&unfinished).map_err(WorkspaceError::io(&unfinished))?;
        std::fs::rename(&unfinished, &mirror).map_err(WorkspaceError::io(&mirror))?;
        Ok(mirror)
    }

    /// A call on the mirror, which must have been fetched.
    pub(super) fn on_mirror<'a>(
        &'a self,
        repo: &'a RepoRef,
        action: &'static str,
    ) -> Result<Call<'a>, WorkspaceError> {
        Ok(self.git.call(repo, action, &self.mirror_of(repo)?))
    }

    /// The folder of a mirror that is there.
    pub(super) fn mirror_of(&self, repo: &RepoRef) -> Result<PathBuf, WorkspaceError> {
        let mirror = self.layout.mirror(repo);
        if mirror.join("HEAD").is_file() {
            return Ok(mirror);
        }
        Err(missing(repo, "mirror here, for it was never fetched"))
    }

    /// Where `branch` was at the last fetch or push; `None` where there is no such branch.
    pub async fn branch_head(
        &self,
        repo: &RepoRef,
        branch: &str,
    ) -> Result<Option<CommitId>, WorkspaceError> {
        let name = branch_ref(repo, branch)?;
        let call = self.on_mirror(repo, "read a branch")?;
        let output = call.args(["rev-parse", "--verify", "--quiet", "--end-of-options", &name]).run().await?;
        Ok(Some(output.text()).filter(|text| output.code == 0 && is_object_id(text)).map(CommitId))
    }

    /// The whole message of a commit.
    pub async fn message_of(&self, repo: &RepoRef, commit: &CommitId) -> Result<String, WorkspaceError> {
        let commit = commit_arg(repo, commit)?;
        let call = self.on_mirror(repo, "read a commit")?.args(["log", "-1", "--format=%B", &commit, "--"]);
        Ok(call.done().await?.text())
    }

    /// The tree of a commit.
    pub async fn tree_of(&self, repo: &RepoRef, commit: &CommitId) -> Result<TreeId, WorkspaceError> {
        let name = format!("{}^{{tree}}", commit_arg(repo, commit)?);
        let call = self.on_mirror(repo, "read a commit")?;
        let output = call.args(["rev-parse", "--verify", "--quiet", "--end-of-options", &name]).run().await?;
        if output.code != 0 || !is_object_id(&output.text()) {
            return Err(missing(repo, &format!("commit {commit}")));
        }
        Ok(TreeId(output.text()))
    }

    /// The plain file at `path` of a commit; `None` where there is none (a link is none either).
    pub async fn read_file(
        &self,
        repo: &RepoRef,
        commit: &CommitId,
        path: &str,
        max_bytes: u64,
    ) -> Result<Option<Vec<u8>>, WorkspaceError> {
        let action = "read a file";
        let commit = commit_arg(repo, commit)?;
        let call =
            self.on_mirror(repo, action)?.args(["ls-tree", "-z", "-l", "--full-tree", &commit, "--", path]);
        let output = call.done().await?;
        let entry = output.text();
        let Some((head, _)) = entry.split_once('\t') else { return Ok(None) };
        let parts: Vec<_> = head.split_ascii_whitespace().collect();
        let ["100644" | "100755", "blob", blob, size] = parts.as_slice() else { return Ok(None) };
        if size.parse::<u64>().map_or(true, |size| size > max_bytes) {
            return Err(WorkspaceError::Refused {
                repo: repo.clone(),
                rule: "git/size",
                path: Some(path.to_owned()),
                detail: format!(
                    "`{path}` has {size} bytes, and at most {max_bytes} are read; make it shorter"
                ),
            });
        }
        let call = self.on_mirror(repo, action)?.args(["cat-file", "blob", blob]);
        Ok(Some(call.done().await?.stdout))
    }

    /// Whether `older` is `newer` or one of its ancestors.
    pub async fn is_ancestor(
        &self,
        repo: &RepoRef,
        older: &CommitId,
        newer: &CommitId,
    ) -> Result<bool, WorkspaceError> {
        let action = "compare commits";
        let (older, newer) = (commit_arg(repo, older)?, commit_arg(repo, newer)?);
        let call = self.on_mirror(repo, action)?.args(["merge-base", "--is-ancestor", &older, &newer]);
        let output = call.run().await?;
        match output.code {
            0 => Ok(true),
            1 => Ok(false),
            _ => Err(WorkspaceError::git(repo, action, &output.stderr)),
        }
    }

    /// The best common ancestor of two commits; `None` where their histories are unrelated.
    pub async fn merge_base(
        &self,
        repo: &RepoRef,
        one: &CommitId,
        other: &CommitId,
    ) -> Result<Option<CommitId>, WorkspaceError> {
        let action = "compare commits";
        let (one, other) = (commit_arg(repo, one)?, commit_arg(repo, other)?);
        let output = self.on_mirror(repo, action)?.args(["merge-base", &one, &other]).run().await?;
        match output.code {
            0 => Ok(Some(CommitId(output.text()))),
            1 => Ok(None),
            _ => Err(WorkspaceError::git(repo, action, &output.stderr)),
        }
    }

    /// Merges two commits without touching any work tree.
    pub async fn merge(
        &self,
        repo: &RepoRef,
        ours: &CommitId,
        theirs: &CommitId,
    ) -> Result<Merge, WorkspaceError> {
        let action = "merge";
        let (ours, theirs) = (commit_arg(repo, ours)?, commit_arg(repo, theirs)?);
        let args = ["merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", &ours, &theirs];
        let output = self.on_mirror(repo, action)?.args(args).run().await?;
        let mut fields = output.fields().into_iter();
        let tree = fields.next().filter(|field| is_object_id(field));
        match (output.code, tree) {
            (0, Some(tree)) => Ok(Merge::Clean(TreeId(tree))),
            (1, Some(_)) => Ok(Merge::Conflict { files: fields.collect() }),
            _ => Err(WorkspaceError::git(repo, action, &output.stderr)),
        }
    }

    /// Makes a commit by the bot; the same input, `at_ms` (since the epoch, UTC) included, is the same commit.
    pub async fn commit_tree(
        &self,
        repo: &RepoRef,
        tree: &TreeId,
        parents: &[CommitId],
        message: &str,
        at_ms: i64,
    ) -> Result<CommitId, WorkspaceError> {
        if !is_object_id(&tree.0) {
            return Err(missing(repo, &format!("tree `{}`", tree.0.escape_debug())));
        }
        let date = format!("@{} +0000", at_ms.max(0) / 1000);
        let call = self.on_mirror(repo, "commit")?.args(["commit-tree", &tree.0]);
        let mut call = call.env("GIT_AUTHOR_DATE", date.clone()).env("GIT_COMMITTER_DATE", date);
        for parent in parents {
            call = call.args(["-p".to_owned(), commit_arg(repo, parent)?]);
        }
        let message = format!("{}\n", message.trim_end());
        Ok(CommitId(call.stdin(message).done().await?.text()))
    }

    /// Puts `branch` of the remote at `commit`, provided that it is at `expected` (`None`: does not exist).
    pub async fn push(
        &self,
        repo: &RepoRef,
        remote: &Remote,
        commit: &CommitId,
        branch: &str,
        expected: Option<&CommitId>,
    ) -> Result<Push, WorkspaceError> {
        let action = "push";
        let name = branch_ref(repo, branch)?;
        let commit = commit_arg(repo, commit)?;
        let expected = expected.map(|expected| commit_arg(repo, expected)).transpose()?.unwrap_or_default();
        let turn = self.turn(repo);
        let _turn = turn.lock().await;
        let lease = format!("--force-with-lease={name}:{expected}");
        let args =
            ["push", "--porcelain", "--no-verify", "--recurse-submodules=no", &lease, "--", &remote.url];
        let call = self.on_mirror(repo, action)?.remote(remote).args(args);
        let output = call.args([format!("{commit}:{name}")]).run().await?;
        let said = output.text();
        let status = said.lines().find_map(|line| {
            let (flag, rest) = line.split_once('\t')?;
            (flag.len() <= 1 && rest.contains(&name)).then(|| (flag.chars().next(), rest.to_owned()))
        });
        let pushed = match status {
            Some((Some('!'), reason)) if is_stale(&reason) => return Ok(Push::Stale),
            Some((Some('!'), reason)) => {
                let detail = refusal(&reason, &output.stderr);
                return Err(WorkspaceError::PushRefused {
                    repo: repo.clone(),
                    branch: branch.to_owned(),
                    detail,
                });
            }
            Some((Some('='), _)) if output.code == 0 => Push::UpToDate,
            Some(_) if output.code == 0 => Push::Done,
            _ => return Err(WorkspaceError::of_remote(repo, action, &output.stderr)),
        };
        self.on_mirror(repo, action)?.args(["update-ref", &name, &commit]).done().await?;
        Ok(pushed)
    }

    /// The files that differ between two trees.
    pub(super) async fn changes(
        &self,
        repo: &RepoRef,
        older: &TreeId,
        newer: &TreeId,
    ) -> Result<Vec<ChangedFile>, WorkspaceError> {
        let action = "compare trees";
        let args =
            ["diff-tree", "-r", "-z", "--raw", "--numstat", "--no-renames", "--no-ext-diff", "--no-textconv"];
        let output = self.on_mirror(repo, action)?.args(args).args([&older.0, &newer.0]).done().await?;
        parse_changes(&output.stdout)
            .ok_or_else(|| WorkspaceError::git(repo, action, "its output is not a diff"))
    }

    /// Sets a private reference, or removes it where `commit` is `None`.
    pub(super) async fn set_ref(
        &self,
        repo: &RepoRef,
        name: &str,
        commit: Option<&CommitId>,
    ) -> Result<(), WorkspaceError> {
        let call = self.on_mirror(repo, "update a reference")?;
        match commit {
            Some(commit) => call.args(["update-ref", name, &commit_arg(repo, commit)?]).done().await?,
            None => call.args(["update-ref", "-d", name]).done().await?,
        };
        Ok(())
    }
}

/// Whether a rejection says that the branch is not where it was expected.
fn is_stale(reason: &str) -> bool {
    let signs = [
        "stale info",
        "fetch first",
        "non-fast-forward",
        "incorrect old value",
        "reference already exists",
        "cannot lock ref",
        "remote ref updated since checkout",
    ];
    signs.iter().any(|sign| reason.contains(sign))
}

/// What the remote said when it declined.
fn refusal(reason: &str, stderr: &str) -> String {
    let summary = reason.split_once('\t').map_or(reason, |(_, summary)| summary).trim();
    let remote: Vec<_> =
        stderr.lines().filter_map(|line| line.strip_prefix("remote:")).map(str::trim).collect();
    gist(&format!("{summary} {}", remote.join(" ")))
}

fn branch_ref(repo: &RepoRef, branch: &str) -> Result<String, WorkspaceError> {
    if is_branch_name(branch) {
        return Ok(format!("refs/heads/{branch}"));
    }
    Err(missing(repo, &format!("branch `{}`, which is no valid name", branch.escape_debug())))
}

pub(super) fn missing(repo: &RepoRef, what: &str) -> WorkspaceError {
    WorkspaceError::NotFound { repo: repo.clone(), what: what.to_owned() }
}
