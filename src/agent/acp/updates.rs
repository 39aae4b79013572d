//! What an agent tells while it works, and how a turn ends, in the words of all agents.
//!
//! Owns the memory that the translation needs: tool calls, the last usage, a compaction under way, the last
//! message. Promises that nothing is told twice. Never does I/O.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    codec::RpcError,
    link::Turn,
    wire::{Content, Prompted, Told, ToolCall, tokens},
};
use crate::{
    agent::{
        AgentError, AgentEvent, ErrorClass, PlanEntry, Stop, TokenSpend, ToolStatus, TurnEnd,
        clip::{clip, head},
    },
    domain::context::UsageSample,
};

/// Longest title and longest line of a plan that is kept, in bytes.
const TITLE_BYTES: usize = 500;

/// Most lines of a plan that are kept.
const PLAN_LINES: usize = 200;

/// Tool calls remembered within a turn.
const TOOLS: usize = 1024;

/// How much of the last message is remembered, in bytes.
const MESSAGE_BYTES: usize = 4 * 1024;

/// What an update comes down to.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    Text(String),
    Event(AgentEvent),
    /// Nothing but a sign of life.
    Life,
}

/// Translates the updates of one session.
#[derive(Default)]
pub(super) struct Translator {
    tools: BTreeMap<String, (String, ToolStatus)>,
    usage: Option<UsageSample>,
    compacting: bool,
    /// The last message, or what was said since the last tool call where messages have no names.
    message: String,
    message_id: Option<String>,
    /// The agent's own state is that of a failure, whatever its stop reason says.
    system_error: bool,
}

impl Translator {
    /// Translates one update.
    pub(super) fn update(&mut self, update: Told) -> Heard {
        match update {
            Told::AgentMessageChunk { content: Content { text }, message_id } if !text.is_empty() => {
                Heard::Text(self.piece(text, message_id))
            }
            Told::ToolCall(call) | Told::ToolCallUpdate(call) => self.tool(call),
            Told::Plan { entries } => {
                let entries = entries.into_iter().take(PLAN_LINES).map(|entry| PlanEntry {
                    content: clip(&entry.content, TITLE_BYTES),
                    status: clip(&entry.status, TITLE_BYTES),
                });
                Heard::Event(AgentEvent::Plan(entries.collect()))
            }
            Told::UsageUpdate { used, size, cost } => self.usage(&used, &size, &cost),
            Told::CompactionUpdate { status } => {
                let was_compacting = std::mem::replace(&mut self.compacting, status == "in_progress");
                if status == "completed" && was_compacting {
                    Heard::Event(AgentEvent::Compacted)
                } else {
                    Heard::Life
                }
            }
            Told::SessionInfoUpdate { meta } => {
                if let Some(status) = meta["codex"]["threadStatus"]["type"].as_str() {
                    // Idle follows a failure as well; only new work takes it back.
                    self.system_error = match status {
                        "systemError" => true,
                        "active" => false,
                        _ => self.system_error,
                    };
                }
                Heard::Life
            }
            Told::AgentMessageChunk { .. } | Told::Other => Heard::Life,
        }
    }

    /// Remembers a piece of a message; where another message begins right behind one, a blank line parts them.
    fn piece(&mut self, text: String, message_id: Option<String>) -> String {
        let is_another = message_id.is_some() && message_id != self.message_id && !self.message.is_empty();
        self.message_id = message_id;
        if is_another {
            self.message.clear();
        }
        let room = MESSAGE_BYTES.saturating_sub(self.message.len());
        self.message.push_str(head(&text, room));
        if is_another { format!("\n\n{text}") } else { text }
    }

    fn tool(&mut self, call: ToolCall) -> Heard {
        self.message.clear();
        let known = self.tools.get(&call.tool_call_id);
        let title = match (&call.title, known) {
            (Some(title), _) => clip(title, TITLE_BYTES),
            (None, Some((title, _))) => title.clone(),
            (None, None) => String::new(),
        };
        let status = match (call.status.as_deref(), known) {
            (Some("in_progress"), _) => ToolStatus::InProgress,
            (Some("completed"), _) => ToolStatus::Completed,
            (Some("failed"), _) => ToolStatus::Failed,
            (None, Some((_, status))) => *status,
            _ => ToolStatus::Pending,
        };
        let now = (title, status);
        if known == Some(&now) {
            return Heard::Life;
        }
        if self.tools.len() >= TOOLS {
            self.tools.clear();
        }
        self.tools.insert(call.tool_call_id.clone(), now.clone());
        Heard::Event(AgentEvent::ToolCall { id: clip(&call.tool_call_id, TITLE_BYTES), title: now.0, status })
    }

    fn usage(&mut self, used: &Value, size: &Value, cost: &Value) -> Heard {
        let Some(used_tokens) = tokens(used) else { return Heard::Life };
        // What is told meanwhile is the request for the summary and then a guess.
        if self.compacting {
            return Heard::Life;
        }
        let sample = UsageSample {
            used_tokens,
            reported_window_tokens: tokens(size).filter(|size| *size > 0),
            cost_usd_total: cost["amount"].as_f64().filter(|amount| amount.is_finite() && *amount >= 0.0),
        };
        if self.usage.replace(sample) == Some(sample) {
            Heard::Life
        } else {
            Heard::Event(AgentEvent::Usage(sample))
        }
    }

    /// Translates the answer to the turn's prompt.
    pub(super) fn turn_end(&mut self, turn: Turn, answer: Result<Value, RpcError>) -> TurnEnd {
        let end = match answer {
            Ok(answer) => self.answered(answer),
            // Some agents answer a cancelled prompt with an error.
            Err(_) if turn.cancelled => TurnEnd { stop: Stop::Cancelled, tokens: None },
            Err(error) => {
                let error = AgentError::from_rpc(error.code, &error.message, error.data.as_ref());
                TurnEnd { stop: Stop::Failed(error), tokens: None }
            }
        };
        self.tools.clear();
        self.compacting = false;
        self.message.clear();
        self.system_error = false;
        end
    }

    fn answered(&self, answer: Value) -> TurnEnd {
        let answer: Prompted = serde_json::from_value(answer).unwrap_or_default();
        let stop = match answer.stop_reason.as_str() {
            "end_turn" if self.system_error => Stop::Failed(self.masked_error()),
            "end_turn" => Stop::EndTurn,
            "cancelled" => Stop::Cancelled,
            "max_tokens" => Stop::MaxTokens,
            "max_turn_requests" => Stop::MaxTurnRequests,
            "refusal" => Stop::Refusal,
            other => {
                let message =
                    format!("agent ended the turn for an unknown reason `{}`", clip(other, TITLE_BYTES));
                Stop::Failed(AgentError::new(ErrorClass::Agent, message))
            }
        };
        TurnEnd { stop, tokens: spend(&answer) }
    }

    /// The failure that an agent put into its last message instead of its answer.
    fn masked_error(&self) -> AgentError {
        match self.message.trim() {
            "" => {
                AgentError::new(ErrorClass::Agent, "agent reports a system error and says nothing about it")
            }
            message => AgentError::from_text(message),
        }
    }
}

fn spend(answer: &Prompted) -> Option<TokenSpend> {
    let usage = &answer.usage;
    let spend =
        |input, output, cached_read, cached_write| TokenSpend { input, output, cached_read, cached_write };
    if let (Some(input), Some(output)) = (tokens(&usage["inputTokens"]), tokens(&usage["outputTokens"])) {
        let count = |key: &str| tokens(&usage[key]).unwrap_or(0);
        return Some(spend(input, output, count("cachedReadTokens"), count("cachedWriteTokens")));
    }
    let quota = &answer.meta["quota"]["token_count"];
    Some(spend(tokens(&quota["input_tokens"])?, tokens(&quota["output_tokens"])?, 0, 0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TURN: Turn = Turn { id: 3, cancelled: false };

    fn hear(translator: &mut Translator, update: Value) -> Heard {
        translator.update(serde_json::from_value(update).unwrap())
    }

    fn tool(id: &str, title: &str, status: ToolStatus) -> Heard {
        Heard::Event(AgentEvent::ToolCall { id: id.into(), title: title.into(), status })
    }

    #[test]
    fn a_tool_call_is_told_when_its_title_or_status_changes() {
        let mut heard = Translator::default();
        let steps = [
            (
                json!({"sessionUpdate":"tool_call","toolCallId":"t","title":"Terminal","status":"pending"}),
                tool("t", "Terminal", ToolStatus::Pending),
            ),
            (
                json!({"sessionUpdate":"tool_call_update","toolCallId":"t","title":"ls"}),
                tool("t", "ls", ToolStatus::Pending),
            ),
            (json!({"sessionUpdate":"tool_call_update","toolCallId":"t","rawInput":{}}), Heard::Life),
            (
                json!({"sessionUpdate":"tool_call_update","toolCallId":"t","status":"in_progress"}),
                tool("t", "ls", ToolStatus::InProgress),
            ),
            (
                json!({"sessionUpdate":"tool_call_update","toolCallId":"t","status":"failed"}),
                tool("t", "ls", ToolStatus::Failed),
            ),
            (
                json!({"sessionUpdate":"tool_call_update","toolCallId":"u","status":"completed"}),
                tool("u", "", ToolStatus::Completed),
            ),
            (
                json!({"sessionUpdate":"tool_call_update","toolCallId":"v","status":"odd"}),
                tool("v", "", ToolStatus::Pending),
            ),
        ];
        for (update, wanted) in steps {
            assert_eq!(hear(&mut heard, update.clone()), wanted, "{update}");
        }
        for id in 0..TOOLS * 2 {
            hear(&mut heard, json!({"sessionUpdate":"tool_call","toolCallId":id.to_string()}));
        }
        assert!(heard.tools.len() <= TOOLS);
    }

    #[test]
    fn usage_is_told_once_and_odd_numbers_stay_unknown() {
        let mut heard = Translator::default();
        let sample = |used_tokens, reported_window_tokens, cost_usd_total| {
            Heard::Event(AgentEvent::Usage(UsageSample {
                used_tokens,
                reported_window_tokens,
                cost_usd_total,
            }))
        };
        let update = json!({"sessionUpdate":"usage_update","used":10,"size":100});
        assert_eq!(hear(&mut heard, update.clone()), sample(10, Some(100), None));
        assert_eq!(hear(&mut heard, update), Heard::Life);
        let odd = json!({"sessionUpdate":"usage_update","used":11.0,"size":0,"cost":{"amount":-1}});
        assert_eq!(hear(&mut heard, odd), sample(11, None, None));
        assert_eq!(hear(&mut heard, json!({"sessionUpdate":"usage_update","used":"many"})), Heard::Life);
        let cost = json!({"sessionUpdate":"usage_update","used":11,"size":null,"cost":{"amount":0.5}});
        assert_eq!(hear(&mut heard, cost), sample(11, None, Some(0.5)));
    }

    #[test]
    fn usage_during_a_compaction_is_no_occupancy_and_the_next_turn_starts_afresh() {
        let mut heard = Translator::default();
        let usage = |used: u64| json!({"sessionUpdate":"usage_update","used":used,"size":100});
        let compaction = |status: &str| json!({"sessionUpdate":"compaction_update","status":status});
        assert_eq!(hear(&mut heard, compaction("in_progress")), Heard::Life);
        assert_eq!(hear(&mut heard, usage(90)), Heard::Life);
        assert_eq!(hear(&mut heard, compaction("completed")), Heard::Event(AgentEvent::Compacted));
        assert!(matches!(hear(&mut heard, usage(30)), Heard::Event(AgentEvent::Usage(_))));
        hear(&mut heard, compaction("in_progress"));
        assert_eq!(hear(&mut heard, compaction("failed")), Heard::Life);
        hear(&mut heard, compaction("in_progress"));
        heard.turn_end(TURN, Ok(json!({"stopReason":"end_turn"})));
        assert!(matches!(hear(&mut heard, usage(31)), Heard::Event(AgentEvent::Usage(_))));
    }

    #[test]
    fn every_stop_reason_has_its_meaning() {
        let stop =
            |reason: &str| Translator::default().turn_end(TURN, Ok(json!({ "stopReason": reason }))).stop;
        assert_eq!(stop("end_turn"), Stop::EndTurn);
        assert_eq!(stop("cancelled"), Stop::Cancelled);
        assert_eq!(stop("max_tokens"), Stop::MaxTokens);
        assert_eq!(stop("max_turn_requests"), Stop::MaxTurnRequests);
        assert_eq!(stop("refusal"), Stop::Refusal);
        assert!(matches!(stop("bored"), Stop::Failed(error) if error.message.contains("bored")));
        let no_object = Translator::default().turn_end(TURN, Ok(json!([]))).stop;
        assert!(matches!(no_object, Stop::Failed(error) if error.class == ErrorClass::Agent));
    }

    #[test]
    fn a_masked_failure_is_a_failure_unless_work_went_on() {
        let info = |status: &str| json!({"sessionUpdate":"session_info_update","_meta":{"codex":{"threadStatus":{"type":status}}}});
        let say =
            |text: &str| json!({"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":text}});
        let end = || Ok(json!({"stopReason":"end_turn","usage":null}));
        let mut heard = Translator::default();
        hear(&mut heard, info("systemError"));
        hear(&mut heard, say("maximum context length reached"));
        hear(&mut heard, info("idle"));
        let Stop::Failed(error) = heard.turn_end(TURN, end()).stop else { panic!("it was masked") };
        assert_eq!(error.class, ErrorClass::ContextOverflow);
        assert_eq!(heard.turn_end(TURN, end()).stop, Stop::EndTurn);
        hear(&mut heard, info("systemError"));
        assert!(
            matches!(heard.turn_end(TURN, end()).stop, Stop::Failed(error) if error.class == ErrorClass::Agent)
        );
        hear(&mut heard, info("systemError"));
        hear(&mut heard, info("active"));
        assert_eq!(heard.turn_end(TURN, end()).stop, Stop::EndTurn);
    }

    #[test]
    fn an_error_after_our_cancel_is_a_cancel() {
        let error = || Err(RpcError { code: -32603, message: "aborted".into(), data: None });
        let cancelled = Turn { cancelled: true, ..TURN };
        assert_eq!(Translator::default().turn_end(cancelled, error()).stop, Stop::Cancelled);
        assert!(matches!(Translator::default().turn_end(TURN, error()).stop, Stop::Failed(_)));
    }

    #[test]
    fn messages_that_follow_each_other_are_parted() {
        let mut heard = Translator::default();
        let mut say = |id: Value, text: &str| {
            let content = json!({"type":"text","text":text});
            let update = json!({"sessionUpdate":"agent_message_chunk","messageId":id,"content":content});
            match hear(&mut heard, update) {
                Heard::Text(text) => text,
                other => panic!("no text: {other:?}"),
            }
        };
        let told = [
            say(json!("a"), "one"),
            say(json!("a"), " two"),
            say(json!("b"), "BLOCKED:"),
            say(json!(null), " why"),
        ];
        assert_eq!(told.concat(), "one two\n\nBLOCKED: why");
        assert_eq!(heard.message, "BLOCKED: why");
    }

    #[test]
    fn long_plans_titles_and_messages_are_cut() {
        let mut heard = Translator::default();
        let entry = json!({"content":"x".repeat(1000),"status":"pending"});
        let plan = hear(&mut heard, json!({"sessionUpdate":"plan","entries":vec![entry; 300]}));
        let Heard::Event(AgentEvent::Plan(entries)) = plan else { panic!("no plan") };
        assert!(entries.len() == PLAN_LINES && entries[0].content.len() <= TITLE_BYTES);
        for _ in 0..3 {
            let text = "ä".repeat(MESSAGE_BYTES);
            hear(&mut heard, json!({"sessionUpdate":"agent_message_chunk","content":{"text":text}}));
        }
        assert!(heard.message.len() <= MESSAGE_BYTES);
        let image = json!({"sessionUpdate":"agent_message_chunk","content":{"type":"image","data":"…"}});
        assert_eq!(hear(&mut heard, image), Heard::Life);
    }
}
