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
