//! The one writer: drains what waits, does it in one transaction, syncs once, answers all.

use std::sync::mpsc;

use rusqlite::{Connection, OptionalExtension, params};

use super::classed;
use crate::store::{NewDelivery, NewEvent, Put, StoreError, chain};

/// The most jobs that share one commit.
const GROUP_LEN: usize = 1024;

type Finish = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
type Begin = Box<dyn FnOnce(&Connection) -> Finish + Send>;

/// One piece of work and whom to tell when it is durable.
pub(super) struct Job {
    begin: Begin,
    refuse: Box<dyn FnOnce(StoreError) + Send>,
}

impl Job {
    pub(super) fn new<T: Send + 'static>(
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        answer: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) -> Self {
        let slot = std::sync::Arc::new(std::sync::Mutex::new(Some(answer)));
        let on_refusal = slot.clone();
        let take = move || slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let take_refused =
            move || on_refusal.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        Self {
            begin: Box::new(move |connection| {
                let result = in_savepoint(connection, work);
                Box::new(move |committed| {
                    if let Some(answer) = take() {
                        answer(committed.and(result));
                    }
                })
            }),
            refuse: Box::new(move |error| {
                if let Some(answer) = take_refused() {
                    answer(Err(error));
                }
            }),
        }
    }

    /// Answers without having done anything.
    pub(super) fn refuse(self, error: StoreError) {
        (self.refuse)(error);
    }
}

/// A job that fails takes back what it wrote, and leaves the others of its group alone.
fn in_savepoint<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.execute_batch("SAVEPOINT job").map_err(classed)?;
    let result = work(connection);
    let end = if result.is_ok() { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
    connection.execute_batch(end).map_err(classed)?;
    result
}

pub(super) fn run(connection: Connection, waiting: &mpsc::Receiver<Job>) {
    while let Ok(first) = waiting.recv() {
        let group = std::iter::once(first).chain(waiting.try_iter().take(GROUP_LEN - 1));
        commit_group(&connection, group.collect());
    }
}

fn commit_group(connection: &Connection, group: Vec<Job>) {
    if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
        let text = error.to_string();
        let mut first = Some(classed(error));
        for job in group {
            job.refuse(first.take().unwrap_or_else(|| StoreError::Database(text.clone())));
        }
        return;
    }
    let finishes: Vec<Finish> = group.into_iter().map(|job| (job.begin)(connection)).collect();
    let committed = connection.execute_batch("COMMIT");
    let Err(error) = committed else {
        for finish in finishes {
            finish(Ok(()));
        }
        return;
    };
    // The commit's own error is what counts; a transaction that is gone already needs no rollback.
    let _ = connection.execute_batch("ROLLBACK");
    let text = error.to_string();
    let disk_failed = matches!(classed(error), StoreError::Disk(_));
    for finish in finishes {
        let text = text.clone();
        finish(Err(if disk_failed { StoreError::Disk(text) } else { StoreError::Full(text) }));
    }
}

pub(super) fn begin_term(connection: &Connection) -> Result<u64, StoreError> {
    connection
        .query_row("UPDATE term SET current = current + 1 RETURNING current", [], |row| row.get::<_, i64>(0))
        .map(|term| term as u64)
        .map_err(classed)
}

pub(super) fn append(
    connection: &Connection,
    term: u64,
    at_ms: i64,
    events: &[NewEvent],
) -> Result<u64, StoreError> {
    let current: i64 =
        connection.query_row("SELECT current FROM term", [], |row| row.get(0)).map_err(classed)?;
    if current as u64 != term {
        return Err(StoreError::TermOver { ours: term, current: current as u64 });
    }
    let head = connection
        .query_row("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1", [], |row| {
            Ok((row.get::<_, i64>(0)? as u64, row.get::<_, String>(1)?))
        })
        .optional()
        .map_err(classed)?;
    let (mut seq, mut prev_hash) = head.unwrap_or_else(|| (0, chain::GENESIS.to_owned()));
    let mut insert = connection
        .prepare_cached(
            "INSERT INTO event (seq, term, at_ms, stream, kind, version, body, prev_hash, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )
        .map_err(classed)?;
    for event in events {
        seq += 1;
        let hash = chain::hash(&prev_hash, seq, term, at_ms, event);
        insert
            .execute(params![
                seq as i64,
                term as i64,
                at_ms,
                event.stream,
                event.kind,
                event.version,
                event.body,
                prev_hash,
                hash
            ])
            .map_err(classed)?;
        prev_hash = hash;
    }
    Ok(seq)
}

pub(super) fn save_snapshot(connection: &Connection, seq: u64, body: &str) -> Result<(), StoreError> {
    connection
        .execute(
            "INSERT OR REPLACE INTO snapshot (only, seq, body) VALUES (1, ?1, ?2)",
            params![seq as i64, body],
        )
        .map(|_| ())
        .map_err(classed)
}

pub(super) fn put_delivery(connection: &Connection, delivery: &NewDelivery) -> Result<Put, StoreError> {
    let NewDelivery { key, event, issue, received_ms, payload } = delivery;
    let added = connection
        .prepare_cached(
            "INSERT INTO delivery (key, event, issue, received_ms, pending, payload)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (key) DO NOTHING",
        )
        .and_then(|mut insert| {
            insert.execute(params![key, event, issue, received_ms, issue.is_some(), payload])
        })
        .map_err(classed)?;
    Ok(if added == 1 { Put::New } else { Put::Duplicate })
}

pub(super) fn mark_deliveries(connection: &Connection, keys: &[String]) -> Result<(), StoreError> {
    let mut update = connection
        .prepare_cached("UPDATE delivery SET pending = 0, payload = x'' WHERE key = ?1")
        .map_err(classed)?;
    for key in keys {
        update.execute([key]).map_err(classed)?;
    }
    Ok(())
}

pub(super) fn put_report(
    connection: &Connection,
    tree: &str,
    gate_set: &str,
    body: &str,
) -> Result<(), StoreError> {
    connection
        .execute(
            "INSERT OR REPLACE INTO report (tree, gate_set, body) VALUES (?1, ?2, ?3)",
            [tree, gate_set, body],
        )
        .map(|_| ())
        .map_err(classed)
}
