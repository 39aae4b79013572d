//! The shapes of the Agent Client Protocol that we read, and those that we send.
//!
//! Owns tolerant types: unknown fields and variants are ignored, absent ones have defaults. Never judges what
//! they mean; see `updates` and `session`.

use serde::Deserialize;
use serde_json::{Value, json};

/// The protocol version that we speak.
pub(super) const PROTOCOL_VERSION: u64 = 1;

/// Parameters of `initialize`: no file system, no terminal, and word of every compaction.
pub(super) fn initialize() -> Value {
    json!({
        "protocolVersion": PROTOCOL_VERSION,
        "clientInfo": {
            "name": "mosaic-coordinator",
            "title": "Mosaic Coordinator",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "clientCapabilities": {
            "fs": { "readTextFile": false, "writeTextFile": false },
            "terminal": false,
            "session": { "compaction": {} },
        },
    })
}

/// Parameters of `session/prompt` with one text.
pub(super) fn prompt(session_id: &str, text: &str) -> Value {
    json!({ "sessionId": session_id, "prompt": [{ "type": "text", "text": text }] })
}

/// Answer to `initialize`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Initialized {
    pub(super) protocol_version: Option<Value>,
}

/// Answer to `session/new`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct NewSession {
    pub(super) session_id: String,
    pub(super) config_options: Option<Value>,
    pub(super) models: Option<Value>,
}

/// How the wanted model is set in a session that offers a choice.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ModelChoice {
    /// Nothing to do: there is no choice, or it stands as wanted already.
    None,
    /// The agent offers models, and the wanted one is not among them.
    NotOffered(Vec<String>),
    /// `method` with these parameters sets it.
    Set { method: &'static str, params: Value },
}

impl NewSession {
    /// Finds the call that sets `model_id`; config options come before the older `models`.
    pub(super) fn model_choice(&self, model_id: &str) -> ModelChoice {
        let mut offered = Vec::new();
        if let Some(option) = self.model_option() {
            let values = option_values(&option["options"]);
            if values.iter().any(|value| value == model_id) {
                if option["currentValue"].as_str() == Some(model_id) {
                    return ModelChoice::None;
                }
                let params =
                    json!({ "sessionId": self.session_id, "configId": option["id"], "value": model_id });
                return ModelChoice::Set { method: "session/set_config_option", params };
            }
            offered.extend(values);
        }
        let models = self.models.as_ref().unwrap_or(&Value::Null);
        let ids: Vec<String> = models["availableModels"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|model| model["modelId"].as_str().map(str::to_owned))
            .collect();
        if ids.iter().any(|id| id == model_id) {
            if models["currentModelId"].as_str() == Some(model_id) {
                return ModelChoice::None;
            }
            let params = json!({ "sessionId": self.session_id, "modelId": model_id });
            return ModelChoice::Set { method: "session/set_model", params };
        }
        offered.extend(ids);
        if offered.is_empty() { ModelChoice::None } else { ModelChoice::NotOffered(offered) }
    }

    fn model_option(&self) -> Option<&Value> {
        let options = self.config_options.as_ref()?.as_array()?;
        options
            .iter()
            .find(|option| option["category"] == "model")
            .or_else(|| options.iter().find(|option| option["id"] == "model"))
    }
}

/// The values of a select option, whose choices may be grouped.
fn option_values(choices: &Value) -> Vec<String> {
    let mut values = Vec::new();
    for choice in choices.as_array().into_iter().flatten() {
        match choice["value"].as_str() {
            Some(value) => values.push(value.to_owned()),
            None => values.extend(option_values(&choice["options"])),
        }
    }
    values
}

/// Parameters of `session/update`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionUpdate {
    #[serde(default)]
    pub(super) session_id: Option<String>,
    pub(super) update: Told,
}

/// What a session tells while it works.
#[derive(Debug, Deserialize)]
#[serde(tag = "sessionUpdate", rename_all = "snake_case")]
pub(super) enum Told {
    AgentMessageChunk {
        content: Content,
        #[serde(default, rename = "messageId")]
        message_id: Option<String>,
    },
    ToolCall(ToolCall),
    ToolCallUpdate(ToolCall),
    Plan {
        #[serde(default)]
        entries: Vec<PlanEntry>,
    },
    UsageUpdate {
        used: Value,
        #[serde(default)]
        size: Value,
        #[serde(default)]
        cost: Value,
    },
    CompactionUpdate {
        #[serde(default)]
        status: String,
    },
    SessionInfoUpdate {
        #[serde(default, rename = "_meta")]
        meta: Value,
    },
    #[serde(other)]
    Other,
}

/// A block of content; only text is of interest.
#[derive(Debug, Deserialize)]
pub(super) struct Content {
    #[serde(default)]
    pub(super) text: String,
}

/// A tool call, or what changed of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolCall {
    pub(super) tool_call_id: String,
    #[serde(default)]
    pub(super) title: Option<String>,
    #[serde(default)]
    pub(super) status: Option<String>,
}

/// One line of an agent's plan.
#[derive(Debug, Deserialize)]
pub(super) struct PlanEntry {
    pub(super) content: String,
    #[serde(default)]
    pub(super) status: String,
}

/// Parameters of `session/request_permission`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PermissionRequest {
    pub(super) tool_call: Value,
    pub(super) options: Vec<PermissionOption>,
}

/// One possible answer to a permission request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PermissionOption {
    pub(super) option_id: String,
    pub(super) kind: String,
}

/// Answer to `session/prompt`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Prompted {
    pub(super) stop_reason: String,
    pub(super) usage: Value,
    #[serde(rename = "_meta")]
    pub(super) meta: Value,
}

/// A count of tokens, whatever number it was written as.
pub(super) fn tokens(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().filter(|n| *n >= 0.0).map(|n| n as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_session(text: &str) -> NewSession {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_model_option_is_found_by_category_then_by_id_also_in_groups() {
        let grouped = new_session(
            r#"{"sessionId":"s","configOptions":[{"id":"model","options":[]},
                {"id":"llm","category":"model","currentValue":"a","options":[{"group":"g","options":[{"value":"a"},{"value":"b"}]}]}]}"#,
        );
        let wanted = json!({"sessionId":"s","configId":"llm","value":"b"});
        assert_eq!(
            grouped.model_choice("b"),
            ModelChoice::Set { method: "session/set_config_option", params: wanted }
        );
        assert_eq!(grouped.model_choice("a"), ModelChoice::None);
        assert_eq!(grouped.model_choice("z"), ModelChoice::NotOffered(vec!["a".into(), "b".into()]));
    }

    #[test]
    fn the_older_model_list_serves_where_no_option_has_the_model() {
        let both = new_session(
            r#"{"sessionId":"s","configOptions":[{"id":"model","options":[{"value":"gpt"}]}],
                "models":{"availableModels":[{"modelId":"gpt[low]"},{"modelId":"gpt[high]"}],"currentModelId":"gpt[low]"}}"#,
        );
        let wanted = json!({"sessionId":"s","modelId":"gpt[high]"});
        assert_eq!(
            both.model_choice("gpt[high]"),
            ModelChoice::Set { method: "session/set_model", params: wanted }
        );
        assert_eq!(both.model_choice("gpt[low]"), ModelChoice::None);
    }

    #[test]
    fn an_agent_without_a_choice_needs_no_call() {
        assert_eq!(
            new_session(r#"{"sessionId":"s","configOptions":null}"#).model_choice("m"),
            ModelChoice::None
        );
    }

    #[test]
    fn unknown_variants_and_fields_are_ignored() {
        let update: SessionUpdate =
            serde_json::from_str(r#"{"update":{"sessionUpdate":"of_next_year","x":1},"y":2}"#).unwrap();
        assert!(matches!(update.update, Told::Other) && update.session_id.is_none());
    }

    #[test]
    fn token_counts_may_be_written_as_floats() {
        assert_eq!(tokens(&json!(12)), Some(12));
        assert_eq!(tokens(&json!(12.0)), Some(12));
        assert_eq!(tokens(&json!(-1)), None);
        assert_eq!(tokens(&json!("12")), None);
    }
}
