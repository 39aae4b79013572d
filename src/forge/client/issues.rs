//! Issues: read, searched, put together into a snapshot, made, edited, closed.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{
    Forge,
    paging::{LastPage, each_once},
    transport::Call,
};
use crate::{
    domain::{
        id::{IssueRef, RepoRef},
        issue::{IssueSnapshot, IssueState},
    },
    forge::{
        error::ForgeError,
        wire::{BotUser, WireIssue, epoch_ms, rfc3339_second},
    },
};

/// An issue to make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewIssue {
    /// Title.
    pub title: String,
    /// Body.
    pub body: String,
    /// Logins; an unknown one makes the forge refuse the issue.
    pub assignees: Vec<String>,
}

/// What to change of an issue; `None` leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssueEdit {
    /// Title.
    pub title: Option<String>,
    /// Body.
    pub body: Option<String>,
    /// Logins; replaces the whole set.
    pub assignees: Option<Vec<String>>,
    /// Open or closed.
    pub state: Option<IssueState>,
}

impl Forge {
    /// One issue, or a pull request seen as one.
    pub async fn issue(&self, issue: &IssueRef) -> Result<WireIssue, ForgeError> {
        let answer = self.send(&Call::on_issue(Method::GET, issue, &[])?).await?;
        let read: WireIssue = answer.json()?;
        if read.positive_number().is_none() || read.issue_state().is_none() {
            return Err(answer.shape("an issue without number or state"));
        }
        Ok(read)
    }

    /// All open issues assigned to the bot in every repository it sees, changed since an instant (milliseconds).
    /// That an issue is missing proves nothing: rows move while pages are read.
    pub async fn assigned_open_issues(
        &self,
        bot: &BotUser,
        since_ms: Option<i64>,
    ) -> Result<Vec<WireIssue>, ForgeError> {
        let call = Call::get(["repos", "issues", "search"])?.query("assigned", true);
        self.open_issues_of(bot, call, since_ms).await
    }

    /// The same for one repository; `NotFound` also where the forge does not know the bot's login.
    pub async fn repository_issues_assigned(
        &self,
        repo: &RepoRef,
        bot: &BotUser,
        since_ms: Option<i64>,
    ) -> Result<Vec<WireIssue>, ForgeError> {
        let call = Call::on_repo(Method::GET, repo, &["issues"])?.query("assigned_by", &bot.login);
        self.open_issues_of(bot, call, since_ms).await
    }

    async fn open_issues_of(
        &self,
        bot: &BotUser,
        call: Call,
        since_ms: Option<i64>,
    ) -> Result<Vec<WireIssue>, ForgeError> {
        let mut call = call.query("type", "issues").query("state", "open");
        if let Some(since_ms) = since_ms {
            call = call.query("since", rfc3339_second(since_ms));
        }
        let mut issues = each_once(self.list(call, LastPage::Short).await?);
        // Old versions ignore filters for a token they do not know, and new ones drop names they do not know.
        issues.retain(|issue: &WireIssue| {
            issue.issue_ref().is_some()
                && issue.issue_state() == Some(IssueState::Open)
                && !issue.is_pull_request
                && issue.is_assigned_to(bot)
        });
        Ok(issues)
    }

    /// The issue with what blocks it and what it blocks; `NotAnIssue` for a pull request.
    pub async fn snapshot(&self, issue: &IssueRef, bot: &BotUser) -> Result<IssueSnapshot, ForgeError> {
        let read = self.issue(issue).await?;
        if read.is_pull_request {
            return Err(ForgeError::NotAnIssue { issue: issue.clone() });
        }
        let named = read.issue_ref().unwrap_or_else(|| issue.clone());
        let (dependencies, blocks) = tokio::try_join!(self.dependencies(&named), self.blocks(&named))?;
        Ok(IssueSnapshot {
            assigned: read.is_assigned_to(bot),
            state: read.issue_state().unwrap_or(IssueState::Open),
            issue: named,
            labels: read.labels.into_iter().map(|label| label.name).collect(),
            blockers: dependencies.issues.iter().map(WireIssue::as_blocker).collect(),
            blocks: blocks.issues.iter().filter_map(WireIssue::issue_ref).collect(),
            created_ms: epoch_ms(&read.created_at),
            updated_ms: epoch_ms(&read.updated_at),
            title: read.title,
            body: read.body,
        })
    }

    /// The state of an issue that a text names; `None` where it is not there or not visible.
    /// A renamed repository is looked up once under its new name.
    pub async fn blocker_state(&self, issue: &IssueRef) -> Result<Option<IssueState>, ForgeError> {
        let read = match self.issue(issue).await {
            Err(ForgeError::Redirected { repository: Some(repo), .. }) => {
                self.issue(&IssueRef::new(repo, issue.number)).await
            }
            settled => settled,
        };
        match read {
            Ok(read) => Ok(read.issue_state()),
            Err(ForgeError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes an issue. Without write access the forge drops the assignees silently.
    pub async fn create_issue(&self, repo: &RepoRef, new: &NewIssue) -> Result<WireIssue, ForgeError> {
        let body = json!({"title": new.title, "body": new.body, "assignees": new.assignees});
        self.fetch(Call::on_repo(Method::POST, repo, &["issues"])?.json(&body)).await
    }

    /// Changes an issue. `DependenciesOpen` on closing leaves the other changes in place.
    pub async fn edit_issue(&self, issue: &IssueRef, edit: &IssueEdit) -> Result<WireIssue, ForgeError> {
        let mut body = Map::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(key.to_owned(), value);
            }
        };
        put("title", edit.title.as_deref().map(Value::from));
        put("body", edit.body.as_deref().map(Value::from));
        put("assignees", edit.assignees.clone().map(Value::from));
        put("state", edit.state.map(|state| state_word(state).into()));
        self.fetch(Call::on_issue(Method::PATCH, issue, &[])?.json(&body)).await
    }

    /// Closes an issue; one that is closed already counts as done. `DependenciesOpen` where a blocker is open.
    pub async fn close_issue(&self, issue: &IssueRef) -> Result<(), ForgeError> {
        let edit = IssueEdit { state: Some(IssueState::Closed), ..IssueEdit::default() };
        match self.edit_issue(issue, &edit).await {
            Ok(_) => Ok(()),
            // Somebody closing it at the same moment makes the forge fail; so does a lost answer.
            Err(error) if error.leaves_doubt() => match self.issue(issue).await {
                Ok(read) if read.issue_state() == Some(IssueState::Closed) => Ok(()),
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
    }
}

fn state_word(state: IssueState) -> &'static str {
    match state {
        IssueState::Open => "open",
        IssueState::Closed => "closed",
    }
}
