//! `check-config`: reads file and environment as `serve` would, and starts nothing.

use std::collections::BTreeMap;

use super::{ConfigOptions, Exit, Told, table::counted};
use crate::config::{self, Config, Loaded, Sources};

/// Checks the configuration: what is in it, or all that is wrong with it.
pub fn told(options: &ConfigOptions, environment: BTreeMap<String, String>) -> Told {
    let sources = Sources { file: options.file.clone(), environment, ..Sources::default() };
    match config::load(sources) {
        Ok(Loaded { config, warnings }) => Told {
            answer: summary(&config).into_bytes(),
            notes: config::render_warnings(&warnings),
            exit: Exit::Fine,
        },
        Err(faults) => Told {
            answer: Vec::new(),
            notes: config::render_faults(&faults),
            exit: Exit::ConfigurationRefused,
        },
    }
}

fn summary(config: &Config) -> String {
    format!(
        "configuration is fine: {}, {}, {}\n",
        listed("model", config.models.keys()),
        listed("agent", config.agents.keys()),
        listed("gate", config.gates.keys()),
    )
}

fn listed<'a>(thing: &str, names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    match names.is_empty() {
        true => format!("no {thing}s"),
        false => format!("{} ({})", counted(names.len(), thing), names.join(", ")),
    }
}
