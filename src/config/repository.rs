//! A repository's own `.mosaic.toml`: its gates, and a policy that may only be stricter than the operator's.

use super::{
    fault::{Faults, Origin},
    reader::Found,
    schema::{MergePolicy, PolicyConfig},
    sections, tree,
};
use crate::domain::gate::GateSet;

/// The name of the file on the base branch.
pub const REPOSITORY_FILE: &str = ".mosaic.toml";

/// What holds for one repository.
#[derive(Clone, Debug, PartialEq)]
pub struct RepositoryRules {
    /// Its own gates, which replace the configured ones; `None` where it has none.
    pub gates: Option<GateSet>,
    /// The stricter of both policies, key by key.
    pub policy: PolicyConfig,
    /// Keys that asked for more than the operator allows and were left out, such as `policy.max_sessions`.
    pub ignored: Vec<String>,
}

/// Reads the text of a repository's `.mosaic.toml` over the operator's policy. Errors: every fault at once, each
/// naming the file.
pub fn repository_policy(text: &str, base: &PolicyConfig) -> Result<RepositoryRules, Faults> {
    let at = |line| Origin::File { path: REPOSITORY_FILE.to_owned(), line: Some(line) };
    let document = tree::parse(text, &at)?;
    let found = Found::default();
    let (gates, asked) = sections::repository(&document, base, &found);
    Faults::refuse(found.into_faults())?;
    let (policy, ignored) = stricter(asked, base);
    Ok(RepositoryRules { gates: Some(gates).filter(|gates| !gates.is_empty()), policy, ignored })
}

/// The stricter of both, key by key, and the keys where `asked` was the laxer one.
fn stricter(asked: PolicyConfig, base: &PolicyConfig) -> (PolicyConfig, Vec<String>) {
    // Taken apart in full, so that a new key cannot be forgotten here.
    let PolicyConfig {
        merge,
        max_tasks,
        max_tasks_per_repository,
        max_continuations,
        max_sessions,
        turn_timeout,
        stall_timeout,
        rotate_at,
        warn_at,
    } = asked;
    let mut ignored = Vec::new();
    let policy = PolicyConfig {
        merge: if base.merge == MergePolicy::PullRequest && merge == MergePolicy::Auto {
            ignored.push("policy.merge".to_owned());
            base.merge
        } else {
            merge
        },
        max_tasks,
        max_tasks_per_repository,
        max_continuations: least(
            "max_continuations",
            max_continuations,
            base.max_continuations,
            &mut ignored,
        ),
        max_sessions: least("max_sessions", max_sessions, base.max_sessions, &mut ignored),
        turn_timeout: least("turn_timeout", turn_timeout, base.turn_timeout, &mut ignored),
        stall_timeout: least("stall_timeout", stall_timeout, base.stall_timeout, &mut ignored),
        rotate_at: least("rotate_at", rotate_at, base.rotate_at, &mut ignored),
        warn_at: least("warn_at", warn_at, base.warn_at, &mut ignored),
    };
    (policy, ignored)
}

fn least<T: PartialOrd>(key: &str, asked: T, base: T, ignored: &mut Vec<String>) -> T {
    if asked > base {
        ignored.push(format!("policy.{key}"));
        return base;
    }
    asked
}
