//! Orders: what should be happening now, derived from the state alone.
//!
//! An order that was lost, or that died with its receiver, is simply derived again: each has a key, and a receiver that
//! has it already does nothing.

use super::{
    comment,
    gate::GateReport,
    id::{CommitId, IssueRef},
    metadata::Metadata,
    policy::MergePolicy,
    state::State,
    task::{Candidate, Ground, HandoverCause, Notes, Phase, Purpose, Task, TaskKey, TurnKey},
};

/// Something to be done by one of the other actors.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Make the task's workspace, or find it again.
    Prepare {
        /// Whose.
        key: TaskKey,
        /// The branch's name.
        branch: String,
        /// What the base said when it was made, if it was made before.
        ground: Option<Box<Ground>>,
    },
    /// Let the agent do a turn.
    Turn(Box<TurnOrder>),
    /// Run the gates on a commit.
    Verify {
        /// Whose.
        key: TaskKey,
        /// Which commit.
        candidate: Candidate,
        /// With which gates.
        ground: Box<Ground>,
    },
    /// Bring a green commit to the forge.
    Publish(Box<PublishOrder>),
    /// Close the issue of a merged task.
    Close {
        /// Whose.
        key: TaskKey,
    },
    /// Write the living comment.
    Comment {
        /// Whose.
        key: TaskKey,
        /// The text, with its marker.
        text: String,
        /// Digest of the text.
        digest: String,
        /// Its id on the forge, where it is known.
        known: Option<i64>,
    },
}

/// What a turn needs.
#[derive(Clone, Debug, PartialEq)]
pub struct TurnOrder {
    /// Which turn.
    pub key: TurnKey,
    /// What for.
    pub purpose: Purpose,
    /// Key under `[models]`.
    pub model: String,
    /// Key under `[agents]`.
    pub agent: String,
    /// The session's effective limit as known so far; the configured window at first.
    pub window_tokens: u64,
    /// The task's branch.
    pub branch: String,
    /// What the base says.
    pub ground: Ground,
    /// Title of the issue.
    pub title: String,
    /// Body of the issue.
    pub body: String,
    /// What its text asks for.
    pub metadata: Metadata,
    /// Whether the issue was edited since the last prompt.
    pub edited: bool,
    /// The last gate report.
    pub report: Option<GateReport>,
    /// What the agent left to know.
    pub notes: Notes,
}

/// What publishing needs.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishOrder {
    /// Whose.
    pub key: TaskKey,
    /// The green commit.
    pub candidate: Candidate,
    /// What the base said.
    pub ground: Ground,
    /// The branch.
    pub branch: String,
    /// Head of the branch as far as we pushed it.
    pub pushed: Option<CommitId>,
    /// The pull request, if it is known.
    pub pull_request: Option<u64>,
    /// The green report: the proof that this tree may be published.
    pub report: GateReport,
    /// Title of the issue.
    pub title: String,
    /// Key under `[models]` and `[agents]` of who did the work.
    pub model: String,
    /// Who ran it.
    pub agent: String,
    /// Whether to merge.
    pub merge: bool,
}

/// What makes an order the same order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderKey {
    /// Whose.
    pub task: TaskKey,
    /// Of what kind.
    pub kind: OrderKind,
    /// What tells it from others of its kind.
    pub detail: String,
}

/// The kinds of orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrderKind {
    /// To an agent.
    Prepare,
    /// To an agent.
    Turn,
    /// To the gates.
    Verify,
    /// To the forge.
    Publish,
    /// To the forge.
    Close,
    /// To the forge.
    Comment,
}

impl Order {
    /// The key of this order.
    pub fn key(&self) -> OrderKey {
        let (task, kind, detail) = match self {
            Self::Prepare { key, .. } => (key, OrderKind::Prepare, String::new()),
            Self::Turn(turn) => {
                (&turn.key.task, OrderKind::Turn, format!("{}.{}", turn.key.session, turn.key.turn))
            }
            Self::Verify { key, candidate, ground } => {
                (key, OrderKind::Verify, format!("{} {}", candidate.commit, ground.gate_set))
            }
            Self::Publish(publish) => {
                (&publish.key, OrderKind::Publish, publish.candidate.commit.to_string())
            }
            Self::Close { key } => (key, OrderKind::Close, String::new()),
            Self::Comment { key, digest, .. } => (key, OrderKind::Comment, digest.clone()),
        };
        OrderKey { task: task.clone(), kind, detail }
    }
}

/// All that should be happening for the task on `issue`.
pub fn orders(state: &State, issue: &IssueRef) -> Vec<Order> {
    let Some(task) = state.task(issue) else { return Vec::new() };
    let mut orders: Vec<Order> = work_order(state, task).into_iter().collect();
    orders.extend(comment_order(task));
    orders
}

fn work_order(state: &State, task: &Task) -> Option<Order> {
    let key = task.key.clone();
    match &task.phase {
        Phase::Preparing => Some(Order::Prepare {
            key,
            branch: task.branch.clone(),
            ground: task.ground.clone().map(Box::new),
        }),
        Phase::Running { session, turn, purpose, edited } => {
            let record = state.issue(&task.key.issue)?;
            let live = task.live_session()?;
            Some(Order::Turn(Box::new(TurnOrder {
                key: task.turn_key(*session, *turn),
                purpose: purpose.clone(),
                model: live.model.clone(),
                agent: task.route.as_ref()?.agent.clone(),
                window_tokens: live.window_tokens,
                branch: task.branch.clone(),
                ground: task.ground.clone()?,
                title: record.snapshot.title.clone(),
                body: record.snapshot.body.clone(),
                metadata: record.metadata.clone(),
                edited: *edited,
                report: task.report.clone(),
                notes: task.notes.clone(),
            })))
        }
        Phase::Gating(candidate) => {
            Some(Order::Verify { key, candidate: candidate.clone(), ground: Box::new(task.ground.clone()?) })
        }
        // Merged is merged: all that is left is to see the issue closed.
        Phase::Publishing(_) | Phase::InReview(_) if task.merged => Some(Order::Close { key }),
        Phase::Publishing(candidate) => publish_order(task, candidate),
        // What the forge did not let us merge is tried again now and then.
        Phase::InReview(candidate) if task.reason.is_some() => publish_order(task, candidate)
            .filter(|order| matches!(order, Order::Publish(order) if order.merge)),
        Phase::Received
        | Phase::Blocked
        | Phase::Ready
        | Phase::InReview(_)
        | Phase::Done
        | Phase::Parked(_)
        | Phase::Cancelled => None,
    }
}

fn publish_order(task: &Task, candidate: &Candidate) -> Option<Order> {
    let report = task.report.as_ref().filter(|report| report.tree == candidate.tree && report.is_green())?;
    let ground = task.ground.clone()?;
    let route = task.route.as_ref()?;
    Some(Order::Publish(Box::new(PublishOrder {
        key: task.key.clone(),
        candidate: candidate.clone(),
        branch: task.branch.clone(),
        pushed: task.pushed.clone(),
        pull_request: task.pull_request,
        report: report.clone(),
        title: task.title.clone(),
        model: route.model.clone(),
        agent: route.agent.clone(),
        merge: ground.policy.merge == MergePolicy::Auto,
        ground,
    })))
}

fn comment_order(task: &Task) -> Option<Order> {
    let text = comment::text(task);
    let digest = super::digest::fingerprint(&[text.as_bytes()]);
    if task.comment.as_ref().is_some_and(|posted| posted.digest == digest) {
        return None;
    }
    Some(Order::Comment {
        key: task.key.clone(),
        text,
        digest,
        known: task.comment.as_ref().map(|posted| posted.id),
    })
}

/// One sentence on why a session after the first begins, for its prompt.
pub fn handover_reason(cause: &HandoverCause) -> String {
    match cause {
        HandoverCause::Rotated => "the session before came to the limit of its context window".to_owned(),
        HandoverCause::Escalated => {
            "the model before did not get the gates green; a more capable one takes over".to_owned()
        }
        HandoverCause::Failed { cause } => format!("the session before failed: {cause}"),
        HandoverCause::Interrupted => "the session before was interrupted".to_owned(),
        HandoverCause::Conflict { files } => format!(
            "the base branch moved, and the work conflicts with it; it is merged into your work tree, and conflict \
             markers are in: {}. Resolve them so that both changes hold",
            files.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests;
