//! Telemetry: where log lines go, what they look like, and what must never be in them.
//!
//! Owns the set-up of `tracing`: text for a terminal, JSON lines for a machine, both on standard error, both through
//! redaction. Promises that the fields of the spans around an event (`task`, `generation`, `session`) are in its line.
//! Never writes to standard output.

mod json;
pub mod redact;

use std::io::{self, IsTerminal as _};

use tracing::{Level, Span, Subscriber};
use tracing_subscriber::{
    Layer as _,
    filter::Targets,
    fmt::{self, MakeWriter, format::JsonFields},
    layer::SubscriberExt as _,
    registry::Registry,
    util::{SubscriberInitExt as _, TryInitError},
};

use crate::domain::id::{Generation, IssueRef, SessionNo};

/// What log lines look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text where standard error is a terminal, JSON lines else.
    #[default]
    Auto,
    /// Lines for a person.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("logging is already set up in this process; set it up once, at the start")]
pub struct InitError(#[from] TryInitError);

/// Sends log lines of `level` and above to standard error, for the life of the process. Other crates' lines are held
/// at `info` at the most. Errors: it was done before.
pub fn init(format: LogFormat, level: Level) -> Result<(), InitError> {
    let is_terminal = io::stderr().is_terminal();
    let format = match format {
        LogFormat::Auto if is_terminal => LogFormat::Text,
        LogFormat::Auto => LogFormat::Json,
        chosen => chosen,
    };
    Ok(subscriber(format, level, is_terminal, io::stderr).try_init()?)
}

fn subscriber<W>(
    format: LogFormat,
    level: Level,
    is_terminal: bool,
    writer: W,
) -> impl Subscriber + Send + Sync + 'static
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let levels = Targets::new().with_default(level.min(Level::INFO)).with_target("mosaic_coordinator", level);
    let lines = fmt::layer().with_writer(redact::Redacting(writer));
    let lines = match format {
        LogFormat::Json => lines.fmt_fields(JsonFields::new()).event_format(json::FlatJson).boxed(),
        LogFormat::Text | LogFormat::Auto if is_terminal => lines.boxed(),
        LogFormat::Text | LogFormat::Auto => lines.with_ansi(false).boxed(),
    };
    Registry::default().with(lines.with_filter(levels))
}

/// The span of all that is done for a task, or for one session of it.
pub fn task_span(issue: &IssueRef, generation: Generation, session: Option<SessionNo>) -> Span {
    // At the level `error`, so that no level of the log loses its fields.
    tracing::error_span!(
        "task",
        task = %issue,
        generation = generation.0,
        session = session.map(|session| session.0)
    )
}

#[cfg(test)]
mod tests;
