//! The headers of a delivery, free of any HTTP library.
//!
//! Owns the choice among the names that Gitea, Forgejo and their compatible copies use. Keeps only the headers
//! that are read here: never an `Authorization`, a cookie or an address.

use std::collections::BTreeMap;

/// What is kept of a request's headers, in lower case.
const READ: [&str; 10] = [
    "content-type",
    "x-gitea-delivery",
    "x-forgejo-delivery",
    "x-github-delivery",
    "x-gitea-event",
    "x-forgejo-event",
    "x-github-event",
    "x-gitea-signature",
    "x-forgejo-signature",
    "x-hub-signature-256",
];

/// The headers of one delivery; names compare without regard to case, repeated headers are kept in order.
#[derive(Clone, Debug, Default)]
pub struct DeliveryHeaders(BTreeMap<&'static str, Vec<Vec<u8>>>);

impl DeliveryHeaders {
    /// All values of a header, in the order they came; empty where it was not sent.
    pub fn all(&self, name: &str) -> &[Vec<u8>] {
        self.0.get(name.to_ascii_lowercase().as_str()).map_or(&[], Vec::as_slice)
    }

    /// The first value of a header as trimmed text; `None` where absent, empty or not visible ASCII.
    pub fn text(&self, name: &str) -> Option<&str> {
        let value = std::str::from_utf8(self.all(name).first()?).ok()?.trim();
        (!value.is_empty() && value.bytes().all(|b| (0x20..0x7f).contains(&b))).then_some(value)
    }

    /// The first of several names that has a value as text.
    pub(super) fn first_text(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.text(name))
    }
}

impl<K: AsRef<str>, V: AsRef<[u8]>> FromIterator<(K, V)> for DeliveryHeaders {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(headers: I) -> Self {
        let mut kept = BTreeMap::<_, Vec<_>>::new();
        for (name, value) in headers {
            let read = READ.into_iter().find(|read| read.eq_ignore_ascii_case(name.as_ref()));
            if let Some(read) = read {
                kept.entry(read).or_default().push(value.as_ref().to_vec());
            }
        }
        Self(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_values_in_order() {
        let headers: DeliveryHeaders =
            [("X-GITEA-Signature", "a"), ("x-gitea-signature", "b"), ("Content-Type", " text/plain ")]
                .into_iter()
                .collect();
        assert_eq!(headers.all("X-Gitea-Signature"), [b"a".to_vec(), b"b".to_vec()]);
        assert_eq!(headers.text("content-type"), Some("text/plain"));
        assert_eq!(headers.text("X-Gitea-Event"), None);
    }

    #[test]
    fn credentials_are_not_kept() {
        let headers: DeliveryHeaders =
            [("Authorization", "Bearer top"), ("Cookie", "session=top")].into_iter().collect();
        assert!(!format!("{headers:?}").contains("top"));
        assert!(headers.0.is_empty());
    }

    #[test]
    fn empty_and_unreadable_values_are_no_text() {
        for value in [&b""[..], b"  ", b"\xff\xfe", "ü".as_bytes(), b"a\x07b"] {
            let headers: DeliveryHeaders = [("X-Gitea-Event", value)].into_iter().collect();
            assert_eq!(headers.text("X-Gitea-Event"), None, "{value:?}");
        }
    }
}
