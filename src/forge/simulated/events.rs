//! What webhooks say, and to which hooks they go.
//!
//! A payload is made at once, under the forge's lock, from the state its cause left; the outbox keeps the
//! order. There is no event for a changed dependency, as in Gitea.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    git::{Commit, Touched},
    state::{Access, Forge, Hook, HookScope, Issue},
    webhook::Delivery,
};

/// Which family of an issue's or pull request's events one belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Plain,
    Assign,
    Label,
    /// Pull requests only.
    Sync,
}

/// A commit as a push event tells of it.
#[derive(Clone, Debug)]
pub(super) struct PushedCommit {
    pub(super) commit: Commit,
    pub(super) touched: Touched,
}

/// One branch or tag that moved.
#[derive(Clone, Debug)]
pub(super) struct Moved {
    pub(super) git_ref: String,
    /// Zeros where there was none.
    pub(super) before: String,
    pub(super) after: String,
    /// The commit it is at; `None` where it is gone.
    pub(super) head: Option<PushedCommit>,
    /// What it gained, newest first; nothing where another branch had it all.
    pub(super) commits: Vec<PushedCommit>,
}

pub(super) const ZERO_ID: &str = "0000000000000000000000000000000000000000";
/// Gitea's `FeedMaxCommitNum`: no push event tells of more.
const COMMITS_TOLD: usize = 5;

/// The names of events a hook subscribes to, as its `events` spell them out.
pub(super) fn subscribed(names: &[String]) -> BTreeSet<&'static str> {
    let has = |name: &str| {
        if names.is_empty() { name == "push" } else { names.iter().any(|n| n.eq_ignore_ascii_case(name)) }
    };
    let mut events = BTreeSet::new();
    for event in [
        "create",
        "push",
        "delete",
        "fork",
        "repository",
        "wiki",
        "release",
        "package",
        "status",
        "workflow_run",
        "workflow_job",
    ] {
        if has(event) {
            events.insert(event);
        }
    }
    for (group, alone, members) in [
        ("issues", "issues_only", &["issue_assign", "issue_label", "issue_milestone", "issue_comment"][..]),
        (
            "pull_request",
            "pull_request_only",
            &[
                "pull_request_assign",
                "pull_request_label",
                "pull_request_milestone",
                "pull_request_comment",
                "pull_request_review",
                "pull_request_review_request",
                "pull_request_sync",
            ][..],
        ),
    ] {
        if has(group) || has(alone) {
            events.insert(group);
        }
        events.extend(members.iter().filter(|member| has(group) || has(member)));
    }
    events
}

/// The coarse event of `X-Gitea-Event`.
fn coarse(event_type: &'static str) -> &'static str {
    match event_type {
        "issue_assign" | "issue_label" | "issue_milestone" => "issues",
        "pull_request_comment" => "issue_comment",
        "pull_request_assign" | "pull_request_label" | "pull_request_sync" => "pull_request",
        other => other,
    }
}

/// JSON as Go writes it: two spaces, and nothing that a browser could take for markup.
fn go_text(payload: &Value) -> String {
    let text = serde_json::to_string_pretty(payload).expect("a JSON value is always written");
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// Whether a branch is among those a hook's filter names (`*` stands for anything).
fn passes(filter: &str, git_ref: Option<&str>) -> bool {
    let (Some(branch), false) = (git_ref, matches!(filter, "" | "*" | "**")) else { return true };
    let branch = branch.strip_prefix("refs/heads/").unwrap_or(branch);
    let pattern = format!("^{}$", regex::escape(filter).replace("\\*", ".*"));
    regex::Regex::new(&pattern).is_ok_and(|pattern| pattern.is_match(branch))
}

impl Forge {
    /// Puts an event into the outbox once for each hook that wants it.
    fn announce(&self, repo: u64, event_type: &'static str, git_ref: Option<&str>, payload: &Value) {
        let wants = |hook: &&Hook| {
            let here = matches!(hook.scope, HookScope::System) || hook.scope == HookScope::Repository(repo);
            here && hook.active && hook.events.contains(event_type) && passes(&hook.branch_filter, git_ref)
        };
        for hook in self.hooks.values().filter(wants) {
            self.outbox.put(delivery(hook, event_type, payload));
        }
    }

    /// Tells of a change of an issue or pull request. `seen_by` is whose rights the repository shows.
    pub(super) fn announce_issue(
        &self,
        issue: &Issue,
        family: Family,
        action: &str,
        doer: u64,
        extra: &[(&str, Value)],
    ) {
        let repo = self.repo(issue.repo);
        // Gitea shows the poster's rights but for assignments.
        let seen_by = if family == Family::Assign { doer } else { issue.poster };
        let mut payload = json!({
            "action": action, "number": issue.number, "commit_id": "",
            "repository": self.repo_json(repo, self.access(repo, Some(seen_by))),
            "sender": self.user_json(doer, None),
        });
        let event_type = if issue.pull.is_some() {
            payload["pull_request"] = self.pull_json(issue, Some(doer));
            payload["requested_reviewer"] = Value::Null;
            payload["review"] = Value::Null;
            match family {
                Family::Plain => "pull_request",
                Family::Assign => "pull_request_assign",
                Family::Label => "pull_request_label",
                Family::Sync => "pull_request_sync",
            }
        } else {
            payload["issue"] = self.issue_json(issue, Some(doer));
            match family {
                Family::Assign => "issue_assign",
                Family::Label => "issue_label",
                Family::Plain | Family::Sync => "issues",
            }
        };
        for (key, value) in extra {
            payload[*key] = value.clone();
        }
        self.announce(repo.id, event_type, None, &payload);
    }

    /// Tells of a comment; `from` is its former text where it was edited.
    pub(super) fn announce_comment(&self, entry: u64, action: &str, doer: u64, from: Option<&str>) {
        let entry = &self.entries[&entry];
        let issue = &self.issues[&entry.issue];
        let repo = self.repo(issue.repo);
        let mut payload = json!({
            "action": action, "issue": self.issue_json(issue, Some(doer)), "comment": self.comment_json(entry),
            "repository": self.repo_json(repo, self.access(repo, Some(doer))),
            "sender": self.user_json(doer, None), "is_pull": issue.pull.is_some(),
        });
        if issue.pull.is_some() {
            payload["pull_request"] = self.pull_json(issue, Some(doer));
        }
        if let Some(from) = from {
            payload["changes"] = changed("body", from);
        }
        let event_type = if issue.pull.is_some() { "pull_request_comment" } else { "issue_comment" };
        self.announce(repo.id, event_type, None, &payload);
    }

    /// Tells of a branch or tag that moved: made, pushed or deleted. A tag is pushed before it is made or
    /// deleted, a branch is made before it is pushed, and its end is no push.
    pub(super) fn announce_push(&self, repo: u64, moved: &Moved, doer: u64) {
        let is_tag = moved.git_ref.starts_with("refs/tags/");
        let (made, deleted) = (moved.before == ZERO_ID, moved.after == ZERO_ID);
        if is_tag {
            self.announce_moved(repo, moved, doer);
        }
        if made || deleted {
            self.announce_ref(repo, moved, doer, if is_tag { "tag" } else { "branch" });
        }
        if !is_tag && !deleted {
            self.announce_moved(repo, moved, doer);
        }
    }

    /// The events `create` and `delete`.
    fn announce_ref(&self, repo: u64, moved: &Moved, doer: u64, kind: &str) {
        let repo = self.repo(repo);
        let short = moved.git_ref.splitn(3, '/').nth(2).unwrap_or_default();
        let mut payload = json!({ "ref": short, "ref_type": kind, "sender": self.user_json(doer, None) });
        let event = if moved.after == ZERO_ID {
            payload["pusher_type"] = json!("user");
            payload["repository"] = self.repo_json(repo, Access::Owner);
            "delete"
        } else {
            payload["sha"] = json!(moved.after);
            payload["repository"] = self.repo_json(repo, Access::None);
            "create"
        };
        self.announce(repo.id, event, Some(&moved.git_ref), &payload);
    }

    /// The event `push`.
    fn announce_moved(&self, repo: u64, moved: &Moved, doer: u64) {
        let repo = self.repo(repo);
        let commits: Vec<Value> =
            moved.commits.iter().map(|commit| self.pushed_json(repo.id, commit)).collect();
        let from =
            match (&moved.before, moved.commits.last().and_then(|oldest| oldest.commit.parent.as_ref())) {
                (before, _) if before != ZERO_ID => before.clone(),
                (_, Some(parent)) => parent.clone(),
                (_, None) => repo.default_branch.clone(),
            };
        let sender = self.user_json(doer, None);
        let payload = json!({
            "ref": moved.git_ref, "before": moved.before, "after": moved.after,
            "compare_url": format!("{}/compare/{from}...{}", self.repo_url(repo), moved.after),
            "total_commits": commits.len(),
            "head_commit": moved.head.as_ref().map(|head| self.pushed_json(repo.id, head)),
            "commits": commits.iter().take(COMMITS_TOLD).collect::<Vec<_>>(),
            "repository": self.repo_json(repo, Access::Owner), "pusher": sender, "sender": sender,
        });
        self.announce(repo.id, "push", Some(&moved.git_ref), &payload);
    }

    /// Sends an old webhook again under a new id.
    pub(super) fn replay(&self, sent: &super::faults::SentHook) -> Option<String> {
        let hook = self.hooks.values().find(|hook| hook.url == sent.url)?;
        let uuid = uuid::Uuid::new_v4().to_string();
        self.outbox.put(Delivery {
            uuid: uuid.clone(),
            payload: sent.payload.clone(),
            action: sent.action.clone(),
            ..delivery(hook, sent.event_type, &Value::Null)
        });
        Some(uuid)
    }

    /// The test of a hook: a push of nothing, to that hook alone and only if it wants pushes.
    pub(super) fn announce_test(&self, hook: &Hook, repo: u64, head: &PushedCommit, doer: u64) {
        if !hook.active || !hook.events.contains("push") {
            return;
        }
        let repo = self.repo(repo);
        let shown = self.plain_commit_json(repo.id, head);
        let id = &head.commit.id;
        let sender = self.user_json(doer, None);
        let payload = json!({
            "ref": format!("refs/heads/{}", repo.default_branch), "before": id, "after": id,
            "compare_url": format!("{}/compare/{id}...{id}", self.repo_url(repo)), "commits": [shown],
            "total_commits": 1, "head_commit": shown, "repository": self.repo_json(repo, Access::None),
            "pusher": sender, "sender": sender,
        });
        self.outbox.put(delivery(hook, "push", &payload));
    }

    /// Tells of a new commit status.
    pub(super) fn announce_status(&self, status: u64, commit: &PushedCommit) {
        let Some(status) = self.statuses.iter().find(|one| one.id == status) else { return };
        let shown = self.status_json(status);
        let payload = json!({
            "commit": self.pushed_json(status.repo, commit), "context": status.context,
            "created_at": shown["created_at"], "description": status.description, "id": status.id,
            "repository": self.repo_json(self.repo(status.repo), Access::Owner),
            "sender": self.user_json(status.creator, None), "sha": status.sha, "state": status.state,
            "target_url": status.target_url, "updated_at": shown["updated_at"],
        });
        self.announce(status.repo, "status", None, &payload);
    }

    /// A commit as branches and test pushes show it: with its signature looked at, without its files.
    pub(super) fn plain_commit_json(&self, repo: u64, commit: &PushedCommit) -> Value {
        let mut shown = self.pushed_json(repo, commit);
        for list in ["added", "removed", "modified"] {
            shown[list] = Value::Null;
        }
        shown["verification"] = json!({
            "verified": false, "reason": "gpg.error.not_signed_commit", "signature": "", "signer": null,
            "payload": "",
        });
        shown
    }

    /// A commit in the shape of push events.
    pub(super) fn pushed_json(&self, repo: u64, pushed: &PushedCommit) -> Value {
        let commit = &pushed.commit;
        let signed = |who: &super::git::Identity| {
            let known = self.users.values().find(|user| user.email() == who.email);
            let login = known.map_or("", |user| user.login.as_str());
            json!({ "name": who.name, "email": who.email, "username": login })
        };
        json!({
            "id": commit.id, "message": commit.message,
            "url": format!("{}/commit/{}", self.repo_url(self.repo(repo)), commit.id),
            "author": signed(&commit.author), "committer": signed(&commit.committer), "verification": null,
            "timestamp": commit.timestamp, "added": pushed.touched.added, "removed": pushed.touched.removed,
            "modified": pushed.touched.modified,
        })
    }
}

/// The `changes` of an edit.
pub(super) fn changed(what: &str, from: &str) -> Value {
    let mut changes = json!({ "added_labels": null, "removed_labels": null });
    changes[what] = json!({ "from": from });
    changes
}

fn delivery(hook: &Hook, event_type: &'static str, payload: &Value) -> Delivery {
    Delivery {
        uuid: uuid::Uuid::new_v4().to_string(),
        url: hook.url.clone(),
        form: hook.content_type == "form",
        secret: hook.secret.clone(),
        authorization: hook.authorization.clone(),
        target: if hook.scope == HookScope::System { "system" } else { "repository" },
        event: coarse(event_type),
        event_type,
        action: payload["action"].as_str().unwrap_or_default().to_owned(),
        payload: go_text(payload),
    }
}
