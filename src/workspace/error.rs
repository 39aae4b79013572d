//! What can go wrong with git and workspaces, classed by what follows from it.

use std::{io, path::PathBuf};

use crate::domain::id::RepoRef;

/// Longest detail taken over from git's own words, in bytes.
const DETAIL_MAX: usize = 400;

/// Why an operation on a mirror, a workspace or the remote failed. No message holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// Git cannot be started, or is too old. Configuration.
    #[error("git cannot be used: {detail}; install git 2.38 or newer and put it on PATH")]
    GitUnusable {
        /// What was found instead.
        detail: String,
    },
    /// The remote refuses the token. Configuration.
    #[error(
        "the forge refuses the token for {repo} ({action}); check `gitea.token` and the bot's rights there"
    )]
    AuthRefused {
        /// Which repository.
        repo: RepoRef,
        /// What was tried.
        action: &'static str,
    },
    /// The remote does not answer, or not in a way git understands. Retry.
    #[error("the git remote of {repo} cannot be reached ({action}): {detail}; it is tried again")]
    Unreachable {
        /// Which repository.
        repo: RepoRef,
        /// What was tried.
        action: &'static str,
        /// Git's words.
        detail: String,
    },
    /// The remote has no such repository, or we have no such commit, branch or workspace.
    #[error("{repo} has no {what}; check that it exists and that the bot may see it")]
    NotFound {
        /// Which repository.
        repo: RepoRef,
        /// What is missing.
        what: String,
    },
    /// What an agent left is not taken: the agent has to change it.
    #[error("the work on {repo} is refused by {rule}: {detail}")]
    Refused {
        /// Which repository.
        repo: RepoRef,
        /// Name of the rule, `family/name`.
        rule: &'static str,
        /// Where, if it is one place.
        path: Option<String>,
        /// What is wrong and what to do.
        detail: String,
    },
    /// The remote does not take the push, for a reason other than that the branch has moved.
    #[error(
        "the forge does not take `{branch}` of {repo}: {detail}; check branch protection and hooks there"
    )]
    PushRefused {
        /// Which repository.
        repo: RepoRef,
        /// Which branch.
        branch: String,
        /// The remote's words.
        detail: String,
    },
    /// Git failed in a way that is none of the above. Infrastructure.
    #[error("git failed in {repo} ({action}): {detail}")]
    Git {
        /// Which repository.
        repo: RepoRef,
        /// What was tried.
        action: &'static str,
        /// Git's words.
        detail: String,
    },
    /// The disk failed or is full. Infrastructure.
    #[error("`{}` failed: {source}; check space and permissions there", .place.display())]
    Io {
        /// Where.
        place: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl WorkspaceError {
    /// An error of the disk at `place`.
    pub(super) fn io(place: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let place = place.into();
        move |source| Self::Io { place, source }
    }

    /// Classes what git said of a remote.
    pub(super) fn of_remote(repo: &RepoRef, action: &'static str, stderr: &str) -> Self {
        let said = stderr.to_ascii_lowercase();
        let any = |needles: &[&str]| needles.iter().any(|needle| said.contains(needle));
        let repo = repo.clone();
        let refused = [
            "authentication failed",
            "could not read username",
            "could not read password",
            "returned error: 401",
            "returned error: 403",
        ];
        if any(&refused) {
            return Self::AuthRefused { repo, action };
        }
        let missing =
            ["not found", "returned error: 404", "does not appear to be a git repository", "does not exist"];
        if any(&missing) && !any(&["could not resolve host"]) {
            return Self::NotFound { repo, what: "repository under its clone address".to_owned() };
        }
        let detail = gist(stderr);
        if any(&["no space left", "disk quota exceeded", "index-pack failed", "unable to write"]) {
            return Self::Git { repo, action, detail };
        }
        Self::Unreachable { repo, action, detail }
    }

    /// A failure that has no class of its own.
    pub(super) fn git(repo: &RepoRef, action: &'static str, stderr: &str) -> Self {
        Self::Git { repo: repo.clone(), action, detail: gist(stderr) }
    }
}

/// What git said, on one line: its `fatal:` and `error:` lines, else the last one.
pub(super) fn gist(stderr: &str) -> String {
    let lines: Vec<_> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut told: Vec<_> =
        lines.iter().copied().filter(|l| l.starts_with("fatal:") || l.starts_with("error:")).collect();
    if told.is_empty() {
        told.extend(lines.last());
    }
    let mut gist: String = told.join("; ").chars().filter(|c| !c.is_control()).collect();
    if gist.is_empty() {
        return "it gave no reason".to_owned();
    }
    if gist.len() > DETAIL_MAX {
        gist.truncate((0..=DETAIL_MAX).rev().find(|at| gist.is_char_boundary(*at)).unwrap_or_default());
        gist.push('…');
    }
    gist
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classed(stderr: &str) -> WorkspaceError {
        WorkspaceError::of_remote(&RepoRef::new("acme", "app"), "fetch", stderr)
    }

    #[test]
    fn a_refused_token_is_told_from_a_silent_remote_and_a_missing_repository() {
        for said in [
            "fatal: Authentication failed for 'http://127.0.0.1:3000/acme/app.git/'",
            "fatal: could not read Username for 'http://127.0.0.1:3000': terminal prompts disabled",
            "fatal: unable to access 'http://h/': The requested URL returned error: 403",
        ] {
            assert!(matches!(classed(said), WorkspaceError::AuthRefused { .. }), "{said}");
        }
        for said in [
            "fatal: repository 'http://127.0.0.1:3000/acme/app.git/' not found",
            "fatal: '/srv/none.git' does not appear to be a git repository",
        ] {
            assert!(matches!(classed(said), WorkspaceError::NotFound { .. }), "{said}");
        }
        for said in [
            "fatal: unable to access 'http://h/': Failed to connect to h port 80: Connection refused",
            "fatal: unable to access 'http://h/': Could not resolve host: not found",
            "fatal: unable to access 'http://h/': The requested URL returned error: 502",
            "",
        ] {
            assert!(matches!(classed(said), WorkspaceError::Unreachable { .. }), "{said}");
        }
        let full = "error: unable to write file: No space left on device\nfatal: index-pack failed";
        assert!(matches!(classed(full), WorkspaceError::Git { .. }));
    }

    #[test]
    fn the_gist_is_short_and_on_one_line() {
        assert_eq!(gist("warning: w\nerror: one\nhint: h\nfatal: two\n"), "error: one; fatal: two");
        assert_eq!(gist("Cloning\nlast words\n\n"), "last words");
        assert_eq!(gist(" \n"), "it gave no reason");
        assert!(gist(&"é".repeat(900)).len() <= DETAIL_MAX + '…'.len_utf8());
    }

    #[test]
    fn messages_name_the_repository_and_a_remedy() {
        let message = classed("fatal: Authentication failed").to_string();
        assert_eq!(
            message,
            "the forge refuses the token for acme/app (fetch); check `gitea.token` and the bot's rights there"
        );
    }
}
