//! What is counted of one actor, kept outside of it.
//!
//! Owns the bound of the mailbox: a message has a place before it is sent, so the depth is exact and never above the
//! capacity. Promises that reading never waits for the actor: counters are atomics, and the few locks are held for the
//! length of a copy, never while a role runs. Never sends anything.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::histogram::Histogram;

/// How far an actor's end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// It takes messages.
    Open,
    /// Its end was asked for; it takes no more.
    Closing,
    /// Its role is dropped for good, as was asked.
    Stopped,
    /// Its role is dropped for good without being asked: given up, or its thread ended.
    Fallen,
}

impl Life {
    /// Whether the role is dropped for good.
    pub(super) fn is_gone(self) -> bool {
        matches!(self, Self::Stopped | Self::Fallen)
    }
}

/// What the cell is doing, apart from being stuck, which only a reader can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The role is there, or is being built for the first time.
    Running,
    /// Between a crash and the next incarnation.
    Restarting,
    /// Gone.
    Stopped,
}

/// The last crash of a role.
#[derive(Clone, Debug)]
pub(super) struct Crash {
    pub(super) at_ms: i64,
    pub(super) message: String,
}

/// What is being handled, and since when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Current {
    pub(super) message: &'static str,
    pub(super) since: Instant,
}

/// Counts of one message type.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) name: &'static str,
    pub(super) count: AtomicU64,
    pub(super) wait: Histogram,
    pub(super) service: Histogram,
}

impl Series {
    /// Takes one handled message in.
    pub(super) fn observe(&self, waited: Duration, served: Duration) {
        self.wait.observe(waited);
        self.service.observe(served);
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

/// When the waiting messages came, by ticket; tickets are given in order.
#[derive(Debug, Default)]
struct Queue {
    next: u64,
    waiting: VecDeque<(u64, Instant)>,
}

/// Gauges of one actor.
#[derive(Debug)]
pub(super) struct Gauge {
    pub(super) id: String,
    pub(super) role: &'static str,
    pub(super) parent: Option<String>,
    pub(super) capacity: usize,
    depth: AtomicUsize,
    peak: AtomicUsize,
    handled: AtomicU64,
    refused: AtomicU64,
    stale: AtomicU64,
    restarts: AtomicU32,
    phase: AtomicU8,
    closed: AtomicBool,
    queue: Mutex<Queue>,
    current: Mutex<Option<Current>>,
    last_crash: Mutex<Option<Crash>>,
    series: Mutex<BTreeMap<&'static str, Arc<Series>>>,
    life: watch::Sender<Life>,
}

impl Gauge {
    /// Gauges of an actor that is about to start.
    pub(super) fn new(id: String, role: &'static str, parent: Option<String>, capacity: usize) -> Self {
        Self {
            id,
            role,
            parent,
            capacity: capacity.max(1),
            depth: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            handled: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            restarts: AtomicU32::new(0),
            phase: AtomicU8::new(Phase::Running as u8),
            closed: AtomicBool::new(false),
            queue: Mutex::default(),
            current: Mutex::default(),
            last_crash: Mutex::default(),
            series: Mutex::default(),
            life: watch::Sender::new(Life::Open),
        }
    }

    /// A place in the mailbox, or `None` when all are taken.
    pub(super) fn admit(self: &Arc<Self>, now: Instant) -> Option<Place> {
        // A compare-and-swap, as a plain add of a refused message would show a depth above the capacity.
        let before = self
            .depth
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |depth| {
                (depth < self.capacity).then_some(depth + 1)
            })
            .ok()?;
        self.peak.fetch_max(before + 1, Ordering::Relaxed);
        let mut queue = held(&self.queue);
        let ticket = queue.next;
        queue.next += 1;
        queue.waiting.push_back((ticket, now));
        Some(Place { gauge: Arc::clone(self), ticket, since: now })
    }

    /// Counts of the named message type, begun when first asked for.
    pub(super) fn series(&self, name: &'static str) -> Arc<Series> {
        let begin = || {
            let (count, wait, service) = (AtomicU64::new(0), Histogram::new(), Histogram::new());
            Arc::new(Series { name, count, wait, service })
        };
        Arc::clone(held(&self.series).entry(name).or_insert_with(begin))
    }

    /// All message types that were handled at least once, by name.
    pub(super) fn all_series(&self) -> Vec<Arc<Series>> {
        let all = held(&self.series);
        all.values().filter(|series| series.count.load(Ordering::Relaxed) > 0).cloned().collect()
    }

    /// Says what is being handled from now on.
    pub(super) fn begin(&self, message: &'static str, since: Instant) {
        *held(&self.current) = Some(Current { message, since });
    }

    /// Says that nothing is being handled.
    pub(super) fn end(&self) {
        *held(&self.current) = None;
    }

    /// Counts a handled message.
    pub(super) fn note_handled(&self) {
        self.handled.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a message that found no place.
    pub(super) fn note_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a timer or result of an earlier incarnation that was dropped.
    pub(super) fn note_stale(&self) {
        self.stale.fetch_add(1, Ordering::Relaxed);
    }

    /// Keeps the crash.
    pub(super) fn note_crash(&self, crash: Crash) {
        *held(&self.last_crash) = Some(crash);
    }

    /// Counts the beginning of another incarnation.
    pub(super) fn note_restart(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// Says what the cell is doing; what has stopped stays so.
    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// Whether messages are taken no more.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Takes no more messages from now on; tells what was before.
    pub(super) fn close(&self) -> Life {
        self.closed.store(true, Ordering::Release);
        let mut before = Life::Open;
        self.life.send_modify(|life| {
            before = *life;
            if *life == Life::Open {
                *life = Life::Closing;
            }
        });
        before
    }

    /// The role is gone for good; tells in which way.
    pub(super) fn conclude(&self) -> Life {
        self.closed.store(true, Ordering::Release);
        self.enter(Phase::Stopped);
        self.life.send_modify(|life| match *life {
            Life::Open => *life = Life::Fallen,
            Life::Closing => *life = Life::Stopped,
            Life::Stopped | Life::Fallen => {}
        });
        self.stage()
    }

    /// How far the end has come.
    pub(super) fn stage(&self) -> Life {
        *self.life.borrow()
    }

    /// Where the end is watched.
    pub(super) fn life(&self) -> watch::Receiver<Life> {
        self.life.subscribe()
    }

    /// Everything but the message types, at one moment.
    pub(super) fn read(&self, now: Instant) -> Reading {
        let oldest = held(&self.queue).waiting.front().map(|(_, since)| *since);
        Reading {
            depth: self.depth.load(Ordering::Acquire),
            peak: self.peak.load(Ordering::Relaxed),
            oldest: oldest.map_or(Duration::ZERO, |since| now.saturating_duration_since(since)),
            handled: self.handled.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            stale: self.stale.load(Ordering::Relaxed),
            restarts: self.restarts.load(Ordering::Relaxed),
            phase: match self.phase.load(Ordering::Acquire) {
                phase if phase == Phase::Running as u8 => Phase::Running,
                phase if phase == Phase::Restarting as u8 => Phase::Restarting,
                _ => Phase::Stopped,
            },
            current: *held(&self.current),
            last_crash: held(&self.last_crash).clone(),
        }
    }
}

/// A gauge's state at one moment.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) depth: usize,
    pub(super) peak: usize,
    pub(super) oldest: Duration,
    pub(super) handled: u64,
    pub(super) refused: u64,
    pub(super) stale: u64,
    pub(super) restarts: u32,
    pub(super) phase: Phase,
    pub(super) current: Option<Current>,
    pub(super) last_crash: Option<Crash>,
}

/// A message's place in a mailbox; free again when dropped, however the message came to its end.
#[derive(Debug)]
pub(super) struct Place {
    gauge: Arc<Gauge>,
    ticket: u64,
    /// When the message came.
    pub(super) since: Instant,
}

impl Drop for Place {
    fn drop(&mut self) {
        {
            let mut queue = held(&self.gauge.queue);
            // Nearly always the first; senders of one moment may be handled in another order than admitted.
            if let Some(at) = queue.waiting.iter().position(|(ticket, _)| *ticket == self.ticket) {
                queue.waiting.remove(at);
            }
        }
        self.gauge.depth.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The lock, also after a panic elsewhere: no section in here can leave half a change behind.
pub(super) fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
