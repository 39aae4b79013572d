//! The lock on the data file: one coordinator at a time, freed by the kernel when its process ends.

use std::{
    fs::File,
    io::{Read, Seek, Write},
    path::Path,
};

use rustix::fs::{FlockOperation, flock};

use crate::store::StoreError;

/// A held lock; dropping it frees it.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let refused =
            |error: std::io::Error| StoreError::Open { path: path.to_owned(), message: error.to_string() };
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(refused)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            // Who holds it is a courtesy: the refusal stands without it.
            let _ = file.read_to_string(&mut holder);
            return Err(StoreError::Held { path: path.to_owned(), holder: holder.trim().to_owned() });
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(refused)?;
        write!(file, "{}", std::process::id()).map_err(refused)?;
        Ok(Self { _file: file })
    }
}
