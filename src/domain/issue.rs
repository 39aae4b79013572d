//! What the forge said of one issue at one moment.

use serde::{Deserialize, Serialize};

use super::id::IssueRef;

/// Whether an issue is open, as the forge says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssueState {
    /// Open.
    Open,
    /// Closed, by whatever means.
    Closed,
}

/// One blocker of an issue, as far as the bot may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocker {
    /// Which issue; `None` where the forge hides it (a repository the bot cannot see).
    pub issue: Option<IssueRef>,
    /// Its state; `None` where hidden or not to be had: an unknown blocker blocks.
    pub state: Option<IssueState>,
}

/// One issue, as the forge's API showed it when it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueSnapshot {
    /// Which issue, spelled as the forge spells it.
    pub issue: IssueRef,
    /// Title.
    pub title: String,
    /// Body, as written (markdown).
    pub body: String,
    /// Open or closed.
    pub state: IssueState,
    /// Whether the bot is among the assignees.
    pub assigned: bool,
    /// Names of its labels.
    pub labels: Vec<String>,
    /// Issues that block it natively (`/dependencies`) and, once resolved, those its body names.
    pub blockers: Vec<Blocker>,
    /// Issues that it blocks natively (`/blocks`), where visible.
    pub blocks: Vec<IssueRef>,
    /// Creation instant, milliseconds since the epoch in UTC.
    pub created_ms: i64,
    /// Last change by the forge's clock, milliseconds since the epoch in UTC.
    pub updated_ms: i64,
}
