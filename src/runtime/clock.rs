//! The one home of time: wall time, monotonic time and sleeping.
//!
//! Promises that a manual clock moves only when it is advanced, for `now_ms`, `instant` and `sleep` alike. The system's
//! monotonic time is tokio's, so inside a paused runtime it is that runtime's virtual time.
//! Never asks for a time zone: all instants are UTC.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

/// Longer than any process runs; stands in where an instant cannot be represented.
const FOREVER: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

/// Source of time; clones share it.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<Manual>),
}

#[derive(Debug)]
struct Manual {
    origin: Instant,
    start_ms: i64,
    elapsed: watch::Sender<Duration>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock for tests that stands at `start_ms` (epoch, UTC) until it is advanced.
    pub fn manual(start_ms: i64) -> Self {
        let manual = Manual {
            origin: tokio::time::Instant::now().into_std(),
            start_ms,
            elapsed: watch::Sender::new(Duration::ZERO),
        };
        Self(Source::Manual(Arc::new(manual)))
    }

    /// Moves a manual clock on and wakes who slept until then; the system's clock is left as it is.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(manual) = &self.0 {
            manual.elapsed.send_modify(|elapsed| *elapsed += by);
        }
    }

    /// Wall time in milliseconds since the epoch, UTC.
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            Source::System => Timestamp::now().as_millisecond(),
            Source::Manual(manual) => {
                let elapsed_ms = i64::try_from(manual.elapsed.borrow().as_millis()).unwrap_or(i64::MAX);
                manual.start_ms.saturating_add(elapsed_ms)
            }
        }
    }

    /// Monotonic time.
    pub fn instant(&self) -> Instant {
        match &self.0 {
            Source::System => tokio::time::Instant::now().into_std(),
            Source::Manual(manual) => manual.origin + *manual.elapsed.borrow(),
        }
    }

    /// An instant of `now_ms` as RFC 3339 in UTC; what lies outside of the calendar becomes its nearest end.
    pub fn rfc3339(&self, ms: i64) -> String {
        let end = if ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Timestamp::from_millisecond(ms).unwrap_or(end).to_string()
    }

    /// Ends once the duration is over, counted from this call on.
    pub fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static + use<> {
        let now = self.instant();
        self.sleep_until(now.checked_add(duration).unwrap_or(now + FOREVER))
    }

    /// Ends once [`Clock::instant`] has reached the deadline.
    pub fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> + Send + 'static + use<> {
        let source = self.0.clone();
        async move {
            match source {
                Source::System => tokio::time::sleep_until(deadline.into()).await,
                Source::Manual(manual) => {
                    let mut elapsed = manual.elapsed.subscribe();
                    let target = deadline.saturating_duration_since(manual.origin);
                    // The sender lives in `manual`, so waiting cannot fail.
                    let _ = elapsed.wait_for(|elapsed| *elapsed >= target).await;
                }
            }
        }
    }

    /// Blocks the calling thread in real time, whichever clock this is.
    #[expect(clippy::disallowed_methods, reason = "this is the home of sleeping")]
    pub(super) fn block(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn manual_clock_moves_only_when_advanced() {
        let clock = Clock::manual(1_700_000_000_000);
        let (wall, instant) = (clock.now_ms(), clock.instant());
        assert_eq!((clock.now_ms(), clock.instant()), (wall, instant));

        clock.advance(Duration::from_millis(1500));
        assert_eq!(clock.now_ms() - wall, 1500);
        assert_eq!(clock.instant() - instant, Duration::from_millis(1500));
    }

    #[test]
    fn manual_sleep_ends_at_its_deadline_and_not_before() {
        let clock = Clock::manual(0);
        let mut sleep = Box::pin(clock.sleep(Duration::from_millis(10)));
        clock.advance(Duration::from_millis(9));
        assert_eq!(sleep.as_mut().now_or_never(), None);
        clock.advance(Duration::from_millis(1));
        assert_eq!(sleep.as_mut().now_or_never(), Some(()));
    }

    #[test]
    fn manual_sleep_counts_from_the_call_and_not_from_the_first_poll() {
        let clock = Clock::manual(0);
        let sleep = clock.sleep(Duration::from_millis(10));
        clock.advance(Duration::from_millis(10));
        assert_eq!(sleep.now_or_never(), Some(()));
    }

    #[test]
    fn unrepresentable_sleep_is_a_very_long_one() {
        let clock = Clock::manual(0);
        assert_eq!(clock.sleep(Duration::MAX).now_or_never(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn system_clock_follows_the_virtual_time_of_a_paused_runtime() {
        let clock = Clock::system();
        let before = clock.instant();
        clock.sleep(Duration::from_secs(86_400)).await;
        assert!(clock.instant() - before >= Duration::from_secs(86_400));
    }

    #[test]
    fn system_clock_is_not_moved_by_advance() {
        let clock = Clock::system();
        let before = clock.now_ms();
        clock.advance(Duration::from_secs(86_400));
        assert!(before > 1_700_000_000_000, "{before}");
        assert!(clock.now_ms() - before < 86_400_000);
    }

    #[test]
    fn instants_are_written_in_utc_and_clamped_to_the_calendar() {
        let clock = Clock::manual(0);
        assert_eq!(clock.rfc3339(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(clock.rfc3339(0), "1970-01-01T00:00:00Z");
        assert!(clock.rfc3339(i64::MAX).starts_with("9999-12-30T"), "{}", clock.rfc3339(i64::MAX));
        assert!(clock.rfc3339(i64::MIN).starts_with("-009999-01-"), "{}", clock.rfc3339(i64::MIN));
    }
}
