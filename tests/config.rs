//! Configuration from outside: files, the example environment, and the sample that the interface shows.

use std::{collections::BTreeMap, path::Path};

use mosaic_coordinator::config::{Capability, Config, Loaded, Sources, environment, load, render_faults};
use secrecy::ExposeSecret as _;

fn loaded(file: Option<&Path>, environment: BTreeMap<String, String>) -> Loaded {
    let sources = Sources { file: file.map(Path::to_path_buf), environment, ..Sources::default() };
    load(sources).unwrap_or_else(|faults| panic!("{faults}"))
}

fn refused(file: &Path) -> String {
    let sources = Sources { file: Some(file.to_path_buf()), ..Sources::default() };
    let told = render_faults(&load(sources).expect_err("must be refused"));
    told.replace(&file.display().to_string(), "mosaic.toml")
}

/// Reads an environment file the way `docker run --env-file` does.
fn parse_env_file(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("no variable: {line}"));
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

#[test]
fn the_example_environment_starts_a_coordinator() {
    let variables = parse_env_file(include_str!("../config/example.env"));
    let names: Vec<&str> = variables.keys().map(String::as_str).collect();
    let contract = [
        "ANTHROPIC_API_KEY",
        "GITEA_TOKEN",
        "GITEA_URL",
        "GITEA_WEBHOOK_SECRET",
        "HOST",
        "LOG_LEVEL",
        "PORT",
    ];
    assert_eq!(names, contract);
    let Loaded { config, warnings } = loaded(None, variables);
    assert_eq!((config.server.host.as_str(), config.server.port), ("0.0.0.0", 8000));
    assert_eq!(config.gitea.url, "http://127.0.0.1:3000");
    assert_eq!(config.gitea.webhook_secrets.len(), 1);
    assert!(config.anthropic_api_key.is_some());
    assert!(warnings.iter().any(|warning| warning.key == "gitea.token"));
}

#[test]
fn the_old_contract_is_enough() {
    let three = [
        ("GITEA_WEBHOOK_SECRET", "secret"),
        ("GITEA_URL", "http://forge:3000"),
        ("ANTHROPIC_API_KEY", "sk-ant"),
    ];
    let config = loaded(None, three.map(|(name, value)| (name.to_owned(), value.to_owned())).into()).config;
    assert_eq!(config.gitea.webhook_secrets[0].expose_secret(), "secret");
    assert!(config.gitea.token.is_none() && config.agents.is_empty() && config.gates.is_empty());
}

/// The first block of the interface, word for word.
const SAMPLE: &str = r#"
[server]
host = "0.0.0.0"                    # HOST
port = 8000                         # PORT; 0 takes a free one, and the start-up line says which
operator_token = ""                 # empty: operator endpoints answer loopback only
max_body_bytes = 33554432
stuck_after = "10s"                 # a handler that runs longer makes its actor `stuck`

[gitea]
url = "http://127.0.0.1:3000"       # GITEA_URL
token = ""                          # GITEA_TOKEN; its user is the bot
webhook_secrets = ["…"]             # or GITEA_WEBHOOK_SECRET; all are accepted, so a secret can be rotated
repositories = []                   # "owner/repo" to reconcile; empty: all that the bot can see
reconcile_active = "60s"
reconcile_idle = "15m"

[store]
path = "data/mosaic.db"
reserve_bytes = 268435456           # below this much free disk: webhooks get 503, nothing starts, readiness names `disk`

[workspace]
root = "data/workspaces"

[policy]
merge = "auto"                      # auto | pull_request
max_tasks = 4                       # running at once
max_tasks_per_repository = 0        # 0: no limit of its own
max_continuations = 5               # continuation turns per task; red gates after the last one park it
max_sessions = 6                    # sessions per task, rotations included, failures of ours not
turn_timeout = "30m"
stall_timeout = "10m"
rotate_at = 0.95
warn_at = 0.80

[gates.test]                        # any name; order of the names has no meaning, gates run in parallel
command = ["cargo", "test"]
timeout = "10m"
parser = "exit"                     # exit | cargo | pytest | unittest | go | node | junit
[gates.coverage]
command = ["…"]
parser = "lcov"                     # lcov | cobertura; reads `report`
report = "lcov.info"
min_line_percent = 85.0

[agents.mine]
driver = "acp"                      # acp | claude | codex | opencode | command
command = ["python3", "agent.py"]
env = { NAME = "value" }            # nothing else of the coordinator's environment is passed on, but PATH, HOME, LANG, TERM, TMPDIR
read = []                           # paths the sandbox shows this agent in addition, read-only (accepted from the start)
write = []                          # and writable

[models.small]
agent = "mine"                      # who runs it
model = "vendor-model-id"           # what that agent is told
window_tokens = 200000
input_price = 0.0
output_price = 0.0                  # both zero: a free model
capability = "low"                  # low | medium | high: the hardest difficulty (easy | medium | hard) it may take
"#;

#[test]
fn the_sample_of_the_interface_loads() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mosaic.toml");
    std::fs::write(&file, SAMPLE).unwrap();
    let config = loaded(Some(&file), BTreeMap::new()).config;
    let defaults = Config::default();
    assert_eq!(config.policy, defaults.policy);
    assert_eq!((config.store.path, config.workspace.root), (defaults.store.path, defaults.workspace.root));
    assert_eq!(config.gitea.webhook_secrets[0].expose_secret(), "…");
    assert_eq!(config.gates.keys().collect::<Vec<_>>(), ["coverage", "test"]);
    assert_eq!(config.agents["mine"].env["NAME"].expose_secret(), "value");
    let model = &config.models["small"];
    assert_eq!((model.window_tokens, model.capability, model.is_free()), (200_000, Capability::Low, true));
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let told = refused(&folder.path().join("absent.toml"));
    assert!(told.contains("  mosaic.toml: cannot be read: ") && told.contains("create it"), "{told}");
    let told = refused(folder.path());
    assert!(
        told.contains("cannot be read: ") && told.contains("let the coordinator's user read it"),
        "{told}"
    );
    let latin = folder.path().join("latin.toml");
    std::fs::write(&latin, b"# caf\xe9\n").unwrap();
    assert!(refused(&latin).contains("save it as UTF-8"));
}

#[test]
fn a_file_that_is_no_toml_is_told_with_its_lines_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mosaic.toml");
    std::fs::write(&file, "[server]\nport = eighty\n[server]\ncolour = 1\n").unwrap();
    let told = refused(&file);
    assert!(told.contains("  mosaic.toml:2: is not valid TOML here: "), "{told}");
    assert!(told.contains("  mosaic.toml:3: is not valid TOML here: "), "{told}");
    assert!(!told.contains("webhook_secrets") && !told.contains("colour"), "{told}");
}

#[test]
fn the_process_environment_is_read() {
    assert!(environment().contains_key("PATH"));
}
