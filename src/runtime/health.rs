//! Health: named checks, each with its last word, for readiness and for decisions that wait on them.
//!
//! Owned by nobody in particular: whoever knows a thing says so here. Never probes anything itself.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use serde::{Deserialize, Serialize};

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Whether it is fine.
    pub ok: bool,
    /// What was found, and the remedy where it is not fine.
    pub detail: String,
}

/// All checks by name: `forge`, `store`, `disk`, `agent.NAME`, `draining`.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<RwLock<BTreeMap<String, Check>>>);

impl Health {
    /// No checks yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that a check is fine.
    pub fn good(&self, name: &str, detail: impl Into<String>) {
        self.set(name, Check { ok: true, detail: detail.into() });
    }

    /// Says that a check is not fine, and what would help.
    pub fn bad(&self, name: &str, detail: impl Into<String>) {
        self.set(name, Check { ok: false, detail: detail.into() });
    }

    /// Takes a check off the list.
    pub fn forget(&self, name: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// The last word on one check.
    pub fn get(&self, name: &str) -> Option<Check> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All checks, by name.
    pub fn checks(&self) -> BTreeMap<String, Check> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether every check is fine.
    pub fn is_ready(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().all(|check| check.ok)
    }

    fn set(&self, name: &str, check: Check) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), check);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_check_makes_it_unready_until_it_is_good_again() {
        let health = Health::new();
        health.good("store", "writable");
        assert!(health.is_ready());
        health.bad("forge", "gitea.token is not set");
        assert!(!health.is_ready());
        assert_eq!(health.get("forge").map(|check| check.detail).as_deref(), Some("gitea.token is not set"));
        health.good("forge", "answers as bot");
        assert!(health.is_ready());
        health.bad("agent.x", "no such program");
        health.forget("agent.x");
        assert!(health.is_ready());
        assert_eq!(health.checks().len(), 2);
    }
}
