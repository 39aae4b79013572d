//! A stable digest of texts, to see whether one changed.

/// Digest of an issue's title and body, as lowercase hex.
pub fn text_digest(title: &str, body: &str) -> String {
    // Line ends differ between the forge's web page and its API.
    let body = body.replace("\r\n", "\n");
    fingerprint(&[title.as_bytes(), body.as_bytes()])
}

/// SHA-256 over length-prefixed parts, as lowercase hex.
pub fn fingerprint(parts: &[&[u8]]) -> String {
    use sha2::{Digest, Sha256};
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hex::encode(hasher.finalize())
}
