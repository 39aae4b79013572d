//! The processes below another one, read from `/proc`, and their end.
//!
//! Owns the walk over parents and the kill of a whole tree. Promises that [`Tree::kill_all`] returns only when
//! nothing of the tree is left, detached processes included: as a subreaper the keeper inherits every orphan, so
//! "no child left" is "no descendant left". Never looks at a process outside the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, kill_process_group, wait};

/// How often the freezing of a tree is repeated for processes forked meanwhile.
const FREEZE_PASSES: usize = 16;
/// The longest pause between two passes over a tree that does not end.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// One line of `/proc/<pid>/stat`, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    pid: i32,
    parent: i32,
    group: i32,
    session: i32,
    zombie: bool,
    /// Its own time, in clock ticks.
    own_ticks: u64,
    /// The time of its children that were waited for, in clock ticks.
    waited_ticks: u64,
}

impl Process {
    /// From the text of `/proc/<pid>/stat`; the name in brackets may itself hold spaces and brackets.
    fn parse(stat: &str) -> Option<Self> {
        let (front, back) = stat.rsplit_once(')')?;
        let pid = front.split_once(' ')?.0.parse().ok()?;
        let fields: Vec<&str> = back.split_ascii_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<i64>().ok();
        let id = |index: usize| i32::try_from(number(index)?).ok();
        let ticks = |index: usize| u64::try_from(number(index)?).ok();
        Some(Self {
            pid,
            parent: id(1)?,
            group: id(2)?,
            session: id(3)?,
            zombie: matches!(*fields.first()?, "Z" | "X"),
            own_ticks: ticks(11)? + ticks(12)?,
            waited_ticks: ticks(13)? + ticks(14)?,
        })
    }
}

/// Everything that runs now. Not atomic: what forks meanwhile may be missing.
fn processes() -> io::Result<Vec<Process>> {
    // Seen through the `/proc` of another namespace, our numbers would mean somebody else's processes.
    let own = rustix::process::getpid().as_raw_pid().to_string();
    if fs::read_link("/proc/self")?.as_os_str() != own.as_str() {
        return Err(io::Error::other("/proc is that of another process namespace"));
    }
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let is_process = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        if !is_process {
            continue;
        }
        // A process that ended since the listing is simply not there any more.
        let Ok(stat) = fs::read(path.join("stat")) else { continue };
        found.extend(Process::parse(&String::from_utf8_lossy(&stat)));
    }
    Ok(found)
}

/// Those of `all` that are below `root`, without itself.
fn below(root: Pid, all: Vec<Process>) -> Vec<Process> {
    let mut children: BTreeMap<i32, Vec<Process>> = BTreeMap::new();
    for process in all {
        children.entry(process.parent).or_default().push(process);
    }
    let mut found: Vec<Process> = children.remove(&root.as_raw_pid()).unwrap_or_default();
    let mut next = 0;
    while let Some(process) = found.get(next) {
        found.extend(children.remove(&process.pid).unwrap_or_default());
        next += 1;
    }
    found
}

fn signal(pid: i32, signal: Signal) {
    // Gone meanwhile is as good as signalled, and what belongs to another user is beyond us.
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

/// Processor time of all that ever ran below the keeper `root`, in milliseconds; none when it has ended.
pub(super) fn cpu_ms(root: Pid) -> Option<u64> {
    let all = processes().ok()?;
    let waited = all.iter().find(|process| process.pid == root.as_raw_pid() && !process.zombie)?.waited_ticks;
    let running: u64 = below(root, all).iter().map(|process| process.own_ticks + process.waited_ticks).sum();
    Some((waited + running) * 1000 / rustix::param::clock_ticks_per_second().max(1))
}

/// Kills what is left of a session whose leader is lost; how many were still there.
pub(super) fn kill_session(session: Pid) -> io::Result<usize> {
    let members = processes()?
        .into_iter()
        .filter(|process| process.session == session.as_raw_pid() && !process.zombie)
        .collect::<Vec<_>>();
    for process in &members {
        signal(process.pid, Signal::KILL);
    }
    // The keeper itself leads the session; it may take a moment to be seen as gone, and is no leftover.
    Ok(members.iter().filter(|process| process.pid != session.as_raw_pid()).count())
}

/// The tree below this very process, which must be a subreaper and have no other children.
pub(super) struct Tree {
    root: Pid,
    leader: Pid,
    status: Option<WaitStatus>,
    killed: BTreeSet<i32>,
}

impl Tree {
    /// The tree that began with the child `leader`.
    pub(super) fn of(leader: Pid) -> Self {
        Self { root: rustix::process::getpid(), leader, status: None, killed: BTreeSet::new() }
    }

    /// How the leader ended, once it has.
    pub(super) fn leader_status(&self) -> Option<WaitStatus> {
        self.status
    }

    /// How many processes besides the leader were killed.
    pub(super) fn leftovers(&self) -> u32 {
        u32::try_from(self.killed.len()).unwrap_or(u32::MAX)
    }

    /// Signals the leader's group; not once the leader is reaped, for its number may then be another's.
    pub(super) fn signal_group(&self, signal: Signal) {
        if self.status.is_none() {
            let _ = kill_process_group(self.leader, signal);
        }
    }

    /// Takes the statuses of all children that ended; whether any child is left.
    pub(super) fn reap(&mut self) -> bool {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.leader => self.status = Some(status),
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => return true,
                // There is but one other error: no child.
                Err(_) => return false,
            }
        }
    }

    /// Kills until nothing is left, whatever fails; `pause` waits that long, or until a child ends.
    pub(super) fn kill_all(&mut self, mut pause: impl FnMut(Duration)) {
        let mut rest = Duration::from_millis(1);
        while self.reap() {
            self.kill_pass();
            pause(rest);
            rest = (rest * 2).min(LONGEST_PAUSE);
        }
    }

    fn kill_pass(&mut self) {
        let found = self.freeze();
        let own_group = self.root.as_raw_pid();
        let groups: BTreeSet<i32> = found.values().copied().filter(|&group| group != own_group).collect();
        // A group's kill is atomic against fork. Its members are ours alone: nobody can join a group of
        // another session, and ours began with this process.
        for group in groups.into_iter().filter_map(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        for &pid in found.keys() {
            signal(pid, Signal::KILL);
            if pid != self.leader.as_raw_pid() {
                self.killed.insert(pid);
            }
        }
        // What can be had without `/proc`, should it not be readable.
        self.signal_group(Signal::KILL);
    }

    /// Stops the tree, repeating for what was forked meanwhile; the group of each process found alive.
    ///
    /// Stopped first and killed afterwards, since a kill frees the slots that a fork bomb is waiting for.
    fn freeze(&self) -> BTreeMap<i32, i32> {
        let mut found = BTreeMap::new();
        for _ in 0..FREEZE_PASSES {
            let fresh: Vec<Process> = below(self.root, processes().unwrap_or_default())
                .into_iter()
                .filter(|process| !process.zombie && !found.contains_key(&process.pid))
                .collect();
            if fresh.is_empty() {
                break;
            }
            for process in fresh {
                signal(process.pid, Signal::STOP);
                found.insert(process.pid, process.group);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, parent: i32) -> Process {
        Process { pid, parent, group: pid, session: 1, zombie: false, own_ticks: 0, waited_ticks: 0 }
    }

    fn pid(raw: i32) -> Pid {
        Pid::from_raw(raw).unwrap()
    }

    #[test]
    fn stat_with_brackets_and_spaces_in_the_name_is_read() {
        let stat = "4711 (a) S 1 (b) Z 17 4700 4600 0 -1 4194560 1 2 3 4 50 6 70 8 20 0 1 0 99 1 1 1\n";
        let expected = Process {
            pid: 4711,
            parent: 17,
            group: 4700,
            session: 4600,
            zombie: true,
            own_ticks: 56,
            waited_ticks: 78,
        };
        assert_eq!(Process::parse(stat), Some(expected));
    }

    #[test]
    fn cut_or_foreign_stat_is_no_process() {
        for stat in ["", "17", "17 (sh)", "17 (sh) S 1 1", "x (sh) S 1 1 1 0 0 0 0 0 0 0 1 1 1 1"] {
            assert_eq!(Process::parse(stat), None, "{stat:?}");
        }
    }

    #[test]
    fn tree_holds_all_generations_and_nobody_else() {
        let all = vec![process(40, 30), process(10, 1), process(20, 10), process(30, 20), process(50, 1)];
        let mut found: Vec<i32> = below(pid(10), all).into_iter().map(|process| process.pid).collect();
        found.sort_unstable();
        assert_eq!(found, [20, 30, 40]);
    }

    #[test]
    fn listing_shows_this_very_process() {
        let own = rustix::process::getpid().as_raw_pid();
        let listed = processes().unwrap().into_iter().find(|process| process.pid == own).unwrap();
        assert!(!listed.zombie);
        assert!(listed.parent > 0);
    }

    #[test]
    fn processor_time_of_a_process_that_is_not_there_is_unknown() {
        assert_eq!(cpu_ms(pid(i32::MAX)), None);
    }
}
