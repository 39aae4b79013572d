//! Gates decide: what they say of a tree, and what follows from it.

use std::{fs, time::Duration};

use serde_json::json;

use crate::support::{
    forge_under_test::ForgeUnderTest,
    script::{always, diligent, half_work, script, turn, turn_when, work},
    world::{GATES, World},
};

on_both_forges! {
    red_for_ever_is_parked_with_the_reason,
    the_same_failures_on_an_unchanged_tree_are_not_prompted_a_third_time,
    two_fruitless_continuations_escalate_to_a_more_capable_model,
    claimed_success_with_red_gates_is_not_believed,
    a_turn_without_a_change_is_continued,
    a_gate_that_cannot_run_parks_without_a_continuation,
    a_gate_that_does_not_end_is_timed_out_and_continued,
    gates_run_side_by_side,
    no_gates_parks_until_some_are_configured,
    no_gates_parks_until_some_are_pushed,
}

/// Changes something in every turn, and never gets it right.
fn tireless(issue: u64) -> serde_json::Value {
    let more = json!({ "append": { "path": format!("work/{issue}.txt"), "content": "half\n" } });
    script(&[always(turn(json!([{ "usage": 10_000 }, more])))])
}

async fn red_for_ever_is_parked_with_the_reason(forge: ForgeUnderTest) {
    let world = World::on(forge).with(|config| config.policy.max_continuations = 1).begin().await;
    // Nobody is more capable than the one who takes hard issues.
    let issue = world.issue("Try in vain", "Difficulty: hard", tireless).await;
    world.expect(issue, "parked");
    world.assign(&[issue]).await;
    let reason = "the gate test is red after 1 continuations (policy.max_continuations)";
    let task = world.until_state(issue, "parked").await;
    assert_eq!((&task["reason"], &task["continuations"]), (&json!(reason), &json!(1)), "{task:#}");
    world.until_comment(issue, reason).await;
    assert_eq!(world.forge.pulls(&world.repo).await.len(), 0);
    let autonomy = world.measure("autonomy").await;
    assert_eq!((&autonomy["value"], &autonomy["met"]), (&json!(0.0), &json!(false)), "{autonomy}");
    world.leave().await;
}

async fn the_same_failures_on_an_unchanged_tree_are_not_prompted_a_third_time(forge: ForgeUnderTest) {
    let world = World::on(forge).begin().await;
    let issue = world
        .issue("Give up", "Difficulty: hard", |issue| {
            let idle = |turn_no| {
                turn_when(json!({ "turn": turn_no, "contains": "not done" }), json!([{ "say": "No idea." }]))
            };
            script(&[turn_when(json!({ "turn": 1 }), json!([half_work(issue)])), idle(2), idle(3)])
        })
        .await;
    world.expect(issue, "parked");
    world.assign(&[issue]).await;
    let task = world.until_state(issue, "parked").await;
    assert_eq!((&task["continuations"], &task["sessions"][0]["turns"]), (&json!(2), &json!(3)), "{task:#}");
    let reason = task["reason"].as_str().unwrap();
    assert!(reason.starts_with("no progress: the gate test is red three times"), "{reason}");
    world.until_comment(issue, "no progress").await;
    world.leave().await;
}

async fn two_fruitless_continuations_escalate_to_a_more_capable_model(forge: ForgeUnderTest) {
    let world = World::on(forge).begin().await;
    let issue = world
        .issue("Outgrow the small one", "Difficulty: easy", |issue| {
            let more = json!({ "append": { "path": format!("work/{issue}.txt"), "content": "half\n" } });
            script(&[
                always(turn_when(json!({ "model": "small" }), json!([{ "usage": 10_000 }, more]))),
                turn_when(
                    json!({ "model": "middle", "phase": "handover", "session": 2, "contains": "not done" }),
                    json!([{ "usage": 10_000 }, work(issue)]),
                ),
            ])
        })
        .await;
    world.assign(&[issue]).await;
    let task = world.until_state(issue, "done").await;
    let sessions: Vec<_> = task["sessions"].as_array().unwrap().iter().collect();
    let told: Vec<_> = sessions.iter().map(|session| (&session["model"], &session["ended"])).collect();
    assert_eq!(told, [(&json!("small"), &json!("escalated")), (&json!("middle"), &json!("finished"))]);
    assert_eq!((&task["continuations"], &sessions[0]["turns"]), (&json!(2), &json!(3)), "{task:#}");
    assert_eq!(task["route"]["model"], "middle", "{task:#}");
    let why = task["route"]["why"].as_str().unwrap();
    assert!(!why.is_empty(), "{task:#}");
    world.leave().await;
}

async fn claimed_success_with_red_gates_is_not_believed(forge: ForgeUnderTest) {
    let world = World::on(forge).begin().await;
    let issue = world
        .issue("Boast", "", |issue| {
            let boast = json!({ "say": "All gates pass, I ran them twice." });
            script(&[
                turn(json!([half_work(issue), { "commit": "Everything works" }, boast])),
                turn_when(
                    json!({ "phase": "continue", "contains": "### Gate `test`: red" }),
                    json!([world.heard("look"), work(issue)]),
                ),
            ])
        })
        .await;
    world.assign(&[issue]).await;
    let task = world.until_task(issue, "continued", |task| task["continuations"] == 1).await;
    assert_eq!(task["gates"][1]["verdict"], "red", "{task:#}");
    assert_eq!(world.forge.branch(&world.repo, task["branch"].as_str().unwrap()).await, None);
    world.say("look");
    world.leave().await;
}

async fn a_turn_without_a_change_is_continued(forge: ForgeUnderTest) {
    let world = World::on(forge).begin().await;
    let issue = world
        .issue("Look around first", "", |issue| {
            let idle = turn(json!([{ "say": "There is nothing to do." }]));
            let prompted = json!({ "phase": "continue", "contains": "Your last turn changed nothing." });
            script(&[idle, turn_when(prompted, json!([work(issue)]))])
        })
        .await;
    world.assign(&[issue]).await;
    let task = world.until_state(issue, "done").await;
    assert_eq!((&task["continuations"], &task["sessions"][0]["turns"]), (&json!(1), &json!(2)), "{task:#}");
    world.leave().await;
}

async fn a_gate_that_cannot_run_parks_without_a_continuation(forge: ForgeUnderTest) {
    let gates = "[gates.test]\ncommand = [\"no-such-program\", \"--all\"]\n";
    let world = World::on(forge).gates(&["test"], gates).begin().await;
    let issue = world.issue("Wait for a tool", "", diligent).await;
    world.expect(issue, "parked");
    world.assign(&[issue]).await;
    let task = world.until_state(issue, "parked").await;
    assert_eq!(
        (&task["continuations"], &task["gates"][0]["verdict"]),
        (&json!(0), &json!("could_not_run")),
        "{task:#}"
    );
    let reason = task["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("the gate test could not run: ") && reason.contains("no-such-program"),
        "{reason}"
    );
    world.until_comment(issue, "no-such-program").await;
    world.leave().await;
}

async fn a_gate_that_does_not_end_is_timed_out_and_continued(forge: ForgeUnderTest) {
    let gates = "[gates.test]\ncommand = [\"sh\", \"-c\", \"grep -q ^done work/*.txt || sleep 600\"]\ntimeout = \"400ms\"\n";
    let world = World::on(forge).gates(&["test"], gates).begin().await;
    let issue = world
        .issue("Hurry", "", |issue| {
            let told = json!({ "phase": "continue", "contains": "### Gate `test`: timed out" });
            script(&[
                turn(json!([half_work(issue)])),
                turn_when(told, json!([world.heard("look"), work(issue)])),
            ])
        })
        .await;
    world.assign(&[issue]).await;
    let task = world.until_task(issue, "continued", |task| task["continuations"] == 1).await;
    assert_eq!(task["gates"][0]["verdict"], "timed_out", "{task:#}");
    let slow: Vec<String> =
        world.processes().into_iter().filter(|process| process.contains("sleep 600")).collect();
    assert!(slow.is_empty(), "the gate's group was not killed: {slow:?}");
    world.say("look");
    world.leave().await;
}

async fn gates_run_side_by_side(forge: ForgeUnderTest) {
    // Each waits for the file that the other makes; one after the other they would time out.
    let waits = |mine: &str, other: &str| {
        format!(
            "command = [\"sh\", \"-c\", \"touch {mine}; while test ! -e {other}; do sleep 0.02; done\"]\ntimeout = \"20s\"\n"
        )
    };
    let gates = format!("[gates.left]\n{}[gates.right]\n{}", waits("l", "r"), waits("r", "l"));
    let world = World::on(forge).gates(&["left", "right"], &gates).begin().await;
    let issue = world.issue("Meet", "", diligent).await;
    world.assign(&[issue]).await;
    world.leave().await;
}

async fn no_gates_parks_until_some_are_configured(forge: ForgeUnderTest) {
    let world = World::on(forge).gates(&["test"], "").begin().await;
    let issue = world.issue("Nobody would check it", "", diligent).await;
    world.assign(&[issue]).await;
    let task = world.until_state(issue, "parked").await;
    let reason = task["reason"].as_str().unwrap();
    assert!(
        reason.contains("add [gates.NAME] to `.mosaic.toml` on main or to the configuration"),
        "{reason}"
    );
    assert_eq!(task["sessions"], json!([]), "no agent was started in vain");
    world.until_comment(issue, "no gates are defined").await;

    let mut config = world.config();
    let file = world.path("gates.toml");
    let test = GATES.split_once("[gates.test]").unwrap().1;
    fs::write(&file, format!("[gates.test]{test}\n[gitea]\nwebhook_secrets = [\"x\"]")).unwrap();
    config.gates = crate::support::world::config_of(&file).gates;
    assert_eq!(config.gates["test"].timeout_ms, Duration::from_secs(600).as_millis() as u64);
    world.running().reload(&config);
    world.leave().await;
}

async fn no_gates_parks_until_some_are_pushed(forge: ForgeUnderTest) {
    let world = World::on(forge).gates(&["test"], "").begin().await;
    let issue = world.issue("Nobody would check it", "", diligent).await;
    world.assign(&[issue]).await;
    world.until_state(issue, "parked").await;
    let test = GATES.split_once("[gates.test]").unwrap().1;
    let rules = format!("[gates.test]{test}");
    let files = [(".mosaic.toml", rules.as_str())];
    world.forge.push(&world.forge.owner, &world.repo, "main", &files, "Say what has to be green").await;
    world.until_state(issue, "done").await;
    assert_eq!(world.task(issue).await["generation"], 1, "nobody set it going again");
    world.leave().await;
}
