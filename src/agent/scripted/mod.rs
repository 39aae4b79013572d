//! The scripted agent: a stand-in for a coding agent that does exactly what a script says.
//!
//! Owns the hidden subcommand `scripted-agent`: an ACP agent on standard input and output, in plain blocking
//! code. Promises determinism: no clock, no randomness, ids are counters; the only waiting is what the script
//! asks for. A cancel is seen between steps and within every waiting one, and after it no file is written.
//! A faulty script is told on standard error, with exit code 2.
//!
//! The script is `--script FILE`, or `--scripts DIR` with one `<issue-number>.json` per issue (the number comes
//! from the prompt's header, so no model option can be offered), or the variables `SCRIPTED_AGENT_SCRIPT` and
//! `SCRIPTED_AGENT_SCRIPTS`. An entry of `turns` serves once (`times` says how often); the state of entries lives
//! as long as the process. See `script.rs` for the steps.

mod client;
mod header;
mod play;
mod script;
mod stage;

use std::{
    ffi::OsString,
    path::PathBuf,
    process::{ExitCode, Stdio},
};

use script::Script;

/// Exit code for a faulty script or wrong usage.
const FAULTY: u8 = 2;

const USAGE: &str = "usage: scripted-agent --script FILE | --scripts DIR \
    (or one of the variables SCRIPTED_AGENT_SCRIPT, SCRIPTED_AGENT_SCRIPTS)";

/// Hidden argument of the hidden command: leave the process group, run a command and return at once.
const DETACHED: &str = "--detached";

/// Where the script comes from.
enum Source {
    One(Script),
    PerIssue(PathBuf),
}

/// First argument that makes our binary a scripted agent.
pub const MODE: &str = "scripted-agent";

/// Runs the scripted agent; `args` are those after the subcommand's name.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    if let [flag, command] = &args[..]
        && flag == DETACHED
    {
        return detach(command);
    }
    match source(&args) {
        Ok(source) => stage::Stage::new(source).run(),
        Err(error) => faulty(&error),
    }
}

fn source(args: &[OsString]) -> Result<Source, String> {
    let one = |path: &OsString| Script::load(path.as_ref()).map(Source::One);
    let per_issue = |path: &OsString| Ok(Source::PerIssue(path.into()));
    match args {
        [flag, path] if flag == "--script" => one(path),
        [flag, path] if flag == "--scripts" => per_issue(path),
        // This is no part of the coordinator's own configuration: the agent is a process of its own.
        [] => match (std::env::var_os("SCRIPTED_AGENT_SCRIPT"), std::env::var_os("SCRIPTED_AGENT_SCRIPTS")) {
            (Some(path), _) => one(&path),
            (None, Some(path)) => per_issue(&path),
            (None, None) => Err(USAGE.to_owned()),
        },
        _ => Err(USAGE.to_owned()),
    }
}

fn faulty(error: &str) -> ExitCode {
    eprintln!("scripted agent: {error}");
    ExitCode::from(FAULTY)
}

/// The middle of a double fork: a session of its own, a child in it, and gone.
fn detach(command: &OsString) -> ExitCode {
    let spawned = rustix::process::setsid().map_err(std::io::Error::from).and_then(|_| {
        shell(command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    });
    match spawned {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => faulty(&format!("cannot detach: {error}")),
    }
}

fn shell(command: impl AsRef<std::ffi::OsStr>) -> std::process::Command {
    let mut shell = program("sh");
    shell.arg("-c").arg(command);
    shell
}

#[expect(clippy::disallowed_methods, reason = "the agent is a process of its own, without the keeper")]
fn program(name: impl AsRef<std::ffi::OsStr>) -> std::process::Command {
    std::process::Command::new(name)
}
