//! The person of the demo: sets a repository up on the forge, files the issues, and looks at what became of them.
//!
//! Speaks with the forge's API by itself, not with the coordinator's client, so that what it finds is the forge's word.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::sample;

/// The maintainer's login.
pub(super) const LOGIN: &str = "mona";
/// The repository's name.
pub(super) const REPOSITORY: &str = "almanac";
/// The coordinator's login.
pub(super) const BOT: &str = "mosaic-bot";

const ANSWER_TIME: Duration = Duration::from_secs(30);

/// The maintainer, logged in.
pub(super) struct Maintainer {
    http: reqwest::Client,
    forge: String,
    token: SecretString,
}

impl Maintainer {
    /// Someone whose token for `forge` this is.
    pub(super) fn new(forge: &str, token: String) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_TIME).build()?;
        Ok(Self { http, forge: forge.to_owned(), token: token.into() })
    }

    /// Makes the empty repository, lets the bot in, and has events sent to `hook`, signed with `secret`.
    pub(super) async fn set_up(&self, hook: &str, secret: &str) -> anyhow::Result<()> {
        let new = json!({ "name": REPOSITORY, "default_branch": sample::BRANCH });
        self.call(Method::POST, "user/repos", &new).await?;
        let path = repository(&format!("collaborators/{BOT}"));
        self.call(Method::PUT, &path, &json!({ "permission": "write" })).await?;
        let hook = json!({
            "type": "gitea",
            "active": true,
            "events": ["issues", "push", "pull_request", "status"],
            "config": { "url": hook, "content_type": "json", "secret": secret },
        });
        self.call(Method::POST, &repository("hooks"), &hook).await?;
        Ok(())
    }

    /// Where the repository is pushed to.
    pub(super) fn clone_url(&self) -> String {
        format!("{}/{LOGIN}/{REPOSITORY}.git", self.forge)
    }

    /// The token, for a push.
    pub(super) fn token(&self) -> &SecretString {
        &self.token
    }

    /// Files the issues with their dependencies, then assigns each of them to the bot.
    pub(super) async fn file_issues(&self) -> anyhow::Result<()> {
        for (number, title, body) in sample::issues() {
            let new = json!({ "title": title, "body": body });
            let made = self.call(Method::POST, &repository("issues"), &new).await?;
            ensure!(made["number"] == number, "issue {number} became {}", made["number"]);
        }
        for (blocked, blocker) in sample::DEPENDENCIES {
            let other = json!({ "owner": LOGIN, "repo": REPOSITORY, "index": blocker });
            self.call(Method::POST, &repository(&format!("issues/{blocked}/dependencies")), &other).await?;
        }
        for (number, ..) in sample::issues() {
            let assigned = json!({ "assignees": [BOT] });
            self.call(Method::PATCH, &repository(&format!("issues/{number}")), &assigned).await?;
        }
        Ok(())
    }

    /// What is missing, by the forge's own word: each issue closed, by one merged pull request whose gates are all
    /// green, with one comment. Empty: nothing.
    pub(super) async fn shortcomings(&self) -> anyhow::Result<Vec<String>> {
        let pulls = self.read("pulls?state=all&limit=50").await?;
        let mut found = Vec::new();
        for (number, ..) in sample::issues() {
            let issue = self.read(&format!("issues/{number}")).await?;
            if issue["state"] != "closed" {
                found.push(format!("#{number} is {}", word(&issue["state"])));
            }
            let prefix = format!("mosaic/{number}-");
            let own = list(&pulls).filter(|pull| word(&pull["head"]["ref"]).starts_with(&prefix));
            match &own.collect::<Vec<_>>()[..] {
                [pull] if pull["merged"] == true => {
                    let sha = word(&pull["head"]["sha"]);
                    let status = self.read(&format!("commits/{sha}/status")).await?;
                    found.extend(
                        not_green(&status).map(|gate| format!("#{number}: no green `{gate}` at {sha}")),
                    );
                }
                [_] => found.push(format!("#{number} has a pull request that is not merged")),
                others => found.push(format!("#{number} has {} pull requests instead of one", others.len())),
            }
            let comments = self.read(&format!("issues/{number}/comments")).await?;
            let authors: Vec<&str> = list(&comments).map(|comment| word(&comment["user"]["login"])).collect();
            if authors != [BOT] {
                found.push(format!("#{number} has {} comments instead of one by the bot", authors.len()));
            }
        }
        Ok(found)
    }

    async fn read(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, &repository(path), &Value::Null).await
    }

    /// One call; `body` is sent unless it is null.
    async fn call(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
        let url = format!("{}/api/v1/{path}", self.forge);
        let authorization = format!("token {}", self.token.expose_secret());
        let mut request = self.http.request(method.clone(), &url).header("Authorization", authorization);
        if !body.is_null() {
            request = request.json(body);
        }
        let context = || format!("the demo's forge did not answer {method} {path}");
        let answer = request.send().await.with_context(context)?;
        let status = answer.status();
        let text = answer.text().await.with_context(context)?;
        if !status.is_success() {
            bail!("the demo's forge refused {method} {path} with {status}: {}", text.trim());
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(context)
    }
}

fn repository(path: &str) -> String {
    format!("repos/{LOGIN}/{REPOSITORY}/{path}")
}

/// The gates without a successful status in a combined status.
fn not_green(status: &Value) -> impl Iterator<Item = &'static str> {
    sample::GATES.into_iter().filter(|gate| {
        let context = format!("mosaic/{gate}");
        !list(&status["statuses"]).any(|one| one["context"] == context.as_str() && one["status"] == "success")
    })
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::simulated::{SimulatedGitea, SimulatedOptions};

    #[tokio::test]
    async fn the_forge_says_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let forge = SimulatedGitea::start(SimulatedOptions::new(folder.path().join("forge"))).unwrap();
        let maintainer = Maintainer::new(forge.url(), forge.add_user(LOGIN)).unwrap();
        forge.add_user(BOT);
        maintainer.set_up("http://127.0.0.1:1/webhook/gitea", "secret").await.unwrap();
        let (tree, environment) = (folder.path().join("tree"), crate::config::environment());
        sample::push(&tree, &environment, &maintainer.clone_url(), maintainer.token()).await.unwrap();
        maintainer.file_issues().await.unwrap();
        let blocks = maintainer.read("issues/1/blocks").await.unwrap();
        assert_eq!(list(&blocks).map(|issue| issue["number"].clone()).collect::<Vec<_>>(), [2, 3]);

        // One issue is closed by hand, by an ordinary merge without any gate, and a person comments.
        let text = json!({ "body": "looks good" });
        maintainer.call(Method::POST, &repository("issues/1/comments"), &text).await.unwrap();
        let branch = json!({ "new_branch_name": "mosaic/1-leap", "old_branch_name": sample::BRANCH });
        maintainer.call(Method::POST, &repository("branches"), &branch).await.unwrap();
        let pull = json!({ "head": "mosaic/1-leap", "base": sample::BRANCH, "title": "Leap" });
        maintainer.call(Method::POST, &repository("pulls"), &pull).await.unwrap();
        let closed = json!({ "state": "closed" });
        maintainer.call(Method::PATCH, &repository("issues/1"), &closed).await.unwrap();

        let found = maintainer.shortcomings().await.unwrap();
        let of = |number: u64| {
            let own = found.iter().filter(|told| told.starts_with(&format!("#{number} ")));
            own.map(String::as_str).collect::<Vec<_>>()
        };
        assert_eq!(
            of(1),
            ["#1 has a pull request that is not merged", "#1 has 1 comments instead of one by the bot"]
        );
        for number in 2..=5 {
            let told =
                ["is open", "has 0 pull requests instead of one", "has 0 comments instead of one by the bot"];
            assert_eq!(of(number), told.map(|told| format!("#{number} {told}")));
        }
    }

    #[test]
    fn a_gate_is_green_only_by_a_status_that_says_so() {
        let status = json!({ "statuses": [
            { "context": "mosaic/build", "status": "success" },
            { "context": "mosaic/lint", "status": "failure" },
            { "context": "test", "status": "success" },
        ] });
        assert_eq!(not_green(&status).collect::<Vec<_>>(), ["coverage", "lint", "test"]);
        assert_eq!(not_green(&Value::Null).count(), 4);
    }

    #[tokio::test]
    async fn what_the_forge_refuses_is_told_without_the_token() {
        let folder = tempfile::tempdir().unwrap();
        let forge = SimulatedGitea::start(SimulatedOptions::new(folder.path())).unwrap();
        let maintainer = Maintainer::new(forge.url(), "canary".to_owned()).unwrap();
        let told = format!("{:#}", maintainer.set_up("http://127.0.0.1:1", "secret").await.unwrap_err());
        assert!(told.contains("refused POST user/repos with 401") && !told.contains("canary"), "{told}");
    }
}
