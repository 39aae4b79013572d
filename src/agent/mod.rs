//! Coding agents: starting them, talking to them, hearing what they do.
//!
//! Owns the vocabulary that is the same for every agent, whatever protocol it speaks, and the drivers that
//! translate to it. Promises that [`AgentEvent::Exited`] is the last event of every session, that a turn which
//! was begun has exactly one [`AgentEvent::TurnEnded`] before it, and that a dropped [`Session`] leaves no
//! process behind. Never decides what follows from an event, and never believes that a turn which ended did
//! its work.

mod acp;
mod clip;
mod failure;
mod outbox;
pub mod scripted;
mod session;
mod transcript;

use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr, time::Duration};

pub use failure::{AgentError, ErrorClass};
pub use session::{PromptError, Session, SessionControl};

use crate::{
    domain::context::UsageSample,
    process::{Exit, Keeper, StartError},
};

/// What a session tells, in the order in which it happened.
#[derive(Clone, Debug, PartialEq)]
pub enum AgentEvent {
    /// The session is open and takes prompts; what was heard before it opened comes earlier.
    Ready {
        /// The session's name in the agent's own books.
        provider_session: String,
    },
    /// The context after a model request.
    Usage(UsageSample),
    /// What the agent says; pieces of up to a second are gathered.
    Text(String),
    /// The agent's whole plan, replacing any earlier one.
    Plan(Vec<PlanEntry>),
    /// A tool call began or changed.
    ToolCall {
        id: String,
        title: String,
        status: ToolStatus,
    },
    /// The agent asked for a permission and was answered.
    Permission {
        title: String,
        allowed: bool,
    },
    /// A line that was no protocol; at most 200 characters of it.
    Skipped {
        preview: String,
        bytes: usize,
    },
    /// A line of standard error, shortened.
    Stderr(String),
    /// Anything else that proves life; gathered like text.
    Activity,
    /// The agent made room in its context by itself.
    Compacted,
    TurnEnded(TurnEnd),
    /// The whole process tree is gone. Always the last event.
    Exited(Exit),
}

/// One line of an agent's plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanEntry {
    pub content: String,
    /// The agent's word: `pending`, `in_progress`, `completed`, or its own.
    pub status: String,
}

/// How far a tool call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolStatus {
    Pending,
    InProgress,
    Completed,
    Failed,
}

/// How a turn ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnEnd {
    pub stop: Stop,
    /// What the turn consumed, where the agent tells it (some tell only the last request's share).
    pub tokens: Option<TokenSpend>,
}

/// Tokens billed. Cached ones are not part of `input`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenSpend {
    pub input: u64,
    pub output: u64,
    pub cached_read: u64,
    pub cached_write: u64,
}

/// Why a turn ended.
///
/// A turn during which the session ends is `Cancelled` where we closed or killed it, else `Failed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    EndTurn,
    Cancelled,
    MaxTokens,
    MaxTurnRequests,
    Refusal,
    Failed(AgentError),
}

/// The protocol that an agent is spoken to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverKind {
    /// The Agent Client Protocol on standard input and output.
    Acp,
}

impl FromStr for DriverKind {
    type Err = UnsupportedDriver;
    fn from_str(name: &str) -> Result<Self, UnsupportedDriver> {
        match name {
            "acp" => Ok(Self::Acp),
            _ => Err(UnsupportedDriver(name.to_owned())),
        }
    }
}

/// A driver's name that there is no driver for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("agent driver `{0}` is not supported: use `acp`")]
pub struct UnsupportedDriver(String);

/// Everything that a session starts from.
#[derive(Clone)]
pub struct SessionSpec {
    /// Whose session it is, for logs and `ps`.
    pub label: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The complete environment, `MOSAIC_MODEL` included; nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// The workspace.
    pub cwd: PathBuf,
    /// The vendor's name of the wanted model; set in the session where the agent offers a choice.
    pub model_id: String,
    /// A file that the process tree keeps locked as long as it lives.
    pub lock: Option<PathBuf>,
    /// A file that every raw line is appended to, both directions; its size is bounded.
    pub transcript: Option<PathBuf>,
    /// From the program's start to an open session.
    pub open_timeout: Duration,
}

impl fmt::Debug for SessionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Arguments and values may hold secrets.
        f.debug_struct("SessionSpec")
            .field("label", &self.label)
            .field("program", &self.command.first())
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("cwd", &self.cwd)
            .field("model_id", &self.model_id)
            .field("lock", &self.lock)
            .field("transcript", &self.transcript)
            .field("open_timeout", &self.open_timeout)
            .finish()
    }
}

/// Why a session did not open. No process of it is left.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The program is missing or cannot be executed.
    #[error("agent cannot be started: {0}")]
    NotStartable(String),
    /// The agent has no valid login.
    #[error("agent asks for a login: {0}")]
    AuthRequired(String),
    /// The agent answered the opening of a session with an error.
    #[error("agent refuses to open a session: {0}")]
    Refused(AgentError),
    /// The agent's answer is not the protocol that we speak.
    #[error("agent does not speak the protocol: {0}")]
    Protocol(String),
    /// No session within the time that the spec gives.
    #[error("agent did not open a session within {0:?}")]
    TimedOut(Duration),
    /// The program ended before there was a session.
    #[error("agent exited before it opened a session ({}){}", describe(exit), after_colon(last_words))]
    Exited {
        exit: Exit,
        /// Its last lines on standard error.
        last_words: String,
    },
    /// Another process tree holds the lock.
    #[error("{0}")]
    Busy(String),
    /// The machine did not do its part (no such folder, no more processes).
    #[error("{0}")]
    Host(String),
}

impl OpenError {
    /// Who has to act. `Agent` alone counts as a failed session; `Configuration` is the operator's.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NotStartable(_) | Self::AuthRequired(_) => ErrorClass::Configuration,
            Self::Refused(error) => error.class,
            Self::Protocol(_) | Self::TimedOut(_) | Self::Exited { .. } => ErrorClass::Agent,
            Self::Busy(_) | Self::Host(_) => ErrorClass::Infrastructure,
        }
    }

    /// Whether the operator has to change something before another try makes sense.
    pub fn is_configuration(&self) -> bool {
        self.class() == ErrorClass::Configuration
    }
}

impl From<StartError> for OpenError {
    fn from(error: StartError) -> Self {
        let message = error.to_string();
        match error {
            StartError::NotFound { .. } | StartError::NotExecutable { .. } => Self::NotStartable(message),
            StartError::Busy { .. } => Self::Busy(message),
            StartError::NoDirectory { .. } | StartError::Other { .. } => Self::Host(message),
        }
    }
}

/// Starts an agent and opens a session, which takes prompts when this returns.
///
/// When the future is dropped, or fails, the whole tree is killed.
pub async fn open(keeper: &Keeper, driver: DriverKind, spec: SessionSpec) -> Result<Session, OpenError> {
    match driver {
        DriverKind::Acp => acp::open(keeper, spec).await,
    }
}

/// An exit in words.
fn describe(exit: &Exit) -> String {
    match (exit.code, exit.signal) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "how is unknown".to_owned(),
    }
}

fn after_colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_operator_can_mend_is_configuration() {
        let exit = Exit { code: Some(2), signal: None, leftovers: 0 };
        let refused = |class| OpenError::Refused(AgentError::new(class, "m"));
        let cases = [
            (OpenError::NotStartable("p".into()), ErrorClass::Configuration),
            (OpenError::AuthRequired("p".into()), ErrorClass::Configuration),
            (refused(ErrorClass::Configuration), ErrorClass::Configuration),
            (refused(ErrorClass::Infrastructure), ErrorClass::Infrastructure),
            (OpenError::Protocol("p".into()), ErrorClass::Agent),
            (OpenError::TimedOut(Duration::from_secs(1)), ErrorClass::Agent),
            (OpenError::Exited { exit, last_words: String::new() }, ErrorClass::Agent),
            (OpenError::Busy("l".into()), ErrorClass::Infrastructure),
            (OpenError::Host("h".into()), ErrorClass::Infrastructure),
        ];
        for (error, class) in cases {
            assert_eq!(error.class(), class, "{error}");
            assert_eq!(error.is_configuration(), class == ErrorClass::Configuration);
        }
    }

    #[test]
    fn errors_of_the_start_keep_their_words() {
        let program = || "agent".to_owned();
        let lock = PathBuf::from("/w/lock");
        let message = || "m".to_owned();
        assert!(
            matches!(StartError::NotFound { program: program() }.into(), OpenError::NotStartable(m) if m.contains("agent"))
        );
        let not_executable = StartError::NotExecutable { program: program(), message: message() };
        assert!(matches!(not_executable.into(), OpenError::NotStartable(_)));
        assert!(matches!(StartError::Busy { lock }.into(), OpenError::Busy(m) if m.contains("/w/lock")));
        let no_folder = StartError::NoDirectory { path: PathBuf::from("/w"), message: message() };
        assert!(matches!(no_folder.into(), OpenError::Host(_)));
        assert!(matches!(
            StartError::Other { program: program(), message: message() }.into(),
            OpenError::Host(_)
        ));
    }

    #[test]
    fn an_exit_is_told_with_the_last_words() {
        let told = |code, signal, last_words: &str| {
            let exit = Exit { code, signal, leftovers: 0 };
            OpenError::Exited { exit, last_words: last_words.to_owned() }.to_string()
        };
        assert_eq!(
            told(Some(2), None, "no such file"),
            "agent exited before it opened a session (exit code 2): no such file"
        );
        assert!(told(None, Some(9), "").ends_with("(signal 9)"));
        assert!(told(None, None, "").ends_with("(how is unknown)"));
    }

    #[test]
    fn drivers_are_named_and_others_refused() {
        assert_eq!("acp".parse(), Ok(DriverKind::Acp));
        let error = "claude".parse::<DriverKind>().unwrap_err();
        assert_eq!(error.to_string(), "agent driver `claude` is not supported: use `acp`");
    }

    #[test]
    fn a_spec_keeps_values_and_arguments_to_itself() {
        let spec = SessionSpec {
            label: "agent:o/r#7".into(),
            command: vec!["agent".into(), "--key=canary".into()],
            env: BTreeMap::from([("TOKEN".into(), "canary".into())]),
            cwd: PathBuf::from("/w"),
            model_id: "m".into(),
            lock: None,
            transcript: None,
            open_timeout: Duration::from_secs(60),
        };
        let shown = format!("{spec:?}");
        assert!(
            shown.contains("TOKEN") && shown.contains("agent:o/r#7") && !shown.contains("canary"),
            "{shown}"
        );
    }
}
