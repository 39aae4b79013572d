//! Classes, retries, the gate, redirects, the token.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::*;

fn user() -> Reply {
    Reply::json(json!({"id": 2, "login": "bot"}))
}

#[tokio::test]
async fn the_token_goes_along_and_can_be_swapped() {
    let forge = Canned::by(|_| user()).await;
    let client = client(&forge);
    assert_eq!(client.current_user().await.unwrap(), bot());
    client.clone().set_token(Some(" n3w \n".into()));
    client.current_user().await.unwrap();
    let sent: Vec<_> = forge.requests().into_iter().map(|request| request.authorization.unwrap()).collect();
    assert_eq!(sent, ["token t0ken", "token n3w"]);
    assert!(!format!("{client:?}").contains("n3w"));
}

#[tokio::test]
async fn without_a_token_only_the_version_is_asked_for() {
    let forge = Canned::by(|_| Reply::json(json!({"version": "15.0.3+gitea-1.22.0"}))).await;
    let client = client(&forge);
    client.set_token(Some("".into()));
    assert!(!client.has_token());
    assert_eq!(client.version().await.unwrap(), "15.0.3+gitea-1.22.0");
    let error = client.current_user().await.unwrap_err();
    assert!(error.to_string().contains("check `gitea.token`"), "{error}");
    assert_eq!(forge.requests().len(), 1);
    assert_eq!(forge.requests()[0].authorization, None);
}

#[tokio::test]
async fn a_token_that_is_no_header_is_refused_unsent() {
    let forge = Canned::by(|_| user()).await;
    let client = client(&forge);
    client.set_token(Some("a\nb".into()));
    let error = client.current_user().await.unwrap_err();
    assert_eq!(error.class(), "unauthorized");
    assert!(!error.to_string().contains("a\nb"));
    assert!(forge.requests().is_empty());
}

#[tokio::test]
async fn a_sub_path_is_part_of_every_call() {
    let forge = Canned::by(|_| user()).await;
    let client =
        Forge::new(&format!("{}/gitea/", forge.url()), Some("t".into()), Timeouts::default()).unwrap();
    client.current_user().await.unwrap();
    assert_eq!(forge.lines(), ["GET /gitea/api/v1/user"]);
    assert_eq!(client.base_url(), format!("{}/gitea", forge.url()));
}

#[tokio::test]
async fn a_user_without_id_is_no_bot() {
    let forge = Canned::by(|_| Reply::json(json!({"id": 0, "login": "bot"}))).await;
    assert_eq!(client(&forge).current_user().await.unwrap_err().class(), "shape");
}

#[tokio::test]
async fn a_read_survives_two_failures_and_no_third() {
    for failure in [Reply::status(500, ""), Reply::status(502, "<html>"), Reply::HangUp, Reply::CutOff] {
        let forge = Canned::in_order([failure.clone(), failure.clone(), user()]).await;
        assert!(client(&forge).current_user().await.is_ok(), "{failure:?}");
        let forge = Canned::in_order([failure.clone(), failure.clone(), failure.clone(), user()]).await;
        assert!(client(&forge).current_user().await.unwrap_err().is_retryable(), "{failure:?}");
        assert_eq!(forge.requests().len(), 3);
    }
}

#[tokio::test]
async fn a_read_that_is_refused_is_not_repeated() {
    for status in [401, 403, 404, 409, 422, 423] {
        let forge = Canned::in_order([Reply::status(status, "")]).await;
        let error = client(&forge).current_user().await.unwrap_err();
        assert!(!error.is_retryable(), "{error}");
        assert_eq!(forge.requests().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_write_is_sent_once_whatever_happens() {
    for failure in [Reply::status(500, ""), Reply::HangUp, Reply::CutOff, Reply::status(429, "")] {
        let forge = Canned::in_order([failure.clone()]).await;
        let error = client(&forge).create_comment(&issue("acme/app#7"), "hello").await.unwrap_err();
        assert!(error.is_retryable(), "{failure:?}: {error}");
        assert_eq!(forge.lines(), ["POST /repos/acme/app/issues/7/comments"]);
    }
}

#[tokio::test]
async fn silence_is_unreachable() {
    let forge = Canned::by(|_| Reply::Silence).await;
    let timeouts = Timeouts { connect: Duration::from_secs(5), request: Duration::from_millis(50) };
    let client = Forge::new(forge.url(), Some("t0ken".into()), timeouts).unwrap();
    let error = client.create_comment(&issue("acme/app#7"), "hello").await.unwrap_err();
    assert!(
        matches!(&error, ForgeError::Unreachable { cause, .. } if cause == "no answer in time"),
        "{error}"
    );
}

#[tokio::test]
async fn a_closed_port_is_unreachable_and_says_where() {
    let url = Canned::by(|_| Reply::HangUp).await.url().to_owned();
    tokio::task::yield_now().await;
    let client = Forge::new(&url, Some("t0ken".into()), Timeouts::default()).unwrap();
    let error = client.create_comment(&issue("acme/app#7"), "hello").await.unwrap_err();
    assert_eq!(error.class(), "unreachable");
    let text = error.to_string();
    assert!(text.contains(&url) && text.contains("gitea.url") && !text.contains("t0ken"), "{text}");
}

#[tokio::test]
async fn retry_after_holds_for_every_call_until_it_is_over() {
    for status in [429, 503] {
        let limited = Reply::status(status, "").header("Retry-After", "60");
        let forge = Canned::in_order([limited, user(), user()]).await;
        let client = client(&forge);
        let error = client.current_user().await.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
        let other = client.clone();
        let error = other.create_comment(&issue("acme/app#7"), "hello").await.unwrap_err();
        assert!(error.retry_after().is_some_and(|wait| wait <= Duration::from_secs(60)), "{error}");
        assert_eq!(other.version().await.unwrap_err().class(), "rate_limited");
        assert_eq!(forge.requests().len(), 1, "no request leaves while the gate is closed");
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(61)).await;
        tokio::time::resume();
        assert_eq!(client.current_user().await.unwrap(), bot());
        assert_eq!(forge.requests().len(), 2);
    }
}

#[tokio::test]
async fn a_redirect_is_told_and_never_followed() {
    let stranger = Arc::new(AtomicUsize::new(0));
    let counted = stranger.clone();
    let elsewhere = Canned::by(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        user()
    })
    .await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("{}/api/v1/repos/new/name/issues/7", elsewhere.url());
        let forge = Canned::by(move |_| Reply::status(status, "").header("Location", &location)).await;
        let client = client(&forge);
        let read = client.issue(&issue("acme/app#7")).await.unwrap_err();
        let written = client.create_comment(&issue("acme/app#7"), "hello").await.unwrap_err();
        for error in [read, written] {
            let ForgeError::Redirected { repository, .. } = error else { panic!("{error}") };
            assert_eq!(repository, Some("new/name".parse().unwrap()), "{status}");
        }
        assert_eq!(forge.requests().len(), 2);
    }
    assert_eq!(stranger.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_answer_of_another_shape_names_call_and_place() {
    for body in ["<html>login</html>", "", "[]", r#"{"id":"two"}"#, "\"ok\""] {
        let forge = Canned::in_order([Reply::status(200, body)]).await;
        let error = client(&forge).current_user().await.unwrap_err();
        assert!(matches!(error, ForgeError::Shape { .. }), "{error}");
        assert!(error.to_string().starts_with("GET /user: unexpected answer: "), "{error}");
        assert_eq!(forge.requests().len(), 1);
    }
}

#[tokio::test]
async fn an_endless_answer_is_given_up() {
    let body = " ".repeat(65 * 1024 * 1024);
    let forge = Canned::in_order([Reply::status(200, &body)]).await;
    assert_eq!(client(&forge).current_user().await.unwrap_err().class(), "shape");
}

#[tokio::test]
async fn a_name_that_would_climb_out_is_never_sent() {
    let forge = Canned::by(|_| user()).await;
    let error = client(&forge).repository(&RepoRef::new("..", "admin")).await.unwrap_err();
    assert_eq!(error.class(), "invalid");
    assert!(forge.requests().is_empty());
}

#[tokio::test]
async fn the_page_limit_is_read_once_and_guessed_where_it_is_not_told() {
    for (told, limit) in [(20, 20), (50, 50), (1000, 50), (0, 1)] {
        let forge = Canned::with_page_limit(told, |_| user()).await;
        let client = client(&forge);
        assert_eq!(client.settings_page_limit().await, limit);
        assert_eq!(client.clone().settings_page_limit().await, limit);
        assert_eq!(forge.settings_asked(), 1);
    }
    let down = Forge::new("http://127.0.0.1:1", None, Timeouts::default()).unwrap();
    assert_eq!(down.settings_page_limit().await, 50);
}
