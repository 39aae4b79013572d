//! Dependencies: what blocks an issue, and what it blocks.
//!
//! Promises that a blocker which the forge hides still appears, as an issue without number.

use reqwest::Method;
use serde_json::json;

use super::{
    Forge,
    paging::{LastPage, each_once},
    transport::Call,
};
use crate::{
    domain::id::IssueRef,
    forge::{error::ForgeError, wire::WireIssue},
};

/// One direction of an issue's dependencies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependencies {
    /// The issues; a hidden one has number 0.
    pub issues: Vec<WireIssue>,
    /// False where the repository has dependencies switched off, or the forge knows none.
    pub enabled: bool,
}

impl Forge {
    /// The issues that block this one, pull requests among them. The issue itself must be known to exist.
    pub async fn dependencies(&self, issue: &IssueRef) -> Result<Dependencies, ForgeError> {
        self.related(issue, "dependencies", LastPage::Short).await
    }

    /// The issues that this one blocks, where visible. The issue itself must be known to exist.
    pub async fn blocks(&self, issue: &IssueRef) -> Result<Dependencies, ForgeError> {
        self.related(issue, "blocks", LastPage::Empty).await
    }

    async fn related(
        &self,
        issue: &IssueRef,
        direction: &str,
        last: LastPage,
    ) -> Result<Dependencies, ForgeError> {
        match self.list(Call::on_issue(Method::GET, issue, &[direction])?, last).await {
            Ok(issues) => Ok(Dependencies { issues: each_once(issues), enabled: true }),
            Err(ForgeError::NotFound { .. }) => Ok(Dependencies { issues: Vec::new(), enabled: false }),
            Err(error) => Err(error),
        }
    }

    /// Makes `blocker` block `issue`; one that does already counts as done.
    pub async fn add_dependency(&self, issue: &IssueRef, blocker: &IssueRef) -> Result<(), ForgeError> {
        // The forge fails with 500 on a duplicate as on anything else: only looking tells.
        if self.depends(issue, blocker).await? {
            return Ok(());
        }
        let body = json!({"index": blocker.number, "owner": blocker.repo.owner, "repo": blocker.repo.repo});
        let call = Call::on_issue(Method::POST, issue, &["dependencies"])?.json(&body);
        match self.send(&call).await {
            Ok(_) => Ok(()),
            Err(error) if error.leaves_doubt() && self.depends(issue, blocker).await? => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn depends(&self, issue: &IssueRef, blocker: &IssueRef) -> Result<bool, ForgeError> {
        let known = self.dependencies(issue).await?;
        Ok(known.issues.iter().any(|known| known.issue_ref().as_ref() == Some(blocker)))
    }
}
