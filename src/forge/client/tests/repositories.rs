//! Repositories, branches, statuses and hooks.

use serde_json::json;

use super::*;
use crate::domain::id::CommitId;

#[tokio::test]
async fn a_repository_is_cloned_from_the_configured_url() {
    let body = json!({"full_name": "Acme/App", "default_branch": "main", "default_merge_style": "squash",
        "clone_url": "https://elsewhere.example/Acme/App.git", "archived": false, "empty": true,
        "has_issues": true, "internal_tracker": {"enable_issue_dependencies": true},
        "permissions": {"admin": false, "push": true, "pull": true}});
    let forge = Canned::by(move |_| Reply::json(body.clone())).await;
    assert_eq!(
        client(&forge).repository(&repo()).await.unwrap(),
        Repository {
            name: RepoRef::new("Acme", "App"),
            default_branch: "main".into(),
            default_merge_style: MergeStyle::Squash,
            clone_url: format!("{}/Acme/App.git", forge.url()),
            archived: false,
            empty: true,
            dependencies_enabled: true,
            permissions: Permissions { admin: false, push: true, pull: true },
        }
    );
}

#[tokio::test]
async fn dependencies_are_enabled_unless_the_repository_says_otherwise() {
    for (extra, enabled) in [
        (json!({}), true),
        (json!({"has_issues": false}), false),
        (json!({"has_issues": true, "internal_tracker": null}), true),
        (json!({"has_issues": true, "internal_tracker": {"enable_issue_dependencies": false}}), false),
    ] {
        let mut body = json!({"full_name": "acme/app"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let forge = Canned::by(move |_| Reply::json(body.clone())).await;
        let read = client(&forge).repository(&repo()).await.unwrap();
        assert_eq!(read.dependencies_enabled, enabled, "{extra}");
        assert_eq!((read.default_merge_style, read.permissions), Default::default());
    }
}

#[tokio::test]
async fn a_repository_without_a_name_is_no_answer() {
    let forge = Canned::by(|_| Reply::json(json!({"full_name": "../etc"}))).await;
    assert_eq!(client(&forge).repository(&repo()).await.unwrap_err().class(), "shape");
}

#[tokio::test]
async fn a_branch_tells_its_commit_or_none() {
    let forge = Canned::in_order([
        Reply::json(json!({"name": "mosaic/1-one", "commit": {"id": "aa"}})),
        Reply::status(404, ""),
        Reply::json(json!({"name": "x", "commit": null})),
        Reply::status(423, ""),
    ])
    .await;
    let client = client(&forge);
    assert_eq!(client.branch(&repo(), "mosaic/1-one").await.unwrap(), Some(CommitId("aa".into())));
    assert_eq!(forge.lines(), ["GET /repos/acme/app/branches/mosaic/1-one"]);
    assert_eq!(client.branch(&repo(), "gone").await.unwrap(), None);
    assert_eq!(client.branch(&repo(), "odd").await.unwrap_err().class(), "shape");
    assert_eq!(client.branch(&repo(), "locked").await.unwrap_err().class(), "locked");
    assert_eq!(client.branch(&repo(), "a//b").await.unwrap_err().class(), "invalid");
}

#[tokio::test]
async fn a_repository_is_made_for_the_tokens_user() {
    let forge = Canned::by(|_| Reply::status(201, r#"{"full_name":"bot/new"}"#)).await;
    let new =
        NewRepository { name: "new".into(), private: true, auto_init: true, default_branch: "main".into() };
    assert_eq!(client(&forge).create_repository(&new).await.unwrap().name.to_string(), "bot/new");
    assert_eq!(forge.lines(), ["POST /user/repos"]);
    assert_eq!(
        forge.requests()[0].json(),
        json!({"name": "new", "private": true, "auto_init": true, "default_branch": "main"})
    );
}

#[tokio::test]
async fn a_status_is_set_in_words_the_forge_counts() {
    let forge = Canned::by(|_| Reply::status(201, r#"{"status":"success"}"#)).await;
    let client = client(&forge);
    let all = [
        (StatusState::Pending, "pending"),
        (StatusState::Success, "success"),
        (StatusState::Failure, "failure"),
        (StatusState::Error, "error"),
        (StatusState::Warning, "warning"),
    ];
    for (state, word) in all {
        client.set_status(&repo(), &CommitId("aa".into()), state, "mosaic/test", "9 tests").await.unwrap();
        let sent = forge.requests().pop().unwrap();
        assert_eq!(sent.line(), "POST /repos/acme/app/statuses/aa");
        assert_eq!(sent.json(), json!({"state": word, "context": "mosaic/test", "description": "9 tests"}));
    }
}

#[tokio::test]
async fn the_newest_status_of_each_context_is_told() {
    let forge = Canned::in_order([
        Reply::json(json!({"state": "success", "statuses": [
            {"context": "mosaic/test", "status": "success", "description": "ok"},
            null,
            {"context": "mosaic/test", "status": "pending"},
            {"context": "mosaic/lint", "status": "failure"},
        ]})),
        Reply::json(json!({"statuses": null})),
    ])
    .await;
    let client = client(&forge);
    let read = client.statuses(&repo(), &CommitId("aa".into())).await.unwrap();
    let read: Vec<_> = read.iter().map(|s| (s.context.as_str(), s.state.as_str())).collect();
    assert_eq!(read, [("mosaic/test", "success"), ("mosaic/lint", "failure")]);
    assert_eq!(forge.lines(), ["GET /repos/acme/app/commits/aa/status?page=1&limit=50"]);
    assert!(client.statuses(&repo(), &CommitId("bb".into())).await.unwrap().is_empty());
}

#[tokio::test]
async fn hooks_are_made_active_listed_and_deleted() {
    let hook = json!({"id": 4, "active": true, "events": ["push", "issues"],
        "config": {"url": "http://c/webhook/gitea", "content_type": "json"}});
    let forge = Canned::in_order([
        Reply::status(201, &hook.to_string()),
        Reply::status(201, &hook.to_string()),
        Reply::json(json!([hook])),
        Reply::status(204, ""),
        Reply::status(404, ""),
        Reply::status(403, ""),
    ])
    .await;
    let client = client(&forge);
    let mut new = NewHook {
        url: "http://c/webhook/gitea".into(),
        secret: "hush".into(),
        events: vec!["issues".into(), "push".into()],
        as_form: false,
    };
    assert!(!format!("{new:?}").contains("hush"));
    assert!(client.create_hook(&repo(), &new).await.unwrap().active);
    new.as_form = true;
    client.create_hook(&repo(), &new).await.unwrap();
    let sent: Vec<_> = forge.requests().iter().map(Request::json).collect();
    assert_eq!(sent[0]["active"], true);
    assert_eq!(sent[0]["config"]["secret"], "hush");
    assert_eq!(
        (&sent[0]["config"]["content_type"], &sent[1]["config"]["content_type"]),
        (&json!("json"), &json!("form"))
    );
    assert_eq!(client.hooks(&repo()).await.unwrap()[0].config.url, "http://c/webhook/gitea");
    client.delete_hook(&repo(), 4).await.unwrap();
    client.delete_hook(&repo(), 4).await.unwrap();
    assert_eq!(client.delete_hook(&repo(), 4).await.unwrap_err().class(), "forbidden");
    assert_eq!(forge.lines()[3], "DELETE /repos/acme/app/hooks/4");
}
