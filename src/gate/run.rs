//! Running a gate set: every gate at once, each a kept process tree on the same checkout.
//!
//! Promises that a report has one result per gate, that no process of a gate is left when it returns or is dropped,
//! that a gate's output is drained whatever its size, and that a coverage report counts only if this run wrote it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    time::{Instant, timeout},
};

use super::{
    gate_set_digest,
    parser::{self, Reading},
};
use crate::{
    domain::{
        gate::{GateParser, GateReport, GateResult, GateSet, GateSpec, Verdict},
        id::{CommitId, TreeId},
    },
    files::{EphemeralFolder, unlink_beneath},
    process::{Exit, HeadTail, Keeper, Kept, Spec, StdinMode, allowed},
};

/// From SIGTERM to the kill of the whole tree.
const TERMINATE_FOR: Duration = Duration::from_secs(5);
/// What a gate sees of the coordinator's environment.
const ENVIRONMENT: [&str; 4] = ["PATH", "HOME", "LANG", "TERM"];
/// Longest part of a line that waits for its end before it is kept.
const LINE_MAX_BYTES: usize = 8 * 1024;

/// A gate set to run on one checkout.
pub struct GateRun<'a, P> {
    /// Starts the gates' process trees.
    pub keeper: Keeper,
    /// Clean checkout of `commit`; shared by the gates, dirty afterwards.
    pub checkout: &'a Path,
    /// A folder of this run alone for temporary files and build output; made and removed here.
    pub scratch: PathBuf,
    /// What is checked out.
    pub commit: CommitId,
    /// Its tree.
    pub tree: TreeId,
    /// The gates.
    pub gates: &'a GateSet,
    /// The coordinator's environment, of which a gate sees PATH, HOME, LANG and TERM.
    pub environment: &'a BTreeMap<String, String>,
    /// How much is kept of a gate's output, half of it head and half of it tail.
    pub output_limit_bytes: usize,
    /// Is told of every start and end, from within the run.
    pub progress: P,
}

/// What a run tells while it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GateProgress {
    /// This gate was started.
    Started(String),
    /// This gate has its verdict.
    Ended(String, Verdict),
}

/// Runs all gates at once and reports; dropping the future kills them all.
pub async fn run<P: Fn(GateProgress)>(run: GateRun<'_, P>) -> GateReport {
    let scratch = EphemeralFolder::at(run.scratch.clone());
    let gates = join_all(run.gates.iter().enumerate().map(async |(at, (name, spec))| {
        (run.progress)(GateProgress::Started(name.clone()));
        let gate = Gate { run: &run, name, spec, scratch: scratch.path().join(at.to_string()) };
        let result = gate.verdict().await;
        (run.progress)(GateProgress::Ended(name.clone(), result.verdict));
        (name.clone(), result)
    }));
    let gates = gates.await.into_iter().collect();
    if let Err(error) = scratch.remove().await {
        tracing::warn!(%error, "the scratch folder of a gate run could not be removed");
    }
    GateReport { commit: run.commit, tree: run.tree, gate_set: gate_set_digest(run.gates), gates }
}

struct Gate<'a, P> {
    run: &'a GateRun<'a, P>,
    name: &'a str,
    spec: &'a GateSpec,
    scratch: PathBuf,
}

impl<P> Gate<'_, P> {
    /// What could not be run is tried once more: the machine, not the tree, may have been the cause.
    async fn verdict(&self) -> GateResult {
        let first = self.attempt().await;
        if first.verdict == Verdict::CouldNotRun { self.attempt().await } else { first }
    }

    async fn attempt(&self) -> GateResult {
        let began = Instant::now();
        let limit = Duration::from_millis(self.spec.timeout_ms);
        let (reading, exit_code, output) = match self.start().await {
            Err(why) => (could_not_run(why), None, String::new()),
            Ok(kept) => {
                let (end, output) = attend(kept, limit, self.run.output_limit_bytes).await;
                let reading = match end {
                    End::TimedOut => timed_out(limit),
                    End::Exited(Exit { code, signal, .. }) => {
                        parser::read(&self.spec.parser, self.run.checkout, code, signal)
                    }
                };
                let code = if let End::Exited(exit) = end { exit.code } else { None };
                (reading, code, output)
            }
        };
        let Reading { verdict, detail, line_percent } = reading;
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let command = self.spec.command.clone();
        GateResult { verdict, command, exit_code, duration_ms, detail, output, line_percent }
    }

    async fn start(&self) -> Result<Kept, String> {
        let Some((program, args)) = self.spec.command.split_first() else {
            return Err(format!("gate `{}` has no command: give it one in the configuration", self.name));
        };
        let (temporary, target) = (self.scratch.join("tmp"), self.scratch.join("target"));
        for folder in [&temporary, &target] {
            fs::create_dir_all(folder)
                .map_err(|error| format!("`{}` cannot be made: {error}", folder.display()))?;
        }
        self.forget_report();
        let mut env = allowed(self.run.environment, &ENVIRONMENT);
        env.insert("CI".to_owned(), "1".to_owned());
        env.insert("TMPDIR".to_owned(), temporary.display().to_string());
        env.insert("CARGO_TARGET_DIR".to_owned(), target.display().to_string());
        let spec = Spec {
            label: format!("gate:{}", self.name),
            program: program.clone(),
            args: args.to_vec(),
            cwd: self.run.checkout.to_owned(),
            env,
            stdin: StdinMode::Empty,
            lock: None,
        };
        self.run.keeper.start(spec).await.map_err(|error| error.to_string())
    }

    /// A report that lies in the tree already says nothing of this run.
    fn forget_report(&self) {
        let GateParser::Lcov { report, .. } = &self.spec.parser else { return };
        // Where that fails, the report is refused for the same reason when it is read.
        let _ = unlink_beneath(self.run.checkout, Path::new(report));
    }
}

fn could_not_run(why: String) -> Reading {
    Reading { verdict: Verdict::CouldNotRun, detail: Some(why), line_percent: None }
}

fn timed_out(limit: Duration) -> Reading {
    let detail = format!("it did not end within {} and was killed", humantime::format_duration(limit));
    Reading { verdict: Verdict::TimedOut, detail: Some(detail), line_percent: None }
}

/// How a gate's tree ended.
#[derive(Clone, Copy)]
enum End {
    Exited(Exit),
    TimedOut,
}

/// Waits for the end of a tree, at most `limit` and the time to stop it, and keeps the ends of its output.
async fn attend(mut kept: Kept, limit: Duration, output_limit_bytes: usize) -> (End, String) {
    let control = kept.control();
    let output = Mutex::new(HeadTail::new(output_limit_bytes));
    let ending = async {
        if let Ok(exit) = timeout(limit, control.ended()).await {
            return End::Exited(exit);
        }
        control.terminate();
        if timeout(TERMINATE_FOR, control.ended()).await.is_err() {
            control.kill();
            control.ended().await;
        }
        End::TimedOut
    };
    let (end, (), ()) =
        tokio::join!(ending, drain(&mut kept.stdout, &output), drain(&mut kept.stderr, &output));
    let output = output.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    (end, output.text())
}

/// Reads a stream to its end into `output`, whole lines at a time, lest two streams cut each other's lines.
async fn drain(stream: &mut (impl AsyncRead + Unpin), output: &Mutex<HeadTail>) {
    let keep = |bytes: &[u8]| output.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(bytes);
    let mut chunk = vec![0; 64 * 1024];
    let mut waiting: Vec<u8> = Vec::new();
    // A stream that breaks has ended.
    while let Ok(read @ 1..) = stream.read(&mut chunk).await {
        let bytes = &chunk[..read];
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        if whole > 0 {
            keep(&waiting);
            waiting.clear();
            keep(&bytes[..whole]);
        }
        waiting.extend_from_slice(&bytes[whole..]);
        if waiting.len() > LINE_MAX_BYTES {
            keep(&waiting);
            waiting.clear();
        }
    }
    keep(&waiting);
}
