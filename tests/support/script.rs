//! Scripts of the scripted agent, in short.

use serde_json::{Value, json};

/// A script of these turns.
pub fn script(turns: &[Value]) -> Value {
    json!({ "turns": turns })
}

/// A turn that serves any prompt.
pub fn turn(steps: Value) -> Value {
    json!({ "steps": steps })
}

/// A turn that serves the prompts that `when` describes.
pub fn turn_when(when: Value, steps: Value) -> Value {
    json!({ "match": when, "steps": steps })
}

/// The same turn again and again.
pub fn always(turn: Value) -> Value {
    let mut turn = turn;
    turn["times"] = json!(1000);
    turn
}

/// The work on an issue, well done: the default gates are green afterwards.
pub fn work(issue: u64) -> Value {
    json!({ "write": { "path": format!("work/{issue}.txt"), "content": "done\n" } })
}

/// The work on an issue, badly done: the gate `test` is red afterwards.
pub fn half_work(issue: u64) -> Value {
    json!({ "write": { "path": format!("work/{issue}.txt"), "content": "half\n" } })
}

/// An agent that uses 20,000 tokens and does the work in one turn.
pub fn diligent(issue: u64) -> Value {
    script(&[turn(json!([{ "usage": 20_000 }, work(issue), { "say": "It is done." }]))])
}
