//! Commit statuses.

use std::fmt;

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{Forge, paging::LastPage, transport::Call};
use crate::{
    domain::id::{CommitId, RepoRef},
    forge::{
        error::ForgeError,
        wire::{WireStatus, nullable},
    },
};

/// A state to set; the forge would store any other word and count it as neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusState {
    /// Not known yet.
    Pending,
    /// Green.
    Success,
    /// Red.
    Failure,
    /// It could not be found out.
    Error,
    /// Green with a word of warning.
    Warning,
}

impl fmt::Display for StatusState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

impl Forge {
    /// Sets the status of a commit in a context; the newest of a context counts. An unknown commit is a `Server`
    /// error.
    pub async fn set_status(
        &self,
        repo: &RepoRef,
        commit: &CommitId,
        state: StatusState,
        context: &str,
        description: &str,
    ) -> Result<(), ForgeError> {
        let body = json!({"state": state.to_string(), "context": context, "description": description});
        self.send(&Call::on_repo(Method::POST, repo, &["statuses", &commit.0])?.json(&body)).await?;
        Ok(())
    }

    /// The newest status of each context of a commit.
    pub async fn statuses(&self, repo: &RepoRef, commit: &CommitId) -> Result<Vec<WireStatus>, ForgeError> {
        #[derive(Deserialize)]
        struct Combined {
            #[serde(default, deserialize_with = "nullable")]
            statuses: Vec<Option<WireStatus>>,
        }
        let call = Call::on_repo(Method::GET, repo, &["commits", &commit.0, "status"])?;
        let mut statuses =
            self.pages(call, LastPage::Short, |page| Ok(page.json::<Combined>()?.statuses)).await?;
        let mut contexts = std::collections::BTreeSet::new();
        statuses.retain(|status| contexts.insert(status.context.clone()));
        Ok(statuses)
    }
}
