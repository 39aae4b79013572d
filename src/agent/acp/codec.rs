//! JSON-RPC 2.0, one message a line.
//!
//! Owns the frame: which of request, notification and response a line is, and how ours are written. Promises
//! that no line is an error: what is no message is [`Incoming::Noise`]. Never knows a method.

use serde::Deserialize;
use serde_json::{Value, json};

/// JSON-RPC's "method not found".
pub(super) const METHOD_NOT_FOUND: i64 = -32601;

/// One line from the agent.
#[derive(Debug, PartialEq)]
pub(super) enum Incoming {
    Request {
        id: Value,
        method: String,
        params: Value,
    },
    Notification {
        method: String,
        params: Value,
    },
    Response {
        id: u64,
        outcome: Result<Value, RpcError>,
    },
    /// No message of the protocol, or a response to nothing we asked.
    Noise,
}

/// A JSON-RPC error object.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct RpcError {
    #[serde(default)]
    pub(super) code: i64,
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) data: Option<Value>,
}

#[derive(Deserialize)]
struct Frame {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    params: Value,
    // A present `null` is an answer, so presence is kept apart from the value.
    #[serde(default, deserialize_with = "present")]
    result: Option<Value>,
    #[serde(default)]
    error: Option<RpcError>,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Reads one line.
pub(super) fn decode(line: &str) -> Incoming {
    // A struct would also read a JSON array, by position.
    if !line.trim_start().starts_with('{') {
        return Incoming::Noise;
    }
    let Ok(frame) = serde_json::from_str::<Frame>(line) else { return Incoming::Noise };
    match frame {
        Frame { method: Some(method), id: Value::Null, params, .. } => {
            Incoming::Notification { method, params }
        }
        Frame { method: Some(method), id, params, .. } => Incoming::Request { id, method, params },
        Frame { id, error: Some(error), .. } => response(&id, Err(error)),
        Frame { id, result: Some(result), .. } => response(&id, Ok(result)),
        _ => Incoming::Noise,
    }
}

fn response(id: &Value, outcome: Result<Value, RpcError>) -> Incoming {
    // Some agents give a number back as text.
    match id.as_u64().or_else(|| id.as_str()?.parse().ok()) {
        Some(id) => Incoming::Response { id, outcome },
        None => Incoming::Noise,
    }
}

/// A request of ours, as a line without its end.
pub(super) fn request(id: u64, method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
}

/// A notification of ours.
pub(super) fn notification(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string()
}

/// Our answer to the agent's request `id`.
pub(super) fn answer(id: &Value, result: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string()
}

/// Our refusal of the agent's request `id`.
pub(super) fn refusal(id: &Value, code: i64, message: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_four_shapes_are_told_apart() {
        assert_eq!(
            decode(r#"{"jsonrpc":"2.0","id":"a","method":"fs/read","params":{"p":1}}"#),
            Incoming::Request { id: json!("a"), method: "fs/read".into(), params: json!({"p":1}) }
        );
        assert_eq!(
            decode(r#"{"method":"session/update"}"#),
            Incoming::Notification { method: "session/update".into(), params: Value::Null }
        );
        assert_eq!(
            decode(r#" {"id":3,"result":null}"#),
            Incoming::Response { id: 3, outcome: Ok(Value::Null) }
        );
        let error = RpcError { code: -32000, message: "auth".into(), data: None };
        assert_eq!(
            decode(r#"{"id":"4","error":{"code":-32000,"message":"auth"}}"#),
            Incoming::Response { id: 4, outcome: Err(error) }
        );
    }

    #[test]
    fn what_is_no_message_is_noise() {
        let lines = [
            "",
            "npm WARN old",
            "[]",
            "[{}]",
            "null",
            r#""x""#,
            "{}",
            r#"{"id":1}"#,
            r#"{"id":null,"result":1}"#,
            r#"{"id":{},"result":1}"#,
            r#"{"method":7}"#,
            r#"{"id":1,"result":"#,
        ];
        for line in lines {
            assert_eq!(decode(line), Incoming::Noise, "{line}");
        }
    }

    #[test]
    fn what_we_write_reads_back() {
        let line = request(7, "session/prompt", &json!({"text":"a\nb"}));
        assert!(!line.contains('\n'));
        assert_eq!(
            decode(&line),
            Incoming::Request {
                id: json!(7),
                method: "session/prompt".into(),
                params: json!({"text":"a\nb"})
            }
        );
        assert!(
            matches!(decode(&notification("m", &json!({}))), Incoming::Notification { method, .. } if method == "m")
        );
        assert_eq!(
            decode(&answer(&json!(1), &json!(2))),
            Incoming::Response { id: 1, outcome: Ok(json!(2)) }
        );
        let refused = decode(&refusal(&json!(1), METHOD_NOT_FOUND, "no"));
        assert!(matches!(refused, Incoming::Response { outcome: Err(e), .. } if e.code == METHOD_NOT_FOUND));
    }

    proptest! {
        #[test]
        fn no_line_panics(line in "\\PC*") {
            let _ = decode(&line);
        }

        #[test]
        fn any_text_survives_the_frame_on_one_line(text in any::<String>()) {
            let line = request(1, "m", &json!({ "t": text }));
            prop_assert!(!line.contains('\n'));
            let Incoming::Request { params, .. } = decode(&line) else { panic!("no request: {line}") };
            prop_assert_eq!(params["t"].as_str(), Some(text.as_str()));
        }
    }
}
