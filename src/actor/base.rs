//! What the base branch of a repository says of how it is worked on, and how its commits are worded.

use std::fmt::Write as _;

use secrecy::SecretString;

use super::Ground;
use crate::{
    config,
    domain::{
        id::{CommitId, RepoRef},
        task::{Ground as Base, TaskKey},
    },
    gate::gate_set_digest,
    workspace::Remote,
};

/// Largest `.mosaic.toml` that is read.
const RULES_MAX_BYTES: u64 = 256 * 1024;

/// Why there is no ground to stand on.
#[derive(Debug)]
pub(super) enum Unfit {
    /// For a while.
    Again(String),
    /// Until a person mends it.
    Faulty(String),
}

/// Where a repository is fetched from and pushed to.
pub(super) fn remote(ground: &Ground, repo: &RepoRef) -> Remote {
    let config = ground.config.load();
    let base_url = config.gitea.url.trim_end_matches('/').to_owned();
    Remote {
        url: format!("{base_url}/{repo}.git"),
        token: config.gitea.token.clone().unwrap_or_else(|| SecretString::from(String::new())),
        base_url,
    }
}

/// Reads gates and policy at a commit of the base branch.
pub(super) async fn read(
    ground: &Ground,
    repo: &RepoRef,
    base_branch: &str,
    base: CommitId,
) -> Result<Base, Unfit> {
    let config = ground.config.load_full();
    let text = ground
        .workspaces
        .read_file(repo, &base, config::REPOSITORY_FILE, RULES_MAX_BYTES)
        .await
        .map_err(|error| Unfit::Again(error.to_string()))?;
    let (gates, policy) = match text {
        None => (config.gates.clone(), config.policy.clone()),
        Some(text) => {
            let text = String::from_utf8_lossy(&text);
            let rules = config::repository_policy(&text, &config.policy).map_err(|faults| {
                let faults = faults.to_string();
                let faults = faults.trim().replace('\n', "; ");
                Unfit::Faulty(format!("{} on {base_branch} is faulty: {faults}", config::REPOSITORY_FILE))
            })?;
            if !rules.ignored.is_empty() {
                tracing::info!(%repo, ignored = ?rules.ignored, "the repository asks for more than the operator allows");
            }
            (rules.gates.unwrap_or_else(|| config.gates.clone()), rules.policy)
        }
    };
    Ok(Base {
        base_branch: base_branch.to_owned(),
        base,
        gate_set: gate_set_digest(&gates),
        gates,
        policy: policy.for_task(),
    })
}

/// A title as one line that closes and mentions nothing.
pub(super) fn one_line(title: &str) -> String {
    let line: String = title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() { "Untitled".to_owned() } else { line.chars().take(200).collect() }
}

/// The trailer that tells a commit of this task from a stranger's.
pub(super) fn issue_trailer(key: &TaskKey) -> String {
    format!("Mosaic-Issue: {}\nMosaic-Generation: {}", key.issue, key.generation)
}

/// The message of the coordinator's commit.
pub(super) fn commit_message(
    ground: &Ground,
    key: &TaskKey,
    title: &str,
    model: &str,
    agent: &str,
) -> String {
    let mut message = format!("{}\n\n{}", one_line(title), issue_trailer(key));
    let vendor_model = ground.config.load().models.get(model).map(|model| model.model.clone());
    // Writing to a string does not fail.
    let _ = write!(
        message,
        "\nMosaic-Agent: {}\nMosaic-Model: {}",
        one_line(agent),
        one_line(&vendor_model.unwrap_or_else(|| model.to_owned()))
    );
    message
}
