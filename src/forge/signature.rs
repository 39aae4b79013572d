//! The signature of a delivery: HMAC-SHA256 over the payload text, in hex.
//!
//! Owns which headers may carry it and what counts as one. Promises a comparison in constant time and never
//! takes an empty, missing or ambiguous signature, or an empty secret, for a good one.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::headers::DeliveryHeaders;

/// Length of an HMAC-SHA256 in bytes.
const TAG_BYTES: usize = 32;

/// The headers that may carry a signature, in order of preference, with the prefix of the value.
const CARRIERS: [(&str, &str); 3] =
    [("X-Gitea-Signature", ""), ("X-Forgejo-Signature", ""), ("X-Hub-Signature-256", "sha256=")];

/// Why a delivery is not known to come from the forge. Answered with 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No header carries one.
    #[error("no signature header: set a secret on the forge's webhook")]
    Missing,
    /// The header is there and empty: the forge's hook has no secret.
    #[error("header `{header}` is empty: set a secret on the forge's webhook")]
    Empty {
        /// The header.
        header: &'static str,
    },
    /// Not 64 hex digits, or not the prefix that belongs there.
    #[error("header `{header}` holds no HMAC-SHA256 in hex")]
    Malformed {
        /// The header.
        header: &'static str,
    },
    /// Two signatures that differ.
    #[error("header `{header}` contradicts another signature of the same request")]
    Conflicting {
        /// The header that differs from the one before it.
        header: &'static str,
    },
    /// No configured secret makes this signature for this payload.
    #[error(
        "the signature fits no configured secret: compare the webhook's secret with `gitea.webhook_secrets`"
    )]
    Mismatch,
}

/// Checks that one of `secrets` signed exactly these payload bytes.
///
/// `payload` is the JSON text: in form mode the decoded value of `payload`, see [`super::delivery::payload_of`].
pub fn verify(
    secrets: &[SecretString],
    payload: &[u8],
    headers: &DeliveryHeaders,
) -> Result<(), SignatureError> {
    let tag = claimed(headers)?;
    let usable = secrets.iter().map(|secret| secret.expose_secret()).filter(|secret| !secret.is_empty());
    // All secrets are tried, whichever fits: the time taken tells nothing about which one did.
    let mut fits = false;
    for secret in usable {
        fits |= keyed(secret, payload).verify_slice(&tag).is_ok();
    }
    if fits { Ok(()) } else { Err(SignatureError::Mismatch) }
}

/// Signs a payload as the forge does: lower-case hex, no prefix.
pub fn sign(secret: &SecretString, payload: &[u8]) -> String {
    hex::encode(keyed(secret.expose_secret(), payload).finalize().into_bytes())
}

fn keyed(secret: &str, payload: &[u8]) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.chain_update(payload)
}

/// The one signature that all carrying headers agree on.
fn claimed(headers: &DeliveryHeaders) -> Result<[u8; TAG_BYTES], SignatureError> {
    let mut agreed = None;
    for (header, prefix) in CARRIERS {
        for value in headers.all(header) {
            let tag = decoded(header, prefix, value)?;
            if agreed.is_some_and(|before| before != tag) {
                return Err(SignatureError::Conflicting { header });
            }
            agreed = Some(tag);
        }
    }
    agreed.ok_or(SignatureError::Missing)
}

fn decoded(
    header: &'static str,
    prefix: &'static str,
    value: &[u8],
) -> Result<[u8; TAG_BYTES], SignatureError> {
    let value = value.trim_ascii();
    if value.is_empty() || value == prefix.as_bytes() {
        return Err(SignatureError::Empty { header });
    }
    let malformed = SignatureError::Malformed { header };
    let digits = value.strip_prefix(prefix.as_bytes()).ok_or(malformed)?;
    let mut tag = [0; TAG_BYTES];
    hex::decode_to_slice(digits, &mut tag).map_err(|_| malformed)?;
    Ok(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"action":"opened"}"#;

    fn secrets(all: &[&str]) -> Vec<SecretString> {
        all.iter().map(|secret| SecretString::from(*secret)).collect()
    }
    fn check(all: &[&str], headers: &[(&str, &str)]) -> Result<(), SignatureError> {
        verify(&secrets(all), BODY, &headers.iter().copied().collect())
    }
    fn good() -> String {
        sign(&SecretString::from("s3cret"), BODY)
    }

    #[test]
    fn the_signature_is_the_published_hmac() {
        // RFC 4231, test case 2.
        assert_eq!(
            sign(&SecretString::from("Jefe"), b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn each_carrier_and_either_case_is_accepted() {
        let prefixed = format!("sha256={}", good());
        assert_eq!(check(&["s3cret"], &[("X-Gitea-Signature", &good())]), Ok(()));
        assert_eq!(check(&["s3cret"], &[("X-Gitea-Signature", &good().to_uppercase())]), Ok(()));
        assert_eq!(check(&["s3cret"], &[("X-Forgejo-Signature", &good())]), Ok(()));
        assert_eq!(check(&["s3cret"], &[("X-Hub-Signature-256", &prefixed)]), Ok(()));
    }

    #[test]
    fn every_configured_secret_is_tried() {
        for all in [&["old", "s3cret"][..], &["s3cret", "new"], &["", "a", "s3cret", "b"]] {
            assert_eq!(check(all, &[("X-Gitea-Signature", &good())]), Ok(()), "{all:?}");
        }
        assert_eq!(check(&["old", "new"], &[("X-Gitea-Signature", &good())]), Err(SignatureError::Mismatch));
    }

    #[test]
    fn an_empty_secret_never_fits() {
        let signed = sign(&SecretString::from(""), BODY);
        assert_eq!(check(&[""], &[("X-Gitea-Signature", &signed)]), Err(SignatureError::Mismatch));
        assert_eq!(check(&[], &[("X-Gitea-Signature", &signed)]), Err(SignatureError::Mismatch));
    }

    #[test]
    fn missing_and_empty_signatures_are_told_apart() {
        assert_eq!(check(&["s3cret"], &[]), Err(SignatureError::Missing));
        let empty = |header| Err(SignatureError::Empty { header });
        assert_eq!(check(&["s3cret"], &[("X-Gitea-Signature", "")]), empty("X-Gitea-Signature"));
        assert_eq!(check(&["s3cret"], &[("X-Hub-Signature-256", "sha256=")]), empty("X-Hub-Signature-256"));
        assert_eq!(check(&["s3cret"], &[("X-Hub-Signature-256", "")]), empty("X-Hub-Signature-256"));
    }

    #[test]
    fn what_is_no_hex_of_the_right_length_is_malformed() {
        let short = &good()[..62];
        let long = format!("{}00", good());
        let prefixed = format!("sha256={}", good());
        let twice = format!("{}, {}", good(), good());
        for value in [short, &long, &prefixed, &twice, "zz", &"g".repeat(64), "\u{1f980}"] {
            assert_eq!(
                check(&["s3cret"], &[("X-Gitea-Signature", value)]),
                Err(SignatureError::Malformed { header: "X-Gitea-Signature" }),
                "{value}"
            );
        }
        assert_eq!(
            check(&["s3cret"], &[("X-Hub-Signature-256", &good())]),
            Err(SignatureError::Malformed { header: "X-Hub-Signature-256" })
        );
    }

    #[test]
    fn contradicting_signatures_are_refused_even_if_one_is_good() {
        let other = sign(&SecretString::from("other"), BODY);
        assert_eq!(
            check(&["s3cret"], &[("X-Gitea-Signature", &good()), ("X-Gitea-Signature", &other)]),
            Err(SignatureError::Conflicting { header: "X-Gitea-Signature" })
        );
        assert_eq!(
            check(
                &["s3cret"],
                &[("X-Gitea-Signature", &good()), ("X-Hub-Signature-256", &format!("sha256={other}"))]
            ),
            Err(SignatureError::Conflicting { header: "X-Hub-Signature-256" })
        );
        let twice = [("X-Gitea-Signature", good()), ("X-Gitea-Signature", good().to_uppercase())];
        assert_eq!(verify(&secrets(&["s3cret"]), BODY, &twice.into_iter().collect()), Ok(()));
    }

    #[test]
    fn one_flipped_bit_of_the_payload_is_a_mismatch() {
        let headers = [("X-Gitea-Signature", good())].into_iter().collect();
        for at in 0..BODY.len() {
            let mut body = BODY.to_vec();
            body[at] ^= 1;
            assert_eq!(verify(&secrets(&["s3cret"]), &body, &headers), Err(SignatureError::Mismatch));
        }
    }

    #[test]
    fn a_refusal_names_no_secret() {
        let error = check(&["hush"], &[("X-Gitea-Signature", &good())]).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hush"));
    }
}
