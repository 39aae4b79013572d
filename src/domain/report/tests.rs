//! Each measure at null, met, missed and at its boundary; costs; and that a fold is a fold.

mod costs;
mod measures;

use super::*;
use crate::domain::{
    estimate::Estimate,
    gate::{GateReport, GateResult, Verdict},
    id::{Generation, TurnNo},
    task::{ParkCause, Parking, Purpose},
};

fn key(number: u64, generation: u32) -> TaskKey {
    TaskKey { issue: format!("acme/app#{number}").parse().unwrap(), generation: Generation(generation) }
}

/// A ledger that is told of one task after the other.
struct Told(Ledger);

impl Told {
    fn new() -> Self {
        Self(Ledger::new())
    }

    fn tell(&mut self, key: &TaskKey, what: TaskEvent) -> &mut Self {
        self.0.fold(&Event::Task { key: key.clone(), what });
        self
    }

    fn accepted(&mut self, key: &TaskKey, tokens: u64) -> &mut Self {
        let estimate = Estimate { tokens, raw_tokens: tokens, how: "as told".to_owned() };
        let restarted_by_person = key.generation != Generation::FIRST;
        self.tell(
            key,
            TaskEvent::Accepted {
                title: "An issue".to_owned(),
                branch: "mosaic/1-an-issue".to_owned(),
                text_digest: String::new(),
                estimate,
                restarted_by_person,
            },
        )
    }

    fn session(&mut self, key: &TaskKey, number: u32, free: bool) -> &mut Self {
        self.tell(
            key,
            TaskEvent::TurnOrdered {
                session: SessionNo(number),
                turn: TurnNo::FIRST,
                purpose: Purpose::Work,
                model: "a model".to_owned(),
                free,
                window_tokens: 200_000,
            },
        )
    }

    fn peak(&mut self, key: &TaskKey, number: u32, peak_tokens: u64) -> &mut Self {
        self.tell(
            key,
            TaskEvent::UsageMarked {
                session: SessionNo(number),
                used_tokens: peak_tokens,
                peak_tokens,
                window_tokens: 200_000,
            },
        )
    }

    fn costs(&mut self, key: &TaskKey, number: u32, cost_usd: Option<f64>) -> &mut Self {
        let (session, tree) = (SessionNo(number), TreeId("t".to_owned()));
        let stop = "end_turn".to_owned();
        self.tell(key, TaskEvent::TurnEnded { session, turn: TurnNo::FIRST, stop, tree, cost_usd })
    }

    fn parked(&mut self, key: &TaskKey) -> &mut Self {
        let parking = Parking { cause: ParkCause::Work, reason: "no progress".to_owned() };
        self.tell(key, TaskEvent::Parked { parking })
    }

    fn done(&mut self, key: &TaskKey) -> &mut Self {
        self.tell(key, TaskEvent::Done)
    }

    fn verified(&mut self, key: &TaskKey, commit: &str, tree: &str, verdict: Verdict) -> &mut Self {
        let result = GateResult {
            verdict,
            command: vec!["true".to_owned()],
            exit_code: None,
            duration_ms: 1,
            detail: None,
            output: String::new(),
            line_percent: None,
        };
        let report = GateReport {
            commit: CommitId(commit.to_owned()),
            tree: TreeId(tree.to_owned()),
            gate_set: "gates".to_owned(),
            gates: [("test".to_owned(), result)].into(),
        };
        self.tell(key, TaskEvent::Verified { report: Box::new(report) })
    }

    fn pushed(&mut self, key: &TaskKey, commit: &str, tree: &str) -> &mut Self {
        let (commit, tree) = (CommitId(commit.to_owned()), TreeId(tree.to_owned()));
        self.tell(key, TaskEvent::Pushed { commit, tree })
    }

    fn measures(&self) -> Measures {
        self.0.report().measures
    }
}

fn json(report: &Report) -> String {
    serde_json::to_string_pretty(report).unwrap()
}

/// Value, met, numerator, denominator.
fn read(measure: Measure) -> (Option<f64>, Option<bool>, u64, u64) {
    (measure.value, measure.met, measure.numerator, measure.denominator)
}
