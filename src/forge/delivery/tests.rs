//! Deliveries as a real Gitea sent them, and as nobody should.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::domain::id::IssueRef;

#[derive(Deserialize)]
struct Recorded {
    headers: BTreeMap<String, String>,
    body: String,
}

impl Recorded {
    fn headers(&self) -> DeliveryHeaders {
        self.headers.iter().collect()
    }
    fn without(&self, dropped: &[&str]) -> DeliveryHeaders {
        self.headers.iter().filter(|(name, _)| !dropped.contains(&name.as_str())).collect()
    }
    fn read(&self) -> Result<Delivery, Refusal> {
        Delivery::read(&secrets(), &self.headers(), self.body.as_bytes())
    }
}

fn secrets() -> Vec<SecretString> {
    vec!["other".into(), "s3cret".into()]
}
fn recorded() -> Vec<Recorded> {
    let lines = include_str!("../../../tests/data/gitea/v1.25.4-deliveries.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}
fn form() -> Recorded {
    recorded().into_iter().next_back().unwrap()
}
fn signed(content_type: Option<&str>, signed: &[u8]) -> DeliveryHeaders {
    let signature = signature::sign(&"s3cret".into(), signed);
    let content_type = content_type.map(|value| ("Content-Type", value.to_owned()));
    [("X-Gitea-Signature", signature), ("X-Gitea-Event", "issues".to_owned())]
        .into_iter()
        .chain(content_type)
        .collect()
}

#[test]
fn every_recorded_delivery_gives_its_hint() {
    let issue = |number| HintKind::Issue(IssueRef::new("alice/app".parse().unwrap(), number));
    let push =
        |branch: &str| HintKind::Push { repo: "alice/app".parse().unwrap(), branch: Some(branch.to_owned()) };
    let pull = HintKind::PullRequest {
        repo: "alice/app".parse().unwrap(),
        number: 3,
        head_branch: Some("mosaic/1-one".to_owned()),
    };
    let expected = [
        ("issues", "assigned", issue(1)),
        ("issues", "assigned", issue(1)),
        ("issues", "opened", issue(1)),
        ("push", "", push("main")),
        ("issues", "unassigned", issue(1)),
        ("issues", "unassigned", issue(1)),
        ("issues", "assigned", issue(1)),
        ("issues", "unassigned", issue(1)),
        ("issues", "assigned", issue(1)),
        ("issue_comment", "created", issue(1)),
        ("issues", "opened", issue(2)),
        ("issues", "label_updated", issue(1)),
        ("issues", "edited", issue(1)),
        ("push", "", push("mosaic/1-one")),
        ("pull_request", "opened", pull.clone()),
        ("pull_request", "closed", pull),
        ("issues", "closed", issue(1)),
        ("push", "", push("main")),
        ("push", "", push("main")),
        ("issues", "reopened", issue(1)),
        ("issues", "closed", issue(1)),
        ("issues", "assigned", issue(2)),
        ("issues", "unassigned", issue(2)),
        ("issues", "assigned", issue(2)),
        ("issue_comment", "created", issue(2)),
        ("issue_comment", "created", issue(2)),
    ];
    let all = recorded();
    assert_eq!(all.len(), expected.len());
    for (at, (one, (event, action, kind))) in all.iter().zip(expected).enumerate() {
        let delivery = one.read().unwrap();
        assert_eq!(delivery.key, one.headers["X-Gitea-Delivery"], "{at}");
        assert_eq!(delivery.hint.event, event, "{at}");
        assert_eq!(delivery.hint.action.as_deref().unwrap_or_default(), action, "{at}");
        assert_eq!(delivery.hint.repository, Some("alice/app".parse().unwrap()), "{at}");
        assert_eq!(delivery.hint.kind, kind, "{at}");
    }
}

#[test]
fn an_event_is_inferred_as_the_forge_would_name_it() {
    for one in recorded() {
        let unnamed = one.without(&["X-Gitea-Event", "X-GitHub-Event"]);
        let delivery = Delivery::read(&secrets(), &unnamed, one.body.as_bytes()).unwrap();
        assert_eq!(delivery.hint, one.read().unwrap().hint);
    }
}

#[test]
fn deliveries_of_older_versions_give_their_hint() {
    let issue = HintKind::Issue("root1/r1#1".parse().unwrap());
    for (event, payload) in [
        ("issues", &include_bytes!("../../../tests/data/gitea/issues-assigned.v1.16.json")[..]),
        ("issues", include_bytes!("../../../tests/data/gitea/issues-closed.v1.16.json")),
        ("issue_comment", include_bytes!("../../../tests/data/gitea/issue_comment-created.v1.16.json")),
    ] {
        assert_eq!(read_hint(Some(event), payload).unwrap().kind, issue);
        assert_eq!(read_hint(None, payload).unwrap().event, event);
    }
}

#[test]
fn no_recorded_delivery_passes_with_another_secret_or_body() {
    for one in recorded() {
        let stranger = Delivery::read(&["other".into()], &one.headers(), one.body.as_bytes());
        assert_eq!(stranger.unwrap_err(), SignatureError::Mismatch.into());
        let changed = one.body.replacen("app", "apq", 1);
        assert_eq!(Delivery::read(&secrets(), &one.headers(), changed.as_bytes()).unwrap_err().status(), 401);
    }
}

#[test]
fn the_older_signature_headers_serve_alone() {
    let one = &recorded()[0];
    let hub_only = one.without(&["X-Gitea-Signature"]);
    assert!(Delivery::read(&secrets(), &hub_only, one.body.as_bytes()).is_ok());
    let none = one.without(&["X-Gitea-Signature", "X-Hub-Signature-256"]);
    let refusal = Delivery::read(&secrets(), &none, one.body.as_bytes()).unwrap_err();
    assert_eq!(refusal, SignatureError::Missing.into());
}

#[test]
fn a_form_is_signed_over_its_decoded_payload() {
    let one = form();
    let delivery = one.read().unwrap();
    assert!(delivery.payload.starts_with(b"{\n  \"action\""));
    assert_eq!(signature::verify(&secrets(), &delivery.payload, &one.headers()), Ok(()));
    assert!(signature::verify(&secrets(), one.body.as_bytes(), &one.headers()).is_err());
    let json = &recorded()[24];
    assert_eq!(json.read().unwrap().payload, json.body.as_bytes());
}

#[test]
fn form_values_are_decoded_byte_by_byte() {
    for (body, payload) in [
        (&b"payload=a+b%2Bc%26%C3%BC%FF"[..], &b"a b+c&\xc3\xbc\xff"[..]),
        (b"x=1&payload=%7B%7D&y", b"{}"),
        (b"pay%6Coad=a=b", b"a=b"),
        (b"payload", b""),
        (b"payload=%zz%", b"%zz%"),
    ] {
        let form = Some("Application/X-WWW-Form-Urlencoded; charset=UTF-8");
        assert_eq!(payload_of(form, body).unwrap(), payload, "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn a_form_without_one_payload_is_422_and_401_for_a_stranger() {
    let kind = Some("application/x-www-form-urlencoded");
    for (body, signable, count) in [
        (&b"data={}"[..], &b"data={}"[..], 0),
        (b"", b"", 0),
        (b"data={}", b"", 0),
        (b"payload=%7B%7D&payload=%7B%7D", b"{}", 2),
        (b"payload=a&payload=b", b"payload=a&payload=b", 2),
    ] {
        let refusal = Delivery::read(&secrets(), &signed(kind, signable), body).unwrap_err();
        assert_eq!(refusal, PayloadError::FormField(count).into());
        assert_eq!(refusal.status(), 422);
        let stranger = Delivery::read(&secrets(), &signed(kind, b"something else"), body).unwrap_err();
        assert_eq!(stranger, SignatureError::Mismatch.into());
    }
}

#[test]
fn json_needs_no_charset_and_other_types_are_415() {
    let body = br#"{"number":7,"issue":{},"repository":{"full_name":"a/b"}}"#;
    for kind in
        [None, Some("application/json"), Some("application/json; charset=utf-8"), Some("Application/JSON")]
    {
        assert!(Delivery::read(&secrets(), &signed(kind, body), body).is_ok(), "{kind:?}");
    }
    for kind in ["text/plain", "application/xml", "multipart/form-data; boundary=x", ";"] {
        let refusal = Delivery::read(&secrets(), &signed(Some(kind), body), body).unwrap_err();
        assert_eq!(refusal.status(), 415, "{kind}");
        let stranger = Delivery::read(&secrets(), &signed(Some(kind), b"x"), body).unwrap_err();
        assert_eq!(stranger.status(), 401, "{kind}");
    }
}

#[test]
fn broken_json_is_422_only_for_the_forge() {
    for body in [&b"{"[..], b"[]", b"", br#"{"issue":{"title":"\ud800"}}"#, b"{}"] {
        assert_eq!(Delivery::read(&secrets(), &signed(None, body), body).unwrap_err().status(), 422);
        assert_eq!(Delivery::read(&secrets(), &signed(None, b"x"), body).unwrap_err().status(), 401);
    }
}

#[test]
fn an_escaped_body_of_18_mb_is_read() {
    let title = "\\u003c".repeat(3 * 1024 * 1024);
    let body = format!(r#"{{"number":7,"issue":{{"body":"{title}"}},"repository":{{"full_name":"a/b"}}}}"#);
    let delivery = Delivery::read(&secrets(), &signed(None, body.as_bytes()), body.as_bytes()).unwrap();
    assert_eq!(delivery.hint.kind, HintKind::Issue("a/b#7".parse().unwrap()));
}

#[test]
fn a_delivery_without_an_id_is_keyed_by_its_body() {
    let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let long = "x".repeat(KEY_BYTES + 1);
    for (name, value, key) in [
        ("X-Gitea-Delivery", "5c1f", "5c1f"),
        ("X-Forgejo-Delivery", "5c1f", "5c1f"),
        ("X-GitHub-Delivery", "5c1f", "5c1f"),
        ("X-Other", "5c1f", hash),
        ("X-Gitea-Delivery", "", hash),
        ("X-Gitea-Delivery", &long, hash),
    ] {
        let headers = [(name, value)].into_iter().collect();
        assert_eq!(delivery_key(&headers, b"{}"), key, "{name}: {value}");
    }
}

proptest! {
    #[test]
    fn no_request_panics(
        content_type in proptest::option::of(prop_oneof![
            Just("application/json".to_owned()),
            Just("application/x-www-form-urlencoded".to_owned()),
            ".*",
        ]),
        body: Vec<u8>,
    ) {
        let headers: DeliveryHeaders = content_type.iter().map(|value| ("Content-Type", value)).collect();
        prop_assert_eq!(Delivery::read(&secrets(), &headers, &body).unwrap_err().status(), 401);
        let signature = signature::sign(&"s3cret".into(), &body);
        let headers = content_type.iter().map(|value| ("Content-Type", value.as_str()))
            .chain([("X-Gitea-Signature", signature.as_str())])
            .collect();
        let _ = Delivery::read(&secrets(), &headers, &body);
    }

    #[test]
    fn a_form_gives_back_any_payload(payload: Vec<u8>, before in "[a-z]{0,3}=[a-z]{0,3}") {
        let encoded: String = form_urlencoded::byte_serialize(&payload).collect();
        let body = format!("{before}&payload={encoded}");
        let read = payload_of(Some("application/x-www-form-urlencoded"), body.as_bytes()).unwrap();
        prop_assert_eq!(read.as_ref(), payload.as_slice());
    }
}
