//! Keeps secrets out of the log: a process-wide register of them, and a writer that replaces each by `[redacted]`.
//!
//! Promises that a registered value of at least [`SHORTEST`] bytes leaves no log line, plain, JSON-escaped or
//! percent-encoded. Shorter ones are not taken: they would tear ordinary words out of every line.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    io,
    sync::{PoisonError, RwLock},
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tracing_subscriber::fmt::MakeWriter;

/// Secrets of fewer bytes are not replaced.
pub const SHORTEST: usize = 6;

const REPLACEMENT: &str = "[redacted]";

/// What an address must not hold as it is.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// All spellings of all secrets, the longest first, so that no part of one is left behind by a shorter one.
static SECRETS: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// Registers a secret for the life of the process; one shorter than [`SHORTEST`] bytes is left out.
pub fn add_secret(secret: &str) {
    if secret.len() < SHORTEST {
        return;
    }
    let mut secrets = SECRETS.write().unwrap_or_else(PoisonError::into_inner);
    let mut all: BTreeSet<String> = secrets.drain(..).collect();
    all.extend(spellings(secret));
    secrets.extend(all);
    secrets.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
}

/// How a secret can come to stand in a line: as it is, as `Debug` shows it or as part of an address, and each of
/// them within a JSON string.
fn spellings(secret: &str) -> impl Iterator<Item = String> {
    let plain = [
        secret.to_owned(),
        secret.escape_debug().to_string(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        utf8_percent_encode(secret, RESERVED).to_string(),
    ];
    plain.into_iter().flat_map(|text| {
        let quoted = serde_json::Value::from(text.as_str()).to_string();
        let within_json = quoted[1..quoted.len() - 1].to_owned();
        [text, within_json]
    })
}

/// `text` without any registered secret.
pub fn redact(text: &str) -> Cow<'_, str> {
    let secrets = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
    let mut clean = Cow::Borrowed(text);
    for secret in secrets.iter() {
        if clean.contains(secret.as_str()) {
            clean = Cow::Owned(clean.replace(secret.as_str(), REPLACEMENT));
        }
    }
    clean
}

/// Makes writers that redact, over those of `inner`.
#[derive(Clone, Debug)]
pub struct Redacting<M>(
    /// Makes the writers that get the clean text.
    pub M,
);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Redacting<M> {
    type Writer = RedactingWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        RedactingWriter(self.0.make_writer())
    }
}

/// Redacts what is written; a log line comes as one write.
#[derive(Debug)]
pub struct RedactingWriter<W>(W);

impl<W: io::Write> io::Write for RedactingWriter<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(redact(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_secret_is_replaced() {
        add_secret("redact\"me\\ü-now\"");
        for text in [
            "redact\"me\\ü-now\"",
            r#"redact\"me\\ü-now\""#,
            r#"redact\\\"me\\\\ü-now\\\""#,
            "redact%22me%5C%C3%BC-now%22",
            "redact%22me%5C%C3%BC%2Dnow%22",
        ] {
            assert_eq!(redact(&format!("a {text} b {text}")), "a [redacted] b [redacted]");
        }
        assert!(matches!(redact("nothing to hide"), Cow::Borrowed("nothing to hide")));
    }

    #[test]
    fn a_secret_within_another_leaves_nothing_behind() {
        add_secret("inner-secret-value");
        add_secret("outer-inner-secret-value-outer");
        assert_eq!(redact("outer-inner-secret-value-outer inner-secret-value"), "[redacted] [redacted]");
    }

    #[test]
    fn short_words_are_left_alone() {
        add_secret("");
        add_secret("qzqzq");
        assert_eq!(redact("qzqzq"), "qzqzq");
    }
}
