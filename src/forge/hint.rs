//! What a delivery points at: which issue, pull request or branch to look at again.
//!
//! Owns the derivation of repository, number and kind from payloads of all events and versions. Promises an
//! answer or an error for any bytes, never a panic. A hint is no truth: nothing of a payload but names and
//! numbers is taken over, no state, no time, and never a URL (a payload's URLs may be somebody else's choice).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::id::{IssueRef, RepoRef};

/// The event's name where neither a header nor the body tells it.
pub const UNKNOWN_EVENT: &str = "unknown";

/// Longest event or action that is kept; the known ones have at most 24 characters.
const NAME_BYTES: usize = 64;

/// What one delivery points at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// The coarse event (`issues`, `push`, …), or [`UNKNOWN_EVENT`].
    pub event: String,
    /// `opened`, `assigned`, …; pushes have none.
    pub action: Option<String>,
    /// Where it happened.
    pub repository: Option<RepoRef>,
    /// What to look at again.
    pub kind: HintKind,
}

/// What to look at again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HintKind {
    /// An issue, touched itself or commented on.
    Issue(IssueRef),
    /// A pull request, touched itself, commented on or reviewed.
    PullRequest {
        /// Its repository.
        repo: RepoRef,
        /// Its number.
        number: u64,
        /// Its branch, where the payload tells it and it lives in the same repository.
        head_branch: Option<String>,
    },
    /// A push.
    Push {
        /// Its repository.
        repo: RepoRef,
        /// The branch; `None` for a tag.
        branch: Option<String>,
    },
    /// Nothing that concerns a task: an event of another kind, or a body that does not fit its event.
    Other,
}

/// Why a payload says nothing that could be acted on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// A content type that is neither JSON nor a form: 415.
    #[error("content type `{0}` is not supported: set the webhook to application/json")]
    ContentType(String),
    /// A form without exactly one `payload`: 422.
    #[error("the form must hold exactly one `payload` field, it holds {0}")]
    FormField(usize),
    /// Not JSON, or no JSON object: 422.
    #[error("the payload is no JSON object: {0}")]
    NotAnObject(String),
    /// Names no repository: 422.
    #[error("event `{event}` names no repository")]
    NoRepository {
        /// The event.
        event: String,
    },
    /// Names no issue or pull request: 422.
    #[error("event `{event}` names no issue or pull request number")]
    NoNumber {
        /// The event.
        event: String,
    },
}

impl PayloadError {
    /// The HTTP status that says this: 415 or 422.
    pub fn status(&self) -> u16 {
        match self {
            Self::ContentType(_) => 415,
            _ => 422,
        }
    }
}

/// Reads what a payload points at; without an event its name is inferred from the body.
pub fn read_hint(event: Option<&str>, payload: &[u8]) -> Result<Hint, PayloadError> {
    let body = match serde_json::from_slice(payload) {
        Ok(Value::Object(fields)) => Value::Object(fields),
        Ok(other) => return Err(PayloadError::NotAnObject(format!("it is {}", type_name(&other)))),
        Err(error) => return Err(PayloadError::NotAnObject(error.to_string())),
    };
    let inferred = inferred_event(&body);
    let event = event.map_or(inferred.unwrap_or(UNKNOWN_EVENT), short);
    let repository = repository(&body);
    let kind = match subject(event) {
        Subject::Other => HintKind::Other,
        subject if inferred.is_some_and(|other| self::subject(other).contradicts(subject)) => HintKind::Other,
        subject => located(subject, event, &body, repository.clone())?,
    };
    Ok(Hint {
        event: event.to_owned(),
        action: text(&body, "action").map(|a| short(a).to_owned()),
        repository,
        kind,
    })
}

/// What an event's payload is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    Issue,
    Pull,
    Push,
    Other,
}

impl Subject {
    /// Whether a body of this shape cannot belong to an event on `other`. Issue and pull request can: the
    /// forge sends pull requests in the shape of issues.
    fn contradicts(self, other: Self) -> bool {
        (self == Self::Push) != (other == Self::Push)
    }
}

fn subject(event: &str) -> Subject {
    match event {
        "push" => Subject::Push,
        "issues" | "issue_comment" => Subject::Issue,
        _ if event.starts_with("issue_") => Subject::Issue,
        _ if event.starts_with("pull_request") => Subject::Pull,
        _ => Subject::Other,
    }
}

fn inferred_event(body: &Value) -> Option<&'static str> {
    let has = |key| body.get(key).is_some_and(Value::is_object);
    if text(body, "ref").is_some() && (text(body, "after").is_some() || body.get("commits").is_some()) {
        return Some("push");
    }
    match (has("issue"), has("comment"), has("pull_request")) {
        (true, true, _) => Some("issue_comment"),
        (true, false, _) => Some("issues"),
        (false, _, true) => Some("pull_request"),
        (false, _, false) => None,
    }
}

fn located(
    subject: Subject,
    event: &str,
    body: &Value,
    repository: Option<RepoRef>,
) -> Result<HintKind, PayloadError> {
    let repo = repository.ok_or_else(|| PayloadError::NoRepository { event: event.to_owned() })?;
    if subject == Subject::Push {
        let branch = text(body, "ref").and_then(|name| name.strip_prefix("refs/heads/")).map(str::to_owned);
        return Ok(HintKind::Push { repo, branch });
    }
    let number = [body, &body["issue"], &body["pull_request"]].into_iter().find_map(number);
    let number = number.ok_or_else(|| PayloadError::NoNumber { event: event.to_owned() })?;
    if subject == Subject::Pull || is_pull_request(body) {
        let head_branch = own_head_branch(&body["pull_request"]);
        return Ok(HintKind::PullRequest { repo, number, head_branch });
    }
    Ok(HintKind::Issue(IssueRef::new(repo, number)))
}

/// Whether what looks like an issue's payload is about a pull request.
fn is_pull_request(body: &Value) -> bool {
    body["is_pull"] == Value::Bool(true)
        || body["issue"]["pull_request"].is_object()
        || body["pull_request"].is_object()
}

/// The branch of a pull request from within the repository: a fork's branch may have any name.
fn own_head_branch(pull: &Value) -> Option<String> {
    let (head, base) = (&pull["head"], &pull["base"]);
    let same = head["repo_id"].is_i64() && head["repo_id"] == base["repo_id"];
    text(head, "ref").filter(|_| same).map(str::to_owned)
}

fn repository(body: &Value) -> Option<RepoRef> {
    [&body["repository"], &body["issue"]["repository"]]
        .into_iter()
        .find_map(|repository| text(repository, "full_name")?.parse().ok())
}

fn number(holder: &Value) -> Option<u64> {
    holder.get("number")?.as_u64().filter(|number| *number > 0)
}

fn text<'a>(holder: &'a Value, key: &str) -> Option<&'a str> {
    holder.get(key)?.as_str().filter(|text| !text.is_empty())
}

/// The start of a name that somebody may have made arbitrarily long.
fn short(name: &str) -> &str {
    let end = (0..=NAME_BYTES.min(name.len())).rfind(|end| name.is_char_boundary(*end));
    &name[..end.unwrap_or(0)]
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(event: &str, body: Value) -> Result<Hint, PayloadError> {
        read_hint(Some(event), body.to_string().as_bytes())
    }
    fn kind(event: &str, body: Value) -> HintKind {
        read(event, body).unwrap().kind
    }
    fn issue(text: &str) -> HintKind {
        HintKind::Issue(text.parse().unwrap())
    }
    fn pull(number: u64, head_branch: Option<&str>) -> HintKind {
        HintKind::PullRequest {
            repo: "acme/app".parse().unwrap(),
            number,
            head_branch: head_branch.map(str::to_owned),
        }
    }
    fn acme() -> Value {
        json!({"full_name": "acme/app"})
    }

    #[test]
    fn an_issue_is_found_by_any_of_its_places() {
        for body in [
            json!({"number": 7, "issue": {"number": 7}, "repository": acme()}),
            json!({"issue": {"number": 7}, "repository": acme()}),
            json!({"number": 7, "issue": {"id": 0, "number": 0, "user": null, "state": "", "repository": null}, "repository": acme()}),
            json!({"number": 7, "issue": {"number": 7, "repository": acme()}, "repository": null}),
            json!({"number": 7, "issue": null, "repository": acme()}),
            json!({"number": -7, "issue": {"number": 7, "user": {"id": -1, "login": "Ghost"}}, "repository": acme()}),
        ] {
            assert_eq!(kind("issues", body.clone()), issue("acme/app#7"), "{body}");
        }
    }

    #[test]
    fn what_names_no_issue_is_refused() {
        let zero = json!({"id": 0, "number": 0, "user": null, "state": "", "repository": null});
        for (body, no_repository) in [
            (json!({"number": 0, "issue": zero, "repository": acme()}), false),
            (json!({"number": 7, "issue": zero, "repository": null}), true),
            (json!({"number": 7, "issue": "x", "repository": {"full_name": "../../etc"}}), true),
            (json!({"number": 7.5, "issue": {"number": "7"}, "repository": acme()}), false),
            (json!({"number": 18446744073709551616.0, "repository": acme()}), false),
            (json!({}), true),
        ] {
            let error = read("issues", body.clone()).unwrap_err();
            assert_eq!(matches!(error, PayloadError::NoRepository { .. }), no_repository, "{body}");
            assert_eq!(error.status(), 422);
        }
    }

    #[test]
    fn a_pull_request_is_never_an_issue() {
        for body in [
            json!({"number": 3, "issue": {"number": 3, "pull_request": {"merged": false}}, "repository": acme()}),
            json!({"is_pull": true, "issue": {"number": 3}, "comment": {}, "repository": acme()}),
            json!({"issue": {"number": 3}, "comment": {}, "pull_request": {"number": 3}, "repository": acme()}),
        ] {
            for event in ["issues", "issue_comment", "pull_request_comment", "pull_request"] {
                assert_eq!(kind(event, body.clone()), pull(3, None), "{event} {body}");
            }
        }
    }

    #[test]
    fn the_branch_is_told_only_from_the_same_repository() {
        let body = |head: Value| json!({"pull_request": {"number": 3, "head": head, "base": {"repo_id": 1}}, "repository": acme()});
        let own = body(json!({"ref": "mosaic/1-one", "repo_id": 1}));
        for event in ["pull_request", "pull_request_approved", "pull_request_rejected", "pull_request_sync"] {
            assert_eq!(kind(event, own.clone()), pull(3, Some("mosaic/1-one")), "{event}");
        }
        assert_eq!(kind("pull_request", body(json!({"ref": "mosaic/1-one", "repo_id": 2}))), pull(3, None));
        assert_eq!(kind("pull_request", body(json!({"ref": "mosaic/1-one"}))), pull(3, None));
    }

    #[test]
    fn a_push_names_its_branch_and_a_tag_none() {
        let push = |branch: Option<&str>| HintKind::Push {
            repo: "acme/app".parse().unwrap(),
            branch: branch.map(str::to_owned),
        };
        let body = |name: &str| json!({"ref": name, "before": "0", "after": "0", "commits": [], "repository": acme()});
        assert_eq!(kind("push", body("refs/heads/mosaic/1-one")), push(Some("mosaic/1-one")));
        assert_eq!(kind("push", body("refs/tags/v1")), push(None));
        assert_eq!(kind("push", json!({"repository": acme()})), push(None));
    }

    #[test]
    fn the_forges_test_delivery_is_a_push() {
        let zero = "0".repeat(40);
        let body = json!({"ref": "refs/heads/main", "before": zero, "after": zero, "total_commits": 1,
            "commits": [{"id": zero, "timestamp": "0001-01-01T00:00:00Z", "added": null}], "repository": acme()});
        assert!(matches!(kind("push", body), HintKind::Push { branch: Some(main), .. } if main == "main"));
    }

    #[test]
    fn unknown_events_and_bodies_of_another_event_are_set_aside() {
        let issue = json!({"action": "opened", "number": 7, "issue": {"number": 7}, "repository": acme()});
        let push = json!({"ref": "refs/heads/main", "after": "00", "repository": acme()});
        for (event, body) in [
            ("workflow_run", issue.clone()),
            ("action_run_failure", json!({})),
            ("package", json!({"repository": null})),
            ("status", json!({"sha": "00", "state": "success", "repository": acme()})),
            ("", json!({})),
            ("push", issue),
            ("issues", push.clone()),
            ("pull_request", push),
        ] {
            assert_eq!(kind(event, body), HintKind::Other, "{event}");
        }
    }

    #[test]
    fn an_unknown_action_is_kept_as_it_is() {
        let hint =
            read("issues", json!({"action": "pinned", "number": 7, "issue": {}, "repository": acme()}))
                .unwrap();
        assert_eq!((hint.action.as_deref(), hint.kind), (Some("pinned"), issue("acme/app#7")));
        let long =
            read("issues", json!({"action": "ü".repeat(99), "number": 7, "repository": acme()})).unwrap();
        assert_eq!(long.action.unwrap(), "ü".repeat(32));
    }

    #[test]
    fn the_event_is_inferred_without_a_header() {
        for (body, event) in [
            (json!({"number": 7, "issue": {"number": 7}, "repository": acme()}), "issues"),
            (json!({"issue": {"number": 7}, "comment": {"id": 1}, "repository": acme()}), "issue_comment"),
            (json!({"pull_request": {"number": 7}, "repository": acme()}), "pull_request"),
            (json!({"ref": "refs/heads/main", "after": "00", "repository": acme()}), "push"),
            (json!({"ref": "v1", "ref_type": "tag", "repository": acme()}), UNKNOWN_EVENT),
            (json!({}), UNKNOWN_EVENT),
        ] {
            assert_eq!(read_hint(None, body.to_string().as_bytes()).unwrap().event, event, "{body}");
        }
    }

    #[test]
    fn what_is_no_json_object_is_refused() {
        let deep = "[".repeat(200_000);
        let nested = format!("{}1{}", r#"{"a":"#.repeat(5_000), "}".repeat(5_000));
        for payload in [
            "",
            "{",
            "[]",
            "null",
            "7",
            "true",
            "\"x\"",
            "{\"a\":\"\0\"}",
            "{} {}",
            "\u{feff}{}",
            r#"{"issue":{"title":"\ud800"}}"#,
            &deep,
            &nested,
        ] {
            let error = read_hint(Some("issues"), payload.as_bytes()).unwrap_err();
            assert!(matches!(error, PayloadError::NotAnObject(_)), "{error}");
            assert_eq!(error.status(), 422);
        }
        assert!(read_hint(Some("issues"), b"{\"a\":\"\xff\"}").is_err());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let key = prop_oneof![
            Just("issue"),
            Just("number"),
            Just("repository"),
            Just("full_name"),
            Just("pull_request"),
            Just("is_pull"),
            Just("head"),
            Just("base"),
            Just("ref"),
            Just("repo_id"),
            Just("action"),
            Just("comment"),
            Just("commits"),
            Just("after"),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (1_u64..9).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
            Just(Value::from("acme/app")),
            Just(Value::from("refs/heads/main")),
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
                proptest::collection::vec((key.clone(), inner), 0..6)
                    .prop_map(|fields| fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_bytes_panic(event in proptest::option::of(".*"), payload: Vec<u8>) {
            let _ = read_hint(event.as_deref(), &payload);
        }

        #[test]
        fn no_json_panics_and_every_hint_is_well_named(body in any_json(), event in proptest::option::of(
            prop_oneof![Just("issues"), Just("issue_comment"), Just("pull_request"), Just("push"), Just("fork")]
        )) {
            if let Ok(hint) = read_hint(event, body.to_string().as_bytes()) {
                let text = serde_json::to_string(&hint).unwrap();
                prop_assert_eq!(&serde_json::from_str::<Hint>(&text).unwrap(), &hint);
                if let HintKind::Issue(issue) = &hint.kind {
                    prop_assert_eq!(Some(&issue.repo), hint.repository.as_ref());
                    prop_assert!(issue.number > 0);
                }
            }
        }
    }
}
