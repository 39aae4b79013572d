//! The gate that `Retry-After` closes: until its instant no call leaves for this forge.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use tokio::time::Instant;

/// The longest that one answer can keep the gate closed.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Until when the forge wants no call.
#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<Option<Instant>>);

impl Gate {
    /// How long it stays closed; `None` when open.
    pub(super) fn closed_for(&self) -> Option<Duration> {
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.filter(|left| !left.is_zero());
        if left.is_none() {
            *until = None;
        }
        left
    }

    /// Closes it for at least this long from now.
    pub(super) fn close_for(&self, wait: Duration) {
        let wanted = Instant::now() + wait.min(LONGEST);
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *until = Some(until.map_or(wanted, |before| before.max(wanted)));
    }
}

/// Reads `Retry-After`: seconds, or a date, which counts from the answer's own `Date`.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok();
    let value = text(RETRY_AFTER)?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds).min(LONGEST));
    }
    let instant = |text| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok();
    let wait = instant(value)?.as_second() - instant(text(DATE)?)?.as_second();
    Some(Duration::from_secs(u64::try_from(wait).unwrap_or(0)).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&'static str, &str)]) -> Option<u64> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        retry_after(&headers.collect()).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_and_dates_are_read() {
        let noon = ("date", "Sun, 06 Nov 1994 12:00:00 GMT");
        assert_eq!(read(&[("retry-after", "120")]), Some(120));
        assert_eq!(read(&[("retry-after", " 0 ")]), Some(0));
        assert_eq!(read(&[("retry-after", "Sun, 06 Nov 1994 12:01:30 GMT"), noon]), Some(90));
        assert_eq!(read(&[("retry-after", "Sun, 06 Nov 1994 11:00:00 GMT"), noon]), Some(0));
        assert_eq!(read(&[("retry-after", "18446744073709551615")]), Some(LONGEST.as_secs()));
    }

    #[test]
    fn what_cannot_be_read_is_none() {
        assert_eq!(read(&[]), None);
        for value in ["soon", "-1", "1.5", "", "Sun, 06 Nov 1994 12:01:30 GMT"] {
            assert_eq!(read(&[("retry-after", value)]), None, "{value}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_gate_opens_by_itself_and_the_longest_wait_wins() {
        let gate = Gate::default();
        assert_eq!(gate.closed_for(), None);
        gate.close_for(Duration::from_secs(60));
        gate.close_for(Duration::from_secs(5));
        assert_eq!(gate.closed_for(), Some(Duration::from_secs(60)));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(gate.closed_for(), Some(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(gate.closed_for(), None);
        gate.close_for(Duration::MAX);
        assert_eq!(gate.closed_for(), Some(LONGEST));
    }
}
