//! Who is an operator: whoever holds the token, or, where none is set, whoever sits at this machine.
//!
//! Promises that the token is compared in constant time, that only the peer of the connection counts as an address,
//! and that a page in a browser at this machine cannot read what is shown, whatever name it makes resolve to loopback:
//! without a token the request has to name loopback itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use actix_web::{
    Error,
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{AUTHORIZATION, HOST, HeaderMap},
    },
    middleware::Next,
    web::Data,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use super::{HttpState, answer::Problem};

/// Lets operators pass.
pub(super) async fn operators(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    let state = request.app_data::<Data<HttpState>>().expect("every worker's app holds the state");
    let config = state.config.load_full();
    let admitted = match &config.server.operator_token {
        Some(token) => holds_token(request.headers(), token),
        None => sits_here(&request),
    };
    match admitted {
        Ok(()) => next.call(request).await,
        Err(problem) => Ok(request.error_response(problem)),
    }
}

fn holds_token(headers: &HeaderMap, token: &SecretString) -> Result<(), Problem> {
    let remedy = "send `Authorization: Bearer TOKEN` with the coordinator's `server.operator_token`";
    let refused = |message: &str| Err(Problem::unauthorized(message, remedy));
    let mut given = headers.get_all(AUTHORIZATION);
    let (Some(value), None) = (given.next(), given.next()) else {
        return refused("this needs the operator's token");
    };
    match bearer(value.as_bytes()) {
        Some(given) if is_same(given, token.expose_secret().trim().as_bytes()) => Ok(()),
        Some(_) => refused("this is not the operator's token"),
        None => refused("this needs the operator's token as a bearer"),
    }
}

/// The credentials of a `Bearer` value, where there are any.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, credentials) = value.split_at_checked("Bearer ".len())?;
    let credentials = credentials.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !credentials.is_empty()).then_some(credentials)
}

/// Whether two texts are the same, in a time that does not tell where they differ.
fn is_same(given: &[u8], expected: &[u8]) -> bool {
    let digest = || Hmac::<Sha256>::new_from_slice(b"operator").expect("a key of HMAC has any length");
    let expected = digest().chain_update(expected).finalize().into_bytes();
    digest().chain_update(given).verify_slice(&expected).is_ok()
}

fn sits_here(request: &ServiceRequest) -> Result<(), Problem> {
    let refused = |message: String, remedy: &str| {
        Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", message, remedy))
    };
    if !request.peer_addr().is_some_and(|peer| is_loopback(peer.ip())) {
        return refused(
            "without an operator token this answers to the coordinator's own machine only".to_owned(),
            "ask from there, or set `server.operator_token` and send it as a bearer",
        );
    }
    let mut hosts = request.headers().get_all(HOST).map(|host| host.to_str().unwrap_or_default());
    let (host, more) = (hosts.next().unwrap_or_default(), hosts.next());
    let named = request.uri().authority().map_or(host, |authority| authority.as_str());
    if more.is_some() || !names_loopback(host) || !names_loopback(named) {
        return refused(
            "without an operator token this answers under the names of loopback only".to_owned(),
            "ask for http://127.0.0.1, http://localhost or http://[::1], or set `server.operator_token`",
        );
    }
    Ok(())
}

/// Whether the address is this machine's own, as IPv6 writes IPv4 too.
fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether a `Host` is `localhost`, a loopback address, and perhaps a port.
fn names_loopback(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((literal, port)) if literal.parse::<Ipv6Addr>().is_ok_and(|v6| is_loopback(v6.into())) => {
            ("localhost", port)
        }
        Some(_) => return false,
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port_is_fine =
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    let name_is_fine = name.eq_ignore_ascii_case("localhost")
        || name.parse::<Ipv4Addr>().is_ok_and(|address| is_loopback(address.into()));
    port_is_fine && name_is_fine
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_few_names() {
        for host in [
            "localhost",
            "LocalHost:8000",
            "127.0.0.1",
            "127.0.0.1:1",
            "127.255.3.4:65535",
            "[::1]",
            "[::1]:8000",
            "[0:0:0:0:0:0:0:1]:80",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(names_loopback(host), "{host}");
        }
        for host in [
            "",
            ":8000",
            "evil.example",
            "evil.example:8000",
            "localhost.evil.example",
            "evil-localhost",
            "127.0.0.1.evil.example",
            "127.1",
            "0.0.0.0",
            "10.0.0.1:8000",
            "::1",
            "[::1",
            "[::2]",
            "[::1]evil",
            "[localhost]",
            "localhost:",
            "localhost:80:80",
            "localhost:99999",
            "localhost:x",
            "user@localhost",
            "localhost/",
            " localhost",
        ] {
            assert!(!names_loopback(host), "{host}");
        }
    }

    #[test]
    fn a_peer_over_ipv6_that_is_ipv4_loopback_is_loopback() {
        for (address, is_ours) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("0.0.0.0", false),
            ("::", false),
            ("fe80::1", false),
        ] {
            assert_eq!(is_loopback(address.parse().unwrap()), is_ours, "{address}");
        }
    }

    #[test]
    fn bearers_are_read_whatever_the_case_of_the_scheme() {
        assert_eq!(bearer(b"Bearer top"), Some(&b"top"[..]));
        assert_eq!(bearer(b"bEARER   top "), Some(&b"top"[..]));
        for value in [
            &b"Basic dG9w"[..],
            b"Bearer",
            b"Bearer  ",
            b"Bearertop",
            b"top",
            b"",
            b"\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(bearer(value), None, "{value:?}");
        }
    }

    #[test]
    fn only_the_same_text_is_the_same() {
        assert!(is_same(b"top", b"top"));
        for other in [&b""[..], b"to", b"topp", b"Top", b"top\0"] {
            assert!(!is_same(other, b"top"), "{other:?}");
        }
    }
}
