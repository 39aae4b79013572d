//! An issue's history: the only place where the forge tells who assigned or closed it.

use reqwest::Method;

use super::{Forge, paging::LastPage, transport::Call};
use crate::{
    domain::id::IssueRef,
    forge::{
        error::ForgeError,
        wire::{BotUser, WireTimelineEntry, WireUser},
    },
};

/// Who brought an issue into the state it is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastActors {
    /// Who closed it last; `None` while it is open.
    pub closed_by: Option<WireUser>,
    /// Who assigned the bot last; `None` while it is not assigned.
    pub assigned_by: Option<WireUser>,
    /// Who took the bot off last; `None` while it is assigned or never was.
    pub unassigned_by: Option<WireUser>,
}

impl Forge {
    /// The whole history, oldest first. Comments and changes that the bot may not see are missing.
    pub async fn timeline(&self, issue: &IssueRef) -> Result<Vec<WireTimelineEntry>, ForgeError> {
        let call = Call::on_issue(Method::GET, issue, &["timeline"])?;
        let mut entries: Vec<WireTimelineEntry> = self.list(call, LastPage::Empty).await?;
        entries.sort_by_key(|entry| entry.id);
        entries.dedup_by_key(|entry| entry.id);
        Ok(entries)
    }

    /// Number of the bot's last assignment to the issue, rising with time; `None`: the history tells of none.
    pub async fn last_assignment(&self, issue: &IssueRef, bot: &BotUser) -> Result<Option<i64>, ForgeError> {
        let timeline = self.timeline(issue).await?;
        let of_bot = |entry: &&WireTimelineEntry| {
            entry.kind == "assignees"
                && !entry.removed_assignee
                && entry.assignee.as_ref().is_some_and(|user| user.is(bot))
        };
        Ok(timeline.iter().rfind(of_bot).map(|entry| entry.id))
    }

    /// Who closed the issue and who assigned the bot, as far as the history tells.
    pub async fn last_actors(&self, issue: &IssueRef, bot: &BotUser) -> Result<LastActors, ForgeError> {
        let mut last = LastActors::default();
        for entry in self.timeline(issue).await? {
            match entry.kind.as_str() {
                "close" => last.closed_by = entry.user,
                "reopen" => last.closed_by = None,
                "assignees" if entry.assignee.as_ref().is_some_and(|user| user.is(bot)) => {
                    let doer = entry.user;
                    (last.assigned_by, last.unassigned_by) =
                        if entry.removed_assignee { (None, doer) } else { (doer, None) };
                }
                _ => {}
            }
        }
        Ok(last)
    }
}
