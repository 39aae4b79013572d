//! What can go wrong with the forge, in the classes by which callers act.
//!
//! Owns the reading of error answers, whatever their body: an object, a bare string, nothing, or a proxy's HTML.
//! Promises one line of bounded length without control characters. Never holds a token.

use std::{fmt, time::Duration};

use reqwest::StatusCode;

use crate::domain::id::{IssueRef, RepoRef};

/// How much of an unknown error body is shown, in characters.
const MESSAGE_CHARS: usize = 300;
/// How long the forge is left alone when it limits the rate without saying for how long.
const UNSAID_RETRY_AFTER: Duration = Duration::from_secs(5);

/// A call that failed, by class; `call` is the method and the path below `/api/v1`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForgeError {
    /// No answer: no connection, a reset, a timeout. What a write did is unknown.
    #[error("{call}: the forge at {origin} is not reachable: {cause}; check `gitea.url`")]
    Unreachable {
        /// The call.
        call: String,
        /// Scheme, host and port.
        origin: String,
        /// The innermost cause.
        cause: String,
    },
    /// 401, or no token at all.
    #[error("{call}: the forge does not take the token: {message}; check `gitea.token`")]
    Unauthorized {
        /// The call.
        call: String,
        /// The forge's words.
        message: String,
    },
    /// 403: the token lacks a scope, or its user a right.
    #[error("{call}: forbidden: {message}{}", Scope(needed_scope))]
    Forbidden {
        /// The call.
        call: String,
        /// The forge's words.
        message: String,
        /// The scope the token needs, where the forge said it.
        needed_scope: Option<String>,
    },
    /// 404: not there, or not visible to the bot.
    #[error("{call}: not found, or not visible to the bot")]
    NotFound {
        /// The call.
        call: String,
    },
    /// 405 on a merge.
    #[error("{call}: the merge is refused: {message}")]
    MergeRefused {
        /// The call.
        call: String,
        /// The forge's words.
        message: String,
    },
    /// 409: it exists, it conflicts, or it moved on.
    #[error("{call}: conflict: {message}")]
    Conflict {
        /// The call.
        call: String,
        /// The forge's words; empty where the answer had none.
        message: String,
    },
    /// 412 on closing an issue that has open dependencies.
    #[error("{call}: still has open dependencies: {message}")]
    DependenciesOpen {
        /// The call.
        call: String,
        /// The forge's words.
        message: String,
    },
    /// 423: the repository is archived.
    #[error("{call}: locked: {message}; is the repository archived?")]
    Locked {
        /// The call.
        call: String,
        /// The forge's words.
        message: String,
    },
    /// 400, 422 and other refusals of what was sent; or a name that cannot be put in a path.
    #[error("{call}: refused as invalid: {message}")]
    Invalid {
        /// The call.
        call: String,
        /// The forge's words.
        message: String,
    },
    /// 429, or 503 with `Retry-After`; or a call that was not made because such an answer still holds.
    #[error("{call}: the forge wants no call for {}", humantime::format_duration(whole_ms(retry_after)))]
    RateLimited {
        /// The call.
        call: String,
        /// How long to wait from now.
        retry_after: Duration,
    },
    /// 5xx. What a write did is unknown.
    #[error("{call}: the forge failed with {status}: {message}")]
    Server {
        /// The call.
        call: String,
        /// The status, 500 to 599 (or 408).
        status: u16,
        /// The forge's words; production servers say nothing.
        message: String,
    },
    /// 3xx: the repository or its owner has another name now, or a proxy wants a login.
    #[error("{call}: moved to {location}{}", Renamed(repository))]
    Redirected {
        /// The call.
        call: String,
        /// The `Location` as sent; never followed.
        location: String,
        /// The repository's new name, where the location tells one.
        repository: Option<RepoRef>,
    },
    /// An answer that is not what the API promises.
    #[error("{call}: unexpected answer: {message}; is `gitea.url` a Gitea or Forgejo?")]
    Shape {
        /// The call.
        call: String,
        /// What was wrong.
        message: String,
    },
    /// The number belongs to a pull request.
    #[error("{issue} is a pull request, not an issue")]
    NotAnIssue {
        /// What was asked for.
        issue: IssueRef,
    },
}

impl ForgeError {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::RateLimited { .. } | Self::Server { .. })
    }

    /// How long the forge wants to be left alone, where it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }

    /// Whether a write may have taken effect although it failed: look before doing it again.
    pub fn leaves_doubt(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Server { .. } | Self::Shape { .. })
    }

    /// A short name of the class, for logs and metrics.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Forbidden { .. } => "forbidden",
            Self::NotFound { .. } => "not_found",
            Self::MergeRefused { .. } => "merge_refused",
            Self::Conflict { .. } => "conflict",
            Self::DependenciesOpen { .. } => "dependencies_open",
            Self::Locked { .. } => "locked",
            Self::Invalid { .. } => "invalid",
            Self::RateLimited { .. } => "rate_limited",
            Self::Server { .. } => "server",
            Self::Redirected { .. } => "redirected",
            Self::Shape { .. } => "shape",
            Self::NotAnIssue { .. } => "not_an_issue",
        }
    }

    /// The class of an answer that is no success; `retry_after` and `location` are read from its headers.
    pub(super) fn from_answer(
        call: String,
        status: StatusCode,
        body: &[u8],
        retry_after: Option<Duration>,
        location: Option<&str>,
    ) -> Self {
        let message = said(body);
        match (status.as_u16(), retry_after) {
            (300..=399, _) => {
                let location = one_line(location.unwrap_or_default());
                Self::Redirected { call, repository: repository_in(&location), location }
            }
            (401, _) => Self::Unauthorized { call, message },
            (403, _) => Self::Forbidden { call, needed_scope: needed_scope(&message), message },
            (404, _) => Self::NotFound { call },
            (405, _) => Self::MergeRefused { call, message },
            (409, _) => Self::Conflict { call, message },
            (412, _) => Self::DependenciesOpen { call, message },
            (423, _) => Self::Locked { call, message },
            (429 | 503, Some(retry_after)) => Self::RateLimited { call, retry_after },
            (429, None) => Self::RateLimited { call, retry_after: UNSAID_RETRY_AFTER },
            (408 | 500..=599, _) => Self::Server { call, status: status.as_u16(), message },
            _ => {
                Self::Invalid { call, message: if message.is_empty() { status.to_string() } else { message } }
            }
        }
    }
}

fn whole_ms(duration: &Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

struct Scope<'a>(&'a Option<String>);
impl fmt::Display for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(scope) => write!(f, "; make a token with the scope {scope}"),
            None => Ok(()),
        }
    }
}

struct Renamed<'a>(&'a Option<RepoRef>);
impl fmt::Display for Renamed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(repository) => write!(f, "; the repository is now {repository}"),
            None => Ok(()),
        }
    }
}

/// The human part of an error body.
fn said(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let said = match serde_json::from_slice(body) {
        Ok(serde_json::Value::String(bare)) => bare,
        Ok(serde_json::Value::Object(fields)) => {
            let message = fields.get("message").and_then(|m| m.as_str()).unwrap_or_default();
            let errors = fields.get("errors").and_then(|e| e.as_array()).into_iter().flatten();
            let parts = std::iter::once(message).chain(errors.filter_map(|e| e.as_str()));
            parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
        }
        Ok(_) => String::new(),
        Err(_) => text.into_owned(),
    };
    one_line(&said)
}

/// At most [`MESSAGE_CHARS`] characters on one line.
pub(super) fn one_line(text: &str) -> String {
    let mut line = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let mut kept = line.next().unwrap_or_default().to_owned();
    for word in line {
        if kept.len() > 4 * MESSAGE_CHARS {
            break;
        }
        kept.push(' ');
        kept.push_str(word);
    }
    match kept.char_indices().nth(MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", &kept[..end]),
        None => kept,
    }
}

/// Reads `required=[write:issue]` out of the forge's words.
fn needed_scope(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("required=[")?;
    let (scope, _) = rest.split_once(']')?;
    Some(scope.to_owned())
}

/// The repository named by `…/api/v1/repos/OWNER/REPO/…`; the rest of the location is of no interest.
fn repository_in(location: &str) -> Option<RepoRef> {
    let (_, path) = location.split_once("/api/v1/repos/")?;
    let path = path.split(['?', '#']).next()?;
    let mut parts = path.split('/');
    format!("{}/{}", parts.next()?, parts.next()?).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> ForgeError {
        ForgeError::from_answer(
            "GET /user".into(),
            StatusCode::from_u16(status).unwrap(),
            body.as_bytes(),
            None,
            None,
        )
    }

    #[test]
    fn statuses_have_their_classes() {
        for (status, class) in [
            (301, "redirected"),
            (307, "redirected"),
            (400, "invalid"),
            (401, "unauthorized"),
            (403, "forbidden"),
            (404, "not_found"),
            (405, "merge_refused"),
            (408, "server"),
            (409, "conflict"),
            (412, "dependencies_open"),
            (413, "invalid"),
            (422, "invalid"),
            (423, "locked"),
            (429, "rate_limited"),
            (500, "server"),
            (502, "server"),
            (503, "server"),
        ] {
            let error = answer(status, "");
            assert_eq!(error.class(), class, "{status}");
            assert_eq!(
                error.is_retryable(),
                matches!(class, "server" | "rate_limited" | "unreachable"),
                "{status}"
            );
            assert!(error.to_string().starts_with("GET /user: "), "{error}");
        }
    }

    #[test]
    fn bodies_are_read_leniently() {
        for (body, message) in [
            (r#"{"message":"bad title","url":"http://x/api/swagger"}"#, "bad title"),
            (r#"{"message":"no","errors":["one","two"],"url":"u"}"#, "no; one; two"),
            (r#"{"message":"no","errors":null}"#, "no"),
            (r#"{"message":7}"#, ""),
            (r#""CrossRepositoryDependencies not enabled""#, "CrossRepositoryDependencies not enabled"),
            ("", ""),
            ("[1]", ""),
            ("<html>\r\n  <b>bad\u{7}gateway</b>", "<html> <b>bad gateway</b>"),
            ("\"\\ud800\"", "\"\\ud800\""),
        ] {
            assert_eq!(
                answer(409, body),
                ForgeError::Conflict { call: "GET /user".into(), message: message.into() },
                "{body}"
            );
        }
        assert!(
            matches!(answer(418, ""), ForgeError::Invalid { message, .. } if message == "418 I'm a teapot")
        );
    }

    #[test]
    fn a_missing_scope_is_named() {
        let error = answer(
            403,
            r#"{"message":"token does not have at least one of required scope(s), required=[write:issue], token scope=read:user"}"#,
        );
        assert!(
            matches!(&error, ForgeError::Forbidden { needed_scope: Some(scope), .. } if scope == "write:issue")
        );
        assert!(error.to_string().ends_with("make a token with the scope write:issue"), "{error}");
        assert!(matches!(answer(403, ""), ForgeError::Forbidden { needed_scope: None, .. }));
    }

    #[test]
    fn a_long_answer_is_cut_at_a_character() {
        let ForgeError::Conflict { message, .. } = answer(409, &"ü".repeat(5000)) else { panic!() };
        assert_eq!(message.chars().count(), MESSAGE_CHARS + 1);
        let ForgeError::Conflict { message, .. } = answer(409, &"word ".repeat(5000)) else { panic!() };
        assert_eq!(message.chars().count(), MESSAGE_CHARS + 1);
    }

    #[test]
    fn a_renamed_repository_is_read_from_the_location() {
        for (location, repository) in [
            ("/api/v1/repos/new/app/issues/7?x=/api/v1/repos/a/b", Some("new/app")),
            ("https://other.example/git/api/v1/repos/new/app", Some("new/app")),
            ("/api/v1/repos/new", None),
            ("/api/v1/repos/../app/issues", None),
            ("/user/login", None),
            ("", None),
        ] {
            let error = ForgeError::from_answer(
                "GET /x".into(),
                StatusCode::MOVED_PERMANENTLY,
                b"",
                None,
                Some(location),
            );
            let ForgeError::Redirected { repository: read, .. } = &error else { panic!("{error}") };
            assert_eq!(*read, repository.map(|name| name.parse().unwrap()), "{location}");
            assert_eq!(error.to_string().contains("is now new/app"), repository.is_some(), "{error}");
        }
    }

    #[test]
    fn only_a_rate_limit_says_when_to_come_again() {
        let limited = ForgeError::RateLimited { call: "GET /x".into(), retry_after: Duration::from_secs(90) };
        assert_eq!(limited.retry_after(), Some(Duration::from_secs(90)));
        assert_eq!(limited.to_string(), "GET /x: the forge wants no call for 1m 30s");
        assert_eq!(answer(500, "").retry_after(), None);
        assert_eq!(answer(429, "").retry_after(), Some(UNSAID_RETRY_AFTER));
    }

    #[test]
    fn doubt_is_left_where_a_write_may_have_happened() {
        assert!(answer(500, "").leaves_doubt());
        assert!(!answer(429, "").leaves_doubt());
        assert!(!answer(422, "").leaves_doubt());
    }
}
