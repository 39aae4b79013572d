//! Around every handler: what it panics with is caught, and what came of the request is logged.

use std::panic::AssertUnwindSafe;

use actix_web::{
    Error,
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    http::StatusCode,
    middleware::Next,
};
use futures_util::FutureExt as _;

use super::answer::Problem;

/// Answers a panic with 500; logs method, path and status, and nothing else of the request.
pub(super) async fn shield(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse, Error> {
    // Nothing may hold on to the request: the router wants it for itself.
    let (method, path) = (request.method().clone(), request.path().to_owned());
    // Whatever a handler left half done is its own: what handlers share is locked, and locks outlive a panic here.
    let answered = match AssertUnwindSafe(next.call(request)).catch_unwind().await {
        Ok(answered) => answered,
        Err(_) => {
            tracing::error!(%method, path, "a handler of HTTP panicked");
            Err(Problem::internal().into())
        }
    };
    let status = answered.as_ref().map_or_else(status_of, ServiceResponse::status);
    tracing::debug!(%method, path, status = status.as_u16(), "answered a request");
    answered
}

fn status_of(error: &Error) -> StatusCode {
    error.as_response_error().status_code()
}
