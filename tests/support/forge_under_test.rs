//! A forge of either kind, simulated or real, with the same verbs.
//!
//! These are a test's own eyes and hands: plain HTTP and plain git, nothing of the coordinator's client. A
//! verb panics where the forge refuses; [`ForgeUnderTest::ask`] is for tests that want the refusal.
#![allow(clippy::disallowed_methods, reason = "tests wait against a deadline")]

use std::sync::atomic::{AtomicU64, Ordering};

use mosaic_coordinator::forge::simulated::{SimulatedGitea, SimulatedOptions};
use reqwest::Method;
use serde_json::{Value, json};

use super::{git::git, real_gitea::RealGitea, receiver::Receiver};

/// Which kind a forge is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Simulated,
    Real,
}

/// Someone with an account.
#[derive(Clone, Debug)]
pub struct Person {
    pub login: String,
    pub token: String,
}

/// An answer, whatever its shape.
#[derive(Clone, Debug)]
pub struct Answered {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
    /// The body; null where it is empty or no JSON.
    pub json: Value,
}

/// A forge with an administrator, an owner of repositories and a bot, each under a name of its own.
pub struct ForgeUnderTest {
    kind: Kind,
    url: String,
    http: reqwest::Client,
    simulated: Option<(SimulatedGitea, tempfile::TempDir)>,
    pub admin: Person,
    pub owner: Person,
    pub bot: Person,
}

impl ForgeUnderTest {
    /// A simulated forge of its own.
    pub async fn simulated() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let gitea = SimulatedGitea::start(SimulatedOptions::new(folder.path())).unwrap();
        let admin = Person { login: "root1".to_owned(), token: gitea.add_admin("root1") };
        let url = gitea.url().to_owned();
        Self::with(Kind::Simulated, url, admin, Some((gitea, folder))).await
    }

    /// The real one of this run, where there is one.
    pub async fn real() -> Option<Self> {
        let gitea = tokio::task::spawn_blocking(RealGitea::shared).await.unwrap()?;
        let admin = Person { login: "root1".to_owned(), token: gitea.admin_token().to_owned() };
        Some(Self::with(Kind::Real, gitea.url().to_owned(), admin, None).await)
    }

    /// Every kind there is; the real one is left out, with a word on it, where none is named.
    pub async fn every() -> Vec<Self> {
        let mut forges = vec![Self::simulated().await];
        forges.extend(Self::real().await);
        forges
    }

    async fn with(
        kind: Kind,
        url: String,
        admin: Person,
        simulated: Option<(SimulatedGitea, tempfile::TempDir)>,
    ) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let nobody = admin.clone();
        let mut forge = Self { kind, url, http, simulated, admin, owner: nobody.clone(), bot: nobody };
        forge.owner = forge.new_user("acme").await;
        forge.bot = forge.new_user("bot").await;
        forge
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its base, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The simulated forge itself, for its faults and logs; `None` for a real one.
    pub fn knobs(&self) -> Option<&SimulatedGitea> {
        self.simulated.as_ref().map(|(gitea, _)| gitea)
    }

    /// A new user; the login begins with `like` and is nobody else's.
    pub async fn new_user(&self, like: &str) -> Person {
        let login = unique(like);
        let token = match self.knobs() {
            Some(gitea) => gitea.add_user(&login),
            None => RealGitea::shared().expect("it runs").add_user(&login).await,
        };
        Person { login, token }
    }

    /// Asks the API (`path` below `/api/v1/`) and takes any answer.
    pub async fn ask(
        &self,
        who: Option<&Person>,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answered {
        let token = who.map(|who| who.token.as_str());
        self.ask_with(token, method, path, body).await
    }

    /// The same with any token.
    pub async fn ask_with(
        &self,
        token: Option<&str>,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answered {
        let mut request = self.http.request(method, format!("{}/api/v1/{path}", self.url));
        if let Some(token) = token {
            request = request.header("Authorization", format!("token {token}"));
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answered { status, headers, text, json }
    }

    async fn done(
        &self,
        who: &Person,
        method: Method,
        path: &str,
        body: Option<Value>,
        status: u16,
    ) -> Value {
        let asked = format!("{method} {path}");
        let answer = self.ask(Some(who), method, path, body).await;
        assert_eq!(answer.status, status, "{asked} on {:?}: {}", self.kind, answer.text);
        answer.json
    }

    /// What the owner reads at a path.
    pub async fn read(&self, path: &str) -> Value {
        self.done(&self.owner, Method::GET, path, None, 200).await
    }

    /// A repository of the owner's with these files on `main`, where the bot may write. Returns `owner/name`.
    pub async fn repository(&self, like: &str, files: &[(&str, &str)]) -> String {
        let name = unique(like);
        let body = json!({ "name": name, "default_branch": "main" });
        self.done(&self.owner, Method::POST, "user/repos", Some(body), 201).await;
        let repo = format!("{}/{name}", self.owner.login);
        self.grant(&repo, &self.bot, "write").await;
        if !files.is_empty() {
            self.push(&self.owner, &repo, "main", files, "First commit").await;
        }
        repo
    }

    /// Gives someone a permission (`read`, `write` or `admin`).
    pub async fn grant(&self, repo: &str, whom: &Person, permission: &str) {
        let path = format!("repos/{repo}/collaborators/{}", whom.login);
        self.done(&self.owner, Method::PUT, &path, Some(json!({ "permission": permission })), 204).await;
    }

    /// Commits files on top of a branch (of the default one where it is new, of nothing where there is none)
    /// and pushes it over HTTP. Returns the commit.
    pub async fn push(
        &self,
        who: &Person,
        repo: &str,
        branch: &str,
        files: &[(&str, &str)],
        message: &str,
    ) -> String {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("{}/{repo}.git", self.url);
        let (who, branch, message) = (who.clone(), branch.to_owned(), message.to_owned());
        let files: Vec<(String, String)> =
            files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let pushed = tokio::task::spawn_blocking(move || {
            let git = |args: &[&str]| git(folder.path(), Some(&who), args);
            git(&["clone", "--quiet", &url, "."]).unwrap();
            let start = format!("origin/{branch}");
            if git(&["checkout", "--quiet", "-B", &branch, &start]).is_err() {
                git(&["checkout", "--quiet", "-B", &branch]).unwrap();
            }
            for (name, text) in files {
                let file = folder.path().join(name);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, text).unwrap();
            }
            git(&["add", "--all"]).unwrap();
            git(&["commit", "--quiet", "--allow-empty", "-m", &message]).unwrap();
            git(&["push", "--quiet", "origin", &branch]).unwrap();
            git(&["rev-parse", "HEAD"]).unwrap()
        });
        let commit = pushed.await.unwrap();
        self.await_push(repo, &commit).await;
        commit
    }

    /// Waits until a real forge has done what follows from a push or a merge: it does so in its own time, and until
    /// then a new repository still counts as empty, and a commit that closes an issue has yet to close it.
    pub async fn await_push(&self, repo: &str, commit: &str) {
        if self.kind == Kind::Simulated {
            return;
        }
        let feed = format!("repos/{repo}/activities/feeds?limit=20");
        self.until(&format!("{repo} takes notice of {commit}"), async || {
            let told = self.ask(Some(&self.admin), Method::GET, &feed, None).await;
            told.text.contains(commit)
        })
        .await;
    }

    /// Asks again and again until it holds.
    pub async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        for _ in 0..600 {
            if holds().await {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("not on {:?}: {what}", self.kind);
    }

    /// Makes an issue as the owner; returns its number.
    pub async fn create_issue(&self, repo: &str, title: &str, body: &str, assignees: &[&Person]) -> u64 {
        let assignees: Vec<&str> = assignees.iter().map(|person| person.login.as_str()).collect();
        let body = json!({ "title": title, "body": body, "assignees": assignees });
        let path = format!("repos/{repo}/issues");
        number(&self.done(&self.owner, Method::POST, &path, Some(body), 201).await)
    }

    /// Changes an issue as the owner.
    pub async fn edit_issue(&self, repo: &str, issue: u64, change: Value) -> Value {
        let path = format!("repos/{repo}/issues/{issue}");
        self.done(&self.owner, Method::PATCH, &path, Some(change), 201).await
    }

    /// Sets the assignees; none unassigns all.
    pub async fn assign(&self, repo: &str, issue: u64, assignees: &[&Person]) {
        let assignees: Vec<&str> = assignees.iter().map(|person| person.login.as_str()).collect();
        self.edit_issue(repo, issue, json!({ "assignees": assignees })).await;
    }

    /// Closes an issue.
    pub async fn close(&self, repo: &str, issue: u64) {
        self.edit_issue(repo, issue, json!({ "state": "closed" })).await;
    }

    /// Reopens an issue.
    pub async fn reopen(&self, repo: &str, issue: u64) {
        self.edit_issue(repo, issue, json!({ "state": "open" })).await;
    }

    /// Comments as someone; returns the comment's id.
    pub async fn comment(&self, who: &Person, repo: &str, issue: u64, body: &str) -> u64 {
        let path = format!("repos/{repo}/issues/{issue}/comments");
        self.done(who, Method::POST, &path, Some(json!({ "body": body })), 201).await["id"].as_u64().unwrap()
    }

    /// Makes `issue` wait for `blocker`, both in the same repository.
    pub async fn add_dependency(&self, repo: &str, issue: u64, blocker: u64) {
        self.add_dependency_across(repo, issue, repo, blocker).await;
    }

    /// Makes an issue wait for one of another repository.
    pub async fn add_dependency_across(&self, repo: &str, issue: u64, other: &str, blocker: u64) {
        let path = format!("repos/{repo}/issues/{issue}/dependencies");
        self.done(&self.owner, Method::POST, &path, Some(meta(other, blocker)), 201).await;
    }

    /// Takes a dependency away.
    pub async fn remove_dependency(&self, repo: &str, issue: u64, blocker: u64) {
        let path = format!("repos/{repo}/issues/{issue}/dependencies");
        self.done(&self.owner, Method::DELETE, &path, Some(meta(repo, blocker)), 201).await;
    }

    /// Sends all events of a repository to a URL, as JSON.
    pub async fn hook(&self, repo: &str, url: &str, secret: &str) -> u64 {
        let body = json!({
            "type": "gitea", "active": true, "events": ["issues", "push", "pull_request", "status"],
            "config": { "url": url, "content_type": "json", "secret": secret },
        });
        let path = format!("repos/{repo}/hooks");
        self.done(&self.owner, Method::POST, &path, Some(body), 201).await["id"].as_u64().unwrap()
    }

    /// The same, to a receiver of the test's own.
    pub async fn hook_to(&self, repo: &str, receiver: &Receiver) -> u64 {
        self.hook(repo, receiver.url(), "s3cret").await
    }

    /// Opens a pull request as the bot; returns its number.
    pub async fn create_pull(&self, repo: &str, head: &str, base: &str, title: &str, body: &str) -> u64 {
        let body = json!({ "head": head, "base": base, "title": title, "body": body });
        let path = format!("repos/{repo}/pulls");
        number(&self.done(&self.bot, Method::POST, &path, Some(body), 201).await)
    }

    /// Merges a pull request as the owner.
    pub async fn merge(&self, repo: &str, pull: u64) {
        let path = format!("repos/{repo}/pulls/{pull}/merge");
        // A forge that still checks whether it can be merged says so and means it.
        self.until(&format!("{repo}#{pull} is merged"), async || {
            let body = Some(json!({ "Do": "merge" }));
            let answer = self.ask(Some(&self.owner), Method::POST, &path, body).await;
            assert!(
                matches!(answer.status, 200 | 405),
                "merging {repo}#{pull}: {} {}",
                answer.status,
                answer.text
            );
            answer.status == 200
        })
        .await;
    }

    /// An issue, as the owner reads it.
    pub async fn issue(&self, repo: &str, issue: u64) -> Value {
        self.read(&format!("repos/{repo}/issues/{issue}")).await
    }

    /// A pull request.
    pub async fn pull(&self, repo: &str, pull: u64) -> Value {
        self.read(&format!("repos/{repo}/pulls/{pull}")).await
    }

    /// All pull requests, the newest first (one page).
    pub async fn pulls(&self, repo: &str) -> Vec<Value> {
        self.list(&format!("repos/{repo}/pulls?state=all&limit=50")).await
    }

    /// The comments of an issue, oldest first.
    pub async fn comments(&self, repo: &str, issue: u64) -> Vec<Value> {
        self.list(&format!("repos/{repo}/issues/{issue}/comments")).await
    }

    /// The statuses of a commit, newest row first.
    pub async fn statuses(&self, repo: &str, sha: &str) -> Vec<Value> {
        self.list(&format!("repos/{repo}/commits/{sha}/statuses")).await
    }

    /// The commit at a branch; `None` where there is no such branch.
    pub async fn branch(&self, repo: &str, branch: &str) -> Option<String> {
        let path = format!("repos/{repo}/branches/{branch}");
        let answer = self.ask(Some(&self.owner), Method::GET, &path, None).await;
        (answer.status == 200).then(|| answer.json["commit"]["id"].as_str().unwrap().to_owned())
    }

    async fn list(&self, path: &str) -> Vec<Value> {
        self.read(path).await.as_array().cloned().unwrap_or_default()
    }
}

/// An issue as the body of a dependency names it.
pub fn meta(repo: &str, number: u64) -> Value {
    let (owner, name) = repo.split_once('/').expect("owner/name");
    json!({ "index": number, "owner": owner, "repo": name })
}

fn number(issue: &Value) -> u64 {
    issue["number"].as_u64().unwrap()
}

/// A name that no other test has.
fn unique(like: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{like}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}
