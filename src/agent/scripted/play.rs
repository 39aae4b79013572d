//! The steps of a script, played.
//!
//! Owns every effect: files, commands, messages. Promises that a step which waits ends with a cancel, and that
//! what a step cannot do ends the turn with an error that names it.

use std::{
    fs,
    io::{self, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::{
    DETACHED,
    client::Cut,
    program,
    script::{Act, ErrorEnd, Grow, PlanLine, Usage},
    shell,
    stage::{Spend, Stage},
};

/// How often a waiting step looks again.
const LOOK: Duration = Duration::from_millis(10);

/// Author, committer and instant of scripted commits, so that they are the same in every run.
const GIT_IDENTITY: [(&str, &str); 6] = [
    ("GIT_AUTHOR_NAME", "Scripted Agent"),
    ("GIT_AUTHOR_EMAIL", "scripted-agent@localhost"),
    ("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z"),
    ("GIT_COMMITTER_NAME", "Scripted Agent"),
    ("GIT_COMMITTER_EMAIL", "scripted-agent@localhost"),
    ("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z"),
];

impl Stage {
    /// Plays one step.
    pub(super) fn act(&mut self, act: &Act, prompt: &str) -> Result<(), Cut> {
        match act {
            Act::Say { text } => self.chunk("agent_message_chunk", &self.filled(text)),
            Act::Think { text } => self.chunk("agent_thought_chunk", &self.filled(text)),
            Act::Plan { entries } => self.plan(entries),
            Act::Write { path, content } => {
                let (path, content) = (self.filled(path), self.filled(content));
                return self.tool(&format!("write {path}"), |at| put(&at.join(&path), &content, false));
            }
            Act::Append { path, content } => {
                let (path, content) = (self.filled(path), self.filled(content));
                return self.tool(&format!("append {path}"), |at| put(&at.join(&path), &content, true));
            }
            Act::Delete { path } => {
                let path = self.filled(path);
                return self.tool(&format!("delete {path}"), |at| fs::remove_file(at.join(&path)));
            }
            Act::Run { command } => return self.run_command(&self.filled(command)),
            Act::Usage(usage) => self.usage(usage),
            Act::Grow(grow) => return self.grow(grow),
            Act::Capture { name, regex } => {
                let found = regex.0.captures(prompt).and_then(|groups| groups.get(1));
                let found = found.ok_or_else(|| {
                    failed(format!("capture `{name}`: `{}` is not in the prompt", regex.0.as_str()))
                })?;
                self.variables.insert(name.clone(), found.as_str().to_owned());
            }
            Act::SleepMs { ms } => return self.client.pause(Some(Duration::from_millis(*ms))),
            Act::WaitFile { path } => {
                let path = self.cwd.join(self.filled(path));
                while !path.exists() {
                    self.client.pause(Some(LOOK))?;
                }
            }
            Act::AskPermission { title } => {
                let allowed = self.may(&self.filled(title))?;
                self.chunk(
                    "agent_message_chunk",
                    if allowed { "permission granted\n" } else { "permission denied\n" },
                );
            }
            Act::Tool { title } => return self.tool(&self.filled(title), |_| Ok(())),
            Act::Commit { message } => return self.commit(&self.filled(message)),
            Act::Stderr { text } => eprintln!("{}", self.filled(text)),
            Act::Garbage { text } => self.client.send_raw(&self.filled(text)),
            Act::LongLine { bytes } => self.client.send_raw(&"x".repeat(*bytes)),
            Act::Detach { command } => return self.detach(&self.filled(command)),
            Act::Crash { code } => Self::crash(*code),
            Act::Hang(hang) => return self.hang(hang.stubborn),
            Act::CloseStdout {} => {
                let nowhere = fs::OpenOptions::new().write(true).open("/dev/null");
                nowhere
                    .and_then(|nowhere| Ok(rustix::stdio::dup2_stdout(nowhere)?))
                    .map_err(|error| failed(format!("close_stdout: {error}")))?;
            }
            Act::Compact {} => self.compact(),
        }
        Ok(())
    }

    /// A text with every `{{name}}` replaced that was captured; others stay.
    fn filled(&self, text: &str) -> String {
        self.variables
            .iter()
            .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value))
    }

    fn chunk(&self, kind: &str, text: &str) {
        self.update(json!({ "sessionUpdate": kind, "content": { "type": "text", "text": text } }));
    }

    fn plan(&self, lines: &[PlanLine]) {
        let entries: Vec<Value> = lines
            .iter()
            .map(|line| match line {
                PlanLine::Text(content) => (self.filled(content), "pending"),
                PlanLine::Entry { content, status } => (self.filled(content), status.as_str()),
            })
            .map(|(content, status)| json!({ "content": content, "priority": "medium", "status": status }))
            .collect();
        self.update(json!({ "sessionUpdate": "plan", "entries": entries }));
    }

    fn usage(&mut self, usage: &Usage) {
        let used = usage.used.unwrap_or_else(|| self.used.saturating_add(usage.add.unwrap_or_default()));
        self.cost = usage.cost.or(self.cost);
        self.account(used, usage.output, usage.size.unwrap_or(self.window));
    }

    /// Counts one model request and tells it.
    fn account(&mut self, used: u64, output: u64, size: u64) {
        self.used = used;
        let spend = self.turn_spend.get_or_insert_with(Spend::default);
        spend.input += used.saturating_sub(output);
        spend.output += output;
        let mut update = json!({ "sessionUpdate": "usage_update", "used": used, "size": size });
        if let Some(amount) = self.cost {
            update["cost"] = json!({ "amount": amount, "currency": "USD" });
        }
        self.update(update);
    }

    fn grow(&mut self, grow: &Grow) -> Result<(), Cut> {
        while grow.limit.is_none_or(|limit| self.used < limit) {
            self.client.pause(Some(Duration::from_millis(grow.every_ms)))?;
            self.account(self.used.saturating_add(grow.by), 0, self.window);
            self.tool("read more", |_| Ok(()))?;
        }
        Ok(())
    }

    /// Does nothing any more; the tool call tells that it has begun.
    fn hang(&mut self, stubborn: bool) -> Result<(), Cut> {
        if !stubborn {
            self.tool_begins("hang");
            return self.client.pause(None);
        }
        let _deaf = ignore_signals().map_err(|error| failed(format!("cannot hang: {error}")))?;
        self.tool_begins("hang");
        loop {
            std::thread::park();
        }
    }

    fn compact(&mut self) {
        self.last_compaction += 1;
        for status in ["in_progress", "completed"] {
            let id = format!("compaction-{}", self.last_compaction);
            self.update(
                json!({ "sessionUpdate": "compaction_update", "compactionId": id, "status": status }),
            );
        }
    }

    /// Tells a tool call, does it, and tells how it went; a failure ends the turn.
    fn tool(&mut self, title: &str, work: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), Cut> {
        let id = self.tool_begins(title);
        let done = self
            .client
            .checkpoint()
            .and_then(|()| work(&self.cwd).map_err(|error| failed(format!("cannot {title}: {error}"))));
        self.tool_ends(&id, done.is_ok());
        done
    }

    fn tool_begins(&mut self, title: &str) -> String {
        self.last_tool += 1;
        let id = format!("call-{}", self.last_tool);
        self.update(
            json!({ "sessionUpdate": "tool_call", "toolCallId": id, "title": title, "status": "in_progress" }),
        );
        id
    }

    fn tool_ends(&self, id: &str, ok: bool) {
        let status = if ok { "completed" } else { "failed" };
        self.update(json!({ "sessionUpdate": "tool_call_update", "toolCallId": id, "status": status }));
    }

    fn run_command(&mut self, command: &str) -> Result<(), Cut> {
        let id = self.tool_begins(command);
        // Standard output is the protocol's, so what a command says goes to standard error.
        let mut shell = shell(command);
        shell.current_dir(&self.cwd).stdin(Stdio::null()).stdout(io::stderr()).process_group(0);
        let outcome = shell
            .spawn()
            .map_err(|error| failed(format!("cannot run `{command}`: {error}")))
            .and_then(|child| self.wait(child));
        self.tool_ends(&id, outcome.as_ref().is_ok_and(ExitStatus::success));
        outcome.map(drop)
    }

    fn wait(&mut self, mut child: Child) -> Result<ExitStatus, Cut> {
        loop {
            if let Some(status) = child.try_wait().map_err(|error| failed(error.to_string()))? {
                return Ok(status);
            }
            if let Err(cut) = self.client.pause(Some(LOOK)) {
                // Gone already is as good as killed.
                let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
                let _ = child.wait();
                return Err(cut);
            }
        }
    }

    fn commit(&mut self, message: &str) -> Result<(), Cut> {
        self.tool(&format!("commit {message}"), |at| {
            git(at, &["add", "-A"])?;
            git(at, &["-c", "commit.gpgsign=false", "commit", "--quiet", "--message", message])
        })
    }

    fn detach(&mut self, command: &str) -> Result<(), Cut> {
        let detached = std::env::current_exe().and_then(|exe| {
            let mut middle = program(exe);
            middle.args(["scripted-agent", DETACHED, command]).current_dir(&self.cwd).stdin(Stdio::null());
            middle.status()
        });
        match detached {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(failed(format!("cannot detach `{command}`: {status}"))),
            Err(error) => Err(failed(format!("cannot detach `{command}`: {error}"))),
        }
    }
}

fn failed(message: impl Into<String>) -> Cut {
    Cut::Failed(ErrorEnd { code: -32603, message: message.into(), data: None })
}

fn put(path: &PathBuf, content: &str, append: bool) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    options.create(true).write(true);
    if append {
        options.append(true)
    } else {
        options.truncate(true)
    };
    options.open(path)?.write_all(content.as_bytes())
}

fn git(at: &Path, args: &[&str]) -> io::Result<()> {
    let output =
        program("git").args(args).current_dir(at).envs(GIT_IDENTITY).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(io::Error::other(format!("git {}: {}", args.join(" "), String::from_utf8_lossy(&said).trim())))
}

/// From here on SIGINT, SIGTERM and SIGHUP do nothing, as long as what is returned is kept.
fn ignore_signals() -> io::Result<impl Sized> {
    // A handler that nobody listens to takes the place of the default, which would end the process.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let context = runtime.enter();
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let handlers = kinds.into_iter().map(signal).collect::<io::Result<Vec<_>>>()?;
    drop(context);
    Ok((handlers, runtime))
}
