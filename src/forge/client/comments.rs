//! Comments on issues and pull requests.

use reqwest::Method;
use serde_json::json;

use super::{Forge, transport::Call};
use crate::{
    domain::id::{IssueRef, RepoRef},
    forge::{error::ForgeError, wire::WireComment},
};

impl Forge {
    /// All comments, oldest first; the forge gives them in one piece.
    pub async fn comments(&self, issue: &IssueRef) -> Result<Vec<WireComment>, ForgeError> {
        let comments: Option<Vec<_>> = self.fetch(Call::on_issue(Method::GET, issue, &["comments"])?).await?;
        Ok(comments.unwrap_or_default())
    }

    /// Adds a comment. Not idempotent: look for the marker first.
    pub async fn create_comment(&self, issue: &IssueRef, body: &str) -> Result<WireComment, ForgeError> {
        self.fetch(Call::on_issue(Method::POST, issue, &["comments"])?.json(&json!({"body": body}))).await
    }

    /// Replaces the text of a comment of the bot's.
    pub async fn edit_comment(&self, repo: &RepoRef, id: i64, body: &str) -> Result<(), ForgeError> {
        let tail = ["issues", "comments", &id.to_string()];
        self.send(&Call::on_repo(Method::PATCH, repo, &tail)?.json(&json!({"body": body}))).await?;
        Ok(())
    }
}
