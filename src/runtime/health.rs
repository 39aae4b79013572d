//! Health: named checks, each with its last word, for readiness and for decisions that wait on them.
//!
//! Owned by nobody in particular: whoever knows a thing says so here. Never probes anything itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
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
pub struct Health(Arc<RwLock<Words>>);

#[derive(Debug, Default)]
struct Words {
    checks: BTreeMap<String, Check>,
    /// Checks that are not fine, but may be put to the test by those who wait on them.
    on_trial: BTreeSet<String>,
}

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
        let mut words = self.write();
        words.checks.remove(name);
        words.on_trial.remove(name);
    }

    /// Lets those who wait on a check that is not fine try once more, until its next word.
    pub fn put_on_trial(&self, name: &str) {
        self.write().on_trial.insert(name.to_owned());
    }

    /// Whether a check may be tried although it is not fine.
    pub fn is_on_trial(&self, name: &str) -> bool {
        self.read().on_trial.contains(name)
    }

    /// What keeps those back who wait on a check: its last word, unless it is fine or on trial.
    pub fn barrier(&self, name: &str) -> Option<Check> {
        let words = self.read();
        words.checks.get(name).filter(|check| !check.ok && !words.on_trial.contains(name)).cloned()
    }

    /// The last word on one check.
    pub fn get(&self, name: &str) -> Option<Check> {
        self.read().checks.get(name).cloned()
    }

    /// All checks, by name.
    pub fn checks(&self) -> BTreeMap<String, Check> {
        self.read().checks.clone()
    }

    /// Whether every check is fine.
    pub fn is_ready(&self) -> bool {
        self.read().checks.values().all(|check| check.ok)
    }

    fn set(&self, name: &str, check: Check) {
        let mut words = self.write();
        words.on_trial.remove(name);
        words.checks.insert(name.to_owned(), check);
    }

    fn read(&self) -> RwLockReadGuard<'_, Words> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Words> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn a_trial_lifts_the_barrier_until_the_next_word() {
        let health = Health::new();
        assert_eq!(health.barrier("agent.x"), None);
        health.bad("agent.x", "not logged in");
        assert_eq!(health.barrier("agent.x").map(|check| check.detail).as_deref(), Some("not logged in"));
        health.put_on_trial("agent.x");
        assert!(health.is_on_trial("agent.x"));
        assert_eq!(health.barrier("agent.x"), None);
        assert!(!health.is_ready(), "a trial is no improvement yet");
        health.bad("agent.x", "not logged in");
        assert!(health.barrier("agent.x").is_some());
        health.put_on_trial("agent.x");
        health.good("agent.x", "opened a session");
        assert!(!health.is_on_trial("agent.x"));
        health.bad("agent.x", "not logged in");
        health.put_on_trial("agent.x");
        health.forget("agent.x");
        assert!(!health.is_on_trial("agent.x"));
    }
}
