//! Usage and occupancy: how full a session's context window is.
//!
//! Occupancy is the tokens of the *last* request over the effective limit. Cumulative totals are spend, never
//! occupancy. Unknown stays unknown.

use serde::{Deserialize, Serialize};

/// One sample of a session's context, after one model request.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct UsageSample {
    /// Tokens in the context after the last request: input (cached included) + output.
    pub used_tokens: u64,
    /// The window that the agent itself reports, if it does.
    pub reported_window_tokens: Option<u64>,
    /// What the session has cost so far in US dollars, if the agent says.
    pub cost_usd_total: Option<f64>,
}

/// The effective limit: the smallest of the configured window and what the agent reports (0 counts as unsaid).
pub fn effective_window(configured_tokens: u64, reported_tokens: Option<u64>) -> u64 {
    match reported_tokens {
        Some(reported) if reported > 0 => configured_tokens.min(reported),
        _ => configured_tokens,
    }
}

/// `used` over `window`, as a fraction.
pub fn occupancy(used_tokens: u64, window_tokens: u64) -> f64 {
    if window_tokens == 0 { 1.0 } else { used_tokens as f64 / window_tokens as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_of_the_configured_and_the_reported_window_is_the_limit() {
        assert_eq!(effective_window(200_000, None), 200_000);
        assert_eq!(effective_window(200_000, Some(100_000)), 100_000);
        assert_eq!(effective_window(200_000, Some(1_000_000)), 200_000);
        assert_eq!(effective_window(200_000, Some(0)), 200_000, "nought is no window");
    }

    #[test]
    fn occupancy_is_a_fraction_of_the_limit_and_may_exceed_it() {
        assert!((occupancy(190_000, 200_000) - 0.95).abs() < f64::EPSILON);
        assert!(occupancy(190_000, 200_000) >= 0.95, "exactly at the line is at the line");
        assert!(occupancy(300_000, 200_000) > 1.0);
        assert!((occupancy(0, 0) - 1.0).abs() < f64::EPSILON, "no room at all is full");
    }
}
