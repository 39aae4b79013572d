//! Who is there, and how it goes: the list of all actors, read without asking any of them.
//!
//! Owns the JSON of `GET /actors` and the way by which given-up roles are reported. Promises to answer at once while any
//! number of actors are stuck, and to lose no escalation for want of a listener. Never holds a lock while a role runs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;
use tokio::runtime;
use tokio::sync::mpsc;

use super::clock::Clock;
use super::gauge::{Gauge, Life, Phase, held};
use super::outlet::Outlet;
use super::port::Ground;
use super::role::Role;

/// A role that crashed too often and is gone for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escalation {
    /// The actor's id.
    pub id: String,
    /// Its kind.
    pub role: &'static str,
    /// What happened, as a sentence.
    pub why: String,
}

/// Misbehaviour on order, for tests.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Damage the role's memory, then panic in a handler.
    CorruptAndPanic,
    /// Block the actor's thread in a handler, in real time.
    Block(Duration),
}

impl Sabotage {
    /// Its name among the message types.
    pub(super) const NAME: &'static str = "sabotage";
}

/// Whether an actor is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorState {
    /// It takes and handles messages.
    Running,
    /// It crashed and waits for its next incarnation.
    Restarting,
    /// What it handles takes longer than it may.
    Stuck,
    /// It was given up, or its thread ended.
    Stopped,
}

/// A mailbox at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MailboxView {
    /// Messages that wait; the one being handled is not among them.
    pub depth: usize,
    /// How many may wait.
    pub capacity: usize,
    /// The most that ever waited.
    pub peak: usize,
    /// Age of the oldest that waits, 0 when none does.
    pub oldest_ms: u64,
}

/// A crash.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CrashView {
    /// RFC 3339, UTC.
    pub at: String,
    /// Message type and text of the panic.
    pub message: String,
}

/// What is being handled.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CurrentView {
    /// Message type, or `rebuild`.
    pub message: &'static str,
    /// For how long.
    pub for_ms: u64,
}

/// One actor, as in `GET /actors`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActorView {
    /// Its id.
    pub id: String,
    /// Its kind.
    pub role: &'static str,
    /// Id of its parent in the tree.
    pub parent: Option<String>,
    /// Whether it is at work.
    pub state: ActorState,
    /// Its mailbox.
    pub mailbox: MailboxView,
    /// Messages handled by all incarnations, those that crashed it included.
    pub handled: u64,
    /// Messages that found no place.
    pub refused: u64,
    /// Timers and results of earlier incarnations that were dropped.
    pub stale: u64,
    /// Incarnations after the first.
    pub restarts: u32,
    /// The last crash.
    pub last_crash: Option<CrashView>,
    /// What is being handled.
    pub current: Option<CurrentView>,
}

/// One message type of an actor; percentiles are at most an eighth above the true ones.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MessageView {
    /// Its name.
    #[serde(rename = "type")]
    pub name: &'static str,
    /// How many were handled.
    pub count: u64,
    /// Median time in the mailbox.
    pub wait_ms_p50: f64,
    /// 99th percentile of it.
    pub wait_ms_p99: f64,
    /// Median time in the handler.
    pub service_ms_p50: f64,
    /// 99th percentile of it.
    pub service_ms_p99: f64,
}

/// One actor, as in `GET /actors/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActorDetail {
    /// What the list shows.
    #[serde(flatten)]
    pub actor: ActorView,
    /// Its message types by name, as far as any was handled.
    pub messages: Vec<MessageView>,
}

/// The list of all actors; clones share it.
#[derive(Clone)]
pub struct Census {
    shared: Arc<Shared>,
}

struct Shared {
    stuck_after: Duration,
    ground: Ground,
    actors: Mutex<BTreeMap<String, Entry>>,
    escalations: Mutex<Escalations>,
}

struct Entry {
    gauge: Arc<Gauge>,
    sabotage: Arc<dyn Fn(Sabotage) -> bool + Send + Sync>,
}

#[derive(Default)]
struct Escalations {
    listeners: Vec<mpsc::UnboundedSender<Escalation>>,
    /// Kept for the next listener.
    unheard: Vec<Escalation>,
}

impl Census {
    /// An empty one. A handler that runs longer than `stuck_after` makes its actor `stuck`; `pool` is the multi-thread
    /// runtime that timers and pushed-out futures run on.
    pub fn new(stuck_after: Duration, clock: Clock, pool: runtime::Handle) -> Self {
        let ground = Ground { pool, clock };
        let shared = Shared { stuck_after, ground, actors: Mutex::default(), escalations: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// All actors, by id.
    pub fn snapshot(&self) -> Vec<ActorView> {
        let gauges: Vec<_> =
            held(&self.shared.actors).values().map(|entry| Arc::clone(&entry.gauge)).collect();
        gauges.iter().map(|gauge| self.view(gauge)).collect()
    }

    /// One actor with its message types.
    pub fn get(&self, id: &str) -> Option<ActorDetail> {
        let gauge = held(&self.shared.actors).get(id).map(|entry| Arc::clone(&entry.gauge))?;
        let messages = gauge.all_series().into_iter().map(|series| MessageView {
            name: series.name,
            count: series.count.load(std::sync::atomic::Ordering::Relaxed),
            wait_ms_p50: series.wait.percentile_ms(50.0),
            wait_ms_p99: series.wait.percentile_ms(99.0),
            service_ms_p50: series.service.percentile_ms(50.0),
            service_ms_p99: series.service.percentile_ms(99.0),
        });
        Some(ActorDetail { actor: self.view(&gauge), messages: messages.collect() })
    }

    /// Roles that are given up from now on, and those that no one has listened to so far.
    pub fn escalations(&self) -> mpsc::UnboundedReceiver<Escalation> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut escalations = held(&self.shared.escalations);
        for escalation in escalations.unheard.drain(..) {
            // The receiver is right here.
            let _ = sender.send(escalation);
        }
        escalations.listeners.push(sender);
        receiver
    }

    /// Makes the actor misbehave, by a message like any other; false when there is none or it takes no message.
    #[doc(hidden)]
    pub fn sabotage(&self, id: &str, how: Sabotage) -> bool {
        let order = held(&self.shared.actors).get(id).map(|entry| Arc::clone(&entry.sabotage));
        order.is_some_and(|order| order(how))
    }

    /// The clock that all actors share.
    pub fn clock(&self) -> &Clock {
        &self.shared.ground.clock
    }

    pub(super) fn ground(&self) -> &Ground {
        &self.shared.ground
    }

    /// Lists an actor that has just been started.
    pub(super) fn list<R: Role>(&self, outlet: &Outlet<R>) {
        let (gauge, outlet) = (Arc::clone(&outlet.gauge), outlet.clone());
        let entry = Entry { gauge: Arc::clone(&gauge), sabotage: Arc::new(move |how| outlet.sabotage(how)) };
        // What is replaced is dropped after the lock, as it may hold the last address of a cell.
        let replaced = held(&self.shared.actors).insert(gauge.id.clone(), entry);
        drop(replaced);
        // It may have ended before it was listed.
        if gauge.stage() == Life::Stopped {
            self.forget(&gauge);
        }
    }

    /// Takes exactly this actor off the list.
    pub(super) fn forget(&self, gauge: &Arc<Gauge>) {
        let mut actors = held(&self.shared.actors);
        if actors.get(&gauge.id).is_none_or(|entry| !Arc::ptr_eq(&entry.gauge, gauge)) {
            return;
        }
        let forgotten = actors.remove(&gauge.id);
        drop(actors);
        drop(forgotten);
    }

    pub(super) fn escalate(&self, escalation: Escalation) {
        let mut escalations = held(&self.shared.escalations);
        escalations.listeners.retain(|listener| listener.send(escalation.clone()).is_ok());
        if escalations.listeners.is_empty() {
            escalations.unheard.push(escalation);
        }
    }

    fn view(&self, gauge: &Gauge) -> ActorView {
        let clock = &self.shared.ground.clock;
        let now = clock.instant();
        let reading = gauge.read(now);
        let busy = reading.current.map(|current| now.saturating_duration_since(current.since));
        let state = match reading.phase {
            Phase::Stopped => ActorState::Stopped,
            _ if busy.is_some_and(|busy| busy > self.shared.stuck_after) => ActorState::Stuck,
            Phase::Restarting => ActorState::Restarting,
            Phase::Running => ActorState::Running,
        };
        ActorView {
            id: gauge.id.clone(),
            role: gauge.role,
            parent: gauge.parent.clone(),
            state,
            mailbox: MailboxView {
                depth: reading.depth,
                capacity: gauge.capacity,
                peak: reading.peak,
                oldest_ms: whole_ms(reading.oldest),
            },
            handled: reading.handled,
            refused: reading.refused,
            stale: reading.stale,
            restarts: reading.restarts,
            last_crash: reading
                .last_crash
                .map(|crash| CrashView { at: clock.rfc3339(crash.at_ms), message: crash.message }),
            current: reading
                .current
                .zip(busy)
                .map(|(current, busy)| CurrentView { message: current.message, for_ms: whole_ms(busy) }),
        }
    }
}

impl fmt::Debug for Census {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<String> = held(&self.shared.actors).keys().cloned().collect();
        formatter.debug_struct("Census").field("actors", &ids).finish_non_exhaustive()
    }
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
