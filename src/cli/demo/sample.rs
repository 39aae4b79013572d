//! What the demo works on: a shell library with its tests and tools, and five issues of it.
//!
//! Owns the texts and how they get into a repository. The library needs nothing but `sh`; its gates are defined in its
//! own `.mosaic.toml` and are run as they stand there.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::{Context as _, bail};
use secrecy::{ExposeSecret as _, SecretString};

use crate::process::{Tool, ToolError};

macro_rules! sample {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_str!(concat!("sample/", $path)))),*]
    };
}

/// Path and text of every file of the base branch.
const FILES: &[(&str, &str)] = &sample![
    ".mosaic.toml",
    "README.md",
    "coverage/.gitignore",
    "examples/ruler.sh",
    "lib/numbers.sh",
    "lib/text.sh",
    "tests/numbers_test.sh",
    "tests/text_test.sh",
    "tools/build.sh",
    "tools/coverage.sh",
    "tools/harness.sh",
    "tools/lint.sh",
    "tools/test.sh",
];

/// The base branch.
pub(super) const BRANCH: &str = "main";

/// The gates that `.mosaic.toml` defines.
pub(super) const GATES: [&str; 4] = ["build", "coverage", "lint", "test"];

/// Issue `n` is at `n - 1`; its first line is the title.
const ISSUES: [&str; 5] = [
    include_str!("issues/1.md"),
    include_str!("issues/2.md"),
    include_str!("issues/3.md"),
    include_str!("issues/4.md"),
    include_str!("issues/5.md"),
];

/// Which issue waits for which by the forge's own dependencies; the others say it in their text.
pub(super) const DEPENDENCIES: [(u64, u64); 2] = [(2, 1), (3, 1)];

/// Number, title and body of each issue.
pub(super) fn issues() -> impl Iterator<Item = (u64, &'static str, &'static str)> {
    (1..).zip(ISSUES).map(|(number, text)| {
        let (title, body) = text.split_once('\n').unwrap_or((text, ""));
        (number, title.trim_start_matches("# "), body.trim_start())
    })
}

/// Refuses to go on without git.
pub(super) async fn require_git(environment: &BTreeMap<String, String>) -> anyhow::Result<()> {
    match git(Path::new("/"), environment, &["--version"]).run().await {
        Ok(output) if output.code == 0 => Ok(()),
        Ok(output) => bail!("`git --version` ended with {}: install git 2.38 or newer", output.code),
        Err(ToolError::NotFound { .. }) => {
            bail!("git is not found: install git 2.38 or newer and have it on the PATH")
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes the files to `folder`, which is made, and pushes them as the first commit of `url`.
pub(super) async fn push(
    folder: &Path,
    environment: &BTreeMap<String, String>,
    url: &str,
    token: &SecretString,
) -> anyhow::Result<()> {
    for (path, text) in FILES {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, text))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    // By the environment, so that the token is in no command line.
    let header = format!("Authorization: token {}", token.expose_secret());
    let mut environment = environment.clone();
    let settings = [
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "http.extraHeader"),
        ("GIT_CONFIG_VALUE_0", &header),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_AUTHOR_NAME", "Mona"),
        ("GIT_AUTHOR_EMAIL", "mona@localhost"),
        ("GIT_COMMITTER_NAME", "Mona"),
        ("GIT_COMMITTER_EMAIL", "mona@localhost"),
    ];
    environment.extend(settings.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let branch = format!("--initial-branch={BRANCH}");
    let steps: [&[&str]; 4] = [
        &["init", "--quiet", &branch],
        &["add", "--all"],
        &["commit", "--quiet", "--message", "Count, and print text of fixed width"],
        &["push", "--quiet", url, BRANCH],
    ];
    for step in steps {
        let output = git(folder, &environment, step).run().await?;
        if output.code != 0 {
            bail!("`git {}` failed: {}", step[0], String::from_utf8_lossy(&output.stderr).trim());
        }
    }
    Ok(())
}

fn git(folder: &Path, environment: &BTreeMap<String, String>, args: &[&str]) -> Tool {
    Tool {
        program: "git".to_owned(),
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        cwd: folder.to_owned(),
        env: environment.clone(),
        stdin: None,
        timeout: Duration::from_secs(60),
        output_limit_bytes: 64 * 1024,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        config::{PolicyConfig, repository_policy},
        domain::{
            id::RepoRef,
            metadata::{Difficulty, Metadata},
        },
        parse::{self, IssueText},
    };

    fn files_below(folder: &Path, at: &str, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder.join(at)).unwrap() {
            let entry = entry.unwrap();
            let path = Path::new(at).join(entry.file_name()).display().to_string();
            if entry.file_type().unwrap().is_dir() {
                files_below(folder, &path, found);
            } else {
                found.insert(path);
            }
        }
    }

    #[test]
    fn every_file_of_the_sample_is_pushed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/demo/sample");
        let mut found = BTreeSet::new();
        files_below(&folder, "", &mut found);
        assert_eq!(found, FILES.iter().map(|(path, _)| (*path).to_owned()).collect());
    }

    #[test]
    fn the_gates_are_those_of_its_own_file() {
        let (_, text) = FILES.iter().find(|(path, _)| *path == ".mosaic.toml").unwrap();
        let gates = repository_policy(text, &PolicyConfig::default()).unwrap().gates.unwrap();
        assert_eq!(gates.keys().collect::<Vec<_>>(), GATES.iter().collect::<Vec<_>>());
    }

    #[test]
    fn each_issue_says_all_that_there_is_to_say_and_together_they_are_a_diamond_and_a_chain() {
        let repo = RepoRef::new("mona", "almanac");
        let mut edges: BTreeSet<(u64, u64)> = DEPENDENCIES.into();
        let mut difficulties = Vec::new();
        for (number, title, body) in issues() {
            let Metadata { difficulty, estimated_tokens, files, blocks, blocked_by, acceptance, .. } =
                parse::read(&IssueText { repo: &repo, body, labels: &[] });
            difficulties.push(difficulty.unwrap().value);
            assert!(!title.is_empty() && estimated_tokens.is_some(), "{number}");
            assert!(files.unwrap().value.len() >= 2 && acceptance.unwrap().value.len() >= 2, "{number}");
            edges.extend(blocks.iter().flat_map(|field| &field.value).map(|other| (other.number, number)));
            let blockers = blocked_by.iter().flat_map(|field| &field.value);
            edges.extend(blockers.map(|other| (number, other.number)));
        }
        assert_eq!(edges, BTreeSet::from([(2, 1), (3, 1), (4, 2), (4, 3), (5, 4)]));
        use Difficulty::{Easy, Hard, Medium};
        assert_eq!(difficulties, [Easy, Medium, Medium, Hard, Easy]);
    }

    #[tokio::test]
    async fn what_git_refuses_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let environment = crate::config::environment();
        let nowhere = folder.path().join("nowhere").display().to_string();
        let error = push(&folder.path().join("tree"), &environment, &nowhere, &SecretString::from("canary"))
            .await
            .unwrap_err();
        let told = error.to_string();
        assert!(told.starts_with("`git push` failed: ") && !told.contains("canary"), "{told}");
    }
}
