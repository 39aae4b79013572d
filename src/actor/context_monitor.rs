//! ContextMonitorActor: owns the thresholds and orders rotations.
//!
//! Holds the last sample of each live session, in memory only: after a rebuild the next sample says it all again.
//! `Rotate` goes to the agent directly, the one shortcut past the queue.
//!
//! | message | does |
//! |---|---|
//! | [`Usage`] | occupancy → `usage`, `warned`, `rotation_ordered`, `overrun` to the queue; `rotate` to the agent |
//! | [`Forget`] | drops what is known of a task |

use std::{collections::BTreeMap, time::Instant};

use super::{Ground, agent::Rotate, message, queue::ContextFact};
use crate::{
    domain::{
        command::Command,
        context::{UsageSample, effective_window, occupancy},
        id::SessionNo,
        task::{TaskKey, TurnKey},
    },
    runtime::{Handle, RebuildError, Role, Scope},
};

/// How long use may still grow after the cancel was sent; more is an overrun.
const CANCEL_GRACE_MS: u128 = 5_000;

message! {
    /// The context of a session was measured.
    pub struct Usage = "usage" {
        /// In which turn.
        turn: TurnKey,
        /// What the agent said.
        sample: UsageSample,
        /// The model's configured window.
        configured_window_tokens: u64,
        /// Occupancy at which it is rotated.
        rotate_at: f64,
        /// Occupancy that is worth a warning.
        warn_at: f64,
    }
}

message! {
    /// A task's sessions are over.
    pub struct Forget = "forget" {
        /// Whose.
        key: TaskKey,
    }
}

#[derive(Debug, Default)]
struct Watched {
    warned: bool,
    /// When the rotation was ordered, and at what use.
    rotated: Option<(Instant, u64)>,
    overrun: bool,
}

/// See the module.
pub struct ContextMonitorActor {
    ground: Ground,
    sessions: BTreeMap<(TaskKey, SessionNo), Watched>,
}

impl Role for ContextMonitorActor {
    type Seed = Ground;
    const ROLE: &'static str = "ContextMonitorActor";
    const CAPACITY: usize = 4096;

    fn rebuild(seed: &Ground, _scope: &Scope<Self>) -> Result<Self, RebuildError> {
        Ok(Self { ground: seed.clone(), sessions: BTreeMap::new() })
    }

    fn corrupt(&mut self) {
        // Believing that every rotation was ordered already would keep it from ever ordering one.
        for watched in self.sessions.values_mut() {
            watched.rotated = Some((self.ground.clock.instant(), u64::MAX));
        }
    }
}

impl ContextMonitorActor {
    fn tell(&self, command: Command) {
        self.ground.wiring.queue().port::<ContextFact>().deliver(ContextFact { command });
    }
}

impl Handle<Usage> for ContextMonitorActor {
    fn handle(&mut self, message: Usage, _scope: &Scope<Self>) {
        let Usage { turn, sample, configured_window_tokens, rotate_at, warn_at } = message;
        let used_tokens = sample.used_tokens;
        let window_tokens = effective_window(configured_window_tokens, sample.reported_window_tokens);
        let now = self.ground.clock.instant();
        let (key, session) = (turn.task.clone(), turn.session);
        // A session takes the place of the one before: what was known of that is of no use any more.
        self.sessions.retain(|(task, number), _| *task != key || *number >= session);
        let watched = self.sessions.entry((key.clone(), session)).or_default();
        let full = occupancy(used_tokens, window_tokens);

        let warn = full >= warn_at && !watched.warned;
        watched.warned |= warn;
        let rotate = full >= rotate_at && watched.rotated.is_none();
        if rotate {
            watched.rotated = Some((now, used_tokens));
        }
        let overrun = !watched.overrun
            && watched.rotated.is_some_and(|(at, then)| {
                used_tokens > then && now.duration_since(at).as_millis() > CANCEL_GRACE_MS
            });
        watched.overrun |= overrun;

        if rotate {
            // First of all: the agent goes on consuming until it hears of it.
            if let Some(agent) = self.ground.wiring.agents.get(&key.issue) {
                agent.mailbox.port::<Rotate>().deliver(Rotate { key: key.clone(), session });
            }
            self.ground.meters.rotation();
            tracing::info!(task = %key.issue, session = session.0, used_tokens, window_tokens, "rotation ordered");
            self.tell(Command::RotationOrdered { key: key.clone(), session, used_tokens, window_tokens });
        }
        self.tell(Command::Usage { turn, used_tokens, window_tokens });
        if warn {
            tracing::info!(task = %key.issue, session = session.0, used_tokens, window_tokens, "context is filling up");
            self.tell(Command::Warned { key: key.clone(), session });
        }
        if overrun {
            tracing::warn!(task = %key.issue, session = session.0, used_tokens, "session goes on beyond the line");
            self.tell(Command::Overrun { key, session });
        }
    }
}

impl Handle<Forget> for ContextMonitorActor {
    fn handle(&mut self, message: Forget, _scope: &Scope<Self>) {
        self.sessions.retain(|(task, _), _| *task != message.key);
    }
}
