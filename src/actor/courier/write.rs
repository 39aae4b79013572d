//! Small writes: the living comment, and closing the issue of a merged task.

use super::{Outcome, read::again, tell};
use crate::{
    actor::Ground,
    domain::{command::Command, comment::marker, issue::IssueState, task::TaskKey},
    forge::ForgeError,
};

/// Whether the same write may succeed later: a token can be renewed.
fn passes(error: &ForgeError) -> bool {
    error.is_retryable() || matches!(error, ForgeError::Unauthorized { .. })
}

/// There is one comment per issue: where its id is not known it is looked for by its marker.
pub(super) async fn comment(
    ground: &Ground,
    key: TaskKey,
    text: String,
    digest: String,
    known: Option<i64>,
) -> Outcome {
    match write_comment(ground, &key, &text, known).await {
        Ok(id) => {
            tell(ground, Command::CommentPosted { key, id, digest });
            Outcome::Finished
        }
        Err(error) if passes(&error) => again(&error),
        Err(error) => {
            // The work does not hang on the comment; the next change of the task writes it again.
            tracing::warn!(task = %key.issue, %error, "the comment on the issue could not be written");
            Outcome::Finished
        }
    }
}

async fn write_comment(
    ground: &Ground,
    key: &TaskKey,
    text: &str,
    known: Option<i64>,
) -> Result<i64, ForgeError> {
    let issue = &key.issue;
    if let Some(id) = known {
        match ground.forge.edit_comment(&issue.repo, id, text).await {
            Err(ForgeError::NotFound { .. }) => {}
            other => return other.map(|()| id),
        }
    }
    let bot = ground.bot.load_full();
    let marker = marker(issue);
    let own = ground.forge.comments(issue).await?.into_iter().find(|comment| {
        let ours = match (&comment.user, &bot) {
            (Some(user), Some(bot)) => user.is(bot),
            _ => false,
        };
        ours && comment.body.starts_with(&marker)
    });
    match own {
        Some(comment) => ground.forge.edit_comment(&issue.repo, comment.id, text).await.map(|()| comment.id),
        None => ground.forge.create_comment(issue, text).await.map(|comment| comment.id),
    }
}

/// The forge is asked, since "Closes" is ignored silently while a dependency is open.
pub(super) async fn close(ground: &Ground, key: TaskKey) -> Outcome {
    let issue = match ground.forge.issue(&key.issue).await {
        Ok(issue) => issue,
        Err(error) if passes(&error) => return again(&error),
        Err(error) => {
            tell(
                ground,
                Command::CloseRefused {
                    key,
                    reason: format!("merged, but the issue cannot be read: {error}"),
                },
            );
            return Outcome::Finished;
        }
    };
    if issue.issue_state() == Some(IssueState::Closed) {
        tell(ground, Command::Closed { key });
        return Outcome::Finished;
    }
    match ground.forge.close_issue(&key.issue).await {
        Ok(()) => tell(ground, Command::Closed { key }),
        Err(error) if passes(&error) => return again(&error),
        Err(ForgeError::DependenciesOpen { .. }) => {
            let reason = "merged, but the issue cannot be closed while a dependency of it is open".to_owned();
            tell(ground, Command::CloseRefused { key, reason });
        }
        Err(error) => {
            let reason = format!("merged, but the issue cannot be closed: {error}");
            tell(ground, Command::CloseRefused { key, reason });
        }
    }
    Outcome::Finished
}
