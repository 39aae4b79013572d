//! The five measures, folded from the journal alone.
//!
//! Promises the same report for the same events, whatever was restarted in between; counts nothing twice.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    estimate::within_tolerance,
    event::{Event, TaskEvent},
    id::{CommitId, IssueRef, SessionNo, TreeId},
    task::TaskKey,
    view::StateWord,
};

/// Share of issues finished without a person.
pub const AUTONOMY_GOAL: f64 = 1.0;
/// Share of published commits whose gates were green.
pub const QUALITY_GOAL: f64 = 1.0;
/// Share of issues on free models; to be exceeded.
pub const FREE_MODELS_GOAL: f64 = 0.7;
/// Sessions that went on beyond the line without a rotation.
pub const CONTEXT_GOAL: f64 = 0.0;
/// Share of estimates within the tolerance.
pub const ESTIMATES_GOAL: f64 = 0.8;

/// One measure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// The value; null until there is something to measure.
    pub value: Option<f64>,
    /// What is aimed at.
    pub goal: f64,
    /// Whether it is reached; null until there is something to measure.
    pub met: Option<bool>,
    /// What was counted.
    pub numerator: u64,
    /// Out of how many.
    pub denominator: u64,
}

/// The five measures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Issues finished without a person.
    pub autonomy: Measure,
    /// Published commits that were green.
    pub quality: Measure,
    /// Issues on free models.
    pub free_models: Measure,
    /// Sessions beyond the line.
    pub context: Measure,
    /// Estimates within the tolerance.
    pub estimates: Measure,
}

impl Measures {
    /// The measures by name, in the order of the report.
    pub fn named(&self) -> [(&'static str, &Measure); 5] {
        let Self { autonomy, quality, free_models, context, estimates } = self;
        [
            ("autonomy", autonomy),
            ("quality", quality),
            ("free_models", free_models),
            ("context", context),
            ("estimates", estimates),
        ]
    }

    /// Names of the measures that are missed.
    pub fn missed(&self) -> Vec<&'static str> {
        self.named()
            .into_iter()
            .filter(|(_, measure)| measure.met == Some(false))
            .map(|(name, _)| name)
            .collect()
    }
}

/// The report as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The five measures.
    pub measures: Measures,
    /// Tasks by state.
    pub tasks: BTreeMap<StateWord, u64>,
    /// Rotations so far.
    pub rotations: u64,
    /// Continuation turns so far.
    pub continuations: u64,
    /// Cost of all tasks in US dollars; null as long as any of it is unknown.
    pub cost_usd: Option<f64>,
}

/// What the measures need to remember of an issue.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    key: TaskKey,
    state: StateWord,
    /// A person set it going again, in this or an earlier generation.
    person: bool,
    estimate_tokens: u64,
    peak_tokens: Option<u64>,
    sessions: BTreeMap<SessionNo, Spend>,
}

/// What a session cost.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Spend {
    /// It ran on a free model: what its agent reports as cost is nobody's bill.
    Free,
    /// It ran on a paid one, in US dollars as the agent told it, if it did.
    Paid(Option<f64>),
}

/// The fold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    issues: BTreeMap<IssueRef, Entry>,
    green: BTreeMap<TreeId, bool>,
    /// Published commits, each with whether its tree's report was green when it was published.
    published: BTreeMap<CommitId, bool>,
    measured_sessions: BTreeSet<(TaskKey, SessionNo)>,
    overrun_sessions: BTreeSet<(TaskKey, SessionNo)>,
    rotations: u64,
    continuations: u64,
    past_cost_usd: Option<f64>,
}

impl Ledger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self { past_cost_usd: Some(0.0), ..Self::default() }
    }

    /// Folds one event.
    pub fn fold(&mut self, event: &Event) {
        let Event::Task { key, what } = event else { return };
        if let TaskEvent::Accepted { estimate, restarted_by_person, .. } = what {
            self.accept(key, estimate.tokens, *restarted_by_person);
            return;
        }
        match what {
            TaskEvent::Verified { report } => {
                self.green.insert(report.tree.clone(), report.is_green());
            }
            TaskEvent::Pushed { commit, tree } => {
                let green = self.green.get(tree).copied().unwrap_or(false);
                self.published.entry(commit.clone()).or_insert(green);
            }
            TaskEvent::UsageMarked { session, .. } => {
                self.measured_sessions.insert((key.clone(), *session));
            }
            TaskEvent::Overrun { session } => {
                self.overrun_sessions.insert((key.clone(), *session));
            }
            TaskEvent::SessionEnded { ended: super::task::Ended::Rotated, .. } => self.rotations += 1,
            TaskEvent::TurnOrdered { purpose: super::task::Purpose::Continue { .. }, .. } => {
                self.continuations += 1;
            }
            _ => {}
        }
        if let Some(entry) = self.issues.get_mut(&key.issue).filter(|entry| entry.key == *key) {
            entry.fold(what);
        }
    }

    fn accept(&mut self, key: &TaskKey, estimate_tokens: u64, restarted: bool) {
        let before = self.issues.get(&key.issue);
        let person = restarted || before.is_some_and(|entry| entry.person);
        if let Some(cost) = before.map(Entry::cost_usd) {
            self.past_cost_usd = self.past_cost_usd.zip(cost).map(|(past, cost)| past + cost);
        }
        let entry = Entry {
            key: key.clone(),
            state: StateWord::Received,
            person,
            estimate_tokens,
            peak_tokens: None,
            sessions: BTreeMap::new(),
        };
        self.issues.insert(key.issue.clone(), entry);
    }

    /// The report as of the last event.
    pub fn report(&self) -> Report {
        let entries = || self.issues.values();
        let done = || entries().filter(|entry| entry.state == StateWord::Done);
        let finished = done().count() as u64;
        let parked = entries().filter(|entry| entry.state == StateWord::Parked).count() as u64;
        let alone = done().filter(|entry| !entry.person).count() as u64;
        let free = done().filter(|entry| entry.is_free()).count() as u64;
        let green = self.published.values().filter(|green| **green).count() as u64;
        let estimated: Vec<bool> = done()
            .filter_map(|entry| Some(within_tolerance(entry.estimate_tokens, entry.peak_tokens?)))
            .collect();
        let close = estimated.iter().filter(|close| **close).count() as u64;
        let overruns = self.overrun_sessions.intersection(&self.measured_sessions).count() as u64;

        let mut tasks = BTreeMap::new();
        for entry in entries() {
            *tasks.entry(entry.state).or_default() += 1;
        }
        let costs = entries().map(Entry::cost_usd);
        Report {
            measures: Measures {
                autonomy: ratio(alone, finished + parked, AUTONOMY_GOAL, |value, goal| value >= goal),
                quality: ratio(green, self.published.len() as u64, QUALITY_GOAL, |value, goal| value >= goal),
                free_models: ratio(free, finished, FREE_MODELS_GOAL, |value, goal| value > goal),
                context: count(overruns, self.measured_sessions.len() as u64),
                estimates: ratio(close, estimated.len() as u64, ESTIMATES_GOAL, |value, goal| value >= goal),
            },
            tasks,
            rotations: self.rotations,
            continuations: self.continuations,
            cost_usd: costs.chain([self.past_cost_usd]).sum(),
        }
    }
}

impl Entry {
    fn cost_usd(&self) -> Option<f64> {
        self.sessions.values().try_fold(0.0, |sum, spend| match spend {
            Spend::Free => Some(sum),
            Spend::Paid(cost) => Some(sum + (*cost)?),
        })
    }

    fn is_free(&self) -> bool {
        self.sessions.values().all(|spend| *spend == Spend::Free)
    }

    fn fold(&mut self, what: &TaskEvent) {
        match what {
            TaskEvent::Edited { estimate: Some(estimate), .. } => self.estimate_tokens = estimate.tokens,
            TaskEvent::TurnOrdered { session, turn, free, .. } => {
                self.state = StateWord::Running;
                if turn.0 == 1 {
                    let spend = if *free { Spend::Free } else { Spend::Paid(None) };
                    self.sessions.insert(*session, spend);
                }
            }
            TaskEvent::UsageMarked { peak_tokens, .. } => {
                self.peak_tokens = Some(self.peak_tokens.unwrap_or(0).max(*peak_tokens));
            }
            TaskEvent::TurnEnded { session, cost_usd: Some(cost), .. } => {
                if let Some(Spend::Paid(known)) = self.sessions.get_mut(session) {
                    *known = Some(*cost);
                }
            }
            TaskEvent::SessionWithdrawn { session } => {
                self.sessions.remove(session);
            }
            TaskEvent::Blocked { .. } => self.state = StateWord::Blocked,
            TaskEvent::Readied { .. } => self.state = StateWord::Ready,
            TaskEvent::Preparing => self.state = StateWord::Preparing,
            TaskEvent::GatingStarted { .. } | TaskEvent::BaseMoved { .. } => self.state = StateWord::Gating,
            TaskEvent::PublishStarted { .. } => self.state = StateWord::Publishing,
            TaskEvent::WaitsForReview { .. } => self.state = StateWord::InReview,
            TaskEvent::Done => self.state = StateWord::Done,
            TaskEvent::Parked { .. } => self.state = StateWord::Parked,
            TaskEvent::Cancelled { .. } => self.state = StateWord::Cancelled,
            _ => {}
        }
    }
}

fn ratio(numerator: u64, denominator: u64, goal: f64, met: impl Fn(f64, f64) -> bool) -> Measure {
    let value = (denominator > 0).then(|| numerator as f64 / denominator as f64);
    Measure { value, goal, met: value.map(|value| met(value, goal)), numerator, denominator }
}

/// The context measure is a count that is to stay at nought.
fn count(numerator: u64, denominator: u64) -> Measure {
    let value = (denominator > 0).then_some(numerator as f64);
    Measure {
        value,
        goal: CONTEXT_GOAL,
        met: value.map(|value| value <= CONTEXT_GOAL),
        numerator,
        denominator,
    }
}

#[cfg(test)]
mod tests;
