//! The operator's rules as the domain needs them: limits, merge policy, and who may be started.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{gate::GateSet, id::RepoRef, route::ModelFacts};

/// What happens to a green pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergePolicy {
    /// The coordinator merges it.
    Auto,
    /// It waits for a person, and is followed.
    PullRequest,
}

/// The limits of one task: the operator's, or stricter ones of the repository's `.mosaic.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskPolicy {
    /// What happens to a green pull request.
    pub merge: MergePolicy,
    /// Continuation turns per task; red gates after the last one park it.
    pub max_continuations: u32,
    /// Sessions per task, failures of ours not counted.
    pub max_sessions: u32,
    /// Longest turn.
    pub turn_timeout_ms: u64,
    /// Longest time without a sign of life within a turn.
    pub stall_timeout_ms: u64,
    /// Occupancy at which a session is rotated.
    pub rotate_at: f64,
    /// Occupancy that is worth a warning.
    pub warn_at: f64,
}

/// What is true for all tasks at this moment; part of every decision's input, never of the state.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Limits of a task, before a repository makes them stricter.
    pub policy: TaskPolicy,
    /// Tasks at work at once.
    pub max_tasks: usize,
    /// Tasks at work at once in one repository; 0: no limit of its own.
    pub max_tasks_per_repository: usize,
    /// Repositories to work in; empty: all that the bot can see.
    pub repositories: BTreeSet<RepoRef>,
    /// The gates of repositories that define none themselves.
    pub gates: GateSet,
    /// The models by their key under `[models]`.
    pub models: BTreeMap<String, ModelFacts>,
    /// The keys under `[agents]`.
    pub agents: BTreeSet<String>,
    /// Agents that cannot be started, each with why.
    pub unusable_agents: BTreeMap<String, String>,
    /// Why nothing may start now (disk reserve, draining), if so.
    pub start_barred: Option<String>,
}

impl Rules {
    /// Whether issues of `repo` are ours to work on.
    pub fn covers(&self, repo: &RepoRef) -> bool {
        self.repositories.is_empty() || self.repositories.contains(repo)
    }
}
