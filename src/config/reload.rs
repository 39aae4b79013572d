//! What a reload may change: the difference of two configurations, and the one that holds after it.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::{ExposeSecret as _, SecretString};

use super::schema::{
    AgentConfig, Config, GiteaConfig, PolicyConfig, ServerConfig, StoreConfig, WorkspaceConfig,
};

/// The keys that changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReloadDiff {
    /// Those that hold at once.
    pub applied: Vec<String>,
    /// Those that hold from the next start on.
    pub needs_restart: Vec<String>,
}

/// Which keys changed from `old` to `new`; their values are never told.
pub fn changes(old: &Config, new: &Config) -> ReloadDiff {
    // Taken apart in full, here and below, so that a new key cannot be forgotten.
    let Config {
        server,
        gitea,
        store,
        workspace,
        policy,
        gates,
        agents,
        models,
        log_level,
        anthropic_api_key,
    } = old;
    let mut diff = ReloadDiff::default();
    let applied = &mut diff.applied;
    gitea_reloadable(gitea, &new.gitea, applied);
    policy_keys(policy, &new.policy, applied);
    names("gates", gates, &new.gates, |a, b| a == b, applied);
    names("agents", agents, &new.agents, same_agent, applied);
    names("models", models, &new.models, |a, b| a == b, applied);
    let restart = &mut diff.needs_restart;
    server_keys(server, &new.server, restart);
    gitea_fixed(gitea, &new.gitea, restart);
    let StoreConfig { path, reserve_bytes } = store;
    note(*path != new.store.path, "store.path", restart);
    note(*reserve_bytes != new.store.reserve_bytes, "store.reserve_bytes", restart);
    let WorkspaceConfig { root } = workspace;
    note(*root != new.workspace.root, "workspace.root", restart);
    note(*log_level != new.log_level, "LOG_LEVEL", restart);
    note(!same_secret(anthropic_api_key, &new.anthropic_api_key), "ANTHROPIC_API_KEY", restart);
    diff
}

/// `old` with everything of `new` that a reload may change.
pub fn with_reloadable(old: &Config, new: &Config) -> Config {
    let new = new.clone();
    Config {
        gitea: GiteaConfig {
            token: new.gitea.token,
            webhook_secrets: new.gitea.webhook_secrets,
            repositories: new.gitea.repositories,
            ..old.gitea.clone()
        },
        policy: new.policy,
        gates: new.gates,
        agents: new.agents,
        models: new.models,
        ..old.clone()
    }
}

fn note(changed: bool, key: &str, keys: &mut Vec<String>) {
    if changed {
        keys.push(key.to_owned());
    }
}

fn gitea_reloadable(old: &GiteaConfig, new: &GiteaConfig, keys: &mut Vec<String>) {
    let exposed = |secrets: &[SecretString]| -> Vec<String> {
        secrets.iter().map(|secret| secret.expose_secret().to_owned()).collect()
    };
    note(!same_secret(&old.token, &new.token), "gitea.token", keys);
    let secrets_changed = exposed(&old.webhook_secrets) != exposed(&new.webhook_secrets);
    note(secrets_changed, "gitea.webhook_secrets", keys);
    note(old.repositories != new.repositories, "gitea.repositories", keys);
}

fn gitea_fixed(old: &GiteaConfig, new: &GiteaConfig, keys: &mut Vec<String>) {
    let GiteaConfig { url, token: _, webhook_secrets: _, repositories: _, reconcile_active, reconcile_idle } =
        old;
    note(*url != new.url, "gitea.url", keys);
    note(*reconcile_active != new.reconcile_active, "gitea.reconcile_active", keys);
    note(*reconcile_idle != new.reconcile_idle, "gitea.reconcile_idle", keys);
}

fn server_keys(old: &ServerConfig, new: &ServerConfig, keys: &mut Vec<String>) {
    let ServerConfig { host, port, operator_token, max_body_bytes, stuck_after } = old;
    note(*host != new.host, "server.host", keys);
    note(*port != new.port, "server.port", keys);
    note(!same_secret(operator_token, &new.operator_token), "server.operator_token", keys);
    note(*max_body_bytes != new.max_body_bytes, "server.max_body_bytes", keys);
    note(*stuck_after != new.stuck_after, "server.stuck_after", keys);
}

fn policy_keys(old: &PolicyConfig, new: &PolicyConfig, keys: &mut Vec<String>) {
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
    } = old;
    note(*merge != new.merge, "policy.merge", keys);
    note(*max_tasks != new.max_tasks, "policy.max_tasks", keys);
    let per_repository_changed = *max_tasks_per_repository != new.max_tasks_per_repository;
    note(per_repository_changed, "policy.max_tasks_per_repository", keys);
    note(*max_continuations != new.max_continuations, "policy.max_continuations", keys);
    note(*max_sessions != new.max_sessions, "policy.max_sessions", keys);
    note(*turn_timeout != new.turn_timeout, "policy.turn_timeout", keys);
    note(*stall_timeout != new.stall_timeout, "policy.stall_timeout", keys);
    note(*rotate_at != new.rotate_at, "policy.rotate_at", keys);
    note(*warn_at != new.warn_at, "policy.warn_at", keys);
}

/// Notes each name under `section` whose entry came, went or changed.
fn names<T>(
    section: &str,
    old: &BTreeMap<String, T>,
    new: &BTreeMap<String, T>,
    same: impl Fn(&T, &T) -> bool,
    keys: &mut Vec<String>,
) {
    let all: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in all {
        let unchanged = matches!((old.get(name), new.get(name)), (Some(a), Some(b)) if same(a, b));
        note(!unchanged, &format!("{section}.{name}"), keys);
    }
}

fn same_agent(old: &AgentConfig, new: &AgentConfig) -> bool {
    let AgentConfig { driver, command, env, read, write } = old;
    let same_env = env.len() == new.env.len()
        && env.iter().zip(&new.env).all(|((old_name, old_value), (new_name, new_value))| {
            old_name == new_name && old_value.expose_secret() == new_value.expose_secret()
        });
    same_env && *driver == new.driver && *command == new.command && *read == new.read && *write == new.write
}

fn same_secret(old: &Option<SecretString>, new: &Option<SecretString>) -> bool {
    old.as_ref().map(|secret| secret.expose_secret()) == new.as_ref().map(|secret| secret.expose_secret())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{AgentDriver, Capability, MergePolicy, ModelConfig};
    use crate::domain::{
        gate::{GateParser, GateSpec},
        id::RepoRef,
    };

    fn agent(key: &str) -> AgentConfig {
        AgentConfig {
            driver: AgentDriver::Acp,
            command: vec!["agent".into()],
            env: BTreeMap::from([("KEY".to_owned(), SecretString::from(key))]),
            read: Vec::new(),
            write: Vec::new(),
        }
    }

    fn small_model() -> ModelConfig {
        ModelConfig {
            agent: "mine".into(),
            model: "id".into(),
            window_tokens: 1,
            input_price: 0.0,
            output_price: 0.0,
            capability: Capability::Low,
        }
    }

    /// A configuration that differs from the default one in every key.
    fn other() -> Config {
        let gate = GateSpec { command: vec!["make".into()], timeout_ms: 1, parser: GateParser::Exit };
        Config {
            server: ServerConfig {
                host: "::".into(),
                port: 1,
                operator_token: Some("operator".into()),
                max_body_bytes: 1,
                stuck_after: Duration::from_secs(1),
            },
            gitea: GiteaConfig {
                url: "http://other".into(),
                token: Some("token".into()),
                webhook_secrets: vec!["secret".into()],
                repositories: vec![RepoRef::new("acme", "app")],
                reconcile_active: Duration::from_secs(1),
                reconcile_idle: Duration::from_secs(1),
            },
            store: StoreConfig { path: "other.db".into(), reserve_bytes: 1 },
            workspace: WorkspaceConfig { root: "other".into() },
            policy: PolicyConfig {
                merge: MergePolicy::PullRequest,
                max_tasks: 1,
                max_tasks_per_repository: 1,
                max_continuations: 1,
                max_sessions: 1,
                turn_timeout: Duration::from_secs(1),
                stall_timeout: Duration::from_secs(1),
                rotate_at: 0.5,
                warn_at: 0.4,
            },
            gates: BTreeMap::from([("test".to_owned(), gate)]),
            agents: BTreeMap::from([("mine".to_owned(), agent("key-one"))]),
            models: BTreeMap::from([("small".to_owned(), small_model())]),
            log_level: tracing::Level::DEBUG,
            anthropic_api_key: Some("provider".into()),
        }
    }

    #[test]
    fn every_changed_key_is_told_on_its_side() {
        let diff = changes(&Config::default(), &other());
        insta::assert_snapshot!(diff.applied.join("\n"), @r#"
        gitea.token
        gitea.webhook_secrets
        gitea.repositories
        policy.merge
        policy.max_tasks
        policy.max_tasks_per_repository
        policy.max_continuations
        policy.max_sessions
        policy.turn_timeout
        policy.stall_timeout
        policy.rotate_at
        policy.warn_at
        gates.test
        agents.mine
        models.small
        "#);
        insta::assert_snapshot!(diff.needs_restart.join("\n"), @r#"
        server.host
        server.port
        server.operator_token
        server.max_body_bytes
        server.stuck_after
        gitea.url
        gitea.reconcile_active
        gitea.reconcile_idle
        store.path
        store.reserve_bytes
        workspace.root
        LOG_LEVEL
        ANTHROPIC_API_KEY
        "#);
    }

    #[test]
    fn the_same_configuration_has_no_changes() {
        assert_eq!(changes(&other(), &other()), ReloadDiff::default());
    }

    #[test]
    fn after_a_reload_only_what_needs_a_restart_differs() {
        let (old, new) = (Config::default(), other());
        let reloaded = with_reloadable(&old, &new);
        let left = changes(&reloaded, &new);
        assert_eq!(left, ReloadDiff { applied: Vec::new(), ..changes(&old, &new) });
        assert_eq!(changes(&old, &reloaded).needs_restart, [""; 0]);
    }

    #[test]
    fn an_agents_change_is_told_by_name_and_without_values() {
        let old = other();
        let alter = |change: fn(&mut AgentConfig)| {
            let mut new = old.clone();
            new.agents.values_mut().for_each(change);
            changes(&old, &new).applied
        };
        let alterations: [fn(&mut AgentConfig); 6] = [
            |agent| *agent = tests::agent("key-two"),
            |agent| agent.env.clear(),
            |agent| agent.env = BTreeMap::from([("OTHER".to_owned(), "key-one".into())]),
            |agent| agent.command.push("--fast".into()),
            |agent| agent.read.push("/opt".into()),
            |agent| agent.write.push("/var".into()),
        ];
        for change in alterations {
            assert_eq!(alter(change), ["agents.mine"]);
        }
    }

    #[test]
    fn names_that_come_and_go_are_told() {
        let (mut old, mut new) = (other(), other());
        old.models.insert("gone".into(), small_model());
        new.models.insert("fresh".into(), small_model());
        assert_eq!(changes(&old, &new).applied, ["models.fresh", "models.gone"]);
    }
}
