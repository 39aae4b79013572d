//! Git by its command line, hardened: mirrors, workspaces, checkouts, and what is taken over from agents.
//!
//! Owns every call of git. Promises that the coordinator itself runs git in its own folders only (what must run in
//! a folder that an agent could write runs as a kept tree), that what an agent left is checked before it reaches a
//! mirror, and that the forge's token is in the environment of a transfer and nowhere else. Never decides what to
//! work on or whether a result is good.
//!
//! ```text
//! root/mirrors/<owner>+<repo>.git          the coordinator's bare copies; nothing in them is ever pruned
//! root/tasks/<owner>+<repo>/<n>-g<g>/tree  a task's work tree, with a git directory of its own
//! root/checkouts, root/intake              clean checkouts and throw-away repositories; emptied at the start
//! root/home                                an empty home for git
//! ```

mod change;
mod checkout;
mod combine;
mod error;
mod git;
mod git_dir;
mod harvest;
mod intake;
mod kept;
mod layout;
mod mirror;

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};

pub use change::{ChangeStatus, ChangedFile};
pub use checkout::{Checkout, Workspace};
pub use combine::Merged;
pub use error::WorkspaceError;
pub use git::Remote;
pub use git_dir::Identity;
pub use harvest::Harvest;
pub use layout::WorkspaceKey;
pub use mirror::{Merge, Push};

use crate::{domain::id::RepoRef, files::remove_tree, process::Keeper};

/// Largest bundle taken over from a workspace, unless set otherwise.
const BUNDLE_LIMIT_BYTES: u64 = 256 * 1024 * 1024;

/// All mirrors and workspaces below one root; clones share it.
#[derive(Clone)]
pub struct Workspaces {
    layout: layout::Layout,
    keeper: Keeper,
    git: git::Git,
    bundle_limit_bytes: u64,
    turns: Arc<Mutex<BTreeMap<RepoRef, Arc<tokio::sync::Mutex<()>>>>>,
}

impl Workspaces {
    /// Opens `root`, made where it is missing, and clears what an earlier run left unfinished. `environment` is all
    /// that git and its helpers see (PATH, LANG, TMPDIR and the like); one process at a time may hold a root.
    pub fn open(
        root: PathBuf,
        keeper: Keeper,
        environment: BTreeMap<String, String>,
        identity: Identity,
    ) -> Result<Self, WorkspaceError> {
        fs::create_dir_all(&root).map_err(WorkspaceError::io(&root))?;
        // Git directories refer to each other by absolute path.
        let root = root.canonicalize().map_err(WorkspaceError::io(&root))?;
        let layout = layout::Layout::new(root);
        for folder in [layout.checkouts(), layout.intake(), layout.home()] {
            remove_tree(&folder).map_err(WorkspaceError::io(&folder))?;
        }
        for folder in layout.folders() {
            fs::create_dir_all(&folder).map_err(WorkspaceError::io(&folder))?;
        }
        let git = git::Git::new(environment, &layout.home(), identity);
        let bundle_limit_bytes = BUNDLE_LIMIT_BYTES;
        Ok(Self { layout, keeper, git, bundle_limit_bytes, turns: Arc::default() })
    }

    /// Takes over at most `bytes` of packed work from a workspace.
    #[must_use]
    pub fn with_bundle_limit(mut self, bytes: u64) -> Self {
        self.bundle_limit_bytes = bytes;
        self
    }

    /// Commits from now on are by `identity`; all clones follow.
    pub fn set_identity(&self, identity: Identity) {
        self.git.set_identity(identity);
    }

    /// The turn that a transfer of `repo` waits for.
    fn turn(&self, repo: &RepoRef) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        turns.entry(repo.clone()).or_default().clone()
    }
}
