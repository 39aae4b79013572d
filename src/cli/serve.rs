//! `serve`: runs the coordinator until it is told to stop.
//!
//! Standard output carries the start-up line alone. SIGTERM and SIGINT drain, a second one ends at once; SIGHUP reloads.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Exit, ServeOptions};
use crate::{
    app::{self, Running},
    config::{self, Loaded, Sources},
    telemetry::{self, LogFormat},
};

/// Our own executable, whatever becomes of its file meanwhile.
const OWN_EXECUTABLE: &str = "/proc/self/exe";

/// Runs until a signal or a failure ends it.
pub fn run(options: &ServeOptions) -> anyhow::Result<ExitCode> {
    let environment = config::environment();
    let sources = Sources {
        file: options.config.file.clone(),
        environment: environment.clone(),
        overrides: Vec::new(),
    };
    let Loaded { config, warnings } = match config::load(sources.clone()) {
        Ok(loaded) => loaded,
        Err(faults) => {
            eprint!("{}", config::render_faults(&faults));
            return Ok(Exit::ConfigurationRefused.into());
        }
    };
    telemetry::init(LogFormat::Auto, config.log_level)?;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let options = app::Options { config, exe: PathBuf::from(OWN_EXECUTABLE), environment };
    let running = match app::start(options) {
        Ok(running) => running,
        Err(error) => {
            eprintln!("mosaic-coordinator: {error}");
            return Ok(ExitCode::from(error.exit_code()));
        }
    };
    let mut out = std::io::stdout();
    writeln!(out, "listening on {}", running.url())?;
    out.flush()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(watch(running, &sources))?;
    Ok(ExitCode::from(code))
}

async fn watch(mut running: Running, sources: &Sources) -> anyhow::Result<u8> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            fatal = running.failed() => {
                eprintln!("mosaic-coordinator: {}", fatal.why);
                end(running, &mut terminate, &mut interrupt).await;
                return Ok(fatal.exit_code);
            }
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => reload(&running, sources),
        }
    }
    tracing::info!("stopping: sessions are ended and taken up after the next start");
    end(running, &mut terminate, &mut interrupt).await;
    Ok(0)
}

/// Stops in order; another signal ends the process at once.
async fn end(running: Running, terminate: &mut Signal, interrupt: &mut Signal) {
    let stopping = tokio::task::spawn_blocking(move || running.stop());
    tokio::select! {
        _ = stopping => {}
        _ = terminate.recv() => std::process::exit(130),
        _ = interrupt.recv() => std::process::exit(130),
    }
}

fn reload(running: &Running, sources: &Sources) {
    let loaded = match config::load(sources.clone()) {
        Ok(loaded) => loaded,
        Err(faults) => {
            let faults = config::render_faults(&faults);
            tracing::error!(%faults, "the configuration is faulty; nothing was changed");
            return;
        }
    };
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let diff = running.reload(&loaded.config);
    tracing::info!(applied = ?diff.applied, "configuration reloaded");
    if !diff.needs_restart.is_empty() {
        tracing::warn!(keys = ?diff.needs_restart, "these changes need a restart");
    }
}
