//! The composition root: what is started in which order, and stopped in which.
//!
//! Owns the coordinator's own thread, its actix system and its pool. Promises that a coordinator which started answers
//! HTTP, and that one which stopped has left no process and holds no file. Several may live in one process.
//!
//! Start: store, workspaces, forge's client, actors, HTTP, then the first order. Stop: no new work, sessions ended,
//! HTTP last, so that webhooks are taken and answered to the end.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, mpsc as std_mpsc},
    thread::JoinHandle,
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use secrecy::ExposeSecret;
use tokio::sync::{mpsc, oneshot};

use crate::{
    actor::{
        Fatal, Ground, Wiring,
        context_monitor::ContextMonitorActor,
        courier::{Connect, Courier},
        metrics::{Committed, Meters, MetricsActor},
        quality::QualityActor,
        queue::{Begin, Drain, QueueActor, Reconfigured, Tick},
        warden::{self, GaveUp, Warden},
        webhook::WebhookActor,
    },
    config::{self, Config, ReloadDiff},
    forge::{Forge, Timeouts, intake::Deliver},
    http::{self, HttpState, Listening},
    parse,
    process::Keeper,
    runtime::{Census, Clock, Health, Mailbox, Placement, RestartPolicy, Role, Spec, spawn},
    store::{Store, StoreError, board::Board, sqlite::SqliteStore},
    telemetry,
    workspace::{Identity, Workspaces},
};

/// How long sessions have to end when the coordinator stops.
const DRAIN: Duration = Duration::from_secs(20);
/// How long all actors together have to end.
const ACTORS_STOP: Duration = Duration::from_secs(8);
const HTTP_WORKERS: usize = 2;

/// What a coordinator is started with.
#[derive(Clone)]
pub struct Options {
    /// The configuration.
    pub config: Config,
    /// Our own executable, for keepers.
    pub exe: PathBuf,
    /// The process's environment, of which children get a few names.
    pub environment: BTreeMap<String, String>,
}

/// Why a coordinator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store is not to be had.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The port is not to be had.
    #[error(transparent)]
    Port(#[from] std::io::Error),
    /// The configured forge or workspace root makes no sense.
    #[error("{0}")]
    Refused(String),
    /// A thread or a runtime is not to be had.
    #[error("the coordinator's thread did not start: {0}")]
    Thread(String),
}

impl StartError {
    /// The exit code that says this.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Store(StoreError::Held { .. }) => 75,
            Self::Store(StoreError::Disk(_) | StoreError::Full(_)) => 74,
            Self::Store(_) | Self::Port(_) => 69,
            Self::Refused(_) => 78,
            Self::Thread(_) => 70,
        }
    }
}

/// A coordinator that runs.
pub struct Running {
    address: SocketAddr,
    ground: Ground,
    stop: Option<oneshot::Sender<()>>,
    fatal: mpsc::UnboundedReceiver<Fatal>,
    thread: Option<JoinHandle<()>>,
}

/// What the coordinator's thread tells once it runs.
struct Started {
    address: SocketAddr,
    ground: Ground,
}

/// Starts a coordinator on a thread of its own; returns once it listens.
pub fn start(options: Options) -> Result<Running, StartError> {
    let (tell, told) = std_mpsc::channel();
    let (stop, stopped) = oneshot::channel();
    let (fatal_sender, fatal) = mpsc::unbounded_channel();
    let body = move || {
        let system = actix_rt::System::with_tokio_rt(|| {
            tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .thread_name("coordinator-pool")
                .build()
                .expect("a pool of threads is to be had")
        });
        system.block_on(run(options, fatal_sender, tell, stopped));
    };
    let thread = std::thread::Builder::new()
        .name("coordinator".to_owned())
        .spawn(body)
        .map_err(|error| StartError::Thread(error.to_string()))?;
    match told.recv() {
        Ok(Ok(Started { address, ground })) => {
            Ok(Running { address, ground, stop: Some(stop), fatal, thread: Some(thread) })
        }
        Ok(Err(error)) => {
            // It has said all it had to say.
            let _ = thread.join();
            Err(error)
        }
        Err(_) => Err(StartError::Thread("it ended before it said anything".to_owned())),
    }
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The tasks and the measures.
    pub fn board(&self) -> &Board {
        &self.ground.board
    }

    /// The actors.
    pub fn census(&self) -> &Census {
        &self.ground.census
    }

    /// What readiness says.
    pub fn health(&self) -> &Health {
        &self.ground.health
    }

    /// Ends when the coordinator has to end.
    pub async fn failed(&mut self) -> Fatal {
        match self.fatal.recv().await {
            Some(fatal) => fatal,
            None => std::future::pending().await,
        }
    }

    /// Swaps what can be swapped; names what needs a restart.
    pub fn reload(&self, new: &Config) -> ReloadDiff {
        let old = self.ground.config.load_full();
        let diff = config::changes(&old, new);
        let merged = config::with_reloadable(&old, new);
        hide_secrets(&merged);
        self.ground.forge.set_token(merged.gitea.token.clone());
        self.ground.config.store(Arc::new(merged));
        for agent in diff.applied.iter().filter_map(|key| key.strip_prefix("agents.")) {
            // What the agent refused as it was says nothing of what it is now.
            self.ground.health.forget(&format!("agent.{agent}"));
        }
        warden::probe(&self.ground);
        // A full mailbox of either finds the new configuration at its next look.
        let _ = self.ground.wiring.courier().port::<Connect>().tell(Connect {});
        self.ground.wiring.queue().port::<Reconfigured>().deliver(Reconfigured {});
        diff
    }

    /// Ends sessions, then everything else; returns when all is over.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(stop) = self.stop.take() {
            // A coordinator that failed is over already.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A panic was logged where it happened.
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

fn hide_secrets(config: &Config) {
    for secret in config.secrets() {
        telemetry::redact::add_secret(secret.expose_secret());
    }
}

async fn run(
    options: Options,
    fatal: mpsc::UnboundedSender<Fatal>,
    tell: std_mpsc::Sender<Result<Started, StartError>>,
    stopped: oneshot::Receiver<()>,
) {
    let ground = match lay_ground(&options) {
        Ok(ground) => ground,
        Err(error) => {
            let _ = tell.send(Err(error));
            return;
        }
    };
    ground.wiring.set_fatal(fatal);
    // Nothing may start, and nothing be promised, before the disk was looked at.
    warden::probe(&ground);
    start_actors(&ground);
    // Whoever asks, and whichever delivery comes, meets all that is known already.
    let _ = ground.wiring.queue().port::<Tick>().ask(Tick {}).await;
    let _ =
        ground.wiring.metrics().port::<Committed>().ask(Committed { first_seq: 1, events: Vec::new() }).await;
    let listening = match listen(&ground) {
        Ok(listening) => listening,
        Err(error) => {
            stop_actors(&ground).await;
            let _ = tell.send(Err(error.into()));
            return;
        }
    };
    let Listening { address, server, run } = listening;
    let serving = actix_rt::spawn(run);
    ground.wiring.queue().port::<Begin>().deliver(Begin {});
    let started = Started { address, ground: ground.clone() };
    if tell.send(Ok(started)).is_ok() {
        // Dropped without a word is a stop, too.
        let _ = stopped.await;
    }
    drain(&ground).await;
    server.stop(true).await;
    if let Err(error) = serving.await {
        tracing::error!(%error, "the HTTP server ended with an error");
    }
    stop_actors(&ground).await;
}

fn lay_ground(options: &Options) -> Result<Ground, StartError> {
    let Options { config, exe, environment } = options;
    hide_secrets(config);
    let clock = Clock::system();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&config.store.path)?);
    let term = store.begin_term()?;
    let keeper = Keeper::at(exe.clone());
    let identity = Identity { name: "Mosaic Coordinator".to_owned(), email: "mosaic@localhost".to_owned() };
    let workspaces =
        Workspaces::open(config.workspace.root.clone(), keeper.clone(), environment.clone(), identity)
            .map_err(|error| StartError::Refused(error.to_string()))?;
    let forge = Forge::new(&config.gitea.url, config.gitea.token.clone(), Timeouts::default())
        .map_err(|error| StartError::Refused(format!("gitea.url: {error}")))?;
    let health = Health::new();
    health.good("store", "journal and inbox are writable");
    health.bad("forge", "not asked yet");
    Ok(Ground {
        census: Census::new(config.server.stuck_after, clock.clone(), tokio::runtime::Handle::current()),
        clock,
        config: Arc::new(ArcSwap::from_pointee(config.clone())),
        store,
        term,
        board: Board::new(),
        health,
        forge,
        bot: Arc::new(ArcSwapOption::empty()),
        workspaces,
        keeper,
        environment: Arc::new(environment.clone()),
        read_text: Arc::new(parse::read),
        meters: Arc::new(Meters::default()),
        wiring: Arc::new(Wiring::default()),
    })
}

fn start_actors(ground: &Ground) {
    fn own<R: Role<Seed = Ground>>(ground: &Ground, id: &str, parent: Option<&str>) -> Mailbox<R> {
        let spec = Spec {
            id: id.to_owned(),
            parent: parent.map(str::to_owned),
            capacity: None,
            policy: RestartPolicy::default(),
            on: Placement::Own,
        };
        spawn::<R>(&ground.census, ground.clone(), spec)
    }
    let wiring = &ground.wiring;
    // The warden beats as soon as it lives: it comes last.
    wiring.set_metrics(own::<MetricsActor>(ground, "metrics", Some("warden")));
    wiring.set_context_monitor(own::<ContextMonitorActor>(ground, "context_monitor", Some("warden")));
    wiring.set_queue(own::<QueueActor>(ground, "queue", Some("warden")));
    wiring.set_quality(own::<QualityActor>(ground, "quality", Some("warden")));
    wiring.set_courier(own::<Courier>(ground, "courier", Some("warden")));
    wiring.set_warden(own::<Warden>(ground, "warden", None));
    let mut escalations = ground.census.escalations();
    let port = wiring.warden().port::<GaveUp>();
    let wiring = wiring.clone();
    tokio::spawn(async move {
        while let Some(escalation) = escalations.recv().await {
            let crate::runtime::Escalation { id, why, .. } = escalation;
            if id == "warden" {
                wiring.fail(70, format!("the actor `{id}` crashed again and again: {why}"));
                continue;
            }
            port.deliver(GaveUp { id, why });
        }
    });
}

fn listen(ground: &Ground) -> Result<Listening, std::io::Error> {
    let config = ground.config.load_full();
    let metrics = {
        let ground = ground.clone();
        Arc::new(move || ground.meters.text(&ground))
    };
    let state = HttpState {
        board: ground.board.clone(),
        census: ground.census.clone(),
        health: ground.health.clone(),
        clock: ground.clock.clone(),
        config: ground.config.clone(),
        metrics,
    };
    let ports = {
        let ground = ground.clone();
        Arc::new(move |worker: usize| {
            let spec = Spec {
                id: format!("webhook:{worker}"),
                parent: Some("warden".to_owned()),
                capacity: None,
                policy: RestartPolicy::default(),
                // Stuck on the worker's thread it would keep documents from being read as well.
                on: Placement::Own,
            };
            let actor = spawn::<WebhookActor>(&ground.census, ground.clone(), spec);
            let port = actor.port::<Deliver>();
            // A worker that takes the place of one that died has an actor of its own.
            if let Some(before) = ground.wiring.webhooks.insert(worker, actor) {
                before.stop();
            }
            port
        })
    };
    http::listen(&config.server.host, config.server.port, HTTP_WORKERS, state, ports)
}

/// No new work; sessions are ended and taken up after the next start.
async fn drain(ground: &Ground) {
    ground.health.bad("draining", "the coordinator is stopping");
    ground.wiring.queue().port::<Drain>().deliver(Drain {});
    let deadline = ground.clock.instant() + DRAIN;
    while !ground.wiring.agents.is_empty() && ground.clock.instant() < deadline {
        ground.clock.sleep(Duration::from_millis(50)).await;
    }
}

async fn stop_actors(ground: &Ground) {
    let deadline = tokio::time::Instant::now() + ACTORS_STOP;
    macro_rules! end {
        ($($mailbox:expr),*) => {$(
            let mailbox = $mailbox;
            mailbox.stop();
            if tokio::time::timeout_at(deadline, mailbox.stopped()).await.is_err() {
                tracing::warn!(actor = mailbox.id(), "an actor does not end in time");
            }
        )*};
    }
    let agents: Vec<_> = ground.wiring.agents.iter().map(|agent| agent.mailbox.clone()).collect();
    ground.wiring.agents.clear();
    agents.iter().for_each(Mailbox::stop);
    for agent in &agents {
        end!(agent);
    }
    let webhooks: Vec<_> = ground.wiring.webhooks.iter().map(|actor| actor.value().clone()).collect();
    ground.wiring.webhooks.clear();
    for webhook in &webhooks {
        end!(webhook);
    }
    let wiring = &ground.wiring;
    end!(
        wiring.warden(),
        wiring.courier(),
        wiring.quality(),
        wiring.context_monitor(),
        wiring.queue(),
        wiring.metrics()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_to_start_has_its_exit_code() {
        let held = StoreError::Held { path: "data/mosaic.db.lock".into(), holder: "7".to_owned() };
        let port = std::io::Error::new(std::io::ErrorKind::AddrInUse, "taken");
        for (error, code) in [
            (StartError::Store(held), 75),
            (StartError::Store(StoreError::Disk("input/output error".to_owned())), 74),
            (StartError::Store(StoreError::Full("no space left".to_owned())), 74),
            (StartError::Store(StoreError::Closed), 69),
            (StartError::Port(port), 69),
            (StartError::Refused("gitea.url".to_owned()), 78),
            (StartError::Thread("no more threads".to_owned()), 70),
        ] {
            assert_eq!(error.exit_code(), code, "{error}");
        }
    }
}
