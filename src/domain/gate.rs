//! Gates and their reports: what a verdict is, and when a report is green.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::id::{CommitId, TreeId};

/// How a gate's outcome is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateParser {
    /// By its exit code alone.
    Exit,
    /// Exit code, and line coverage out of an LCOV report.
    Lcov {
        /// Path of the report in the checkout.
        report: String,
        /// Least share of lines, in percent.
        min_line_percent: f64,
    },
}

/// One gate's definition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateSpec {
    /// Program and arguments.
    pub command: Vec<String>,
    /// After this it is killed and `timed_out`.
    pub timeout_ms: u64,
    /// How its outcome is read.
    pub parser: GateParser,
}

/// All gates of a repository by name; the order has no meaning.
pub type GateSet = BTreeMap<String, GateSpec>;

/// What came out of one gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It passed.
    Green,
    /// It failed.
    Red,
    /// It could not be started (exit 126, 127, or no such program): no word on the tree.
    CouldNotRun,
    /// It ran, but no test did.
    NoTests,
    /// It did not end in time.
    TimedOut,
}

/// One gate's result on one tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateResult {
    /// What came out.
    pub verdict: Verdict,
    /// What was run, for a person.
    pub command: Vec<String>,
    /// Exit code; `None` after a signal or when it never started.
    pub exit_code: Option<i32>,
    /// How long it ran.
    pub duration_ms: u64,
    /// Why, in one sentence, where the exit code does not say it all (coverage, time-out, not startable).
    pub detail: Option<String>,
    /// Head and tail of what it printed, bounded.
    pub output: String,
    /// Covered lines in percent, where measured.
    pub line_percent: Option<f64>,
}

/// The verdicts of all gates on one tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateReport {
    /// The commit whose checkout they ran on.
    pub commit: CommitId,
    /// Its tree: what the verdicts are bound to.
    pub tree: TreeId,
    /// Digest of the gate definitions they came from.
    pub gate_set: String,
    /// One result per gate.
    pub gates: BTreeMap<String, GateResult>,
}

impl GateReport {
    /// Whether there is a gate and every one is green.
    pub fn is_green(&self) -> bool {
        !self.gates.is_empty() && self.gates.values().all(|gate| gate.verdict == Verdict::Green)
    }

    /// Names of the gates that are not green, in order.
    pub fn failing(&self) -> Vec<&str> {
        self.gates
            .iter()
            .filter(|(_, gate)| gate.verdict != Verdict::Green)
            .map(|(name, _)| name.as_str())
            .collect()
    }
}
