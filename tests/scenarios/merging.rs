//! From green to merged: a base that moves, conflicts, and pull requests that wait for a person.

use std::fs;

use mosaic_coordinator::config::MergePolicy;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    forge_under_test::ForgeUnderTest,
    script::{diligent, script, turn, turn_when, work},
    world::World,
};

on_both_forges! {
    two_that_end_together_are_merged_one_after_the_other_with_the_gates_run_again,
    a_push_during_the_work_is_merged_in,
    a_conflict_is_resolved_in_one_continuation,
    a_second_conflict_parks,
    a_pull_request_that_a_person_merges_is_done,
    a_pull_request_that_a_person_closes_is_parked,
    a_stranger_on_our_branch_is_never_pushed_over,
}

async fn until_begun(world: &World, issue: u64) {
    world
        .until("the agent has begun", async || {
            world.task(issue).await["sessions"][0]["occupancy"] != Value::Null
        })
        .await;
}

async fn two_that_end_together_are_merged_one_after_the_other_with_the_gates_run_again(
    forge: ForgeUnderTest,
) {
    let staging = World::on(forge);
    let runs = staging.path("runs");
    let gates = format!(
        "[gates.test]\ncommand = [\"sh\", \"-c\", \"ls work >> {}; grep -q ^done work/*.txt\"]\n",
        runs.display()
    );
    let world = staging.gates(&["test"], &gates).begin().await;
    let waiting = |issue| script(&[turn(json!([{ "usage": 10_000 }, work(issue), world.heard("go")]))]);
    let one = world.issue("One", "", waiting).await;
    let two = world.issue("Two", "", waiting).await;
    world.assign(&[one, two]).await;
    until_begun(&world, one).await;
    until_begun(&world, two).await;
    world.say("go");
    world.until_over().await;
    for issue in [one, two] {
        assert_eq!(world.file(&format!("work/{issue}.txt")).await.as_deref(), Some("done"));
    }
    let seen = fs::read_to_string(&runs).unwrap();
    let mut files: Vec<&str> = seen.lines().collect();
    files.sort_unstable();
    // Each alone, and the later one together with the earlier.
    let [one, two] = [format!("{one}.txt"), format!("{two}.txt")];
    assert_eq!(files, [&one, &one, &two, &two], "{seen}");
    world.leave().await;
}

async fn a_push_during_the_work_is_merged_in(forge: ForgeUnderTest) {
    let world = World::on(forge).begin().await;
    let issue = world
        .issue("Meanwhile", "", |issue| {
            script(&[turn(json!([{ "usage": 10_000 }, work(issue), world.heard("go")]))])
        })
        .await;
    world.assign(&[issue]).await;
    until_begun(&world, issue).await;
    let pushed = world
        .forge
        .push(&world.forge.owner, &world.repo, "main", &[("NOTES.md", "By a person.\n")], "Notes")
        .await;
    world.say("go");
    let task = world.until_state(issue, "done").await;
    let parents =
        world.git(&["rev-parse", &format!("{}^@", task["commit"].as_str().unwrap())]).await.unwrap();
    assert_eq!(parents, pushed, "the published commit stands on the person's");
    assert_eq!(world.file("NOTES.md").await.as_deref(), Some("By a person."));
    assert_eq!(world.file(&format!("work/{issue}.txt")).await.as_deref(), Some("done"));
    assert_eq!(task["continuations"], 0, "{task:#}");
    world.leave().await;
}

/// An agent that changes a line of a file that a person changes meanwhile, and resolves the conflict once it is told.
fn conflicting(world: &World, issue: u64) -> Value {
    let shared = |text: &str| json!({ "write": { "path": "shared.txt", "content": text } });
    script(&[
        turn(json!([{ "usage": 10_000 }, work(issue), shared("by the agent\n"), world.heard("go")])),
        turn_when(
            json!({ "phase": "continue", "contains": "conflict markers are in: shared.txt" }),
            json!([{ "run": format!("grep -q '^<<<<<<<' shared.txt && touch {}", world.path("markers").display()) },
                   shared("by both\n"), world.heard("resolved")]),
        ),
    ])
}

async fn a_conflict_is_resolved_in_one_continuation(forge: ForgeUnderTest) {
    let world = World::on(forge).file("shared.txt", "by nobody\n").begin().await;
    let issue = world.issue("Same line", "", |issue| conflicting(&world, issue)).await;
    world.assign(&[issue]).await;
    until_begun(&world, issue).await;
    world
        .forge
        .push(&world.forge.owner, &world.repo, "main", &[("shared.txt", "by a person\n")], "Mine")
        .await;
    world.say("go");
    world.say("resolved");
    let task = world.until_state(issue, "done").await;
    assert_eq!((&task["continuations"], &task["sessions"][0]["turns"]), (&json!(1), &json!(2)), "{task:#}");
    assert!(world.path("markers").exists(), "the agent saw the markers");
    assert_eq!(world.file("shared.txt").await.as_deref(), Some("by both"));
    world.leave().await;
}

async fn a_second_conflict_parks(forge: ForgeUnderTest) {
    let world = World::on(forge).file("shared.txt", "by nobody\n").begin().await;
    let issue = world.issue("Same line again", "", |issue| conflicting(&world, issue)).await;
    world.expect(issue, "parked");
    world.assign(&[issue]).await;
    until_begun(&world, issue).await;
    world
        .forge
        .push(&world.forge.owner, &world.repo, "main", &[("shared.txt", "by a person\n")], "Mine")
        .await;
    world.say("go");
    world.until("the agent was told of the conflict", async || world.path("markers").exists()).await;
    world
        .forge
        .push(&world.forge.owner, &world.repo, "main", &[("shared.txt", "by the same person\n")], "Mine")
        .await;
    world.say("resolved");
    let task = world.until_state(issue, "parked").await;
    let reason = task["reason"].as_str().unwrap();
    assert!(reason.contains("conflicts with main in shared.txt"), "{reason}");
    assert_eq!(task["continuations"], 1, "{task:#}");
    world.until_comment(issue, "conflicts with main in shared.txt").await;
    assert_eq!(world.file("shared.txt").await.as_deref(), Some("by the same person"));
    world.leave().await;
}

/// An issue whose pull request waits for a person, with that pull request's number.
async fn in_review(world: &World) -> (u64, u64) {
    let issue = world.issue("Have a look", "", diligent).await;
    world.assign(&[issue]).await;
    let task = world.until_state(issue, "in_review").await;
    assert_eq!(task["sessions"][0]["ended"], "finished", "{task:#}");
    let number = task["pull_request"].as_u64().unwrap();
    let pull = world.forge.pull(&world.repo, number).await;
    assert_eq!((&pull["state"], &pull["merged"]), (&json!("open"), &json!(false)), "{pull:#}");
    assert!(pull["body"].as_str().unwrap().trim_end().ends_with(&format!("Closes #{issue}")), "{pull:#}");
    (issue, number)
}

async fn a_pull_request_that_a_person_merges_is_done(forge: ForgeUnderTest) {
    let world = World::on(forge).with(|config| config.policy.merge = MergePolicy::PullRequest).begin().await;
    let (issue, pull) = in_review(&world).await;
    world.forge.merge(&world.repo, pull).await;
    world.until_state(issue, "done").await;
    let autonomy = world.measure("autonomy").await;
    assert_eq!(autonomy["met"], true, "a merge by hand is the policy: {autonomy}");
    world.leave().await;
}

async fn a_pull_request_that_a_person_closes_is_parked(forge: ForgeUnderTest) {
    let world = World::on(forge).with(|config| config.policy.merge = MergePolicy::PullRequest).begin().await;
    let (issue, pull) = in_review(&world).await;
    world.expect(issue, "parked");
    let path = format!("repos/{}/pulls/{pull}", world.repo);
    let answer = world
        .forge
        .ask(Some(&world.forge.owner), Method::PATCH, &path, Some(json!({ "state": "closed" })))
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    world.until_comment(issue, "the pull request was closed without a merge").await;
    world.leave().await;
}

async fn a_stranger_on_our_branch_is_never_pushed_over(forge: ForgeUnderTest) {
    let world = World::on(forge).begin().await;
    let issue = world
        .issue("Mine", "", |issue| {
            script(&[turn(json!([{ "usage": 10_000 }, work(issue), world.heard("go")]))])
        })
        .await;
    world.expect(issue, "parked");
    world.assign(&[issue]).await;
    until_begun(&world, issue).await;
    let branch = world.task(issue).await["branch"].as_str().unwrap().to_owned();
    let strangers =
        world.forge.push(&world.forge.owner, &world.repo, &branch, &[("x.txt", "x\n")], "Not yours").await;
    world.say("go");
    let task = world.until_state(issue, "parked").await;
    assert!(task["reason"].as_str().unwrap().contains(&branch), "{task:#}");
    assert_eq!(world.forge.branch(&world.repo, &branch).await, Some(strangers));
    world.leave().await;
}
