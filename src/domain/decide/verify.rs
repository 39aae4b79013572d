//! What the gates said.

use super::Step;
use crate::domain::{
    event::TaskEvent,
    gate::{GateReport, Verdict},
    task::{Candidate, ContinueCause, ParkCause, Phase, TaskKey},
};

impl Step<'_> {
    fn gating(&self, key: &TaskKey) -> Option<&Candidate> {
        match self.current(key).map(|task| &task.phase) {
            Some(Phase::Gating(candidate)) => Some(candidate),
            _ => None,
        }
    }

    pub(super) fn verified(&mut self, key: &TaskKey, report: GateReport) {
        let Some(candidate) = self.gating(key) else { return };
        if candidate.commit != report.commit || candidate.tree != report.tree {
            return;
        }
        let gate_set = self.current(key).and_then(|task| task.ground.as_ref()).map(|ground| &ground.gate_set);
        if gate_set != Some(&report.gate_set) {
            return;
        }
        let candidate = candidate.clone();
        let green = report.is_green();
        let failing: Vec<String> = report.failing().into_iter().map(str::to_owned).collect();
        let could_not_run =
            report.gates.iter().find(|(_, gate)| gate.verdict == Verdict::CouldNotRun).map(|(name, gate)| {
                let why = gate
                    .detail
                    .clone()
                    .unwrap_or_else(|| format!("`{}` did not start", gate.command.join(" ")));
                format!("the gate {name} could not run: {why}")
            });
        self.emit(key, TaskEvent::Verified { report: Box::new(report) });
        if let Some(reason) = could_not_run {
            self.park(key, ParkCause::NotConfigured, reason);
        } else if green {
            self.emit(key, TaskEvent::PublishStarted { candidate });
        } else {
            self.fell_short(key, candidate.tree, failing, ContinueCause::RedGates);
        }
    }

    /// A fault of ours kept the gates from running: the commit is asked about again, and nothing is counted.
    pub(super) fn verify_failed(&mut self, key: &TaskKey, reason: String) {
        let reason = format!("the gates could not be asked and are asked again: {reason}");
        let told = self.current(key).and_then(|task| task.reason.as_ref()) == Some(&reason);
        if self.gating(key).is_some() && !told {
            self.emit(key, TaskEvent::GatingDelayed { reason });
        }
    }
}
