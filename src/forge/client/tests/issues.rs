//! Issues, their dependencies, comments and history.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::domain::issue::{Blocker, IssueState};

fn assigned(id: i64, assignee: i64) -> Value {
    json!({"id": id, "number": id, "state": "open", "title": format!("Issue {id}"),
        "assignees": [{"id": assignee, "login": "somebody"}], "repository": {"full_name": "acme/app"}})
}
fn numbers(issues: &[crate::forge::wire::WireIssue]) -> Vec<i64> {
    issues.iter().map(|issue| issue.number).collect()
}
fn param(request: &Request, key: &str) -> Option<String> {
    let (_, query) = request.target.split_once('?')?;
    form_urlencoded::parse(query.as_bytes()).find(|(k, _)| k == key).map(|(_, value)| value.into_owned())
}
fn page(request: &Request) -> usize {
    param(request, "page").unwrap().parse().unwrap()
}
/// Answers by method and target without query; 404 for all else.
async fn routes<const N: usize>(routes: [(&'static str, Reply); N]) -> Canned {
    let routes: BTreeMap<_, _> = routes.into_iter().collect();
    Canned::by(move |request| {
        let line = request.line();
        let known = routes.get(line.split('?').next().unwrap()).cloned();
        // Beyond the first page every list is empty.
        match param(request, "page") {
            Some(page) if page != "1" && known.is_some() => Reply::json(json!([])),
            _ => known.unwrap_or_else(|| Reply::status(404, r#"{"message":"not found","errors":null}"#)),
        }
    })
    .await
}

#[tokio::test]
async fn all_pages_are_read_though_rows_shift_between_them() {
    // A new issue arrives in front after the first page: the last row of it comes again on the second.
    let forge = Canned::by(|request| {
        let rows: Vec<Value> = match page(request) {
            1 => (51..=100).rev().map(|id| assigned(id, 2)).collect(),
            2 => (2..=51).rev().map(|id| assigned(id, 2)).collect(),
            _ => vec![assigned(1, 2)],
        };
        Reply::json(json!(rows))
    })
    .await;
    let issues = client(&forge).assigned_open_issues(&bot(), Some(1_795_384_925_999)).await.unwrap();
    assert_eq!(numbers(&issues), (1..=100).rev().collect::<Vec<_>>());
    assert_eq!(
        forge.lines()[0],
        "GET /repos/issues/search?assigned=true&type=issues&state=open&since=2026-11-22T22%3A02%3A05Z&page=1&limit=50"
    );
    assert_eq!(forge.requests().len(), 3);
}

#[tokio::test]
async fn a_forge_with_smaller_pages_is_read_to_the_end() {
    let rows = |request: &Request, size: usize| {
        (1..=45).skip((page(request) - 1) * size).take(size).map(|id| assigned(id, 2)).collect::<Vec<_>>()
    };
    let told = Canned::with_page_limit(20, move |request| Reply::json(json!(rows(request, 20)))).await;
    assert_eq!(client(&told).assigned_open_issues(&bot(), None).await.unwrap().len(), 45);
    // Clamped to less than it said, but it counts.
    let counted =
        Canned::by(move |request| Reply::json(json!(rows(request, 20))).header("X-Total-Count", "45")).await;
    assert_eq!(client(&counted).assigned_open_issues(&bot(), None).await.unwrap().len(), 45);
}

#[tokio::test]
async fn a_forge_that_does_not_page_is_asked_twice() {
    let all: Vec<Value> = (1..=60).map(|id| assigned(id, 2)).collect();
    let forge = Canned::by(move |_| Reply::json(json!(all))).await;
    assert_eq!(client(&forge).assigned_open_issues(&bot(), None).await.unwrap().len(), 60);
    assert_eq!(forge.requests().len(), 2);
}

#[tokio::test]
async fn an_endless_list_is_given_up() {
    let mut next = 0;
    let forge = Canned::with_page_limit(1, move |_| {
        next += 1;
        Reply::json(json!([assigned(next, 2)]))
    })
    .await;
    let error = client(&forge).assigned_open_issues(&bot(), None).await.unwrap_err();
    assert!(error.to_string().contains("more than 1000 pages"), "{error}");
}

#[tokio::test]
async fn only_open_issues_of_the_bot_are_kept() {
    let mut rows = vec![Value::Null, assigned(1, 3), assigned(2, 2), json!({"id": 0, "number": 0})];
    for (id, key, value) in [
        (3, "pull_request", json!({"merged": false})),
        (4, "state", json!("closed")),
        (5, "repository", Value::Null),
        (6, "assignees", Value::Null),
        (7, "number", json!(-7)),
    ] {
        let mut row = assigned(id, 2);
        row[key] = value;
        rows.push(row);
    }
    let forge = Canned::by(move |_| Reply::json(json!(rows))).await;
    let client = client(&forge);
    assert_eq!(numbers(&client.assigned_open_issues(&bot(), None).await.unwrap()), [2]);
    assert_eq!(numbers(&client.repository_issues_assigned(&repo(), &bot(), None).await.unwrap()), [2]);
    assert_eq!(
        forge.lines()[1],
        "GET /repos/acme/app/issues?assigned_by=bot&type=issues&state=open&page=1&limit=50"
    );
}

#[tokio::test]
async fn a_list_of_null_is_empty() {
    let forge = Canned::by(|_| Reply::status(200, "null")).await;
    let client = client(&forge);
    assert!(client.assigned_open_issues(&bot(), None).await.unwrap().is_empty());
    assert!(client.comments(&issue("acme/app#7")).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_unknown_repository_is_not_found() {
    let forge = routes([]).await;
    let error = client(&forge).repository_issues_assigned(&repo(), &bot(), None).await.unwrap_err();
    assert_eq!(error.class(), "not_found");
}

fn full_issue() -> Reply {
    Reply::json(json!({"id": 31, "number": 7, "title": "T", "body": "B", "state": "open",
        "labels": [{"name": "p1"}, {"name": "difficulty/hard"}], "assignees": [{"id": 2, "login": "renamed"}],
        "repository": {"full_name": "Acme/App"},
        "created_at": "1970-01-01T01:00:01+01:00", "updated_at": "1970-01-01T00:00:02Z"}))
}

#[tokio::test]
async fn a_snapshot_holds_the_issue_with_both_directions() {
    let zero = json!({"id": 0, "number": 0, "title": "", "state": "", "user": null, "repository": null});
    let forge = routes([
        ("GET /repos/acme/app/issues/7", full_issue()),
        (
            "GET /repos/Acme/App/issues/7/dependencies",
            Reply::json(json!([
                {"id": 1, "number": 3, "state": "closed", "repository": {"full_name": "acme/lib"}},
                {"id": 2, "number": 4, "state": "open", "pull_request": {}, "repository": {"full_name": "acme/lib"}},
                zero, zero,
            ])),
        ),
        ("GET /repos/Acme/App/issues/7/blocks", Reply::json(json!([assigned(9, 5), zero]))),
    ])
    .await;
    let snapshot = client(&forge).snapshot(&issue("acme/app#7"), &bot()).await.unwrap();
    let known = |text: &str, state| Blocker { issue: Some(issue(text)), state: Some(state) };
    let hidden = Blocker { issue: None, state: None };
    assert_eq!(
        snapshot.blockers,
        [
            known("acme/lib#3", IssueState::Closed),
            known("acme/lib#4", IssueState::Open),
            hidden.clone(),
            hidden
        ]
    );
    assert_eq!(snapshot.issue.to_string(), "Acme/App#7");
    assert_eq!(snapshot.blocks, [issue("acme/app#9")]);
    assert_eq!(snapshot.labels, ["p1", "difficulty/hard"]);
    assert_eq!((snapshot.title.as_str(), snapshot.body.as_str()), ("T", "B"));
    assert!(snapshot.assigned);
    assert_eq!((snapshot.created_ms, snapshot.updated_ms, snapshot.state), (1000, 2000, IssueState::Open));
}

#[tokio::test]
async fn dependencies_that_are_switched_off_block_nothing() {
    let forge = routes([("GET /repos/acme/app/issues/7", full_issue())]).await;
    let client = client(&forge);
    let snapshot = client.snapshot(&issue("acme/app#7"), &bot()).await.unwrap();
    assert!(snapshot.blockers.is_empty() && snapshot.blocks.is_empty());
    assert!(!client.dependencies(&issue("acme/app#7")).await.unwrap().enabled);
}

#[tokio::test]
async fn dependencies_that_cannot_be_read_make_no_snapshot() {
    for failure in [Reply::status(500, ""), Reply::status(403, ""), Reply::status(200, "{}")] {
        let forge = routes([
            ("GET /repos/acme/app/issues/7", full_issue()),
            ("GET /repos/Acme/App/issues/7/dependencies", failure),
            ("GET /repos/Acme/App/issues/7/blocks", Reply::json(json!([]))),
        ])
        .await;
        assert!(client(&forge).snapshot(&issue("acme/app#7"), &bot()).await.is_err());
    }
}

#[tokio::test]
async fn blocks_are_read_until_a_page_is_empty() {
    // The forge cuts pages first and drops what the bot may not see afterwards.
    let forge = Canned::by(|request| match page(request) {
        1 => Reply::json(json!([assigned(1, 2)])),
        2 => Reply::json(json!([assigned(2, 2)])),
        _ => Reply::json(json!([])),
    })
    .await;
    assert_eq!(numbers(&client(&forge).blocks(&issue("acme/app#7")).await.unwrap().issues), [1, 2]);
}

#[tokio::test]
async fn a_pull_request_has_no_snapshot() {
    let pull = json!({"id": 1, "number": 7, "state": "open", "pull_request": {"merged": false}});
    let forge = routes([("GET /repos/acme/app/issues/7", Reply::json(pull))]).await;
    let error = client(&forge).snapshot(&issue("acme/app#7"), &bot()).await.unwrap_err();
    assert_eq!(error, ForgeError::NotAnIssue { issue: issue("acme/app#7") });
    assert_eq!(forge.requests().len(), 1);
}

#[tokio::test]
async fn an_all_zero_issue_is_no_answer() {
    let zero = json!({"id": 0, "number": 0, "state": "", "repository": null});
    let forge = routes([("GET /repos/acme/app/issues/7", Reply::json(zero))]).await;
    assert_eq!(client(&forge).issue(&issue("acme/app#7")).await.unwrap_err().class(), "shape");
}

#[tokio::test]
async fn the_state_of_a_named_blocker_follows_a_rename_and_hides_nothing() {
    let moved = Reply::status(301, "").header("Location", "/api/v1/repos/new/home/issues/3");
    let open = json!({"id": 1, "number": 3, "state": "open"});
    let forge = routes([
        ("GET /repos/old/home/issues/3", moved),
        ("GET /repos/new/home/issues/3", Reply::json(open)),
        ("GET /repos/acme/app/issues/4", Reply::status(403, "")),
    ])
    .await;
    let client = client(&forge);
    assert_eq!(client.blocker_state(&issue("old/home#3")).await.unwrap(), Some(IssueState::Open));
    assert_eq!(client.blocker_state(&issue("acme/app#5")).await.unwrap(), None);
    assert_eq!(client.blocker_state(&issue("acme/app#4")).await.unwrap_err().class(), "forbidden");
}

#[tokio::test]
async fn an_issue_is_made_and_edited_field_by_field() {
    let forge = Canned::by(|_| Reply::status(201, &assigned(7, 2).to_string())).await;
    let client = client(&forge);
    let new = NewIssue { title: "T".into(), body: "B".into(), assignees: vec!["bot".into()] };
    assert_eq!(client.create_issue(&repo(), &new).await.unwrap().number, 7);
    let edit = IssueEdit {
        title: Some("U".into()),
        assignees: Some(Vec::new()),
        state: Some(IssueState::Open),
        ..IssueEdit::default()
    };
    client.edit_issue(&issue("acme/app#7"), &edit).await.unwrap();
    let edit = IssueEdit { body: Some(String::new()), ..IssueEdit::default() };
    client.edit_issue(&issue("acme/app#7"), &edit).await.unwrap();
    let sent: Vec<_> = forge.requests().iter().map(Request::json).collect();
    assert_eq!(sent[0], json!({"title": "T", "body": "B", "assignees": ["bot"]}));
    assert_eq!(sent[1], json!({"title": "U", "assignees": [], "state": "open"}));
    assert_eq!(sent[2], json!({"body": ""}));
    assert_eq!(forge.lines()[1], "PATCH /repos/acme/app/issues/7");
}

#[tokio::test]
async fn closing_says_which_issue_still_has_open_dependencies() {
    let words =
        r#"{"message":"cannot close this issue or pull request because it still has open dependencies"}"#;
    let forge = Canned::in_order([Reply::status(412, words)]).await;
    let error = client(&forge).close_issue(&issue("acme/app#7")).await.unwrap_err();
    assert!(matches!(error, ForgeError::DependenciesOpen { .. }), "{error}");
    assert_eq!(forge.requests()[0].json(), json!({"state": "closed"}));
}

#[tokio::test]
async fn a_doubtful_close_is_settled_by_looking() {
    let closed = Reply::json(json!({"id": 1, "number": 7, "state": "closed"}));
    let open = Reply::json(json!({"id": 1, "number": 7, "state": "open"}));
    for failure in [Reply::status(500, ""), Reply::HangUp] {
        let forge = Canned::in_order([failure.clone(), closed.clone()]).await;
        assert_eq!(client(&forge).close_issue(&issue("acme/app#7")).await, Ok(()));
        let forge = Canned::in_order([failure, open.clone()]).await;
        assert!(client(&forge).close_issue(&issue("acme/app#7")).await.unwrap_err().is_retryable());
    }
    let forge = Canned::in_order([Reply::status(201, &assigned(7, 2).to_string())]).await;
    assert_eq!(client(&forge).close_issue(&issue("acme/app#7")).await, Ok(()));
}

#[tokio::test]
async fn a_dependency_is_added_once_and_500_means_look_again() {
    let lib = issue("acme/lib#3");
    let have = json!([{"id": 1, "number": 3, "state": "open", "repository": {"full_name": "Acme/Lib"}}]);
    let none = || Reply::json(json!([]));
    let have = || Reply::json(have.clone());

    let forge = Canned::in_order([have()]).await;
    client(&forge).add_dependency(&issue("acme/app#7"), &lib).await.unwrap();
    assert_eq!(forge.requests().len(), 1);

    let forge = Canned::in_order([none(), Reply::status(201, "{}")]).await;
    client(&forge).add_dependency(&issue("acme/app#7"), &lib).await.unwrap();
    assert_eq!(forge.requests()[1].json(), json!({"index": 3, "owner": "acme", "repo": "lib"}));

    let forge = Canned::in_order([none(), Reply::status(500, ""), have()]).await;
    client(&forge).add_dependency(&issue("acme/app#7"), &lib).await.unwrap();

    let forge = Canned::in_order([none(), Reply::status(500, ""), none()]).await;
    assert_eq!(
        client(&forge).add_dependency(&issue("acme/app#7"), &lib).await.unwrap_err().class(),
        "server"
    );

    let bare = Reply::status(400, "\"CrossRepositoryDependencies not enabled\"");
    let forge = Canned::in_order([none(), bare]).await;
    let error = client(&forge).add_dependency(&issue("acme/app#7"), &lib).await.unwrap_err();
    assert!(error.to_string().contains("CrossRepositoryDependencies not enabled"), "{error}");
}

#[tokio::test]
async fn comments_are_read_made_and_edited() {
    let comment = json!({"id": 5, "body": "<!-- mosaic -->", "user": {"id": 2, "login": "bot"}});
    let forge = routes([
        ("GET /repos/acme/app/issues/7/comments", Reply::json(json!([comment]))),
        ("POST /repos/acme/app/issues/7/comments", Reply::status(201, &comment.to_string())),
        ("PATCH /repos/acme/app/issues/comments/5", Reply::status(204, "")),
    ])
    .await;
    let client = client(&forge);
    let seven = issue("acme/app#7");
    assert_eq!(client.comments(&seven).await.unwrap()[0].body, "<!-- mosaic -->");
    assert_eq!(client.create_comment(&seven, "x").await.unwrap().id, 5);
    client.edit_comment(&repo(), 5, "y").await.unwrap();
    assert_eq!(forge.requests()[2].json(), json!({"body": "y"}));
}

#[tokio::test]
async fn the_history_tells_who_assigned_and_who_closed() {
    let by = |id: i64, kind: &str, user: i64, assignee: i64, removed: bool| {
        json!({"id": id, "type": kind, "user": {"id": user, "login": format!("u{user}")},
            "assignee": {"id": assignee}, "removed_assignee": removed, "created_at": "2026-11-22T22:02:05Z"})
    };
    let first = json!([
        by(1, "assignees", 5, 2, false),
        null,
        by(2, "assignees", 6, 2, true),
        by(3, "close", 7, 0, false),
        by(4, "reopen", 7, 0, false),
    ]);
    let second = json!([
        by(7, "close", 10, 0, false),
        by(4, "reopen", 7, 0, false),
        by(5, "assignees", 8, 2, false),
        by(6, "assignees", 9, 3, false),
        {"id": 8, "type": "comment", "body": "close", "user": null},
    ]);
    let both = [first.clone(), second.clone()];
    let forge = Canned::by(move |request| {
        Reply::json(both.get(page(request) - 1).cloned().unwrap_or(Value::Null)).header("X-Total-Count", "5")
    })
    .await;
    let last = client(&forge).last_actors(&issue("acme/app#7"), &bot()).await.unwrap();
    assert_eq!(last.assigned_by.unwrap().login, "u8");
    assert_eq!(last.closed_by.unwrap().login, "u10");
    assert_eq!(last.unassigned_by, None);

    let only_first =
        Canned::by(move |request| Reply::json(if page(request) == 1 { first.clone() } else { json!([]) }))
            .await;
    let last = client(&only_first).last_actors(&issue("acme/app#7"), &bot()).await.unwrap();
    assert_eq!((last.assigned_by, last.closed_by), (None, None));
    assert_eq!(last.unassigned_by.unwrap().login, "u6");
}
