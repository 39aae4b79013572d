//! The merge, fenced by the commit that passed the gates.
//!
//! Promises to decide from what the pull request is afterwards, not from the answer: the forge has one code for
//! most refusals, and a lost answer says nothing.

use std::{convert::Infallible, fmt, str::FromStr};

use reqwest::Method;
use serde_json::{Map, Value};

use super::{Forge, transport::Call};
use crate::{
    domain::id::{CommitId, RepoRef},
    forge::{error::ForgeError, wire::WirePull},
};

/// How the forge joins a branch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MergeStyle {
    /// A merge commit.
    #[default]
    Merge,
    /// Rebase, then fast-forward.
    Rebase,
    /// Rebase, then a merge commit.
    RebaseMerge,
    /// One commit.
    Squash,
    /// Only if nothing has to be done.
    FastForwardOnly,
}

impl fmt::Display for MergeStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Merge => "merge",
            Self::Rebase => "rebase",
            Self::RebaseMerge => "rebase-merge",
            Self::Squash => "squash",
            Self::FastForwardOnly => "fast-forward-only",
        })
    }
}

impl FromStr for MergeStyle {
    type Err = Infallible;
    /// What the forge calls it; a style unknown here is a plain merge.
    fn from_str(word: &str) -> Result<Self, Infallible> {
        Ok(match word {
            "rebase" => Self::Rebase,
            "rebase-merge" => Self::RebaseMerge,
            "squash" => Self::Squash,
            "fast-forward-only" => Self::FastForwardOnly,
            _ => Self::Merge,
        })
    }
}

/// What to merge and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeRequest {
    /// How.
    pub style: MergeStyle,
    /// The commit that passed the gates; another head is not merged.
    pub head_commit_id: CommitId,
    /// First line of the merge commit; empty: the forge's own.
    pub title: String,
    /// The rest of it.
    pub message: String,
}

/// What became of a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergeOutcome {
    /// It is merged, now or before.
    Merged {
        /// The merge commit, where the forge tells it.
        merge_commit: Option<CommitId>,
    },
    /// Not now, for the reason given: still checking, a status outstanding, the base just moved.
    TryLater(String),
    /// The branch is at another commit.
    HeadMoved,
    /// The two branches do not merge.
    Conflict,
    /// A person has to do something first.
    NotAllowed(String),
}

impl Forge {
    /// Merges a pull request at exactly the given commit. An error leaves the pull request unmerged as far as
    /// could be seen, and the call may be made again.
    pub async fn merge_pull(
        &self,
        repo: &RepoRef,
        number: u64,
        request: &MergeRequest,
    ) -> Result<MergeOutcome, ForgeError> {
        let tail = ["pulls", &number.to_string(), "merge"];
        let call = Call::on_repo(Method::POST, repo, &tail)?.json(&wire_body(request));
        let refusal = match self.send(&call).await {
            Ok(answer) if answer.status.as_u16() == 201 => None,
            Ok(_) => {
                let after = self.pull(repo, number).await.ok();
                return Ok(MergeOutcome::Merged { merge_commit: after.and_then(|pull| pull.merge_commit()) });
            }
            Err(error @ (ForgeError::RateLimited { .. } | ForgeError::Unauthorized { .. })) => {
                return Err(error);
            }
            Err(error) => Some(error),
        };
        let after = match (self.pull(repo, number).await, &refusal) {
            (Ok(after), _) => after,
            // That the merge failed matters more than that looking failed too.
            (Err(unseen), None) => return Err(unseen),
            (Err(_), Some(refusal)) => return Err(refusal.clone()),
        };
        outcome(&after, request, refusal)
    }
}

/// Only the capitalised names are understood by every version.
fn wire_body(request: &MergeRequest) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("Do".into(), request.style.to_string().into());
    body.insert("head_commit_id".into(), request.head_commit_id.0.clone().into());
    for (key, text) in [("MergeTitleField", &request.title), ("MergeMessageField", &request.message)] {
        if !text.is_empty() {
            body.insert(key.into(), text.clone().into());
        }
    }
    body
}

/// What became of it, from the pull request as it is now and the forge's words (none: it was scheduled).
fn outcome(
    after: &WirePull,
    request: &MergeRequest,
    refusal: Option<ForgeError>,
) -> Result<MergeOutcome, ForgeError> {
    if after.merged {
        return Ok(MergeOutcome::Merged { merge_commit: after.merge_commit() });
    }
    if !after.is_open() {
        return Ok(MergeOutcome::NotAllowed("the pull request is closed".into()));
    }
    if !after.head.sha.is_empty() && after.head.sha != request.head_commit_id.0 {
        return Ok(MergeOutcome::HeadMoved);
    }
    match refusal {
        None => Ok(MergeOutcome::TryLater("the forge has scheduled the merge".into())),
        Some(ForgeError::MergeRefused { message, .. }) => Ok(refused(message)),
        Some(ForgeError::Conflict { message, .. }) => Ok(conflicting(message)),
        Some(error) => Err(error),
    }
}

/// 405 means many things; only its words tell them apart.
fn refused(message: String) -> MergeOutcome {
    let passes = ["try again later", "status check", "behind the base", "already merged", "checking"];
    let words = message.to_ascii_lowercase();
    if words.is_empty() || passes.iter().any(|sign| words.contains(sign)) {
        MergeOutcome::TryLater(if message.is_empty() {
            "the forge refused without a word".into()
        } else {
            message
        })
    } else {
        MergeOutcome::NotAllowed(message)
    }
}

/// 409 is a conflict of contents unless its words say something else.
fn conflicting(message: String) -> MergeOutcome {
    let words = message.to_ascii_lowercase();
    if words.contains("head out of date") {
        MergeOutcome::HeadMoved
    } else if words.contains("out of date") || words.contains("scheduled") {
        MergeOutcome::TryLater(message)
    } else if words.contains("pushrejected") {
        MergeOutcome::NotAllowed(message)
    } else {
        MergeOutcome::Conflict
    }
}
