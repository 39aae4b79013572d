//! The exit codes: scripts rely on them.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All is well.
    Fine = 0,
    /// What was asked for failed, or a measure was missed.
    Failed = 1,
    /// The command line was wrong; told by the parser of it.
    Usage = 2,
    /// The database or the port is not to be had.
    Unavailable = 69,
    /// A supervisor gave up.
    GaveUp = 70,
    /// The disk failed.
    DiskFailed = 74,
    /// Another coordinator holds the data directory.
    Held = 75,
    /// The configuration was refused.
    ConfigurationRefused = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
