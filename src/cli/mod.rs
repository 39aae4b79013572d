//! The command line: what can be asked, and the commands that read a running coordinator or its configuration.
//!
//! Owns the options of every command and the exit codes. Promises that standard output carries the answer alone and
//! everything else goes to standard error, that `--json` is the endpoint's document byte for byte, and that a token
//! shows nowhere. Starts nothing: `serve` and `demo` are carried out by `app`.

pub mod actors;
pub mod check_config;
pub mod client;
pub mod demo;
mod exit;
pub mod report;
pub mod serve;
mod table;
pub mod tasks;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use reqwest::Url;
use secrecy::SecretString;

use crate::{config, process::keeper};

pub use client::Client;
pub use exit::Exit;

/// The variable that holds the operator's token where `--token` is not given.
pub const TOKEN_VARIABLE: &str = "MOSAIC_OPERATOR_TOKEN";

/// Turns the issues of a Gitea or Forgejo into finished, verified work by AI coding agents.
#[derive(Clone, Debug, Parser)]
#[command(name = "mosaic-coordinator", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// What is asked.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run the coordinator.
    Serve(ServeOptions),
    /// Play the five-issue scenario on a built-in forge with a scripted agent.
    Demo(DemoOptions),
    /// What [`run`] carries out.
    #[command(flatten)]
    Errand(Errand),
    /// Own a process tree; started by the coordinator alone.
    #[command(name = keeper::MODE, hide = true)]
    Keeper(PassedOn),
    /// Play an agent from a script.
    #[command(hide = true)]
    ScriptedAgent(PassedOn),
}

/// The commands that need no runtime of actors.
#[derive(Clone, Debug, Subcommand)]
pub enum Errand {
    /// Show the five measures of a running coordinator.
    Report(ReportOptions),
    /// Show the tasks of a running coordinator.
    Tasks(ReadingOptions),
    /// Show the actors of a running coordinator.
    Actors(ReadingOptions),
    /// Check the configuration and start nothing.
    CheckConfig(ConfigOptions),
}

/// Options of `serve`.
#[derive(Clone, Debug, Args)]
pub struct ServeOptions {
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigOptions,
}

/// Where the configuration is.
#[derive(Clone, Debug, Args)]
pub struct ConfigOptions {
    /// Configuration file (TOML); without it defaults and environment alone.
    #[arg(long = "config", value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// Options of `demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoOptions {
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
    /// Leave the folder of the scenario, and say where it is.
    #[arg(long)]
    pub keep: bool,
    /// Stay up until interrupted.
    #[arg(long)]
    pub hold: bool,
    /// Port of the coordinator; without it a free one.
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
}

/// Options of `report`.
#[derive(Clone, Debug, Args)]
pub struct ReportOptions {
    /// Exit with 1 when a measure is missed.
    #[arg(long)]
    pub check: bool,
    /// The coordinator.
    #[command(flatten)]
    pub reading: ReadingOptions,
}

/// Options of the commands that read a running coordinator.
#[derive(Clone, Debug, Args)]
pub struct ReadingOptions {
    /// Address of the coordinator.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000", value_parser = client::parse_url)]
    pub url: Url,
    /// The operator's token; without it that of the variable MOSAIC_OPERATOR_TOKEN.
    #[arg(long, value_name = "TOKEN", value_parser = secret)]
    pub token: Option<SecretString>,
    /// Print the coordinator's document as it is.
    #[arg(long)]
    pub json: bool,
}

/// Arguments for another mode of the program.
#[derive(Clone, Debug, Args)]
pub struct PassedOn {
    /// The arguments as they came.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<OsString>,
}

fn secret(text: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(text))
}

/// Carries the errand out, with the process's own environment and streams. Errors: it failed, for a reason that the
/// error tells with its remedy; the exit code is then [`Exit::Failed`].
pub async fn run(errand: Errand) -> anyhow::Result<ExitCode> {
    let streams = Streams { out: &mut io::stdout(), err: &mut io::stderr() };
    let done = carry_out(errand, config::environment(), streams).await;
    done.map(ExitCode::from)
}

/// Where an errand writes to.
struct Streams<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
}

async fn carry_out(
    errand: Errand,
    environment: BTreeMap<String, String>,
    streams: Streams<'_>,
) -> anyhow::Result<Exit> {
    let Streams { out, err } = streams;
    let client = |options: &ReadingOptions| {
        let token = options.token.clone();
        let token = token.or_else(|| environment.get(TOKEN_VARIABLE).cloned().map(SecretString::from));
        Client::new(options.url.clone(), token)
    };
    let told = match &errand {
        Errand::Report(options) => report::told(options, &client(&options.reading)?).await?,
        Errand::Tasks(options) => tasks::told(options, &client(options)?).await?,
        Errand::Actors(options) => actors::told(options, &client(options)?).await?,
        Errand::CheckConfig(options) => check_config::told(options, environment.clone()),
    };
    let written = out.write_all(&told.answer).and_then(|()| out.flush());
    err.write_all(told.notes.as_bytes())?;
    match written {
        // Whoever reads may have seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(told.exit),
        written => Ok(written.map(|()| told.exit)?),
    }
}

/// What a command has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// For standard output.
    pub answer: Vec<u8>,
    /// For standard error: whole lines, or nothing.
    pub notes: String,
    /// How it went.
    pub exit: Exit,
}

impl Told {
    /// An answer, and all is well.
    fn fine(answer: impl Into<Vec<u8>>) -> Self {
        Self { answer: answer.into(), notes: String::new(), exit: Exit::Fine }
    }
}

#[cfg(test)]
mod tests;
