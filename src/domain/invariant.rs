//! The catalogue of invariants: what must hold after every decision.
//!
//! The caller panics on a violation in tests and counts and alarms in production.

use std::collections::BTreeSet;

use super::{
    id::{CommitId, IssueRef},
    state::State,
    task::{Phase, Task},
};

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its name in the catalogue, `I3`.
    pub name: &'static str,
    /// What was found.
    pub detail: String,
}

/// Everything in `state` that breaks an invariant that the state alone can show.
pub fn violations(state: &State) -> Vec<Violation> {
    let mut found: Vec<Violation> = state.tasks().flat_map(|task| of_task(state, task)).collect();
    found.extend(one_publisher_per_commit(state));
    found
}

/// The same for what a change touched: it costs what the change does, not what there is.
pub fn violations_among<'a>(
    state: &State,
    touched: impl IntoIterator<Item = &'a IssueRef>,
) -> Vec<Violation> {
    let tasks = touched.into_iter().filter_map(|issue| state.task(issue));
    let mut found: Vec<Violation> = tasks.flat_map(|task| of_task(state, task)).collect();
    found.extend(one_publisher_per_commit(state));
    found
}

fn of_task(state: &State, task: &Task) -> impl Iterator<Item = Violation> {
    let checks = [
        one_live_session(task),
        running_means_unblocked(state, task),
        published_means_green(task),
        idle_means_no_session(task),
    ];
    checks.into_iter().flatten()
}

/// I6: a commit is published once. Only tasks that take a slot publish, so there are few to look at.
fn one_publisher_per_commit(state: &State) -> Vec<Violation> {
    let mut published: BTreeSet<&CommitId> = BTreeSet::new();
    let publishing = state.active_tasks().filter_map(|task| match &task.phase {
        Phase::Publishing(candidate) => Some(&candidate.commit),
        _ => None,
    });
    publishing
        .filter(|commit| !published.insert(commit))
        .map(|commit| Violation { name: "I6", detail: format!("{commit} is published by two tasks") })
        .collect()
}

/// I3: at most one live session per task, the last one; a running turn is one of it.
fn one_live_session(task: &Task) -> Option<Violation> {
    let violation = |detail: String| Some(Violation { name: "I3", detail });
    let live = task.sessions.iter().filter(|session| session.ended.is_none()).count();
    let last_lives = task.live_session().is_some();
    if live > 1 || (live == 1 && !last_lives) {
        return violation(format!("{} has {live} live sessions", task.key.issue));
    }
    let Phase::Running { session, turn, .. } = &task.phase else { return None };
    let runs = task.live_session().is_some_and(|live| live.number == *session && live.turns == turn.0);
    if runs {
        None
    } else {
        violation(format!("{} runs turn {session}.{turn} of no live session", task.key.issue))
    }
}

/// I4: running ⇒ every blocker closed.
fn running_means_unblocked(state: &State, task: &Task) -> Option<Violation> {
    let running = matches!(task.phase, Phase::Preparing | Phase::Running { .. } | Phase::Gating(_));
    (running && !state.graph().is_free(&task.key.issue)).then(|| Violation {
        name: "I4",
        detail: format!("{} is at work although it is blocked", task.key.issue),
    })
}

/// I5: published ⇒ all gates green for that tree and gate set.
fn published_means_green(task: &Task) -> Option<Violation> {
    let (Phase::Publishing(candidate) | Phase::InReview(candidate)) = &task.phase else { return None };
    // What a person merged while the work went on was published earlier; the last report may be of a later tree.
    if task.merged {
        return None;
    }
    let gate_set = task.ground.as_ref().map(|ground| &ground.gate_set);
    let proven = task.report.as_ref().is_some_and(|report| {
        report.is_green() && report.tree == candidate.tree && Some(&report.gate_set) == gate_set
    });
    (!proven).then(|| Violation {
        name: "I5",
        detail: format!("{} publishes {} without a green report", task.key.issue, candidate.commit),
    })
}

/// I9, as far as the state shows it: a task that is over, or that waits, has no live session.
fn idle_means_no_session(task: &Task) -> Option<Violation> {
    let at_work = matches!(task.phase, Phase::Running { .. } | Phase::Gating(_) | Phase::Publishing(_));
    (!at_work && task.live_session().is_some()).then(|| Violation {
        name: "I9",
        detail: format!("{} is not at work but has a live session", task.key.issue),
    })
}

#[cfg(test)]
mod tests;
