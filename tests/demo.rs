//! The demo as a user runs it: the real binary, from its start to the last trace of it.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic as tests do")]

mod sample;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::Duration,
};

use mosaic_coordinator::{
    domain::{
        event::{Event, TaskEvent},
        gate::{GateReport, Verdict},
        report::Report,
        route::Tier,
        task::Ended,
        view::{StateWord, TaskView},
    },
    store::{Store as _, sqlite::SqliteStore},
};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tempfile::TempDir;

/// Longer than a demo takes on a busy machine.
const BOUND: Duration = Duration::from_secs(240);

/// Folders that a demo gets for itself: its temporary and its working directory.
struct Ground {
    temporary: TempDir,
    working: TempDir,
}

/// A demo that runs.
struct Demo {
    child: Child,
    lines: Receiver<String>,
    told: String,
}

/// A demo that ended.
struct Played {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
}

impl Ground {
    fn new() -> Self {
        Self { temporary: tempfile::tempdir().unwrap(), working: tempfile::tempdir().unwrap() }
    }

    fn start(&self, options: &[&str]) -> Demo {
        self.start_with(options, &[])
    }

    #[allow(clippy::disallowed_methods)]
    fn start_with(&self, options: &[&str], variables: &[(&str, &str)]) -> Demo {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mosaic-coordinator"));
        command.arg("demo").args(options).current_dir(self.working.path());
        command.env_remove("LOG_LEVEL").env("TMPDIR", self.temporary.path());
        // Of a user's own configuration nothing counts.
        command.env("PORT", "1").env("GITEA_URL", "http://127.0.0.1:1").env("MOSAIC__POLICY__MERGE", "never");
        command.envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = lines(child.stderr.take().unwrap());
        Demo { child, lines, told: String::new() }
    }

    /// Neither file nor process has anything to do with these folders any more.
    fn assert_nothing_is_left(&self) {
        for folder in [&self.temporary, &self.working] {
            let left: Vec<PathBuf> =
                fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert!(left.is_empty(), "left behind: {left:?}");
            let concerned = processes_of(folder.path());
            assert!(concerned.is_empty(), "still there: {concerned:?}");
        }
    }
}

/// The lines of a stream as they come.
fn lines(stream: ChildStderr) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        lines.map(|line| line + "\n").try_for_each(|line| sender.send(line))
    });
    receiver
}

/// Command lines of the processes that name the folder in command line, environment or working directory.
fn processes_of(folder: &Path) -> Vec<String> {
    let needle = folder.as_os_str().as_encoded_bytes();
    let names = |bytes: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    let concerns = |process: &Path| {
        let reads = |file: &str| fs::read(process.join(file)).is_ok_and(|bytes| names(&bytes));
        reads("cmdline")
            || reads("environ")
            || fs::read_link(process.join("cwd")).is_ok_and(|at| at.starts_with(folder))
    };
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok).map(|entry| entry.path());
    processes
        .filter(|process| concerns(process))
        .map(|process| String::from_utf8_lossy(&fs::read(process.join("cmdline")).unwrap_or_default()).into())
        .collect()
}

impl Demo {
    /// Waits for a line that holds `text`, and gives it.
    fn wait_for(&mut self, text: &str) -> String {
        loop {
            match self.lines.recv_timeout(BOUND) {
                Ok(line) => {
                    self.told += &line;
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no `{text}` within {BOUND:?}:\n{}", self.told),
                Err(RecvTimeoutError::Disconnected) => panic!("no `{text}`:\n{}", self.told),
            }
        }
    }

    fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
    }

    /// Waits for its end.
    fn end(mut self) -> Played {
        loop {
            match self.lines.recv_timeout(BOUND) {
                Ok(line) => self.told += &line,
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("no end within {BOUND:?}:\n{}", self.told),
            }
        }
        let mut stdout = Vec::new();
        self.child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
        let code = self.child.wait().unwrap().code();
        Played { code, stdout, stderr: std::mem::take(&mut self.told) }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Where a test failed: its keepers end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn read(coordinator: &str, path: &str) -> Vec<u8> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(format!("{coordinator}{path}")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap().into()
}

#[derive(Deserialize)]
struct Tasks {
    tasks: Vec<TaskView>,
}

/// The gate reports of an issue, as the journal has them.
fn reports(store: &SqliteStore, number: u64) -> Vec<GateReport> {
    let events = store.read_after(0, 100_000).unwrap();
    let events = events.into_iter().map(|stored| serde_json::from_str(&stored.event.body).unwrap());
    events
        .filter_map(|event| match event {
            Event::Task { key, what: TaskEvent::Verified { report } } if key.issue.number == number => {
                Some(*report)
            }
            _ => None,
        })
        .collect()
}

fn red(report: &GateReport) -> Vec<&str> {
    let red = report.gates.iter().filter(|(_, gate)| gate.verdict != Verdict::Green);
    red.map(|(name, _)| name.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_issues_are_merged_and_everything_that_was_promised_happened() {
    let ground = Ground::new();
    let mut demo = ground.start(&["--json", "--hold", "--keep"]);
    let held = demo.wait_for("held until interrupted");
    let coordinator = held.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    let coordinator = coordinator.trim_end_matches(',').to_owned();
    let shown = read(&coordinator, "/api/v1/report").await;
    let Tasks { tasks } = serde_json::from_slice(&read(&coordinator, "/api/v1/tasks").await).unwrap();
    demo.interrupt();
    let Played { code, stdout, stderr } = demo.end();

    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&shown));
    assert!(!stderr.contains('\x1b'), "{stderr}");
    let report: Report = serde_json::from_slice(&stdout).unwrap();
    for (name, measure) in report.measures.named() {
        assert_eq!(measure.met, Some(true), "{name}: {measure:?}");
    }
    assert_eq!(report.tasks, BTreeMap::from([(StateWord::Done, 5)]));
    assert_eq!((report.rotations, report.continuations), (1, 1));
    assert_eq!((report.measures.free_models.numerator, report.measures.free_models.denominator), (4, 5));
    assert!(report.measures.estimates.numerator >= 4, "{report:?}");

    let pulls: Vec<u64> = tasks.iter().map(|task| task.pull_request.unwrap()).collect();
    assert_eq!(pulls.len(), 5);
    let tiers: Vec<Tier> = tasks.iter().map(|task| task.route.as_ref().unwrap().tier).collect();
    assert_eq!(tiers, [Tier::Free, Tier::Free, Tier::Free, Tier::Paid, Tier::Free]);
    let continuations: Vec<u32> = tasks.iter().map(|task| task.continuations).collect();
    assert_eq!(continuations, [0, 1, 0, 0, 0]);
    let ended: Vec<Vec<Option<Ended>>> =
        tasks.iter().map(|task| task.sessions.iter().map(|session| session.ended).collect()).collect();
    let one = vec![Some(Ended::Finished)];
    let two = vec![Some(Ended::Rotated), Some(Ended::Finished)];
    assert_eq!(ended, [one.clone(), one.clone(), two, one.clone(), one]);
    assert!(tasks[2].sessions[0].peak_occupancy.unwrap() >= 0.95);

    let kept = fs::read_dir(ground.temporary.path()).unwrap().next().unwrap().unwrap().path();
    assert!(stderr.contains(&format!("left: {}", kept.display())), "{stderr}");
    let store = SqliteStore::open(&kept.join("data/mosaic.db")).unwrap();
    let second = reports(&store, 2);
    assert_eq!(red(&second[0]), ["test"]);
    assert_eq!(red(second.last().unwrap()), [""; 0]);
    for number in [1, 3, 4, 5] {
        assert!(reports(&store, number).iter().all(|report| red(report).is_empty()), "#{number}");
    }
    assert_eq!(processes_of(ground.temporary.path()), [""; 0]);
    assert_eq!(fs::read_dir(ground.working.path()).unwrap().count(), 0);
}

#[test]
fn two_at_once_do_not_disturb_each_other_and_leave_nothing() {
    let ground = Ground::new();
    let demos = [ground.start(&[]), ground.start(&[])];
    for demo in demos {
        let Played { code, stdout, stderr } = demo.end();
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stderr.contains("5 issues closed, each by one merged pull request"), "{stderr}");
        let stdout = String::from_utf8(stdout).unwrap();
        for told in ["tasks: 5 done", "rotations: 1", "continuations: 1", "red first (test), green after"] {
            assert!(stdout.contains(told), "{told}: {stdout}");
        }
        assert!(!stdout.contains('\x1b') && !stderr.contains('\x1b'));
    }
    ground.assert_nothing_is_left();
}

#[test]
fn an_interrupt_in_the_middle_leaves_nothing() {
    let ground = Ground::new();
    let mut demo = ground.start(&["--json"]);
    demo.wait_for("running");
    demo.interrupt();
    let Played { code, stdout, stderr } = demo.end();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("demo: interrupted before its end"), "{stderr}");
    assert!(!stderr.contains("measure"), "{stderr}");
    assert!(stderr.contains("demo: #5 is blocked: waits for mona/almanac#4 to be closed"), "{stderr}");
    let report: Report = serde_json::from_slice(&stdout).unwrap();
    assert!(!report.tasks.contains_key(&StateWord::Done), "{report:?}");
    ground.assert_nothing_is_left();
}

#[test]
fn without_git_it_names_the_remedy() {
    let ground = Ground::new();
    let nowhere = ground.working.path().display().to_string();
    let Played { code, stdout, stderr } = ground.start_with(&[], &[("PATH", &nowhere)]).end();
    assert_eq!(code, Some(1));
    assert_eq!(stdout, b"");
    let told = "mosaic-coordinator: git is not found: install git 2.38 or newer and have it on the PATH\n";
    assert_eq!(stderr, told);
    ground.assert_nothing_is_left();
}

#[test]
fn a_port_that_is_taken_is_told_by_its_exit_code() {
    let ground = Ground::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let Played { code, stderr, .. } = ground.start(&["--port", &port]).end();
    assert_eq!(code, Some(69), "{stderr}");
    assert!(stderr.contains(&port), "{stderr}");
    ground.assert_nothing_is_left();
}
