//! The scripted agent's side of the protocol: session, prompts and their ends.
//!
//! Owns what lasts longer than a turn: the script, the session, the use of the context. Never plays a step; see
//! `play`.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{ExitCode, exit},
};

use serde_json::{Value, json};

use super::{
    Source,
    client::{Client, Cut},
    faulty,
    header::Header,
    script::{ErrorEnd, Script, Turn},
};

/// Name under which the model that the client set can be used in a script.
const MODEL_OPTION: &str = "model_option";

/// The only session of a process.
const SESSION_ID: &str = "scripted-1";

/// The agent.
pub(super) struct Stage {
    source: Source,
    pub(super) client: Client,
    pub(super) cwd: PathBuf,
    pub(super) window: u64,
    pub(super) used: u64,
    pub(super) cost: Option<f64>,
    pub(super) turn_spend: Option<Spend>,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) last_tool: u64,
    pub(super) last_compaction: u64,
}

/// Tokens billed in a turn.
#[derive(Clone, Copy, Default)]
pub(super) struct Spend {
    pub(super) input: u64,
    pub(super) output: u64,
}

impl Stage {
    /// An agent that has not spoken yet.
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            client: Client::connect(),
            cwd: PathBuf::from("."),
            window: 0,
            used: 0,
            cost: None,
            turn_spend: None,
            variables: BTreeMap::new(),
            last_tool: 0,
            last_compaction: 0,
        }
    }

    /// Serves until the client is gone.
    pub(super) fn run(mut self) -> ExitCode {
        while let Some((id, method, params)) = self.client.next_request() {
            if method == "session/prompt" {
                if let Err(code) = self.prompt(&id, &params) {
                    return code;
                }
            } else {
                self.serve(&id, &method, &params);
            }
        }
        ExitCode::SUCCESS
    }

    /// Answers what is no prompt.
    fn serve(&mut self, id: &Value, method: &str, params: &Value) {
        match method {
            "initialize" => self.client.answer(
                id,
                &json!({
                    "protocolVersion": 1,
                    "agentCapabilities": {},
                    "agentInfo": { "name": "scripted-agent", "version": env!("CARGO_PKG_VERSION") },
                    "authMethods": [],
                }),
            ),
            "session/new" => {
                self.cwd = params["cwd"].as_str().map_or_else(|| PathBuf::from("."), PathBuf::from);
                if let Some(first) = self.models().first().cloned() {
                    self.variables.insert(MODEL_OPTION.to_owned(), first);
                }
                let mut session = json!({ "sessionId": SESSION_ID });
                if let Some(options) = self.options() {
                    session["configOptions"] = options;
                }
                self.client.answer(id, &session);
            }
            "session/set_config_option" => {
                let value = params["value"].as_str().unwrap_or_default();
                if params["configId"] != "model" || !self.models().iter().any(|model| model == value) {
                    return self.client.refuse(id, -32602, "no such option or value");
                }
                eprintln!("scripted agent: model option set to {value}");
                self.variables.insert(MODEL_OPTION.to_owned(), value.to_owned());
                self.client.answer(id, &json!({ "configOptions": self.options() }));
            }
            _ => self.client.refuse(id, -32601, "method not found"),
        }
    }

    fn models(&self) -> &[String] {
        match &self.source {
            Source::One(script) => &script.models,
            Source::PerIssue(_) => &[],
        }
    }

    fn options(&self) -> Option<Value> {
        let models = self.models();
        let current = self.variables.get(MODEL_OPTION)?;
        let choices: Vec<Value> =
            models.iter().map(|model| json!({ "value": model, "name": model })).collect();
        Some(json!([{
            "id": "model", "name": "Model", "category": "model", "type": "select",
            "currentValue": current, "options": choices,
        }]))
    }

    /// Plays one turn. An error is the code to exit with.
    fn prompt(&mut self, id: &Value, params: &Value) -> Result<(), ExitCode> {
        let prompt = prompt_text(params);
        let header = Header::of(&prompt);
        self.client.begin_turn();
        self.turn_spend = None;
        let turn = self.script(&header).map_err(|error| faulty(&error))?.take_turn(&header, &prompt);
        let outcome = match &turn {
            Some(turn) => self.play(turn, &prompt),
            None => Err(Cut::Failed(ErrorEnd {
                code: -32603,
                message: format!("the script has no turn left for {header:?}"),
                data: None,
            })),
        };
        for (id, method, params) in std::mem::take(&mut self.client.asides) {
            self.serve(&id, &method, &params);
        }
        match outcome {
            Ok(stop_reason) => self.end(id, stop_reason),
            Err(Cut::Cancelled) => self.end(id, "cancelled"),
            Err(Cut::Closed) => return Err(ExitCode::SUCCESS),
            Err(Cut::Failed(error)) => {
                let error = json!({ "code": error.code, "message": error.message, "data": error.data });
                self.client.send(&json!({ "jsonrpc": "2.0", "id": id, "error": error }));
            }
        }
        Ok(())
    }

    fn play(&mut self, turn: &Turn, prompt: &str) -> Result<&'static str, Cut> {
        for step in &turn.steps {
            self.client.checkpoint()?;
            self.act(&step.0, prompt)?;
        }
        match (turn.end.stop_reason(), &turn.error) {
            (Some(stop_reason), _) => Ok(stop_reason),
            (None, Some(error)) => Err(Cut::Failed(error.clone())),
            (None, None) => unreachable!("a script whose end is an error has one"),
        }
    }

    fn end(&self, id: &Value, stop_reason: &str) {
        let mut result = json!({ "stopReason": stop_reason });
        if let Some(spend) = self.turn_spend {
            result["usage"] = json!({
                "inputTokens": spend.input,
                "outputTokens": spend.output,
                "totalTokens": spend.input + spend.output,
            });
        }
        self.client.answer(id, &result);
    }

    /// The script of the task; chosen by the first prompt where there is one per issue.
    fn script(&mut self, header: &Header) -> Result<&mut Script, String> {
        if let Source::PerIssue(folder) = &self.source {
            let number = header.issue_number.ok_or("the prompt's header names no issue, so no script")?;
            self.source = Source::One(Script::load(&folder.join(format!("{number}.json")))?);
        }
        let Source::One(script) = &mut self.source else { unreachable!("it was just loaded") };
        self.window = script.window;
        Ok(script)
    }

    /// Tells an update of the session.
    pub(super) fn update(&self, update: Value) {
        let params = json!({ "sessionId": SESSION_ID, "update": update });
        self.client.send(&json!({ "jsonrpc": "2.0", "method": "session/update", "params": params }));
    }

    /// Asks the client whether a tool may be used.
    pub(super) fn may(&mut self, title: &str) -> Result<bool, Cut> {
        self.last_tool += 1;
        let params = json!({
            "sessionId": SESSION_ID,
            "toolCall": { "toolCallId": format!("call-{}", self.last_tool), "title": title, "status": "pending" },
            "options": [
                { "optionId": "yes", "name": "Allow", "kind": "allow_once" },
                { "optionId": "no", "name": "Reject", "kind": "reject_once" },
            ],
        });
        let answer = self.client.ask("session/request_permission", &params)?;
        Ok(answer["outcome"]["optionId"] == "yes")
    }

    /// Ends the process as a crash would, in the middle of whatever it does.
    pub(super) fn crash(code: u8) -> ! {
        exit(code.into())
    }
}

fn prompt_text(params: &Value) -> String {
    let blocks = params["prompt"].as_array().into_iter().flatten();
    blocks.filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
}
