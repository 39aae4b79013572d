//! Publishing: push, pull request, statuses, merge, in that order, each once.
//!
//! Every step is probed or idempotent by nature, so the whole is safe to begin again after any crash.

use std::time::Duration;

use super::{Outcome, Revocation, read::again, tell};
use crate::{
    actor::{Ground, base},
    domain::{
        command::{Command, PublishOutcome},
        gate::Verdict,
        id::{CommitId, RepoRef},
        order::PublishOrder,
        task::Candidate,
    },
    forge::{
        ForgeError,
        client::{MergeOutcome, MergeRequest, NewPull, Repository, StatusState},
    },
    workspace::{Merge, Push, WorkspaceError},
};

/// How long an event may take to be journaled and shown.
const RECORDED_WITHIN: Duration = Duration::from_secs(10);
const RECORDED_LOOK: Duration = Duration::from_millis(5);

/// How often a merge is tried, about six minutes in all, before it is looked at only now and then.
const MERGE_TRIES: u32 = 12;

/// What stops publishing before its end.
enum Stop {
    /// For a while.
    Again(String, Option<Duration>),
    /// Something has to be decided.
    Decide(PublishOutcome),
    /// The order no longer holds.
    Revoked,
}

impl From<ForgeError> for Stop {
    fn from(error: ForgeError) -> Self {
        if error.is_retryable() || matches!(error, ForgeError::Unauthorized { .. }) {
            let Outcome::Again { why, after } = again(&error) else { return Self::Revoked };
            return Self::Again(why, after);
        }
        Self::Decide(PublishOutcome::Refused(format!("the forge refuses the pull request: {error}")))
    }
}

impl From<WorkspaceError> for Stop {
    fn from(error: WorkspaceError) -> Self {
        match error {
            WorkspaceError::PushRefused { .. } | WorkspaceError::NotFound { .. } => {
                Self::Decide(PublishOutcome::Refused(error.to_string()))
            }
            error => Self::Again(error.to_string(), None),
        }
    }
}

pub(super) async fn publish(
    ground: &Ground,
    order: PublishOrder,
    revocation: &Revocation,
    tries: u32,
) -> Outcome {
    let span = crate::telemetry::task_span(&order.key.issue, order.key.generation, None);
    let outcome = tracing::Instrument::instrument(steps(ground, &order, revocation, tries), span).await;
    let decided = match outcome {
        Ok(outcome) | Err(Stop::Decide(outcome)) => outcome,
        Err(Stop::Again(why, after)) => return Outcome::Again { why, after },
        Err(Stop::Revoked) => return Outcome::Finished,
    };
    let commit = order.candidate.commit.clone();
    tell(ground, Command::PublishEnded { key: order.key, commit, outcome: decided });
    Outcome::Finished
}

async fn steps(
    ground: &Ground,
    order: &PublishOrder,
    revocation: &Revocation,
    tries: u32,
) -> Result<PublishOutcome, Stop> {
    let repo = &order.key.issue.repo;
    let held = || if revocation.is_revoked() { Err(Stop::Revoked) } else { Ok(()) };
    let remote = base::remote(ground, repo);
    let repository = ground.forge.repository(repo).await?;

    ground.workspaces.fetch(repo, &remote).await?;
    if !is_merged(ground, order).await? {
        base_is_still(ground, order, &repository).await?;
        held()?;
        push(ground, order, &remote).await?;
    }
    held()?;
    let number = open_pull(ground, order).await?;
    set_statuses(ground, order).await?;
    if !order.merge {
        return Ok(PublishOutcome::WaitsForReview(None));
    }
    held()?;
    merge(ground, order, &repository, number, tries).await
}

/// After a crash between merge and record the branch may be gone: the pull request says what was.
async fn is_merged(ground: &Ground, order: &PublishOrder) -> Result<bool, Stop> {
    let Some(number) = order.pull_request else { return Ok(false) };
    let pull = ground.forge.pull(&order.key.issue.repo, number).await?;
    Ok(pull.merged && pull.head.sha == order.candidate.commit.0)
}

/// Green means green on top of what is there now: a base that moved is merged in and goes through the gates first.
async fn base_is_still(ground: &Ground, order: &PublishOrder, repository: &Repository) -> Result<(), Stop> {
    let PublishOrder { key, candidate, .. } = order;
    let repo = &key.issue.repo;
    let Some(head) = ground.workspaces.branch_head(repo, &repository.default_branch).await? else {
        let missing = format!("{repo} has no branch {}", repository.default_branch);
        return Err(Stop::Decide(PublishOutcome::Refused(missing)));
    };
    if head == candidate.base {
        return Ok(());
    }
    let new_ground = match base::read(ground, repo, &repository.default_branch, head.clone()).await {
        Ok(new_ground) => Box::new(new_ground),
        Err(base::Unfit::Again(why)) => return Err(Stop::Again(why, None)),
        Err(base::Unfit::Faulty(why)) => return Err(Stop::Decide(PublishOutcome::Refused(why))),
    };
    let outcome = match ground.workspaces.merge(repo, &candidate.commit, &head).await? {
        Merge::Conflict { files } => PublishOutcome::Conflicted { ground: new_ground, files },
        Merge::Clean(tree) => {
            let message = base::commit_message(ground, key, &order.title, &order.model, &order.agent);
            let at_ms = ground.clock.now_ms();
            let commit = ground
                .workspaces
                .commit_tree(repo, &tree, std::slice::from_ref(&head), &message, at_ms)
                .await?;
            let candidate = Candidate { commit, tree, base: head };
            PublishOutcome::BaseMoved { ground: new_ground, candidate }
        }
    };
    Err(Stop::Decide(outcome))
}

async fn push(ground: &Ground, order: &PublishOrder, remote: &crate::workspace::Remote) -> Result<(), Stop> {
    let PublishOrder { key, candidate, branch, pushed, .. } = order;
    let repo = &key.issue.repo;
    let done = match ground.workspaces.push(repo, remote, &candidate.commit, branch, pushed.as_ref()).await {
        // What may be fetched with that token but not pushed is a matter of rights.
        Err(error @ WorkspaceError::AuthRefused { .. }) => {
            let reason = format!("the bot may not push to {repo}: {error}");
            return Err(Stop::Decide(PublishOutcome::Refused(reason)));
        }
        done => done?,
    };
    match done {
        Push::Done | Push::UpToDate => {}
        Push::Stale => {
            // Pushed by us but not recorded before a crash is no stranger's work.
            let there = ground.workspaces.branch_head(repo, branch).await?;
            let ours = match &there {
                Some(head) => is_ours(ground, repo, head, order).await?,
                None => true,
            };
            if !ours {
                let reason = format!(
                    "somebody else pushed to {branch}: delete that branch, and change the issue to start anew"
                );
                return Err(Stop::Decide(PublishOutcome::Refused(reason)));
            }
            let again =
                ground.workspaces.push(repo, remote, &candidate.commit, branch, there.as_ref()).await?;
            if again == Push::Stale {
                return Err(Stop::Again(format!("{branch} moves while it is pushed"), None));
            }
        }
    }
    let (key, commit, tree) = (key.clone(), candidate.commit.clone(), candidate.tree.clone());
    tell(ground, Command::Pushed { key, commit, tree });
    Ok(())
}

/// Whether a head of our branch was made by us: it carries this task's trailer.
async fn is_ours(
    ground: &Ground,
    repo: &RepoRef,
    head: &CommitId,
    order: &PublishOrder,
) -> Result<bool, Stop> {
    let message = ground.workspaces.message_of(repo, head).await?;
    Ok(message.contains(&base::issue_trailer(&order.key)))
}

async fn open_pull(ground: &Ground, order: &PublishOrder) -> Result<u64, Stop> {
    let PublishOrder { key, branch, ground: base_ground, title, .. } = order;
    let number = match order.pull_request {
        Some(number) => number,
        None => {
            let new = NewPull {
                base: base_ground.base_branch.clone(),
                head: branch.clone(),
                title: pull_title(key.issue.number, title),
                body: pull_body(order),
            };
            ground.forge.create_pull(&key.issue.repo, &new).await?.number
        }
    };
    tell(ground, Command::PullOpened { key: key.clone(), number });
    recorded(ground, order, number).await?;
    Ok(number)
}

/// Waits until the pull request is in the journal. A merge closes the issue: after a crash in between, an issue closed by
/// a pull request that nobody remembers would look closed by a person.
async fn recorded(ground: &Ground, order: &PublishOrder, number: u64) -> Result<(), Stop> {
    let issue = &order.key.issue;
    let deadline = ground.clock.instant() + RECORDED_WITHIN;
    while ground.board.issue_of_pull(&issue.repo, number).as_ref() != Some(issue) {
        if ground.clock.instant() > deadline {
            return Err(Stop::Again("the pull request is not journaled yet".to_owned(), None));
        }
        ground.clock.sleep(RECORDED_LOOK).await;
    }
    Ok(())
}

/// A title that begins like a draft's would keep the forge from merging.
fn pull_title(number: u64, title: &str) -> String {
    let title = base::one_line(title);
    let word = title.to_ascii_lowercase();
    let draft = ["wip:", "[wip]", "draft:", "[draft]"].iter().any(|prefix| word.starts_with(prefix));
    if draft { format!("Issue {number}: {title}") } else { title }
}

fn pull_body(order: &PublishOrder) -> String {
    let gates: Vec<String> = order
        .report
        .gates
        .iter()
        .map(|(name, gate)| format!("- `{name}`: green in {} ms", gate.duration_ms))
        .collect();
    format!(
        "Work on {issue} by model `{model}` with agent `{agent}`. All gates are green on tree `{tree}`:\n\n{gates}\n\nCloses #{number}\n",
        issue = order.key.issue,
        model = order.model,
        agent = order.agent,
        tree = order.candidate.tree,
        gates = gates.join("\n"),
        number = order.key.issue.number,
    )
}

async fn set_statuses(ground: &Ground, order: &PublishOrder) -> Result<(), Stop> {
    let repo = &order.key.issue.repo;
    let known = ground.forge.statuses(repo, &order.candidate.commit).await?;
    for (name, gate) in &order.report.gates {
        let context = format!("mosaic/{name}");
        let state = if gate.verdict == Verdict::Green { StatusState::Success } else { StatusState::Failure };
        let told = known.iter().any(|status| status.context == context && status.state == state.to_string());
        if !told {
            let description = format!("green in {} ms", gate.duration_ms);
            ground.forge.set_status(repo, &order.candidate.commit, state, &context, &description).await?;
        }
    }
    Ok(())
}

async fn merge(
    ground: &Ground,
    order: &PublishOrder,
    repository: &Repository,
    number: u64,
    tries: u32,
) -> Result<PublishOutcome, Stop> {
    let request = MergeRequest {
        style: repository.default_merge_style,
        head_commit_id: order.candidate.commit.clone(),
        title: format!("{} (#{number})", base::one_line(&order.title)),
        message: format!("Closes #{}", order.key.issue.number),
    };
    match ground.forge.merge_pull(&order.key.issue.repo, number, &request).await? {
        MergeOutcome::Merged { .. } => Ok(PublishOutcome::Merged),
        // The forge has the same word for a merge that it is about to allow and for one that waits for a check.
        MergeOutcome::TryLater(why) if tries < MERGE_TRIES => Err(Stop::Again(why, None)),
        MergeOutcome::TryLater(why) => {
            Ok(PublishOutcome::WaitsForReview(Some(format!("the forge does not merge it yet: {why}"))))
        }
        MergeOutcome::HeadMoved => {
            let reason = format!("somebody else pushed to {}: the gates have not seen that", order.branch);
            Ok(PublishOutcome::Refused(reason))
        }
        // The base moved between our look and the merge: the next round merges it in.
        MergeOutcome::Conflict => Err(Stop::Again("the base moved during the merge".to_owned(), None)),
        MergeOutcome::NotAllowed(why) => {
            Ok(PublishOutcome::WaitsForReview(Some(format!("the forge does not allow the merge: {why}"))))
        }
    }
}
