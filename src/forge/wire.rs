//! The shapes on the wire, as tolerant as the forges are various.
//!
//! Owns the reading of what the API answers: every field may be absent or `null`, unknown ones are ignored, ids are
//! signed (a deleted user has -1), instants carry the server's offset. Never reads a URL.

use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::{
    id::{CommitId, IssueRef, RepoRef},
    issue::{Blocker, IssueState},
};

/// `null` and absent are both the default: Go writes an empty list as `null`.
pub(super) fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Whether there is anything but `null`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<serde::de::IgnoredAny>::deserialize(deserializer)?.is_some())
}

/// An RFC 3339 instant with any offset as milliseconds since the epoch; 0 where it is none.
pub fn epoch_ms(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_millisecond)
}

/// Milliseconds since the epoch as the whole second before it, in UTC, as `since=` wants it.
pub fn rfc3339_second(ms: i64) -> String {
    jiff::Timestamp::from_second(ms.div_euclid(1000)).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

/// A user; -1 is a deleted one, -2 the forge's own Actions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct WireUser {
    /// Its number.
    #[serde(deserialize_with = "nullable")]
    pub id: i64,
    /// Its name.
    #[serde(deserialize_with = "nullable")]
    pub login: String,
    /// The same name; some payloads carry only this one.
    #[serde(deserialize_with = "nullable")]
    pub username: String,
    /// Its address; empty where it is not shown.
    #[serde(deserialize_with = "nullable")]
    pub email: String,
}

impl WireUser {
    /// The name, from whichever field has it.
    pub fn name(&self) -> &str {
        if self.login.is_empty() { &self.username } else { &self.login }
    }

    /// Whether this is the bot: by number, else by name without regard to case.
    pub fn is(&self, bot: &BotUser) -> bool {
        if self.id != 0 && bot.id != 0 {
            return self.id == bot.id;
        }
        !bot.login.is_empty() && self.name().eq_ignore_ascii_case(&bot.login)
    }
}

/// The user whose token the coordinator has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotUser {
    /// Its number on the forge.
    pub id: i64,
    /// Its name.
    pub login: String,
    /// Its address; empty where the forge does not tell it.
    pub email: String,
}

/// A label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct WireLabel {
    /// Its name.
    #[serde(deserialize_with = "nullable")]
    pub name: String,
}

/// The repository inside an issue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct WireRepositoryName {
    /// `owner/repo`.
    #[serde(deserialize_with = "nullable")]
    pub full_name: String,
}

/// An issue, or a pull request seen as one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct WireIssue {
    /// Its number in the whole forge; 0 in the form that stands for a hidden one.
    #[serde(deserialize_with = "nullable")]
    pub id: i64,
    /// Its number in the repository; 0 in the form that stands for a hidden one.
    #[serde(deserialize_with = "nullable")]
    pub number: i64,
    /// Title.
    #[serde(deserialize_with = "nullable")]
    pub title: String,
    /// Body.
    #[serde(deserialize_with = "nullable")]
    pub body: String,
    /// `open`, `closed` or empty.
    #[serde(deserialize_with = "nullable")]
    pub state: String,
    /// Who opened it.
    pub user: Option<WireUser>,
    /// Its labels.
    #[serde(deserialize_with = "nullable")]
    pub labels: Vec<WireLabel>,
    /// All who are assigned.
    #[serde(deserialize_with = "nullable")]
    pub assignees: Vec<WireUser>,
    /// Whether the number belongs to a pull request.
    #[serde(rename = "pull_request", deserialize_with = "present")]
    pub is_pull_request: bool,
    /// Where it lives.
    pub repository: Option<WireRepositoryName>,
    /// RFC 3339.
    #[serde(deserialize_with = "nullable")]
    pub created_at: String,
    /// RFC 3339.
    #[serde(deserialize_with = "nullable")]
    pub updated_at: String,
}

impl WireIssue {
    /// Which issue this is; `None` where the forge hides its number or its repository.
    pub fn issue_ref(&self) -> Option<IssueRef> {
        Some(IssueRef::new(self.repository_ref()?, self.positive_number()?))
    }

    /// Its repository, spelled as the forge does.
    pub fn repository_ref(&self) -> Option<RepoRef> {
        self.repository.as_ref()?.full_name.parse().ok()
    }

    /// Its number, where it has one.
    pub fn positive_number(&self) -> Option<u64> {
        u64::try_from(self.number).ok().filter(|number| *number > 0)
    }

    /// Open or closed; `None` where the forge does not say.
    pub fn issue_state(&self) -> Option<IssueState> {
        match self.state.as_str() {
            "open" => Some(IssueState::Open),
            "closed" => Some(IssueState::Closed),
            _ => None,
        }
    }

    /// Whether the bot is among the assignees.
    pub fn is_assigned_to(&self, bot: &BotUser) -> bool {
        self.assignees.iter().any(|user| user.is(bot))
    }

    /// Last change by the forge's clock, milliseconds since the epoch; 0 where it does not say.
    pub fn updated_ms(&self) -> i64 {
        epoch_ms(&self.updated_at)
    }

    /// This issue as the blocker of another; a hidden one has neither name nor state.
    pub fn as_blocker(&self) -> Blocker {
        match self.positive_number() {
            Some(_) => Blocker { issue: self.issue_ref(), state: self.issue_state() },
            None => Blocker { issue: None, state: None },
        }
    }
}

/// A comment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct WireComment {
    /// Its number, by which it is edited.
    #[serde(deserialize_with = "nullable")]
    pub id: i64,
    /// Its text.
    #[serde(deserialize_with = "nullable")]
    pub body: String,
    /// Who wrote it.
    pub user: Option<WireUser>,
    /// RFC 3339.
    #[serde(deserialize_with = "nullable")]
    pub created_at: String,
    /// RFC 3339.
    #[serde(deserialize_with = "nullable")]
    pub updated_at: String,
}

/// One end of a pull request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct WireBranchEnd {
    /// The branch; for a head that is gone `refs/pull/N/head`.
    #[serde(rename = "ref", deserialize_with = "nullable")]
    pub branch: String,
    /// Its commit.
    #[serde(deserialize_with = "nullable")]
    pub sha: String,
    /// The repository's number, which differs between the ends of a pull request from a fork.
    #[serde(deserialize_with = "nullable")]
    pub repo_id: i64,
}

/// A pull request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct WirePull {
    /// Its number in the repository, one sequence with the issues.
    #[serde(deserialize_with = "nullable")]
    pub number: u64,
    /// Title.
    #[serde(deserialize_with = "nullable")]
    pub title: String,
    /// Body.
    #[serde(deserialize_with = "nullable")]
    pub body: String,
    /// `open` or `closed`.
    #[serde(deserialize_with = "nullable")]
    pub state: String,
    /// Whether it was merged.
    #[serde(deserialize_with = "nullable")]
    pub merged: bool,
    /// Whether the forge could merge it; false also while it is still looking.
    #[serde(deserialize_with = "nullable")]
    pub mergeable: bool,
    /// The merge commit; some versions fill it before the merge.
    #[serde(deserialize_with = "nullable")]
    pub merge_commit_sha: String,
    /// Who merged it.
    pub merged_by: Option<WireUser>,
    /// Where it goes.
    #[serde(deserialize_with = "nullable")]
    pub base: WireBranchEnd,
    /// Where it comes from.
    #[serde(deserialize_with = "nullable")]
    pub head: WireBranchEnd,
}

impl WirePull {
    /// Whether it is neither merged nor closed.
    pub fn is_open(&self) -> bool {
        self.state == "open" && !self.merged
    }

    /// The merge commit of a merged one, where the forge tells it.
    pub fn merge_commit(&self) -> Option<CommitId> {
        (self.merged && !self.merge_commit_sha.is_empty()).then(|| CommitId(self.merge_commit_sha.clone()))
    }
}

/// A commit status; the newest of its context.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct WireStatus {
    /// Its context, `mosaic/test` for a gate of ours.
    #[serde(deserialize_with = "nullable")]
    pub context: String,
    /// `pending`, `success`, `error`, `failure`, `warning`, `skipped` or whatever was once stored.
    #[serde(rename = "status", deserialize_with = "nullable")]
    pub state: String,
    /// One line for a person.
    #[serde(deserialize_with = "nullable")]
    pub description: String,
}

/// One line of an issue's history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct WireTimelineEntry {
    /// Its number, rising with time.
    #[serde(deserialize_with = "nullable")]
    pub id: i64,
    /// `assignees`, `close`, `reopen`, `change_title`, `comment`, …
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub kind: String,
    /// Who did it.
    pub user: Option<WireUser>,
    /// Of `assignees`: who was added or removed.
    pub assignee: Option<WireUser>,
    /// Of `assignees`: whether removed.
    #[serde(deserialize_with = "nullable")]
    pub removed_assignee: bool,
    /// RFC 3339.
    #[serde(deserialize_with = "nullable")]
    pub created_at: String,
}

/// A webhook as the forge lists it; its secret is never told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct WireHook {
    /// Its number.
    #[serde(deserialize_with = "nullable")]
    pub id: i64,
    /// Whether it sends anything.
    #[serde(deserialize_with = "nullable")]
    pub active: bool,
    /// The events it sends, in no order.
    #[serde(deserialize_with = "nullable")]
    pub events: Vec<String>,
    /// Where it sends to.
    #[serde(deserialize_with = "nullable")]
    pub config: WireHookConfig,
}

/// Where a webhook sends to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct WireHookConfig {
    /// The receiver.
    #[serde(deserialize_with = "nullable")]
    pub url: String,
    /// `json` or `form`.
    #[serde(deserialize_with = "nullable")]
    pub content_type: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bot() -> BotUser {
        BotUser { id: 2, login: "bot".into(), email: String::new() }
    }
    fn issue(json: &str) -> WireIssue {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn instants_with_any_offset_become_utc_milliseconds() {
        assert_eq!(epoch_ms("1970-01-01T01:00:00+01:00"), 0);
        assert_eq!(epoch_ms("2026-11-22T22:02:05Z"), 1_795_384_925_000);
        assert_eq!(epoch_ms("2026-11-22T19:32:05.5-02:30"), 1_795_384_925_500);
        assert!(epoch_ms("0001-01-01T00:00:00Z") < 0);
        assert_eq!(epoch_ms("yesterday"), 0);
        assert_eq!(rfc3339_second(1_795_384_925_999), "2026-11-22T22:02:05Z");
        assert_eq!(rfc3339_second(-1), "1969-12-31T23:59:59Z");
        assert_eq!(rfc3339_second(i64::MAX), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn absent_null_and_unknown_fields_are_all_fine() {
        let full = issue(
            r#"{"id":1,"number":7,"assignees":null,"labels":null,"body":null,"user":null,"new":{"x":[]},
                "pull_request":null,"repository":{"full_name":"Acme/App","owner":"Acme"},"state":"open"}"#,
        );
        assert_eq!(full.issue_ref().unwrap().to_string(), "Acme/App#7");
        assert_eq!(full.issue_state(), Some(IssueState::Open));
        assert!(!full.is_pull_request);
        assert_eq!(issue("{}"), WireIssue::default());
    }

    #[test]
    fn a_hidden_issue_has_neither_name_nor_state() {
        for json in [
            r#"{"id":0,"number":0,"user":null,"state":"","repository":null}"#,
            r#"{"number":-3,"state":"closed","repository":{"full_name":"a/b"}}"#,
            "{}",
        ] {
            assert_eq!(issue(json).as_blocker(), Blocker { issue: None, state: None }, "{json}");
        }
        let nameless = issue(r#"{"number":3,"state":"closed","repository":{"full_name":"../b"}}"#);
        assert_eq!(nameless.as_blocker(), Blocker { issue: None, state: Some(IssueState::Closed) });
    }

    #[test]
    fn the_bot_is_known_by_number_then_by_name() {
        for (json, assigned) in [
            (r#"{"assignees":[{"id":2,"login":"renamed"}]}"#, true),
            (r#"{"assignees":[{"id":3,"login":"bot"}]}"#, false),
            (r#"{"assignees":[{"login":"Bot"}]}"#, true),
            (r#"{"assignees":[{"id":null,"username":"BOT"}]}"#, true),
            (r#"{"assignees":[{"id":-1,"login":"Ghost"}]}"#, false),
            (r#"{"assignees":[{}]}"#, false),
            (r#"{"assignees":null,"assignee":null}"#, false),
        ] {
            assert_eq!(issue(json).is_assigned_to(&bot()), assigned, "{json}");
        }
        let nobody = BotUser { id: 0, login: String::new(), email: String::new() };
        assert!(!issue(r#"{"assignees":[{}]}"#).is_assigned_to(&nobody));
    }

    #[test]
    fn a_merge_commit_counts_only_once_merged() {
        let pull = |json: &str| serde_json::from_str::<WirePull>(json).unwrap();
        assert_eq!(pull(r#"{"merged":false,"merge_commit_sha":"ab"}"#).merge_commit(), None);
        assert_eq!(pull(r#"{"merged":true,"merge_commit_sha":null}"#).merge_commit(), None);
        assert_eq!(
            pull(r#"{"merged":true,"merge_commit_sha":"ab"}"#).merge_commit(),
            Some(CommitId("ab".into()))
        );
        assert!(!pull(r#"{"merged":true,"state":"open"}"#).is_open());
        assert!(pull(r#"{"state":"open"}"#).is_open());
    }
}
