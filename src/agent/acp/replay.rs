//! Replays what real agents said, and shows what is made of it.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use serde_json::Value;
use tokio::sync::mpsc;

use super::peer::{Peer, dial, exit_code};
use crate::agent::{AgentEvent, PromptError, Stop, session::Wire};

/// What the recorded client did of its own accord.
enum Deed {
    Prompt(String),
    Cancel,
}

/// Plays the recorded agent: says its lines, and hears ours where it heard the recorded client's.
async fn play(mut peer: Peer, transcript: String, deeds: mpsc::UnboundedSender<Deed>) {
    let mut ids = BTreeMap::new();
    for line in transcript.lines() {
        let (way, text) = line.split_at(4);
        let mut message: Value = serde_json::from_str(text).unwrap();
        if way == "<<< " {
            if message["method"].is_null() {
                let id: &Value = ids.get(&message["id"].to_string()).expect("it was asked for");
                message["id"] = id.clone();
            }
            peer.say(message).await;
            continue;
        }
        match message["method"].as_str() {
            Some("session/prompt") => {
                let text = message["params"]["prompt"][0]["text"].as_str().unwrap();
                deeds.send(Deed::Prompt(text.to_owned())).unwrap();
            }
            Some("session/cancel") => deeds.send(Deed::Cancel).unwrap(),
            _ => {}
        }
        let heard = peer.hear().await;
        assert_eq!(heard["method"], message["method"]);
        if message["method"].is_null() {
            assert_eq!(heard, message, "we answer as the recorded client did");
        }
        if heard["method"] == "session/prompt" {
            assert_eq!(heard["params"], message["params"]);
        }
        ids.insert(message["id"].to_string(), heard["id"].clone());
    }
    peer.exit(exit_code(0));
}

async fn replay(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/agents").join(name);
    let transcript = std::fs::read_to_string(path).unwrap();
    let (connecting, peer) = dial("unlisted");
    let (sender, mut deeds) = mpsc::unbounded_channel();
    let playing = tokio::spawn(play(peer, transcript, sender));
    let mut session = connecting.await.unwrap().unwrap();
    let mut told = String::new();
    loop {
        tokio::select! {
            Some(deed) = deeds.recv() => match deed {
                Deed::Cancel => assert!(session.link.cancel()),
                Deed::Prompt(text) => {
                    while session.link.prompt(&text) == Err(PromptError::TurnRunning) {
                        tell(&mut told, &session.events.recv().await.unwrap());
                    }
                }
            },
            event = session.events.recv() => match event {
                Some(event) => tell(&mut told, &event),
                None => break,
            }
        }
    }
    playing.await.unwrap();
    told
}

fn tell(told: &mut String, event: &AgentEvent) {
    match event {
        AgentEvent::Usage(usage) => {
            write!(told, "usage {}/{}", usage.used_tokens, usage.reported_window_tokens.unwrap_or_default())
                .unwrap();
            if let Some(cost) = usage.cost_usd_total {
                write!(told, " ${cost:.4}").unwrap();
            }
            told.push('\n');
        }
        AgentEvent::ToolCall { title, status, .. } => writeln!(told, "tool {title:?} {status:?}").unwrap(),
        AgentEvent::TurnEnded(end) => {
            match &end.stop {
                Stop::Failed(error) => write!(told, "turn failed {:?}: {error}", error.class).unwrap(),
                stop => write!(told, "turn {stop:?}").unwrap(),
            }
            if let Some(tokens) = end.tokens {
                let cached = (tokens.cached_read, tokens.cached_write);
                write!(told, " {} in {} out {cached:?} cached", tokens.input, tokens.output).unwrap();
            }
            told.push('\n');
        }
        AgentEvent::Exited(exit) => writeln!(told, "exit {:?}", exit.code).unwrap(),
        other => writeln!(told, "{other:?}").unwrap(),
    }
}

#[tokio::test(start_paused = true)]
async fn recorded_sessions_of_real_agents_are_understood() {
    for name in [
        "acp-claude-01",
        "acp-claude-cancel",
        "acp-claude-growth",
        "acp-codexa-01",
        "acp-codexa-errctx",
        "acp-codexa-growth",
        "acp-gemini-01",
        "acp-opencode-01",
        "acp-opencode-growth",
    ] {
        insta::assert_snapshot!(name, replay(&format!("{name}.jsonl")).await);
    }
}
