//! Commands: the facts that reach the one decision, from the forge, the agents, the gates and time.

use super::{
    gate::GateReport,
    id::{CommitId, IssueRef, RepoRef, SessionNo, TreeId},
    issue::IssueSnapshot,
    metadata::Metadata,
    task::{Candidate, Ground, Notes, TaskKey, TurnKey},
};

/// A fact to be decided upon. Those of a turn carry its key: a stale one changes nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// The coordinator began: sessions of the process before are over.
    Started,
    /// The configuration changed.
    Reconfigured,
    /// Time went by.
    Tick,
    /// An issue was read.
    Observed(Box<Observation>),
    /// An issue cannot be read.
    Unreadable(IssueRef),
    /// The workspace is there.
    Prepared {
        /// Whose.
        key: TaskKey,
        /// What the base says.
        ground: Box<Ground>,
    },
    /// The workspace cannot be made.
    PrepareFailed {
        /// Whose.
        key: TaskKey,
        /// Why, for a person.
        reason: String,
        /// Whether another try may help (else it parks).
        retry: bool,
    },
    /// The context of a session was measured.
    Usage {
        /// In which turn.
        turn: TurnKey,
        /// Tokens of the last request.
        used_tokens: u64,
        /// The effective limit.
        window_tokens: u64,
    },
    /// A session passed the warning line.
    Warned {
        /// Whose.
        key: TaskKey,
        /// Which session.
        session: SessionNo,
    },
    /// A session came to the rotation line and was told to stop.
    RotationOrdered {
        /// Whose.
        key: TaskKey,
        /// Which session.
        session: SessionNo,
        /// Tokens of its last request.
        used_tokens: u64,
        /// Its effective limit.
        window_tokens: u64,
    },
    /// A session went on beyond the line all the same.
    Overrun {
        /// Whose.
        key: TaskKey,
        /// Which session.
        session: SessionNo,
    },
    /// The agent left something to know.
    Noted {
        /// In which turn.
        turn: TurnKey,
        /// What.
        notes: Notes,
    },
    /// A turn ended in order, and its tree was read.
    TurnEnded {
        /// Which.
        turn: TurnKey,
        /// How.
        report: Box<TurnReport>,
    },
    /// A session failed.
    SessionFailed {
        /// In which turn.
        turn: TurnKey,
        /// What happened, one sentence.
        cause: String,
        /// Whose fault it is.
        fault: Fault,
    },
    /// The agent's actor crashed, and its session with it.
    SessionLost {
        /// Whose.
        key: TaskKey,
        /// What happened.
        cause: String,
    },
    /// The gates answered.
    Verified {
        /// Whose.
        key: TaskKey,
        /// The report.
        report: Box<GateReport>,
    },
    /// The gates could not be asked by a fault of ours; they are asked again.
    VerifyFailed {
        /// Whose.
        key: TaskKey,
        /// What happened.
        reason: String,
    },
    /// The branch carries the commit.
    Pushed {
        /// Whose.
        key: TaskKey,
        /// The commit.
        commit: CommitId,
        /// Its tree.
        tree: TreeId,
    },
    /// The pull request is there.
    PullOpened {
        /// Whose.
        key: TaskKey,
        /// Its number.
        number: u64,
    },
    /// Publishing fails again and again, and goes on being tried.
    PublishDelayed {
        /// Whose.
        key: TaskKey,
        /// Why, for a person.
        reason: String,
    },
    /// The base branch of a repository changed.
    BaseChanged {
        /// Which repository.
        repo: RepoRef,
    },
    /// Publishing came to a point where something has to be decided.
    PublishEnded {
        /// Whose.
        key: TaskKey,
        /// For which commit.
        commit: CommitId,
        /// What.
        outcome: PublishOutcome,
    },
    /// The issue of a merged task is closed.
    Closed {
        /// Whose.
        key: TaskKey,
    },
    /// The issue of a merged task cannot be closed yet.
    CloseRefused {
        /// Whose.
        key: TaskKey,
        /// Why, for a person.
        reason: String,
    },
    /// The living comment was written.
    CommentPosted {
        /// Whose.
        key: TaskKey,
        /// Its id on the forge.
        id: i64,
        /// Digest of its text.
        digest: String,
    },
}

/// An issue as read, with what its text asks for and how its pull request stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// What the forge said.
    pub snapshot: IssueSnapshot,
    /// What its text asks for.
    pub metadata: Metadata,
    /// How the task's pull request stands, where one was asked about.
    pub pull: Option<PullState>,
    /// The forge's number of the bot's last assignment, rising with time, where it was asked about.
    pub assignment: Option<i64>,
}

/// How a pull request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullState {
    /// Open.
    Open,
    /// Merged.
    Merged,
    /// Closed without a merge.
    Closed,
}

/// How a turn ended.
#[derive(Clone, Debug, PartialEq)]
pub struct TurnReport {
    /// Whether it was cut short by our order (rotation).
    pub cut_short: bool,
    /// The agent's word for why it stopped.
    pub stop: String,
    /// The coordinator's commit of what it left.
    pub candidate: Candidate,
    /// The tree of the base it is compared with.
    pub base_tree: TreeId,
    /// What the agent left to know.
    pub notes: Notes,
    /// What the session cost so far in US dollars, if known.
    pub cost_usd: Option<f64>,
    /// Tokens of the last request, if known.
    pub used_tokens: Option<u64>,
    /// The most tokens any request of the session had, if known.
    pub peak_tokens: Option<u64>,
    /// The session's effective limit, if its use is known.
    pub window_tokens: Option<u64>,
}

/// Whose fault a failed session is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The agent's: it counts.
    Agent,
    /// Ours (a crash of an actor, a full disk): it counts for nothing.
    Ours,
    /// The provider's (rate limit, overload, network): it counts for nothing.
    Provider,
    /// The operator's: the agent cannot be started or is not let in.
    Configuration,
}

/// Where publishing came to.
#[derive(Clone, Debug, PartialEq)]
pub enum PublishOutcome {
    /// The pull request is merged.
    Merged,
    /// It waits for a person; the reason is given where it is not the policy.
    WaitsForReview(Option<String>),
    /// The base moved, and merges.
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
    /// The forge refuses for good; the reason is for a person.
    Refused(String),
}
