//! Which keys there are: reads each section of the merged tree into its type.
//!
//! Owns the names of all keys, those of later versions included, and the rules that tie keys to each other.

use std::{collections::BTreeMap, time::Duration};

use secrecy::SecretString;

use super::{
    fault::nearest,
    reader::{Found, Reader, not_yet},
    registry,
    schema::{
        AgentConfig, AgentDriver, Capability, Config, GiteaConfig, MergePolicy, ModelConfig, PolicyConfig,
        ServerConfig, StoreConfig, WorkspaceConfig,
    },
    tree::Node,
    value::{self, Wrong, choice, duration, number, shown, supported, whole},
};
use crate::domain::gate::{GateParser, GateSet, GateSpec};

const LATER_SECTIONS: &[&str] = &["providers", "metadata", "budget", "sandbox"];
const LATER_GATE_KEYS: &[&str] = &["memory", "output_limit", "flaky", "network", "prepare", "weight"];
const LATER_PARSERS: &[&str] = &["cargo", "pytest", "unittest", "go", "node", "junit", "cobertura"];
const LATER_DRIVERS: &[&str] = &["claude", "codex", "opencode", "command"];
const LATER_MODEL_KEYS: &[&str] = &["provider", "cache_read_price", "cache_write_price"];
const LATER_POLICY_KEYS: &[&str] =
    &["starters", "protected", "max_diff_bytes", "max_file_bytes", "retention"];
/// Where the warning lies below the rotation line when only the line is written: as with the defaults.
const WARN_SHARE: f64 = 0.80 / 0.95;
/// Sections of the operator's configuration that no repository has a say in.
const OPERATOR_SECTIONS: &[&str] = &["server", "gitea", "store", "workspace", "agents", "models"];
/// Keys of `[policy]` that no repository has a say in.
const OPERATOR_POLICY_KEYS: &[&str] = &["max_tasks", "max_tasks_per_repository"];

/// Reads the operator's configuration; what is faulty is added to `found` and keeps its default.
pub(super) fn operator(document: &Node, found: &Found) -> Config {
    let mut config = Config::default();
    let Some(mut root) = Reader::open(document, String::new(), found) else { return config };
    if let Some(section) = root.section("server") {
        config.server = server(section);
    }
    if let Some(section) = root.section("gitea") {
        config.gitea = gitea(section);
    }
    if let Some(section) = root.section("store") {
        config.store = store(section);
    }
    if let Some(section) = root.section("workspace") {
        config.workspace = workspace(section);
    }
    if let Some(section) = root.section("policy") {
        config.policy = policy(section, PolicyConfig::default(), Whose::Operator);
    }
    config.gates = gates(&mut root);
    let (agents, agent_names) = agents(&mut root);
    config.agents = agents;
    config.models = models(&mut root, &agent_names);
    root.finish(not_yet(LATER_SECTIONS));
    config
}

/// Reads a repository's `.mosaic.toml` on top of `base`: what it asks for, stricter or not.
pub(super) fn repository(document: &Node, base: &PolicyConfig, found: &Found) -> (GateSet, PolicyConfig) {
    let Some(mut root) = Reader::open(document, String::new(), found) else {
        return (GateSet::new(), base.clone());
    };
    let gates = gates(&mut root);
    let policy = match root.section("policy") {
        Some(section) => policy(section, base.clone(), Whose::Repository),
        None => base.clone(),
    };
    root.finish(|key| not_yet(LATER_SECTIONS)(key).or_else(|| operators_own(OPERATOR_SECTIONS, key)));
    (gates, policy)
}

fn operators_own(keys: &[&str], key: &str) -> Option<Wrong> {
    keys.contains(&key).then(|| {
        Wrong::new(
            "belongs to the operator",
            "remove it: a repository may set gates and a stricter policy only",
        )
    })
}

fn server(mut reader: Reader<'_>) -> ServerConfig {
    let mut section = ServerConfig::default();
    reader.set("host", &mut section.host, value::host);
    reader.set("port", &mut section.port, |node| whole(node, 0..=u16::MAX));
    reader.set("operator_token", &mut section.operator_token, value::token);
    reader.set("max_body_bytes", &mut section.max_body_bytes, |node| whole(node, 1..=u64::MAX));
    reader.set("stuck_after", &mut section.stuck_after, duration);
    reader.finish(|_| None);
    section
}

fn gitea(mut reader: Reader<'_>) -> GiteaConfig {
    let mut section = GiteaConfig::default();
    reader.set("url", &mut section.url, value::url);
    reader.set("token", &mut section.token, value::token);
    if let Some(secrets) = reader.list("webhook_secrets", value::secret) {
        if secrets.is_empty() {
            reader.refuse("webhook_secrets", missing_secret());
        }
        section.webhook_secrets = secrets;
    }
    if let Some(repositories) = reader.list("repositories", value::repository) {
        section.repositories = repositories;
    }
    reader.set("reconcile_active", &mut section.reconcile_active, duration);
    reader.set("reconcile_idle", &mut section.reconcile_idle, duration);
    reader.finish(|_| None);
    section
}

fn missing_secret() -> Wrong {
    Wrong::new(
        "holds no secret, so no delivery could be trusted",
        "set `gitea.webhook_secrets` or the variable GITEA_WEBHOOK_SECRET to the secret of the forge's webhook",
    )
}

fn store(mut reader: Reader<'_>) -> StoreConfig {
    let mut section = StoreConfig::default();
    reader.set("path", &mut section.path, value::path);
    reader.set("reserve_bytes", &mut section.reserve_bytes, |node| whole(node, 0..=u64::MAX));
    reader.finish(|_| None);
    section
}

fn workspace(mut reader: Reader<'_>) -> WorkspaceConfig {
    let mut section = WorkspaceConfig::default();
    reader.set("root", &mut section.root, value::path);
    reader.finish(|_| None);
    section
}

#[derive(Clone, Copy, PartialEq)]
enum Whose {
    Operator,
    Repository,
}

fn policy(mut reader: Reader<'_>, start: PolicyConfig, whose: Whose) -> PolicyConfig {
    let mut section = start;
    let merges = [("auto", MergePolicy::Auto), ("pull_request", MergePolicy::PullRequest)];
    reader.set("merge", &mut section.merge, |node| choice(node, &merges));
    if whose == Whose::Operator {
        reader.set("max_tasks", &mut section.max_tasks, |node| whole(node, 1..=10_000));
        reader.set("max_tasks_per_repository", &mut section.max_tasks_per_repository, |node| {
            whole(node, 0..=10_000)
        });
    }
    reader.set("max_continuations", &mut section.max_continuations, |node| whole(node, 0..=10_000));
    reader.set("max_sessions", &mut section.max_sessions, |node| whole(node, 1..=10_000));
    reader.set("turn_timeout", &mut section.turn_timeout, duration);
    reader.set("stall_timeout", &mut section.stall_timeout, duration);
    let fraction = |node: &Node| number(node, "above 0, at most 1", |at| at > 0.0 && at <= 1.0);
    let sound = reader.set("rotate_at", &mut section.rotate_at, fraction)
        & reader.set("warn_at", &mut section.warn_at, fraction);
    let crossed = section.warn_at >= section.rotate_at;
    if sound && crossed && !reader.is_written("warn_at") {
        // Who lowers the line alone wants to be warned as far ahead of it as before.
        section.warn_at = section.rotate_at * WARN_SHARE;
    } else if sound && crossed {
        let problem = format!(
            "policy.warn_at, {}, is not below policy.rotate_at, {}",
            section.warn_at, section.rotate_at
        );
        reader.refuse("warn_at", Wrong::new(problem, "lower policy.warn_at or raise policy.rotate_at"));
    }
    reader.finish(|key| {
        let own = operators_own(OPERATOR_POLICY_KEYS, key).filter(|_| whose == Whose::Repository);
        own.or_else(|| not_yet(LATER_POLICY_KEYS)(key))
    });
    section
}

fn command(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let remedy = "set `command` to the program and its arguments, such as [\"make\", \"test\"]";
    let absent = reader.node("command").is_none();
    if absent {
        reader.refuse("command", Wrong::new("is missing", remedy));
    }
    let command = reader.list("command", value::argument)?;
    if command.first().is_none_or(|program| program.trim().is_empty()) {
        reader.refuse("command", Wrong::new("names no program", remedy));
        return None;
    }
    Some(command)
}

/// How a gate's `parser` key was answered.
#[derive(Clone, Copy, PartialEq)]
enum ParserName {
    Exit,
    Lcov,
}

fn gates(root: &mut Reader<'_>) -> GateSet {
    let mut gates = GateSet::new();
    root.each("gates", |name, reader| {
        if let Some(gate) = gate(reader) {
            gates.insert(name.to_owned(), gate);
        }
    });
    gates
}

fn gate(mut reader: Reader<'_>) -> Option<GateSpec> {
    let command = command(&mut reader);
    let mut timeout = Duration::from_secs(10 * 60);
    reader.set("timeout", &mut timeout, duration);
    let mut parser = ParserName::Exit;
    let parsers = [("exit", ParserName::Exit), ("lcov", ParserName::Lcov)];
    let parser_is_sound = reader.set("parser", &mut parser, |node| supported(node, &parsers, LATER_PARSERS));
    let report = reader.optional("report", value::inner_path);
    let min_line_percent = reader.optional("min_line_percent", |node| {
        number(node, "from 0 to 100", |percent| (0.0..=100.0).contains(&percent))
    });
    if parser_is_sound && parser == ParserName::Exit {
        let unread = [("report", report.is_some()), ("min_line_percent", min_line_percent.is_some())];
        for (key, _) in unread.into_iter().filter(|(_, given)| *given) {
            let remedy = "set parser = \"lcov\" on this gate, or remove the key";
            reader.refuse(key, Wrong::new("is read by the parser lcov only", remedy));
        }
    }
    reader.finish(not_yet(LATER_GATE_KEYS));
    let parser = match parser {
        ParserName::Exit => GateParser::Exit,
        ParserName::Lcov => GateParser::Lcov {
            report: report.unwrap_or_else(|| "lcov.info".to_owned()),
            min_line_percent: min_line_percent.unwrap_or(85.0),
        },
    };
    let timeout_ms = u64::try_from(timeout.as_millis()).expect("a duration is at most 366 days");
    Some(GateSpec { command: command?, timeout_ms, parser })
}

/// The agents, and the names of all of them, the faulty ones included.
fn agents(root: &mut Reader<'_>) -> (BTreeMap<String, AgentConfig>, Vec<String>) {
    let (mut agents, mut names) = (BTreeMap::new(), Vec::new());
    root.each("agents", |name, reader| {
        names.push(name.to_owned());
        if let Some(agent) = agent(reader) {
            agents.insert(name.to_owned(), agent);
        }
    });
    (agents, names)
}

fn agent(mut reader: Reader<'_>) -> Option<AgentConfig> {
    let mut driver = AgentDriver::Acp;
    reader.set("driver", &mut driver, |node| supported(node, &[("acp", AgentDriver::Acp)], LATER_DRIVERS));
    let command = command(&mut reader);
    let env = variables(&mut reader);
    let read = reader.list("read", value::path).unwrap_or_default();
    let write = reader.list("write", value::path).unwrap_or_default();
    reader.finish(|_| None);
    Some(AgentConfig { driver, command: command?, env, read, write })
}

fn variables(reader: &mut Reader<'_>) -> BTreeMap<String, SecretString> {
    let mut variables = BTreeMap::new();
    for (name, node) in reader.entries("env") {
        let read = if value::is_variable_name(name) {
            value::variable(node)
        } else {
            Err(Wrong::new("is no variable's name", "use letters, digits and _, no digit first"))
        };
        match read {
            Ok(value) => drop(variables.insert(name.to_owned(), value)),
            Err(wrong) => reader.refuse_at(&node.origin, &format!("env.{}", name.escape_debug()), wrong),
        }
    }
    variables
}

fn models(root: &mut Reader<'_>, agents: &[String]) -> BTreeMap<String, ModelConfig> {
    let mut models = BTreeMap::new();
    root.each("models", |name, reader| {
        if let Some(model) = model(reader, agents) {
            models.insert(name.to_owned(), model);
        }
    });
    models
}

fn model(mut reader: Reader<'_>, agents: &[String]) -> Option<ModelConfig> {
    let agent =
        reader.required("agent", "name the agent that runs it, a key under [agents]", value::some_text);
    if let Some(agent) = agent.as_ref().filter(|agent| !agents.contains(agent)) {
        let remedy = match nearest(agent, agents.iter().map(String::as_str)) {
            Some(known) => format!("did you mean \"{known}\"?"),
            None => format!("configure it as [agents.{agent}], or name one that is"),
        };
        reader.refuse("agent", Wrong::new(format!("there is no agent {}", shown(agent)), remedy));
    }
    let id = reader.required("model", "give the vendor's id of the model", value::some_text);
    let known = id.as_deref().and_then(registry::lookup);
    let mut window_tokens = known.map_or(0, |known| known.window_tokens);
    let window_is_sound = reader.set("window_tokens", &mut window_tokens, |node| whole(node, 1..=u64::MAX));
    if let Some(id) = id.as_ref().filter(|_| window_is_sound && window_tokens == 0) {
        let problem = format!("is missing, and the registry does not know the model {}", shown(id));
        reader.refuse("window_tokens", Wrong::new(problem, "set it to the model's context window in tokens"));
    }
    let mut input_price = known.map_or(0.0, |known| known.input_price);
    let mut output_price = known.map_or(0.0, |known| known.output_price);
    reader.set("input_price", &mut input_price, value::price);
    reader.set("output_price", &mut output_price, value::price);
    let capabilities = [("low", Capability::Low), ("medium", Capability::Medium), ("high", Capability::High)];
    let mut capability = Capability::Low;
    reader.set("capability", &mut capability, |node| choice(node, &capabilities));
    reader.finish(not_yet(LATER_MODEL_KEYS));
    Some(ModelConfig { agent: agent?, model: id?, window_tokens, input_price, output_price, capability })
}
