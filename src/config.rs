//! Configuration: from defaults, file, environment and flags to typed sections, or to all that is wrong with them.
//!
//! Owns every key and its default (`config/default.toml` is the manual and what is merged first), a repository's
//! `.mosaic.toml`, what a reload may change, the prompts' templates, and the only reading of the process
//! environment. Promises that faults come all at once, each with place, key and remedy, and that no secret shows in
//! `Debug` or in a fault. Never starts anything and never maps a fault to an exit code.

mod environment;
mod fault;
mod load;
pub mod prompts;
mod reader;
mod registry;
mod reload;
mod repository;
mod rules;
mod schema;
mod sections;
mod tree;
mod value;

pub use environment::environment;
pub use fault::{Fault, Faults, Origin, render_faults, render_warnings};
pub use load::{DEFAULTS, Loaded, Sources, load};
pub use reload::{ReloadDiff, changes, with_reloadable};
pub use repository::{REPOSITORY_FILE, RepositoryRules, repository_policy};
pub use schema::{
    AgentConfig, AgentDriver, Capability, Config, GiteaConfig, MergePolicy, ModelConfig, PolicyConfig,
    ServerConfig, StoreConfig, WorkspaceConfig,
};
