//! Pull requests: made once, found again.

use reqwest::Method;
use serde_json::json;

use super::{Forge, paging::LastPage, transport::Call};
use crate::{
    domain::id::RepoRef,
    forge::{error::ForgeError, wire::WirePull},
};

/// A pull request to make, within one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPull {
    /// The branch it goes to.
    pub base: String,
    /// The branch it comes from.
    pub head: String,
    /// Title; one that starts with `WIP:` makes a draft, which cannot be merged.
    pub title: String,
    /// Body.
    pub body: String,
}

impl Forge {
    /// Makes a pull request, or returns the open one that the two branches have already.
    pub async fn create_pull(&self, repo: &RepoRef, new: &NewPull) -> Result<WirePull, ForgeError> {
        let body = json!({"base": new.base, "head": new.head, "title": new.title, "body": new.body});
        match self.fetch(Call::on_repo(Method::POST, repo, &["pulls"])?.json(&body)).await {
            Err(conflict @ ForgeError::Conflict { .. }) => {
                let existing = self.pull_by_branches(repo, &new.base, &new.head).await?;
                existing.filter(WirePull::is_open).ok_or(conflict)
            }
            settled => settled,
        }
    }

    /// One pull request.
    pub async fn pull(&self, repo: &RepoRef, number: u64) -> Result<WirePull, ForgeError> {
        self.fetch(Call::on_repo(Method::GET, repo, &["pulls", &number.to_string()])?).await
    }

    /// The pull request between two branches of one repository: the open one, else a closed or merged one.
    pub async fn pull_by_branches(
        &self,
        repo: &RepoRef,
        base: &str,
        head: &str,
    ) -> Result<Option<WirePull>, ForgeError> {
        let tail: Vec<&str> = ["pulls", base].into_iter().chain(head.split('/')).collect();
        let named = match self.fetch::<WirePull>(Call::on_repo(Method::GET, repo, &tail)?).await {
            Ok(pull) => Some(pull),
            Err(ForgeError::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        // Where there are several the forge names any of them; and a proxy that decodes `%2F` hides a base
        // with a slash.
        let is_sure = named.as_ref().map_or(!base.contains('/'), WirePull::is_open);
        if is_sure {
            return Ok(named);
        }
        let call = Call::on_repo(Method::GET, repo, &["pulls"])?.query("state", "open");
        let open: Vec<WirePull> = self.list(call, LastPage::Short).await?;
        let between = |pull: &WirePull| {
            pull.is_open()
                && pull.base.branch == base
                && pull.head.branch == head
                && pull.base.repo_id == pull.head.repo_id
        };
        Ok(open.into_iter().find(between).or(named))
    }
}
