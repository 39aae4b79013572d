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
