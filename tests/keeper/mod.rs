//! Process trees under real keepers: what runs, what is reported, and that nothing is ever left.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod coordinator_death;
mod ending;
mod running;
mod starting;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mosaic_coordinator::process::{Exit, Keeper, Kept, Spec, StartError, StdinMode};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::time::{interval, timeout};

/// Far above what anything here takes, even on a busy machine.
const BOUND: Duration = Duration::from_secs(30);
const MARK: &str = "KEEPER_BENCH";

/// A folder of its own, and a mark in the environment by which every process of the test is found again.
struct Bench {
    folder: TempDir,
    keeper: Keeper,
}

impl Bench {
    fn new() -> Self {
        let exe = PathBuf::from(env!("CARGO_BIN_EXE_mosaic-coordinator"));
        Self { folder: tempfile::tempdir().unwrap(), keeper: Keeper::at(exe) }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn mark(&self) -> String {
        format!("{MARK}={}", self.path().display())
    }

    fn spec(&self, program: &str, args: &[&str]) -> Spec {
        spec_in(self.path(), program, args)
    }

    async fn start(&self, spec: Spec) -> Result<Kept, StartError> {
        timeout(BOUND, self.keeper.start(spec)).await.expect("a start is bounded")
    }

    async fn shell(&self, script: &str) -> Kept {
        self.start(self.spec("sh", &["-c", script])).await.unwrap()
    }

    fn write_program(&self, name: &str, content: &str, mode: u32) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    async fn file_appears(&self, name: &str) {
        let path = self.path().join(name);
        eventually(name, || path.exists()).await;
    }

    /// Every live process that inherited the mark.
    fn processes(&self) -> Vec<i32> {
        let mark = self.mark();
        numbers()
            .filter(|pid| {
                fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| {
                    environ.split(|&byte| byte == 0).any(|entry| entry == mark.as_bytes())
                })
            })
            .collect()
    }

    /// Every process whose command line holds the bench's folder: the keepers, by their label.
    fn keepers(&self) -> Vec<i32> {
        let label = self.path().display().to_string();
        numbers()
            .filter(|pid| {
                fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| {
                    line.split(|&byte| byte == 0).any(|argument| argument == label.as_bytes())
                })
            })
            .collect()
    }

    async fn nothing_is_left(&self) {
        eventually("no process and no keeper left", || {
            self.processes().is_empty() && self.keepers().is_empty()
        })
        .await;
    }
}

fn spec_in(folder: &Path, program: &str, args: &[&str]) -> Spec {
    Spec {
        label: folder.display().to_string(),
        program: program.to_owned(),
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        cwd: folder.to_owned(),
        env: BTreeMap::from([
            ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
            (MARK.to_owned(), folder.display().to_string()),
        ]),
        stdin: StdinMode::Empty,
        lock: None,
    }
}

fn numbers() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// Zombies included.
fn children_of(pid: i32) -> Vec<i32> {
    numbers().filter(|&child| parent_of(child) == Some(pid)).collect()
}

fn leader_of(kept: &Kept) -> i32 {
    kept.control().pid().expect("the tree runs").try_into().unwrap()
}

fn keeper_of(kept: &Kept) -> i32 {
    parent_of(leader_of(kept)).expect("the leader is not reaped")
}

fn send(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let mut pause = interval(Duration::from_millis(10));
    let waiting = async {
        while !holds() {
            pause.tick().await;
        }
    };
    timeout(BOUND, waiting).await.unwrap_or_else(|_| panic!("not within {BOUND:?}: {what}"));
}

async fn end_of(kept: &mut Kept) -> Exit {
    timeout(BOUND, kept.wait()).await.expect("the tree ends in bounded time")
}

async fn stdout_of(kept: &mut Kept) -> String {
    let mut text = String::new();
    timeout(BOUND, kept.stdout.read_to_string(&mut text)).await.expect("the output ends").unwrap();
    text
}

fn ended(code: i32) -> Exit {
    Exit { code: Some(code), signal: None, leftovers: 0 }
}

fn killed(leftovers: u32) -> Exit {
    Exit { code: None, signal: Some(9), leftovers }
}
