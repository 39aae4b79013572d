//! Agents that misbehave: they hang, crash, babble, leave children behind or are not there at all.

use std::{os::unix::fs::symlink, time::Duration};

use serde_json::json;

use crate::support::{
    forge_under_test::ForgeUnderTest,
    script::{always, diligent, script, turn, turn_when, work},
    world::World,
};

on_both_forges! {
    a_hanging_agent_is_ended_and_the_next_session_goes_on,
    a_crashing_agent_is_followed_by_a_session_that_finds_its_work,
    an_agent_that_exits_within_a_turn_parks_when_the_sessions_are_used_up,
    garbage_and_a_line_of_2_mb_are_skipped,
    a_detached_child_does_not_outlive_the_task,
    an_agent_that_is_not_there_leaves_the_task_ready_with_the_reason,
    an_agent_that_ignores_every_signal_is_killed,
}

async fn a_hanging_agent_is_ended_and_the_next_session_goes_on(forge: ForgeUnderTest) {
    let world = World::on(forge)
        .with(|config| config.policy.stall_timeout = Duration::from_millis(700))
        .begin()
        .await;
    let issue = world
        .issue("Stare at the wall", "", |issue| {
            script(&[
                turn_when(json!({ "session": 1 }), json!(["hang"])),
                turn_when(
                    json!({ "phase": "handover", "session": 2, "contains": "policy.stall_timeout" }),
                    json!([work(issue)]),
                ),
            ])
        })
        .await;
    world.assign(&[issue]).await;
    let task = world.until_state(issue, "done").await;
    assert_eq!(task["sessions"][0]["ended"], "failed", "{task:#}");
    assert_eq!(task["sessions"][1]["ended"], "finished", "{task:#}");
    assert_eq!(task["continuations"], 0, "{task:#}");
    world.leave().await;
}

async fn a_crashing_agent_is_followed_by_a_session_that_finds_its_work(forge: ForgeUnderTest) {
    let world = World::on(forge).begin().await;
    let issue = world
        .issue("Fall over", "", |issue| {
            let begun = json!({ "write": { "path": "work/begun.txt", "content": "done\n" } });
            script(&[
                turn_when(json!({ "session": 1 }), json!([{ "usage": 10_000 }, begun, { "crash": 3 }])),
                turn_when(
                    json!({ "phase": "handover", "session": 2, "contains": "work/begun.txt" }),
                    json!([{ "run": "test -e work/begun.txt" }, work(issue)]),
                ),
            ])
        })
        .await;
    world.assign(&[issue]).await;
    let task = world.until_state(issue, "done").await;
    assert_eq!(task["sessions"][0]["ended"], "failed", "{task:#}");
    assert_eq!(world.file("work/begun.txt").await.unwrap(), "done");
    world.leave().await;
}

async fn an_agent_that_exits_within_a_turn_parks_when_the_sessions_are_used_up(forge: ForgeUnderTest) {
    let world = World::on(forge).with(|config| config.policy.max_sessions = 2).begin().await;
    let issue = world.issue("Leave early", "", |_| script(&[always(turn(json!([{ "crash": 0 }])))])).await;
    world.expect(issue, "parked");
    world.assign(&[issue]).await;
    let waits = |task: &serde_json::Value| {
        let reason = task["reason"].as_str().unwrap_or_default();
        task["state"] == "ready"
            && reason.contains("exited within the turn")
            && reason.contains("tried again after 1 s")
    };
    world.until_task(issue, "waiting for the second try", waits).await;
    let task = world.until_state(issue, "parked").await;
    assert_eq!(task["sessions"].as_array().unwrap().len(), 2, "{task:#}");
    let reason = task["reason"].as_str().unwrap();
    assert!(reason.contains("policy.max_sessions") && reason.contains("exited within the turn"), "{reason}");
    world.until_comment(issue, "exited within the turn").await;
    world.leave().await;
}

async fn garbage_and_a_line_of_2_mb_are_skipped(forge: ForgeUnderTest) {
    let world = World::on(forge).begin().await;
    let issue = world
        .issue("Babble", "", |issue| {
            script(&[turn(json!([
                { "garbage": "{\"jsonrpc\": oh no" }, { "long_line": { "bytes": 2_000_000 } }, { "garbage": "\u{0}\u{1b}[31m" },
                { "stderr": "a word on the side" }, { "usage": 10_000 }, work(issue),
            ]))])
        })
        .await;
    world.assign(&[issue]).await;
    let task = world.until_state(issue, "done").await;
    assert_eq!(task["sessions"].as_array().unwrap().len(), 1, "{task:#}");
    world.leave().await;
}

async fn a_detached_child_does_not_outlive_the_task(forge: ForgeUnderTest) {
    let world = World::on(forge).begin().await;
    let detached = || world.processes().into_iter().any(|process| process.contains("sleep 4242"));
    let issue = world
        .issue("Leave a child", "", |issue| {
            script(&[turn(json!([{ "detach": "exec sleep 4242" }, world.heard("look"), work(issue)]))])
        })
        .await;
    world.assign(&[issue]).await;
    world.until("the child lives", async || detached()).await;
    world.say("look");
    world.until_state(issue, "done").await;
    world.until("the child is gone", async || !detached()).await;
    world.leave().await;
}

async fn an_agent_that_is_not_there_leaves_the_task_ready_with_the_reason(forge: ForgeUnderTest) {
    let staging = World::on(forge);
    let program = staging.path("not-yet-installed");
    let command = program.display().to_string();
    let world = staging
        .with(|config| config.agents.get_mut("scripted").unwrap().command[0] = command.clone())
        .begin()
        .await;
    let issue = world.issue("Wait for somebody", "", diligent).await;
    world.assign(&[issue]).await;
    let task = world
        .until_task(issue, "waiting", |task| task["state"] == "ready" && !task["reason"].is_null())
        .await;
    let reason = task["reason"].as_str().unwrap();
    assert!(reason.contains("agent `scripted`") && reason.contains(&command), "{reason}");
    assert_eq!((&task["sessions"], &task["continuations"]), (&json!([]), &json!(0)), "{task:#}");
    let (status, ready) = world.ask("/health/ready").await;
    assert_eq!((status, &ready["checks"]["agent.scripted"]["ok"]), (503, &json!(false)), "{ready:#}");

    symlink(env!("CARGO_BIN_EXE_mosaic-coordinator"), &program).unwrap();
    let task = world.until_state(issue, "done").await;
    assert_eq!(task["sessions"].as_array().unwrap().len(), 1, "{task:#}");
    assert_eq!(world.ask("/health/ready").await.0, 200);
    world.leave().await;
}

async fn an_agent_that_ignores_every_signal_is_killed(forge: ForgeUnderTest) {
    let world = World::on(forge).begin().await;
    let issue = world
        .issue("Do not listen", "", |_| script(&[turn(json!([{ "hang": { "stubborn": true } }]))]))
        .await;
    world.expect(issue, "cancelled");
    world.assign(&[issue]).await;
    world.until_state(issue, "running").await;
    world.until("the agent lives", async || !world.processes().is_empty()).await;
    world.forge.assign(&world.repo, issue, &[]).await;
    world.until("the agent is gone", async || world.processes().is_empty()).await;
    world.leave().await;
}
