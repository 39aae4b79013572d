//! The journal, the inbox of deliveries, snapshots and kept gate reports: a small trait, and SQLite behind it.
//!
//! Owns durability: what a call has answered is on disk. Promises that events are appended whole and in order, that a
//! delivery is kept once, and that each event row is chained to the one before by hash. Never interprets an event.

pub mod board;
pub mod chain;
pub mod sqlite;

use std::path::PathBuf;

/// An event to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// What it is about: `owner/repo#7`.
    pub stream: String,
    /// Its name, for people and queries.
    pub kind: String,
    /// Version of its schema.
    pub version: u16,
    /// The event as JSON.
    pub body: String,
}

/// An event as it lies in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its place, from 1, without gaps.
    pub seq: u64,
    /// Term of the coordinator that wrote it.
    pub term: u64,
    /// When, epoch ms.
    pub at_ms: i64,
    /// What was appended.
    pub event: NewEvent,
    /// Hash of the event before; 32 zero bytes in hex for the first.
    pub prev_hash: String,
    /// Hash over this event and `prev_hash`.
    pub hash: String,
}

/// A delivery to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// Its key: `X-Gitea-Delivery`, or the body's digest.
    pub key: String,
    /// The event's name.
    pub event: String,
    /// The issue to be read again; `None` where there is none, and nothing remains to be done.
    pub issue: Option<String>,
    /// When it arrived, epoch ms.
    pub received_ms: i64,
    /// The payload as signed.
    pub payload: Vec<u8>,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is new, and on disk.
    New,
    /// It was there already.
    Duplicate,
}

/// A delivery whose issue was not read again yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingDelivery {
    /// Its key.
    pub key: String,
    /// The issue to be read again.
    pub issue: String,
}

/// What the check of a store found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Events in the journal.
    pub events: u64,
    /// Hash of the last one.
    pub head: String,
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another coordinator holds the data directory.
    #[error("another coordinator (process {holder}) holds {path}: stop it, or set another `store.path`")]
    Held {
        /// The lock file.
        path: PathBuf,
        /// What the lock file says of the holder.
        holder: String,
    },
    /// The file cannot be opened or made.
    #[error("cannot open the store {path}: {message}: check `store.path`, its folder and its rights")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        message: String,
    },
    /// The disk refused a write or a sync; nothing may be assumed of what was not answered.
    #[error("the disk failed under the store: {0}")]
    Disk(String),
    /// The disk is full; what was answered is safe.
    #[error("the disk is full: {0}")]
    Full(String),
    /// An event does not match its hash or its place.
    #[error("the journal is damaged at event {seq}: {what}: restore a backup")]
    Damaged {
        /// The first bad event.
        seq: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A later term has begun: this coordinator may write no more.
    #[error("term {ours} is over: term {current} has begun")]
    TermOver {
        /// The term of the caller.
        ours: u64,
        /// The term in force.
        current: u64,
    },
    /// The file was written by a newer build.
    #[error("the store has schema {found}, this build knows {known}: use the newer build")]
    NewerSchema {
        /// In the file.
        found: i64,
        /// In this build.
        known: i64,
    },
    /// Anything else the database said.
    #[error("the database said: {0}")]
    Database(String),
    /// The writer is gone; the store was closed.
    #[error("the store is closed")]
    Closed,
}

/// How the answer to a stored delivery is given: once, after the sync, on the writer's thread.
pub type PutAnswer = Box<dyn FnOnce(Result<Put, StoreError>) + Send>;

/// The store. Calls block until done, except [`Store::put_delivery`].
pub trait Store: Send + Sync + 'static {
    /// Begins a new term and returns it: one more than any before.
    fn begin_term(&self) -> Result<u64, StoreError>;
    /// Appends events under a term, all or none; returns the last one's place.
    fn append(&self, term: u64, at_ms: i64, events: Vec<NewEvent>) -> Result<u64, StoreError>;
    /// Up to `limit` events after `seq`, in order.
    fn read_after(&self, seq: u64, limit: usize) -> Result<Vec<StoredEvent>, StoreError>;
    /// Keeps a snapshot of the state as of event `seq`, instead of any before.
    fn save_snapshot(&self, seq: u64, body: String) -> Result<(), StoreError>;
    /// The kept snapshot: place and body.
    fn snapshot(&self) -> Result<Option<(u64, String)>, StoreError>;
    /// Keeps a delivery; answers through `answer` once it is on disk.
    fn put_delivery(&self, delivery: NewDelivery, answer: PutAnswer);
    /// Deliveries whose issue was not read again yet, oldest first.
    fn pending_deliveries(&self) -> Result<Vec<PendingDelivery>, StoreError>;
    /// Notes that the issues of these deliveries were read again; their payloads are of no use any more.
    fn mark_deliveries(&self, keys: Vec<String>) -> Result<(), StoreError>;
    /// Keeps a gate report by tree and gate-set digest.
    fn put_report(&self, tree: &str, gate_set: &str, body: String) -> Result<(), StoreError>;
    /// The kept report, if there is one.
    fn report(&self, tree: &str, gate_set: &str) -> Result<Option<String>, StoreError>;
    /// Checks integrity and the chain of hashes.
    fn verify(&self) -> Result<Verified, StoreError>;
}
