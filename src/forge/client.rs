//! The client of the forge's API, below `/api/v1`.
//!
//! Owns the connection pool, the token and the gate that `Retry-After` closes for all calls. Promises that the
//! token goes to the configured origin only, that redirects are reported and never followed, that reads are
//! tried at most three times and writes once. Never builds a URL from anything but the configured one.

mod base;
mod comments;
mod dependencies;
mod gate;
mod hooks;
mod issues;
mod merge;
mod paging;
mod pulls;
mod repositories;
mod statuses;
#[cfg(test)]
mod tests;
mod timeline;
mod transport;

use std::{
    sync::{Arc, PoisonError, RwLock, atomic::AtomicU32},
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use self::{base::BaseUrl, gate::Gate, transport::Call};
pub use self::{
    base::BaseUrlError,
    dependencies::Dependencies,
    hooks::NewHook,
    issues::{IssueEdit, NewIssue},
    merge::{MergeOutcome, MergeRequest, MergeStyle},
    pulls::NewPull,
    repositories::{NewRepository, Permissions, Repository},
    statuses::StatusState,
    timeline::LastActors,
};
use super::{
    error::ForgeError,
    wire::{BotUser, WireUser},
};

/// How long one request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands.
    pub connect: Duration,
    /// Until the whole answer is there.
    pub request: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), request: Duration::from_secs(30) }
    }
}

/// A forge; clones share connections, token and gate.
#[derive(Clone, Debug)]
pub struct Forge(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    http: reqwest::Client,
    base: BaseUrl,
    token: RwLock<Option<SecretString>>,
    gate: Gate,
    /// What `/settings/api` said; 0 until it did.
    page_limit: AtomicU32,
}

impl Forge {
    /// A client of the forge at `base_url` (a sub-path is kept); an empty token counts as none.
    pub fn new(
        base_url: &str,
        token: Option<SecretString>,
        timeouts: Timeouts,
    ) -> Result<Self, BaseUrlError> {
        let base = BaseUrl::parse(base_url)?;
        // No proxy from the environment: the token is for this origin alone.
        let http = reqwest::Client::builder()
            .user_agent(concat!("mosaic-coordinator/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .connect_timeout(timeouts.connect)
            .timeout(timeouts.request)
            // Shorter than what common proxies keep, so that no write meets a connection that is just closing.
            .pool_idle_timeout(Duration::from_secs(20))
            .build()
            .map_err(|error| BaseUrlError::Tls(error.to_string()))?;
        Ok(Self(Arc::new(Shared {
            http,
            base,
            token: RwLock::new(usable(token)),
            gate: Gate::default(),
            page_limit: AtomicU32::new(0),
        })))
    }

    /// Takes another token for every later call.
    pub fn set_token(&self, token: Option<SecretString>) {
        *self.0.token.write().unwrap_or_else(PoisonError::into_inner) = usable(token);
    }

    /// Whether there is a token at all.
    pub fn has_token(&self) -> bool {
        self.token().is_some()
    }

    /// The configured URL, without a trailing slash.
    pub fn base_url(&self) -> &str {
        self.0.base.as_str()
    }

    /// The forge's version, such as `1.25.4` or `15.0.3+gitea-1.22.0`; needs no token.
    pub async fn version(&self) -> Result<String, ForgeError> {
        #[derive(Deserialize)]
        struct Version {
            version: String,
        }
        let version: Version = self.fetch(Call::get(["version"])?.anonymous()).await?;
        Ok(version.version)
    }

    /// Whose token this is; fails with `Unauthorized` where it is none.
    pub async fn current_user(&self) -> Result<BotUser, ForgeError> {
        let call = Call::get(["user"])?;
        let name = call.name();
        let user: WireUser = self.fetch(call).await?;
        if user.id == 0 || user.name().is_empty() {
            return Err(ForgeError::Shape { call: name, message: "a user without id or login".into() });
        }
        Ok(BotUser { id: user.id, login: user.name().to_owned(), email: user.email })
    }

    fn token(&self) -> Option<SecretString> {
        self.0.token.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn usable(token: Option<SecretString>) -> Option<SecretString> {
    token.filter(|token| !token.expose_secret().trim().is_empty())
}
