//! What a person changes on the forge while an agent is at work, and after.

use serde_json::{Value, json};

use crate::support::{
    forge_under_test::ForgeUnderTest,
    script::{diligent, half_work, script, turn, turn_when, work},
    world::World,
};

on_both_forges! {
    unassigned_in_the_middle_stops_and_keeps_the_workspace,
    closed_in_the_middle_stops,
    assigned_again_starts_the_next_generation,
    reopened_starts_the_next_generation,
    edited_in_the_middle_reaches_the_next_prompt,
    a_changed_text_starts_a_parked_task_anew,
}

/// An issue whose agent has begun and waits, alive.
async fn begun(world: &World) -> u64 {
    let issue = world
        .issue("Be interrupted", "", |issue| {
            script(&[turn(json!([{ "usage": 10_000 }, work(issue), world.heard("never")]))])
        })
        .await;
    world.assign(&[issue]).await;
    world
        .until("the agent has begun", async || {
            world.task(issue).await["sessions"][0]["occupancy"] != Value::Null
        })
        .await;
    assert!(!world.processes().is_empty(), "an agent that works is a process");
    issue
}

/// What the agent left in the work tree of a generation.
fn left(world: &World, issue: u64, generation: u32) -> Option<String> {
    let tasks = std::fs::read_dir(world.path("workspaces/tasks")).unwrap();
    let mut trees = tasks.map(|repo| repo.unwrap().path().join(format!("{issue}-g{generation}/tree")));
    trees.find_map(|tree| std::fs::read_to_string(tree.join(format!("work/{issue}.txt"))).ok())
}

async fn unassigned_in_the_middle_stops_and_keeps_the_workspace(forge: ForgeUnderTest) {
    let world = World::on(forge).begin().await;
    let issue = begun(&world).await;
    world.expect(issue, "cancelled");
    world.forge.assign(&world.repo, issue, &[]).await;
    let task = world.until_state(issue, "cancelled").await;
    assert_eq!(task["sessions"][0]["ended"], "cancelled", "{task:#}");
    world.until("the agent is gone", async || world.processes().is_empty()).await;
    assert_eq!(left(&world, issue, 1).as_deref(), Some("done\n"));
    world.until_comment(issue, "cancelled: the issue is no longer assigned to the bot").await;
    assert_eq!(world.measure("autonomy").await["denominator"], 0);
    world.leave().await;
}

async fn closed_in_the_middle_stops(forge: ForgeUnderTest) {
    let world = World::on(forge).begin().await;
    let issue = begun(&world).await;
    world.expect(issue, "cancelled");
    world.forge.close(&world.repo, issue).await;
    world.until_state(issue, "cancelled").await;
    world.until("the agent is gone", async || world.processes().is_empty()).await;
    assert_eq!(left(&world, issue, 1).as_deref(), Some("done\n"));
    world.leave().await;
}

async fn assigned_again_starts_the_next_generation(forge: ForgeUnderTest) {
    let world = World::on(forge).begin().await;
    let issue = begun(&world).await;
    world.forge.assign(&world.repo, issue, &[]).await;
    world.until_state(issue, "cancelled").await;
    world.script(issue, &diligent(issue));
    world.assign(&[issue]).await;
    let task = world.until_state(issue, "done").await;
    assert_eq!(
        (&task["generation"], &task["branch"]),
        (&json!(2), &json!(format!("mosaic/{issue}-be-interrupted-g2"))),
        "{task:#}"
    );
    let autonomy = world.measure("autonomy").await;
    assert_eq!(
        (&autonomy["numerator"], &autonomy["denominator"]),
        (&json!(0), &json!(1)),
        "a person set it going again: {autonomy}"
    );
    world.leave().await;
}

async fn reopened_starts_the_next_generation(forge: ForgeUnderTest) {
    let world = World::on(forge).begin().await;
    let issue = world.issue("Not quite", "", diligent).await;
    world.assign(&[issue]).await;
    world.until_state(issue, "done").await;
    let more = json!({ "write": { "path": format!("work/{issue}-more.txt"), "content": "done\n" } });
    world.script(issue, &script(&[turn(json!([more]))]));
    // Until then a real forge closes the issue once more, for the sake of the merged commit.
    let merged = world.forge.branch(&world.repo, "main").await.unwrap();
    world.forge.await_push(&world.repo, &merged).await;
    world.forge.reopen(&world.repo, issue).await;
    world.until_task(issue, "done again", |task| task["generation"] == 2 && task["state"] == "done").await;
    assert_eq!(world.forge.pulls(&world.repo).await.len(), 2);
    assert!(world.file(&format!("work/{issue}-more.txt")).await.is_some());
    world.leave().await;
}

async fn edited_in_the_middle_reaches_the_next_prompt(forge: ForgeUnderTest) {
    let world = World::on(forge).begin().await;
    let issue = world
        .issue("Pick a fruit", "Apple, please.", |issue| {
            script(&[
                turn(json!([{ "usage": 10_000 }, half_work(issue), world.heard("edited")])),
                turn_when(
                    json!({ "phase": "continue", "contains": "Quince, please." }),
                    json!([work(issue)]),
                ),
            ])
        })
        .await;
    world.assign(&[issue]).await;
    world
        .until("the agent has begun", async || {
            world.task(issue).await["sessions"][0]["occupancy"] != Value::Null
        })
        .await;
    let change = json!({ "title": "Pick another fruit", "body": "Quince, please." });
    world.forge.edit_issue(&world.repo, issue, change).await;
    world.until_task(issue, "known as edited", |task| task["title"] == "Pick another fruit").await;
    world.say("edited");
    let task = world.until_state(issue, "done").await;
    assert_eq!((&task["generation"], &task["continuations"]), (&json!(1), &json!(1)), "{task:#}");
    assert_eq!(task["branch"], format!("mosaic/{issue}-pick-a-fruit"), "the slug is frozen");
    world.leave().await;
}

async fn a_changed_text_starts_a_parked_task_anew(forge: ForgeUnderTest) {
    let world = World::on(forge).with(|config| config.policy.max_continuations = 0).begin().await;
    let issue =
        world.issue("Unclear", "Difficulty: hard", |issue| script(&[turn(json!([half_work(issue)]))])).await;
    world.assign(&[issue]).await;
    world.until_state(issue, "parked").await;
    world.script(issue, &diligent(issue));
    world.forge.edit_issue(&world.repo, issue, json!({ "body": "Difficulty: hard\nNow it is clear." })).await;
    let task = world.until_state(issue, "done").await;
    assert_eq!(task["generation"], 2, "{task:#}");
    world.leave().await;
}
