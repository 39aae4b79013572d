//! Repositories and their branches.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{
    Forge,
    merge::MergeStyle,
    transport::{Answer, Call},
};
use crate::{
    domain::id::{CommitId, RepoRef},
    forge::{error::ForgeError, wire::nullable},
};

/// What the bot may do in a repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Permissions {
    /// Change its settings and hooks.
    pub admin: bool,
    /// Push branches, merge, assign.
    pub push: bool,
    /// Read it.
    pub pull: bool,
}

/// A repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Its name, spelled as the forge does.
    pub name: RepoRef,
    /// The branch that work is merged into.
    pub default_branch: String,
    /// How the repository wants merges.
    pub default_merge_style: MergeStyle,
    /// Where to clone from, below the configured URL; without credentials.
    pub clone_url: String,
    /// Whether it is closed for writing.
    pub archived: bool,
    /// Whether it has no commit yet.
    pub empty: bool,
    /// Whether its issues can depend on others.
    pub dependencies_enabled: bool,
    /// What the bot may do.
    pub permissions: Permissions,
}

/// A repository to make, owned by the token's user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRepository {
    /// Its name.
    pub name: String,
    /// Visible to its members only.
    pub private: bool,
    /// With a first commit (a README).
    pub auto_init: bool,
    /// The default branch; empty: the forge's choice.
    pub default_branch: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireRepository {
    #[serde(deserialize_with = "nullable")]
    full_name: String,
    #[serde(deserialize_with = "nullable")]
    default_branch: String,
    #[serde(deserialize_with = "nullable")]
    default_merge_style: String,
    #[serde(deserialize_with = "nullable")]
    archived: bool,
    #[serde(deserialize_with = "nullable")]
    empty: bool,
    has_issues: Option<bool>,
    internal_tracker: Option<WireTracker>,
    #[serde(deserialize_with = "nullable")]
    permissions: Permissions,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireTracker {
    enable_issue_dependencies: Option<bool>,
}

impl Forge {
    /// One repository. `Redirected` tells the new name of a renamed one.
    pub async fn repository(&self, repo: &RepoRef) -> Result<Repository, ForgeError> {
        let answer = self.send(&Call::on_repo(Method::GET, repo, &[])?).await?;
        self.read_repository(&answer)
    }

    /// The commit a branch is at; `None` where there is no such branch or repository.
    pub async fn branch(&self, repo: &RepoRef, name: &str) -> Result<Option<CommitId>, ForgeError> {
        #[derive(Deserialize)]
        struct Branch {
            commit: Commit,
        }
        #[derive(Deserialize)]
        struct Commit {
            id: CommitId,
        }
        let tail: Vec<&str> = ["branches"].into_iter().chain(name.split('/')).collect();
        match self.fetch::<Branch>(Call::on_repo(Method::GET, repo, &tail)?).await {
            Ok(branch) => Ok(Some(branch.commit.id)),
            Err(ForgeError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a repository of the token's user; `Conflict` where it has one of that name.
    pub async fn create_repository(&self, new: &NewRepository) -> Result<Repository, ForgeError> {
        let body = json!({
            "name": new.name,
            "private": new.private,
            "auto_init": new.auto_init,
            "default_branch": new.default_branch,
        });
        let answer = self.send(&Call::new(Method::POST, ["user", "repos"])?.json(&body)).await?;
        self.read_repository(&answer)
    }

    fn read_repository(&self, answer: &Answer) -> Result<Repository, ForgeError> {
        let wire: WireRepository = answer.json()?;
        let name: RepoRef = wire.full_name.parse().map_err(|error| answer.shape(error))?;
        let tracked = wire.internal_tracker.and_then(|tracker| tracker.enable_issue_dependencies);
        Ok(Repository {
            clone_url: self.0.base.clone_url(&name),
            name,
            default_branch: wire.default_branch,
            default_merge_style: wire.default_merge_style.parse().unwrap_or_default(),
            archived: wire.archived,
            empty: wire.empty,
            dependencies_enabled: tracked.unwrap_or(wire.has_issues.unwrap_or(true)),
            permissions: wire.permissions,
        })
    }
}
