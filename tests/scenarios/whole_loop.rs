//! Five issues from assignment to merge, and what is measured of them.

use serde_json::json;

use crate::support::{
    forge_under_test::ForgeUnderTest,
    script::{diligent, half_work, script, turn, turn_when, work},
    world::World,
};

on_both_forges! {
    five_issues_are_merged_without_a_person,
}

/// A diamond (2 and 3 wait for 1, 4 for both) and a chain (5 waits for 4). The second is red first, the third comes to
/// the end of its context, the fourth is too hard for a free model.
pub(super) async fn five_issues(world: &World) -> [u64; 5] {
    let first = world.issue("Lay the ground", "Difficulty: easy\nEstimated context: 20k", diligent).await;
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
    let long = world.issue("Read everything", "Estimated context: 40k", endless_reader).await;
    let hard = world.issue("Join both", "Difficulty: hard\nEstimated context: 20k", diligent).await;
    let last = world.issue("Put a roof on it", "Estimated context: 21k", diligent).await;
    for (issue, blocker) in [(red_first, first), (long, first), (hard, red_first), (hard, long), (last, hard)]
    {
        world.forge.add_dependency(&world.repo, issue, blocker).await;
    }
    [first, red_first, long, hard, last]
}

/// Reads on until it is told to stop; what it learned it says, and writes nowhere. The next session works by that.
fn endless_reader(issue: u64) -> serde_json::Value {
    let mut reader = script(&[
        turn_when(
            json!({ "session": 1 }),
            json!([{ "usage": 30_000 }, { "plan": ["find the password"] }, { "say": "The password is quince-42." },
                   { "grow": { "by": 2_000, "every_ms": 20 } }]),
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
    let issues = five_issues(&world).await;
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
