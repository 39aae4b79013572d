//! The task: the coordinator's work on one issue, from acceptance to a terminal state.
//!
//! Owns the shape of a task and what can be asked of it. It changes only through events ([`super::evolve`]).

use serde::{Deserialize, Serialize};

use super::{
    estimate::Estimate,
    gate::{GateReport, GateSet},
    id::{CommitId, Generation, IssueRef, SessionNo, TreeId, TurnNo},
    policy::TaskPolicy,
    route::Route,
};

/// Which task: an issue and a generation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskKey {
    /// The issue.
    pub issue: IssueRef,
    /// Which task on it.
    pub generation: Generation,
}

/// Which turn: every order and fact of a turn carries it, and a stale one is dropped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TurnKey {
    /// The task.
    pub task: TaskKey,
    /// The session of that task.
    pub session: SessionNo,
    /// The turn of that session.
    pub turn: TurnNo,
}

/// Where a task stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Accepted, not yet looked at.
    Received,
    /// Waits for its blockers.
    Blocked,
    /// Could start.
    Ready,
    /// Its workspace is being made.
    Preparing,
    /// An agent works on it.
    Running {
        /// In which session.
        session: SessionNo,
        /// In which turn.
        turn: TurnNo,
        /// What that turn is for.
        purpose: Purpose,
        /// Whether its prompt has to say that the issue was edited.
        edited: bool,
    },
    /// The gates run on a commit.
    Gating(Candidate),
    /// A green commit is being published and, by policy, merged.
    Publishing(Candidate),
    /// The pull request waits for a person.
    InReview(Candidate),
    /// Finished.
    Done,
    /// Stopped; waits for a person or a change.
    Parked(Parking),
    /// Given up, since the issue was closed or taken from the bot.
    Cancelled,
}

/// A commit that is on its way to the forge, with its tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The coordinator's commit.
    pub commit: CommitId,
    /// Its tree.
    pub tree: TreeId,
    /// The base it sits on.
    pub base: CommitId,
}

/// What a turn is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "purpose", rename_all = "snake_case")]
pub enum Purpose {
    /// The task's first turn.
    Work,
    /// Go on in the same session.
    Continue {
        /// Why it has to.
        cause: ContinueCause,
    },
    /// The first turn of a later session.
    Handover {
        /// Why there is a new session.
        cause: HandoverCause,
    },
}

impl Purpose {
    /// The word of the prompt header.
    pub fn phase_word(&self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Continue { .. } => "continue",
            Self::Handover { .. } => "handover",
        }
    }
}

/// Why a turn continues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum ContinueCause {
    /// Gates were not green.
    RedGates,
    /// The turn before changed nothing.
    NothingChanged,
    /// The base moved and does not merge.
    Conflict {
        /// Files with conflict markers.
        files: Vec<String>,
    },
}

/// Why a session after the first begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum HandoverCause {
    /// The session before came to the rotation line.
    Rotated,
    /// A more capable model takes over.
    Escalated,
    /// The session before failed.
    Failed {
        /// What happened, one sentence.
        cause: String,
    },
    /// The session before was interrupted by a stop of the coordinator, or the task had to wait.
    Interrupted,
    /// The base moved and does not merge, and no session was left that could go on.
    Conflict {
        /// Files with conflict markers.
        files: Vec<String>,
    },
}

/// Why a task is parked. The text is for a person; the cause says what may take it up again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parking {
    /// What kind of reason.
    pub cause: ParkCause,
    /// One sentence for a person.
    pub reason: String,
}

/// What kind of reason parked a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParkCause {
    /// The issue is in a dependency cycle; looked at again whenever the graph changes.
    Cycle,
    /// Gates, agents or models are missing; looked at again when the configuration changes.
    NotConfigured,
    /// The work itself came to no end: caps, no progress, conflict, refusal of the forge.
    Work,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Its work was published.
    Finished,
    /// It came to the rotation line.
    Rotated,
    /// A more capable model took over.
    Escalated,
    /// By our own stop or crash.
    Interrupted,
    /// The task was cancelled or parked.
    Cancelled,
    /// It crashed, exited, stalled or broke the protocol.
    Failed,
}

/// One session of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Which one.
    pub number: SessionNo,
    /// Key under `[models]`.
    pub model: String,
    /// Whether that model is free.
    pub free: bool,
    /// The effective limit; the configured window until the agent says less.
    pub window_tokens: u64,
    /// Tokens of the last request, if known.
    pub used_tokens: Option<u64>,
    /// The most tokens any request had, if known.
    pub peak_tokens: Option<u64>,
    /// Turns started.
    pub turns: u32,
    /// How it ended; `None` while it lives.
    pub ended: Option<Ended>,
    /// Whether it counts against `max_sessions`.
    pub counts: bool,
    /// Whether it passed the warning line.
    pub warned: bool,
    /// Whether its rotation was ordered.
    pub rotation_ordered: bool,
    /// Cost in US dollars as the agent reported it, if it did.
    pub cost_usd: Option<f64>,
}

impl Session {
    /// Tokens of the last request over the effective limit, if known.
    pub fn occupancy(&self) -> Option<f64> {
        self.used_tokens.map(|used| super::context::occupancy(used, self.window_tokens))
    }

    /// The highest occupancy, if known.
    pub fn peak_occupancy(&self) -> Option<f64> {
        self.peak_tokens.map(|peak| super::context::occupancy(peak, self.window_tokens))
    }
}

/// What a base branch says of how its repository is worked on; frozen for a task until the base moves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ground {
    /// The base branch's name.
    pub base_branch: String,
    /// Its head when it was read.
    pub base: CommitId,
    /// The gates in force.
    pub gates: GateSet,
    /// Digest of their definitions.
    pub gate_set: String,
    /// The limits in force.
    pub policy: TaskPolicy,
}

/// What the agent left to know, for a hand-over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    /// Its last plan or to-do list, one line a point.
    pub plan: Vec<String>,
    /// Its last message.
    pub message: String,
}

/// The same failures on the same tree, and how often they were seen in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standstill {
    /// The tree.
    pub tree: TreeId,
    /// Names of what failed on it.
    pub failing: Vec<String>,
    /// How often in a row.
    pub seen: u32,
}

/// The coordinator's work on one issue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Which task.
    pub key: TaskKey,
    /// Title of the issue when last read.
    pub title: String,
    /// Where it stands.
    pub phase: Phase,
    /// Its branch on the forge, frozen at acceptance.
    pub branch: String,
    /// Digest of the text it was accepted or last prompted with.
    pub text_digest: String,
    /// Whether the text changed since the last prompt.
    pub edited: bool,
    /// Predicted peak context.
    pub estimate: Estimate,
    /// The choice of agent and model in force.
    pub route: Option<Route>,
    /// What the base branch says; `None` until the workspace was prepared.
    pub ground: Option<Ground>,
    /// Its sessions, oldest first.
    pub sessions: Vec<Session>,
    /// Continuation turns started.
    pub continuations: u32,
    /// Continuations in a row that left gates red.
    pub fruitless: u32,
    /// Whether the last turn ordered was a continuation.
    pub last_turn_continued: bool,
    /// What happened to the last session that failed.
    pub last_failure: Option<String>,
    /// Failed sessions in a row, for the back-off.
    pub failures_in_a_row: u32,
    /// The same failures seen in a row.
    pub standstill: Option<Standstill>,
    /// The last gate report.
    pub report: Option<GateReport>,
    /// The tree that the last turn left.
    pub last_tree: Option<TreeId>,
    /// Whether the one conflict turn was spent.
    pub conflict_turn_spent: bool,
    /// What the agent left to know.
    pub notes: Notes,
    /// Why it waits, where a sentence is needed and the phase does not carry it.
    pub reason: Option<String>,
    /// Not before this instant (back-off), epoch ms.
    pub not_before_ms: i64,
    /// Head of its branch on the forge, as far as we pushed it.
    pub pushed: Option<CommitId>,
    /// Its pull request.
    pub pull_request: Option<u64>,
    /// Whether the pull request was merged.
    pub merged: bool,
    /// The forge's number of the assignment that it was parked under, once it is known.
    #[serde(default)]
    pub assignment: Option<i64>,
    /// The living comment, once it is known.
    pub comment: Option<PostedComment>,
    /// When it was accepted, epoch ms.
    pub accepted_ms: i64,
    /// Last change, epoch ms.
    pub updated_ms: i64,
}

/// The living comment as it was last written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostedComment {
    /// Its id on the forge.
    pub id: i64,
    /// Digest of its text.
    pub digest: String,
}

impl Task {
    /// The session that lives, if one does.
    pub fn live_session(&self) -> Option<&Session> {
        self.sessions.last().filter(|session| session.ended.is_none())
    }

    /// Sessions that count against the cap.
    pub fn counted_sessions(&self) -> u32 {
        self.sessions.iter().filter(|session| session.counts).count() as u32
    }

    /// The most tokens any of its requests had, if known.
    pub fn peak_tokens(&self) -> Option<u64> {
        self.sessions.iter().filter_map(|session| session.peak_tokens).max()
    }

    /// Whether it takes one of the slots of `policy.max_tasks`.
    pub fn is_active(&self) -> bool {
        match self.phase {
            Phase::Preparing | Phase::Running { .. } | Phase::Gating(_) | Phase::Publishing(_) => true,
            Phase::Received
            | Phase::Blocked
            | Phase::Ready
            | Phase::InReview(_)
            | Phase::Done
            | Phase::Parked(_)
            | Phase::Cancelled => false,
        }
    }

    /// Whether it has come to an end that only a new generation (or, parked, a change) leaves.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Done | Phase::Parked(_) | Phase::Cancelled)
    }

    /// What it cost so far; `None` as long as any of it is unknown. Free sessions cost nothing.
    pub fn cost_usd(&self) -> Option<f64> {
        // From a plain nought: the sum of no floats at all is `-0.0`.
        self.sessions
            .iter()
            .try_fold(0.0, |sum, session| Some(sum + if session.free { 0.0 } else { session.cost_usd? }))
    }

    /// The key of a turn of this task.
    pub fn turn_key(&self, session: SessionNo, turn: TurnNo) -> TurnKey {
        TurnKey { task: self.key.clone(), session, turn }
    }
}
