//! One call: method, path, query, body; sent, retried where that is safe, classed.

use std::{error::Error as _, time::Duration};

use bytes::{Bytes, BytesMut};
use reqwest::{
    Method, StatusCode,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LOCATION},
};
use secrecy::ExposeSecret;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::time::Instant;

use super::{Forge, base::api_path, gate::retry_after};
use crate::{
    domain::id::{IssueRef, RepoRef},
    forge::error::{ForgeError, one_line},
};

/// Pauses before the second and the third try of a read.
const READ_PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];
/// The largest answer that is read: the comments of an issue come in one piece.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// How many items a list has in all; some lists do not say.
const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// A call that has not been made yet.
#[derive(Clone, Debug)]
pub(super) struct Call {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    needs_token: bool,
}

impl Call {
    pub(super) fn new<'a>(
        method: Method,
        parts: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, ForgeError> {
        let path = api_path(parts)?;
        Ok(Self { method, path, query: Vec::new(), body: None, needs_token: true })
    }

    pub(super) fn get<'a>(parts: impl IntoIterator<Item = &'a str>) -> Result<Self, ForgeError> {
        Self::new(Method::GET, parts)
    }

    /// A call on a repository.
    pub(super) fn on_repo(method: Method, repo: &RepoRef, tail: &[&str]) -> Result<Self, ForgeError> {
        let head = ["repos", &repo.owner, &repo.repo];
        Self::new(method, head.into_iter().chain(tail.iter().copied()))
    }

    /// A call on an issue.
    pub(super) fn on_issue(method: Method, issue: &IssueRef, tail: &[&str]) -> Result<Self, ForgeError> {
        let number = issue.number.to_string();
        let head = ["issues", &number];
        let tail: Vec<&str> = head.into_iter().chain(tail.iter().copied()).collect();
        Self::on_repo(method, &issue.repo, &tail)
    }

    pub(super) fn query(mut self, key: &'static str, value: impl ToString) -> Self {
        self.query.push((key, value.to_string()));
        self
    }

    pub(super) fn json(mut self, body: &impl Serialize) -> Self {
        self.body = Some(serde_json::to_value(body).expect("bodies are plain data with text keys"));
        self
    }

    /// Works without a token too.
    pub(super) fn anonymous(mut self) -> Self {
        self.needs_token = false;
        self
    }

    /// Method and path, for messages.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn tries_again(&self) -> &'static [Duration] {
        if self.method == Method::GET { &READ_PAUSES } else { &[] }
    }
}

/// A successful answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    /// How many items the list has in all, where the forge says so.
    pub(super) total: Option<usize>,
    call: String,
}

impl Answer {
    pub(super) fn shape(&self, message: impl ToString) -> ForgeError {
        ForgeError::Shape { call: self.call.clone(), message: one_line(&message.to_string()) }
    }

    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, ForgeError> {
        let mut reader = serde_json::Deserializer::from_slice(&self.body);
        serde_path_to_error::deserialize(&mut reader).map_err(|error| self.shape(error))
    }
}

impl Forge {
    /// Makes the call and reads its JSON answer.
    pub(super) async fn fetch<T: DeserializeOwned>(&self, call: Call) -> Result<T, ForgeError> {
        self.send(&call).await?.json()
    }

    /// Makes the call; a read that got no answer or a 5xx is tried at most twice more, a write never.
    pub(super) async fn send(&self, call: &Call) -> Result<Answer, ForgeError> {
        for pause in call.tries_again() {
            match self.attempt(call).await {
                Err(ForgeError::Unreachable { .. } | ForgeError::Server { .. }) => {
                    tokio::time::sleep_until(Instant::now() + *pause).await;
                }
                settled => return settled,
            }
        }
        self.attempt(call).await
    }

    async fn attempt(&self, call: &Call) -> Result<Answer, ForgeError> {
        if let Some(retry_after) = self.0.gate.closed_for() {
            return Err(ForgeError::RateLimited { call: call.name(), retry_after });
        }
        let mut request = self.0.http.request(call.method.clone(), self.0.base.api(&call.path));
        if let Some(authorization) = self.authorization(call)? {
            request = request.header(AUTHORIZATION, authorization);
        }
        if !call.query.is_empty() {
            request = request.query(&call.query);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| self.unreachable(call, &error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = self.body(call, response).await?;
        if status.is_success() {
            let total = header_text(&headers, TOTAL_COUNT).and_then(|total| total.parse().ok());
            return Ok(Answer { status, body, total, call: call.name() });
        }
        let location = header_text(&headers, LOCATION);
        let error = ForgeError::from_answer(call.name(), status, &body, retry_after(&headers), location);
        if let Some(wait) = error.retry_after() {
            self.0.gate.close_for(wait);
        }
        Err(error)
    }

    fn authorization(&self, call: &Call) -> Result<Option<HeaderValue>, ForgeError> {
        let refused = |message: &str| ForgeError::Unauthorized { call: call.name(), message: message.into() };
        let Some(token) = self.token() else {
            return if call.needs_token { Err(refused("there is none")) } else { Ok(None) };
        };
        let mut value = HeaderValue::from_str(&format!("token {}", token.expose_secret().trim()))
            .map_err(|_| refused("it holds characters that no token has"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    async fn body(&self, call: &Call, mut response: reqwest::Response) -> Result<Bytes, ForgeError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(call, &error))? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                let message = format!("more than {MAX_ANSWER_BYTES} bytes");
                return Err(ForgeError::Shape { call: call.name(), message });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    fn unreachable(&self, call: &Call, error: &reqwest::Error) -> ForgeError {
        let innermost = std::iter::successors(error.source(), |error| (*error).source()).last();
        let cause = match innermost {
            _ if error.is_timeout() => "no answer in time".to_owned(),
            Some(cause) => one_line(&cause.to_string()),
            None => "the request could not be sent".to_owned(),
        };
        ForgeError::Unreachable { call: call.name(), origin: self.0.base.origin().to_owned(), cause }
    }
}

fn header_text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
