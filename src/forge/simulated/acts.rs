//! What people do to issues, with the webhooks and timeline entries that follow, in Gitea's order.
//!
//! Rights are checked before, by the HTTP handlers. Nothing here waits.

use serde_json::{Value, json};

use super::{
    events::{Family, changed},
    references::references,
    state::{Access, Entry, Forge, Issue, Label, Pull, Repository, Said, now},
};

/// An issue cannot be closed while one of its dependencies is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DependenciesLeft;

/// Which labels an event shows: Gitea's depend on how they were changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LabelsTold {
    /// Those the issue has now: after adding and removing.
    Now,
    /// None at all: after replacing.
    None,
    /// Those it had: after clearing.
    Before,
}

/// What a new issue or pull request starts with.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) title: String,
    pub(super) body: String,
    pub(super) git_ref: String,
    pub(super) labels: Vec<u64>,
    pub(super) assignees: Vec<u64>,
    pub(super) pull: Option<Pull>,
}

impl Forge {
    fn note(&mut self, issue: u64, poster: u64, said: Said) -> u64 {
        let id = self.next_id("entry");
        let at = now();
        self.entries.insert(id, Entry { id, issue, poster, created: at, updated: at, said });
        self.touch(issue);
        id
    }

    fn touch(&mut self, issue: u64) {
        if let Some(issue) = self.issues.get_mut(&issue) {
            // An issue that is still being made has no times yet; its first webhooks show that.
            if issue.created > 0 {
                issue.updated = now();
            }
        }
    }

    /// Makes an issue or a pull request and returns its id.
    pub(super) fn open(&mut self, repo: u64, poster: u64, draft: Draft) -> u64 {
        let id = self.next_id("issue");
        let repository = self.repositories.get_mut(&repo).expect("the caller found it");
        let number = repository.next_number;
        repository.next_number += 1;
        let is_pull = draft.pull.is_some();
        let mut issue = Issue {
            id,
            repo,
            number,
            poster,
            title: draft.title,
            body: draft.body,
            git_ref: draft.git_ref,
            closed: None,
            labels: draft.labels,
            assignees: Vec::new(),
            created: 0,
            updated: 0,
            pull: draft.pull,
        };
        if is_pull {
            (issue.created, issue.updated) = (now(), now());
        }
        let labels = std::mem::take(&mut issue.labels);
        self.issues.insert(id, issue);
        // An issue's assignments are told before it is opened, a pull request's after.
        if !is_pull {
            self.assign_all(id, &draft.assignees, poster);
            let issue = self.issue_mut(id);
            (issue.created, issue.updated) = (now(), now());
        }
        self.issue_mut(id).labels.clone_from(&labels);
        self.announce_issue(&self.issues[&id], Family::Plain, "opened", poster, &[]);
        if !labels.is_empty() {
            self.announce_issue(&self.issues[&id], Family::Label, "label_updated", poster, &[]);
        }
        if is_pull {
            self.assign_all(id, &draft.assignees, poster);
            self.refer(id, poster);
        }
        id
    }

    fn issue_mut(&mut self, id: u64) -> &mut Issue {
        self.issues.get_mut(&id).expect("ids come from the forge's own tables")
    }

    /// Leaves a word on each issue that a pull request's text names.
    fn refer(&mut self, pull: u64, poster: u64) {
        for (issue, closes) in self.named_by(&self.issues[&pull]) {
            self.note(issue, poster, Said::PullReference { pull, closes });
        }
    }

    /// Issues an issue's or pull request's text names, and whether it is to close them.
    pub(super) fn named_by(&self, issue: &Issue) -> Vec<(u64, bool)> {
        self.named_in(issue.repo, &format!("{}\n{}", issue.title, issue.body))
    }

    /// Issues a text in `repo` names, and whether it is to close them.
    pub(super) fn named_in(&self, repo: u64, text: &str) -> Vec<(u64, bool)> {
        let find = |(place, number, closes): (Option<(String, String)>, u64, bool)| {
            let repo = match place {
                Some((owner, name)) => self.repository_named(&owner, &name)?.id,
                None => repo,
            };
            self.issue_numbered(repo, number).map(|issue| (issue.id, closes))
        };
        references(text).into_iter().filter_map(find).collect()
    }

    fn assign_all(&mut self, issue: u64, users: &[u64], doer: u64) {
        for user in users {
            if !self.issues[&issue].assignees.contains(user) {
                self.issue_mut(issue).assignees.push(*user);
                self.note(issue, doer, Said::Assigned { user: *user, removed: false });
                self.announce_issue(&self.issues[&issue], Family::Assign, "assigned", doer, &[]);
            }
        }
    }

    /// Replaces the assignees: first those who go, each with an event, then those who come.
    pub(super) fn assign(&mut self, issue: u64, users: &[u64], doer: u64) {
        let leaving: Vec<u64> =
            self.issues[&issue].assignees.iter().copied().filter(|user| !users.contains(user)).collect();
        for user in leaving {
            self.issue_mut(issue).assignees.retain(|assigned| *assigned != user);
            self.note(issue, doer, Said::Assigned { user, removed: true });
            self.announce_issue(&self.issues[&issue], Family::Assign, "unassigned", doer, &[]);
        }
        self.assign_all(issue, users, doer);
    }

    pub(super) fn rename(&mut self, issue: u64, title: &str, doer: u64) {
        let old = self.issues[&issue].title.clone();
        if old == title {
            return;
        }
        title.clone_into(&mut self.issue_mut(issue).title);
        self.note(issue, doer, Said::Renamed { old: old.clone(), new: title.to_owned() });
        let extra = [("changes", changed("title", &old))];
        self.announce_issue(&self.issues[&issue], Family::Plain, "edited", doer, &extra);
    }

    pub(super) fn rewrite(&mut self, issue: u64, body: &str, doer: u64) {
        let old = self.issues[&issue].body.clone();
        if old == body {
            return;
        }
        body.clone_into(&mut self.issue_mut(issue).body);
        self.touch(issue);
        let extra = [("changes", changed("body", &old))];
        self.announce_issue(&self.issues[&issue], Family::Plain, "edited", doer, &extra);
    }

    /// Closes; no event where it is closed already.
    pub(super) fn close(&mut self, issue: u64, doer: u64, commit: &str) -> Result<(), DependenciesLeft> {
        if self.issues[&issue].closed.is_some() {
            return Ok(());
        }
        if self.open_blockers(issue) {
            return Err(DependenciesLeft);
        }
        self.issue_mut(issue).closed = Some(now());
        self.note(issue, doer, Said::Closed);
        self.announce_issue(
            &self.issues[&issue],
            Family::Plain,
            "closed",
            doer,
            &[("commit_id", json!(commit))],
        );
        Ok(())
    }

    pub(super) fn reopen(&mut self, issue: u64, doer: u64) {
        if self.issue_mut(issue).closed.take().is_none() {
            return;
        }
        self.note(issue, doer, Said::Reopened);
        self.announce_issue(&self.issues[&issue], Family::Plain, "reopened", doer, &[]);
    }

    pub(super) fn delete_issue(&mut self, issue: u64, doer: u64) {
        let Some(gone) = self.issues.get(&issue) else { return };
        self.announce_issue(gone, Family::Plain, "deleted", doer, &[]);
        self.issues.remove(&issue);
        self.entries.retain(|_, entry| entry.issue != issue);
        self.dependencies.retain(|(blocked, blocker)| *blocked != issue && *blocker != issue);
    }

    pub(super) fn comment(&mut self, issue: u64, poster: u64, body: &str) -> u64 {
        let entry = self.note(issue, poster, Said::Comment(body.to_owned()));
        self.announce_comment(entry, "created", poster, None);
        entry
    }

    /// Changes a comment; false where it says so already.
    pub(super) fn edit_comment(&mut self, entry: u64, body: &str, doer: u64) -> bool {
        let Some(edited) = self.entries.get_mut(&entry) else { return false };
        let Said::Comment(old) = &edited.said else { return false };
        if old == body {
            return false;
        }
        let old = old.clone();
        edited.said = Said::Comment(body.to_owned());
        edited.updated = now();
        self.announce_comment(entry, "edited", doer, Some(&old));
        true
    }

    pub(super) fn delete_comment(&mut self, entry: u64, doer: u64) {
        self.announce_comment(entry, "deleted", doer, None);
        self.entries.remove(&entry);
    }

    /// Sets the labels and tells it once, also where nothing changed. The event shows the labels `told`, which
    /// are not always those the issue has now.
    pub(super) fn set_labels(&mut self, issue: u64, labels: &[u64], told: LabelsTold, doer: u64) {
        let old = self.issues[&issue].labels.clone();
        let known = self.repo(self.issues[&issue].repo).labels.clone();
        let differing = |one: &[u64], other: &[u64]| -> Vec<Label> {
            one.iter().filter(|id| !other.contains(id)).filter_map(|id| known.get(id)).cloned().collect()
        };
        for label in differing(labels, &old) {
            self.note(issue, doer, Said::Labelled { label, added: true });
        }
        for label in differing(&old, labels) {
            self.note(issue, doer, Said::Labelled { label, added: false });
        }
        let (action, shown) = match told {
            LabelsTold::Now => ("label_updated", labels.to_vec()),
            LabelsTold::None => ("label_updated", Vec::new()),
            LabelsTold::Before => ("label_cleared", old),
        };
        self.issue_mut(issue).labels = shown;
        self.announce_issue(&self.issues[&issue], Family::Label, action, doer, &[]);
        self.issue_mut(issue).labels = labels.to_vec();
    }

    /// Makes `blocked` wait for `blocker`. Only the pair itself is looked at: what lies behind it is not.
    pub(super) fn depend(&mut self, blocked: u64, blocker: u64, doer: u64) -> Result<(), &'static str> {
        if self.dependencies.contains(&(blocked, blocker)) {
            return Err("issue dependency does already exist");
        }
        if self.dependencies.contains(&(blocker, blocked)) {
            return Err("circular dependencies exists (two issues blocking each other)");
        }
        self.dependencies.insert((blocked, blocker));
        self.note(blocked, doer, Said::Dependency { on: blocker, added: true });
        self.note(blocker, doer, Said::Dependent { of: blocked, added: true });
        Ok(())
    }

    pub(super) fn undepend(&mut self, blocked: u64, blocker: u64, doer: u64) -> Result<(), &'static str> {
        if !self.dependencies.remove(&(blocked, blocker)) {
            return Err("issue dependency does not exist");
        }
        self.note(blocked, doer, Said::Dependency { on: blocker, added: false });
        self.note(blocker, doer, Said::Dependent { of: blocked, added: false });
        Ok(())
    }

    /// Leaves a word of a commit on an issue.
    pub(super) fn note_commit(&mut self, issue: u64, doer: u64, id: &str, message: &str) {
        self.note(issue, doer, Said::Commit { id: id.to_owned(), message: message.to_owned() });
    }

    /// Ends a pull request as merged, then closes what it says it closes.
    pub(super) fn merged(&mut self, issue: u64, doer: u64, merged: super::state::Merged) {
        let commit = merged.commit.clone();
        let at = merged.at;
        let closing = self.issue_mut(issue);
        closing.closed = Some(at);
        if let Some(pull) = &mut closing.pull {
            pull.facts.base_sha.clone_from(&commit);
            pull.merged = Some(merged);
        }
        self.note(issue, doer, Said::Merged);
        self.announce_issue(&self.issues[&issue], Family::Plain, "closed", doer, &[]);
        let poster = self.issues[&issue].poster;
        for (named, closes) in self.named_by(&self.issues[&issue]) {
            let may = self.may_close(&self.issues[&named], poster);
            if closes && may && self.issues[&named].pull.is_none() {
                // An issue that still waits for another stays open, and nobody is told.
                let _ = self.close(named, doer, &commit);
            }
        }
    }

    pub(super) fn may_close(&self, issue: &Issue, user: u64) -> bool {
        issue.poster == user || self.access(self.repo(issue.repo), Some(user)) >= Access::Write
    }

    /// Deletes a repository with all that hangs on it.
    pub(super) fn delete_repository(&mut self, repo: u64) -> Option<Repository> {
        let gone: Vec<u64> =
            self.issues.values().filter(|issue| issue.repo == repo).map(|issue| issue.id).collect();
        self.issues.retain(|_, issue| issue.repo != repo);
        self.entries.retain(|_, entry| !gone.contains(&entry.issue));
        self.dependencies.retain(|(blocked, blocker)| !gone.contains(blocked) && !gone.contains(blocker));
        self.hooks.retain(|_, hook| hook.scope != super::state::HookScope::Repository(repo));
        self.statuses.retain(|status| status.repo != repo);
        self.repositories.remove(&repo)
    }

    /// What JSON says of an issue that `viewer` reads now.
    pub(super) fn show(&self, issue: u64, viewer: u64) -> Value {
        self.issue_json(&self.issues[&issue], Some(viewer))
    }
}
