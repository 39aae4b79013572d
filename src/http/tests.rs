//! Who may read what: every route, from every side.

use std::{io, net::SocketAddr, sync::Mutex, time::Duration};

use actix_web::{
    App,
    dev::{Service, ServiceResponse},
    http::{Method, StatusCode},
    middleware::from_fn,
    test::{TestRequest, init_service, read_body},
    web::Data,
};
use tokio::runtime::Handle;

use super::*;

const HERE: &str = "127.0.0.1:50000";
const AWAY: &str = "10.1.2.3:50000";
const OPEN: [&str; 3] = ["/health", "/health/live", "/health/ready"];
const FOR_OPERATORS: [&str; 7] = [
    "/actors",
    "/actors/queue",
    "/api/v1/tasks",
    "/api/v1/tasks/acme/app/7",
    "/api/v1/report",
    "/metrics",
    "/anything/else",
];

fn state(operator_token: Option<&str>) -> HttpState {
    let mut config = Config::default();
    config.server.operator_token = operator_token.map(Into::into);
    let clock = Clock::manual(0);
    HttpState {
        board: Board::new(),
        census: Census::new(Duration::from_secs(10), clock.clone(), Handle::current()),
        health: Health::new(),
        clock,
        config: Arc::new(ArcSwap::from_pointee(config)),
        metrics: Arc::new(String::new),
    }
}

/// What a request is made of, as far as access goes.
#[derive(Clone, Copy, Debug)]
struct Asker {
    peer: &'static str,
    host: Option<&'static str>,
    header: Option<(&'static str, &'static str)>,
}

async fn statuses(token: Option<&str>, paths: &[&str], asker: Asker) -> Vec<u16> {
    let app = App::new().app_data(Data::new(state(token))).configure(listen::routes);
    let app = init_service(app).await;
    let mut statuses = Vec::new();
    for path in paths {
        let mut request = TestRequest::get().uri(path).peer_addr(asker.peer.parse().unwrap());
        if let Some(host) = asker.host {
            request = request.insert_header(("host", host));
        }
        if let Some(header) = asker.header {
            request = request.insert_header(header);
        }
        let response = app.call(request.to_request()).await.unwrap();
        statuses.push(response.status().as_u16());
        if !response.status().is_success() {
            assert_is_refusal(response).await;
        }
    }
    statuses
}

async fn assert_is_refusal(response: ServiceResponse) {
    let status = response.status();
    let challenges = response.headers().contains_key("www-authenticate");
    assert_eq!(challenges, status == StatusCode::UNAUTHORIZED, "{status}");
    let body: serde_json::Value = serde_json::from_slice(&read_body(response).await).unwrap();
    for field in ["code", "message", "remedy"] {
        assert!(body["error"][field].as_str().is_some_and(|text| !text.is_empty()), "{status} {body}");
    }
}

/// What operators get on [`FOR_OPERATORS`]: there is no actor, no task, and nothing else.
const ADMITTED: [u16; 7] = [200, 404, 200, 404, 200, 200, 404];

#[actix_web::test]
async fn without_a_token_only_loopback_by_its_own_name_is_an_operator() {
    let base = Asker { peer: HERE, host: Some("127.0.0.1:8000"), header: None };
    let peers = [
        (HERE, true),
        ("[::1]:1", true),
        ("[::ffff:127.0.0.1]:1", true),
        (AWAY, false),
        ("[fe80::1]:1", false),
    ];
    for (peer, is_operator) in peers {
        let expected = if is_operator { ADMITTED } else { [403; 7] };
        assert_eq!(statuses(None, &FOR_OPERATORS, Asker { peer, ..base }).await, expected, "{peer}");
    }
    for (host, is_operator) in [
        (Some("localhost"), true),
        (Some("[::1]:8000"), true),
        (Some("127.8.8.8"), true),
        (Some("evil.example:8000"), false),
        (Some("10.1.2.3"), false),
        (Some("\u{fc}"), false),
        (None, false),
    ] {
        let expected = if is_operator { ADMITTED } else { [403; 7] };
        assert_eq!(statuses(None, &FOR_OPERATORS, Asker { host, ..base }).await, expected, "{host:?}");
    }
    for name in ["x-forwarded-for", "x-real-ip", "forwarded"] {
        let header = Some((name, "for=127.0.0.1"));
        assert_eq!(
            statuses(None, &FOR_OPERATORS, Asker { peer: AWAY, header, ..base }).await,
            [403; 7],
            "{name}"
        );
        let header = Some((name, "10.1.2.3"));
        assert_eq!(statuses(None, &FOR_OPERATORS, Asker { header, ..base }).await, ADMITTED, "{name}");
    }
}

#[actix_web::test]
async fn with_a_token_its_holder_is_an_operator_wherever_from() {
    for (value, is_operator) in [
        (Some("Bearer top-secret"), true),
        (Some("bearer top-secret"), true),
        (Some("Bearer top-secre"), false),
        (Some("Bearer top-secrets"), false),
        (Some("Bearer "), false),
        (Some("Basic top-secret"), false),
        (Some("top-secret"), false),
        (None, false),
    ] {
        for (peer, host) in [(HERE, Some("localhost")), (AWAY, Some("mosaic.example")), (AWAY, None)] {
            let asker = Asker { peer, host, header: value.map(|value| ("authorization", value)) };
            let expected = if is_operator { ADMITTED } else { [401; 7] };
            assert_eq!(statuses(Some("top-secret"), &FOR_OPERATORS, asker).await, expected, "{asker:?}");
        }
    }
}

#[actix_web::test]
async fn health_is_open_to_all() {
    for token in [None, Some("top-secret")] {
        for host in [None, Some("evil.example")] {
            let asker = Asker { peer: AWAY, host, header: None };
            assert_eq!(statuses(token, &OPEN, asker).await, [200; 3], "{asker:?}");
        }
    }
}

#[actix_web::test]
async fn doubled_headers_and_foreign_targets_are_not_trusted() {
    let app = App::new().app_data(Data::new(state(None))).configure(listen::routes);
    let app = init_service(app).await;
    let here: SocketAddr = HERE.parse().unwrap();
    let from_here = || TestRequest::get().peer_addr(here).insert_header(("host", "localhost"));
    let doubled = from_here().uri("/actors").append_header(("host", "localhost"));
    assert_eq!(app.call(doubled.to_request()).await.unwrap().status(), 403);
    let foreign = from_here().uri("http://evil.example/actors");
    assert_eq!(app.call(foreign.to_request()).await.unwrap().status(), 403);
    let named = from_here().uri("http://127.0.0.1:8000/actors");
    assert_eq!(app.call(named.to_request()).await.unwrap().status(), 200);
    let unknown_peer = TestRequest::get().uri("/actors").insert_header(("host", "localhost"));
    assert_eq!(app.call(unknown_peer.to_request()).await.unwrap().status(), 403);

    let app = App::new().app_data(Data::new(state(Some("top")))).configure(listen::routes);
    let app = init_service(app).await;
    let twice = from_here()
        .uri("/actors")
        .append_header(("authorization", "Bearer top"))
        .append_header(("authorization", "Bearer top"));
    assert_eq!(app.call(twice.to_request()).await.unwrap().status(), 401);
}

#[actix_web::test]
async fn documents_are_read_by_get_and_head_alone() {
    let app = App::new().app_data(Data::new(state(None))).configure(listen::routes);
    let app = init_service(app).await;
    let here: SocketAddr = HERE.parse().unwrap();
    let documents = ["/actors", "/api/v1/tasks", "/api/v1/report", "/metrics", "/health", "/health/ready"];
    for path in documents {
        for (method, status) in [
            (Method::HEAD, 200),
            (Method::POST, 405),
            (Method::PUT, 405),
            (Method::DELETE, 405),
            (Method::OPTIONS, 405),
        ] {
            let request = TestRequest::with_uri(path).method(method.clone()).peer_addr(here);
            let request = request.insert_header(("host", "localhost")).insert_header(("origin", "http://x"));
            let response = app.call(request.to_request()).await.unwrap();
            assert_eq!(response.status(), status, "{method} {path}");
            assert!(!response.headers().contains_key("access-control-allow-origin"), "{method} {path}");
            if status == 405 {
                assert_eq!(response.headers().get("allow").unwrap(), "GET, HEAD");
                assert_is_refusal(response).await;
            }
        }
    }
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[actix_web::test]
async fn the_log_names_method_path_and_status_and_nothing_else_of_a_request() {
    let app = App::new().app_data(Data::new(state(Some("top-secret")))).wrap(from_fn(shield::shield));
    let app = init_service(app.configure(listen::routes)).await;
    let kept = Log::default();
    let writer = {
        let kept = kept.clone();
        move || kept.clone()
    };
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(writer);
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    for token in ["top-secret", "hush-guess"] {
        let request = TestRequest::post()
            .uri("/actors?token=hush-query")
            .peer_addr(HERE.parse().unwrap())
            .insert_header(("authorization", format!("Bearer {token}")))
            .set_payload("hush-body");
        app.call(request.to_request()).await.unwrap();
    }
    let logged = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    let answered: Vec<&str> = logged.lines().filter(|line| line.contains("answered a request")).collect();
    assert_eq!(answered.len(), 2, "{logged}");
    for (line, status) in answered.iter().zip(["405", "401"]) {
        assert!(line.contains("POST") && line.contains("/actors") && line.contains(status), "{line}");
        assert!(line.contains("DEBUG"), "{line}");
    }
    assert!(!logged.contains("hush") && !logged.contains("top-secret"), "{logged}");
}
