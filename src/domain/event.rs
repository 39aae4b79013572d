//! Events: what has been decided or has become known, in the journal for ever.
//!
//! State is their fold ([`super::evolve`]). A variant is never changed in meaning: a new need is a new variant or an
//! optional field, and [`VERSION`] goes up.

use serde::{Deserialize, Serialize};

use super::{
    estimate::Estimate,
    gate::GateReport,
    id::{CommitId, IssueRef, SessionNo, TreeId, TurnNo},
    issue::IssueSnapshot,
    metadata::Metadata,
    route::Route,
    task::{Candidate, Ended, Ground, Notes, Parking, Purpose, Standstill, TaskKey},
};

/// Version of the event schema that this build writes.
pub const VERSION: u16 = 1;

/// One fact of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum Event {
    /// An issue was read and differs from what was known.
    IssueSeen {
        /// What the forge said.
        snapshot: Box<IssueSnapshot>,
        /// What its text asks for.
        metadata: Box<Metadata>,
    },
    /// An issue cannot be read (deleted, or in a repository that the bot cannot see).
    IssueUnreadable {
        /// Which.
        issue: IssueRef,
    },
    /// Something about a task.
    Task {
        /// Which task.
        key: TaskKey,
        /// What.
        what: TaskEvent,
    },
}

impl Event {
    /// The stream it belongs to: its issue.
    pub fn issue(&self) -> &IssueRef {
        match self {
            Self::IssueSeen { snapshot, .. } => &snapshot.issue,
            Self::IssueUnreadable { issue } => issue,
            Self::Task { key, .. } => &key.issue,
        }
    }

    /// A short name for the journal's column and for logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::IssueSeen { .. } => "issue_seen",
            Self::IssueUnreadable { .. } => "issue_unreadable",
            Self::Task { what, .. } => what.kind(),
        }
    }
}

/// What happened to a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TaskEvent {
    /// The issue became a task.
    Accepted {
        /// Title at that moment.
        title: String,
        /// Its branch, frozen.
        branch: String,
        /// Digest of title and body.
        text_digest: String,
        /// Predicted peak context.
        estimate: Estimate,
        /// Whether a person set it going again after an earlier end.
        restarted_by_person: bool,
    },
    /// Title or body changed while it lives.
    Edited {
        /// The new title.
        title: String,
        /// Digest of the new title and body.
        text_digest: String,
        /// The prediction for the new text; `None` once work began.
        estimate: Option<Estimate>,
    },
    /// It waits for its blockers.
    Blocked {
        /// Which, for a person.
        reason: String,
    },
    /// It could start.
    Readied {
        /// Why it waits all the same, if it does.
        reason: Option<String>,
        /// Not before this instant, epoch ms.
        not_before_ms: i64,
    },
    /// Agent and model were chosen.
    Routed {
        /// The choice.
        route: Route,
    },
    /// It got a slot; its workspace is being made.
    Preparing,
    /// Its workspace is there.
    Prepared {
        /// What the base says.
        ground: Box<Ground>,
    },
    /// A turn was ordered; the first of a session begins that session.
    TurnOrdered {
        /// In which session.
        session: SessionNo,
        /// Which turn of it.
        turn: TurnNo,
        /// What for.
        purpose: Purpose,
        /// Key under `[models]`.
        model: String,
        /// Whether that model is free.
        free: bool,
        /// The model's configured window.
        window_tokens: u64,
    },
    /// The context of a session was measured.
    UsageMarked {
        /// Which session.
        session: SessionNo,
        /// Tokens of the last request.
        used_tokens: u64,
        /// The most so far.
        peak_tokens: u64,
        /// The effective limit.
        window_tokens: u64,
    },
    /// A session passed the warning line.
    Warned {
        /// Which session.
        session: SessionNo,
    },
    /// A session came to the rotation line.
    RotationOrdered {
        /// Which session.
        session: SessionNo,
        /// Tokens of its last request.
        used_tokens: u64,
        /// Its effective limit.
        window_tokens: u64,
    },
    /// A session went on beyond the line all the same.
    Overrun {
        /// Which session.
        session: SessionNo,
    },
    /// The agent left something to know.
    Noted {
        /// What.
        notes: Notes,
    },
    /// A turn ended.
    TurnEnded {
        /// Of which session.
        session: SessionNo,
        /// Which turn.
        turn: TurnNo,
        /// The agent's word for why it stopped.
        stop: String,
        /// The tree it left.
        tree: TreeId,
        /// What the session cost so far in US dollars, if known.
        cost_usd: Option<f64>,
    },
    /// A session ended.
    SessionEnded {
        /// Which session.
        session: SessionNo,
        /// How.
        ended: Ended,
        /// What happened, where it was not the plan.
        cause: Option<String>,
        /// Whether it counts against `max_sessions`.
        counts: bool,
    },
    /// A session never came to be, by a fault of the configuration: it leaves no trace.
    SessionWithdrawn {
        /// Which session.
        session: SessionNo,
    },
    /// The gates were asked about a commit.
    GatingStarted {
        /// Which.
        candidate: Candidate,
    },
    /// The gates could not be asked by a fault of ours; they are asked again.
    GatingDelayed {
        /// What happened, for a person.
        reason: String,
    },
    /// The gates answered.
    Verified {
        /// The report.
        report: Box<GateReport>,
    },
    /// A turn brought nothing green.
    FellShort {
        /// The failures, and how often in a row.
        standstill: Standstill,
        /// Fruitless continuations in a row, this one included.
        fruitless: u32,
    },
    /// A more capable model takes over.
    Escalated {
        /// The new choice.
        route: Route,
    },
    /// A green commit is to be published.
    PublishStarted {
        /// Which.
        candidate: Candidate,
    },
    /// Publishing fails again and again; it goes on being tried.
    PublishDelayed {
        /// Why.
        reason: String,
    },
    /// The branch carries the commit.
    Pushed {
        /// The commit.
        commit: CommitId,
        /// Its tree.
        tree: TreeId,
    },
    /// The pull request is there.
    PullOpened {
        /// Its number.
        number: u64,
    },
    /// The base moved, and merges: the merged tree has to pass the gates.
    BaseMoved {
        /// What the new base says.
        ground: Box<Ground>,
        /// The commit on top of the new base.
        candidate: Candidate,
    },
    /// The base moved, and does not merge.
    Conflicted {
        /// What the new base says.
        ground: Box<Ground>,
        /// Files in conflict.
        files: Vec<String>,
    },
    /// The pull request waits for a person.
    WaitsForReview {
        /// Which commit.
        candidate: Candidate,
        /// Why, where it is not the policy.
        reason: Option<String>,
    },
    /// The pull request was merged.
    Merged {
        /// By a person rather than by us.
        by_person: bool,
    },
    /// The issue is closed; all is done.
    Done,
    /// It was parked.
    Parked {
        /// Why.
        parking: Parking,
    },
    /// It was given up.
    Cancelled {
        /// Why.
        reason: String,
    },
    /// Which of the bot's assignments the task was parked under: a later one starts it anew.
    AssignmentNoted {
        /// The forge's number of it, rising with time.
        assignment: i64,
    },
    /// The living comment was written.
    CommentPosted {
        /// Its id on the forge.
        id: i64,
        /// Digest of its text.
        digest: String,
    },
}

impl TaskEvent {
    /// A short name for the journal's column and for logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Edited { .. } => "edited",
            Self::Blocked { .. } => "blocked",
            Self::Readied { .. } => "readied",
            Self::Routed { .. } => "routed",
            Self::Preparing => "preparing",
            Self::Prepared { .. } => "prepared",
            Self::TurnOrdered { .. } => "turn_ordered",
            Self::UsageMarked { .. } => "usage_marked",
            Self::Warned { .. } => "warned",
            Self::RotationOrdered { .. } => "rotation_ordered",
            Self::Overrun { .. } => "overrun",
            Self::Noted { .. } => "noted",
            Self::TurnEnded { .. } => "turn_ended",
            Self::SessionEnded { .. } => "session_ended",
            Self::SessionWithdrawn { .. } => "session_withdrawn",
            Self::GatingStarted { .. } => "gating_started",
            Self::GatingDelayed { .. } => "gating_delayed",
            Self::Verified { .. } => "verified",
            Self::FellShort { .. } => "fell_short",
            Self::Escalated { .. } => "escalated",
            Self::PublishStarted { .. } => "publish_started",
            Self::PublishDelayed { .. } => "publish_delayed",
            Self::Pushed { .. } => "pushed",
            Self::PullOpened { .. } => "pull_opened",
            Self::BaseMoved { .. } => "base_moved",
            Self::Conflicted { .. } => "conflicted",
            Self::WaitsForReview { .. } => "waits_for_review",
            Self::Merged { .. } => "merged",
            Self::Done => "done",
            Self::Parked { .. } => "parked",
            Self::Cancelled { .. } => "cancelled",
            Self::AssignmentNoted { .. } => "assignment_noted",
            Self::CommentPosted { .. } => "comment_posted",
        }
    }
}

#[cfg(test)]
mod tests;
