//! The shape of answers: JSON documents, and refusals that name a remedy.

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{ALLOW, HeaderName, WWW_AUTHENTICATE},
    },
};
use serde::Serialize;

const JSON: &str = "application/json";

/// A document as JSON.
pub(super) fn json(status: StatusCode, document: &impl Serialize) -> HttpResponse {
    let body = serde_json::to_vec(document).expect("documents are plain data with text keys");
    HttpResponse::build(status).content_type(JSON).body(body)
}

/// A refusal or a failure, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
    remedy: String,
    header: Option<(HeaderName, &'static str)>,
    /// Whether the rest of the request is not worth waiting for.
    ends_connection: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    error: Told<'a>,
}

#[derive(Serialize)]
struct Told<'a> {
    code: &'a str,
    message: &'a str,
    remedy: &'a str,
}

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (message, remedy) = (message.into(), remedy.into());
        Self { status, code, message, remedy, header: None, ends_connection: false }
    }

    /// There is nothing under this path or name.
    pub(super) fn not_found(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message, remedy)
    }

    /// The path is right, the method is not.
    pub(super) fn method_not_allowed(method: &str, path: &str, allowed: &'static str) -> Self {
        let message = format!("{path} does not take {method}");
        let remedy = format!("use {allowed}");
        let problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message, remedy);
        Self { header: Some((ALLOW, allowed)), ..problem }
    }

    /// The operator's token is missing or wrong.
    pub(super) fn unauthorized(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message, remedy);
        Self { header: Some((WWW_AUTHENTICATE, "Bearer")), ..problem }
    }

    /// Something of ours broke.
    pub(super) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the coordinator failed to answer",
            "look into its log, and report the fault",
        )
    }

    /// The same, and the connection ends with the answer.
    pub(super) fn ending_connection(self) -> Self {
        Self { ends_connection: true, ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.remedy)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let told = Told { code: self.code, message: &self.message, remedy: &self.remedy };
        let body = serde_json::to_vec(&Document { error: told }).expect("three texts are always JSON");
        let mut response = HttpResponse::build(self.status);
        if let Some((name, value)) = &self.header {
            response.insert_header((name.clone(), *value));
        }
        if self.ends_connection {
            response.force_close();
        }
        response.content_type(JSON).body(body)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::{BodySize, MessageBody as _};

    use super::*;

    fn told(response: HttpResponse) -> String {
        let body = response.into_body();
        assert!(matches!(body.size(), BodySize::Sized(_)));
        let bytes = body.try_into_bytes().unwrap_or_else(|_| panic!("a body of one piece"));
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn a_refusal_tells_code_message_and_remedy() {
        let response = Problem::not_found("no \"x\"", "look at y").error_response();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers().get("content-type").unwrap(), "application/json");
        insta::assert_snapshot!(
            told(response),
            @r#"{"error":{"code":"not_found","message":"no \"x\"","remedy":"look at y"}}"#
        );
    }

    #[test]
    fn refusals_of_method_and_token_say_what_would_do() {
        let response = Problem::method_not_allowed("PUT", "/x", "POST").error_response();
        assert_eq!(response.headers().get("allow").unwrap(), "POST");
        let response = Problem::unauthorized("a", "b").error_response();
        assert_eq!(response.headers().get("www-authenticate").unwrap(), "Bearer");
        let problem = Problem::internal();
        assert_eq!(problem.status_code(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(
            problem.to_string(),
            "the coordinator failed to answer; look into its log, and report the fault"
        );
    }

    #[test]
    fn only_an_ending_answer_closes_the_connection() {
        let closes = |problem: Problem| !problem.error_response().head().keep_alive();
        assert!(!closes(Problem::internal()));
        assert!(closes(Problem::internal().ending_connection()));
    }
}
