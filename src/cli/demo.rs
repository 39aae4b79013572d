//! `demo`: the whole loop on embedded defaults, with nothing to set up.
//!
//! Owns a folder in the temporary directory with everything in it: a simulated forge, the coordinator's data, the
//! scripts of an agent that is a process of our own binary. It files five issues, assigns them to the bot, and from
//! then on only watches. Promises that standard output carries the result alone, that what it says was done is the
//! forge's word, and that nothing is left behind, however it ends; `--keep` leaves the folder.

mod maintainer;
mod outcome;
mod progress;
mod sample;
mod script;
mod story;

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use toml::{Table, Value};

use self::{
    maintainer::{BOT, Maintainer},
    progress::Progress,
    story::Story,
};
use super::{DemoOptions, Exit};
use crate::{
    agent::scripted,
    app::{self, Running},
    config::{self, Config, Loaded, Sources},
    domain::view::TaskView,
    forge::simulated::{SimulatedGitea, SimulatedOptions},
    runtime::Clock,
    telemetry::{self, LogFormat},
};

/// Our own executable, whatever becomes of its file meanwhile.
const OWN_EXECUTABLE: &str = "/proc/self/exe";
/// The variable that asks for log lines; without it there are none among the lines of progress.
const LOG_LEVEL: &str = "LOG_LEVEL";
/// Longest that the scenario may take.
const DEADLINE: Duration = Duration::from_secs(5 * 60);
/// Exit code of a process that a second signal ended.
const INTERRUPTED: i32 = 130;

/// Plays the scenario and reports. Errors: it could not be set up, for a reason that the error tells.
pub fn run(options: &DemoOptions) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(play(options))
}

async fn play(options: &DemoOptions) -> anyhow::Result<ExitCode> {
    // Before anything is made: from here on a signal ends the scenario, not the process.
    let mut interrupts = Interrupts::new()?;
    let outer = config::environment();
    sample::require_git(&outer).await?;
    let folder = tempfile::Builder::new()
        .prefix("mosaic-demo-")
        .tempdir()
        .context("cannot make a folder in the temporary directory: set TMPDIR to one that can be written")?;
    let exit = stage(options, &outer, folder.path(), &mut interrupts).await;
    if options.keep {
        eprintln!("left: {}", folder.keep().display());
    } else {
        let path = folder.path().to_owned();
        folder.close().with_context(|| format!("cannot remove {}: remove it by hand", path.display()))?;
    }
    exit
}

/// Starts everything, has the story told, stops everything.
async fn stage(
    options: &DemoOptions,
    outer: &BTreeMap<String, String>,
    folder: &Path,
    interrupts: &mut Interrupts,
) -> anyhow::Result<ExitCode> {
    let environment = environment(outer, folder)?;
    let scripts = folder.join("scripts");
    script::write(&scripts)?;
    let forge = SimulatedGitea::start(SimulatedOptions::new(folder.join("forge")))?;
    let secret = uuid::Uuid::new_v4().simple().to_string();
    let overrides = [
        ("server.port", Value::from(i64::from(options.port.unwrap_or(0)))),
        ("gitea.url", Value::from(forge.url())),
        ("gitea.token", Value::from(forge.add_user(BOT))),
        ("gitea.webhook_secrets", Value::from(vec![secret.clone()])),
        ("store.path", path(&folder.join("data/mosaic.db"))),
        ("workspace.root", path(&folder.join("data/workspaces"))),
        ("agents.demo.command", {
            let command = [OWN_EXECUTABLE.into(), scripted::MODE.into(), "--scripts".into(), path(&scripts)];
            Value::Array(command.to_vec())
        }),
    ];
    let config = configuration(outer, overrides)?;
    let is_logging = outer.contains_key(LOG_LEVEL);
    if is_logging {
        telemetry::init(LogFormat::Auto, config.log_level)?;
    }
    let maintainer = Maintainer::new(forge.url(), forge.add_user(maintainer::LOGIN))?;
    let started =
        app::Options { config, exe: PathBuf::from(OWN_EXECUTABLE), environment: environment.clone() };
    let mut running = match app::start(started) {
        Ok(running) => running,
        Err(error) => {
            eprintln!("mosaic-coordinator: {error}");
            return Ok(ExitCode::from(error.exit_code()));
        }
    };
    eprintln!("coordinator {}, forge {}", running.url(), forge.url());
    let story = Story {
        maintainer: &maintainer,
        folder,
        environment: &environment,
        hook: format!("{}/webhook/gitea", running.url()),
        secret: &secret,
        board: running.board().clone(),
        clock: Clock::system(),
    };
    let mut progress = Progress::on_stderr(outer, is_logging);
    let exit = tell(options, &story, &mut running, &mut progress, interrupts).await;
    if options.hold {
        eprintln!("held until interrupted (Ctrl-C): coordinator {}, forge {}", running.url(), forge.url());
        tokio::select! {
            () = interrupts.next() => {}
            fatal = running.failed() => eprintln!("mosaic-coordinator: {}", fatal.why),
        }
    }
    stop(running, interrupts).await;
    forge.stop();
    exit
}

/// Has the story told to its end, and says how it went.
async fn tell(
    options: &DemoOptions,
    story: &Story<'_>,
    running: &mut Running,
    progress: &mut Progress<io::Stderr>,
    interrupts: &mut Interrupts,
) -> anyhow::Result<ExitCode> {
    let began = story.clock.instant();
    let mut problems = tokio::select! {
        shortcomings = story.tell(progress) => shortcomings?,
        fatal = running.failed() => vec![format!("the coordinator failed: {}", fatal.why)],
        () = interrupts.next() => vec!["interrupted before its end".to_owned()],
        () = story.clock.sleep(DEADLINE) => vec![format!(
            "not at its end after {}: run it with LOG_LEVEL=debug to see what it waits for",
            humantime::format_duration(DEADLINE)
        )],
    };
    let (tasks, report) = (story.board.tasks(), story.board.report());
    problems.extend(outcome::problems(&tasks, &report));
    let took = story.clock.instant().duration_since(began).as_secs_f64();
    let result = if options.json {
        serde_json::to_vec(&report)?
    } else {
        format!("\n{}", outcome::render(&tasks, progress.seen_red(), &report)).into_bytes()
    };
    let mut out = io::stdout();
    out.write_all(&result).and_then(|()| out.flush()).context("cannot write to standard output")?;
    if problems.is_empty() {
        eprintln!("\n{}", success(&tasks, took));
        return Ok(Exit::Fine.into());
    }
    for problem in &problems {
        eprintln!("demo: {problem}");
    }
    Ok(Exit::Failed.into())
}

fn success(tasks: &[TaskView], took: f64) -> String {
    format!(
        "{} issues closed, each by one merged pull request with green gates; every measure met; {took:.1} s",
        tasks.len()
    )
}

/// What the scenario sees of the environment: nothing that could lead it to anything of the user's.
fn environment(outer: &BTreeMap<String, String>, folder: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut environment: BTreeMap<String, String> = ["PATH", "LANG", "TERM"]
        .iter()
        .filter_map(|&name| Some((name.to_owned(), outer.get(name)?.clone())))
        .collect();
    for (name, place) in [("HOME", folder.join("home")), ("TMPDIR", folder.join("tmp"))] {
        fs::create_dir_all(&place).with_context(|| format!("cannot make {}", place.display()))?;
        environment.insert(name.to_owned(), place.display().to_string());
    }
    Ok(environment)
}

/// The defaults, `demo.toml`, and what is known only now. Of the environment the log level alone counts.
fn configuration<const N: usize>(
    outer: &BTreeMap<String, String>,
    overrides: [(&str, Value); N],
) -> anyhow::Result<Config> {
    let fixed: Table = toml::from_str(include_str!("demo/demo.toml"))?;
    let overrides = overrides.into_iter().map(|(key, value)| (key.to_owned(), value));
    let level = outer.get_key_value(LOG_LEVEL).map(|(name, value)| (name.clone(), value.clone()));
    let sources = Sources {
        file: None,
        environment: level.into_iter().collect(),
        overrides: fixed.into_iter().chain(overrides).collect(),
    };
    let Loaded { config, .. } = config::load(sources)?;
    Ok(config)
}

fn path(path: &Path) -> Value {
    Value::from(path.display().to_string())
}

/// Stops the coordinator in order; another signal ends the process at once.
async fn stop(running: Running, interrupts: &mut Interrupts) {
    let stopping = tokio::task::spawn_blocking(move || running.stop());
    tokio::select! {
        _ = stopping => {}
        () = interrupts.next() => std::process::exit(INTERRUPTED),
    }
}

/// The signals that ask for an end.
struct Interrupts([Signal; 3]);

impl Interrupts {
    fn new() -> io::Result<Self> {
        let [interrupt, terminate, hang_up] =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        Ok(Self([interrupt?, terminate?, hang_up?]))
    }

    /// The next of them.
    async fn next(&mut self) {
        let [interrupt, terminate, hang_up] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    }
}
