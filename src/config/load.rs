//! From the sources to a typed configuration: default, file, environment, flags, in this order.

use std::{collections::BTreeMap, io::ErrorKind, net::IpAddr, path::PathBuf};

use super::{
    environment,
    fault::{Fault, Faults, Origin},
    reader::Found,
    schema::Config,
    sections,
    tree::{self, Node},
};

/// The manual of the configuration, and the defaults: really what is merged first.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");

/// Where a configuration comes from. Has no `Debug`: the environment holds secrets.
#[derive(Clone, Default)]
pub struct Sources {
    /// The configuration file, if one was named.
    pub file: Option<PathBuf>,
    /// Environment variables, as [`environment()`](super::environment()) gives them.
    pub environment: BTreeMap<String, String>,
    /// What flags say: a key's path such as `server.port`, and its value.
    pub overrides: Vec<(String, toml::Value)>,
}

/// A configuration that can be served with.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is missing or unwise, though it starts.
    pub warnings: Vec<Fault>,
}

/// Reads, merges and checks all sources. Errors: every fault at once; a file that cannot be read or is no TOML is
/// told alone, as nothing after it would be true.
pub fn load(sources: Sources) -> Result<Loaded, Faults> {
    let file = match &sources.file {
        None => None,
        Some(path) => {
            let shown = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|error| unreadable(&shown, &error))?;
            Some((shown, text))
        }
    };
    assemble(file.as_ref().map(|(path, text)| (path.as_str(), text.as_str())), &sources)
}

fn unreadable(path: &str, error: &std::io::Error) -> Faults {
    let remedy = match error.kind() {
        ErrorKind::NotFound => "create it, or name another with --config",
        ErrorKind::InvalidData => "save it as UTF-8",
        _ => "let the coordinator's user read it, or name another with --config",
    };
    Faults::from(Fault {
        origin: Origin::File { path: path.to_owned(), line: None },
        key: String::new(),
        problem: format!("cannot be read: {error}"),
        remedy: remedy.to_owned(),
    })
}

fn assemble(file: Option<(&str, &str)>, sources: &Sources) -> Result<Loaded, Faults> {
    let mut document = tree::parse(DEFAULTS, &|_| Origin::Default)?;
    if let Some((path, text)) = file {
        let at = |line| Origin::File { path: path.to_owned(), line: Some(line) };
        document.overlay(tree::parse(text, &at)?);
    }
    let found = Found::default();
    environment::overlay(&mut document, &sources.environment, &found);
    for (key, value) in &sources.overrides {
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        document.overlay(Node::from_value(value.clone(), &Origin::CommandLine).nested(&path));
    }
    let mut config = sections::operator(&document, &found);
    (config.log_level, config.anthropic_api_key) = environment::alone(&sources.environment, &found);
    let warnings = warnings(&config, &document);
    Faults::refuse(found.into_faults())?;
    Ok(Loaded { config, warnings })
}

/// What is missing or unwise in a configuration that is no fault.
fn warnings(config: &Config, document: &Node) -> Vec<Fault> {
    let mut warnings = Vec::new();
    let mut warn = |key: &str, problem: &str, remedy: &str| {
        let origin = document.at(key).map_or(Origin::Default, |node| node.origin.clone());
        warnings.push(Fault { origin, key: key.into(), problem: problem.into(), remedy: remedy.into() });
    };
    if config.gitea.token.is_none() {
        warn(
            "gitea.token",
            "is not set: webhooks are stored, but nothing can be read from or done on the forge",
            "set it or GITEA_TOKEN to an access token of the bot",
        );
    }
    if config.agents.is_empty() {
        warn("agents", "none is configured: tasks park", "add an [agents.NAME] table");
    }
    if config.models.is_empty() {
        warn("models", "none is configured: tasks park", "add a [models.NAME] table that names an agent");
    }
    if config.gates.is_empty() {
        warn(
            "gates",
            "none is configured: a task parks unless its repository's `.mosaic.toml` brings gates",
            "add a [gates.NAME] table",
        );
    }
    if config.server.operator_token.is_none() && !is_loopback(&config.server.host) {
        warn(
            "server.operator_token",
            "is empty while the server listens beyond loopback: operator endpoints answer loopback only",
            "set a token, or server.host = \"127.0.0.1\"",
        );
    }
    for name in config.models.keys() {
        let key = |key: &str| format!("models.{name}.{key}");
        let is_priced = document.at(&key("input_price")).or(document.at(&key("output_price"))).is_some();
        if config.models[name].is_free() && !is_priced {
            let problem = "has no price, and the registry does not know the model: it counts as free";
            warn(&format!("models.{name}"), problem, "set input_price and output_price");
        }
    }
    warnings
}

fn is_loopback(host: &str) -> bool {
    host.parse::<IpAddr>().map_or(host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

#[cfg(test)]
mod tests;
