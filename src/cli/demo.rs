//! `demo`.
use std::process::ExitCode;

use super::DemoOptions;

/// Plays the scenario.
pub fn run(_options: &DemoOptions) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
