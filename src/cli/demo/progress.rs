//! What there is to watch: a line for each task, with its state, the use of its context and its gates.
//!
//! Promises to draw anew only what changed. On a terminal the lines are redrawn in place; elsewhere each change of a
//! task's state is a line of its own, without any code that steers a terminal.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, IsTerminal as _, Stderr, Write},
};

use crate::domain::view::{GateView, GateWord, StateWord, TaskView};

/// Columns taken where a terminal does not tell how many it has.
const COLUMNS: usize = 80;
/// Cells of the bar.
const BAR: usize = 10;

/// What was drawn last.
pub(super) struct Progress<W> {
    out: W,
    /// On a terminal: how many columns it has.
    columns: Option<usize>,
    drawn: Vec<String>,
    told: BTreeMap<u64, Told>,
    red: BTreeMap<u64, BTreeSet<String>>,
}

/// What of a task is worth a line where nothing can be redrawn.
#[derive(PartialEq, Eq)]
struct Told {
    state: StateWord,
    sessions: usize,
    continuations: u32,
}

impl Progress<Stderr> {
    /// On standard error; `plain` draws nothing in place even on a terminal.
    pub(super) fn on_stderr(environment: &BTreeMap<String, String>, plain: bool) -> Self {
        let stderr = io::stderr();
        let is_dumb = environment.get("TERM").is_none_or(|term| term == "dumb");
        let columns = (stderr.is_terminal() && !is_dumb && !plain).then(|| {
            let size = rustix::termios::tcgetwinsize(&stderr).map_or(0, |size| usize::from(size.ws_col));
            if size == 0 { COLUMNS } else { size }
        });
        Self::new(stderr, columns)
    }
}

impl<W: Write> Progress<W> {
    fn new(out: W, columns: Option<usize>) -> Self {
        Self { out, columns, drawn: Vec::new(), told: BTreeMap::new(), red: BTreeMap::new() }
    }

    /// Shows the tasks as they are now.
    pub(super) fn show(&mut self, tasks: &[TaskView]) -> io::Result<()> {
        for task in tasks {
            let red = task.gates.iter().filter(|gate| gate.verdict == GateWord::Red);
            let names: Vec<String> = red.map(|gate| gate.name.clone()).collect();
            if !names.is_empty() {
                self.red.entry(task.issue.number).or_default().extend(names);
            }
        }
        match self.columns {
            Some(columns) => self.redraw(tasks, columns),
            None => self.tell(tasks),
        }
    }

    /// Gates that were seen red, by issue.
    pub(super) fn seen_red(&self) -> &BTreeMap<u64, BTreeSet<String>> {
        &self.red
    }

    fn redraw(&mut self, tasks: &[TaskView], columns: usize) -> io::Result<()> {
        let lines: Vec<String> =
            tasks.iter().map(|task| line(task).chars().take(columns.saturating_sub(1)).collect()).collect();
        if lines == self.drawn {
            return Ok(());
        }
        let mut text = String::new();
        if !self.drawn.is_empty() {
            text += &format!("\x1b[{}A", self.drawn.len());
        }
        for line in &lines {
            text += &format!("\r{line}\x1b[K\n");
        }
        self.drawn = lines;
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    fn tell(&mut self, tasks: &[TaskView]) -> io::Result<()> {
        for task in tasks {
            let now =
                Told { state: task.state, sessions: task.sessions.len(), continuations: task.continuations };
            if self.told.get(&task.issue.number) == Some(&now) {
                continue;
            }
            writeln!(self.out, "{}", line(task))?;
            self.told.insert(task.issue.number, now);
        }
        self.out.flush()
    }
}

/// A task on one line.
fn line(task: &TaskView) -> String {
    let (bar, percent) = match task.sessions.last().and_then(|session| session.occupancy) {
        Some(occupancy) => (bar(occupancy), format!("{:>3.0} %", (occupancy * 100.0).floor())),
        None => ("-".repeat(BAR), "    -".to_owned()),
    };
    let state = match (task.state, task.sessions.len()) {
        (StateWord::Running, sessions @ 2..) => format!("running s{sessions}"),
        (state, _) => state.as_str().to_owned(),
    };
    let gates = task.gates.iter().map(gate).collect::<Vec<_>>().join(" ");
    let title = match &task.reason {
        Some(reason) if task.state == StateWord::Parked => reason.lines().next().unwrap_or_default(),
        _ => &task.title,
    };
    let gates = if gates.is_empty() { gates } else { format!("{gates}  ") };
    let parts = format!("#{}  {state:<10}  [{bar}] {percent}  {gates}{title}", task.issue.number);
    parts.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn bar(occupancy: f64) -> String {
    let full = ((occupancy * BAR as f64).round() as usize).min(BAR);
    format!("{}{}", "#".repeat(full), "-".repeat(BAR - full))
}

fn gate(gate: &GateView) -> String {
    let verdict = match gate.verdict {
        GateWord::Pending => "..",
        GateWord::Running => "~",
        GateWord::Green => "ok",
        GateWord::Red => "RED",
        GateWord::CouldNotRun => "could-not-run",
        GateWord::NoTests => "no-tests",
        GateWord::TimedOut => "timed-out",
    };
    format!("{} {verdict}", gate.name)
}

#[cfg(test)]
#[path = "progress_tests.rs"]
pub(super) mod tests;
