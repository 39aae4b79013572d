//! How often a crashing role is rebuilt, and how long it waits before.
//!
//! Promises that a role which crashes on and on is given up after a bounded number of restarts.
//! Never looks at a clock: instants are handed in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A wait that doubles with every failure, up to a ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure; at least a millisecond is taken.
    pub first: Duration,
    /// Ceiling.
    pub max: Duration,
}

impl Backoff {
    /// Retries of a message that met a full mailbox.
    pub const REDELIVERY: Self = Self { first: Duration::from_millis(5), max: Duration::from_secs(1) };

    /// Wait after that many failures in a row (1 or more).
    pub fn delay(&self, failures: u32) -> Duration {
        let first = self.first.max(Duration::from_millis(1));
        let doublings = failures.saturating_sub(1).min(31);
        first.saturating_mul(1 << doublings).min(self.max.max(first))
    }
}

/// Restart intensity of a role: more than `max_restarts` crashes `within` the window, and it is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartPolicy {
    /// Crashes in the window that are answered by a restart; 0 gives up at the first.
    pub max_restarts: u32,
    /// The sliding window.
    pub within: Duration,
    /// Wait before the second restart of a window and on; the first is immediate.
    pub backoff: Backoff,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            max_restarts: 5,
            within: Duration::from_secs(30),
            backoff: Backoff { first: Duration::from_millis(10), max: Duration::from_secs(1) },
        }
    }
}

/// The crashes of one role that still count.
#[derive(Debug, Default)]
pub(super) struct CrashHistory {
    instants: VecDeque<Instant>,
}

impl CrashHistory {
    /// Takes a crash in; the wait before the restart, or `None` when the role is to be given up.
    pub(super) fn record(&mut self, now: Instant, policy: &RestartPolicy) -> Option<Duration> {
        self.instants.retain(|crash| now.saturating_duration_since(*crash) < policy.within);
        self.instants.push_back(now);
        let crashes = u32::try_from(self.instants.len()).unwrap_or(u32::MAX);
        if crashes > policy.max_restarts {
            return None;
        }
        Some(if crashes == 1 { Duration::ZERO } else { policy.backoff.delay(crashes - 1) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::Clock;
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn sixth_crash_in_the_window_gives_up() {
        let (policy, clock) = (RestartPolicy::default(), Clock::manual(0));
        let mut history = CrashHistory::default();
        let delays: Vec<_> = (0..6).map(|_| history.record(clock.instant(), &policy)).collect();
        assert_eq!(delays, [Some(ms(0)), Some(ms(10)), Some(ms(20)), Some(ms(40)), Some(ms(80)), None]);
    }

    #[test]
    fn crashes_older_than_the_window_are_forgotten() {
        let (policy, clock) = (RestartPolicy::default(), Clock::manual(0));
        let mut history = CrashHistory::default();
        for _ in 0..50 {
            let delay = history.record(clock.instant(), &policy);
            assert!(delay.is_some_and(|delay| delay <= ms(80)), "{delay:?}");
            clock.advance(Duration::from_secs(6));
        }
        assert_eq!(history.instants.len(), 5);
    }

    #[test]
    fn no_restart_is_granted_where_none_is_allowed() {
        let policy = RestartPolicy { max_restarts: 0, ..RestartPolicy::default() };
        assert_eq!(CrashHistory::default().record(Clock::manual(0).instant(), &policy), None);
    }

    #[test]
    fn backoff_doubles_up_to_its_ceiling_and_is_never_zero() {
        let backoff = RestartPolicy::default().backoff;
        assert_eq!(
            [1, 2, 7, 8, 1000, u32::MAX].map(|n| backoff.delay(n)),
            [10, 20, 640, 1000, 1000, 1000].map(ms)
        );
        let hot = Backoff { first: Duration::ZERO, max: Duration::ZERO };
        assert_eq!(hot.delay(9), ms(1));
    }
}
