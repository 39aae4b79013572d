//! Warden: root of the tree. Beats the time, probes what nobody else looks at, and hears of actors given up.
//!
//! Holds nothing.
//!
//! | message | does |
//! |---|---|
//! | [`Beat`] | `tick` to the queue; looks at the disk and at the agents' programs |
//! | [`GaveUp`] | an agent's actor: its session is lost; any other: the coordinator ends with 70 |

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use secrecy::ExposeSecret;

use super::{
    Ground, TaskAgent, message,
    queue::{AgentFact, AgentGone, Tick},
};
use crate::{
    domain::{command::Command, id::IssueRef},
    process,
    runtime::{Handle, Health, RebuildError, Role, Scope},
};

/// How often the queue is told of time.
const BEAT: Duration = Duration::from_millis(500);
/// Every how many beats the slower probes are made.
const PROBE_BEATS: u64 = 10;
/// After how long an agent that refused itself is tried again: somebody may have logged it in meanwhile.
const TRIAL_PAUSE: Duration = Duration::from_secs(60);

message! {
    /// Time went by.
    pub struct Beat = "beat" {}
}

message! {
    /// An actor was given up by its supervisor.
    pub struct GaveUp = "gave_up" {
        /// Its id.
        id: String,
        /// What it said last.
        why: String,
    }
}

/// See the module.
pub struct Warden {
    ground: Ground,
    beats: u64,
    trials: Trials,
}

impl Role for Warden {
    type Seed = Ground;
    const ROLE: &'static str = "Warden";
    const CAPACITY: usize = 256;

    fn rebuild(seed: &Ground, scope: &Scope<Self>) -> Result<Self, RebuildError> {
        scope.every(BEAT, || Beat {});
        Ok(Self { ground: seed.clone(), beats: 0, trials: Trials::default() })
    }

    fn corrupt(&mut self) {
        // Never a probe again.
        self.beats = 1;
        self.ground.term = u64::MAX;
    }
}

impl Handle<Beat> for Warden {
    fn handle(&mut self, _message: Beat, _scope: &Scope<Self>) {
        self.beats += 1;
        if self.beats.is_multiple_of(PROBE_BEATS) {
            probe(&self.ground);
            self.trials.give(&self.ground.health, self.ground.clock.instant());
        }
        // A full queue gets the next one.
        let _ = self.ground.wiring.queue().port::<Tick>().tell(Tick {});
    }
}

impl Handle<GaveUp> for Warden {
    fn handle(&mut self, message: GaveUp, _scope: &Scope<Self>) {
        let GaveUp { id, why } = message;
        let Some(issue) = id.strip_prefix("agent:") else {
            self.ground.wiring.fail(70, format!("the actor `{id}` crashed again and again: {why}"));
            return;
        };
        let Ok(issue) = issue.parse::<IssueRef>() else { return };
        let Some((_, TaskAgent { key, mailbox })) = self.ground.wiring.agents.remove(&issue) else { return };
        mailbox.stop();
        let cause = format!("its actor crashed again and again: {why}");
        let queue = self.ground.wiring.queue();
        queue
            .port::<AgentFact>()
            .deliver(AgentFact { command: Command::SessionLost { key: key.clone(), cause } });
        // Orders that died with it are sent to the next one.
        queue.port::<AgentGone>().deliver(AgentGone { key });
    }
}

/// What an agent itself refused (its login) shows in a session alone: from time to time one is allowed.
#[derive(Debug, Default)]
struct Trials {
    /// Since when a refusal is known, by check.
    refused: BTreeMap<String, Instant>,
}

impl Trials {
    /// Puts the checks of agents on trial that are refused for long enough.
    fn give(&mut self, health: &Health, now: Instant) {
        let is_refused = |name: &String| {
            name.starts_with("agent.")
                && health.barrier(name).is_some_and(|check| !check.detail.contains(NO_PROGRAM))
        };
        let names: Vec<String> = health.checks().into_keys().filter(is_refused).collect();
        self.refused.retain(|name, _| names.contains(name));
        for name in names {
            let since = *self.refused.entry(name.clone()).or_insert(now);
            if now.duration_since(since) >= TRIAL_PAUSE {
                self.refused.remove(&name);
                health.put_on_trial(&name);
            }
        }
    }
}

/// Looks at the disk and at the agents' programs.
pub fn probe(ground: &Ground) {
    probe_disk(ground);
    probe_agents(ground);
}

/// Below the reserve webhooks get 503 and nothing starts.
fn probe_disk(ground: &Ground) {
    let config = ground.config.load();
    let reserve = config.store.reserve_bytes;
    for path in [config.store.path.parent().unwrap_or(Path::new(".")), config.workspace.root.as_path()] {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let Ok(stat) = rustix::fs::statvfs(path) else { continue };
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free < reserve {
            ground.health.bad(
                "disk",
                format!(
                    "{free} bytes are free at {}, below store.reserve_bytes = {reserve}: free some",
                    path.display()
                ),
            );
            return;
        }
    }
    ground.health.good("disk", "enough is free");
}

/// An agent whose program is not there cannot be started; its tasks stay ready until it is.
fn probe_agents(ground: &Ground) {
    let config = ground.config.load();
    for (name, agent) in &config.agents {
        let check = format!("agent.{name}");
        let program = agent.command.first().map_or("", String::as_str);
        let own_path = agent.env.get("PATH").map(ExposeSecret::expose_secret);
        let path = own_path.or_else(|| ground.environment.get("PATH").map(String::as_str));
        if !process::is_startable(program, path) {
            let finding = format!("{NO_PROGRAM} `{program}`: install it, or correct agents.{name}.command");
            ground.health.bad(&check, finding);
            continue;
        }
        // What an agent itself refused (its login) is not known to be better until it opens a session.
        let refused =
            ground.health.get(&check).is_some_and(|last| !last.ok && !last.detail.contains(NO_PROGRAM));
        if !refused {
            ground.health.good(&check, format!("`{program}` can be started"));
        }
    }
    for name in ground.health.checks().into_keys() {
        if name.strip_prefix("agent.").is_some_and(|agent| !config.agents.contains_key(agent)) {
            ground.health.forget(&name);
        }
    }
}

/// How the probe's own finding is told from what an agent said.
const NO_PROGRAM: &str = "there is no executable program";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Clock;

    #[test]
    fn a_refused_agent_is_tried_once_a_minute() {
        let (health, clock, mut trials) = (Health::new(), Clock::manual(0), Trials::default());
        health.bad("agent.x", "authentication required");
        health.bad("agent.y", format!("{NO_PROGRAM} `y`"));
        health.bad("forge", "down");
        trials.give(&health, clock.instant());
        clock.advance(TRIAL_PAUSE - Duration::from_millis(1));
        trials.give(&health, clock.instant());
        assert!(health.barrier("agent.x").is_some(), "not yet");
        clock.advance(Duration::from_millis(1));
        trials.give(&health, clock.instant());
        assert!(health.barrier("agent.x").is_none());
        for other in ["agent.y", "forge"] {
            assert!(health.barrier(other).is_some(), "{other} is no matter of a session");
        }
        // The trial failed: the minute begins anew.
        health.bad("agent.x", "authentication required");
        trials.give(&health, clock.instant());
        assert!(health.barrier("agent.x").is_some());
        clock.advance(TRIAL_PAUSE);
        trials.give(&health, clock.instant());
        assert!(health.barrier("agent.x").is_none());
        // The trial went well: nothing is remembered.
        health.good("agent.x", "opened a session");
        trials.give(&health, clock.instant());
        assert!(trials.refused.is_empty());
    }
}
