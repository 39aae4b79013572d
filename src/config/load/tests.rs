mod any_text;
mod faults;
mod layers;

use secrecy::ExposeSecret as _;

use super::*;
use crate::{
    config::{Capability, changes},
    domain::gate::GateParser,
};

/// A file that names a secret, and `rest` after it.
fn with_secret(rest: &str) -> String {
    format!("gitea.webhook_secrets = [\"a-webhook-secret\"]\n{rest}")
}

fn read(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Faults> {
    let environment = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let sources = Sources { environment, ..Sources::default() };
    assemble(Some(("mosaic.toml", text)), &sources)
}

fn refused(text: &str, variables: &[(&str, &str)]) -> String {
    read(text, variables).expect_err("must be refused").to_string()
}

fn accepted(text: &str, variables: &[(&str, &str)]) -> Config {
    read(&with_secret(text), variables).unwrap_or_else(|faults| panic!("{faults}")).config
}

const ALL_KEYS: &str = r#"
[server]
host = "::1"
port = 0
operator_token = "operator-token"
max_body_bytes = 1
stuck_after = "1ms"
[gitea]
url = "HTTPS://forge.example:3000/git/"
token = "bot-token"
webhook_secrets = ["first-secret", "second secret"]
repositories = ["acme/app", "acme/lib.rs"]
reconcile_active = "5s"
reconcile_idle = "1h 30m"
[store]
path = "/var/lib/mosaic/mosaic.db"
reserve_bytes = 0
[workspace]
root = "work"
[policy]
merge = "pull_request"
max_tasks = 1
max_tasks_per_repository = 2
max_continuations = 0
max_sessions = 1
turn_timeout = "1m"
stall_timeout = "30s"
rotate_at = 1
warn_at = 0.5
[gates.test]
command = ["make", "", "test"]
timeout = "90s"
parser = "exit"
[gates.coverage]
command = ["make", "coverage"]
parser = "lcov"
report = "target/lcov.info"
min_line_percent = 90
[agents.mine]
driver = "acp"
command = ["python3", "agent.py"]
env = { API_KEY = "agent-key", MODE = "fast" }
read = ["/opt/tools"]
write = ["/var/cache/agent"]
[models.small]
agent = "mine"
model = "vendor-model-id"
window_tokens = 200000
input_price = 0.0
output_price = 1.5
capability = "high"
"#;

#[test]
fn every_key_is_accepted_and_means_what_it_says() {
    let Loaded { config, warnings } = read(ALL_KEYS, &[]).unwrap();
    assert_eq!(warnings, []);
    insta::assert_debug_snapshot!(config, @r#"
    Config {
        server: ServerConfig {
            host: "::1",
            port: 0,
            operator_token: Some(
                SecretBox<str>([REDACTED]),
            ),
            max_body_bytes: 1,
            stuck_after: 1ms,
        },
        gitea: GiteaConfig {
            url: "HTTPS://forge.example:3000/git",
            token: Some(
                SecretBox<str>([REDACTED]),
            ),
            webhook_secrets: [
                SecretBox<str>([REDACTED]),
                SecretBox<str>([REDACTED]),
            ],
            repositories: [
                RepoRef {
                    owner: "acme",
                    repo: "app",
                },
                RepoRef {
                    owner: "acme",
                    repo: "lib.rs",
                },
            ],
            reconcile_active: 5s,
            reconcile_idle: 5400s,
        },
        store: StoreConfig {
            path: "/var/lib/mosaic/mosaic.db",
            reserve_bytes: 0,
        },
        workspace: WorkspaceConfig {
            root: "work",
        },
        policy: PolicyConfig {
            merge: PullRequest,
            max_tasks: 1,
            max_tasks_per_repository: 2,
            max_continuations: 0,
            max_sessions: 1,
            turn_timeout: 60s,
            stall_timeout: 30s,
            rotate_at: 1.0,
            warn_at: 0.5,
        },
        gates: {
            "coverage": GateSpec {
                command: [
                    "make",
                    "coverage",
                ],
                timeout_ms: 600000,
                parser: Lcov {
                    report: "target/lcov.info",
                    min_line_percent: 90.0,
                },
            },
            "test": GateSpec {
                command: [
                    "make",
                    "",
                    "test",
                ],
                timeout_ms: 90000,
                parser: Exit,
            },
        },
        agents: {
            "mine": AgentConfig {
                driver: Acp,
                command: [
                    "python3",
                    "agent.py",
                ],
                env: {
                    "API_KEY": SecretBox<str>([REDACTED]),
                    "MODE": SecretBox<str>([REDACTED]),
                },
                read: [
                    "/opt/tools",
                ],
                write: [
                    "/var/cache/agent",
                ],
            },
        },
        models: {
            "small": ModelConfig {
                agent: "mine",
                model: "vendor-model-id",
                window_tokens: 200000,
                input_price: 0.0,
                output_price: 1.5,
                capability: High,
            },
        },
        log_level: Level(
            Info,
        ),
        anthropic_api_key: None,
    }
    "#);
    assert_eq!(config.gitea.webhook_secrets[1].expose_secret(), "second secret");
    assert_eq!(config.agents["mine"].env["API_KEY"].expose_secret(), "agent-key");
}

#[test]
fn no_secret_shows_in_debug() {
    let config = read(ALL_KEYS, &[("ANTHROPIC_API_KEY", "sk-provider-key")]).unwrap().config;
    let shown = format!("{config:?} {config:#?}");
    let secrets: Vec<&str> = config.secrets().into_iter().map(|secret| secret.expose_secret()).collect();
    let expected =
        ["operator-token", "bot-token", "sk-provider-key", "first-secret", "second secret", "agent-key"];
    assert_eq!(secrets, expected);
    for secret in secrets {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[test]
fn default_toml_says_what_the_typed_defaults_are() {
    let sources = Sources {
        environment: BTreeMap::from([("GITEA_WEBHOOK_SECRET".into(), "s".into())]),
        ..Sources::default()
    };
    let loaded = assemble(None, &sources).unwrap().config;
    let diff = changes(&Config::default(), &loaded);
    assert_eq!(diff.applied, ["gitea.webhook_secrets"]);
    assert_eq!(diff.needs_restart, [""; 0]);
}

#[test]
fn default_toml_holds_every_key_and_no_other() {
    let written: toml::Table = DEFAULTS.parse().unwrap();
    let complete: toml::Table = ALL_KEYS.parse().unwrap();
    let keys = |table: &toml::Table, section: &str| -> Vec<String> {
        table[section].as_table().unwrap().keys().cloned().collect()
    };
    let sections: Vec<&String> = written.keys().collect();
    assert_eq!(sections, ["gitea", "policy", "server", "store", "workspace"]);
    for section in sections {
        assert_eq!(keys(&written, section), keys(&complete, section), "[{section}]");
    }
}

#[test]
fn the_examples_of_default_toml_are_a_configuration() {
    let line = regex::Regex::new(r"(?m)^# (\[[a-z]+\.[a-z]+\]|[a-z_]+ += .*)$").unwrap();
    let lines: Vec<&str> = line.captures_iter(DEFAULTS).map(|found| found.get(1).unwrap().as_str()).collect();
    let config = accepted(&lines.join("\n"), &[]);
    let coverage = GateParser::Lcov { report: "lcov.info".into(), min_line_percent: 85.0 };
    assert_eq!(config.gates["coverage"].parser, coverage);
    assert_eq!(config.models["small"].agent, "mine");
    assert_eq!(config.agents["mine"].command, ["python3", "agent.py"]);
}

#[test]
fn windows_and_prices_left_out_come_from_the_registry() {
    let agent = "[agents.a]\ncommand = [\"a\"]\n";
    let known = "[models.m]\nagent = \"a\"\nmodel = \"claude-haiku-4-5\"\n";
    let model = accepted(&format!("{agent}{known}"), &[]).models["m"].clone();
    assert_eq!((model.window_tokens, model.input_price, model.output_price), (200_000, 1.0, 5.0));
    assert_eq!(model.capability, Capability::Low);
    assert!(!model.is_free());
    let text = format!("{agent}{known}window_tokens = 100000\ninput_price = 0\noutput_price = 0\n");
    let model = accepted(&text, &[]).models["m"].clone();
    assert_eq!((model.window_tokens, model.input_price), (100_000, 0.0));
    assert!(model.is_free());
}

#[test]
fn what_is_missing_but_no_fault_is_warned_of() {
    let loaded = read(&with_secret("server.operator_token = \"\"\n"), &[]).unwrap();
    insta::assert_snapshot!(crate::config::render_warnings(&loaded.warnings), @r#"
    warning: gitea.token: is not set: webhooks are stored, but nothing can be read from or done on the forge; set it or GITEA_TOKEN to an access token of the bot
    warning: agents: none is configured: tasks park; add an [agents.NAME] table
    warning: models: none is configured: tasks park; add a [models.NAME] table that names an agent
    warning: gates: none is configured: a task parks unless its repository's `.mosaic.toml` brings gates; add a [gates.NAME] table
    warning: mosaic.toml:2: server.operator_token: is empty while the server listens beyond loopback: operator endpoints answer loopback only; set a token, or server.host = "127.0.0.1"
    "#);
}

#[test]
fn a_model_without_any_price_is_warned_of() {
    let text =
        "[agents.a]\ncommand = [\"a\"]\n[models.m]\nagent = \"a\"\nmodel = \"local\"\nwindow_tokens = 9\n";
    let priced = format!("{text}input_price = 0\n");
    let warned = |text: &str| -> Vec<String> {
        let warnings = read(&with_secret(text), &[]).unwrap().warnings;
        warnings.into_iter().map(|warning| warning.key).filter(|key| key.starts_with("models")).collect()
    };
    assert_eq!(warned(text), ["models.m"]);
    assert_eq!(warned(&priced), [""; 0]);
}
