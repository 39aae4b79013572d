//! The simulated Gitea: enough of a forge to run the whole coordinator against, in one process.
//!
//! Owns an HTTP server on loopback that speaks the contract of Gitea 1.25 (the same paths, statuses, shapes
//! and traps), bare git repositories in one folder, and signed webhooks. It promises that what a client can
//! learn from it, a real Gitea would have told as well; the contract tests hold both to the same cases. It
//! keeps nothing: issues live in memory and end with it. It never knows the coordinator's types, so an error
//! there cannot hide here.
//!
//! Repositories, issues and hooks are made through its API, as in life. Only users, faults and logs are
//! reached from Rust.

mod acts;
mod events;
mod faults;
mod git;
mod http;
mod references;
mod render;
mod site;
mod state;
mod webhook;

use std::{
    fmt,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use actix_web::{App, HttpServer, dev::ServerHandle, rt::System, web};

pub use faults::{ApiRequest, DeliveryFault, Faults, HookAnswer, RequestFault, SentHook};
pub use git::GitError;
use site::Site;
use state::{Forge, User, now};
use webhook::{Outbox, Sender};

/// The version it says it is.
pub const VERSION: &str = "1.25.4";
/// Workers of its HTTP server.
const WORKERS: usize = 2;

/// How to start a simulated forge.
#[derive(Clone, Debug)]
pub struct SimulatedOptions {
    /// Folder for its repositories; made if it is not there, left when the forge stops.
    pub root: PathBuf,
    /// Port on loopback; 0 takes a free one.
    pub port: u16,
    /// What `/api/v1/version` answers.
    pub version: String,
    /// Whether an issue may wait for one of another repository.
    pub cross_repository_dependencies: bool,
}

impl SimulatedOptions {
    /// A free port, repositories under `root`, all as in a Gitea fresh from its installation.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), port: 0, version: VERSION.to_owned(), cross_repository_dependencies: true }
    }
}

/// Why a simulated forge did not start.
#[derive(Debug, thiserror::Error)]
pub enum SimulatedError {
    /// Folder or port.
    #[error("cannot start the simulated forge ({what}): {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// No usable git.
    #[error("cannot start the simulated forge: {0}")]
    Git(#[from] GitError),
    /// The sender of webhooks could not be built.
    #[error("cannot start the simulated forge's sender of webhooks: {0}")]
    Http(#[from] reqwest::Error),
    /// Its thread ended before it served.
    #[error("the simulated forge's thread ended before it served")]
    Gone,
}

/// A running simulated forge; stops when dropped.
pub struct SimulatedGitea {
    url: String,
    site: Arc<Site>,
    outbox: Outbox,
    server: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl SimulatedGitea {
    /// Starts a forge on a thread of its own and returns once it serves.
    ///
    /// # Errors
    /// When the folder, the port or git are not to be had.
    pub fn start(options: SimulatedOptions) -> Result<Self, SimulatedError> {
        let (ready, started) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("simulated-gitea".to_owned())
            .spawn(move || System::new().block_on(live(options, &ready)))
            .map_err(|source| SimulatedError::Io { what: "starting its thread".to_owned(), source })?;
        let running = started.recv().map_err(|_| SimulatedError::Gone)??;
        let Running { url, site, outbox, server } = running;
        Ok(Self { url, site, outbox, server, thread: Some(thread) })
    }

    /// Its base, `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes a user and returns an API token of theirs; for a user who is there, one more token.
    pub fn add_user(&self, login: &str) -> String {
        self.site.forge().add_user(login, false)
    }

    /// Makes a site administrator and returns an API token of theirs.
    pub fn add_admin(&self, login: &str) -> String {
        self.site.forge().add_user(login, true)
    }

    /// Ends a token, as its owner would in the settings.
    pub fn revoke(&self, token: &str) {
        self.site.forge().tokens.remove(token);
    }

    /// Plans faults.
    pub fn faults(&self) -> &Faults {
        &self.site.faults
    }

    /// All requests so far, in the order they came.
    pub fn requests(&self) -> Vec<ApiRequest> {
        self.site.faults.seen()
    }

    /// All webhooks that were sent or lost so far, in that order.
    pub fn deliveries(&self) -> Vec<SentHook> {
        self.site.faults.all_sent()
    }

    /// Webhooks that are still to be sent.
    pub fn pending_deliveries(&self) -> usize {
        self.outbox.waiting()
    }

    /// Sends an old webhook again, as an operator does in the settings: the same text, a new id. Returns that
    /// id; `None` when there was no such webhook or its hook is gone.
    pub fn replay(&self, uuid: &str) -> Option<String> {
        let sent = self.deliveries().into_iter().find(|sent| sent.uuid == uuid)?;
        self.site.forge().replay(&sent)
    }

    /// Stops serving and sending; what is not delivered is lost.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // The order is given by the call; only its confirmation would have to be awaited.
        drop(self.server.stop(false));
        // A panic in there has been printed by its thread.
        let _ = thread.join();
    }
}

impl fmt::Debug for SimulatedGitea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its state holds tokens.
        f.debug_struct("SimulatedGitea").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Drop for SimulatedGitea {
    fn drop(&mut self) {
        self.end();
    }
}

struct Running {
    url: String,
    site: Arc<Site>,
    outbox: Outbox,
    server: ServerHandle,
}

/// The life of the forge's thread: sets up, says so, serves until it is stopped.
async fn live(options: SimulatedOptions, ready: &mpsc::SyncSender<Result<Running, SimulatedError>>) {
    match set_up(options).await {
        Ok((running, server)) => {
            // Without a receiver the starter is gone; then the server ends at once with its handle.
            let _ = ready.send(Ok(running));
            if let Err(error) = server.await {
                tracing::warn!(%error, "the simulated forge's server ended with an error");
            }
        }
        Err(error) => drop(ready.send(Err(error))),
    }
}

async fn set_up(options: SimulatedOptions) -> Result<(Running, actix_web::dev::Server), SimulatedError> {
    let failed = |what: String| move |source| SimulatedError::Io { what, source };
    let folder = options.root.join("repositories");
    std::fs::create_dir_all(&folder).map_err(failed(format!("making {}", folder.display())))?;
    let folder = folder.canonicalize().map_err(failed(format!("finding {}", folder.display())))?;
    let git = git::Git::locate(folder).await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))
        .map_err(failed(format!("listening on 127.0.0.1:{}", options.port)))?;
    let port = listener.local_addr().map_err(failed("reading its port".to_owned()))?.port();
    let url = format!("http://127.0.0.1:{port}");
    let faults = Arc::new(Faults::default());
    let (sender, outbox, queue) = Sender::new(Arc::clone(&faults))?;
    let forge = Mutex::new(Forge::new(url.clone(), outbox.clone()));
    let site = Arc::new(Site {
        forge,
        git,
        faults,
        version: options.version,
        cross_repository_dependencies: options.cross_repository_dependencies,
    });
    actix_web::rt::spawn(sender.run(queue));
    let served = Arc::clone(&site);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::from(Arc::clone(&served)))
            .app_data(web::PayloadConfig::new(http::MAX_BODY))
            .wrap(actix_web::middleware::from_fn(http::gate))
            .configure(http::routes)
    })
    .workers(WORKERS)
    .disable_signals()
    .keep_alive(Duration::from_secs(30))
    .shutdown_timeout(1)
    .listen(listener)
    .map_err(failed(format!("serving on {url}")))?
    .run();
    let running = Running { url, site, outbox, server: server.handle() };
    Ok((running, server))
}

impl Forge {
    fn add_user(&mut self, login: &str, site_admin: bool) -> String {
        let id = match self.user_named(login) {
            Some(user) => user.id,
            None => {
                let id = self.next_id("user");
                self.users.insert(id, User { id, login: login.to_owned(), site_admin, created: now() });
                id
            }
        };
        let token =
            format!("{}{}", uuid::Uuid::new_v4().simple(), &uuid::Uuid::new_v4().simple().to_string()[..8]);
        self.tokens.insert(token.clone(), id);
        token
    }
}
