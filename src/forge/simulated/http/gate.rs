//! What every request passes: the token is looked up, the request logged, planned faults befall it.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    HttpMessage, HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
    middleware::Next,
    web,
};
use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;

use super::call::{Caller, Refusal};
use crate::forge::simulated::{
    faults::{ApiRequest, RequestFault},
    site::Site,
    state::Forge,
    webhook::pause,
};

/// A token was sent that nobody has.
struct UnknownToken;

pub(in crate::forge::simulated) async fn gate(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let site = request.app_data::<web::Data<Site>>().expect("the app is built with its site").clone();
    let (caller, login) = {
        let forge = site.forge();
        let caller = caller(&forge, request.headers().get(AUTHORIZATION));
        let login = caller.as_ref().ok().copied().flatten().map(|user| forge.login(user).to_owned());
        (caller, login)
    };
    let seen = ApiRequest {
        method: request.method().to_string(),
        path: request.path().to_owned(),
        query: request.query_string().to_owned(),
        user: login,
        status: None,
    };
    let fault = site.faults.for_request(&seen);
    let place = site.faults.begins(seen);
    match fault {
        Some(RequestFault::Answer { status, retry_after }) => {
            let mut refused = Refusal::new(status, "planned").answer();
            if let Some(seconds) = retry_after {
                refused.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            site.faults.answered(place, status);
            return Ok(request.into_response(refused));
        }
        Some(RequestFault::DropRequest) => return Ok(request.into_response(hang_up())),
        Some(RequestFault::Delay(by)) => pause(by).await,
        Some(RequestFault::DropAnswer) | None => {}
    }
    let answered = match caller {
        Err(UnknownToken) => request.into_response(unknown_token()),
        Ok(caller) => {
            request.extensions_mut().insert(Caller(caller));
            next.call(request).await?
        }
    };
    if fault == Some(RequestFault::DropAnswer) {
        return Ok(answered.into_response(hang_up()));
    }
    site.faults.answered(place, answered.status().as_u16());
    Ok(answered)
}

fn unknown_token() -> HttpResponse {
    let mut refused = Refusal::new(401, "invalid username, password or token").answer();
    refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Gitea\""));
    refused
}

/// The user an `Authorization` header names: `token X`, `Bearer X`, or Basic with a token on either side.
fn caller(forge: &Forge, header: Option<&HeaderValue>) -> Result<Option<u64>, UnknownToken> {
    let Some(header) = header.and_then(|header| header.to_str().ok()) else { return Ok(None) };
    let (scheme, value) = header.split_once(' ').ok_or(UnknownToken)?;
    let known = |token: &str| forge.tokens.get(token).copied();
    let user = match scheme.to_ascii_lowercase().as_str() {
        "token" | "bearer" => known(value.trim()),
        "basic" => {
            let decoded = BASE64_STANDARD.decode(value.trim()).map_err(|_| UnknownToken)?;
            let text = String::from_utf8_lossy(&decoded).into_owned();
            let (name, password) = text.split_once(':').ok_or(UnknownToken)?;
            known(password).or_else(|| known(name))
        }
        _ => return Ok(None),
    };
    user.map(Some).ok_or(UnknownToken)
}

/// An answer whose body fails before its first byte: the server closes the connection without a word.
fn hang_up() -> HttpResponse {
    HttpResponse::Ok().body(NoAnswer)
}

struct NoAnswer;

impl MessageBody for NoAnswer {
    type Error = std::io::Error;
    fn size(&self) -> BodySize {
        BodySize::Sized(1)
    }
    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(Some(Err(std::io::Error::other("planned end of the connection"))))
    }
}
