//! Five issues from assignment to merge, and what is measured of them.

use serde_json::json;

use crate::support::{
    forge_under_test::ForgeUnderTest,
    script::{diligent, half_work, script, turn, turn_when, work},
    world::World,
};

on_both_forges! {
    five_issues_are_merged_without_a_person,
    only_the_reported_use_decides_on_the_estimates,
    more_issues_than_a_page_are_found_at_the_start,
}

/// What the three plain ones of the five issues use; it is what they estimate.
pub(super) const AS_ESTIMATED: u64 = 20_000;

/// A diamond (2 and 3 wait for 1, 4 for both) and a chain (5 waits for 4). The second is red first, the third comes to
/// the end of its context once the test says `read`, the fourth is too hard for a free model. The plain ones use
/// `used_tokens` of context.
pub(super) async fn five_issues(world: &World, used_tokens: u64) -> [u64; 5] {
    let plain =
        |issue| script(&[turn(json!([{ "usage": used_tokens }, work(issue), { "say": "It is done." }]))]);
    let first = world.issue("Lay the ground", "Difficulty: easy\nEstimated context: 20k", plain).await;
    let red_first = world
        .issue("Build on it", "Estimated context: 30k", |issue| {
            script(&[
                turn(json!([{ "usage": 20_000 }, half_work(issue), { "say": "I think that is it." }])),
                turn_when(
                    json!({ "phase": "continue", "contains": "not done" }),
                    json!([{ "usage": 30_000 }, work(issue)]),
                ),
            ])
        })
        .await;
    let long =
        world.issue("Read everything", "Estimated context: 40k", |issue| endless_reader(world, issue)).await;
    let hard = world.issue("Join both", "Difficulty: hard\nEstimated context: 20k", plain).await;
    let last = world.issue("Put a roof on it", "Estimated context: 21k", plain).await;
    for (issue, blocker) in [(red_first, first), (long, first), (hard, red_first), (hard, long), (last, hard)]
    {
        world.forge.add_dependency(&world.repo, issue, blocker).await;
    }
    [first, red_first, long, hard, last]
}

/// Reads on until it is told to stop; what it learned it says, and writes nowhere. The next session works by that.
fn endless_reader(world: &World, issue: u64) -> serde_json::Value {
    let mut reader = script(&[
        turn_when(
            json!({ "session": 1 }),
            json!([{ "say": "The password is quince-42." }, { "plan": ["find the password"] }, { "usage": 30_000 },
                   world.heard("read"), { "grow": { "by": 2_000, "every_ms": 20 } }]),
        ),
        turn_when(
            json!({ "phase": "handover", "session": 2 }),
            json!([{ "usage": 9_000 }, { "capture": { "name": "password", "regex": "password is (quince-[0-9]+)" } },
                   { "write": { "path": format!("work/{issue}.txt"), "content": "done by {{password}}\n" } }]),
        ),
    ]);
    reader["window"] = json!(40_000);
    reader
}

async fn five_issues_are_merged_without_a_person(forge: ForgeUnderTest) {
    let world = World::on(forge).begin().await;
    let issues = five_issues(&world, AS_ESTIMATED).await;
    world.say("read");
    world.assign(&issues).await;
    world.until_over().await;

    let [_, red_first, long, hard, _] = issues;
    for issue in issues {
        let read = world.forge.issue(&world.repo, issue).await;
        assert_eq!(read["state"], "closed", "{read}");
    }
    let pulls = world.forge.pulls(&world.repo).await;
    assert_eq!(pulls.iter().filter(|pull| pull["merged"] == true).count(), 5, "{pulls:#?}");
    assert_eq!(world.task(red_first).await["continuations"], 1);
    let rotated = world.task(long).await;
    assert_eq!(rotated["sessions"][0]["ended"], "rotated", "{rotated:#}");
    assert_eq!(rotated["sessions"][1]["ended"], "finished", "{rotated:#}");
    assert_eq!(rotated["sessions"][0]["warned"], true, "{rotated:#}");
    assert!(rotated["sessions"][0]["peak_occupancy"].as_f64().unwrap() >= 0.95, "{rotated:#}");
    assert_eq!(world.file(&format!("work/{long}.txt")).await.unwrap(), "done by quince-42");
    assert_eq!(world.task(hard).await["route"]["tier"], "paid");

    let report = world.report().await;
    let measures = &report["measures"];
    let of = |name: &str| (measures[name]["value"].as_f64(), measures[name]["denominator"].as_u64());
    assert_eq!(of("autonomy"), (Some(1.0), Some(5)), "{report:#}");
    assert_eq!(of("free_models"), (Some(0.8), Some(5)), "{report:#}");
    assert_eq!(of("context"), (Some(0.0), Some(6)), "{report:#}");
    assert_eq!(of("estimates"), (Some(1.0), Some(5)), "{report:#}");
    assert_eq!(of("quality").0, Some(1.0), "{report:#}");
    for (name, measure) in measures.as_object().unwrap() {
        assert_eq!(measure["met"], true, "{name}: {report:#}");
    }
    assert_eq!((report["rotations"].as_u64(), report["continuations"].as_u64()), (Some(1), Some(1)));
    world.leave().await;
}

async fn only_the_reported_use_decides_on_the_estimates(forge: ForgeUnderTest) {
    let world = World::on(forge).begin().await;
    let issues = five_issues(&world, 2 * AS_ESTIMATED).await;
    world.say("read");
    world.assign(&issues).await;
    world.until_over().await;
    let report = world.report().await;
    let estimates = &report["measures"]["estimates"];
    assert_eq!((&estimates["value"], &estimates["met"]), (&json!(0.4), &json!(false)), "{report:#}");
    for name in ["autonomy", "quality", "free_models", "context"] {
        assert_eq!(report["measures"][name]["met"], true, "{name}: {report:#}");
    }
    world.leave().await;
}

/// One page holds 50. All but the first and the last wait for a person's issue, so that it is quick.
async fn more_issues_than_a_page_are_found_at_the_start(forge: ForgeUnderTest) {
    let mut world = World::on(forge).unhooked().set().await;
    let persons = world.forge.create_issue(&world.repo, "For a person", "", &[]).await;
    let bot = world.forge.bot.clone();
    for nth in 0..61 {
        let free = nth == 0 || nth == 60;
        let body = if free { String::new() } else { format!("Blocked by: #{persons}") };
        let issue = world.forge.create_issue(&world.repo, &format!("Number {nth}"), &body, &[&bot]).await;
        world.script(issue, &diligent(issue));
        world.expect(issue, if free { "done" } else { "blocked" });
    }
    world.start().await;
    world.leave().await;
}
