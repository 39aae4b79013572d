//! Reads, on a connection of their own: they never wait for the writer.

use rusqlite::{Connection, OptionalExtension, Row};

use super::classed;
use crate::store::{NewEvent, PendingDelivery, StoreError, StoredEvent, Verified, chain};

const EVENT_COLUMNS: &str = "seq, term, at_ms, stream, kind, version, body, prev_hash, hash";

pub(super) fn after(connection: &Connection, seq: u64, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
    let mut select = connection
        .prepare_cached(&format!("SELECT {EVENT_COLUMNS} FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2"))
        .map_err(classed)?;
    let rows = select.query_map([seq as i64, limit as i64], stored_event).map_err(classed)?;
    rows.collect::<Result<_, _>>().map_err(classed)
}

fn stored_event(row: &Row<'_>) -> rusqlite::Result<StoredEvent> {
    Ok(StoredEvent {
        seq: row.get::<_, i64>(0)? as u64,
        term: row.get::<_, i64>(1)? as u64,
        at_ms: row.get(2)?,
        event: NewEvent { stream: row.get(3)?, kind: row.get(4)?, version: row.get(5)?, body: row.get(6)? },
        prev_hash: row.get(7)?,
        hash: row.get(8)?,
    })
}

pub(super) fn snapshot(connection: &Connection) -> Result<Option<(u64, String)>, StoreError> {
    connection
        .query_row("SELECT seq, body FROM snapshot", [], |row| {
            Ok((row.get::<_, i64>(0)? as u64, row.get(1)?))
        })
        .optional()
        .map_err(classed)
}

pub(super) fn pending_deliveries(connection: &Connection) -> Result<Vec<PendingDelivery>, StoreError> {
    let mut select = connection
        .prepare_cached("SELECT key, issue FROM delivery WHERE pending = 1 ORDER BY received_ms, key")
        .map_err(classed)?;
    let rows = select
        .query_map([], |row| Ok(PendingDelivery { key: row.get(0)?, issue: row.get(1)? }))
        .map_err(classed)?;
    rows.collect::<Result<_, _>>().map_err(classed)
}

pub(super) fn report(
    connection: &Connection,
    tree: &str,
    gate_set: &str,
) -> Result<Option<String>, StoreError> {
    connection
        .query_row("SELECT body FROM report WHERE tree = ?1 AND gate_set = ?2", [tree, gate_set], |row| {
            row.get(0)
        })
        .optional()
        .map_err(classed)
}

pub(super) fn verify(connection: &Connection) -> Result<Verified, StoreError> {
    let integrity: String =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(classed)?;
    if integrity != "ok" {
        return Err(StoreError::Damaged { seq: 0, what: integrity });
    }
    let (mut events, mut head) = (0, chain::GENESIS.to_owned());
    loop {
        let page = after(connection, events, 1000)?;
        if page.is_empty() {
            return Ok(Verified { events, head });
        }
        for stored in &page {
            head = chain::check(events, &head, stored)?;
            events = stored.seq;
        }
    }
}
