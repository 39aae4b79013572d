//! The running forge: its state, its git, its plans, and what needs both state and git.
//!
//! The state's lock is never held while git runs; a repository's `writing` lock is, so that pushes and
//! merges see whole changes.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    events::{Moved, PushedCommit, ZERO_ID},
    faults::Faults,
    git::{Git, GitError, Joined},
    state::{Forge, Issue, PullFacts},
};

/// Commits a push of a new branch tells of at most.
const NEW_BRANCH_COMMITS: usize = 10;

pub(super) struct Site {
    pub(super) forge: Mutex<Forge>,
    pub(super) git: Git,
    pub(super) faults: Arc<Faults>,
    pub(super) version: String,
    pub(super) cross_repository_dependencies: bool,
}

impl Site {
    pub(super) fn forge(&self) -> MutexGuard<'_, Forge> {
        self.forge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a repository's git lies.
    pub(super) fn path(&self, repo: u64) -> PathBuf {
        let forge = self.forge();
        let repo = forge.repo(repo);
        self.git.path(forge.login(repo.owner), &repo.name)
    }

    /// A commit with the files it touched.
    pub(super) async fn pushed(&self, path: &std::path::Path, id: &str) -> Option<PushedCommit> {
        let commit = self.git.commit(path, id).await?;
        let touched = self.git.touched(path, id).await.unwrap_or_default();
        Some(PushedCommit { commit, touched })
    }

    /// Asks git what a pull request comes to now. An empty branch name of a deleted branch keeps what was known.
    pub(super) async fn facts(
        &self,
        repo: u64,
        base: &str,
        head: &str,
    ) -> Result<Option<PullFacts>, GitError> {
        let path = self.path(repo);
        let (Some(base_sha), Some(head_sha)) =
            (self.git.branch(&path, base).await, self.git.branch(&path, head).await)
        else {
            return Ok(None);
        };
        let merge_base = self.git.run(&path, &["merge-base", &base_sha, &head_sha]).await.unwrap_or_default();
        let from = if merge_base.is_empty() { base_sha.as_str() } else { merge_base.as_str() };
        let counted = self.git.run(&path, &["diff", "--numstat", "--no-renames", from, &head_sha]).await?;
        let mut facts = PullFacts { merge_base: from.to_owned(), base_sha, head_sha, ..PullFacts::default() };
        for line in counted.lines() {
            let mut fields = line.split('\t').map(|field| field.parse::<u64>().unwrap_or(0));
            facts.additions += fields.next().unwrap_or(0);
            facts.deletions += fields.next().unwrap_or(0);
            facts.changed_files += 1;
        }
        let joined = self.git.join(&path, &facts.base_sha, &facts.head_sha).await;
        facts.mergeable = matches!(joined, Ok(Joined::Tree(_)));
        Ok(Some(facts))
    }

    /// Asks git again about the open pull requests on a branch; returns those whose head it is.
    async fn look_again(&self, repo: u64, branch: &str) -> Result<Vec<u64>, GitError> {
        let concerned: Vec<(u64, String, String)> = {
            let forge = self.forge();
            let both = |issue: &Issue| issue.pull.as_ref().map(|pull| (pull.base.clone(), pull.head.clone()));
            let pulls = forge.open_pulls_on(repo, branch).into_iter();
            pulls.filter_map(|id| both(&forge.issues[&id]).map(|(base, head)| (id, base, head))).collect()
        };
        let mut synced = Vec::new();
        for (id, base, head) in concerned {
            let Some(facts) = self.facts(repo, &base, &head).await? else { continue };
            let mut forge = self.forge();
            if let Some(pull) = forge.issues.get_mut(&id).and_then(|issue| issue.pull.as_mut()) {
                pull.facts = facts;
            }
            if head == branch {
                synced.push(id);
            }
        }
        Ok(synced)
    }

    /// Tells what moved between two listings of a repository's refs, and does what follows from it.
    pub(super) async fn refs_moved(
        &self,
        repo: u64,
        doer: u64,
        before: &[(String, String)],
        after: &[(String, String)],
    ) -> Result<(), GitError> {
        let at = |refs: &[(String, String)], name: &str| {
            refs.iter().find(|(known, _)| known == name).map_or(ZERO_ID.to_owned(), |(_, id)| id.clone())
        };
        let mut names: Vec<&String> = before.iter().chain(after).map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        for name in names {
            let (old, new) = (at(before, name), at(after, name));
            if old != new {
                self.moved(repo, doer, name, old, new).await?;
            }
        }
        Ok(())
    }

    /// One ref moved.
    pub(super) async fn moved(
        &self,
        repo: u64,
        doer: u64,
        name: &str,
        before: String,
        after: String,
    ) -> Result<(), GitError> {
        let path = self.path(repo);
        let branch = name.strip_prefix("refs/heads/");
        let commits = self.new_commits(&path, branch, &before, &after).await?;
        if let Some(branch) = branch {
            self.take_first_branch(repo, branch, &path).await?;
        }
        let head = if after == ZERO_ID { None } else { self.pushed(&path, &after).await };
        let moved = Moved { git_ref: name.to_owned(), before, after, head, commits };
        let is_default = {
            let forge = self.forge();
            branch == Some(forge.repo(repo).default_branch.as_str())
        };
        {
            let mut forge = self.forge();
            if is_default {
                forge.close_by_commits(repo, doer, &moved.commits);
            }
            forge.announce_push(repo, &moved, doer);
        }
        let Some(branch) = branch else { return Ok(()) };
        self.forge().head_moved(repo, branch, &moved.after);
        if moved.after == ZERO_ID {
            self.forge().close_orphans(repo, branch, doer);
            return Ok(());
        }
        let synced = self.look_again(repo, branch).await?;
        let mut forge = self.forge();
        if moved.before != ZERO_ID {
            forge.synchronized(&synced, doer);
        }
        Ok(())
    }

    async fn new_commits(
        &self,
        path: &std::path::Path,
        branch: Option<&str>,
        before: &str,
        after: &str,
    ) -> Result<Vec<PushedCommit>, GitError> {
        let Some(branch) = branch else { return Ok(Vec::new()) };
        if after == ZERO_ID {
            return Ok(Vec::new());
        }
        let commits = if before == ZERO_ID {
            // Of a new branch, only what no other branch has.
            let exclude = format!("--exclude={branch}");
            let args = [after, "--not", exclude.as_str(), "--branches"];
            self.git.log(path, &args, NEW_BRANCH_COMMITS).await?
        } else {
            self.git.log(path, &[&format!("{before}..{after}")], usize::from(u16::MAX)).await?
        };
        let mut told = Vec::with_capacity(commits.len());
        for commit in commits {
            let touched = self.git.touched(path, &commit.id).await.unwrap_or_default();
            told.push(PushedCommit { commit, touched });
        }
        Ok(told)
    }

    /// The first branch of an empty repository becomes its default branch.
    async fn take_first_branch(
        &self,
        repo: u64,
        branch: &str,
        path: &std::path::Path,
    ) -> Result<(), GitError> {
        let changed = {
            let mut forge = self.forge();
            let Some(repo) = forge.repositories.get_mut(&repo) else { return Ok(()) };
            repo.updated = super::state::now();
            let changed = repo.empty && repo.default_branch != branch;
            if repo.empty {
                repo.empty = false;
                branch.clone_into(&mut repo.default_branch);
            }
            changed
        };
        if changed {
            self.git.run(path, &["symbolic-ref", "HEAD", &format!("refs/heads/{branch}")]).await?;
        }
        Ok(())
    }
}

impl Forge {
    /// Closes what commits on the default branch say they close; stops at the first that cannot be closed.
    fn close_by_commits(&mut self, repo: u64, doer: u64, commits: &[PushedCommit]) {
        for PushedCommit { commit, .. } in commits.iter().rev() {
            for (issue, closes) in self.named_in(repo, &commit.message) {
                let summary = commit.message.lines().next().unwrap_or_default();
                self.note_commit(issue, doer, &commit.id, summary);
                let named = &self.issues[&issue];
                if !closes || named.pull.is_some() || !self.may_close(named, doer) {
                    continue;
                }
                if self.close(issue, doer, &commit.id).is_err() {
                    return;
                }
            }
        }
    }

    /// Lets all pull requests from a branch, closed ones too, show where it is now.
    fn head_moved(&mut self, repo: u64, branch: &str, after: &str) {
        let here = self.issues.values_mut().filter(|issue| issue.repo == repo);
        for pull in here.filter_map(|issue| issue.pull.as_mut()).filter(|pull| pull.head == branch) {
            pull.head_gone = after == ZERO_ID;
            if !pull.head_gone {
                after.clone_into(&mut pull.facts.head_sha);
            }
        }
    }

    /// Closes the open pull requests whose branch is gone.
    fn close_orphans(&mut self, repo: u64, branch: &str, doer: u64) {
        for id in self.open_pulls_on(repo, branch) {
            // A pull request that waits for another issue stays open.
            let _ = self.close(id, doer, "");
        }
    }

    fn synchronized(&mut self, pulls: &[u64], doer: u64) {
        for id in pulls {
            if let Some(issue) = self.issues.get_mut(id) {
                issue.updated = super::state::now();
            }
            if let Some(issue) = self.issues.get(id) {
                self.announce_issue(issue, super::events::Family::Sync, "synchronized", doer, &[]);
            }
        }
    }
}
