//! The digest of a gate set: what a report is bound to, besides the tree.

use sha2::{Digest as _, Sha256};

use crate::domain::gate::GateSet;

/// SHA-256, in hex, of the set's canonical JSON (gates in the order of their names, keys in a fixed order).
pub fn gate_set_digest(gates: &GateSet) -> String {
    let canonical = serde_json::to_vec(gates).expect("a map with text keys is always JSON");
    hex::encode(Sha256::digest(canonical))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::gate::{GateParser, GateSpec};

    fn spec(timeout_ms: u64) -> GateSpec {
        GateSpec { command: vec!["true".to_owned()], timeout_ms, parser: GateParser::Exit }
    }

    #[test]
    fn the_digest_is_of_the_content_not_of_the_order() {
        let one = GateSet::from([("a".to_owned(), spec(1)), ("b".to_owned(), spec(2))]);
        let other = GateSet::from([("b".to_owned(), spec(2)), ("a".to_owned(), spec(1))]);
        assert_eq!(gate_set_digest(&one), gate_set_digest(&other));
        assert_eq!(gate_set_digest(&one).len(), 64);
    }

    #[test]
    fn any_change_is_another_digest() {
        let set = |name: &str, spec| gate_set_digest(&GateSet::from([(name.to_owned(), spec)]));
        let lcov = |min_line_percent| GateSpec {
            parser: GateParser::Lcov { report: "r".to_owned(), min_line_percent },
            ..spec(1)
        };
        let digests = [
            set("a", spec(1)),
            set("b", spec(1)),
            set("a", spec(2)),
            set("a", lcov(85.0)),
            set("a", lcov(85.5)),
        ];
        for (at, digest) in digests.iter().enumerate() {
            assert!(!digests[at + 1..].contains(digest));
        }
    }

    #[test]
    fn the_digest_stays_the_same_between_releases() {
        assert_eq!(
            gate_set_digest(&GateSet::from([("test".to_owned(), spec(600_000))])),
            "88dc96559468b42a60b85977a96f45a080449d201974b758776343e9998a7a44"
        );
    }
}
