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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rules(text: &str) -> RepositoryRules {
        repository_policy(text, &PolicyConfig::default()).unwrap_or_else(|faults| panic!("{faults}"))
    }

    #[test]
    fn a_file_without_anything_leaves_all_to_the_operator() {
        let base = PolicyConfig { max_tasks: 9, ..PolicyConfig::default() };
        for text in ["", "[gates]\n", "[policy]\n"] {
            let rules = repository_policy(text, &base).unwrap();
            assert_eq!(rules, RepositoryRules { gates: None, policy: base.clone(), ignored: Vec::new() });
        }
    }

    #[test]
    fn its_gates_replace_the_configured_ones() {
        let gates = rules("[gates.test]\ncommand = [\"make\", \"test\"]\ntimeout = \"1m\"\n").gates.unwrap();
        assert_eq!(gates["test"].command, ["make", "test"]);
        assert_eq!((gates.len(), gates["test"].timeout_ms), (1, 60_000));
    }

    #[test]
    fn a_stricter_policy_holds_key_by_key() {
        let text = "[policy]\nmerge = \"pull_request\"\nmax_continuations = 0\nmax_sessions = 2\n\
                    turn_timeout = \"1m\"\nstall_timeout = \"20s\"\nrotate_at = 0.7\nwarn_at = 0.6\n";
        let RepositoryRules { policy, ignored, .. } = rules(text);
        let expected = PolicyConfig {
            merge: MergePolicy::PullRequest,
            max_continuations: 0,
            max_sessions: 2,
            turn_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(20),
            rotate_at: 0.7,
            warn_at: 0.6,
            ..PolicyConfig::default()
        };
        assert_eq!(policy, expected);
        assert!(ignored.is_empty());
    }

    #[test]
    fn a_laxer_policy_is_left_out_and_told() {
        let base = PolicyConfig { merge: MergePolicy::PullRequest, ..PolicyConfig::default() };
        let text = "[policy]\nmerge = \"auto\"\nmax_continuations = 6\nmax_sessions = 7\nturn_timeout = \"31m\"\n\
                    stall_timeout = \"11m\"\nrotate_at = 0.99\nwarn_at = 0.81\n";
        let RepositoryRules { policy, ignored, .. } = repository_policy(text, &base).unwrap();
        assert_eq!(policy, base);
        let keys = [
            "merge",
            "max_continuations",
            "max_sessions",
            "turn_timeout",
            "stall_timeout",
            "rotate_at",
            "warn_at",
        ];
        assert_eq!(ignored, keys.map(|key| format!("policy.{key}")));
    }

    #[test]
    fn an_equal_policy_is_not_laxer() {
        assert!(rules("[policy]\nmerge = \"auto\"\nmax_sessions = 6\nrotate_at = 0.95\n").ignored.is_empty());
    }

    #[test]
    fn what_is_the_operators_unknown_or_wrong_is_refused_with_the_files_name() {
        let text = "[server]\nport = 1\n[agents.a]\n[models.m]\n[gitea]\n[budget]\n[policies]\n\
                    [policy]\nmax_tasks = 1\nmax_tasks_per_repository = 1\nmerge = 1\nrotate_at = 0.5\nretention = \"7d\"\n\
                    [gates.test]\nreport = \"x\"\n";
        let faults = repository_policy(text, &PolicyConfig::default()).unwrap_err();
        insta::assert_snapshot!(faults, @r#"
        configuration refused, 12 faults:
          .mosaic.toml:1: server: belongs to the operator; remove it: a repository may set gates and a stricter policy only
          .mosaic.toml:3: agents: belongs to the operator; remove it: a repository may set gates and a stricter policy only
          .mosaic.toml:4: models: belongs to the operator; remove it: a repository may set gates and a stricter policy only
          .mosaic.toml:5: gitea: belongs to the operator; remove it: a repository may set gates and a stricter policy only
          .mosaic.toml:6: budget: is not supported yet; remove it until a version that knows it
          .mosaic.toml:7: policies: is an unknown key; did you mean `policy`?
          .mosaic.toml:9: policy.max_tasks: belongs to the operator; remove it: a repository may set gates and a stricter policy only
          .mosaic.toml:10: policy.max_tasks_per_repository: belongs to the operator; remove it: a repository may set gates and a stricter policy only
          .mosaic.toml:11: policy.merge: is a whole number, not text; write "auto" or "pull_request"
          .mosaic.toml:13: policy.retention: is not supported yet; remove it until a version that knows it
          .mosaic.toml:14: gates.test.command: is missing; set `command` to the program and its arguments, such as ["make", "test"]
          .mosaic.toml:15: gates.test.report: is read by the parser lcov only; set parser = "lcov" on this gate, or remove the key
        "#);
    }

    #[test]
    fn a_lower_line_alone_takes_the_warning_with_it() {
        let rules = repository_policy("[policy]\nrotate_at = 0.475\n", &PolicyConfig::default()).unwrap();
        assert!((rules.policy.rotate_at - 0.475).abs() < 1e-9);
        assert!((rules.policy.warn_at - 0.4).abs() < 1e-9, "{}", rules.policy.warn_at);
    }
}
