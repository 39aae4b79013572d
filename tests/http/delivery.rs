//! Deliveries: from the socket to the stub and back, whatever the client does.

use std::time::Duration;

use mosaic_coordinator::forge::{
    DeliveryHeaders,
    intake::{Deliver, Intake},
};
use tokio::sync::oneshot;

use super::server::{Client, Served};

const PATHS: [&str; 2] = ["/webhook/gitea", "/webhook/gitea/"];

fn accepted() -> Intake {
    Intake::Accepted { delivery: "d-1".into() }
}

fn head(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nX-Gitea-Delivery: d-1\r\n\
         X-Gitea-Signature: abc\r\nContent-Type: application/json\r\n\r\n"
    )
}

fn whole(body: &str) -> String {
    head(PATHS[0], body.len()) + body
}

/// Lets time go by in steps until the client hears something; how much went by.
fn time_until_heard(
    served: &Served,
    client: &mut Client,
    mut meanwhile: impl FnMut(&mut Client),
) -> Duration {
    let step = Duration::from_millis(500);
    for steps in 1..1000 {
        served.state.clock.advance(step);
        if client.hears() {
            return step * steps;
        }
        meanwhile(client);
    }
    panic!("the client heard nothing");
}

#[test]
fn a_delivery_reaches_its_actor_whole_and_its_outcome_is_told() {
    let mut served = Served::start();
    for path in PATHS {
        let mut client = served.connect();
        client.send(head(path, 11) + "{\"a\": \"\u{fc}\"}");
        let Deliver { headers, body, reply } = served.delivery();
        assert_eq!(body, "{\"a\": \"\u{fc}\"}");
        assert_eq!(headers.text("x-gitea-delivery"), Some("d-1"));
        assert_eq!(headers.text("x-gitea-signature"), Some("abc"));
        assert_eq!(headers.text("content-type"), Some("application/json"));
        reply.send(accepted()).unwrap();
        let answer = client.answer();
        assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "application/json"));
        assert_eq!(answer.body, r#"{"outcome":"accepted","delivery":"d-1"}"#);
    }
}

#[test]
fn every_outcome_has_its_answer() {
    let mut served = Served::start();
    let (delivery, message) = ("d \"1\"".to_owned(), "why".to_owned());
    for (intake, status, body) in [
        (
            Intake::Duplicate { delivery: delivery.clone() },
            200,
            r#"{"outcome":"duplicate","delivery":"d \"1\""}"#,
        ),
        (Intake::Ignored { delivery }, 200, r#"{"outcome":"ignored","delivery":"d \"1\""}"#),
        (Intake::Refused { status: 401, message: message.clone() }, 401, "bad_signature"),
        (Intake::Refused { status: 415, message: message.clone() }, 415, "unsupported_media_type"),
        (Intake::Refused { status: 422, message: message.clone() }, 422, "unreadable_payload"),
        (Intake::Unavailable { message }, 503, "unavailable"),
    ] {
        let answer = served.deliver(whole("{}"), intake);
        assert_eq!(answer.status, status, "{answer:?}");
        if status == 200 {
            assert_eq!(answer.body, body);
        } else {
            assert_eq!(answer.refusal(), body);
            assert!(answer.body.contains(r#""message":"why""#), "{answer:?}");
        }
        assert!(!answer.headers.contains_key("www-authenticate"));
    }
}

#[test]
fn only_post_is_taken_and_nothing_is_redirected() {
    let served = Served::start();
    for path in PATHS.iter().chain(&["/webhook/gitea?payload=%7B%7D"]) {
        for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"] {
            let answer = served.ask(format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
            assert_eq!(
                (answer.status, answer.refusal().as_str()),
                (405, "method_not_allowed"),
                "{method} {path}"
            );
            assert_eq!(answer.headers["allow"], "POST", "{method} {path}");
        }
        let mut client = served.connect();
        client.send(format!("HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        let answer = client.rest();
        assert!(answer.starts_with("HTTP/1.1 405 ") && answer.ends_with("\r\n\r\n"), "{answer}");
        assert!(answer.to_lowercase().contains("allow: post\r\n"), "{answer}");
    }
}

#[test]
fn a_body_in_chunks_is_taken_together() {
    let mut served = Served::start();
    let mut client = served.connect();
    client
        .send("POST /webhook/gitea HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n");
    client.send("3\r\n:1}\r\n0\r\n\r\n");
    let Deliver { body, reply, .. } = served.delivery();
    assert_eq!(body, "{\"a\":1}");
    reply.send(accepted()).unwrap();
    assert_eq!(client.answer().status, 200);
}

#[test]
fn a_client_of_http_1_0_is_served() {
    let mut served = Served::start();
    let request = "POST /webhook/gitea HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(served.deliver(request, accepted()).status, 200);
}

#[test]
fn a_client_that_asks_before_it_sends_is_told_to_go_on() {
    let mut served = Served::start();
    let mut client = served.connect();
    client
        .send("POST /webhook/gitea HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("{}");
    let Deliver { body, reply, .. } = served.delivery();
    assert_eq!(body, "{}");
    reply.send(accepted()).unwrap();
    assert_eq!(client.answer().status, 200);
}

#[test]
fn a_connection_is_kept_for_the_next_delivery() {
    let mut served = Served::start();
    let mut client = served.connect();
    for _ in 0..3 {
        client.send(whole("{}"));
        served.delivery().reply.send(accepted()).unwrap();
        assert_eq!(client.answer().status, 200);
    }
}

#[test]
fn the_largest_body_is_taken_and_a_byte_more_is_not() {
    let mut served = Served::start();
    let limit = 100_000;
    served.configure(|config| config.server.max_body_bytes = limit as u64);
    let body = "x".repeat(limit);
    assert_eq!(served.deliver(whole(&body), accepted()).status, 200);

    // Refused by the announced length alone, before a byte of the body; what is sent all the same is swallowed.
    let mut client = served.connect();
    client.send(head(PATHS[0], limit + 1));
    let answer = client.answer();
    assert_eq!((answer.status, answer.refusal().as_str()), (413, "body_too_large"));
    assert!(answer.body.contains("larger than 100000 bytes"), "{answer:?}");

    let mut client = served.connect();
    client.send(head(PATHS[0], 8 * limit));
    client.send("x".repeat(8 * limit));
    assert_eq!(client.answer().status, 413);

    // Not announced: refused once it is too much.
    let mut client = served.connect();
    let chunked = "POST /webhook/gitea HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send(format!("{chunked}{limit:x}\r\n{body}\r\n1\r\nx\r\n"));
    let answer = client.answer();
    assert_eq!((answer.status, answer.refusal().as_str()), (413, "body_too_large"));

    // The limit is that of the configuration in force.
    served.configure(|config| config.server.max_body_bytes = limit as u64 + 1);
    assert_eq!(served.deliver(whole(&(body + "x")), accepted()).status, 200);
}

#[test]
fn a_body_that_trickles_is_given_up_after_ten_seconds() {
    let served = Served::start();
    for sends_on in [false, true] {
        let mut client = served.connect();
        client.send(head(PATHS[0], 1_000_000) + "{");
        let waited = time_until_heard(&served, &mut client, |client| {
            if sends_on {
                client.send(" ");
            }
        });
        assert!(waited >= Duration::from_secs(10), "{waited:?}");
        let answer = client.answer();
        assert_eq!((answer.status, answer.refusal().as_str()), (408, "body_too_slow"));
        assert_eq!(answer.headers["connection"], "close");
    }
}

#[test]
fn a_body_that_breaks_off_is_no_delivery() {
    let mut served = Served::start();
    let mut client = served.connect();
    client.send(head(PATHS[0], 100) + "{");
    client.end();
    let told = client.rest();
    assert!(told.is_empty() || told.contains("\"body_broken\""), "{told}");
    assert!(served.deliveries.try_recv().is_err());
    assert_eq!(served.deliver(whole("{}"), accepted()).status, 200);
}

#[test]
fn a_store_that_does_not_answer_makes_the_service_unavailable_in_time() {
    let mut served = Served::start();
    let mut client = served.connect();
    client.send(whole("{}"));
    let Deliver { reply, .. } = served.delivery();
    let waited = time_until_heard(&served, &mut client, |_| ());
    assert!(waited >= Duration::from_millis(4500), "{waited:?}");
    let answer = client.answer();
    assert_eq!((answer.status, answer.refusal().as_str()), (503, "unavailable"));
    assert!(reply.send(accepted()).is_err(), "no one waits any more");
}

#[test]
fn a_delivery_that_is_dropped_unanswered_makes_the_service_unavailable_at_once() {
    let mut served = Served::start();
    let mut client = served.connect();
    client.send(whole("{}"));
    drop(served.delivery());
    let answer = client.answer();
    assert_eq!((answer.status, answer.refusal().as_str()), (503, "unavailable"));
}

#[test]
fn a_full_mailbox_or_a_stopped_actor_makes_the_service_unavailable() {
    let mut served = Served::start();
    let filler =
        || Deliver { headers: DeliveryHeaders::default(), body: "{}".into(), reply: oneshot::channel().0 };
    while served.port.tell(filler()).is_ok() {}
    let full = served.ask(whole("{}"));
    assert_eq!((full.status, full.refusal().as_str()), (503, "unavailable"));

    served.deliveries.close();
    let gone = served.ask(whole("{}"));
    assert_eq!((gone.status, gone.refusal().as_str()), (503, "unavailable"));
    assert_ne!(full.body, gone.body);
}
