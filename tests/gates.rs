//! Gates as real process trees: what they see, how they end, and that nothing of them is left.

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use mosaic_coordinator::{
    domain::{
        gate::{GateParser, GateReport, GateResult, GateSet, GateSpec, Verdict},
        id::{CommitId, TreeId},
    },
    gate::{GateProgress, GateRun, gate_set_digest, run},
    process::Keeper,
};

/// A folder that stands for a checkout.
struct Bench {
    root: tempfile::TempDir,
    environment: BTreeMap<String, String>,
    told: Mutex<Vec<GateProgress>>,
}

fn sh(script: &str) -> GateSpec {
    GateSpec {
        command: ["sh", "-c", script].map(str::to_owned).into(),
        timeout_ms: 60_000,
        parser: GateParser::Exit,
    }
}

fn lcov(script: &str, report: &str) -> GateSpec {
    GateSpec { parser: GateParser::Lcov { report: report.to_owned(), min_line_percent: 50.0 }, ..sh(script) }
}

fn set(gates: impl IntoIterator<Item = (&'static str, GateSpec)>) -> GateSet {
    gates.into_iter().map(|(name, spec)| (name.to_owned(), spec)).collect()
}

impl Bench {
    #[allow(clippy::disallowed_methods)]
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("checkout")).unwrap();
        let path = std::env::var("PATH").unwrap();
        let environment = [("PATH", path.as_str()), ("HOME", "/home-of-gates"), ("GITEA_TOKEN", "canary")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { root, environment, told: Mutex::default() }
    }

    fn checkout(&self) -> PathBuf {
        self.root.path().join("checkout")
    }

    async fn run(&self, gates: &GateSet) -> GateReport {
        let report = run(GateRun {
            keeper: Keeper::at(PathBuf::from(env!("CARGO_BIN_EXE_mosaic-coordinator"))),
            checkout: &self.checkout(),
            scratch: self.root.path().join("scratch"),
            commit: CommitId("c".repeat(40)),
            tree: TreeId("7".repeat(40)),
            gates,
            environment: &self.environment,
            output_limit_bytes: 1024 * 1024,
            progress: |told| self.told.lock().unwrap().push(told),
        })
        .await;
        assert!(!self.root.path().join("scratch").exists());
        report
    }

    async fn one(&self, spec: GateSpec) -> GateResult {
        self.run(&set([("one", spec)])).await.gates.remove("one").unwrap()
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.checkout().join(file)).unwrap_or_default()
    }

    /// Whether the process whose number is in `file` is gone.
    fn is_gone(&self, file: &str) -> bool {
        let pid: u32 = self.read(file).trim().parse().unwrap();
        !Path::new(&format!("/proc/{pid}")).exists()
    }
}

async fn until(done: impl Fn() -> bool) {
    let mut pause = tokio::time::interval(Duration::from_millis(10));
    for _ in 0..3000 {
        if done() {
            return;
        }
        pause.tick().await;
    }
    panic!("it did not come about within 30 s");
}

#[tokio::test]
async fn a_report_has_every_gate_and_is_bound_to_tree_and_set() {
    let bench = Bench::new();
    let gates = set([("good", sh("echo fine")), ("bad", sh("echo broken >&2; exit 3"))]);
    let report = bench.run(&gates).await;
    assert_eq!(report.tree, TreeId("7".repeat(40)));
    assert_eq!(report.gate_set, gate_set_digest(&gates));
    assert_eq!(report.failing(), ["bad"]);
    let (good, bad) = (&report.gates["good"], &report.gates["bad"]);
    assert_eq!((good.verdict, good.exit_code, good.output.as_str()), (Verdict::Green, Some(0), "fine\n"));
    assert_eq!((bad.verdict, bad.exit_code, bad.output.as_str()), (Verdict::Red, Some(3), "broken\n"));
    assert_eq!(bad.command, ["sh", "-c", "echo broken >&2; exit 3"]);
    let told = bench.told.into_inner().unwrap();
    assert_eq!(told.len(), 4);
    let at = |progress| told.iter().position(|one| *one == progress).unwrap();
    assert!(at(GateProgress::Started("bad".into())) < at(GateProgress::Ended("bad".into(), Verdict::Red)));
    assert!(
        at(GateProgress::Started("good".into())) < at(GateProgress::Ended("good".into(), Verdict::Green))
    );
}

#[tokio::test]
async fn gates_that_wait_for_each_other_both_pass() {
    let bench = Bench::new();
    let wait =
        |mine: &str, other: &str| sh(&format!("touch {mine}; until test -e {other}; do sleep 0.02; done"));
    let report = bench.run(&set([("a", wait("a", "b")), ("b", wait("b", "a"))])).await;
    assert!(report.is_green(), "{report:?}");
}

#[tokio::test]
async fn a_gate_sees_only_what_it_is_allowed_to_and_has_folders_of_its_own() {
    let bench = Bench::new();
    let script = "env | cut -d= -f1 | sort | grep -v -e '^_$' -e '^PWD$' -e '^SHLVL$' -e '^OLDPWD$' | tr '\\n' ' '; \
        echo; echo $CI $HOME; test -d \"$TMPDIR\" && test -d \"$CARGO_TARGET_DIR\" && echo $TMPDIR $CARGO_TARGET_DIR; \
        pwd; test -t 0 || cat";
    let report = bench.run(&set([("a", sh(script)), ("b", sh(script))])).await;
    let lines = |name: &str| report.gates[name].output.lines().map(str::to_owned).collect::<Vec<_>>();
    let (a, b) = (lines("a"), lines("b"));
    assert_eq!(a[0].trim(), "CARGO_TARGET_DIR CI HOME PATH TMPDIR");
    assert_eq!(a[1], "1 /home-of-gates");
    let folders: std::collections::BTreeSet<_> = a[2].split(' ').chain(b[2].split(' ')).collect();
    assert_eq!(folders.len(), 4);
    assert_eq!(Path::new(&a[3]), bench.checkout().canonicalize().unwrap());
    assert!(report.is_green() && a.len() == 4);
}

#[tokio::test]
async fn any_amount_of_output_is_drained_and_bounded() {
    let bench = Bench::new();
    let script = "echo first; head -c 50000000 /dev/zero | tr '\\0' 'x'; echo; echo last; echo err >&2";
    let result = bench.one(sh(script)).await;
    assert_eq!(result.verdict, Verdict::Green);
    assert!(result.output.len() <= 1024 * 1024 + 64, "{}", result.output.len());
    assert!(result.output.starts_with("first\nxxx") && result.output.contains("bytes left out]"));
    assert!(result.output.ends_with("last\n") || result.output.ends_with("err\n"));
}

#[tokio::test]
async fn lines_of_the_two_streams_are_not_cut_by_each_other() {
    let bench = Bench::new();
    let script =
        "for i in 1 2 3 4 5 6 7 8 9; do printf out; printf err >&2; sleep 0.01; echo put; echo or >&2; done";
    let result = bench.one(sh(script)).await;
    let mut lines: Vec<_> = result.output.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, [["error"; 9], ["output"; 9]].concat());
}

#[tokio::test]
async fn a_gate_that_does_not_end_in_time_is_stopped_with_all_its_children() {
    let bench = Bench::new();
    let script = "trap 'echo stopped; exit 0' TERM; setsid sh -c 'echo $$ > detached; sleep 1000' & \
        sleep 1000 & echo $! > child; wait";
    let result = bench.one(GateSpec { timeout_ms: 3000, ..sh(script) }).await;
    assert_eq!((result.verdict, result.exit_code), (Verdict::TimedOut, None));
    assert_eq!(result.output, "stopped\n");
    assert_eq!(result.detail.unwrap(), "it did not end within 3s and was killed");
    assert!(result.duration_ms >= 3000);
    assert!(bench.is_gone("detached") && bench.is_gone("child"));
}

#[tokio::test]
async fn a_gate_that_ignores_the_request_to_stop_is_killed() {
    let bench = Bench::new();
    let script = "trap '' TERM; echo $$ > leader; while :; do sleep 0.1; done";
    let result = bench.one(GateSpec { timeout_ms: 2000, ..sh(script) }).await;
    assert_eq!(result.verdict, Verdict::TimedOut);
    assert!(result.duration_ms >= 7000 && bench.is_gone("leader"));
}

#[tokio::test]
async fn what_a_finished_gate_left_running_is_gone() {
    let bench = Bench::new();
    let script =
        "setsid sh -c 'echo $$ > detached; exec sleep 1000' & until test -s detached; do sleep 0.02; done";
    let result = bench.one(sh(script)).await;
    assert_eq!(result.verdict, Verdict::Green);
    assert!(bench.is_gone("detached"));
}

#[tokio::test]
async fn what_could_not_be_run_is_tried_once_more() {
    let bench = Bench::new();
    let at_second = bench.one(sh("test -e tried && exit 0; touch tried; exit 127")).await;
    assert_eq!(at_second.verdict, Verdict::Green);
    let never = bench.one(sh("echo x >> tries; exit 126")).await;
    assert_eq!((never.verdict, never.exit_code), (Verdict::CouldNotRun, Some(126)));
    assert_eq!(bench.read("tries"), "x\nx\n");
    let command = vec!["no-such-program".to_owned()];
    let missing = bench.one(GateSpec { command, ..sh("") }).await;
    assert_eq!((missing.verdict, missing.exit_code), (Verdict::CouldNotRun, None));
    assert!(missing.detail.unwrap().contains("`no-such-program` is not found"));
    let empty = bench.one(GateSpec { command: Vec::new(), ..sh("") }).await;
    assert_eq!(empty.verdict, Verdict::CouldNotRun);
    assert_eq!(empty.detail.unwrap(), "gate `one` has no command: give it one in the configuration");
}

#[tokio::test]
async fn a_red_gate_is_not_tried_again_and_a_signal_is_named() {
    let bench = Bench::new();
    let red = bench.one(sh("echo x >> tries; kill -SEGV $$")).await;
    assert_eq!((red.verdict, red.exit_code), (Verdict::Red, None));
    assert_eq!(red.detail.unwrap(), "ended by signal 11");
    assert_eq!(bench.read("tries"), "x\n");
}

#[tokio::test]
async fn a_coverage_report_counts_only_if_the_gate_wrote_it() {
    let bench = Bench::new();
    fs::write(bench.checkout().join("lcov.info"), "SF:a\nDA:1,1\n").unwrap();
    let stale = bench.one(lcov("true", "lcov.info")).await;
    assert_eq!(stale.verdict, Verdict::Red);
    assert_eq!(stale.detail.unwrap(), "the coverage report `lcov.info` was not written");
    let written = "printf 'SF:a\\nDA:1,1\\nDA:2,0\\nend_of_record\\n' > lcov.info";
    let fresh = bench.one(lcov(written, "lcov.info")).await;
    assert_eq!((fresh.verdict, fresh.line_percent), (Verdict::Green, Some(50.0)));
    let failed = bench.one(lcov(&format!("{written}; exit 1"), "lcov.info")).await;
    assert_eq!((failed.verdict, failed.line_percent), (Verdict::Red, Some(50.0)));
}

#[tokio::test]
async fn a_coverage_report_elsewhere_is_neither_read_nor_removed() {
    let bench = Bench::new();
    let outside = bench.root.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("lcov.info"), "SF:a\nDA:1,1\n").unwrap();
    let link = format!("ln -sf {}/lcov.info report; ln -sfn {} folder", outside.display(), outside.display());
    for report in ["report", "folder/lcov.info", "../outside/lcov.info"] {
        for _ in 0..2 {
            let result = bench.one(lcov(&link, report)).await;
            assert_eq!(result.verdict, Verdict::Red, "{report}");
            assert!(result.detail.unwrap().contains("refused"), "{report}");
        }
    }
    assert!(outside.join("lcov.info").exists());
}

#[tokio::test]
async fn a_run_that_is_dropped_leaves_nothing() {
    let bench = Bench::new();
    let gates =
        set([("a", sh("trap '' TERM; echo $$ > a; sleep 1000")), ("b", sh("echo $$ > b; exec sleep 1000"))]);
    {
        let run = bench.run(&gates);
        tokio::pin!(run);
        let started = until(|| bench.read("a").ends_with('\n') && bench.read("b").ends_with('\n'));
        tokio::select! {
            report = &mut run => panic!("{report:?}"),
            () = started => {}
        }
    }
    until(|| bench.is_gone("a") && bench.is_gone("b")).await;
    until(|| !bench.root.path().join("scratch").exists()).await;
}

#[tokio::test]
async fn no_gates_are_no_green_report() {
    let bench = Bench::new();
    assert!(!bench.run(&GateSet::new()).await.is_green());
}

#[tokio::test]
async fn a_run_may_be_moved_between_threads() {
    let gates = set([("one", sh("true"))]);
    let spawned = tokio::spawn(async move {
        let bench = Bench::new();
        bench.run(&gates).await.is_green()
    });
    assert!(spawned.await.unwrap());
}
