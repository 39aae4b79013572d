//! What of the access rules only a socket shows; the whole table of them is tested beside the rules.

use super::server::Served;

#[test]
fn the_peer_of_the_connection_is_what_counts() {
    let served = Served::start();
    for (host, status) in [("127.0.0.1", 200), ("localhost:1", 200), ("[::1]", 200), ("evil.example", 403)] {
        let request = format!("GET /actors HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: 10.1.2.3\r\n\r\n");
        assert_eq!(served.ask(request).status, status, "{host}");
    }
    let answer = served.ask("GET /actors HTTP/1.0\r\n\r\n");
    assert_eq!((answer.status, answer.refusal().as_str()), (403, "forbidden"));
}

#[test]
fn a_token_is_asked_for_once_one_is_set() {
    let served = Served::start();
    served.configure(|config| config.server.operator_token = Some("top-secret".into()));
    let answer = served.get("/actors");
    assert_eq!((answer.status, answer.refusal().as_str()), (401, "unauthorized"));
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
    assert!(!answer.body.contains("top-secret"));
    assert_eq!(served.get("/health").status, 200);
    let request = "GET /actors HTTP/1.1\r\nHost: mosaic.example\r\nAuthorization: Bearer top-secret\r\n\r\n";
    assert_eq!(served.ask(request).status, 200);
}

#[test]
fn what_is_not_there_is_told_in_the_same_shape() {
    let served = Served::start();
    for path in
        ["/", "/webhook", "/webhook/gitea/x", "/webhook/github", "/health/", "/actors/", "/api/v1", "/%ff"]
    {
        let answer = served.get(path);
        assert_eq!((answer.status, answer.refusal().as_str()), (404, "not_found"), "{path}");
    }
}
