//! The chain of hashes over the journal: a flipped byte in any row is found.

use sha2::{Digest, Sha256};

use super::{NewEvent, StoreError, StoredEvent};

/// What the first event is chained to.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Hash of an event at its place, as lowercase hex.
pub fn hash(prev_hash: &str, seq: u64, term: u64, at_ms: i64, event: &NewEvent) -> String {
    let mut hasher = Sha256::new();
    hasher.update(prev_hash.as_bytes());
    hasher.update(seq.to_be_bytes());
    hasher.update(term.to_be_bytes());
    hasher.update(at_ms.to_be_bytes());
    hasher.update(event.version.to_be_bytes());
    for part in [&event.stream, &event.kind, &event.body] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hex::encode(hasher.finalize())
}

/// Checks that `event` follows an event with place `seq` and hash `head`; returns the new head.
pub fn check(seq: u64, head: &str, stored: &StoredEvent) -> Result<String, StoreError> {
    let expected_seq = seq + 1;
    if stored.seq != expected_seq {
        return Err(StoreError::Damaged { seq: expected_seq, what: "it is missing".to_owned() });
    }
    if stored.prev_hash != head {
        return Err(StoreError::Damaged {
            seq: stored.seq,
            what: "it is not chained to the one before".to_owned(),
        });
    }
    let hash = hash(head, stored.seq, stored.term, stored.at_ms, &stored.event);
    if hash != stored.hash {
        return Err(StoreError::Damaged {
            seq: stored.seq,
            what: "its content does not match its hash".to_owned(),
        });
    }
    Ok(hash)
}
