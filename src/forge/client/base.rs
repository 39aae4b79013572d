//! Where the forge is: the configured URL, and the paths built upon it.
//!
//! Promises that every part of a path is one part, whatever is in it. Never lets a name climb out of the API.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;

use crate::{domain::id::RepoRef, forge::error::ForgeError};

/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why `gitea.url` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// No URL at all.
    #[error("`gitea.url` is no URL: {0}")]
    NotAUrl(String),
    /// Another scheme, credentials, a query or a fragment.
    #[error("`gitea.url` must be http:// or https:// with a host, and have no {0}")]
    Refused(&'static str),
    /// The TLS library did not start.
    #[error("cannot set up TLS for `gitea.url`: {0}")]
    Tls(String),
}

/// The configured URL without a trailing slash.
#[derive(Clone, Debug)]
pub(super) struct BaseUrl {
    text: String,
    origin: String,
}

impl BaseUrl {
    pub(super) fn parse(text: &str) -> Result<Self, BaseUrlError> {
        let url = Url::parse(text.trim()).map_err(|error| BaseUrlError::NotAUrl(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BaseUrlError::Refused("other scheme"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlError::Refused("user or password: the token has its own key, `gitea.token`"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlError::Refused("query or fragment"));
        }
        let origin = url.origin().ascii_serialization();
        Ok(Self { text: url.as_str().trim_end_matches('/').to_owned(), origin })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port, for messages.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// The URL of a path below the API.
    pub(super) fn api(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.text)
    }

    /// Where a repository is cloned from.
    pub(super) fn clone_url(&self, repo: &RepoRef) -> String {
        let (owner, name) = (encoded(&repo.owner), encoded(&repo.repo));
        format!("{}/{owner}/{name}.git", self.text)
    }
}

fn encoded(part: &str) -> String {
    utf8_percent_encode(part, RESERVED).to_string()
}

/// A path of parts, each percent-encoded. Empty parts, `.` and `..` are refused: URLs drop them.
pub(super) fn api_path<'a>(parts: impl IntoIterator<Item = &'a str>) -> Result<String, ForgeError> {
    let mut path = String::new();
    for part in parts {
        if matches!(part, "" | "." | "..") {
            return Err(ForgeError::Invalid {
                call: format!("{path}/{part}"),
                message: format!("`{part}` cannot be part of a path"),
            });
        }
        path.push('/');
        path.push_str(&encoded(part));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sub_path_is_kept_and_slashes_do_not_double() {
        for (text, url) in [
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000/api/v1/user"),
            ("http://127.0.0.1:3000/", "http://127.0.0.1:3000/api/v1/user"),
            (" https://x.example/gitea// ", "https://x.example/gitea/api/v1/user"),
        ] {
            assert_eq!(BaseUrl::parse(text).unwrap().api("/user"), url);
        }
        let base = BaseUrl::parse("https://x.example:8443/gitea/").unwrap();
        assert_eq!(base.clone_url(&RepoRef::new("a", "b")), "https://x.example:8443/gitea/a/b.git");
        assert_eq!(base.origin(), "https://x.example:8443");
    }

    #[test]
    fn what_is_no_plain_base_is_refused() {
        for text in ["", "gitea", "/x", "http://"] {
            assert!(matches!(BaseUrl::parse(text), Err(BaseUrlError::NotAUrl(_))), "{text}");
        }
        for text in ["ftp://x", "file:///x", "http://u:p@x", "http://u@x", "http://x/?q", "http://x/#f"] {
            assert!(matches!(BaseUrl::parse(text), Err(BaseUrlError::Refused(_))), "{text}");
        }
        let error = BaseUrl::parse("http://user:hush@x").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hush"));
    }

    #[test]
    fn parts_stay_parts() {
        assert_eq!(
            api_path(["repos", "a/b", "c d?", "ü%2f#"]).unwrap(),
            "/repos/a%2Fb/c%20d%3F/%C3%BC%252f%23"
        );
        for part in ["", ".", ".."] {
            assert!(matches!(api_path(["repos", part]), Err(ForgeError::Invalid { .. })), "{part}");
        }
    }
}
