//! The store on SQLite: one writer thread with group commit, one connection for reads.
//!
//! Promises `synchronous=FULL`: an answered write has been synced. Many writers that wait share one commit, so the sync
//! is paid once. The file is locked against a second coordinator for as long as this lives.

mod lock;
mod read;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, mpsc},
    thread::JoinHandle,
};

use rusqlite::Connection;

use self::{lock::Lock, writer::Job};
use super::{NewDelivery, NewEvent, PendingDelivery, PutAnswer, Store, StoreError, StoredEvent, Verified};

/// The schema this build writes.
const SCHEMA: i64 = 1;

/// A store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    jobs: Option<mpsc::Sender<Job>>,
    reader: Mutex<Connection>,
    writer: Option<JoinHandle<()>>,
    _lock: Lock,
}

impl SqliteStore {
    /// Opens the file, making it and its folder where needed, and locks it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let refused = |message: String| StoreError::Open { path: path.to_owned(), message };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| refused(error.to_string()))?;
        }
        let lock = Lock::take(&lock_path(path))?;
        // A disk that is full or failing is no wrong path.
        let failed = |error: rusqlite::Error| match classed(error) {
            failed @ (StoreError::Full(_) | StoreError::Disk(_)) => failed,
            other => refused(other.to_string()),
        };
        let mut connection = connect(path).map_err(failed)?;
        migrate(&mut connection)?;
        let reader = connect(path).map_err(failed)?;
        let (jobs, waiting) = mpsc::channel();
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer::run(connection, &waiting))
            .map_err(|error| refused(error.to_string()))?;
        Ok(Self { jobs: Some(jobs), reader: Mutex::new(reader), writer: Some(writer), _lock: lock })
    }

    fn submit(&self, job: Job) -> Result<(), StoreError> {
        self.jobs.as_ref().ok_or(StoreError::Closed)?.send(job).map_err(|_| StoreError::Closed)
    }

    fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.submit(Job::new(work, move |result| {
            // A caller that no longer waits has nobody to be told.
            let _ = answer.send(result);
        }))?;
        answered.recv().map_err(|_| StoreError::Closed)?
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.jobs.take();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has nothing left to flush.
            let _ = writer.join();
        }
    }
}

impl Store for SqliteStore {
    fn begin_term(&self) -> Result<u64, StoreError> {
        self.write(writer::begin_term)
    }

    fn append(&self, term: u64, at_ms: i64, events: Vec<NewEvent>) -> Result<u64, StoreError> {
        self.write(move |connection| writer::append(connection, term, at_ms, &events))
    }

    fn read_after(&self, seq: u64, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        read::after(&self.reader(), seq, limit)
    }

    fn save_snapshot(&self, seq: u64, body: String) -> Result<(), StoreError> {
        self.write(move |connection| writer::save_snapshot(connection, seq, &body))
    }

    fn snapshot(&self) -> Result<Option<(u64, String)>, StoreError> {
        read::snapshot(&self.reader())
    }

    fn put_delivery(&self, delivery: NewDelivery, answer: PutAnswer) {
        let job = Job::new(move |connection| writer::put_delivery(connection, &delivery), answer);
        if let Some(jobs) = &self.jobs
            && let Err(mpsc::SendError(job)) = jobs.send(job)
        {
            job.refuse(StoreError::Closed);
        }
    }

    fn pending_deliveries(&self) -> Result<Vec<PendingDelivery>, StoreError> {
        read::pending_deliveries(&self.reader())
    }

    fn mark_deliveries(&self, keys: Vec<String>) -> Result<(), StoreError> {
        self.write(move |connection| writer::mark_deliveries(connection, &keys))
    }

    fn put_report(&self, tree: &str, gate_set: &str, body: String) -> Result<(), StoreError> {
        let (tree, gate_set) = (tree.to_owned(), gate_set.to_owned());
        self.write(move |connection| writer::put_report(connection, &tree, &gate_set, &body))
    }

    fn report(&self, tree: &str, gate_set: &str) -> Result<Option<String>, StoreError> {
        read::report(&self.reader(), tree, gate_set)
    }

    fn verify(&self) -> Result<Verified, StoreError> {
        read::verify(&self.reader())
    }
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(classed)?;
    if found > SCHEMA {
        return Err(StoreError::NewerSchema { found, known: SCHEMA });
    }
    if found == SCHEMA {
        return Ok(());
    }
    let transaction = connection.transaction().map_err(classed)?;
    transaction.execute_batch(include_str!("schema.sql")).map_err(classed)?;
    transaction.pragma_update(None, "user_version", SCHEMA).map_err(classed)?;
    transaction.commit().map_err(classed)
}

/// What SQLite says, in our classes: a failing disk must be told from everything else.
fn classed(error: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full(error.to_string()),
        Some(ErrorCode::SystemIoFailure) => StoreError::Disk(error.to_string()),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Damaged { seq: 0, what: error.to_string() }
        }
        _ => StoreError::Database(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
