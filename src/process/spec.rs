//! What to start, how to stop it and how it ended.
//!
//! Owns the plain values of this module's interface. Promises that no value of an environment shows in `Debug`.
//! Never does I/O.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A process tree to start.
#[derive(Clone, PartialEq, Eq)]
pub struct Spec {
    /// Whose tree it is, for `ps` and logs (an argument of the keeper, so nothing secret).
    pub label: String,
    /// A bare name, looked up in the `PATH` of `env`; with a slash, a path relative to `cwd`.
    pub program: String,
    /// The program's arguments, without its own name.
    pub args: Vec<String>,
    /// The program's working directory.
    pub cwd: PathBuf,
    /// The program's whole environment; nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// What the program finds on its standard input.
    pub stdin: StdinMode,
    /// A file that is locked as long as the tree lives, so that two trees never share what it stands for.
    pub lock: Option<PathBuf>,
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spec")
            .field("label", &self.label)
            .field("program", &self.program)
            .field("args", &self.args.len())
            .field("cwd", &self.cwd)
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("stdin", &self.stdin)
            .field("lock", &self.lock)
            .finish()
    }
}

/// What a payload finds on its standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StdinMode {
    /// A pipe whose other end is `Kept::stdin`.
    Piped,
    /// `/dev/null`.
    Empty,
}

/// How long each step of a stop may take before the next, harder one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ladder {
    /// From SIGINT to SIGTERM.
    pub interrupt_for: Duration,
    /// From SIGTERM to the kill of the whole tree.
    pub terminate_for: Duration,
}

/// How a tree ended. Both `code` and `signal` are absent when its keeper was lost and nobody saw the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// The leader's exit code.
    pub code: Option<i32>,
    /// The signal that ended the leader.
    pub signal: Option<i32>,
    /// How many processes besides the leader had to be killed.
    pub leftovers: u32,
}

impl Exit {
    /// Whether the leader ended by itself with code 0.
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_environment_and_arguments_stay_out_of_debug() {
        let spec = Spec {
            label: "agent:a/b#1".to_owned(),
            program: "agent".to_owned(),
            args: vec!["--key=canary-argument".to_owned()],
            cwd: PathBuf::from("/work"),
            env: BTreeMap::from([("TOKEN".to_owned(), "canary-value".to_owned())]),
            stdin: StdinMode::Empty,
            lock: None,
        };

        let shown = format!("{spec:?}");

        assert!(shown.contains("TOKEN") && shown.contains("agent:a/b#1"), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn only_code_zero_is_success() {
        let exit = |code, signal| Exit { code, signal, leftovers: 0 };
        assert!(exit(Some(0), None).is_success());
        assert!(!exit(Some(1), None).is_success());
        assert!(!exit(None, Some(9)).is_success());
        assert!(!exit(None, None).is_success());
    }
}
