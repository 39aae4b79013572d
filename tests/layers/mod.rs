//! The layers of the design: a module imports from lower layers only, never sideways, and a few crates have one home.
//!
//! Read from the sources, tests among them, so that a path in the middle of a function counts like an import.

mod source;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use source::Named;

/// The layers, highest first. In the first one, of which there is one program, each may use those after it.
const LAYERS: [&[&str]; 5] = [
    &["main", "cli", "app"],
    &["http", "actor"],
    &["store", "forge", "workspace", "agent", "gateway", "gate", "parse"],
    &["process", "runtime", "config", "telemetry", "files"],
    &["domain"],
];

/// Which crates only these places may name, by the beginnings of their module paths.
const HOMES: [(&[&str], &[&str]); 5] = [
    (&["actix"], &["runtime", "actor"]),
    // The composition root starts the system that all actors live in.
    (&["actix_rt"], &["runtime", "actor", "app"]),
    (&["actix_web", "actix_http"], &["http", "gateway", "forge::simulated"]),
    (&["rusqlite"], &["store::sqlite"]),
    (&["reqwest"], &["forge", "gateway", "parse", "cli"]),
];

/// What the pure centre never names. Durations are numbers like others; clocks are not.
const IMPURE: [&str; 13] = [
    "actix",
    "actix_rt",
    "actix_web",
    "tokio",
    "reqwest",
    "rusqlite",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::time::SystemTime",
    "std::time::Instant",
];

/// A path that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Breach {
    file: PathBuf,
    line: usize,
    path: String,
    rule: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, path, rule } = self;
        write!(f, "{}:{line}: `{path}`: {rule}", file.display())
    }
}

/// Where a module stands: its layer, and its place in it.
fn place(module: &str) -> Option<(usize, usize)> {
    LAYERS
        .iter()
        .enumerate()
        .find_map(|(layer, modules)| Some((layer + 1, modules.iter().position(|other| *other == module)?)))
}

/// Why `from` must not use `to`, if it must not.
fn layer_rule(from: &str, to: &str) -> Option<String> {
    let ((from_layer, from_place), (to_layer, to_place)) = (place(from)?, place(to)?);
    if from == to || from_layer < to_layer || (from_layer, to_layer) == (1, 1) && from_place < to_place {
        return None;
    }
    let direction = if from_layer == to_layer { "sideways" } else { "upwards" };
    Some(format!("{from} (layer {from_layer}) must not import {direction} from {to} (layer {to_layer})"))
}

/// Why the module at `from` must not name this path of another crate, if it must not.
fn crate_rule(from: &[String], path: &[String]) -> Option<String> {
    let place = from.join("::");
    let is_in = |home: &str| place == home || place.starts_with(&format!("{home}::"));
    for (crates, homes) in HOMES {
        if crates.contains(&path[0].as_str()) && !homes.iter().any(|home| is_in(home)) {
            return Some(format!("only {} may name {}", homes.join(", "), path[0]));
        }
    }
    let written = path.join("::");
    let named = |impure: &&str| {
        written == **impure
            || written.starts_with(&format!("{impure}::"))
            || written == "std::time"
            || written == "std::*"
    };
    let impure = IMPURE.iter().find(|impure| named(impure)).filter(|_| is_in("domain"))?;
    Some(format!("domain is pure and must not name {impure}"))
}

/// The module that a path begins in: `None` for a path of another crate or of a name in scope.
fn target(from: &[String], named: &Named) -> Option<Vec<String>> {
    let Named { segments, nested, .. } = named;
    match segments[0].as_str() {
        "crate" | "mosaic_coordinator" => Some(segments[1..].to_vec()),
        "super" => {
            let ups = segments.iter().take_while(|segment| *segment == "super").count();
            let from_root = (from.len() + nested).checked_sub(ups)?;
            // What stays within an inline module stays within the file.
            let kept = from.iter().take(from_root).cloned();
            Some(kept.chain(segments[ups..].iter().cloned()).collect())
        }
        _ => None,
    }
}

/// Every breach in the sources, given by their paths below `src`.
fn breaches(sources: &BTreeMap<PathBuf, String>) -> Vec<Breach> {
    let mut found = Vec::new();
    for (file, text) in sources {
        let from = module_path(file);
        // The library's root only lists the modules.
        let Some(top) = from.first() else { continue };
        let breach =
            |line: usize, path: String, rule: String| Breach { file: file.clone(), line, path, rule };
        if place(top).is_none() {
            let rule = format!(
                "the module {top} stands in no layer: give it its place in tests/layers and in lib.rs"
            );
            found.push(breach(1, top.clone(), rule));
        }
        for named in source::paths(text) {
            let rule = match target(&from, &named) {
                Some(to) => to.first().and_then(|to| layer_rule(top, to)),
                None => crate_rule(&from, &named.segments),
            };
            found.extend(rule.map(|rule| breach(named.line, named.segments.join("::"), rule)));
        }
    }
    found
}

/// `a/b/mod.rs` and `a/b.rs` are `a::b`; `lib.rs` is the root.
fn module_path(file: &Path) -> Vec<String> {
    let mut path: Vec<String> =
        file.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if path.last().is_some_and(|last| last == "mod") || path == ["lib"] {
        path.pop();
    }
    path
}

fn read_sources(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut sources = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the sources can be listed") {
            let path = entry.expect("the sources can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source can be read");
                sources.insert(path.strip_prefix(root).expect("it was found below it").to_owned(), text);
            }
        }
    }
    sources
}

#[test]
fn modules_import_from_lower_layers_only_and_crates_stay_in_their_homes() {
    let sources = read_sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(sources.len() > 50, "the sources are not where they were");
    let found = breaches(&sources);
    let lines: Vec<String> = found.iter().map(|breach| format!("src/{breach}")).collect();
    assert!(found.is_empty(), "{} breaches of the layers:\n{}", lines.len(), lines.join("\n"));
}

/// The breaches in one file of this text.
fn judged(file: &str, text: &str) -> Vec<String> {
    let sources = BTreeMap::from([(PathBuf::from(file), text.to_owned())]);
    breaches(&sources).iter().map(ToString::to_string).collect()
}

#[test]
fn imports_from_above_and_from_the_side_are_found() {
    assert_eq!(
        judged("agent/mod.rs", "use crate::{\n  domain::id,\n  workspace::Workspace,\n};"),
        [
            "agent/mod.rs:3: `crate::workspace::Workspace`: agent (layer 3) must not import sideways from workspace (layer 3)"
        ]
    );
    assert_eq!(
        judged("process/tree.rs", "fn f() { crate::actor::go() }"),
        [
            "process/tree.rs:1: `crate::actor::go`: process (layer 4) must not import upwards from actor (layer 2)"
        ]
    );
    assert_eq!(judged("files.rs", "use super::config::Config;").len(), 1);
    assert_eq!(judged("http/webhook.rs", "mod tests { use super::super::super::actor::Ground; }").len(), 1);
    assert_eq!(judged("app.rs", "use crate::cli::Cli;").len(), 1);
    assert_eq!(judged("domain/id.rs", "#[cfg(test)] mod tests { use crate::parse::IssueText; }").len(), 1);
}

#[test]
fn imports_from_below_and_from_within_are_fine() {
    assert_eq!(judged("http/mod.rs", "use crate::{store::Store, domain::id}; use super::http::x;"), [""; 0]);
    assert_eq!(
        judged("agent/acp/mod.rs", "use super::{outbox, super::agent}; use super::super::domain::id;"),
        [""; 0]
    );
    assert_eq!(judged("main.rs", "use mosaic_coordinator::{cli, process};"), [""; 0]);
    assert_eq!(judged("cli/mod.rs", "use crate::app; mod tests { use super::*; }"), [""; 0]);
    assert_eq!(judged("lib.rs", "pub mod domain;"), [""; 0]);
}

#[test]
fn crates_away_from_home_are_found() {
    for (file, text) in [
        ("http/mod.rs", "#[actix_rt::test] async fn f() {}"),
        ("forge/client.rs", "use actix_web::App;"),
        ("store/board.rs", "use rusqlite::Connection;"),
        ("actor/courier.rs", "fn f(_: reqwest::Client) {}"),
        ("domain/id.rs", "use std::{collections::BTreeMap, time::Instant};"),
        ("domain/id.rs", "use std::time;"),
        ("domain/id.rs", "fn f() { std::env::var(\"A\"); }"),
        ("domain/id.rs", "use tokio::sync::Mutex;"),
    ] {
        assert_eq!(judged(file, text).len(), 1, "{file}: {text}");
    }
    for (file, text) in [
        ("forge/simulated/http/mod.rs", "use actix_web::App;"),
        ("store/sqlite/mod.rs", "use rusqlite::Connection;"),
        ("domain/id.rs", "use std::{fmt, time::Duration};"),
    ] {
        assert_eq!(judged(file, text), [""; 0], "{file}: {text}");
    }
}

#[test]
fn a_module_in_no_layer_is_found() {
    assert_eq!(judged("utils.rs", "").len(), 1);
}
