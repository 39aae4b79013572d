//! The transcript of a session: every raw line, as it came and went.
//!
//! Owns one file, readable by its owner alone: `>>> ` sent, `<<< ` received, `!!! ` standard error. Promises a
//! bounded size, and that a full disk costs the transcript and nothing else.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Mutex, PoisonError},
};

use super::clip::head;

/// Longest line that is written whole, in bytes.
const LINE_BYTES: usize = 1024 * 1024;

/// Most that one file may hold, in bytes.
const FILE_BYTES: u64 = 64 * 1024 * 1024;

/// Which way a line went.
#[derive(Clone, Copy)]
pub(super) enum Direction {
    Sent,
    Received,
    Stderr,
}

/// An open transcript.
pub(super) struct Transcript {
    // None once it is full or failed.
    file: Mutex<Option<Room>>,
}

struct Room {
    file: File,
    left_bytes: u64,
}

impl Transcript {
    /// Opens or continues the file at `path`.
    pub(super) fn append_to(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let left_bytes = FILE_BYTES.saturating_sub(file.metadata()?.len());
        Ok(Self { file: Mutex::new(Some(Room { file, left_bytes })) })
    }

    /// Writes one line; a long one is cut.
    pub(super) fn record(&self, direction: Direction, line: &str) {
        let mark = match direction {
            Direction::Sent => ">>>",
            Direction::Received => "<<<",
            Direction::Stderr => "!!!",
        };
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(room) = file.as_mut() else { return };
        let text = if line.len() > LINE_BYTES {
            format!("{mark} {}… ({} bytes)\n", head(line, LINE_BYTES), line.len())
        } else {
            format!("{mark} {line}\n")
        };
        if text.len() as u64 > room.left_bytes {
            // The transcript is an aid: what does not fit any more is not worth an error.
            let _ = room.file.write_all(b"--- the transcript is full\n");
            *file = None;
            return;
        }
        room.left_bytes -= text.len() as u64;
        if let Err(error) = room.file.write_all(text.as_bytes()) {
            tracing::warn!(%error, "transcript cannot be written and ends here");
            *file = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn lines_are_marked_by_their_way_and_appended_for_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.jsonl");
        let first = Transcript::append_to(&path).unwrap();
        first.record(Direction::Sent, "{}");
        first.record(Direction::Received, "[]");
        Transcript::append_to(&path).unwrap().record(Direction::Stderr, "oh");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), ">>> {}\n<<< []\n!!! oh\n");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn size_is_bounded_by_line_and_by_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.jsonl");
        let transcript = Transcript::append_to(&path).unwrap();
        let long = "ä".repeat(LINE_BYTES);
        for _ in 0..70 {
            transcript.record(Direction::Received, &long);
        }
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(written.len() as u64 <= FILE_BYTES + 100, "{}", written.len());
        assert!(written.ends_with("--- the transcript is full\n"));
        assert!(written.lines().next().unwrap().ends_with(&format!("… ({} bytes)", long.len())));
    }

    #[test]
    fn a_full_disk_ends_the_transcript_quietly() {
        let transcript = Transcript::append_to(Path::new("/dev/full")).unwrap();
        transcript.record(Direction::Sent, "{}");
        transcript.record(Direction::Sent, "{}");
        assert!(transcript.file.lock().unwrap().is_none());
        assert!(Transcript::append_to(Path::new("/nonexistent/t.jsonl")).is_err());
    }
}
