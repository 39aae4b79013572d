//! What the scripted agent does in the demo, issue by issue.
//!
//! Owns the five scripts. The agent does not know how it fares: what it writes is what the gates judge, what it says of
//! its context is what the coordinator counts.

use std::{fs, path::Path};

use anyhow::Context as _;
use serde_json::{Value, json};

/// Key of the model that hard issues need, as in `demo.toml`.
const DEMO_PAID: &str = "demo-paid";

macro_rules! work {
    ($name:literal) => {
        include_str!(concat!("work/", $name))
    };
}

/// Steps that begin or end every piece of work, so that there is something to watch.
const PAUSE_MS: u64 = 150;

/// Writes the scripts to `folder`, which is made, one file for each issue.
pub(super) fn write(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (number, script) in (1..).zip(scripts()) {
        let path = folder.join(format!("{number}.json"));
        fs::write(&path, script.to_string()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn scripts() -> [Value; 5] {
    [calendar(), yearday(), weekday(), isoweek(), page()]
}

fn calendar() -> Value {
    let steps = [
        reads("lib/numbers.sh", 9_000),
        writes("lib/calendar.sh", work!("calendar.sh"), 15_000),
        writes("tests/calendar_test.sh", work!("calendar_test.sh"), 21_000),
        says("calendar_leap and calendar_days are there, with tests of both.", 22_000),
    ];
    json!({ "turns": [{ "match": { "phase": "work" }, "steps": steps.concat() }] })
}

/// Forgets leap years; the test, written from the acceptance, finds it, and the fix prompt shows how.
fn yearday() -> Value {
    let first = [
        reads("lib/calendar.sh", 12_000),
        writes("lib/yearday.sh", work!("yearday_first.sh"), 24_000),
        writes("tests/yearday_test.sh", work!("yearday_test.sh"), 35_000),
        says("yearday adds up the days of the months before.", 38_000),
    ];
    let fix = [
        reads("lib/yearday.sh", 43_000),
        writes("lib/yearday.sh", work!("yearday.sh"), 47_000),
        says("The table of days knew no leap year; calendar_days does.", 49_000),
    ];
    json!({ "turns": [
        { "match": { "phase": "work" }, "steps": first.concat() },
        { "match": { "phase": "continue", "contains": "expected '366', got '365'" }, "steps": fix.concat() },
    ] })
}

/// Reads on and on until it is stopped; the offsets stand in its plan alone, and who takes over has to find them there.
fn weekday() -> Value {
    let offsets = "0 3 2 5 0 3 5 1 4 6 2 4";
    let plan = json!({ "plan": [
        { "content": "Write tests/weekday_test.sh", "status": "completed" },
        { "content": format!("Write lib/weekday.sh with the month offsets {offsets}"), "status": "in_progress" },
    ] });
    let first = [
        reads("lib/calendar.sh", 20_000),
        writes("tests/weekday_test.sh", work!("weekday_test.sh"), 30_000),
        vec![
            plan,
            json!({ "say": "The tests are there. " }),
            json!({ "grow": { "by": 2_500, "every_ms": 40 } }),
        ],
    ];
    let find = json!({ "capture": { "name": "offsets", "regex": r"month offsets ((?:\d ){11}\d)" } });
    let second = [
        vec![find],
        reads("tests/weekday_test.sh", 24_000),
        writes("lib/weekday.sh", work!("weekday.sh"), 36_000),
        says("weekday is there, with the offsets that were planned.", 38_000),
    ];
    json!({ "turns": [
        { "match": { "phase": "work" }, "steps": first.concat() },
        { "match": { "phase": "handover", "session": 2 }, "steps": second.concat() },
    ] })
}

fn isoweek() -> Value {
    let steps = [
        reads("lib/yearday.sh", 40_000),
        reads("lib/weekday.sh", 62_000),
        writes("lib/isoweek.sh", work!("isoweek.sh"), 81_000),
        writes("tests/isoweek_test.sh", work!("isoweek_test.sh"), 95_000),
        vec![json!({ "usage": { "used": 98_000, "output": 2_000, "cost": 0.42 } })],
        says("isoweek knows the weeks of the years before and after.", 98_000),
    ];
    json!({ "turns": [{ "match": { "phase": "work", "model": DEMO_PAID }, "steps": steps.concat() }] })
}

fn page() -> Value {
    let steps = [
        reads("lib/isoweek.sh", 14_000),
        writes("lib/page.sh", work!("page.sh"), 27_000),
        writes("tests/page_test.sh", work!("page_test.sh"), 35_000),
        says("page_month prints a line for each week.", 37_000),
    ];
    json!({ "turns": [{ "match": { "phase": "work" }, "steps": steps.concat() }] })
}

fn reads(path: &str, used: u64) -> Vec<Value> {
    vec![json!({ "tool": format!("read {path}") }), json!({ "usage": used }), json!({ "sleep_ms": PAUSE_MS })]
}

fn writes(path: &str, content: &str, used: u64) -> Vec<Value> {
    vec![json!({ "write": { "path": path, "content": content } }), json!({ "usage": used })]
}

fn says(text: &str, used: u64) -> Vec<Value> {
    vec![json!({ "say": text }), json!({ "usage": used }), json!({ "sleep_ms": PAUSE_MS })]
}
