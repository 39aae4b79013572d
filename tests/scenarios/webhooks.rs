//! Webhooks are hints: twice, in the wrong order, lost or forged, the outcome is what the forge says.

use std::time::Duration;

use mosaic_coordinator::forge::simulated::DeliveryFault;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::{
    forge_under_test::ForgeUnderTest,
    script::diligent,
    world::{SECRET, World, signature},
};

on_both_forges! {
    duplicates_have_one_effect,
    reordered_and_stale_webhooks_converge_to_what_the_forge_says,
    lost_webhooks_are_made_up_for_by_the_sweep,
    bad_signatures_are_refused_and_nothing_is_stored,
    what_concerns_no_issue_is_stored_and_ignored,
}

/// The simulated forge can shuffle its own webhooks.
#[tokio::test]
async fn shuffled_and_doubled_webhooks_of_the_forge_converge() {
    let world = World::on(ForgeUnderTest::simulated().await).begin().await;
    let faults = world.forge.knobs().unwrap().faults();
    let assigned = |sent: &mosaic_coordinator::forge::simulated::SentHook| sent.event_type == "issue_assign";
    faults.deliveries(3, assigned, DeliveryFault::Reorder);
    faults.deliveries(usize::MAX, |_| true, DeliveryFault::Duplicate);
    let one = world.issue("One", "", diligent).await;
    let two = world.issue("Two", &format!("Blocked by: #{one}"), diligent).await;
    let three = world.issue("Three", &format!("Blocked by: #{two}"), diligent).await;
    world.assign(&[one, two, three]).await;
    world.leave().await;
}

async fn duplicates_have_one_effect(forge: ForgeUnderTest) {
    let world = World::on(forge).unhooked().begin().await;
    let issue = world.issue("Once", "", diligent).await;
    world.assign(&[issue]).await;
    let payload = world.payload(issue, "assigned").await;
    let outcome = async |id: &str| {
        let (status, answer) = world.deliver("issues", id, SECRET, &payload).await;
        assert_eq!((status, &answer["delivery"]), (200, &json!(id)), "{answer}");
        answer["outcome"].clone()
    };
    assert_eq!(outcome("one").await, "accepted");
    assert_eq!(outcome("one").await, "duplicate");
    assert_eq!(outcome("two").await, "accepted");
    world.until_state(issue, "done").await;
    // A replay, long after: what it says was true once.
    assert_eq!(outcome("one").await, "duplicate");
    assert_eq!(outcome("three").await, "accepted");
    let read = |actor: Value| {
        actor["messages"]
            .as_array()
            .unwrap()
            .iter()
            .find(|m| m["type"] == "observed")
            .map(|m| m["count"].as_u64().unwrap())
    };
    let before = read(world.actor("queue").await);
    assert_eq!(outcome("four").await, "accepted");
    world.until("it was read again", async || read(world.actor("queue").await) > before).await;
    assert_eq!(world.task(issue).await["generation"], 1);
    world.leave().await;
}

async fn reordered_and_stale_webhooks_converge_to_what_the_forge_says(forge: ForgeUnderTest) {
    let world = World::on(forge).unhooked().begin().await;
    let issue = world.issue("Say it backwards", "", diligent).await;
    let opened = world.payload(issue, "opened").await;
    world.assign(&[issue]).await;
    let assigned = world.payload(issue, "assigned").await;
    world.forge.assign(&world.repo, issue, &[]).await;
    let unassigned = world.payload(issue, "unassigned").await;
    // `unassigned` overtakes, and by now nobody is assigned: nothing begins.
    for (id, payload) in [("3", &unassigned), ("2", &assigned), ("1", &opened)] {
        assert_eq!(world.deliver("issues", id, SECRET, payload).await.0, 200);
    }
    let settled = async || {
        let queue = world.actor("queue").await;
        let observed = queue["messages"].as_array().unwrap().iter().find(|m| m["type"] == "observed");
        observed.is_some_and(|message| message["count"].as_u64() >= Some(1)) && queue["mailbox"]["depth"] == 0
    };
    world.until("the issue was read", settled).await;
    assert_eq!(world.task(issue).await, Value::Null);
    // Assigned in truth, and all that comes is an old word of the contrary.
    world.assign(&[issue]).await;
    assert_eq!(world.deliver("issues", "4", SECRET, &unassigned).await.0, 200);
    world.leave().await;
}

async fn lost_webhooks_are_made_up_for_by_the_sweep(forge: ForgeUnderTest) {
    let soon = Duration::from_millis(500);
    let world = World::on(forge)
        .unhooked()
        .with(|config| (config.gitea.reconcile_idle, config.gitea.reconcile_active) = (soon, soon))
        .begin()
        .await;
    let one = world.issue("Nobody told", "", diligent).await;
    let two = world.issue("Nobody told of this either", &format!("Blocked by: #{one}"), diligent).await;
    world.assign(&[one, two]).await;
    world.leave().await;
}

async fn bad_signatures_are_refused_and_nothing_is_stored(forge: ForgeUnderTest) {
    let world = World::on(forge)
        .unhooked()
        .with(|config| config.gitea.webhook_secrets.push(SecretString::from("the-next-one")))
        .begin()
        .await;
    let issue = world.forge.create_issue(&world.repo, "Nobody's", "", &[]).await;
    let payload = world.payload(issue, "opened").await;
    let body = payload.to_string();
    let good = signature(SECRET, body.as_bytes());
    let cases: [(&str, Vec<(&str, String)>); 8] = [
        ("missing", vec![]),
        ("empty", vec![("X-Gitea-Signature", String::new())]),
        ("bare prefix", vec![("X-Hub-Signature-256", "sha256=".to_owned())]),
        ("short", vec![("X-Gitea-Signature", good[..62].to_owned())]),
        ("not hex", vec![("X-Gitea-Signature", "z".repeat(64))]),
        ("another secret", vec![("X-Gitea-Signature", signature("wrong", body.as_bytes()))]),
        ("another body", vec![("X-Gitea-Signature", signature(SECRET, b"{}"))]),
        (
            "contradiction",
            vec![
                ("X-Gitea-Signature", good.clone()),
                ("X-Hub-Signature-256", format!("sha256={}", "0".repeat(64))),
            ],
        ),
    ];
    for (case, signed) in &cases {
        let mut headers = vec![("X-Gitea-Event", "issues"), ("X-Gitea-Delivery", "the-one")];
        headers.extend(signed.iter().map(|(name, value)| (*name, value.as_str())));
        let (status, answer) = world.send(&headers, body.clone()).await;
        assert_eq!((status, answer["error"]["code"].is_string()), (401, true), "{case}: {answer}");
    }
    // Had any of them been stored, this one would be a duplicate.
    let (status, answer) = world.deliver("issues", "the-one", "the-next-one", &payload).await;
    assert_eq!((status, &answer["outcome"]), (200, &json!("accepted")), "{answer}");
    world.leave().await;
}

async fn what_concerns_no_issue_is_stored_and_ignored(forge: ForgeUnderTest) {
    let world = World::on(forge).unhooked().begin().await;
    let issue = world.forge.create_issue(&world.repo, "Nobody's", "", &[]).await;
    let mut push = world.payload(issue, "opened").await;
    push.as_object_mut().unwrap().remove("issue");
    push["ref"] = json!("refs/heads/main");
    for (event, id) in [("push", "1"), ("a_later_event", "2")] {
        let (status, answer) = world.deliver(event, id, SECRET, &push).await;
        assert_eq!((status, &answer["outcome"]), (200, &json!("ignored")), "{event}: {answer}");
        let (status, answer) = world.deliver(event, id, SECRET, &push).await;
        assert_eq!((status, &answer["outcome"]), (200, &json!("duplicate")), "{event}: {answer}");
    }
    let (status, answer) = world.deliver("issues", "3", SECRET, &json!([1, 2])).await;
    assert_eq!((status, answer["error"]["code"].is_string()), (422, true), "{answer}");
    world.leave().await;
}
