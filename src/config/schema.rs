//! The typed configuration: one struct per section, with the defaults that `config/default.toml` documents.
//!
//! Promises that no secret shows in `Debug`. Holds values only; reading them is `sections`.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use secrecy::SecretString;

use crate::domain::{gate::GateSet, id::RepoRef};
pub use crate::domain::{policy::MergePolicy, route::Capability};

/// Everything that can be configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[server]`
    pub server: ServerConfig,
    /// `[gitea]`
    pub gitea: GiteaConfig,
    /// `[store]`
    pub store: StoreConfig,
    /// `[workspace]`
    pub workspace: WorkspaceConfig,
    /// `[policy]`
    pub policy: PolicyConfig,
    /// `[gates.NAME]`: the gates of every repository that brings none of its own.
    pub gates: GateSet,
    /// `[agents.NAME]`
    pub agents: BTreeMap<String, AgentConfig>,
    /// `[models.NAME]`, windows and prices filled in from the registry.
    pub models: BTreeMap<String, ModelConfig>,
    /// `LOG_LEVEL`
    pub log_level: tracing::Level,
    /// `ANTHROPIC_API_KEY`
    pub anthropic_api_key: Option<SecretString>,
}

/// `[server]`: the HTTP side.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Address to listen on.
    pub host: String,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// What operator endpoints ask for; `None`: they answer loopback only.
    pub operator_token: Option<SecretString>,
    /// Largest webhook body in bytes.
    pub max_body_bytes: u64,
    /// A handler that runs longer makes its actor `stuck`.
    pub stuck_after: Duration,
}

/// `[gitea]`: the forge.
#[derive(Clone, Debug)]
pub struct GiteaConfig {
    /// Base address, http or https, without a trailing slash.
    pub url: String,
    /// Access token; its user is the bot.
    pub token: Option<SecretString>,
    /// Secrets that a delivery may be signed with: at least one once loaded, none empty.
    pub webhook_secrets: Vec<SecretString>,
    /// Repositories to work on; empty: all that the bot can see.
    pub repositories: Vec<RepoRef>,
    /// Time between reconciliations while there is work.
    pub reconcile_active: Duration,
    /// Time between reconciliations while there is none.
    pub reconcile_idle: Duration,
}

/// `[store]`: the journal.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The SQLite file; relative to the working directory.
    pub path: PathBuf,
    /// Below this much free disk in bytes nothing is taken or started.
    pub reserve_bytes: u64,
}

/// `[workspace]`: where agents work.
#[derive(Clone, Debug)]
pub struct WorkspaceConfig {
    /// Folder of all workspaces; relative to the working directory.
    pub root: PathBuf,
}

/// `[policy]`: how far the coordinator goes by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyConfig {
    /// What is done with green work.
    pub merge: MergePolicy,
    /// Tasks running at once.
    pub max_tasks: u32,
    /// Tasks running at once in one repository; 0: no limit of its own.
    pub max_tasks_per_repository: u32,
    /// Continuation turns per task.
    pub max_continuations: u32,
    /// Sessions per task.
    pub max_sessions: u32,
    /// Longest turn.
    pub turn_timeout: Duration,
    /// Longest silence within a turn.
    pub stall_timeout: Duration,
    /// Occupancy at which a session is rotated: a fraction above 0, at most 1.
    pub rotate_at: f64,
    /// Occupancy at which a session is warned of: a fraction below `rotate_at`.
    pub warn_at: f64,
}

/// How an agent is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentDriver {
    /// By the Agent Client Protocol on its standard streams.
    Acp,
}

/// `[agents.NAME]`: a program that does the work.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// How it is driven.
    pub driver: AgentDriver,
    /// Program and arguments; never empty.
    pub command: Vec<String>,
    /// Environment variables it gets in addition; any of them may be a key.
    pub env: BTreeMap<String, SecretString>,
    /// Paths its sandbox shows in addition, read-only.
    pub read: Vec<PathBuf>,
    /// Paths its sandbox shows in addition, writable.
    pub write: Vec<PathBuf>,
}

/// `[models.NAME]`: a model that an agent can use.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Key under `[agents]` of who runs it.
    pub agent: String,
    /// The vendor's id: what that agent is told.
    pub model: String,
    /// Context window in tokens; above 0.
    pub window_tokens: u64,
    /// US dollars per million input tokens.
    pub input_price: f64,
    /// US dollars per million output tokens.
    pub output_price: f64,
    /// The hardest difficulty it may take.
    pub capability: Capability,
}

impl ModelConfig {
    /// Whether it costs nothing.
    pub fn is_free(&self) -> bool {
        self.input_price == 0.0 && self.output_price == 0.0
    }
}

impl Config {
    /// Every secret in it, for the redaction of logs. Of agents' variables those whose name speaks of one.
    pub fn secrets(&self) -> Vec<&SecretString> {
        let tokens = [&self.server.operator_token, &self.gitea.token, &self.anthropic_api_key];
        let variables = self.agents.values().flat_map(|agent| &agent.env);
        tokens
            .into_iter()
            .flatten()
            .chain(&self.gitea.webhook_secrets)
            .chain(variables.filter(|(name, _)| speaks_of_a_secret(name)).map(|(_, value)| value))
            .collect()
    }
}

/// Whether a variable of this name holds a secret, going by its name.
fn speaks_of_a_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL"].iter().any(|word| name.contains(word))
}

impl Default for Config {
    /// The built-in defaults; without a webhook secret, so not yet one to serve with.
    fn default() -> Self {
        Self {
            server: ServerConfig::default(),
            gitea: GiteaConfig::default(),
            store: StoreConfig::default(),
            workspace: WorkspaceConfig::default(),
            policy: PolicyConfig::default(),
            gates: GateSet::new(),
            agents: BTreeMap::new(),
            models: BTreeMap::new(),
            log_level: tracing::Level::INFO,
            anthropic_api_key: None,
        }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            host: "0.0.0.0".to_owned(),
            port: 8000,
            operator_token: None,
            max_body_bytes: 32 * 1024 * 1024,
            stuck_after: Duration::from_secs(10),
        }
    }
}

impl Default for GiteaConfig {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:3000".to_owned(),
            token: None,
            webhook_secrets: Vec::new(),
            repositories: Vec::new(),
            reconcile_active: Duration::from_secs(60),
            reconcile_idle: Duration::from_secs(15 * 60),
        }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { path: PathBuf::from("data/mosaic.db"), reserve_bytes: 256 * 1024 * 1024 }
    }
}

impl Default for WorkspaceConfig {
    fn default() -> Self {
        Self { root: PathBuf::from("data/workspaces") }
    }
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            merge: MergePolicy::Auto,
            max_tasks: 4,
            max_tasks_per_repository: 0,
            max_continuations: 5,
            max_sessions: 6,
            turn_timeout: Duration::from_secs(30 * 60),
            stall_timeout: Duration::from_secs(10 * 60),
            rotate_at: 0.95,
            warn_at: 0.80,
        }
    }
}
