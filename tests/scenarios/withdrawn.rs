//! A person takes work back while something else is in the way: gates that run, a forge that refuses, a parked task.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::support::{
    forge_under_test::ForgeUnderTest,
    script::{diligent, half_work, script, turn},
    world::World,
};
use mosaic_coordinator::forge::simulated::{ApiRequest, RequestFault};

on_both_forges! {
    unassigned_while_the_gates_run_ends_them,
    taken_and_given_back_at_once_a_parked_task_starts_anew,
}

async fn unassigned_while_the_gates_run_ends_them(forge: ForgeUnderTest) {
    let slow = "[gates.slow]\ncommand = [\"sh\", \"-c\", \"sleep 600\"]\n";
    let world = World::on(forge).gates(&["slow"], slow).begin().await;
    let issue = world.issue("Wait for ever", "", diligent).await;
    world.assign(&[issue]).await;
    world
        .until_task(issue, "the gate runs", |task| {
            task["state"] == "gating" && task["gates"][0]["verdict"] == "running"
        })
        .await;
    world.expect(issue, "cancelled");
    world.forge.assign(&world.repo, issue, &[]).await;
    world.until_state(issue, "cancelled").await;
    world.until("agent and gate are gone", async || world.processes().is_empty()).await;
    world.leave().await;
}

async fn taken_and_given_back_at_once_a_parked_task_starts_anew(forge: ForgeUnderTest) {
    let world = World::on(forge).with(|config| config.policy.max_continuations = 0).begin().await;
    let issue = world
        .issue("Try again", "Difficulty: hard", |issue| script(&[turn(json!([half_work(issue)]))]))
        .await;
    world.assign(&[issue]).await;
    let parked = world.until_state(issue, "parked").await;
    // What the parked task says comes after the look at its assignment.
    world.until_comment(issue, parked["reason"].as_str().unwrap()).await;
    world.script(issue, &diligent(issue));
    world.forge.assign(&world.repo, issue, &[]).await;
    world.assign(&[issue]).await;
    world.until_task(issue, "done anew", |task| task["generation"] == 2 && task["state"] == "done").await;
    let autonomy = world.measure("autonomy").await;
    assert_eq!(autonomy["numerator"], 0, "a person set it going again: {autonomy}");
    world.leave().await;
}

#[tokio::test]
async fn a_person_is_heard_while_the_forge_refuses_to_publish() {
    let world = World::on(ForgeUnderTest::simulated().await).begin().await;
    let faults = world.forge.knobs().unwrap().faults();
    let refused = RequestFault::Answer { status: 503, retry_after: None };
    let path = format!("/api/v1/repos/{}", world.repo);
    // The first look at the repository is for the workspace, those after it are for publishing.
    let looks = AtomicUsize::new(0);
    let publishes = move |request: &ApiRequest| {
        request.method == "GET" && request.path == path && looks.fetch_add(1, Ordering::Relaxed) > 0
    };
    faults.requests(usize::MAX, publishes, refused);
    let issue = world.issue("Be refused", "", diligent).await;
    world.assign(&[issue]).await;
    let told = |task: &serde_json::Value| {
        task["state"] == "publishing"
            && task["reason"].as_str().is_some_and(|reason| reason.starts_with("publishing is tried again: "))
    };
    world.until_task(issue, "the reason is told", told).await;
    world.expect(issue, "cancelled");
    world.forge.assign(&world.repo, issue, &[]).await;
    world.until_state(issue, "cancelled").await;
    faults.clear();
    world.leave().await;
}
