//! Scenarios of the decision, told in the facts that reach it.
//!
//! Every step of a [`World`] is held to the invariants, to the fold of its events and to their JSON, whatever the
//! scenario is about.

mod acceptance;
mod blockers;
mod configuration;
mod driver;
mod edits;
mod failures;
mod generations;
mod properties;
mod publishing;
mod restarts;
mod rotation;
mod said;
mod slots;
mod stale;
mod turns;
mod world;

use std::collections::BTreeMap;

pub(in crate::domain) use said::{Said, said, said_of};
pub(in crate::domain) use world::{BASE_TREE, World, gate, rules};

use crate::domain::{
    command::{Command, Fault, PublishOutcome, PullState, TurnReport},
    event::{Event, TaskEvent},
    gate::{GateReport, Verdict},
    id::{CommitId, IssueRef, RepoRef, TreeId},
    issue::IssueState,
    metadata::{Difficulty, Priority},
    order::{Order, orders},
    policy::MergePolicy,
    task::{Candidate, Notes, Phase, Purpose, TaskKey, TurnKey},
    view::StateWord,
};

/// A stage of a task's life, and how a scenario gets there.
type Stage = (&'static str, fn(&mut World));

/// An issue of the repository in which the scenarios play.
pub(in crate::domain) fn app(number: u64) -> IssueRef {
    issue(&format!("acme/app#{number}"))
}

/// An issue anywhere.
pub(in crate::domain) fn issue(text: &str) -> IssueRef {
    text.parse().unwrap()
}

/// The kinds of events, for a look at what was decided.
fn kinds(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(Event::kind).collect()
}

/// What was decided of tasks.
fn told(events: &[Event]) -> impl Iterator<Item = &TaskEvent> {
    events.iter().filter_map(|event| match event {
        Event::Task { what, .. } => Some(what),
        Event::IssueSeen { .. } | Event::IssueUnreadable { .. } => None,
    })
}
