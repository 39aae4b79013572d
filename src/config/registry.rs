//! The registry of well-known models: windows and list prices by vendor id, from `config/models.toml`.
//!
//! It fills in what `[models.NAME]` leaves out, and enables nothing.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

/// What the registry knows of a model.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Known {
    pub(super) window_tokens: u64,
    pub(super) input_price: f64,
    pub(super) output_price: f64,
}

static REGISTRY: LazyLock<BTreeMap<String, Known>> = LazyLock::new(|| {
    toml::from_str(include_str!("../../config/models.toml")).expect("embedded, and a test reads it")
});

/// The entry of a vendor's model id, if there is one.
pub(super) fn lookup(vendor_id: &str) -> Option<&'static Known> {
    REGISTRY.get(vendor_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_holds_sound_entries() {
        assert!(REGISTRY.len() >= 12);
        for (id, known) in REGISTRY.iter() {
            assert!(known.window_tokens >= 100_000, "{id}");
            assert!(known.input_price > 0.0 && known.output_price > known.input_price, "{id}");
        }
        assert!(lookup("no-such-model").is_none());
    }
}
