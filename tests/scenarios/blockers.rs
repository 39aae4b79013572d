//! What waits for what: native dependencies and those in the text, across repositories, hidden ones, and cycles.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::support::{forge_under_test::ForgeUnderTest, script::diligent, world::World};

on_both_forges! {
    a_blocked_issue_starts_when_its_last_blocker_closes,
    a_blocker_in_another_repository_is_waited_for,
    a_hidden_blocker_blocks_and_says_why,
    a_cycle_of_three_and_a_self_loop_are_parked_until_they_are_broken,
    a_cycle_in_the_texts_is_parked_until_a_text_is_changed,
}

/// How often the forge is asked for what no webhook tells.
const SOON: Duration = Duration::from_millis(700);

async fn a_blocked_issue_starts_when_its_last_blocker_closes(forge: ForgeUnderTest) {
    let world = World::on(forge).begin().await;
    let [one, two] = [
        world.forge.create_issue(&world.repo, "First of a person's", "", &[]).await,
        world.forge.create_issue(&world.repo, "Second of a person's", "", &[]).await,
    ];
    let issue = world.issue("Last", &format!("Blocked by: #{two}"), diligent).await;
    world.forge.add_dependency(&world.repo, issue, one).await;
    world.assign(&[issue]).await;
    let named = |number| json!(format!("{}#{number}", world.repo));
    let task = world.until_state(issue, "blocked").await;
    assert_eq!(task["blocked_by"], json!([named(one), named(two)]), "{task:#}");
    world.until_comment(issue, &format!("waits for {}#{one} and {}#{two}", world.repo, world.repo)).await;

    world.forge.close(&world.repo, one).await;
    let task =
        world.until_task(issue, "blocked by one", |task| task["blocked_by"] == json!([named(two)])).await;
    assert_eq!((&task["state"], &task["sessions"]), (&json!("blocked"), &json!([])), "{task:#}");
    world.forge.close(&world.repo, two).await;
    world.leave().await;
}

async fn a_blocker_in_another_repository_is_waited_for(forge: ForgeUnderTest) {
    let world = World::on(forge).with(|config| config.gitea.reconcile_active = SOON).begin().await;
    let other = world.forge.repository("other", &[]).await;
    let [hooked, unhooked] = [
        world.forge.create_issue(&world.repo, "Here", "", &[]).await,
        world.forge.create_issue(&other, "There", "", &[]).await,
    ];
    let issue = world.issue("Both first", &format!("Blocked by: {other}#{unhooked}"), diligent).await;
    world.forge.add_dependency(&world.repo, issue, hooked).await;
    let native = world.issue("That one first", "", diligent).await;
    world.forge.add_dependency_across(&world.repo, native, &other, unhooked).await;
    world.assign(&[issue, native]).await;
    for blocked in [issue, native] {
        let task = world.until_state(blocked, "blocked").await;
        let there = json!(format!("{other}#{unhooked}"));
        assert!(task["blocked_by"].as_array().unwrap().contains(&there), "{task:#}");
    }
    world.forge.close(&world.repo, hooked).await;
    // No webhook tells of that repository: the sweep finds out.
    world.forge.close(&other, unhooked).await;
    world.leave().await;
}

async fn a_hidden_blocker_blocks_and_says_why(forge: ForgeUnderTest) {
    let world = World::on(forge).with(|config| config.gitea.reconcile_active = SOON).begin().await;
    let owner = world.forge.owner.clone();
    let name = format!("secret-of-{}", owner.login);
    let made = world
        .forge
        .ask(Some(&owner), Method::POST, "user/repos", Some(json!({ "name": name, "private": true })))
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let secret = format!("{}/{name}", owner.login);
    let blocker = world.forge.create_issue(&secret, "Nobody knows", "", &[]).await;
    let issue = world.issue("Wait for a secret", "", diligent).await;
    world.forge.add_dependency_across(&world.repo, issue, &secret, blocker).await;
    world.assign(&[issue]).await;
    let task = world.until_state(issue, "blocked").await;
    let reason = task["reason"].as_str().unwrap();
    assert!(reason.contains("that the bot cannot see: give it access"), "{reason}");
    world.until_comment(issue, "that the bot cannot see").await;

    world.forge.grant(&secret, &world.forge.bot, "read").await;
    let named = json!([format!("{secret}#{blocker}")]);
    world.until_task(issue, "blocked by a visible one", |task| task["blocked_by"] == named).await;
    world.forge.close(&secret, blocker).await;
    world.leave().await;
}

async fn a_cycle_of_three_and_a_self_loop_are_parked_until_they_are_broken(forge: ForgeUnderTest) {
    let world = World::on(forge).with(|config| config.gitea.reconcile_active = SOON).begin().await;
    let mut issues = Vec::new();
    for title in ["One", "Two", "Three", "Itself"] {
        issues.push(world.issue(title, "", diligent).await);
    }
    let [one, two, three, itself] = issues[..] else { unreachable!() };
    for (issue, blocker) in [(one, two), (two, three), (three, one), (itself, itself)] {
        world.forge.add_dependency(&world.repo, issue, blocker).await;
    }
    world.assign(&issues).await;
    for issue in [one, two, three] {
        let all_named = |task: &serde_json::Value| {
            let reason = task["reason"].as_str().unwrap_or_default();
            [one, two, three].iter().all(|member| reason.contains(&format!("{}#{member}", world.repo)))
        };
        let what = "parked for the cycle";
        let task = world.until_task(issue, what, |task| task["state"] == "parked" && all_named(task)).await;
        assert_eq!(task["sessions"], json!([]), "{task:#}");
        world.until_comment(issue, "block each other in a cycle").await;
    }
    let task = world.until_state(itself, "parked").await;
    assert_eq!(
        task["reason"],
        format!("{}#{itself} blocks itself: remove that dependency", world.repo),
        "{task:#}"
    );

    // Neither is told by a webhook.
    world.forge.remove_dependency(&world.repo, three, one).await;
    world.forge.remove_dependency(&world.repo, itself, itself).await;
    world.leave().await;
}

async fn a_cycle_in_the_texts_is_parked_until_a_text_is_changed(forge: ForgeUnderTest) {
    let world = World::on(forge).begin().await;
    let one = world.issue("Hen", "", diligent).await;
    let two = world.issue("Egg", &format!("Blocked by: #{one}"), diligent).await;
    world.forge.edit_issue(&world.repo, one, json!({ "body": format!("Blocked by: #{two}") })).await;
    world.assign(&[one, two]).await;
    for issue in [one, two] {
        world.until_state(issue, "parked").await;
    }
    world.forge.edit_issue(&world.repo, one, json!({ "body": "" })).await;
    world.leave().await;
}
