//! Git by its command line, as a person would use it.
#![allow(clippy::disallowed_methods, reason = "tests start git")]

use std::{path::Path, process::Command};

use super::forge_under_test::Person;

/// Runs git in a folder as someone, free of the machine's own configuration.
pub fn git(folder: &Path, who: Option<&Person>, args: &[&str]) -> Result<String, String> {
    let mut git = Command::new("git");
    git.current_dir(folder).args(args);
    git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_TERMINAL_PROMPT", "0");
    let login = who.map_or("someone", |who| who.login.as_str());
    for role in ["AUTHOR", "COMMITTER"] {
        git.env(format!("GIT_{role}_NAME"), login)
            .env(format!("GIT_{role}_EMAIL"), format!("{login}@users.localhost"));
    }
    if let Some(who) = who {
        git.env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "http.extraHeader")
            .env("GIT_CONFIG_VALUE_0", format!("Authorization: token {}", who.token));
    }
    let out = git.output().unwrap();
    let stdout = String::from_utf8_lossy(&out.stdout).trim().to_owned();
    if out.status.success() {
        Ok(stdout)
    } else {
        Err(format!("git {args:?}: {}", String::from_utf8_lossy(&out.stderr)))
    }
}
