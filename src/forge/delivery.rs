//! One delivery, from raw headers and raw body to what is stored.
//!
//! Owns the order of the checks: the signature over the signed bytes first, then everything else, so that a
//! stranger learns nothing but 401. Promises the payload exactly as it was signed. Never stores headers.

use std::borrow::Cow;

use percent_encoding::percent_decode;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

pub use super::hint::{Hint, HintKind, PayloadError, read_hint};
use super::{
    headers::DeliveryHeaders,
    signature::{self, SignatureError},
};

/// Longest key taken from a header; the forge's are UUIDs.
const KEY_BYTES: usize = 128;

/// A delivery that is known to come from the forge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// What tells it from others: `X-Gitea-Delivery`, else the SHA-256 of the raw body in hex.
    pub key: String,
    /// What it points at.
    pub hint: Hint,
    /// The JSON text exactly as signed.
    pub payload: Vec<u8>,
}

/// Why a request is no delivery.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not known to come from the forge: 401.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// From the forge, and of no use: 415 or 422.
    #[error(transparent)]
    Payload(#[from] PayloadError),
}

impl Refusal {
    /// The HTTP status that says this: 401, 415 or 422.
    pub fn status(&self) -> u16 {
        match self {
            Self::Signature(_) => 401,
            Self::Payload(error) => error.status(),
        }
    }
}

impl Delivery {
    /// Reads one request: signature, then payload, then hint. `body` is the raw body as it came.
    pub fn read(secrets: &[SecretString], headers: &DeliveryHeaders, body: &[u8]) -> Result<Self, Refusal> {
        let payload = match payload_of(headers.text("Content-Type"), body) {
            Ok(payload) => payload,
            Err(unreadable) => {
                // What could have been signed here is the body, or the empty value of the missing field.
                let signed = [first_payload(body).unwrap_or_default().into(), Cow::Borrowed(body)];
                let checks = signed.map(|bytes| signature::verify(secrets, &bytes, headers));
                return match checks {
                    [Err(_), Err(stranger)] => Err(stranger.into()),
                    _ => Err(unreadable.into()),
                };
            }
        };
        signature::verify(secrets, &payload, headers)?;
        let hint = read_hint(event_name(headers), &payload)?;
        Ok(Self { key: delivery_key(headers, body), hint, payload: payload.into_owned() })
    }
}

/// The JSON text of a body: the body itself, or the decoded `payload` of a form. No content type means JSON.
pub fn payload_of<'a>(content_type: Option<&str>, body: &'a [u8]) -> Result<Cow<'a, [u8]>, PayloadError> {
    let Some(content_type) = content_type else { return Ok(Cow::Borrowed(body)) };
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" => Ok(Cow::Borrowed(body)),
        "application/x-www-form-urlencoded" => match (first_payload(body), form_payloads(body).count()) {
            (Some(payload), 1) => Ok(Cow::Owned(payload)),
            (_, count) => Err(PayloadError::FormField(count)),
        },
        _ => Err(PayloadError::ContentType(essence)),
    }
}

/// The key of a delivery; `body` is the raw body.
pub fn delivery_key(headers: &DeliveryHeaders, body: &[u8]) -> String {
    let named = headers.first_text(&["X-Gitea-Delivery", "X-Forgejo-Delivery", "X-GitHub-Delivery"]);
    match named.filter(|key| key.len() <= KEY_BYTES) {
        Some(key) => key.to_owned(),
        None => hex::encode(Sha256::digest(body)),
    }
}

/// The coarse event by the headers; `None` where it has to be inferred from the body.
pub fn event_name(headers: &DeliveryHeaders) -> Option<&str> {
    headers.first_text(&["X-Gitea-Event", "X-Forgejo-Event", "X-GitHub-Event"])
}

/// The raw values of all fields called `payload`.
fn form_payloads(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.split(|byte| *byte == b'&').filter_map(|field| {
        let mut parts = field.splitn(2, |byte| *byte == b'=');
        let name = form_decoded(parts.next()?);
        (name == b"payload").then(|| parts.next().unwrap_or_default())
    })
}

fn first_payload(body: &[u8]) -> Option<Vec<u8>> {
    form_payloads(body).next().map(form_decoded)
}

/// The exact bytes of a form value: the signature is over them, so nothing may be replaced on the way.
fn form_decoded(value: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = value.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&spaced).collect()
}

#[cfg(test)]
mod tests;
