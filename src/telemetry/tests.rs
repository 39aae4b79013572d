use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing_subscriber::fmt::writer::MutexGuardWriter;

use super::*;

/// Where the lines of a test go.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = MutexGuardWriter<'a, Vec<u8>>;

    fn make_writer(&'a self) -> Self::Writer {
        self.0.make_writer()
    }
}

fn logged(format: LogFormat, level: Level, is_terminal: bool, log: impl FnOnce()) -> String {
    let lines = Lines::default();
    tracing::subscriber::with_default(subscriber(format, level, is_terminal, lines.clone()), log);
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn issue() -> IssueRef {
    "acme/app#7".parse().unwrap()
}

#[test]
fn a_json_line_is_flat_and_holds_the_fields_of_its_spans() {
    let text = logged(LogFormat::Json, Level::ERROR, false, || {
        let task = task_span(&issue(), Generation(2), Some(SessionNo(3))).entered();
        let turn = tracing::error_span!("turn", turn = 1, session = 4).entered();
        let cause = io::Error::other("gone");
        tracing::error!(turn = 2, late = true, share = 0.5, delta = -1_i64, name = "x", %cause, "it \"broke\"");
        drop((turn, task));
        tracing::error!("outside");
    });
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut first = lines[0].clone();
    let timestamp = first.as_object_mut().unwrap().remove("timestamp").unwrap();
    timestamp.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let expected = serde_json::json!({
        "level": "error", "target": "mosaic_coordinator::telemetry::tests", "message": "it \"broke\"",
        "task": "acme/app#7", "generation": 2, "session": 4, "turn": 2,
        "late": true, "share": 0.5, "delta": -1, "name": "x", "cause": "gone",
    });
    assert_eq!(first, expected);
    assert_eq!((lines.len(), &lines[1]["message"], &lines[1]["task"]), (2, &"outside".into(), &Value::Null));
}

#[test]
fn a_text_line_holds_the_fields_of_its_spans_and_colours_a_terminal_only() {
    let line = |is_terminal| {
        logged(LogFormat::Text, Level::INFO, is_terminal, || {
            task_span(&issue(), Generation(1), None).in_scope(|| tracing::info!(turn = 1, "begun"));
        })
    };
    let plain = line(false);
    assert!(plain.contains("task=acme/app#7 generation=1}") && plain.contains("begun turn=1"), "{plain}");
    assert!(!plain.contains('\u{1b}') && !plain.contains("session"), "{plain}");
    assert!(line(true).contains("begun"));
}

#[test]
fn the_level_holds_for_our_lines_and_others_stop_at_info() {
    let told = |level| {
        let text = logged(LogFormat::Json, level, false, || {
            tracing::debug!("our debug");
            tracing::info!("our info");
            tracing::warn!("our warning");
            tracing::debug!(target: "hyper", "their debug");
            tracing::info!(target: "hyper", "their info");
        });
        let message =
            |line: &str| serde_json::from_str::<Value>(line).unwrap()["message"].as_str().unwrap().to_owned();
        text.lines().map(message).collect::<Vec<_>>()
    };
    assert_eq!(told(Level::DEBUG), ["our debug", "our info", "our warning", "their info"]);
    assert_eq!(told(Level::INFO), ["our info", "our warning", "their info"]);
    assert_eq!(told(Level::WARN), ["our warning"]);
}

#[test]
fn no_secret_reaches_the_log_in_either_format() {
    redact::add_secret("t0p-\"secret\"-of-the-log");
    for format in [LogFormat::Json, LogFormat::Text] {
        let text = logged(format, Level::INFO, false, || {
            let span = tracing::error_span!("call", header = "Bearer t0p-\"secret\"-of-the-log").entered();
            let url = "http://forge/?token=t0p-%22secret%22-of-the-log";
            tracing::info!(value = ?"t0p-\"secret\"-of-the-log", url, "said t0p-\"secret\"-of-the-log");
            drop(span);
        });
        assert!(text.matches("[redacted]").count() >= 3, "{text}");
        assert!(
            !text.contains("secret\\\"-of") && !text.contains("secret\"-of") && !text.contains("secret%22"),
            "{text}"
        );
    }
}

#[test]
fn logging_is_set_up_once() {
    init(LogFormat::Auto, Level::ERROR).unwrap();
    let again = init(LogFormat::Text, Level::ERROR).unwrap_err();
    assert_eq!(again.to_string(), "logging is already set up in this process; set it up once, at the start");
}
