//! One case on one forge: people, a repository, and a transcript of what was asked and answered.
//!
//! The transcript holds statuses, shapes and chosen values, nothing that differs from run to run (names, ids,
//! times), so that the transcripts of two forges can be compared word for word.

use reqwest::Method;
use serde_json::{Value, json};

use super::shape::{ALLOWED_HEADERS, Shapes};
use crate::support::{
    forge_under_test::{Answered, ForgeUnderTest, Person},
    receiver::{Received, Receiver},
};

/// Who asks: someone on the stage, nobody, or someone with a token that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Admin,
    Owner,
    /// May write.
    Bot,
    /// May read what is public.
    Stranger,
    Nobody,
    Liar,
}

pub struct Stage<'f> {
    pub forge: &'f ForgeUnderTest,
    pub stranger: Person,
    /// `owner/name` of the repository most cases play in; it has one commit on `main`.
    pub repo: String,
    transcript: Vec<String>,
    shapes: Shapes,
    receiver: Option<Receiver>,
    heard: usize,
}

impl<'f> Stage<'f> {
    pub async fn on(forge: &'f ForgeUnderTest) -> Self {
        let stranger = forge.new_user("carol").await;
        let repo = forge.repository("app", &[("README.md", "An app.\n")]).await;
        let (transcript, shapes) = (Vec::new(), Shapes::default());
        Self { forge, stranger, repo, transcript, shapes, receiver: None, heard: 0 }
    }

    /// Asks `path` (with `{repo}` for the repository, `{bot}`, `{owner}` and `{stranger}` for logins) and
    /// writes down who asked what and the status and shape of the answer.
    pub async fn ask(&mut self, who: Who, method: Method, path: &str, body: Option<Value>) -> Answered {
        self.ask_named(who, method, path, path, body).await
    }

    /// The same, written down by another name: for paths with ids in them.
    pub async fn ask_named(
        &mut self,
        who: Who,
        method: Method,
        path: &str,
        name: &str,
        body: Option<Value>,
    ) -> Answered {
        let answer = self.quietly(who, method.clone(), path, body).await;
        self.write_down(who, &method, name, &answer);
        answer
    }

    /// The same for a merge, again and again while the forge is still checking: a real one does that a little
    /// after each push. Only the last answer is written down.
    pub async fn ask_to_merge(&mut self, who: Who, pull: u64, body: Value) -> Answered {
        let path = format!("repos/{{repo}}/pulls/{pull}/merge");
        let mut last = None;
        let settled = async || {
            let answer = self.quietly(who, Method::POST, &path, Some(body.clone())).await;
            let checking = answer.status == 405 && answer.json["message"] == "Please try again later";
            last = Some(answer);
            !checking
        };
        self.forge.until("the pull request has been checked", settled).await;
        let answer = last.expect("it was asked");
        self.write_down(who, &Method::POST, &path, &answer);
        answer
    }

    /// Asks without writing anything down.
    async fn quietly(&self, who: Who, method: Method, path: &str, body: Option<Value>) -> Answered {
        let token = match who {
            Who::Admin => Some(&self.forge.admin.token),
            Who::Owner => Some(&self.forge.owner.token),
            Who::Bot => Some(&self.forge.bot.token),
            Who::Stranger => Some(&self.stranger.token),
            Who::Nobody => None,
            Who::Liar => Some(&self.repo),
        };
        let filled = self.fill(path);
        self.forge.ask_with(token.map(String::as_str), method, &filled, body).await
    }

    fn write_down(&mut self, who: Who, method: &Method, name: &str, answer: &Answered) {
        let shape = if answer.text.is_empty() {
            "nothing".to_owned()
        } else if answer.json.is_null() && answer.text.trim() != "null" {
            "text".to_owned()
        } else {
            self.shapes.of(&answer.json)
        };
        let total = if answer.headers.contains_key("x-total-count") { " total" } else { "" };
        self.transcript.push(format!("{method} {name} ({who:?}) -> {} {shape}{total}", answer.status));
    }

    fn fill(&self, path: &str) -> String {
        path.replace("{repo}", &self.repo)
            .replace("{bot}", &self.forge.bot.login)
            .replace("{owner}", &self.forge.owner.login)
            .replace("{stranger}", &self.stranger.login)
    }

    pub async fn get(&mut self, who: Who, path: &str) -> Answered {
        self.ask(who, Method::GET, path, None).await
    }
    pub async fn post(&mut self, who: Who, path: &str, body: Value) -> Answered {
        self.ask(who, Method::POST, path, Some(body)).await
    }
    pub async fn patch(&mut self, who: Who, path: &str, body: Value) -> Answered {
        self.ask(who, Method::PATCH, path, Some(body)).await
    }
    pub async fn put(&mut self, who: Who, path: &str, body: Value) -> Answered {
        self.ask(who, Method::PUT, path, Some(body)).await
    }
    pub async fn delete(&mut self, who: Who, path: &str, body: Value) -> Answered {
        self.ask(who, Method::DELETE, path, Some(body)).await
    }

    /// Writes a value down that both forges must agree on.
    pub fn note(&mut self, what: &str, value: impl Into<Value>) {
        let shown = self.anonymous(&value.into().to_string());
        self.transcript.push(format!("  {what}: {shown}"));
    }

    /// A text with the names of this stage taken out.
    fn anonymous(&self, text: &str) -> String {
        let (owner, name) = self.repo.split_once('/').expect("owner/name");
        text.replace(&self.repo, "{repo}")
            .replace(owner, "{owner}")
            .replace(name, "{name}")
            .replace(&self.forge.bot.login, "{bot}")
            .replace(&self.stranger.login, "{stranger}")
    }

    /// Makes issues in the repository, titled `1` to `count` where it has none yet.
    pub async fn issues(&mut self, count: u64) {
        for number in 1..=count {
            self.forge.create_issue(&self.repo, &number.to_string(), "", &[]).await;
        }
    }

    /// Listens to the repository's webhooks from now on.
    pub async fn listen(&mut self) {
        self.listen_to(&["issues", "push", "pull_request", "status"]).await;
    }

    /// Listens to some events of the repository from now on.
    pub async fn listen_to(&mut self, events: &[&str]) {
        let receiver = Receiver::start();
        let body = json!({
            "type": "gitea", "active": true, "events": events,
            "config": { "url": receiver.url(), "content_type": "json", "secret": "s3cret" },
        });
        let path = format!("repos/{}/hooks", self.repo);
        let made = self.forge.ask(Some(&self.forge.owner), Method::POST, &path, Some(body)).await;
        assert_eq!(made.status, 201, "{}", made.text);
        self.receiver = Some(receiver);
    }

    /// Waits for `count` more webhooks and writes them down; returns them.
    pub fn hear(&mut self, count: usize) -> Vec<Received> {
        let receiver = self.receiver.as_ref().expect("the case listens");
        let all = receiver.wait_for(self.heard + count);
        let new = all[self.heard..self.heard + count].to_vec();
        self.heard += count;
        for hook in &new {
            let payload = hook.json();
            let issue =
                if payload["issue"].is_object() { &payload["issue"] } else { &payload["pull_request"] };
            let told = json!({
                "assignees": issue["assignees"].as_array().map(|users| logins(users)),
                "state": issue["state"], "sender": payload["sender"]["login"], "ref": payload["ref"],
                "changes": payload["changes"],
            });
            let shape = self.shapes.of(&payload);
            let event = hook.header("x-gitea-event");
            let told = self.anonymous(&told.to_string());
            self.transcript.push(format!("hook {event}:{} {told} {shape}", hook.what()));
        }
        new
    }

    /// Waits for `count` more webhooks and tells them in short, without writing them down: where their order is
    /// left to chance.
    pub fn forget(&mut self, count: usize) -> Vec<String> {
        let receiver = self.receiver.as_ref().expect("the case listens");
        let all = receiver.wait_for(self.heard + count);
        self.heard += count;
        all[self.heard - count..self.heard].iter().map(Received::what).collect()
    }

    /// Checks that no webhook came that was not heard: the next event after this must be the next that is told.
    pub async fn hear_nothing(&mut self) {
        let issue = self.forge.create_issue(&self.repo, "fence", "", &[]).await;
        let heard = self.hear(1);
        let number = heard[0].json()["issue"]["number"].as_u64();
        assert_eq!(number, Some(issue), "something else was told: {}", heard[0].what());
    }

    /// Writes down which headers a webhook has.
    pub fn note_headers(&mut self, hook: &Received) {
        let allowed = |name: &str| ALLOWED_HEADERS.iter().any(|(allowed, _)| *allowed == name);
        let names: Vec<&str> =
            hook.headers.keys().map(String::as_str).filter(|name| !allowed(name)).collect();
        self.transcript.push(format!("  headers: {}", names.join(" ")));
    }

    /// All that was written down.
    pub fn transcript(self) -> String {
        let mut lines = self.transcript;
        lines.push(String::new());
        lines.extend_from_slice(self.shapes.lines());
        lines.join("\n") + "\n"
    }
}

fn logins(users: &[Value]) -> Value {
    users.iter().map(|user| user["login"].clone()).collect()
}
