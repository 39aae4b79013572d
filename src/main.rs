//! The command line; see `cli`.

use std::process::ExitCode;

use mosaic_coordinator::{agent::scripted, process::keeper};

fn main() -> ExitCode {
    // Before anything else: a keeper must stay small, so it gets neither a runtime nor a configuration.
    if std::env::args_os().nth(1).is_some_and(|mode| mode == keeper::MODE) {
        return keeper::main();
    }
    if std::env::args_os().nth(1).is_some_and(|mode| mode == "scripted-agent") {
        return scripted::main(std::env::args_os().skip(2));
    }
    ExitCode::SUCCESS
}
