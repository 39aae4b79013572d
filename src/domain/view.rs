//! What is shown of a task, to people and scripts; the names are those of the interface and stay.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    gate::Verdict,
    id::{CommitId, Generation, IssueRef, TreeId},
    route::{Route, Tier},
    state::State,
    task::{Ended, Phase, Task},
};

/// One task as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskView {
    /// The issue.
    pub issue: IssueRef,
    /// Which task on it.
    pub generation: Generation,
    /// Title of the issue.
    pub title: String,
    /// One of the states of the interface.
    pub state: StateWord,
    /// A sentence for a person, where one is needed.
    pub reason: Option<String>,
    /// Blockers that are open.
    pub blocked_by: Vec<IssueRef>,
    /// The choice of agent and model.
    pub route: Option<RouteView>,
    /// Predicted peak context.
    pub estimate_tokens: u64,
    /// The most tokens any request had, if known.
    pub peak_tokens: Option<u64>,
    /// Continuation turns started.
    pub continuations: u32,
    /// Its sessions, oldest first.
    pub sessions: Vec<SessionView>,
    /// The gates of the running or last report.
    pub gates: Vec<GateView>,
    /// Its branch.
    pub branch: String,
    /// The commit that was published, or is to be.
    pub commit: Option<CommitId>,
    /// Its pull request.
    pub pull_request: Option<u64>,
    /// Cost so far in US dollars; null as long as any of it is unknown.
    pub cost_usd: Option<f64>,
    /// Last change, RFC 3339 in UTC.
    pub updated_at: String,
}

/// The states' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the state of the same name")]
pub enum StateWord {
    Received,
    Blocked,
    Ready,
    Preparing,
    Running,
    Gating,
    Publishing,
    InReview,
    Done,
    Parked,
    Cancelled,
}

impl StateWord {
    /// The word itself.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Blocked => "blocked",
            Self::Ready => "ready",
            Self::Preparing => "preparing",
            Self::Running => "running",
            Self::Gating => "gating",
            Self::Publishing => "publishing",
            Self::InReview => "in_review",
            Self::Done => "done",
            Self::Parked => "parked",
            Self::Cancelled => "cancelled",
        }
    }
}

impl From<&Phase> for StateWord {
    fn from(phase: &Phase) -> Self {
        match phase {
            Phase::Received => Self::Received,
            Phase::Blocked => Self::Blocked,
            Phase::Ready => Self::Ready,
            Phase::Preparing => Self::Preparing,
            Phase::Running { .. } => Self::Running,
            Phase::Gating(_) => Self::Gating,
            Phase::Publishing(_) => Self::Publishing,
            Phase::InReview(_) => Self::InReview,
            Phase::Done => Self::Done,
            Phase::Parked(_) => Self::Parked,
            Phase::Cancelled => Self::Cancelled,
        }
    }
}

/// The route as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteView {
    /// Key under `[agents]`.
    pub agent: String,
    /// Key under `[models]`.
    pub model: String,
    /// Free or paid.
    pub tier: Tier,
    /// Why this one.
    pub why: String,
}

impl From<&Route> for RouteView {
    fn from(route: &Route) -> Self {
        Self {
            agent: route.agent.clone(),
            model: route.model.clone(),
            tier: route.tier,
            why: route.why.clone(),
        }
    }
}

/// A session as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionView {
    /// Which one.
    pub number: u32,
    /// Key under `[models]`.
    pub model: String,
    /// The effective limit.
    pub window_tokens: u64,
    /// Tokens of the last request over the limit, if known.
    pub occupancy: Option<f64>,
    /// The highest occupancy, if known.
    pub peak_occupancy: Option<f64>,
    /// Turns started.
    pub turns: u32,
    /// How it ended; null while it lives.
    pub ended: Option<Ended>,
    /// Whether it passed the warning line.
    pub warned: bool,
}

/// A gate's state in the running or last report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the verdict of the same name, or says that there is none yet")]
pub enum GateWord {
    Pending,
    Running,
    Green,
    Red,
    CouldNotRun,
    NoTests,
    TimedOut,
}

impl From<Verdict> for GateWord {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Green => Self::Green,
            Verdict::Red => Self::Red,
            Verdict::CouldNotRun => Self::CouldNotRun,
            Verdict::NoTests => Self::NoTests,
            Verdict::TimedOut => Self::TimedOut,
        }
    }
}

/// A gate as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateView {
    /// Its name.
    pub name: String,
    /// Its verdict, or that there is none yet.
    pub verdict: GateWord,
    /// How long it ran; null while it has no verdict.
    pub duration_ms: Option<u64>,
    /// The tree it is about.
    pub tree: TreeId,
}

/// Live verdicts of gates that are running, by name.
pub type GateProgress = BTreeMap<String, GateWord>;

/// Shows one task. `reason` replaces the task's own where given (a ready task's wait changes with its neighbours).
pub fn view(
    state: &State,
    task: &Task,
    reason: Option<String>,
    progress: Option<&GateProgress>,
    updated_at: String,
) -> TaskView {
    let word = StateWord::from(&task.phase);
    let blocked_by = match task.phase {
        Phase::Done | Phase::Cancelled => Vec::new(),
        _ => state.graph().open_blockers(&task.key.issue),
    };
    let commit = match &task.phase {
        Phase::Gating(candidate) | Phase::Publishing(candidate) | Phase::InReview(candidate) => {
            Some(candidate.commit.clone())
        }
        _ => task.pushed.clone(),
    };
    TaskView {
        issue: task.key.issue.clone(),
        generation: task.key.generation,
        title: task.title.clone(),
        state: word,
        reason: reason.or_else(|| task.reason.clone()),
        blocked_by,
        route: task.route.as_ref().map(RouteView::from),
        estimate_tokens: task.estimate.tokens,
        peak_tokens: task.peak_tokens(),
        continuations: task.continuations,
        sessions: task.sessions.iter().map(session_view).collect(),
        gates: gate_views(task, progress),
        branch: task.branch.clone(),
        commit,
        pull_request: task.pull_request,
        cost_usd: task.cost_usd(),
        updated_at,
    }
}

fn session_view(session: &super::task::Session) -> SessionView {
    SessionView {
        number: session.number.0,
        model: session.model.clone(),
        window_tokens: session.window_tokens,
        occupancy: session.occupancy(),
        peak_occupancy: session.peak_occupancy(),
        turns: session.turns,
        ended: session.ended,
        warned: session.warned,
    }
}

fn gate_views(task: &Task, progress: Option<&GateProgress>) -> Vec<GateView> {
    if let (Phase::Gating(candidate), Some(ground)) = (&task.phase, &task.ground) {
        let word =
            |name: &String| progress.and_then(|live| live.get(name)).copied().unwrap_or(GateWord::Pending);
        return ground
            .gates
            .keys()
            .map(|name| GateView {
                name: name.clone(),
                verdict: word(name),
                duration_ms: None,
                tree: candidate.tree.clone(),
            })
            .collect();
    }
    let Some(report) = &task.report else { return Vec::new() };
    report
        .gates
        .iter()
        .map(|(name, gate)| GateView {
            name: name.clone(),
            verdict: gate.verdict.into(),
            duration_ms: Some(gate.duration_ms),
            tree: report.tree.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests;
