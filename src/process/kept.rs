//! The coordinator's side of a keeper: starting a tree, holding it, stopping it.
//!
//! Owns the control channel and the waiting. Promises that a tree lives no longer than the last [`Kept`] or
//! [`Control`] of it, and that an [`Exit`] means that the whole tree is gone. Never blocks a thread and never
//! cares which thread starts a tree: the keeper listens for the end of the channel, not for a parent's death.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::pipe::Sender;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::{interval, timeout};

use super::keeper;
use super::lines::{BoundedLines, Line};
use super::spec::{Exit, Ladder, Spec, StdinMode};
use super::tree;
use super::wire::{self, Errand, Order, Refusal, Report};

/// A keeper answers at once, or after its wait for the lock; what takes longer is no keeper.
const START_LIMIT: Duration = Duration::from_secs(30);
/// The longest line of a keeper.
const REPORT_LIMIT_BYTES: usize = 64 * 1024;
/// How often what a lost keeper left behind is killed again, and how long between.
const LOST_PASSES: usize = 100;
const LOST_PAUSE: Duration = Duration::from_millis(10);

/// Starts process trees, each under a keeper of its own.
#[derive(Debug, Clone)]
pub struct Keeper {
    exe: PathBuf,
}

/// Why a tree was not started. Nothing of it runs.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Nothing of that name on the `PATH` given, or at that path.
    #[error("program `{program}` is not found: install it, or give its full path or a PATH that has it")]
    NotFound { program: String },
    /// The file is there but cannot be run.
    #[error("program `{program}` cannot be executed: {message}")]
    NotExecutable { program: String, message: String },
    /// The working directory is missing or no folder.
    #[error("working directory `{}` cannot be used: {message}", path.display())]
    NoDirectory { path: PathBuf, message: String },
    /// An older tree held the lock for the whole wait of 10 s.
    #[error("`{}` is locked by a process tree that has not ended: stop it first", lock.display())]
    Busy { lock: PathBuf },
    /// Anything else, the keeper's own failure included.
    #[error("program `{program}` could not be started: {message}")]
    Other { program: String, message: String },
}

/// A running tree. Dropping it and all its controls kills the tree.
///
/// Its output must be read: a payload blocks on a full pipe.
#[derive(Debug)]
pub struct Kept {
    /// The payload's standard input, when asked for; dropping it closes it.
    pub stdin: Option<Sender>,
    /// The payload's standard output.
    pub stdout: ChildStdout,
    /// The payload's standard error.
    pub stderr: ChildStderr,
    control: Control,
}

/// A hold on a running tree; clones are equal.
#[derive(Debug, Clone)]
pub struct Control {
    orders: mpsc::UnboundedSender<Order>,
    exit: watch::Receiver<Option<Exit>>,
    keeper: Pid,
    leader: u32,
}

impl Keeper {
    /// Keepers are run from `exe`, which must be our own binary; `/proc/self/exe` survives its replacement.
    pub fn at(exe: PathBuf) -> Self {
        Self { exe }
    }

    /// Starts a tree; it runs when this returns.
    ///
    /// Waits up to 10 s for the lock. Must be called within a tokio runtime, and the tree ends with that
    /// runtime; when the future is dropped, nothing is started or what was started is killed.
    pub async fn start(&self, spec: Spec) -> Result<Kept, StartError> {
        let origin = Origin::of(&spec);
        timeout(START_LIMIT, self.start_under(spec, &origin))
            .await
            .unwrap_or_else(|_| Err(origin.other("its keeper does not answer")))
    }

    async fn start_under(&self, spec: Spec, origin: &Origin) -> Result<Kept, StartError> {
        let mut launched = self.launch(spec).await.map_err(|error| origin.other(error))?;
        let report = launched.reports.next().await.map_err(|error| origin.other(error))?;
        let leader = match report {
            Some(Report::Started { pid }) => pid,
            Some(other) => return Err(origin.refused(other)),
            None => return Err(origin.other("its keeper ended at once")),
        };
        let (orders, receiver) = mpsc::unbounded_channel();
        let (sender, exit) = watch::channel(None);
        let control = Control { orders, exit, keeper: launched.pid, leader };
        let Launched { child, pid, reports, channel, stdin, stdout, stderr } = launched;
        tokio::spawn(async move {
            // The receiver outlives the tree only where a control does, so a missed answer harms nobody.
            let _ = sender.send(Some(attend(child, pid, reports, channel, receiver).await));
        });
        Ok(Kept { stdin, stdout, stderr, control })
    }

    async fn launch(&self, spec: Spec) -> io::Result<Launched> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let ours = UnixStream::from_std(ours)?;
        let (theirs_in, ours_in) = match spec.stdin {
            StdinMode::Empty => (None, None),
            StdinMode::Piped => {
                let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
                (Some(read), Some(Sender::from_owned_fd(write)?))
            }
        };
        let errand = wire::encode(&Errand {
            program: spec.program,
            args: spec.args,
            cwd: std::path::absolute(spec.cwd)?,
            env: spec.env,
            piped_stdin: theirs_in.is_some(),
            lock: spec.lock.map(std::path::absolute).transpose()?,
        })?;
        #[expect(clippy::disallowed_methods, reason = "the one place that starts keepers")]
        let mut command = Command::new(std::path::absolute(&self.exe)?);
        // The keeper's folder is the root, lest it hold a workspace that is to be removed.
        command.arg(keeper::MODE).arg(spec.label).env_clear().current_dir("/");
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("the keeper `{}`: {error}", self.exe.display()))
        })?;
        // The command still holds the keeper's end, and only the last copy closed is an end of file.
        drop(command);
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("the keeper has no process number"))?;
        let piped = "was asked for as a pipe and not yet taken";
        let stdout = child.stdout.take().expect(piped);
        let stderr = child.stderr.take().expect(piped);
        wire::hand_over(&ours, &errand, theirs_in.as_ref().map(AsFd::as_fd)).await?;
        let (reader, channel) = ours.into_split();
        Ok(Launched { child, pid, reports: Reports::new(reader), channel, stdin: ours_in, stdout, stderr })
    }
}

struct Launched {
    child: Child,
    pid: Pid,
    reports: Reports,
    channel: OwnedWriteHalf,
    stdin: Option<Sender>,
    stdout: ChildStdout,
    stderr: ChildStderr,
}

/// What of a spec its errors speak of.
struct Origin {
    program: String,
    cwd: PathBuf,
    lock: Option<PathBuf>,
}

impl Origin {
    fn of(spec: &Spec) -> Self {
        Self { program: spec.program.clone(), cwd: spec.cwd.clone(), lock: spec.lock.clone() }
    }

    fn other(&self, message: impl ToString) -> StartError {
        StartError::Other { program: self.program.clone(), message: message.to_string() }
    }

    fn refused(&self, report: Report) -> StartError {
        let program = self.program.clone();
        match report {
            Report::SpawnFailed { kind: Refusal::NotFound, .. } => StartError::NotFound { program },
            Report::SpawnFailed { kind: Refusal::NotExecutable, message } => {
                StartError::NotExecutable { program, message }
            }
            Report::SpawnFailed { kind: Refusal::NoDirectory, message } => {
                StartError::NoDirectory { path: self.cwd.clone(), message }
            }
            Report::SpawnFailed { kind: Refusal::Other, message } => StartError::Other { program, message },
            Report::Busy => StartError::Busy { lock: self.lock.clone().unwrap_or_default() },
            unexpected => self.other(format!("its keeper answered {unexpected:?}")),
        }
    }
}

/// The keeper's lines, decoded.
struct Reports {
    lines: BoundedLines<OwnedReadHalf>,
}

impl Reports {
    fn new(reader: OwnedReadHalf) -> Self {
        Self { lines: BoundedLines::new(reader, REPORT_LIMIT_BYTES) }
    }

    /// The next report; none when the keeper has ended. May be dropped and called again.
    async fn next(&mut self) -> io::Result<Option<Report>> {
        match self.lines.next().await {
            Ok(Some(Line::Text(text))) => serde_json::from_str(&text).map(Some).map_err(io::Error::from),
            Ok(Some(Line::TooLong { .. })) => Err(io::Error::other("its keeper speaks something else")),
            Ok(None) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Passes orders on until all who could give one are gone, then closes the channel; ends with the keeper.
async fn attend(
    mut child: Child,
    keeper: Pid,
    mut reports: Reports,
    channel: OwnedWriteHalf,
    mut orders: mpsc::UnboundedReceiver<Order>,
) -> Exit {
    let mut channel = Some(channel);
    let exit = loop {
        tokio::select! {
            report = reports.next() => match report {
                Ok(Some(Report::Exited { code, signal, leftovers })) => break Some(Exit { code, signal, leftovers }),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break None,
            },
            order = orders.recv(), if channel.is_some() => match (order, &mut channel) {
                (Some(order), Some(writer)) => {
                    // A keeper that no longer listens has ended or is about to say so.
                    if let Ok(line) = wire::encode(&order) {
                        let _ = writer.write_all(&line).await;
                    }
                }
                _ => channel = None,
            },
        }
    };
    let exit = match exit {
        Some(exit) => exit,
        None => clear_after_lost(&mut child, keeper).await,
    };
    // Nothing can go wrong here but that somebody else has reaped it already.
    let _ = child.wait().await;
    exit
}

/// The keeper ended without a word: someone killed it. What it kept cannot be known for sure any more, so its
/// session is killed; its number is safe to use as long as the keeper is not reaped.
async fn clear_after_lost(child: &mut Child, keeper: Pid) -> Exit {
    // It may have closed the channel and live on; nothing good comes from that.
    let _ = child.start_kill();
    let mut leftovers = 0;
    let mut pause = interval(LOST_PAUSE);
    for pass in 0..LOST_PASSES {
        let found = tree::kill_session(keeper).unwrap_or(0);
        if pass == 0 {
            leftovers = found;
        }
        if found == 0 {
            break;
        }
        pause.tick().await;
    }
    Exit { code: None, signal: None, leftovers: u32::try_from(leftovers).unwrap_or(u32::MAX) }
}

impl Kept {
    /// A further hold on the tree; it lives as long as any of them.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Waits until the whole tree is gone. May be dropped and called again.
    pub async fn wait(&mut self) -> Exit {
        self.control.ended().await
    }
}

impl Control {
    /// SIGINT to the leader's group.
    pub fn interrupt(&self) {
        self.order(Order::Interrupt);
    }

    /// SIGTERM to the leader's group.
    pub fn terminate(&self) {
        self.order(Order::Terminate);
    }

    /// SIGKILL to the whole tree.
    pub fn kill(&self) {
        self.order(Order::Kill);
    }

    fn order(&self, order: Order) {
        // The tree is gone already: there is nothing to be done.
        let _ = self.orders.send(order);
    }

    /// Interrupts, then terminates, then kills, as far as it needs; returns when the whole tree is gone.
    pub async fn stop(&self, ladder: Ladder) -> Exit {
        self.interrupt();
        if let Ok(exit) = timeout(ladder.interrupt_for, self.ended()).await {
            return exit;
        }
        self.terminate();
        if let Ok(exit) = timeout(ladder.terminate_for, self.ended()).await {
            return exit;
        }
        self.kill();
        self.ended().await
    }

    /// Waits until the whole tree is gone. May be dropped and called again.
    pub async fn ended(&self) -> Exit {
        let mut exit = self.exit.clone();
        let seen = exit.wait_for(Option::is_some).await.ok().and_then(|exit| *exit);
        // The runtime of the start has ended, and with it the channel: the tree is being killed.
        seen.unwrap_or(Exit { code: None, signal: None, leftovers: 0 })
    }

    /// Processor time of the whole tree so far, ended processes included, in milliseconds; none once it is gone.
    pub fn cpu_ms(&self) -> Option<u64> {
        self.pid().and_then(|_| tree::cpu_ms(self.keeper))
    }

    /// The leader's process number; none once the tree is gone.
    pub fn pid(&self) -> Option<u32> {
        self.exit.borrow().is_none().then_some(self.leader)
    }
}
