//! How the forge's things look in JSON, key for key as Gitea 1.25 shows them.
//!
//! The same shapes serve the API and the webhooks. `viewer` is the user the shape is made for: private
//! particulars of a user are shown to that user and to site administrators alone.

use serde_json::{Value, json};

use super::state::{Access, Entry, Forge, Hook, Issue, Label, Repository, Said, Status, instant};

/// The instant Gitea writes for "never" (Go's zero time).
const NEVER: &str = "0001-01-01T00:00:00Z";
const EPOCH: &str = "1970-01-01T00:00:00Z";

/// The issue Gitea shows for a blocker that the viewer may not know: all zero for who may write to the waiting
/// issue, and for others one without a number, named `HIDDEN`.
pub(super) fn hidden_issue(may_write: bool) -> Value {
    let mut shown = json!({
        "id": 0, "url": "", "html_url": "", "number": 0, "user": null, "original_author": "",
        "original_author_id": 0, "title": "", "body": "", "ref": "", "assets": null, "labels": null,
        "milestone": null, "assignee": null, "assignees": null, "state": "", "is_locked": false,
        "comments": 0, "created_at": NEVER, "updated_at": NEVER, "closed_at": null, "due_date": null,
        "time_estimate": 0, "pull_request": null, "repository": null, "pin_order": 0,
    });
    if !may_write {
        let named = json!({
            "title": "HIDDEN", "state": "open", "assets": [], "created_at": EPOCH, "updated_at": EPOCH,
        });
        extend(&mut shown, named);
    }
    shown
}

/// What every repository of the simulated forge has alike.
fn repo_features() -> Value {
    json!({
        "has_wiki": true, "has_pull_requests": true, "has_projects": true, "projects_mode": "all",
        "has_releases": true, "has_packages": true, "has_actions": false,
        "ignore_whitespace_conflicts": false, "allow_merge_commits": true, "allow_rebase": true,
        "allow_rebase_explicit": true, "allow_squash_merge": true, "allow_fast_forward_only_merge": true,
        "allow_rebase_update": true, "allow_manual_merge": false, "autodetect_manual_merge": false,
        "default_delete_branch_after_merge": false, "default_allow_maintainer_edit": false, "avatar_url": "", "internal": false,
        "mirror_interval": "", "object_format_name": "sha1", "mirror_updated": NEVER, "topics": [],
        "licenses": [],
    })
}

fn extend(shown: &mut Value, more: Value) {
    if let (Value::Object(shown), Value::Object(more)) = (shown, more) {
        shown.extend(more);
    }
}

fn state_word(issue: &Issue) -> &'static str {
    if issue.closed.is_some() { "closed" } else { "open" }
}

impl Forge {
    pub(super) fn user_json(&self, id: u64, viewer: Option<u64>) -> Value {
        let Some(user) = self.users.get(&id) else {
            return json!({ "id": -1, "login": "Ghost", "username": "Ghost" });
        };
        let private = viewer == Some(id) || self.is_site_admin(viewer);
        let login = &user.login;
        let email = if viewer.is_some() {
            user.email()
        } else {
            format!("{}@noreply.localhost", login.to_ascii_lowercase())
        };
        json!({
            "id": id, "login": login, "login_name": "", "source_id": 0, "full_name": "", "email": email,
            "avatar_url": format!("{}/avatars/{id}", self.base_url),
            "html_url": format!("{}/{login}", self.base_url), "language": "",
            "is_admin": private && user.site_admin, "last_login": if private { EPOCH } else { NEVER },
            "created": instant(user.created), "restricted": false, "active": private,
            "prohibit_login": false, "location": "", "website": "", "description": "",
            "visibility": "public", "followers_count": 0, "following_count": 0, "starred_repos_count": 0,
            "username": login,
        })
    }

    pub(super) fn repo_url(&self, repo: &Repository) -> String {
        format!("{}/{}", self.base_url, self.full_name(repo))
    }

    pub(super) fn api_url(&self, repo: &Repository) -> String {
        format!("{}/api/v1/repos/{}", self.base_url, self.full_name(repo))
    }

    /// A repository as someone with `access` sees it.
    pub(super) fn repo_json(&self, repo: &Repository, access: Access) -> Value {
        // Whoever has access sees the owner's address, and nothing private.
        let someone = (access > Access::None).then_some(0);
        let full_name = self.full_name(repo);
        let open = |pulls: bool| {
            let counts = |issue: &&Issue| {
                issue.repo == repo.id && issue.closed.is_none() && issue.pull.is_some() == pulls
            };
            self.issues.values().filter(counts).count()
        };
        let url = self.repo_url(repo);
        let mut shown = json!({
            "id": repo.id, "owner": self.user_json(repo.owner, someone), "name": repo.name,
            "full_name": full_name, "description": repo.description, "empty": repo.empty,
            "private": repo.private, "fork": false, "template": false, "mirror": false, "size": 25,
            "language": "", "languages_url": format!("{}/languages", self.api_url(repo)), "html_url": url,
            "url": self.api_url(repo), "link": "", "ssh_url": format!("git@localhost:{full_name}.git"),
            "clone_url": format!("{url}.git"), "original_url": "", "website": "", "stars_count": 0,
            "forks_count": 0, "watchers_count": 1, "open_issues_count": open(false),
            "open_pr_counter": open(true), "release_counter": 0, "default_branch": repo.default_branch,
            "archived": repo.archived, "created_at": instant(repo.created), "updated_at": instant(repo.updated),
            "archived_at": EPOCH,
            "permissions": {
                "admin": access >= Access::Admin, "push": access >= Access::Write, "pull": access >= Access::Read,
            },
            "has_code": true, "has_issues": true,
            "internal_tracker": {
                "enable_time_tracker": true, "allow_only_contributors_to_track_time": true,
                "enable_issue_dependencies": repo.dependencies_enabled,
            },
        });
        extend(&mut shown, repo_features());
        shown["default_merge_style"] = json!(repo.merge_style);
        shown
    }

    pub(super) fn label_json(&self, label: &Label, repo: &Repository) -> Value {
        json!({
            "id": label.id, "name": label.name, "exclusive": label.exclusive, "is_archived": false,
            "color": label.color, "description": label.description,
            "url": format!("{}/labels/{}", self.api_url(repo), label.id),
        })
    }

    pub(super) fn labels_of(&self, issue: &Issue) -> Vec<Value> {
        let repo = self.repo(issue.repo);
        let mut labels: Vec<&Label> = issue.labels.iter().filter_map(|id| repo.labels.get(id)).collect();
        labels.sort_by(|one, other| one.name.cmp(&other.name));
        labels.into_iter().map(|label| self.label_json(label, repo)).collect()
    }

    fn html_url(&self, issue: &Issue) -> String {
        let kind = if issue.pull.is_some() { "pulls" } else { "issues" };
        format!("{}/{kind}/{}", self.repo_url(self.repo(issue.repo)), issue.number)
    }

    fn assignees_json(&self, issue: &Issue) -> (Value, Value) {
        let users: Vec<Value> = issue.assignees.iter().map(|id| self.user_json(*id, None)).collect();
        match users.first() {
            Some(first) => (first.clone(), Value::Array(users)),
            None => (Value::Null, Value::Null),
        }
    }

    pub(super) fn issue_json(&self, issue: &Issue, viewer: Option<u64>) -> Value {
        let repo = self.repo(issue.repo);
        let (assignee, assignees) = self.assignees_json(issue);
        let pull = issue.pull.as_ref().map(|pull| {
            json!({
                "merged": pull.merged.is_some(), "draft": issue.is_draft(),
                "merged_at": pull.merged.as_ref().map(|merged| instant(merged.at)),
                "html_url": self.html_url(issue),
            })
        });
        json!({
            "id": issue.id, "url": format!("{}/issues/{}", self.api_url(repo), issue.number),
            "html_url": self.html_url(issue), "number": issue.number,
            "user": self.user_json(issue.poster, viewer), "original_author": "", "original_author_id": 0,
            "title": issue.title, "body": issue.body, "ref": issue.git_ref, "assets": [],
            "labels": self.labels_of(issue), "milestone": null, "assignee": assignee, "assignees": assignees,
            "state": state_word(issue), "is_locked": false, "comments": self.comment_count(issue.id),
            "created_at": instant(issue.created), "updated_at": instant(issue.updated),
            "closed_at": issue.closed.map(instant), "due_date": null, "time_estimate": 0,
            "pull_request": pull, "pin_order": 0,
            "repository": {
                "id": repo.id, "name": repo.name, "owner": self.login(repo.owner), "full_name": self.full_name(repo),
            },
        })
    }

    /// A pull request; `null` for an issue that is none.
    pub(super) fn pull_json(&self, issue: &Issue, viewer: Option<u64>) -> Value {
        let Some(pull) = &issue.pull else { return Value::Null };
        let repo = self.repo(issue.repo);
        let shown = self.repo_json(repo, self.access(repo, viewer));
        let (assignee, assignees) = self.assignees_json(issue);
        let url = self.html_url(issue);
        let facts = &pull.facts;
        let side = |branch: &str, git_ref: &str, sha: &str| json!({ "label": branch, "ref": git_ref, "sha": sha, "repo_id": repo.id, "repo": shown });
        let kept = format!("refs/pull/{}/head", issue.number);
        let head_ref = if pull.head_gone { &kept } else { &pull.head };
        json!({
            "id": pull.id, "url": url, "number": issue.number, "user": self.user_json(issue.poster, viewer),
            "title": issue.title, "body": issue.body, "labels": self.labels_of(issue), "milestone": null,
            "assignee": assignee, "assignees": if assignees.is_null() { json!([]) } else { assignees },
            "requested_reviewers": [], "requested_reviewers_teams": [], "state": state_word(issue),
            "draft": issue.is_draft(), "is_locked": false, "comments": self.comment_count(issue.id),
            "additions": facts.additions, "deletions": facts.deletions, "changed_files": facts.changed_files,
            "html_url": url, "diff_url": format!("{url}.diff"), "patch_url": format!("{url}.patch"),
            "mergeable": facts.mergeable && !issue.is_draft(), "merged": pull.merged.is_some(),
            "merged_at": pull.merged.as_ref().map(|merged| instant(merged.at)),
            "merge_commit_sha": pull.merged.as_ref().map(|merged| merged.commit.clone()),
            "merged_by": pull.merged.as_ref().map(|merged| self.user_json(merged.by, None)),
            "allow_maintainer_edit": false, "base": side(&pull.base, &pull.base, &facts.base_sha),
            "head": side(&pull.head, head_ref, &facts.head_sha), "merge_base": facts.merge_base, "due_date": null,
            "created_at": instant(issue.created), "updated_at": instant(issue.updated),
            "closed_at": issue.closed.map(instant), "pin_order": 0,
        })
    }

    /// A pull request as lists show it: without what would have to be asked of git.
    pub(super) fn listed_pull_json(&self, issue: &Issue, viewer: Option<u64>) -> Value {
        let mut shown = self.pull_json(issue, viewer);
        let (_, assignees) = self.assignees_json(issue);
        shown["assignees"] = assignees;
        if let Value::Object(fields) = &mut shown {
            for counted in ["additions", "deletions", "changed_files"] {
                fields.remove(counted);
            }
            for nobody in ["requested_reviewers", "requested_reviewers_teams"] {
                fields.insert(nobody.to_owned(), Value::Null);
            }
        }
        shown
    }

    pub(super) fn comment_json(&self, entry: &Entry) -> Value {
        let mut shown = self.entry_json(entry);
        let Said::Comment(body) = &entry.said else { return shown };
        shown["original_author"] = json!("");
        shown["original_author_id"] = json!(0);
        shown["assets"] = json!([]);
        shown["body"] = json!(body);
        shown
    }

    /// What a comment and an entry of a timeline have in common.
    fn entry_json(&self, entry: &Entry) -> Value {
        let issue = &self.issues[&entry.issue];
        let of_issue = self.html_url(issue);
        let (issue_url, pull_url) =
            if issue.pull.is_some() { ("", of_issue.as_str()) } else { (of_issue.as_str(), "") };
        json!({
            "id": entry.id, "html_url": format!("{of_issue}#issuecomment-{}", entry.id),
            "pull_request_url": pull_url, "issue_url": issue_url, "user": self.user_json(entry.poster, None),
            "body": "", "created_at": instant(entry.created), "updated_at": instant(entry.updated),
        })
    }

    /// One entry of an issue's timeline.
    pub(super) fn timeline_json(&self, entry: &Entry, viewer: Option<u64>) -> Value {
        let mut shown = self.entry_json(entry);
        for (key, value) in [("old_title", ""), ("new_title", ""), ("old_ref", ""), ("new_ref", "")] {
            shown[key] = json!(value);
        }
        for key in ["old_project_id", "project_id", "review_id"] {
            shown[key] = json!(0);
        }
        for key in [
            "old_milestone",
            "milestone",
            "tracked_time",
            "ref_issue",
            "ref_comment",
            "label",
            "assignee",
            "assignee_team",
            "resolve_doer",
            "dependent_issue",
        ] {
            shown[key] = Value::Null;
        }
        shown["ref_action"] = json!("none");
        shown["ref_commit_sha"] = json!("");
        shown["removed_assignee"] = json!(false);
        let other = |id: &u64| self.issues.get(id).map(|issue| self.issue_json(issue, viewer));
        let kind = match &entry.said {
            Said::Comment(body) => {
                shown["body"] = json!(body);
                "comment"
            }
            Said::Closed => "close",
            Said::Reopened => "reopen",
            Said::Merged => "merge_pull",
            Said::Assigned { user, removed } => {
                shown["assignee"] = self.user_json(*user, None);
                shown["removed_assignee"] = json!(removed);
                "assignees"
            }
            Said::Labelled { label, added } => {
                shown["label"] = self.label_json(label, self.repo(self.issues[&entry.issue].repo));
                shown["body"] = json!(if *added { "1" } else { "" });
                "label"
            }
            Said::Renamed { old, new } => {
                shown["old_title"] = json!(old);
                shown["new_title"] = json!(new);
                "change_title"
            }
            Said::Dependency { on: issue, added } | Said::Dependent { of: issue, added } => {
                shown["dependent_issue"] = json!(other(issue));
                if *added { "add_dependency" } else { "remove_dependency" }
            }
            Said::PullReference { pull, closes } => {
                shown["ref_issue"] = json!(other(pull));
                shown["ref_action"] = json!(if *closes { "closes" } else { "none" });
                "pull_ref"
            }
            Said::Commit { id, message } => {
                shown["ref_commit_sha"] = json!(id);
                shown["body"] = json!(message);
                "commit_ref"
            }
        };
        shown["type"] = json!(kind);
        shown
    }

    pub(super) fn status_json(&self, status: &Status) -> Value {
        let repo = self.repo(status.repo);
        let at = instant(status.created);
        json!({
            "id": status.index, "status": status.state, "target_url": status.target_url,
            "description": status.description, "context": status.context,
            "url": format!("{}/statuses/{}", self.api_url(repo), status.sha),
            "creator": self.user_json(status.creator, None), "created_at": at, "updated_at": at,
        })
    }

    pub(super) fn hook_json(&self, hook: &Hook) -> Value {
        json!({
            "id": hook.id, "type": hook.kind, "branch_filter": hook.branch_filter,
            "config": { "content_type": hook.content_type, "url": hook.url }, "events": hook.events,
            "authorization_header": hook.authorization, "active": hook.active,
            "updated_at": instant(hook.updated), "created_at": instant(hook.created),
        })
    }
}
