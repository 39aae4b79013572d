//! The keeper: a mode of our own binary that owns one process tree.
//!
//! It is started by [`super::Keeper`] with the control channel as standard input, and the payload's output as
//! its own. Promises that the payload runs only as long as the other end of that channel is open, and that the
//! keeper ends last, when every process below it is gone. It stays a few hundred kilobytes large: no runtime, no
//! configuration. Never passes its own environment or descriptors to the payload.
//!
//! | line in | does |
//! |---|---|
//! | the errand (first) | takes the lock, starts the payload, answers `started`, `spawn_failed` or `busy` |
//! | `interrupt`, `terminate` | SIGINT, SIGTERM to the payload's group |
//! | `kill`, end of file | SIGKILL to the whole tree |

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, getpid, set_child_subreaper, setsid};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::lookup::{self, Missing};
use super::tree::Tree;
use super::wire::{Channel, Errand, Order, Refusal, Report};

/// The first argument that makes our binary a keeper.
pub const MODE: &str = "keeper";

/// Waiting for an older keeper, which is still killing its tree, takes at most tries times pause: 10 s.
const LOCK_TRIES: usize = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// The keeper's whole life; the exit code is 0 unless it could not do its work.
pub fn main() -> ExitCode {
    match keep() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("keeper: {error}; this mode is started by the coordinator only");
            ExitCode::FAILURE
        }
    }
}

fn keep() -> io::Result<()> {
    // Whatever the coordinator itself inherited from the one who started it stays out of the payload.
    close_fds::set_fds_cloexec(3, &[]);
    let mut wakes = Wakes::register()?;
    let mut channel = Channel::new(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?));
    let Some(errand) = receive(&mut channel)? else { return Ok(()) };
    setsid()?;
    set_child_subreaper(Some(getpid()))?;

    let _lock = match acquire(errand.lock.as_deref(), &mut channel) {
        Ok(Lock::Held(file)) => Some(file),
        Ok(Lock::NotAsked) => None,
        Ok(Lock::Busy) => return channel.send(&Report::Busy),
        Ok(Lock::ChannelClosed) => return Ok(()),
        Err(error) => {
            let message = format!("the lock file cannot be used: {error}");
            return channel.send(&Report::SpawnFailed { kind: Refusal::Other, message });
        }
    };
    let stdin = channel.take_descriptor();
    let leader = match start(&errand, stdin) {
        Ok(leader) => leader,
        Err((kind, message)) => return channel.send(&Report::SpawnFailed { kind, message }),
    };
    drop(errand);
    let mut tree = Tree::of(leader);
    // From here on no error may end the keeper before its tree is gone.
    let attended = let_go_of_output()
        .and_then(|()| channel.send(&Report::Started { pid: leader.as_raw_pid().unsigned_abs() }))
        .and_then(|()| attend(&mut tree, &mut channel, &mut wakes));
    tree.kill_all(|rest| wakes.wait(rest));
    let status = tree.leader_status();
    let report = Report::Exited {
        code: status.and_then(|status| status.exit_status()),
        signal: status.and_then(|status| status.terminating_signal()),
        leftovers: tree.leftovers(),
    };
    // Nobody may be listening any more, which is no fault of ours.
    let _ = channel.send(&report);
    attended
}

fn receive(channel: &mut Channel) -> io::Result<Option<Errand>> {
    loop {
        if let Some(errand) = channel.take()? {
            return Ok(Some(errand));
        }
        if channel.fill()? == 0 {
            return Ok(None);
        }
    }
}

/// Obeys until the leader has ended or the tree is to be killed.
fn attend(tree: &mut Tree, channel: &mut Channel, wakes: &mut Wakes) -> io::Result<()> {
    loop {
        tree.reap();
        if tree.leader_status().is_some() {
            return Ok(());
        }
        while let Some(order) = channel.take()? {
            match order {
                Order::Interrupt => tree.signal_group(Signal::INT),
                Order::Terminate => tree.signal_group(Signal::TERM),
                Order::Kill => return Ok(()),
            }
        }
        let mut watched =
            [PollFd::new(&*channel, PollFlags::IN), PollFd::new(&wakes.receiver, PollFlags::IN)];
        wait_for(&mut watched, None)?;
        let [spoken, woken] = watched.map(|fd| !fd.revents().is_empty());
        if woken {
            wakes.clear();
        }
        // A reset is an end like any other: the coordinator is gone.
        if spoken && channel.fill().unwrap_or(0) == 0 {
            return Ok(());
        }
    }
}

/// Signals as bytes on a socket: a child's end wakes the keeper, a signal meant to end it does no more than that.
///
/// Caught, not ignored: an ignored signal would stay ignored in the payload.
struct Wakes {
    receiver: UnixStream,
}

impl Wakes {
    fn register() -> io::Result<Self> {
        let (receiver, sender) = UnixStream::pair()?;
        receiver.set_nonblocking(true)?;
        for signal in [SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
            signal_hook::low_level::pipe::register(signal, sender.try_clone()?)?;
        }
        Ok(Self { receiver })
    }

    fn clear(&mut self) {
        let mut bytes = [0_u8; 256];
        while matches!(self.receiver.read(&mut bytes), Ok(count) if count > 0) {}
    }

    fn wait(&mut self, at_most: Duration) {
        // A poll that fails costs the pause between two passes, not the passes.
        let _ = wait_for(&mut [PollFd::new(&self.receiver, PollFlags::IN)], Some(at_most));
        self.clear();
    }
}

fn wait_for(watched: &mut [PollFd<'_>], at_most: Option<Duration>) -> io::Result<()> {
    let at_most = at_most.map(|time| Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    });
    match poll(watched, at_most.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

enum Lock {
    /// As long as this file is open.
    Held(File),
    NotAsked,
    Busy,
    ChannelClosed,
}

fn acquire(path: Option<&Path>, channel: &mut Channel) -> io::Result<Lock> {
    let Some(path) = path else { return Ok(Lock::NotAsked) };
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    for _ in 0..LOCK_TRIES {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Lock::Held(file)),
            Err(Errno::WOULDBLOCK | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut watched = [PollFd::new(&*channel, PollFlags::IN)];
        wait_for(&mut watched, Some(LOCK_PAUSE))?;
        let spoken = !watched[0].revents().is_empty();
        if spoken && channel.fill()? == 0 {
            return Ok(Lock::ChannelClosed);
        }
    }
    Ok(Lock::Busy)
}

fn start(errand: &Errand, stdin: Option<OwnedFd>) -> Result<Pid, (Refusal, String)> {
    match errand.cwd.metadata() {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Err((Refusal::NoDirectory, "it is not a folder".to_owned())),
        Err(error) => return Err((Refusal::NoDirectory, error.to_string())),
    }
    let stdin = match (errand.piped_stdin, stdin) {
        (true, Some(pipe)) => Stdio::from(pipe),
        (true, None) => return Err((Refusal::Other, "its standard input did not arrive".to_owned())),
        (false, _) => Stdio::null(),
    };
    let search_path = errand.env.get("PATH").map(String::as_str);
    let program =
        lookup::find(&errand.program, &errand.cwd, search_path).map_err(|missing| match missing {
            Missing::NotFound => (Refusal::NotFound, "no such file".to_owned()),
            Missing::NotExecutable(path) => {
                (Refusal::NotExecutable, format!("`{}` is no executable file", path.display()))
            }
        })?;
    #[expect(clippy::disallowed_methods, reason = "the one place that starts payloads")]
    let child = Command::new(program)
        .arg0(&errand.program)
        .args(&errand.args)
        .env_clear()
        .envs(&errand.env)
        .current_dir(&errand.cwd)
        .process_group(0)
        .stdin(stdin)
        .spawn()
        .map_err(refusal)?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    Ok(pid.expect("the kernel's process numbers are positive and fit"))
}

/// The file is there and marked executable, so what the kernel dislikes is its content.
fn refusal(error: io::Error) -> (Refusal, String) {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT) => (Refusal::NotExecutable, "its interpreter is missing".to_owned()),
        Some(Errno::NOEXEC) => (Refusal::NotExecutable, "it is no program for this machine".to_owned()),
        Some(Errno::ACCESS) => (Refusal::NotExecutable, "permission denied".to_owned()),
        _ => (Refusal::Other, error.to_string()),
    }
}

/// Leaves the output pipes to the payload alone, so that its closing them is seen at the other end.
fn let_go_of_output() -> io::Result<()> {
    let nowhere = OpenOptions::new().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&nowhere)?;
    rustix::stdio::dup2_stderr(&nowhere)?;
    Ok(())
}
