//! Health: alive is whoever answers, ready is whoever has no bad check.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use serde::Serialize;

use super::{HttpState, answer::json};
use crate::runtime::Check;

#[derive(Serialize)]
struct Alive {
    status: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    checks: BTreeMap<String, Check>,
}

/// `GET /health` and `GET /health/live`.
pub(super) async fn live() -> HttpResponse {
    json(StatusCode::OK, &Alive { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// `GET /health/ready`.
pub(super) async fn ready(state: Data<HttpState>) -> HttpResponse {
    let checks = state.health.checks();
    let (code, status) = match checks.values().all(|check| check.ok) {
        true => (StatusCode::OK, "ok"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "degraded"),
    };
    json(code, &Readiness { status, checks })
}
