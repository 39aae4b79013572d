//! `POST /webhook/gitea`: reads a delivery, hands it to this worker's WebhookActor, tells what became of it.
//!
//! Promises an answer within the forge's own patience (5 seconds) once the body is read: the forge never sends a
//! delivery twice, and an answer that comes too late counts as none. Never looks into the body.

use std::{future::Future, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    error::PayloadError,
    http::{
        StatusCode,
        header::{CONTENT_LENGTH, HeaderMap},
    },
    web::{Data, Payload},
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use serde::Serialize;
use tokio::sync::oneshot;

use super::{
    HttpState,
    answer::{Problem, json},
    seat::Seat,
};
use crate::{
    forge::intake::{Deliver, Intake},
    runtime::{Clock, Port, Why},
};

/// How long a body may take as a whole.
const BODY_TIME: Duration = Duration::from_secs(10);
/// How long the store may take.
const ANSWER_TIME: Duration = Duration::from_millis(4500);
/// What is lost when a delivery is not stored: nothing but time.
const SWEPT: &str =
    "nothing is lost: the next reconciliation finds what it told; see /health/ready if this goes on";

/// The way of one HTTP worker to its WebhookActor.
pub(super) struct Door {
    pub(super) port: Port<Deliver>,
    /// The worker's number, held as long as the worker lives.
    pub(super) _seat: Seat,
}

#[derive(Serialize)]
struct Outcome<'a> {
    outcome: &'a str,
    delivery: &'a str,
}

pub(super) async fn take(
    request: HttpRequest,
    payload: Payload,
    state: Data<HttpState>,
    door: Data<Door>,
) -> Result<HttpResponse, Problem> {
    let limit_bytes = state.config.load().server.max_body_bytes;
    let body = within(&state.clock, BODY_TIME, read(request.headers(), payload, limit_bytes)).await;
    let body = body.unwrap_or_else(|TooLate| {
        let message = format!("the body did not arrive within {} s", BODY_TIME.as_secs());
        let problem = Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", message, "send it faster");
        Err(problem.ending_connection())
    })?;

    let (reply, answer) = oneshot::channel();
    let headers = request.headers().iter().collect();
    door.port.tell(Deliver { headers, body, reply }).map_err(|refused| match refused.why {
        Why::Full => unavailable("too many deliveries wait to be stored"),
        Why::Gone => unavailable("the coordinator takes no deliveries any more"),
    })?;
    match within(&state.clock, ANSWER_TIME, answer).await {
        Ok(Ok(intake)) => told(&intake),
        Ok(Err(_)) => Err(unavailable("the delivery was dropped by a fault of the coordinator's")),
        Err(TooLate) => Err(unavailable("the store did not answer in time")),
    }
}

/// The whole body, as long as it is within the limit.
async fn read(headers: &HeaderMap, mut payload: Payload, limit_bytes: u64) -> Result<Bytes, Problem> {
    let too_large = || {
        let message = format!("the body is larger than {limit_bytes} bytes");
        let remedy = format!("raise `server.max_body_bytes`; {SWEPT}");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message, remedy).ending_connection()
    };
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit_bytes) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|error| broken(&error))?;
        if body.len() as u64 + piece.len() as u64 > limit_bytes {
            return Err(too_large());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

fn broken(error: &PayloadError) -> Problem {
    let message = format!("the body did not arrive whole: {error}");
    Problem::new(StatusCode::BAD_REQUEST, "body_broken", message, "send it whole").ending_connection()
}

fn told(intake: &Intake) -> Result<HttpResponse, Problem> {
    let (outcome, delivery) = match intake {
        Intake::Accepted { delivery } => ("accepted", delivery),
        Intake::Duplicate { delivery } => ("duplicate", delivery),
        Intake::Ignored { delivery } => ("ignored", delivery),
        Intake::Refused { status, message } => return Err(refused(*status, message)),
        Intake::Unavailable { message } => return Err(unavailable(message)),
    };
    Ok(json(StatusCode::OK, &Outcome { outcome, delivery }))
}

fn refused(status: u16, message: &str) -> Problem {
    let (status, code, remedy) = match status {
        401 => (
            StatusCode::UNAUTHORIZED,
            "bad_signature",
            "give the hook on the forge a secret that is one of `gitea.webhook_secrets`",
        ),
        415 => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "set the hook's content type on the forge to application/json",
        ),
        _ => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "unreadable_payload",
            "check that the hook is one of Gitea's or Forgejo's own; nothing was stored",
        ),
    };
    Problem::new(status, code, message, remedy)
}

fn unavailable(message: &str) -> Problem {
    tracing::warn!(why = message, "a delivery was not stored");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message, SWEPT)
}

/// The time was over first.
struct TooLate;

async fn within<T>(clock: &Clock, limit: Duration, future: impl Future<Output = T>) -> Result<T, TooLate> {
    tokio::select! {
        biased;
        done = future => Ok(done),
        () = clock.sleep(limit) => Err(TooLate),
    }
}
