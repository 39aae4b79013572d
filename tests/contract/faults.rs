//! What the simulated forge does on request that a real one does on a bad day.

use std::time::Duration;

use mosaic_coordinator::forge::simulated::{
    DeliveryFault, HookAnswer, RequestFault, SimulatedError, SimulatedGitea, SimulatedOptions,
};
use reqwest::Method;
use serde_json::json;

use crate::support::{forge_under_test::ForgeUnderTest, receiver::Receiver};

/// A forge with a repository whose webhooks are received.
async fn listening() -> (ForgeUnderTest, String, Receiver) {
    let forge = ForgeUnderTest::simulated().await;
    let repo = forge.repository("app", &[]).await;
    let receiver = Receiver::start();
    forge.hook_to(&repo, &receiver).await;
    (forge, repo, receiver)
}

fn titles(receiver: &Receiver, count: usize) -> Vec<String> {
    let received = receiver.wait_for(count);
    received.iter().map(|hook| hook.json()["issue"]["title"].as_str().unwrap().to_owned()).collect()
}

async fn open(forge: &ForgeUnderTest, repo: &str, titles: &[&str]) {
    for title in titles {
        forge.create_issue(repo, title, "", &[]).await;
    }
}

#[tokio::test]
async fn a_lost_webhook_never_comes() {
    let (forge, repo, receiver) = listening().await;
    let gitea = forge.knobs().unwrap();
    gitea.faults().deliveries(1, |hook| hook.action == "opened", DeliveryFault::Lose);
    open(&forge, &repo, &["lost", "told"]).await;
    assert_eq!(titles(&receiver, 1), ["told"]);
    forge.until("both are done with", async || gitea.pending_deliveries() == 0).await;
    let answers: Vec<HookAnswer> = gitea.deliveries().into_iter().map(|sent| sent.answer).collect();
    assert_eq!(answers, [HookAnswer::Lost, HookAnswer::Status(200)]);
}

#[tokio::test]
async fn a_doubled_webhook_has_one_id() {
    let (forge, repo, receiver) = listening().await;
    forge.knobs().unwrap().faults().deliveries(1, |_| true, DeliveryFault::Duplicate);
    open(&forge, &repo, &["twice"]).await;
    let received = receiver.wait_for(2);
    assert_eq!(received[0].header("x-gitea-delivery"), received[1].header("x-gitea-delivery"));
    assert_eq!(received[0].body, received[1].body);
}

#[tokio::test]
async fn webhooks_change_places() {
    let (forge, repo, receiver) = listening().await;
    let faults = forge.knobs().unwrap().faults();
    faults.deliveries(3, |_| true, DeliveryFault::Reorder);
    open(&forge, &repo, &["a", "b", "c", "d"]).await;
    assert_eq!(titles(&receiver, 4), ["c", "b", "a", "d"]);
    // What is held for others that never come is sent all the same.
    faults.deliveries(3, |_| true, DeliveryFault::Reorder);
    open(&forge, &repo, &["e", "f"]).await;
    assert_eq!(titles(&receiver, 6)[4..], ["f", "e"]);
}

#[tokio::test]
async fn a_late_webhook_is_overtaken() {
    let (forge, repo, receiver) = listening().await;
    let late = DeliveryFault::Delay(Duration::from_millis(300));
    forge.knobs().unwrap().faults().deliveries(1, |_| true, late);
    open(&forge, &repo, &["late", "prompt"]).await;
    assert_eq!(titles(&receiver, 2), ["prompt", "late"]);
    forge.until("nothing is left to send", async || forge.knobs().unwrap().pending_deliveries() == 0).await;
}

#[tokio::test]
async fn a_failed_webhook_is_never_repeated_but_by_hand() {
    let (forge, repo, receiver) = listening().await;
    let gitea = forge.knobs().unwrap();
    receiver.answer_with(500);
    open(&forge, &repo, &["failed"]).await;
    forge.until("it is sent", async || gitea.pending_deliveries() == 0).await;
    receiver.answer_with(200);
    open(&forge, &repo, &["next"]).await;
    assert_eq!(titles(&receiver, 2), ["failed", "next"]);
    let first = gitea.deliveries()[0].clone();
    assert_eq!(first.answer, HookAnswer::Status(500));
    let uuid = gitea.replay(&first.uuid).unwrap();
    let received = receiver.wait_for(3);
    assert_eq!(received[2].header("x-gitea-delivery"), uuid);
    assert_ne!(uuid, first.uuid);
    assert_eq!(received[2].body, received[0].body);
    assert_eq!(received[2].header("x-gitea-signature"), received[0].header("x-gitea-signature"));
    assert_eq!(gitea.replay("no such webhook"), None);
}

#[tokio::test]
async fn a_receiver_that_is_gone_fails_its_webhooks_only() {
    let (forge, repo, receiver) = listening().await;
    let gone = Receiver::start();
    forge.hook_to(&repo, &gone).await;
    drop(gone);
    open(&forge, &repo, &["told"]).await;
    receiver.wait_for(1);
    let gitea = forge.knobs().unwrap();
    forge.until("both are sent", async || gitea.pending_deliveries() == 0).await;
    let failed =
        gitea.deliveries().into_iter().filter(|sent| matches!(sent.answer, HookAnswer::Failed(_))).count();
    assert_eq!(failed, 1);
}

#[tokio::test]
async fn a_hook_of_the_site_hears_every_repository() {
    let (forge, repo, receiver) = listening().await;
    let other = forge.repository("other", &[]).await;
    let site = Receiver::start();
    let body = json!({
        "type": "gitea", "active": true, "events": ["issues"],
        "config": { "url": site.url(), "content_type": "json", "is_system_webhook": "true" },
    });
    let made = forge.ask(Some(&forge.admin), Method::POST, "admin/hooks", Some(body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    open(&forge, &repo, &["one"]).await;
    open(&forge, &other, &["two"]).await;
    assert_eq!(titles(&site, 2), ["one", "two"]);
    assert_eq!(titles(&receiver, 1), ["one"]);
    assert_eq!(site.received()[0].header("x-gitea-hook-installation-target-type"), "system");
    let path = format!("admin/hooks/{}", made.json["id"]);
    for (who, method, status) in [
        (&forge.bot, Method::DELETE, 403),
        (&forge.admin, Method::GET, 200),
        (&forge.admin, Method::DELETE, 204),
        (&forge.admin, Method::GET, 404),
    ] {
        assert_eq!(forge.ask(Some(who), method.clone(), &path, None).await.status, status, "{method}");
    }
    // Without the word it is one for repositories to come, and silent.
    let body =
        json!({ "type": "gitea", "active": true, "config": { "url": site.url(), "content_type": "json" } });
    assert_eq!(forge.ask(Some(&forge.admin), Method::POST, "admin/hooks", Some(body)).await.status, 201);
    let listed = forge.ask(Some(&forge.admin), Method::GET, "admin/hooks", None).await;
    assert_eq!(listed.json.as_array().map(Vec::len), Some(1));
    open(&forge, &repo, &["three"]).await;
    receiver.wait_for(2);
    assert_eq!(site.received().len(), 2);
}

#[tokio::test]
async fn planned_answers_come_as_planned_and_then_no_more() {
    let forge = ForgeUnderTest::simulated().await;
    let gitea = forge.knobs().unwrap();
    let repo = forge.repository("app", &[]).await;
    let path = format!("repos/{repo}/issues");
    let issues = |method: &'static str| {
        move |request: &mosaic_coordinator::forge::simulated::ApiRequest| {
            request.method == method && request.path.ends_with("/issues")
        }
    };
    gitea.faults().requests(2, issues("POST"), RequestFault::Answer { status: 503, retry_after: Some(3) });
    let post = async || forge.ask(Some(&forge.bot), Method::POST, &path, Some(json!({ "title": "x" }))).await;
    for _ in 0..2 {
        let refused = post().await;
        assert_eq!((refused.status, refused.headers["retry-after"].to_str().unwrap()), (503, "3"));
    }
    assert_eq!(post().await.status, 201);
    assert_eq!(forge.read(&path).await.as_array().map(Vec::len), Some(1));
    gitea.faults().requests(1, issues("GET"), RequestFault::Delay(Duration::from_millis(50)));
    assert_eq!(forge.read(&path).await.as_array().map(Vec::len), Some(1));
    gitea.faults().requests(9, issues("GET"), RequestFault::DropRequest);
    gitea.faults().clear();
    forge.read(&path).await;
}

#[tokio::test]
async fn a_dropped_connection_gives_no_answer_at_all() {
    let forge = ForgeUnderTest::simulated().await;
    let gitea = forge.knobs().unwrap();
    let repo = forge.repository("app", &[]).await;
    let url = format!("{}/api/v1/repos/{repo}/issues", forge.url());
    let post = |title: &str| {
        let request = reqwest::Client::new().post(&url).json(&json!({ "title": title }));
        request.header("Authorization", format!("token {}", forge.bot.token)).send()
    };
    gitea.faults().requests(1, |_| true, RequestFault::DropRequest);
    let error = post("not made").await.unwrap_err();
    assert!(error.is_request() && error.status().is_none(), "{error:?}");
    gitea.faults().requests(1, |_| true, RequestFault::DropAnswer);
    assert!(post("made").await.unwrap_err().is_request());
    let made = forge.read(&format!("repos/{repo}/issues")).await;
    assert_eq!((made.as_array().map(Vec::len), made[0]["title"].as_str()), (Some(1), Some("made")));
    let posts: Vec<_> =
        gitea.requests().into_iter().filter(|r| r.path.ends_with("/issues") && r.method == "POST").collect();
    assert!(
        posts
            .iter()
            .all(|request| request.status.is_none() && request.user.as_ref() == Some(&forge.bot.login))
    );
    assert_eq!(posts.len(), 2);
}

#[tokio::test]
async fn a_pull_request_stays_unchecked_for_as_long_as_planned() {
    let forge = ForgeUnderTest::simulated().await;
    let repo = forge.repository("app", &[("a", "1")]).await;
    forge.push(&forge.bot, &repo, "topic", &[("b", "1")], "B").await;
    let pull = forge.create_pull(&repo, "topic", "main", "P", "").await;
    forge.knobs().unwrap().faults().keep_checking(2);
    assert_eq!(forge.pull(&repo, pull).await["mergeable"], false);
    let merge = async || {
        let path = format!("repos/{repo}/pulls/{pull}/merge");
        forge.ask(Some(&forge.bot), Method::POST, &path, Some(json!({ "Do": "merge" }))).await
    };
    let refused = merge().await;
    assert_eq!((refused.status, refused.json["message"].as_str()), (405, Some("Please try again later")));
    assert_eq!(merge().await.status, 200);
}

#[tokio::test]
async fn a_revoked_token_is_none() {
    let forge = ForgeUnderTest::simulated().await;
    let gitea = forge.knobs().unwrap();
    let second = gitea.add_user(&forge.bot.login);
    gitea.revoke(&forge.bot.token);
    assert_eq!(forge.ask(Some(&forge.bot), Method::GET, "user", None).await.status, 401);
    let seen = forge.ask_with(Some(&second), Method::GET, "user", None).await;
    assert_eq!((seen.status, seen.json["login"].as_str()), (200, Some(forge.bot.login.as_str())));
}

#[tokio::test]
async fn dependencies_across_repositories_can_be_switched_off() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        SimulatedOptions { cross_repository_dependencies: false, ..SimulatedOptions::new(folder.path()) };
    let gitea = SimulatedGitea::start(options).unwrap();
    let token = gitea.add_user("acme");
    let http = reqwest::Client::new();
    let post = |path: &str, body: serde_json::Value| {
        let request = http.post(format!("{}/api/v1/{path}", gitea.url())).json(&body);
        request.header("Authorization", format!("Bearer {token}")).send()
    };
    for name in ["one", "two"] {
        assert_eq!(post("user/repos", json!({ "name": name })).await.unwrap().status(), 201);
        assert_eq!(
            post(&format!("repos/acme/{name}/issues"), json!({ "title": "x" })).await.unwrap().status(),
            201
        );
    }
    let refused =
        post("repos/acme/one/issues/1/dependencies", json!({ "index": 1, "owner": "acme", "repo": "two" }));
    let refused = refused.await.unwrap();
    assert_eq!(refused.status(), 400);
    assert_eq!(refused.text().await.unwrap(), "\"CrossRepositoryDependencies not enabled\"");
}

#[test]
fn a_stopped_forge_is_gone_and_a_taken_port_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let first = SimulatedGitea::start(SimulatedOptions::new(folder.path())).unwrap();
    let address = first.url().trim_start_matches("http://").to_owned();
    let port = address.rsplit(':').next().unwrap().parse().unwrap();
    let second = SimulatedGitea::start(SimulatedOptions { port, ..SimulatedOptions::new(folder.path()) });
    assert!(matches!(second, Err(SimulatedError::Io { .. })), "{second:?}");
    assert!(!format!("{first:?}").contains("token"));
    std::net::TcpStream::connect(&address).unwrap();
    first.stop();
    assert!(std::net::TcpStream::connect(&address).is_err());
    let again =
        SimulatedGitea::start(SimulatedOptions { port, ..SimulatedOptions::new(folder.path()) }).unwrap();
    assert_eq!(again.url(), format!("http://{address}"));
}
