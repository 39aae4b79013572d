//! QualityActor: runs the gates on a commit and reports.
//!
//! Holds which runs are under way, in memory only: after a rebuild the queue asks again. A report is kept by tree and
//! gate set, green or red, and never computed twice; one with a gate that could not run or timed out is not kept.
//!
//! | message | does |
//! |---|---|
//! | [`Verify`] | kept report, or checkout and run → `verified` to the queue |
//! | [`Withdraw`] | ends the run that nobody waits for any more |
//! | [`Ran`] | a run of its own ended |

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::{
    Ground, message,
    metrics::GatesReported,
    queue::{ForgetOrders, GateFact, GateProgressed},
};
use crate::{
    domain::{
        command::Command,
        gate::{GateReport, Verdict},
        id::CommitId,
        order::OrderKind,
        task::{Candidate, Ground as Base, TaskKey},
        view::GateWord,
    },
    gate::{self, GateProgress, GateRun},
    process::HeadTail,
    runtime::{Handle, RebuildError, Role, Scope},
};

/// How much of a gate's output goes into the journal.
const JOURNALED_OUTPUT_BYTES: usize = 64 * 1024;
/// How much of a gate's output is kept.
const OUTPUT_LIMIT_BYTES: usize = 1024 * 1024;

message! {
    /// Run the gates on a commit.
    pub struct Verify = "verify" {
        /// Whose.
        key: TaskKey,
        /// Which commit.
        candidate: Candidate,
        /// With which gates.
        base: Box<Base>,
    }
}

message! {
    /// Nobody waits for a task's gates any more.
    pub struct Withdraw = "withdraw" {
        /// Whose.
        key: TaskKey,
    }
}

message! {
    /// A run ended.
    pub struct Ran = "ran" {
        /// Whose.
        key: TaskKey,
        /// On which commit.
        commit: CommitId,
        /// What came out, or what of ours failed.
        outcome: Result<Box<GateReport>, String>,
    }
}

/// See the module.
pub struct QualityActor {
    ground: Ground,
    /// What runs; dropping the other end ends a run, and all its processes.
    running: BTreeMap<(TaskKey, CommitId), oneshot::Sender<()>>,
}

impl Role for QualityActor {
    type Seed = Ground;
    const ROLE: &'static str = "QualityActor";
    const CAPACITY: usize = 1024;

    fn rebuild(seed: &Ground, scope: &Scope<Self>) -> Result<Self, RebuildError> {
        if scope.incarnation() > 1 {
            let kinds = vec![OrderKind::Verify];
            seed.wiring.queue().port::<ForgetOrders>().deliver(ForgetOrders { kinds, task: None });
        }
        Ok(Self { ground: seed.clone(), running: BTreeMap::new() })
    }

    fn corrupt(&mut self) {
        // Believing that everything runs already would keep it from ever running anything.
        self.running.clear();
        self.ground.term = u64::MAX;
    }
}

impl Handle<Verify> for QualityActor {
    fn handle(&mut self, message: Verify, scope: &Scope<Self>) {
        let Verify { key, candidate, base } = message;
        let run = (key.clone(), candidate.commit.clone());
        if self.running.contains_key(&run) {
            return;
        }
        if let Some(kept) = self.kept(&candidate, &base) {
            self.report(key, kept);
            return;
        }
        let (hold, withdrawn) = oneshot::channel();
        self.running.insert(run, hold);
        let (ground, commit, task) = (self.ground.clone(), candidate.commit.clone(), key.clone());
        let span = crate::telemetry::task_span(&key.issue, key.generation, None);
        let work = async move {
            tokio::select! {
                outcome = run_gates(ground, task, candidate, base) => outcome,
                _ = withdrawn => Err("nobody waits for them any more".to_owned()),
            }
        };
        let work = tracing::Instrument::instrument(work, span);
        scope.run(work, move |outcome| Ran { key, commit, outcome: outcome.map(Box::new) });
    }
}

impl Handle<Withdraw> for QualityActor {
    fn handle(&mut self, message: Withdraw, _scope: &Scope<Self>) {
        self.running.retain(|(key, _), _| *key != message.key);
    }
}

impl Handle<Ran> for QualityActor {
    fn handle(&mut self, message: Ran, _scope: &Scope<Self>) {
        let Ran { key, commit, outcome } = message;
        if self.running.remove(&(key.clone(), commit)).is_none() {
            return;
        }
        match outcome {
            Ok(report) => {
                self.keep(&report);
                self.ground
                    .wiring
                    .metrics()
                    .port::<GatesReported>()
                    .deliver(GatesReported { report: report.clone() });
                self.report(key, *report);
            }
            Err(reason) => {
                tracing::warn!(task = %key.issue, %reason, "the gates could not be asked");
                self.tell(Command::VerifyFailed { key, reason });
            }
        }
    }
}

impl QualityActor {
    fn tell(&self, command: Command) {
        self.ground.wiring.queue().port::<GateFact>().deliver(GateFact { command });
    }

    /// The journal keeps of each gate what a prompt may need; the whole output lies with the kept report.
    fn report(&self, key: TaskKey, mut report: GateReport) {
        for gate in report.gates.values_mut().filter(|gate| gate.output.len() > JOURNALED_OUTPUT_BYTES) {
            let mut clipped = HeadTail::new(JOURNALED_OUTPUT_BYTES);
            clipped.push(gate.output.as_bytes());
            gate.output = clipped.text();
        }
        tracing::info!(task = %key.issue, green = report.is_green(), failing = ?report.failing(), "gates reported");
        self.tell(Command::Verified { key, report: Box::new(report) });
    }

    /// A kept report is for the tree; the commit asked about may be another one with that tree.
    fn kept(&self, candidate: &Candidate, base: &Base) -> Option<GateReport> {
        let body = match self.ground.store.report(candidate.tree.as_ref(), &base.gate_set) {
            Ok(body) => body?,
            Err(error) => {
                tracing::warn!(%error, "a kept gate report cannot be read; the gates run again");
                return None;
            }
        };
        let mut report: GateReport = serde_json::from_str(&body).ok()?;
        report.commit = candidate.commit.clone();
        Some(report)
    }

    fn keep(&self, report: &GateReport) {
        let settled = report
            .gates
            .values()
            .all(|gate| !matches!(gate.verdict, Verdict::CouldNotRun | Verdict::TimedOut));
        if !settled {
            return;
        }
        let kept = serde_json::to_string(report).map_err(|error| error.to_string()).and_then(|body| {
            let put = self.ground.store.put_report(report.tree.as_ref(), &report.gate_set, body);
            put.map_err(|error| error.to_string())
        });
        if let Err(error) = kept {
            tracing::warn!(%error, "a gate report could not be kept");
        }
    }
}

async fn run_gates(
    ground: Ground,
    key: TaskKey,
    candidate: Candidate,
    base: Box<Base>,
) -> Result<GateReport, String> {
    let repo = &key.issue.repo;
    let checkout =
        ground.workspaces.checkout(repo, &candidate.commit).await.map_err(|error| error.to_string())?;
    let progressed = ground.wiring.queue().port::<GateProgressed>();
    let scratch = checkout.path().with_extension("scratch");
    let report = gate::run(GateRun {
        keeper: ground.keeper.clone(),
        checkout: checkout.path(),
        scratch,
        commit: candidate.commit.clone(),
        tree: candidate.tree.clone(),
        gates: &base.gates,
        environment: &ground.environment,
        output_limit_bytes: OUTPUT_LIMIT_BYTES,
        progress: |progress| {
            let (gate, word) = match progress {
                GateProgress::Started(gate) => (gate, GateWord::Running),
                GateProgress::Ended(gate, verdict) => (gate, GateWord::from(verdict)),
            };
            // Only for show: one that meets a full mailbox is left out.
            let _ = progressed.tell(GateProgressed { key: key.clone(), gate, word });
        },
    })
    .await;
    if let Err(error) = checkout.remove().await {
        tracing::warn!(%error, "a checkout could not be removed");
    }
    Ok(report)
}
