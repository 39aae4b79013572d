//! Pull requests and the merge.

use serde_json::{Value, json};

use super::*;
use crate::{domain::id::CommitId, forge::wire::WirePull};

const GREEN: &str = "391897108ff161e31fd2aca9698212d58c0a31b7";

fn pull(number: u64, state: &str) -> Value {
    json!({"number": number, "state": state, "merged": false, "merge_commit_sha": null, "title": "One",
        "base": {"ref": "main", "sha": "aa", "repo_id": 1},
        "head": {"ref": "mosaic/1-one", "sha": GREEN, "repo_id": 1}})
}
fn merged() -> Value {
    let mut pull = pull(3, "closed");
    pull["merged"] = true.into();
    pull["merge_commit_sha"] = "bb".into();
    pull
}
fn new_pull() -> NewPull {
    NewPull {
        base: "main".into(),
        head: "mosaic/1-one".into(),
        title: "One".into(),
        body: "Closes #1".into(),
    }
}
fn request() -> MergeRequest {
    MergeRequest {
        style: MergeStyle::Squash,
        head_commit_id: CommitId(GREEN.into()),
        title: "One (#3)".into(),
        message: String::new(),
    }
}
fn is_merged() -> MergeOutcome {
    MergeOutcome::Merged { merge_commit: Some(CommitId("bb".into())) }
}
async fn merge(replies: impl IntoIterator<Item = Reply>) -> (Result<MergeOutcome, ForgeError>, Canned) {
    let forge = Canned::in_order(replies).await;
    (client(&forge).merge_pull(&repo(), 3, &request()).await, forge)
}

#[tokio::test]
async fn a_pull_request_is_made() {
    let forge = Canned::in_order([Reply::status(201, &pull(3, "open").to_string())]).await;
    let made = client(&forge).create_pull(&repo(), &new_pull()).await.unwrap();
    assert!(made.is_open() && made.number == 3);
    assert_eq!(
        forge.requests()[0].json(),
        json!({"base": "main", "head": "mosaic/1-one", "title": "One", "body": "Closes #1"})
    );
}

#[tokio::test]
async fn one_that_exists_is_found_instead() {
    let exists = || Reply::status(409, r#"{"message":"pull request already exists for these targets"}"#);
    let forge = Canned::in_order([exists(), Reply::json(pull(3, "open"))]).await;
    assert_eq!(client(&forge).create_pull(&repo(), &new_pull()).await.unwrap().number, 3);
    assert_eq!(forge.lines()[1], "GET /repos/acme/app/pulls/main/mosaic/1-one");

    // The forge names the closed one of two; the open one is in the list.
    let mut fork = pull(5, "open");
    fork["head"]["repo_id"] = 9.into();
    let list = json!([fork, pull(4, "open")]);
    let forge = Canned::in_order([exists(), Reply::json(pull(3, "closed")), Reply::json(list)]).await;
    assert_eq!(client(&forge).create_pull(&repo(), &new_pull()).await.unwrap().number, 4);

    let forge = Canned::in_order([exists(), Reply::json(pull(3, "closed")), Reply::json(json!([]))]).await;
    assert_eq!(client(&forge).create_pull(&repo(), &new_pull()).await.unwrap_err().class(), "conflict");
}

#[tokio::test]
async fn branches_find_the_open_pull_request_before_a_merged_one() {
    let found = |replies: Vec<Reply>, base: &'static str| async move {
        let forge = Canned::in_order(replies).await;
        client(&forge)
            .pull_by_branches(&repo(), base, "mosaic/1-one")
            .await
            .map(|pull| pull.map(|p| p.number))
    };
    let missing = || Reply::status(404, "");
    assert_eq!(found(vec![missing()], "main").await, Ok(None));
    assert_eq!(found(vec![Reply::json(merged()), Reply::json(json!([]))], "main").await, Ok(Some(3)));
    assert_eq!(
        found(vec![Reply::json(merged()), Reply::json(json!([pull(8, "open")]))], "main").await,
        Ok(Some(8))
    );
    // A proxy that decodes `%2F` makes the forge answer 404.
    let mut release = pull(9, "open");
    release["base"]["ref"] = "release/1".into();
    assert_eq!(found(vec![missing(), Reply::json(json!([release]))], "release/1").await, Ok(Some(9)));
    assert_eq!(found(vec![Reply::status(403, "")], "main").await.unwrap_err().class(), "forbidden");
}

#[tokio::test]
async fn a_base_with_a_slash_stays_one_part() {
    let forge = Canned::by(|_| Reply::json(pull(3, "open"))).await;
    client(&forge).pull_by_branches(&repo(), "release/1", "a b/#c").await.unwrap();
    assert_eq!(forge.lines(), ["GET /repos/acme/app/pulls/release%2F1/a%20b/%23c"]);
}

#[tokio::test]
async fn a_merge_is_fenced_by_the_green_commit() {
    let (outcome, forge) = merge([Reply::status(200, ""), Reply::json(merged())]).await;
    assert_eq!(outcome, Ok(is_merged()));
    assert_eq!(forge.lines(), ["POST /repos/acme/app/pulls/3/merge", "GET /repos/acme/app/pulls/3"]);
    assert_eq!(
        forge.requests()[0].json(),
        json!({"Do": "squash", "head_commit_id": GREEN, "MergeTitleField": "One (#3)"})
    );
}

#[tokio::test]
async fn a_merge_stands_though_looking_at_it_fails() {
    let (outcome, _) = merge([Reply::status(200, ""), Reply::status(403, "")]).await;
    assert_eq!(outcome, Ok(MergeOutcome::Merged { merge_commit: None }));
}

#[tokio::test]
async fn a_merge_whose_answer_was_lost_is_found() {
    for lost in [
        Reply::HangUp,
        Reply::status(500, ""),
        Reply::status(405, r#"{"message":"The PR is already merged"}"#),
    ] {
        let (outcome, _) = merge([lost, Reply::json(merged())]).await;
        assert_eq!(outcome, Ok(is_merged()));
    }
    let (outcome, _) = merge([Reply::status(500, ""), Reply::json(pull(3, "open"))]).await;
    assert!(outcome.unwrap_err().is_retryable());
    let (outcome, _) = merge([Reply::status(500, "first"), Reply::status(403, "second")]).await;
    assert!(outcome.unwrap_err().to_string().contains("first"));
}

#[tokio::test]
async fn refusals_are_told_apart_by_their_words() {
    let later = |words: &str| MergeOutcome::TryLater(words.into());
    let never = |words: &str| MergeOutcome::NotAllowed(words.into());
    for (status, words, expected) in [
        (405, "Please try again later", later("Please try again later")),
        (
            405,
            "Not all required status checks successful",
            later("Not all required status checks successful"),
        ),
        (
            405,
            "The head branch is behind the base branch",
            later("The head branch is behind the base branch"),
        ),
        (405, "", later("the forge refused without a word")),
        (405, "User not allowed to merge PR", never("User not allowed to merge PR")),
        (405, "Work in progress PRs cannot be merged", never("Work in progress PRs cannot be merged")),
        (405, "Does not have enough approvals", never("Does not have enough approvals")),
        (
            405,
            "squash is not allowed an allowed merge style",
            never("squash is not allowed an allowed merge style"),
        ),
        (409, "head out of date", MergeOutcome::HeadMoved),
        (409, "merge push out of date", later("merge push out of date")),
        (
            409,
            "PushRejected without remote error message",
            never("PushRejected without remote error message"),
        ),
        (409, "", MergeOutcome::Conflict),
    ] {
        let body = json!({"message": words}).to_string();
        let (outcome, _) = merge([Reply::status(status, &body), Reply::json(pull(3, "open"))]).await;
        assert_eq!(outcome, Ok(expected), "{words}");
    }
    let conflict = json!({"Style": "merge", "StdOut": "CONFLICT", "StdErr": "", "Err": {}}).to_string();
    let (outcome, _) = merge([Reply::status(409, &conflict), Reply::json(pull(3, "open"))]).await;
    assert_eq!(outcome, Ok(MergeOutcome::Conflict));
}

#[tokio::test]
async fn what_the_pull_request_has_become_outweighs_the_words() {
    let mut moved = pull(3, "open");
    moved["head"]["sha"] = "cc".into();
    let later = r#"{"message":"Please try again later"}"#;
    let (outcome, _) = merge([Reply::status(405, later), Reply::json(moved)]).await;
    assert_eq!(outcome, Ok(MergeOutcome::HeadMoved));
    let mut headless = pull(3, "open");
    headless["head"] = Value::Null;
    let (outcome, _) = merge([Reply::status(405, later), Reply::json(headless)]).await;
    assert_eq!(outcome, Ok(MergeOutcome::TryLater("Please try again later".into())));
    let (outcome, _) = merge([Reply::status(404, ""), Reply::json(pull(3, "closed"))]).await;
    assert_eq!(outcome, Ok(MergeOutcome::NotAllowed("the pull request is closed".into())));
    let (outcome, _) = merge([Reply::status(423, ""), Reply::json(pull(3, "open"))]).await;
    assert_eq!(outcome.unwrap_err().class(), "locked");
    let (outcome, _) = merge([Reply::status(404, ""), Reply::status(404, "")]).await;
    assert_eq!(outcome.unwrap_err().class(), "not_found");
}

#[tokio::test]
async fn a_scheduled_merge_is_not_merged_yet() {
    let (outcome, _) = merge([Reply::status(201, ""), Reply::json(pull(3, "open"))]).await;
    assert_eq!(outcome, Ok(MergeOutcome::TryLater("the forge has scheduled the merge".into())));
    let (outcome, _) = merge([Reply::status(201, ""), Reply::json(merged())]).await;
    assert_eq!(outcome, Ok(is_merged()));
    let (outcome, _) = merge([Reply::status(201, ""), Reply::status(403, "")]).await;
    assert_eq!(outcome.unwrap_err().class(), "forbidden");
}

#[tokio::test]
async fn a_merge_that_was_not_taken_asks_nothing_more() {
    for (status, class) in [(429, "rate_limited"), (401, "unauthorized")] {
        let (outcome, forge) = merge([Reply::status(status, "")]).await;
        assert_eq!(outcome.unwrap_err().class(), class);
        assert_eq!(forge.requests().len(), 1);
    }
}

#[test]
fn merge_styles_read_back_and_unknown_ones_are_plain_merges() {
    for style in [
        MergeStyle::Merge,
        MergeStyle::Rebase,
        MergeStyle::RebaseMerge,
        MergeStyle::Squash,
        MergeStyle::FastForwardOnly,
    ] {
        assert_eq!(style.to_string().parse(), Ok(style));
    }
    assert_eq!("manually-merged".parse(), Ok(MergeStyle::Merge));
}

#[test]
fn a_pull_request_without_ends_is_readable() {
    let bare: WirePull = serde_json::from_value(json!({"number": 3, "base": null, "head": null})).unwrap();
    assert!(!bare.is_open());
}
