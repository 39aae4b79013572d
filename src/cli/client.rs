//! Reads the documents of a running coordinator.
//!
//! Promises that the token goes to the given address alone (no proxy, no redirect), shows in no error, and that every
//! error names the address and a remedy. Never writes anything there.

use std::{error::Error, time::Duration};

use reqwest::{
    StatusCode, Url,
    header::{AUTHORIZATION, HeaderValue},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, de::DeserializeOwned};

use super::TOKEN_VARIABLE;

const CONNECT_TIME: Duration = Duration::from_secs(5);
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// Why a document could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The token cannot be sent.
    #[error("the operator token has characters that no header carries; give the token as it is configured")]
    Token,
    /// The library of TLS did not start.
    #[error("cannot set up the client of {url}: {message}; check the certificates of this machine")]
    SetUp {
        /// The coordinator.
        url: String,
        /// What the library said.
        message: String,
    },
    /// No answer.
    #[error("cannot reach the coordinator at {url}: {message}; start it, or name another address with --url")]
    Unreachable {
        /// The coordinator.
        url: String,
        /// What the system said.
        message: String,
    },
    /// The token is missing or wrong.
    #[error(
        "the coordinator at {url} refused: {message}; give its operator token with --token or {TOKEN_VARIABLE}"
    )]
    Unauthorized {
        /// The coordinator.
        url: String,
        /// What it said.
        message: String,
    },
    /// It refuses for another reason, or failed.
    #[error("the coordinator at {url} refused: {message}; {remedy}")]
    Refused {
        /// The coordinator.
        url: String,
        /// What it said.
        message: String,
        /// What it advised.
        remedy: String,
    },
    /// Neither a document nor a refusal of ours.
    #[error("{url} answered {path} with {status}; check that --url names a coordinator")]
    Status {
        /// The coordinator.
        url: String,
        /// What was read.
        path: &'static str,
        /// The status.
        status: u16,
    },
    /// A document of another shape.
    #[error(
        "{url} answered {path} with what cannot be read here: {message}; check that --url names a coordinator of this version"
    )]
    Shape {
        /// The coordinator.
        url: String,
        /// What was read.
        path: &'static str,
        /// What is wrong with it.
        message: String,
    },
}

/// A running coordinator, as an operator reads it.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    authorization: Option<HeaderValue>,
}

/// The shape of a refusal, as far as it is one of ours.
#[derive(Deserialize)]
struct Refusal {
    error: Refused,
}

#[derive(Deserialize)]
struct Refused {
    message: String,
    remedy: String,
}

/// Reads an address: http or https, without user, query or fragment.
pub fn parse_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|error| format!("{error}; write http://HOST:PORT"))?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("it is neither http nor https; write http://HOST:PORT".to_owned());
    }
    if !is_plain || url.query().is_some() || url.fragment().is_some() {
        return Err(
            "it has a user, a query or a fragment; write http://HOST:PORT, and give the token with --token"
                .to_owned(),
        );
    }
    Ok(url)
}

impl Client {
    /// A client of the coordinator at `url`; an empty token counts as none. Errors: [`ClientError::Token`],
    /// [`ClientError::SetUp`].
    pub fn new(url: Url, token: Option<SecretString>) -> Result<Self, ClientError> {
        let url = url.as_str().trim_end_matches('/').to_owned();
        let token = token.filter(|token| !token.expose_secret().trim().is_empty());
        let authorization = token.map(|token| authorization(&token)).transpose()?;
        let http = reqwest::Client::builder()
            .user_agent(concat!("mosaic-coordinator/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIME)
            .timeout(ANSWER_TIME)
            .build()
            .map_err(|error| ClientError::SetUp { url: url.clone(), message: root_cause(error) })?;
        Ok(Self { http, url, authorization })
    }

    /// The document at `path`, byte for byte, and as what it is read as. Errors: all but those of [`Client::new`].
    pub async fn read<T: DeserializeOwned>(&self, path: &'static str) -> Result<(Vec<u8>, T), ClientError> {
        let url = || self.url.clone();
        let unreachable = |error| ClientError::Unreachable { url: url(), message: root_cause(error) };
        let mut request = self.http.get(format!("{}{path}", self.url));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let body = response.bytes().await.map_err(unreachable)?.to_vec();
        if status != StatusCode::OK {
            return Err(self.refusal(path, status, &body));
        }
        match serde_json::from_slice(&body) {
            Ok(document) => Ok((body, document)),
            Err(error) => Err(ClientError::Shape { url: url(), path, message: error.to_string() }),
        }
    }

    fn refusal(&self, path: &'static str, status: StatusCode, body: &[u8]) -> ClientError {
        let url = self.url.clone();
        let told: Option<Refusal> = serde_json::from_slice(body).ok();
        match told.map(|told| told.error) {
            None => ClientError::Status { url, path, status: status.as_u16() },
            Some(Refused { message, .. }) if status == StatusCode::UNAUTHORIZED => {
                ClientError::Unauthorized { url, message }
            }
            Some(Refused { message, remedy }) => ClientError::Refused { url, message, remedy },
        }
    }
}

fn authorization(token: &SecretString) -> Result<HeaderValue, ClientError> {
    let text = format!("Bearer {}", token.expose_secret().trim());
    let mut value = HeaderValue::from_str(&text).map_err(|_| ClientError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

/// What lies at the bottom of an error: the words above it only repeat the address.
fn root_cause(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    let error = error.without_url();
    let mut cause: &dyn Error = &error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_and_nothing_but_an_address() {
        for text in ["http://127.0.0.1:8000", " https://x.example/mosaic/ ", "http://[::1]:1"] {
            assert!(parse_url(text).is_ok(), "{text}");
        }
        for text in
            ["", "localhost:8000", "x", "ftp://x", "http://u@x", "http://u:p@x", "http://x/?q", "http://x/#f"]
        {
            let told = parse_url(text).expect_err(text);
            assert!(told.contains("http://HOST:PORT"), "{told}");
        }
    }

    #[test]
    fn a_token_that_no_header_carries_is_refused_without_being_told() {
        let url = || parse_url("http://127.0.0.1:1").unwrap();
        let error = Client::new(url(), Some("hush\nhush".into())).unwrap_err();
        assert!(
            error.to_string().contains("operator token") && !error.to_string().contains("hush"),
            "{error}"
        );
        assert!(Client::new(url(), Some("  ".into())).unwrap().authorization.is_none());
        let client = Client::new(url(), Some("hush".into())).unwrap();
        assert!(!format!("{client:?}").contains("hush"), "{client:?}");
    }
}
