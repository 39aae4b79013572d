//! Webhooks of a repository; they need a repository admin.

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{Forge, paging::LastPage, transport::Call};
use crate::{
    domain::id::RepoRef,
    forge::{error::ForgeError, wire::WireHook},
};

/// A webhook to make. The forge never tells its secret and cannot change it: to rotate it, delete and make anew.
#[derive(Clone, Debug)]
pub struct NewHook {
    /// Where the forge sends to.
    pub url: String,
    /// What it signs with.
    pub secret: SecretString,
    /// What it sends, such as `issues`, `push`, `pull_request`, `status`; unknown names are ignored.
    pub events: Vec<String>,
    /// Sends forms instead of JSON.
    pub as_form: bool,
}

impl Forge {
    /// Makes an active webhook for all branches.
    pub async fn create_hook(&self, repo: &RepoRef, new: &NewHook) -> Result<WireHook, ForgeError> {
        let body = json!({
            "type": "gitea",
            "active": true,
            "branch_filter": "*",
            "events": new.events,
            "config": {
                "url": new.url,
                "content_type": if new.as_form { "form" } else { "json" },
                "secret": new.secret.expose_secret(),
            },
        });
        self.fetch(Call::on_repo(Method::POST, repo, &["hooks"])?.json(&body)).await
    }

    /// All webhooks of the repository.
    pub async fn hooks(&self, repo: &RepoRef) -> Result<Vec<WireHook>, ForgeError> {
        self.list(Call::on_repo(Method::GET, repo, &["hooks"])?, LastPage::Short).await
    }

    /// Deletes a webhook; one that is gone counts as done.
    pub async fn delete_hook(&self, repo: &RepoRef, id: i64) -> Result<(), ForgeError> {
        match self.send(&Call::on_repo(Method::DELETE, repo, &["hooks", &id.to_string()])?).await {
            Ok(_) | Err(ForgeError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
