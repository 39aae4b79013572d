//! The state out of the store: last snapshot and the events after it.

use crate::{
    actor::metrics::event_of,
    domain::{evolve::evolve, state::State},
    runtime::RebuildError,
    store::Store,
};

const PAGE_LEN: usize = 1000;

/// The state as of the last event, and that event's place.
pub(super) fn load(store: &dyn Store) -> Result<(State, u64), RebuildError> {
    let failed = |error: crate::store::StoreError| RebuildError(error.to_string());
    let (mut state, mut seq) = match store.snapshot().map_err(failed)? {
        None => (State::default(), 0),
        Some((seq, body)) => match serde_json::from_str(&body) {
            Ok(state) => (state, seq),
            Err(error) => {
                // A snapshot is a short cut: the journal has everything.
                tracing::warn!(%error, "the snapshot cannot be read; the whole journal is");
                (State::default(), 0)
            }
        },
    };
    loop {
        let page = store.read_after(seq, PAGE_LEN).map_err(failed)?;
        if page.is_empty() {
            return Ok((state, seq));
        }
        for stored in &page {
            evolve(&mut state, &event_of(stored)?, stored.at_ms);
            seq = stored.seq;
        }
    }
}
