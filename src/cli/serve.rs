//! `serve`: runs the coordinator until it is told to stop.
//!
//! Standard output carries the start-up line alone. SIGTERM and SIGINT drain, a second one ends at once; SIGHUP reloads.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

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
    // Whoever has read the start-up line may send a signal: they are taken before it is written.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let signals = {
        let _entered = runtime.enter();
        Signals::taken()?
    };
    let options = app::Options { config, exe: PathBuf::from(OWN_EXECUTABLE), environment };
    let running = match app::start(options) {
        Ok(running) => running,
        Err(error) => {
            eprintln!("mosaic-coordinator: {error}");
            return Ok(ExitCode::from(error.exit_code()));
        }
    };
    let mut out = io::stdout();
    writeln!(out, "listening on {}", running.url())?;
    out.flush()?;
    let code = runtime.block_on(watch(running, signals, &sources));
    Ok(ExitCode::from(code))
}

/// The signals that are not left to their defaults.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn taken() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::ToStop(SignalKind::terminate()),
            _ = self.interrupt.recv() => Asked::ToStop(SignalKind::interrupt()),
            _ = self.hang_up.recv() => Asked::ToReload,
        }
    }
}

/// What a signal asks for.
enum Asked {
    ToStop(SignalKind),
    ToReload,
}

async fn watch(mut running: Running, mut signals: Signals, sources: &Sources) -> u8 {
    let code = loop {
        tokio::select! {
            fatal = running.failed() => {
                eprintln!("mosaic-coordinator: {}", fatal.why);
                break fatal.exit_code;
            }
            asked = signals.next() => match asked {
                Asked::ToReload => reload(&running, sources),
                Asked::ToStop(_) => {
                    tracing::info!("stopping: sessions are ended and taken up after the next start");
                    break 0;
                }
            }
        }
    };
    let mut stopping = tokio::task::spawn_blocking(move || running.stop());
    loop {
        tokio::select! {
            _ = &mut stopping => return code,
            asked = signals.next() => {
                if let Asked::ToStop(signal) = asked {
                    // Asked twice, it ends at once; the keepers see to what is left.
                    std::process::exit(128 + signal.as_raw_value());
                }
            }
        }
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
