//! Which ready task gets a slot, and on what route.

use std::collections::BTreeMap;

use super::Step;
use crate::domain::{
    event::TaskEvent,
    id::{IssueRef, RepoRef},
    metadata::Field,
    policy::Rules,
    route::{self, Capability, Route, RouteInput},
    state::{State, Turnout},
    task::{ParkCause, Phase, Task, TaskKey},
};

/// The slots, and how many are taken: why a ready task waits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slots {
    barred: Option<String>,
    active: usize,
    limit: usize,
    active_by_repo: BTreeMap<RepoRef, usize>,
    limit_by_repo: usize,
}

impl Slots {
    /// The slots as they are now.
    pub fn of(state: &State, rules: &Rules) -> Self {
        Self {
            barred: rules.start_barred.clone(),
            active: state.active(),
            limit: rules.max_tasks,
            active_by_repo: state.active_by_repo().clone(),
            limit_by_repo: rules.max_tasks_per_repository,
        }
    }

    /// Why a ready task in `repo` with `ahead` others ahead of it does not start; `None`: nothing is in its way.
    pub fn reason(&self, repo: &RepoRef, ahead: usize) -> Option<String> {
        if self.barred.is_some() {
            return self.barred.clone();
        }
        if self.active >= self.limit {
            return Some(format!(
                "waits for a slot: {} of {} tasks are at work (policy.max_tasks) and {ahead} ready {} ahead of it",
                self.active,
                self.limit,
                if ahead == 1 { "task is" } else { "tasks are" },
            ));
        }
        let active_here = self.active_by_repo.get(repo).copied().unwrap_or(0);
        (self.limit_by_repo > 0 && active_here >= self.limit_by_repo).then(|| {
            format!(
                "waits for a slot: {active_here} of {} tasks are at work in {repo} (policy.max_tasks_per_repository) \
                 and {ahead} ready {} ahead of it",
                self.limit_by_repo,
                if ahead == 1 { "task is" } else { "tasks are" },
            )
        })
    }
}

impl Step<'_> {
    /// Gives slots to ready tasks, in order, as long as there are any.
    pub(super) fn start_ready(&mut self) {
        if self.rules.start_barred.is_some() {
            return;
        }
        let mut last: Option<Turnout> = None;
        while self.state.active() < self.rules.max_tasks {
            let Some(next) = self.state.ready_after(last.as_ref()) else { return };
            self.start(next.issue());
            last = Some(next);
        }
    }

    fn start(&mut self, issue: &IssueRef) {
        let Some(task) = self.state.task(issue) else { return };
        if !matches!(task.phase, Phase::Ready) || task.not_before_ms > self.now_ms {
            return;
        }
        let limit = self.rules.max_tasks_per_repository;
        if limit > 0 && self.state.active_in(&issue.repo) >= limit {
            return;
        }
        let key = task.key.clone();
        let Some(route) = self.route_of(task) else {
            let missing = if self.rules.agents.is_empty() {
                "no agent and no model is configured: add [agents.NAME] and [models.NAME]"
            } else {
                "no model is configured: add [models.NAME]"
            };
            self.park(&key, ParkCause::NotConfigured, format!("{missing} to the configuration"));
            return;
        };
        // Whoever met the fault and waited tries again: what the agent itself refused is known to be better only then.
        let waited = task.not_before_ms > 0;
        let unusable = self.rules.unusable_agents.contains_key(&route.agent) && !waited;
        if task.route.as_ref() != Some(&route) {
            self.emit(&key, TaskEvent::Routed { route });
        }
        if !unusable {
            self.emit(&key, TaskEvent::Preparing);
        }
    }

    /// The route in force while its model is configured and work began; else a fresh choice.
    fn route_of(&self, task: &Task) -> Option<Route> {
        let in_force = task.route.as_ref();
        if let Some(route) = in_force
            && !task.sessions.is_empty()
            && self.rules.models.get(&route.model).is_some_and(|model| model.agent == route.agent)
        {
            return Some(route.clone());
        }
        let at_least = in_force.filter(|_| !task.sessions.is_empty()).map(|route| route.capability);
        route::route(self.route_input(task, at_least), &self.rules.models)
    }

    fn route_input<'t>(&'t self, task: &Task, at_least: Option<Capability>) -> RouteInput<'t> {
        let metadata = self.state.issue(&task.key.issue).map(|record| &record.metadata);
        let wanted = |field: Option<&'t Field<String>>| field.map(|field| field.value.as_str());
        RouteInput {
            difficulty: metadata.map(|metadata| metadata.difficulty_in_force().value).unwrap_or_default(),
            estimate_tokens: task.estimate.tokens,
            wanted_model: wanted(metadata.and_then(|m| m.model.as_ref())),
            wanted_agent: wanted(metadata.and_then(|m| m.agent.as_ref())),
            at_least,
        }
    }

    /// A more capable route than the one in force, if one is configured.
    pub(super) fn escalation_of(&self, key: &TaskKey) -> Option<Route> {
        let task = self.current(key)?;
        let route = task.route.as_ref()?;
        route::escalation(route.capability, self.route_input(task, None), &self.rules.models)
            .filter(|next| !self.rules.unusable_agents.contains_key(&next.agent))
    }
}
