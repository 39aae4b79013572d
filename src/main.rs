//! The program: one binary, several modes. The keeper and the scripted agent are modes that our own processes start.

use std::process::ExitCode;

use clap::Parser as _;
use mosaic_coordinator::{
    agent::scripted,
    cli::{self, Cli, Command},
    process::keeper,
};

fn main() -> ExitCode {
    // Before anything else is set up: a keeper stays small, and keeps its arguments for itself.
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next() {
        Some(mode) if mode == keeper::MODE => return keeper::main(),
        Some(mode) if mode == scripted::MODE => return scripted::main(arguments),
        _ => {}
    }
    let ended = match Cli::parse().command {
        Command::Serve(options) => cli::serve::run(&options),
        Command::Demo(options) => cli::demo::run(&options),
        Command::Errand(errand) => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(anyhow::Error::from)
            .and_then(|runtime| runtime.block_on(cli::run(errand))),
        Command::Keeper(_) | Command::ScriptedAgent(_) => Ok(cli::Exit::Usage.into()),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("mosaic-coordinator: {error:#}");
        cli::Exit::Failed.into()
    })
}
