//! Reads: one issue with all that decides on it, and the sweep.

use super::{Outcome, tell_observed, tell_swept};
use crate::{
    actor::{
        Ground,
        queue::{Finding, Observed, Swept},
    },
    domain::{
        command::{Observation, PullState},
        id::{IssueRef, RepoRef},
        issue::Blocker,
    },
    forge::{ForgeError, wire::BotUser},
    parse::IssueText,
};

pub(super) fn again(error: &ForgeError) -> Outcome {
    Outcome::Again { why: error.to_string(), after: error.retry_after() }
}

pub(super) async fn read(ground: &Ground, issue: IssueRef, pull: Option<u64>, parked: bool) -> Outcome {
    let Some(bot) = ground.bot.load_full() else {
        return Outcome::Again { why: "the bot is not known yet".to_owned(), after: None };
    };
    match observe(ground, &issue, pull, parked, &bot).await {
        Ok(observation) => {
            let issue = observation.snapshot.issue.clone();
            tell_observed(ground, Observed { issue, finding: Finding::Seen(Box::new(observation)) });
            Outcome::Finished
        }
        Err(ForgeError::NotAnIssue { .. }) => {
            tell_observed(ground, Observed { issue, finding: Finding::PullRequest });
            Outcome::Finished
        }
        Err(ForgeError::NotFound { .. } | ForgeError::Redirected { .. }) => {
            tell_observed(ground, Observed { issue, finding: Finding::Unreadable });
            Outcome::Finished
        }
        Err(error) => again(&error),
    }
}

async fn observe(
    ground: &Ground,
    issue: &IssueRef,
    pull: Option<u64>,
    parked: bool,
    bot: &BotUser,
) -> Result<Observation, ForgeError> {
    let mut snapshot = ground.forge.snapshot(issue, bot).await?;
    let text = IssueText { repo: &snapshot.issue.repo, body: &snapshot.body, labels: &snapshot.labels };
    let metadata = (ground.read_text)(&text);
    for named in metadata.blocked_by.iter().flat_map(|field| &field.value) {
        let told = snapshot.blockers.iter().any(|blocker| blocker.issue.as_ref() == Some(named));
        if !told && *named != snapshot.issue {
            let state = match ground.forge.blocker_state(named).await {
                // What cannot be known blocks, and says so; what may be known later is asked again.
                Err(error) if !error.is_retryable() && !matches!(error, ForgeError::Unauthorized { .. }) => {
                    None
                }
                state => state?,
            };
            snapshot.blockers.push(Blocker { issue: Some(named.clone()), state });
        }
    }
    let pull = match pull {
        None => None,
        Some(number) => {
            match ground.forge.pull(&snapshot.issue.repo, number).await {
                Ok(pull) if pull.merged => Some(PullState::Merged),
                Ok(pull) if pull.is_open() => Some(PullState::Open),
                // Deleted is as good as closed.
                Ok(_) | Err(ForgeError::NotFound { .. }) => Some(PullState::Closed),
                Err(error) => return Err(error),
            }
        }
    };
    let assignment = if parked { ground.forge.last_assignment(&snapshot.issue, bot).await? } else { None };
    Ok(Observation { snapshot, metadata, pull, assignment })
}

pub(super) async fn sweep(ground: &Ground) -> Outcome {
    let Some(bot) = ground.bot.load_full() else {
        return Outcome::Again { why: "the bot is not known yet".to_owned(), after: None };
    };
    let repositories: Vec<RepoRef> = ground.config.load().gitea.repositories.clone();
    match listed(ground, &repositories, &bot).await {
        Ok(issues) => {
            tell_swept(ground, Swept { issues });
            Outcome::Finished
        }
        Err(error) => again(&error),
    }
}

async fn listed(
    ground: &Ground,
    repositories: &[RepoRef],
    bot: &BotUser,
) -> Result<Vec<(IssueRef, i64)>, ForgeError> {
    let found = if repositories.is_empty() {
        ground.forge.assigned_open_issues(bot, None).await?
    } else {
        let mut found = Vec::new();
        for repo in repositories {
            match ground.forge.repository_issues_assigned(repo, bot, None).await {
                Ok(issues) => found.extend(issues),
                // One repository that is gone must not hide the others.
                Err(error) if !error.is_retryable() && !matches!(error, ForgeError::Unauthorized { .. }) => {
                    tracing::warn!(%repo, %error, "a configured repository cannot be swept");
                }
                Err(error) => return Err(error),
            }
        }
        found
    };
    Ok(found
        .iter()
        .filter(|issue| !issue.is_pull_request)
        .filter_map(|issue| Some((issue.issue_ref()?, issue.updated_ms())))
        .collect())
}
