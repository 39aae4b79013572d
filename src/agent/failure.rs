//! What went wrong, in the coordinator's own classes.
//!
//! Owns the reading of an agent's error: its JSON-RPC code, the structured hints in `data`, HTTP codes, and as
//! the last resort the words of its message. Promises a class for every error; unknown ones are the agent's own
//! ([`ErrorClass::Agent`]). Never decides what follows from a class.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::clip::clip;

/// Who has to act on an error, and whether it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The operator: credentials, billing, an unknown model.
    Configuration,
    /// Nobody: rate limit, overload, network. To be tried again later.
    Infrastructure,
    /// The request did not fit into the model's context window.
    ContextOverflow,
    /// The agent itself; counts as an attempt.
    Agent,
}

/// An error that an agent reported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AgentError {
    /// Who has to act.
    pub class: ErrorClass,
    /// The agent's words, shortened.
    pub message: String,
}

/// Longest error message that is kept, in bytes.
const MESSAGE_BYTES: usize = 2_000;

impl AgentError {
    /// An error of the given class.
    pub fn new(class: ErrorClass, message: impl AsRef<str>) -> Self {
        Self { class, message: clip(message.as_ref(), MESSAGE_BYTES) }
    }

    /// Classes a JSON-RPC error by code, data and message, in that order of trust.
    pub(super) fn from_rpc(code: i64, message: &str, data: Option<&Value>) -> Self {
        let mut hints = Hints::default();
        if let Some(data) = data {
            hints.collect(data, 0);
        }
        let mut words = message.to_owned();
        for text in &hints.texts {
            if !words.contains(text.as_str()) {
                words = format!("{words}: {text}");
            }
        }
        // A provider answers an overflow with a plain 400, so its words come before its number.
        let class = if hints.names.iter().any(|name| is_overflow(name)) || is_overflow(&words) {
            ErrorClass::ContextOverflow
        } else {
            class_of_code(code)
                .or_else(|| hints.names.iter().find_map(|name| class_of_name(name)))
                .or_else(|| hints.statuses.iter().find_map(|status| class_of_status(*status)))
                .unwrap_or_else(|| class_of_words(&words))
        };
        Self::new(class, words)
    }

    /// Classes an error of which only the text is known.
    pub(super) fn from_text(text: &str) -> Self {
        let class = if is_overflow(text) { ErrorClass::ContextOverflow } else { class_of_words(text) };
        Self::new(class, text)
    }
}

/// What the `data` of an error says, wherever in it.
#[derive(Default)]
struct Hints {
    names: Vec<String>,
    statuses: Vec<i64>,
    texts: Vec<String>,
}

impl Hints {
    fn collect(&mut self, value: &Value, depth: usize) {
        if depth > 4 {
            return;
        }
        match value {
            Value::String(text) => self.texts.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| self.collect(item, depth + 1)),
            Value::Object(fields) => fields.iter().for_each(|(key, value)| self.field(key, value, depth)),
            _ => {}
        }
    }

    fn field(&mut self, key: &str, value: &Value, depth: usize) {
        match (key, value) {
            (
                "errorKind" | "errorName" | "kind" | "name" | "type" | "code" | "error" | "codexErrorInfo",
                Value::String(name),
            ) => self.names.push(name.clone()),
            (
                "statusCode" | "status" | "httpStatusCode" | "code" | "api_error_status",
                Value::Number(number),
            ) => {
                self.statuses.extend(number.as_i64());
            }
            ("message" | "details" | "detail" | "startupFailureReason", Value::String(text)) => {
                self.texts.push(text.clone());
            }
            (_, Value::Object(_) | Value::Array(_)) => self.collect(value, depth + 1),
            _ => {}
        }
    }
}

fn class_of_code(code: i64) -> Option<ErrorClass> {
    // -32000 is ACP's "authentication required"; some agents put an HTTP status there.
    if code == -32000 { Some(ErrorClass::Configuration) } else { class_of_status(code) }
}

fn class_of_status(status: i64) -> Option<ErrorClass> {
    match status {
        401..=404 => Some(ErrorClass::Configuration),
        408 | 429 | 500..=599 => Some(ErrorClass::Infrastructure),
        400..=499 => Some(ErrorClass::Agent),
        _ => None,
    }
}

/// The names that agents give to their errors, spelt without regard to case and separators.
fn class_of_name(name: &str) -> Option<ErrorClass> {
    let folded: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    Some(match folded.as_str() {
        "authenticationfailed"
        | "authenticationerror"
        | "authrequired"
        | "unauthorized"
        | "permissionerror"
        | "billingerror"
        | "insufficientquota"
        | "modelnotfound"
        | "notfounderror"
        | "providerautherror"
        | "providermodelnotfounderror"
        | "invalidapikey" => ErrorClass::Configuration,
        "ratelimit"
        | "ratelimiterror"
        | "ratelimitexceeded"
        | "overloaded"
        | "overloadederror"
        | "serveroverloaded"
        | "servererror"
        | "internalservererror"
        | "usagelimitexceeded"
        | "httpconnectionfailed"
        | "timeouterror"
        | "apierrortimeout" => ErrorClass::Infrastructure,
        _ => return None,
    })
}

fn is_overflow(text: &str) -> bool {
    static OVERFLOW: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(concat!(
            r"(?i)prompt[ _]is[ _]too[ _]long|prompt_too_long|context[ _-]?(?:window|length)[ _-]?exceeded",
            r"|context ?overflow|exceeds? (?:the |this )?(?:model'?s? )?(?:maximum )?context",
            r"|maximum context length|input is too long|blocking_limit|exceeds the maximum number of tokens"
        ))
        .expect("the pattern is constant and valid")
    });
    OVERFLOW.is_match(text)
}

fn class_of_words(text: &str) -> ErrorClass {
    static STATUS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?i)\b(?:api error|http|status|status ?code|error code)\b\D{0,12}\b([45]\d\d)\b")
            .expect("the pattern is constant and valid")
    });
    static CONFIGURATION: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(concat!(
            r"(?i)unauthori[sz]ed|authenticat|invalid (?:x-)?api[ -]?key|incorrect api key|api key not valid",
            r"|missing environment variable|not logged in|please log ?in|credit balance|billing|insufficient.quota",
            r"|model[ _]not[ _]found|unknown model|invalid model|model .{0,80}(?:does not exist|not supported|not found)",
            r"|bypass_root|permission_error"
        ))
        .expect("the pattern is constant and valid")
    });
    static INFRASTRUCTURE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(concat!(
            r"(?i)rate.?limit|too many requests|usage limit|overloaded|server error|bad gateway|service unavailable",
            r"|gateway time-?out|temporarily unavailable|econn(?:refused|reset|aborted)|enotfound|etimedout|eai_again",
            r"|connection (?:refused|reset|error|closed|timed out)|socket hang up|fetch failed|network|timed? ?out",
            r"|dns|stream (?:closed|disconnected|error)"
        ))
        .expect("the pattern is constant and valid")
    });
    let status = STATUS.captures(text).and_then(|found| found[1].parse().ok()).and_then(class_of_status);
    if let Some(class) = status.filter(|class| *class != ErrorClass::Agent) {
        return class;
    }
    if CONFIGURATION.is_match(text) {
        ErrorClass::Configuration
    } else if INFRASTRUCTURE.is_match(text) {
        ErrorClass::Infrastructure
    } else {
        ErrorClass::Agent
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn class(code: i64, message: &str, data: Value) -> ErrorClass {
        AgentError::from_rpc(code, message, Some(&data)).class
    }

    #[test]
    fn errors_as_the_real_agents_report_them_get_their_class() {
        use ErrorClass::{Agent, Configuration, ContextOverflow, Infrastructure};
        let cases = [
            (-32000, "Authentication required", json!(null), Configuration),
            (401, "API key not valid", json!(null), Configuration),
            (400, "The input exceeds the maximum number of tokens", json!(null), ContextOverflow),
            (400, "malformed tool schema", json!(null), Agent),
            (-32603, "Internal error", json!({"errorKind":"rate_limit"}), Infrastructure),
            (-32603, "Internal error", json!({"errorKind":"overloaded"}), Infrastructure),
            (-32603, "Internal error", json!({"errorKind":"billing_error"}), Configuration),
            (-32603, "Internal error", json!({"errorKind":"model_not_found"}), Configuration),
            (
                -32603,
                "Internal error: Prompt is too long",
                json!({"errorKind":"invalid_request"}),
                ContextOverflow,
            ),
            (-32603, "Internal error", json!({"errorKind":"invalid_request"}), Agent),
            (-32603, "Internal error", json!({"startupFailureReason":"bypass_root"}), Configuration),
            (-32603, "Internal error", json!({"errorName":"ContextOverflowError"}), ContextOverflow),
            (
                -32603,
                "Internal error",
                json!({"errorName":"APIError","data":{"statusCode":401}}),
                Configuration,
            ),
            (
                -32603,
                "Internal error",
                json!({"errorName":"APIError","data":{"statusCode":429}}),
                Infrastructure,
            ),
            (
                -32603,
                "Internal error",
                json!({"codexErrorInfo":{"httpConnectionFailed":{"httpStatusCode":502}}}),
                Infrastructure,
            ),
            (-32603, "Internal error", json!({"codexErrorInfo":"contextWindowExceeded"}), ContextOverflow),
            (-32603, "unexpected status 529: Overloaded", json!(null), Infrastructure),
            (-32603, "API Error: 401 invalid x-api-key", json!(null), Configuration),
            (-32603, "model `nonsuch` does not exist", json!(null), Configuration),
            (-32603, "fetch failed", json!({"details":"connect ECONNREFUSED 127.0.0.1:1"}), Infrastructure),
            (-32603, "the tool panicked", json!("no idea"), Agent),
        ];
        for (code, message, data, wanted) in cases {
            assert_eq!(class(code, message, data.clone()), wanted, "{code} {message} {data}");
        }
    }

    #[test]
    fn a_bare_text_is_classed_by_its_words() {
        let overflow = r#"{"error":{"message":"Your input exceeds the context window of this model."}}"#;
        assert_eq!(AgentError::from_text(overflow).class, ErrorClass::ContextOverflow);
        assert_eq!(AgentError::from_text("Rate limit reached").class, ErrorClass::Infrastructure);
        assert_eq!(AgentError::from_text("index 404 out of range").class, ErrorClass::Agent);
    }

    #[test]
    fn details_are_added_to_the_message_once_and_long_ones_are_cut() {
        let data = json!({"details":"the disk is full","message":"Internal error"});
        let error = AgentError::from_rpc(-32603, "Internal error", Some(&data));
        assert_eq!(error.message, "Internal error: the disk is full");
        let long = AgentError::new(ErrorClass::Agent, "ä".repeat(2_000));
        assert!(long.message.len() <= MESSAGE_BYTES && long.message.ends_with('…'));
    }

    #[test]
    fn deep_data_is_not_followed_for_ever() {
        let deep = (0..50).fold(json!({"errorKind":"rate_limit"}), |inner, _| json!({ "inner": inner }));
        assert_eq!(class(-32603, "x", deep), ErrorClass::Agent);
    }
}
