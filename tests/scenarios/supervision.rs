//! Actors that crash in the middle of a run, with their memory damaged, and actors that are stuck.

use std::time::{Duration, Instant};

use mosaic_coordinator::runtime::Sabotage;
use serde_json::{Value, json};

use super::whole_loop::{AS_ESTIMATED, five_issues};
use crate::support::{
    forge_under_test::ForgeUnderTest,
    script::{script, turn_when, work},
    world::World,
};

on_both_forges! {
    the_run_survives_crashes_of_all_actors,
    an_agents_actor_that_is_given_up_costs_its_session_alone,
    stuck_actors_are_shown_while_they_are_stuck,
}

/// All that are there from the start.
const ROLES: [&str; 7] = ["webhook:0", "queue", "courier", "context_monitor", "quality", "metrics", "warden"];

async fn the_run_survives_crashes_of_all_actors(forge: ForgeUnderTest) {
    survives_crashes_of(&ROLES, false, forge).await;
}

/// Makes a test of the same run for each role.
macro_rules! crashes_of {
    ($($test:ident: $roles:expr, $of_agent:expr;)*) => {
        $(
            #[tokio::test]
            async fn $test() {
                survives_crashes_of(&$roles, $of_agent, ForgeUnderTest::simulated().await).await;
            }
        )*
    };
}

crashes_of! {
    the_run_survives_crashes_of_the_webhook_actor: ["webhook:0"], false;
    the_run_survives_crashes_of_the_queue: ["queue"], false;
    the_run_survives_crashes_of_the_courier: ["courier"], false;
    the_run_survives_crashes_of_the_context_monitor: ["context_monitor"], false;
    the_run_survives_crashes_of_the_quality_actor: ["quality"], false;
    the_run_survives_crashes_of_the_metrics_actor: ["metrics"], false;
    the_run_survives_crashes_of_the_warden: ["warden"], false;
    the_run_survives_a_crash_of_an_agents_actor: [], true;
}

/// Five issues are under way, and one agent stands just before the rotation line. The memory of these roles, and of that
/// agent's actor, is damaged and their handlers panic; so again when the next issue is at work. The run ends all the same.
async fn survives_crashes_of(roles: &[&str], of_agent: bool, forge: ForgeUnderTest) {
    let world = World::on(forge).begin().await;
    let issues = five_issues(&world, AS_ESTIMATED).await;
    let [first, _, long, hard, _] = issues;
    world.assign(&issues).await;
    let before_the_line = |task: &Value| task["sessions"][0]["occupancy"] == 0.75;
    world.until_task(long, "just before the line", before_the_line).await;
    assert_eq!(world.task(first).await["state"], "done");

    roles.iter().for_each(|role| world.expect_restart_of(role));
    crash(&world, roles, 1).await;
    if of_agent {
        let actor = format!("agent:{}#{long}", world.repo);
        world.expect_restart_of(&actor);
        // Its task has to wait for the next session, so the queue would end it before anyone could look.
        assert!(world.running().census().sabotage("queue", Sabotage::Block(BLOCKED)));
        crash(&world, &[&actor], 1).await;
    }
    world.say("read");
    world.until("the next one is at work", async || world.task(hard).await["sessions"] != json!([])).await;
    crash(&world, roles, 2).await;
    world.until_over().await;

    let pulls = world.forge.pulls(&world.repo).await;
    assert_eq!(pulls.iter().filter(|pull| pull["merged"] == true).count(), 5, "{pulls:#?}");
    let rotated = world.task(long).await;
    let ended = if of_agent { "failed" } else { "rotated" };
    assert_eq!(rotated["sessions"][0]["ended"], ended, "{rotated:#}");
    assert_eq!(world.file(&format!("work/{long}.txt")).await.as_deref(), Some("done by quince-42"));
    let tasks = world.tasks().await;
    world
        .until("the measures are those of the tasks", async || {
            as_counted(&world.report().await) == counted(&tasks)
        })
        .await;
    world.leave().await;
}

async fn crash(world: &World, actors: &[&str], times: u64) {
    for actor in actors {
        assert!(
            world.running().census().sabotage(actor, Sabotage::CorruptAndPanic),
            "{actor} takes no message"
        );
    }
    for actor in actors {
        let mut shown = Value::Null;
        world
            .until(&format!("{actor} was restarted"), async || {
                shown = world.actor(actor).await;
                shown["restarts"] == times && shown["state"] == "running"
            })
            .await;
        let said = shown["last_crash"]["message"].as_str().unwrap();
        assert!(said.contains("sabotaged") && shown["last_crash"]["at"].is_string(), "{shown:#}");
    }
}

/// What the report has to say of these tasks, all of them done.
fn counted(tasks: &[Value]) -> Value {
    let sessions: Vec<&Value> = tasks.iter().flat_map(|task| task["sessions"].as_array().unwrap()).collect();
    let free = tasks.iter().filter(|task| task["route"]["tier"] == "free").count();
    let close = tasks.iter().filter(|task| {
        let [estimate, peak] = ["estimate_tokens", "peak_tokens"].map(|key| task[key].as_u64().unwrap());
        estimate.abs_diff(peak) * 5 <= peak
    });
    json!({
        "autonomy": [tasks.len(), tasks.len()],
        "quality": 1.0,
        "free_models": [free, tasks.len()],
        "context": [0, sessions.iter().filter(|session| !session["peak_occupancy"].is_null()).count()],
        "estimates": [close.count(), tasks.len()],
        "done": tasks.len(),
        "rotations": sessions.iter().filter(|session| session["ended"] == "rotated").count(),
        "continuations": tasks.iter().map(|task| task["continuations"].as_u64().unwrap()).sum::<u64>(),
    })
}

/// The same as the report says it.
fn as_counted(report: &Value) -> Value {
    let of =
        |name: &str| json!([report["measures"][name]["numerator"], report["measures"][name]["denominator"]]);
    json!({
        "autonomy": of("autonomy"),
        "quality": report["measures"]["quality"]["value"],
        "free_models": of("free_models"),
        "context": of("context"),
        "estimates": of("estimates"),
        "done": report["tasks"]["done"],
        "rotations": report["rotations"],
        "continuations": report["continuations"],
    })
}

async fn an_agents_actor_that_is_given_up_costs_its_session_alone(forge: ForgeUnderTest) {
    let world = World::on(forge).begin().await;
    let issue = world
        .issue("Lose the actor", "", |issue| {
            let first =
                turn_when(json!({ "session": 1 }), json!([{ "usage": 10_000 }, world.heard("never")]));
            script(&[first, turn_when(json!({ "phase": "handover" }), json!([work(issue)]))])
        })
        .await;
    world.assign(&[issue]).await;
    world.until_task(issue, "begun", |task| task["sessions"][0]["occupancy"] == 0.05).await;
    let actor = format!("agent:{}#{issue}", world.repo);
    // Five in 30 s are forgiven.
    for _ in 0..6 {
        assert!(
            world.running().census().sabotage(&actor, Sabotage::CorruptAndPanic),
            "{actor} takes no message"
        );
    }
    let task = world.until_state(issue, "done").await;
    assert_eq!(task["sessions"][0]["ended"], "failed", "{task:#}");
    assert_eq!(task["sessions"].as_array().unwrap().len(), 2, "{task:#}");
    world.leave().await;
}

/// How long each is blocked, one after the other.
const BLOCKED: Duration = Duration::from_millis(1_500);

async fn stuck_actors_are_shown_while_they_are_stuck(forge: ForgeUnderTest) {
    let world =
        World::on(forge).with(|config| config.server.stuck_after = Duration::from_millis(200)).begin().await;
    let issues = five_issues(&world, AS_ESTIMATED).await;
    let long = issues[2];
    world.assign(&issues).await;
    world.until_task(long, "just before the line", |task| task["sessions"][0]["occupancy"] == 0.75).await;
    let agent = format!("agent:{}#{long}", world.repo);
    for actor in ROLES.into_iter().chain([agent.as_str()]) {
        let began = Instant::now();
        assert!(
            world.running().census().sabotage(actor, Sabotage::Block(BLOCKED)),
            "{actor} takes no message"
        );
        // Something to wait in the mailbox: the same again.
        assert!(
            world.running().census().sabotage(actor, Sabotage::Block(Duration::ZERO)),
            "{actor} takes no message"
        );
        let mut shown = Value::Null;
        world
            .until(&format!("{actor} is shown as stuck"), async || {
                let asked = Instant::now();
                shown = world.actor(actor).await;
                assert!(asked.elapsed() < Duration::from_secs(1), "the answer took {:?}", asked.elapsed());
                shown["state"] == "stuck"
            })
            .await;
        assert!(began.elapsed() < BLOCKED + Duration::from_secs(1), "{actor}: {shown:#}");
        assert_eq!(shown["current"]["message"], "sabotage", "{shown:#}");
        assert!(shown["current"]["for_ms"].as_u64() >= Some(200), "{shown:#}");
        assert!(shown["mailbox"]["depth"].as_u64() >= Some(1), "{shown:#}");
        assert!(shown["mailbox"]["oldest_ms"].as_u64() > Some(0), "{shown:#}");
        // One more, and it is seen to grow while the handler still blocks.
        assert!(
            world.running().census().sabotage(actor, Sabotage::Block(Duration::ZERO)),
            "{actor} takes no message"
        );
        world
            .until(&format!("the mailbox of {actor} is seen to grow"), async || {
                let later = world.actor(actor).await;
                let grew = |what: &str| later["mailbox"][what].as_u64() > shown["mailbox"][what].as_u64();
                later["state"] == "stuck" && grew("depth") && grew("oldest_ms")
            })
            .await;
        world
            .until(&format!("{actor} goes on"), async || world.actor(actor).await["state"] == "running")
            .await;
    }
    world.say("read");
    world.leave().await;
}
