//! The script: what the scripted agent does in which turn.
//!
//! Owns the JSON form and its checks. Promises that a script which loads can be played; its errors name the
//! place. A step is an object with one key; where a step has one field that matters, that field's value alone
//! will do: `{"run":"cargo fmt"}` is `{"run":{"command":"cargo fmt"}}`, and `"compact"` is `{"compact":{}}`.

use std::path::Path;

use regex::Regex;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value, json};

use super::header::Header;

/// A whole script.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Script {
    #[serde(default = "default_window")]
    pub(super) window: u64,
    /// Vendor ids offered as the session's model option; empty: none is offered.
    #[serde(default)]
    pub(super) models: Vec<String>,
    pub(super) turns: Vec<Turn>,
}

fn default_window() -> u64 {
    200_000
}

/// What is done in a turn that matches.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Turn {
    #[serde(default, rename = "match")]
    pub(super) when: When,
    /// How many turns this entry may serve.
    #[serde(default = "once")]
    pub(super) times: u32,
    #[serde(default)]
    pub(super) steps: Vec<Step>,
    #[serde(default)]
    pub(super) end: Ending,
    #[serde(default)]
    pub(super) error: Option<ErrorEnd>,
}

fn once() -> u32 {
    1
}

/// Which turns an entry serves; what is absent matches anything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct When {
    pub(super) phase: Option<String>,
    pub(super) session: Option<u32>,
    pub(super) turn: Option<u32>,
    pub(super) model: Option<String>,
    pub(super) contains: Option<String>,
}

impl When {
    fn matches(&self, header: &Header, prompt: &str) -> bool {
        fn is<T: PartialEq>(wanted: &Option<T>, found: Option<&T>) -> bool {
            wanted.as_ref().is_none_or(|wanted| Some(wanted) == found)
        }
        is(&self.phase, header.phase.as_ref())
            && is(&self.session, header.session.as_ref())
            && is(&self.turn, header.turn.as_ref())
            && is(&self.model, header.model.as_ref())
            && self.contains.as_ref().is_none_or(|text| prompt.contains(text.as_str()))
    }
}

/// How a turn ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ending {
    #[default]
    EndTurn,
    MaxTokens,
    MaxTurnRequests,
    Refusal,
    Error,
}

impl Ending {
    /// The stop reason on the wire; `None` for an error.
    pub(super) fn stop_reason(self) -> Option<&'static str> {
        match self {
            Self::EndTurn => Some("end_turn"),
            Self::MaxTokens => Some("max_tokens"),
            Self::MaxTurnRequests => Some("max_turn_requests"),
            Self::Refusal => Some("refusal"),
            Self::Error => None,
        }
    }
}

/// The error that a turn ends with.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ErrorEnd {
    #[serde(default = "internal_error")]
    pub(super) code: i64,
    pub(super) message: String,
    #[serde(default)]
    pub(super) data: Option<Value>,
}

fn internal_error() -> i64 {
    -32603
}

/// One thing the agent does.
#[derive(Clone, Debug)]
pub(super) struct Step(pub(super) Act);

/// The things an agent can do.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Act {
    Say { text: String },
    Think { text: String },
    Plan { entries: Vec<PlanLine> },
    Write { path: String, content: String },
    Append { path: String, content: String },
    Delete { path: String },
    Run { command: String },
    Usage(Usage),
    Grow(Grow),
    Capture { name: String, regex: Pattern },
    SleepMs { ms: u64 },
    WaitFile { path: String },
    AskPermission { title: String },
    Tool { title: String },
    Commit { message: String },
    Stderr { text: String },
    Garbage { text: String },
    LongLine { bytes: usize },
    Detach { command: String },
    Crash { code: u8 },
    Hang(Hang),
    CloseStdout {},
    Compact {},
}

/// One line of a plan: a text alone is pending.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum PlanLine {
    Text(String),
    Entry { content: String, status: String },
}

/// One model request's use of the context.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Usage {
    /// Tokens in the context afterwards …
    #[serde(default)]
    pub(super) used: Option<u64>,
    /// … or how many more than before.
    #[serde(default)]
    pub(super) add: Option<u64>,
    /// Of them, what this request put out.
    #[serde(default)]
    pub(super) output: u64,
    #[serde(default)]
    pub(super) size: Option<u64>,
    /// Dollars of the session so far.
    #[serde(default)]
    pub(super) cost: Option<f64>,
}

/// Growth until a cancel comes, or `limit` is reached where there is one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Grow {
    pub(super) by: u64,
    pub(super) every_ms: u64,
    #[serde(default)]
    pub(super) limit: Option<u64>,
}

/// Never going on; `stubborn` also ignores cancel, a closed stdin, SIGINT and SIGTERM.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hang {
    #[serde(default)]
    pub(super) stubborn: bool,
}

/// A regular expression, compiled when the script is read.
#[derive(Clone, Debug)]
pub(super) struct Pattern(pub(super) Regex);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let regex = Regex::new(&text).map_err(D::Error::custom)?;
        if regex.captures_len() < 2 {
            return Err(D::Error::custom(format!("the pattern `{text}` has no group to capture")));
        }
        Ok(Self(regex))
    }
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let act = long_form(Value::deserialize(deserializer)?).map_err(D::Error::custom)?;
        let text = act.to_string();
        serde_json::from_value(act)
            .map(Self)
            .map_err(|error| D::Error::custom(format!("step {text}: {error}")))
    }
}

/// The long form of a step that may be written short.
fn long_form(step: Value) -> Result<Value, String> {
    let (name, value) = match step {
        Value::String(name) => (name, json!({})),
        Value::Object(fields) if fields.len() == 1 => {
            fields.into_iter().next().expect("one field was counted")
        }
        other => return Err(format!("a step is an object with exactly one key, not {other}")),
    };
    let field = match name.as_str() {
        "say" | "think" | "stderr" | "garbage" => "text",
        "plan" => "entries",
        "delete" | "wait_file" => "path",
        "run" | "detach" => "command",
        "usage" => "used",
        "sleep_ms" => "ms",
        "ask_permission" | "tool" => "title",
        "commit" => "message",
        "long_line" => "bytes",
        "crash" => "code",
        _ => "",
    };
    let value = if value.is_object() || field.is_empty() {
        value
    } else {
        Value::Object(Map::from_iter([(field.to_owned(), value)]))
    };
    Ok(Value::Object(Map::from_iter([(name, value)])))
}

impl Script {
    /// Reads a script's text. Errors name the place within it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let reader = &mut serde_json::Deserializer::from_str(text);
        let script: Self = serde_path_to_error::deserialize(reader)
            .map_err(|error| format!("at `{}`: {}", error.path(), error.inner()))?;
        for (index, turn) in script.turns.iter().enumerate() {
            if (turn.end == Ending::Error) != turn.error.is_some() {
                return Err(format!("at `turns[{index}]`: `\"end\":\"error\"` and `error` go together"));
            }
            for Step(act) in &turn.steps {
                if let Act::Usage(usage) = act
                    && usage.used.is_some() == usage.add.is_some()
                {
                    return Err(format!("at `turns[{index}]`: a usage step has either `used` or `add`"));
                }
            }
        }
        Ok(script)
    }

    /// Reads a script's file.
    pub(super) fn load(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read the script {}: {error}", path.display()))?;
        Self::parse(&text).map_err(|error| format!("the script {} is faulty {error}", path.display()))
    }

    /// The first entry that matches and is not used up; it is used once more.
    pub(super) fn take_turn(&mut self, header: &Header, prompt: &str) -> Option<Turn> {
        let turn = self.turns.iter_mut().find(|turn| turn.times > 0 && turn.when.matches(header, prompt))?;
        turn.times -= 1;
        Some(turn.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_reads_in_its_short_and_long_form() {
        let steps = r#"[
            {"say":"a"}, {"say":{"text":"a"}}, {"think":"b"}, {"plan":["x",{"content":"y","status":"completed"}]},
            {"write":{"path":"p","content":"c"}}, {"append":{"path":"p","content":"c"}}, {"delete":"p"}, {"run":"true"},
            {"usage":{"used":5,"size":9,"cost":0.1}}, {"usage":{"add":5}}, {"usage":7}, {"grow":{"by":1,"every_ms":2}},
            {"capture":{"name":"n","regex":"(a+)"}}, {"sleep_ms":3}, {"wait_file":"f"}, {"ask_permission":"t"},
            {"tool":{"title":"t"}}, {"commit":"m"}, {"stderr":"e"}, {"garbage":{"text":"g"}}, {"long_line":{"bytes":9}},
            {"detach":"sleep 9"}, {"crash":3}, {"hang":{"stubborn":true}}, "hang", {"close_stdout":{}}, "compact"]"#;
        let script = Script::parse(&format!(r#"{{"turns":[{{"steps":{steps}}}]}}"#)).unwrap();
        assert_eq!(script.turns[0].steps.len(), 27);
        assert_eq!(script.window, 200_000);
        assert_eq!(script.turns[0].end, Ending::EndTurn);
    }

    #[test]
    fn faults_are_named_with_their_place() {
        let cases = [
            (r#"{"turns":[{"steps":[{"jump":1}]}]}"#, "turns[0].steps[0]"),
            (r#"{"turns":[{"steps":[{"write":{"path":"p"}}]}]}"#, "missing field `content`"),
            (r#"{"turns":[{"steps":[{"say":"a","run":"b"}]}]}"#, "exactly one key"),
            (r#"{"turns":[{"steps":[{"usage":{"used":1,"add":1}}]}]}"#, "either `used` or `add`"),
            (r#"{"turns":[{"steps":[{"usage":{}}]}]}"#, "either `used` or `add`"),
            (r#"{"turns":[{"steps":[{"capture":{"name":"n","regex":"("}}]}]}"#, "regex parse error"),
            (r#"{"turns":[{"steps":[{"capture":{"name":"n","regex":"a"}}]}]}"#, "no group"),
            (r#"{"turns":[{"end":"error"}]}"#, "go together"),
            (r#"{"turns":[{"error":{"message":"m"}}]}"#, "go together"),
            (r#"{"turns":[{"end":"sometime"}]}"#, "turns[0].end"),
            (r#"{"turns":[],"windows":1}"#, "unknown field"),
            ("{", "EOF"),
        ];
        for (text, wanted) in cases {
            let error = Script::parse(text).unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        }
        let error = Script::load(Path::new("/nonexistent/7.json")).unwrap_err();
        assert!(error.starts_with("cannot read the script /nonexistent/7.json"), "{error}");
    }

    #[test]
    fn entries_are_taken_in_order_until_they_are_used_up() {
        let mut script = Script::parse(
            r#"{"turns":[
            {"match":{"phase":"continue","contains":"lint"},"end":"refusal"},
            {"match":{"session":2,"turn":1,"model":"small"},"end":"max_tokens"},
            {"times":2,"end":"max_turn_requests"}]}"#,
        )
        .unwrap();
        let mut take = |header: &str| {
            let prompt = format!("<!-- mosaic:{header} -->\nfix the lint");
            script.take_turn(&Header::of(&prompt), &prompt).map(|turn| turn.end.stop_reason().unwrap())
        };
        let second = "task=o/r#7 phase=continue session=2 turn=1 model=small";
        assert_eq!(take(second), Some("refusal"));
        assert_eq!(take(second), Some("max_tokens"));
        assert_eq!(take(second), Some("max_turn_requests"));
        assert_eq!(take("task=o/r#7 phase=work session=1 turn=1 model=small"), Some("max_turn_requests"));
        assert_eq!(take(second), None);
    }
}
