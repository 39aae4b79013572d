//! The configuration as the domain needs it.

use std::{collections::BTreeMap, time::Duration};

use super::schema::{Config, PolicyConfig};
use crate::domain::{
    policy::{Rules, TaskPolicy},
    route::ModelFacts,
};

impl PolicyConfig {
    /// The limits of one task.
    pub fn for_task(&self) -> TaskPolicy {
        TaskPolicy {
            merge: self.merge,
            max_continuations: self.max_continuations,
            max_sessions: self.max_sessions,
            turn_timeout_ms: whole_ms(self.turn_timeout),
            stall_timeout_ms: whole_ms(self.stall_timeout),
            rotate_at: self.rotate_at,
            warn_at: self.warn_at,
        }
    }
}

impl Config {
    /// The rules for decisions, with what health adds at this moment.
    pub fn rules(&self, unusable_agents: BTreeMap<String, String>, start_barred: Option<String>) -> Rules {
        let models = self.models.iter().map(|(name, model)| {
            let facts = ModelFacts {
                agent: model.agent.clone(),
                window_tokens: model.window_tokens,
                input_price: model.input_price,
                output_price: model.output_price,
                capability: model.capability,
            };
            (name.clone(), facts)
        });
        Rules {
            policy: self.policy.for_task(),
            max_tasks: self.policy.max_tasks as usize,
            max_tasks_per_repository: self.policy.max_tasks_per_repository as usize,
            repositories: self.gitea.repositories.iter().cloned().collect(),
            gates: self.gates.clone(),
            models: models.collect(),
            agents: self.agents.keys().cloned().collect(),
            unusable_agents,
            start_barred,
        }
    }
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
