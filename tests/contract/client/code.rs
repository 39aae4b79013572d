//! Cases on the site, repositories, pull requests, statuses and hooks.

use super::*;

pub(super) async fn version(ground: &Ground<'_>) {
    assert_eq!(ground.client.version().await.unwrap(), "1.25.4");
    let anonymous = Forge::new(ground.under_test.url(), None, Timeouts::default()).unwrap();
    assert_eq!(anonymous.version().await.unwrap(), "1.25.4");
}

pub(super) async fn current_user(ground: &Ground<'_>) {
    let login = &ground.under_test.bot.login;
    assert_eq!((&ground.bot.login, &ground.bot.email), (login, &format!("{login}@users.localhost")));
    let wrong =
        Forge::new(ground.under_test.url(), Some("0".repeat(40).into()), Timeouts::default()).unwrap();
    assert!(matches!(wrong.current_user().await, Err(ForgeError::Unauthorized { .. })));
}

pub(super) async fn settings_page_limit(ground: &Ground<'_>) {
    assert_eq!(ground.client.settings_page_limit().await, 50);
}

pub(super) async fn repository(ground: &Ground<'_>) {
    let seen = ground.client.repository(&ground.repo).await.unwrap();
    assert_eq!((seen.default_branch.as_str(), seen.default_merge_style), ("main", MergeStyle::Merge));
    assert_eq!((seen.archived, seen.empty, seen.dependencies_enabled), (false, false, true));
    assert_eq!((seen.permissions.admin, seen.permissions.push, seen.permissions.pull), (false, true, true));
    let missing = RepoRef::new(&ground.repo.owner, "missing");
    assert!(matches!(ground.client.repository(&missing).await, Err(ForgeError::NotFound { .. })));
}

pub(super) async fn branch(ground: &Ground<'_>) {
    let commit = ground.topic("mosaic/1-one").await;
    assert_eq!(ground.client.branch(&ground.repo, "mosaic/1-one").await.unwrap(), Some(commit));
    assert_eq!(ground.client.branch(&ground.repo, "missing").await.unwrap(), None);
}

pub(super) async fn create_repository(ground: &Ground<'_>) {
    let new = NewRepository {
        name: format!("{}-made", ground.repo.repo),
        private: true,
        auto_init: true,
        default_branch: "trunk".into(),
    };
    let made = ground.client.create_repository(&new).await.unwrap();
    assert_eq!((made.empty, made.default_branch.as_str()), (false, "trunk"));
    assert!(ground.client.branch(&made.name, "trunk").await.unwrap().is_some());
    let twice = ground.client.create_repository(&new).await;
    assert!(matches!(twice, Err(ForgeError::Conflict { .. })), "{twice:?}");
}

pub(super) async fn create_pull(ground: &Ground<'_>) {
    ground.topic("mosaic/1-one").await;
    let new = Ground::new_pull("mosaic/1-one");
    let made = ground.client.create_pull(&ground.repo, &new).await.unwrap();
    let again = ground.client.create_pull(&ground.repo, &new).await.unwrap();
    assert_eq!((made.number, again.number, made.is_open()), (1, 1, true));
    assert_eq!(ground.under_test.pulls(&ground.name).await.len(), 1);
    let missing = ground.client.create_pull(&ground.repo, &Ground::new_pull("missing")).await;
    assert!(matches!(missing, Err(ForgeError::NotFound { .. })), "{missing:?}");
}

pub(super) async fn pull(ground: &Ground<'_>) {
    let commit = ground.topic("topic").await;
    let made = ground.client.create_pull(&ground.repo, &Ground::new_pull("topic")).await.unwrap();
    let seen = ground.client.pull(&ground.repo, made.number).await.unwrap();
    assert_eq!((seen.head.branch.as_str(), seen.head.sha.as_str()), ("topic", commit.as_ref()));
    assert_eq!(
        (seen.base.branch.as_str(), seen.title.as_str(), seen.body.as_str()),
        ("main", "Work", "Closes #1")
    );
    assert!(!seen.merged && seen.merge_commit().is_none());
    let missing = ground.client.pull(&ground.repo, 99).await;
    assert!(matches!(missing, Err(ForgeError::NotFound { .. })), "{missing:?}");
}

pub(super) async fn pull_by_branches(ground: &Ground<'_>) {
    ground.topic("mosaic/1-one").await;
    let by = async || ground.client.pull_by_branches(&ground.repo, "main", "mosaic/1-one").await.unwrap();
    assert!(by().await.is_none());
    let first = ground.client.create_pull(&ground.repo, &Ground::new_pull("mosaic/1-one")).await.unwrap();
    assert_eq!(by().await.unwrap().number, first.number);
    ground.under_test.close(&ground.name, first.number).await;
    assert!(!by().await.unwrap().is_open(), "a closed one is better than none");
    let second = ground.client.create_pull(&ground.repo, &Ground::new_pull("mosaic/1-one")).await.unwrap();
    assert_eq!(by().await.unwrap().number, second.number, "the open one, though the forge names the other");
}

pub(super) async fn merge_pull(ground: &Ground<'_>) {
    ground.issues(1).await;
    let head = ground.topic("topic").await;
    let pull = ground.client.create_pull(&ground.repo, &Ground::new_pull("topic")).await.unwrap().number;
    ground.until_mergeable(pull).await;
    let mut request = MergeRequest {
        style: MergeStyle::Merge,
        head_commit_id: CommitId("0".repeat(40)),
        title: String::new(),
        message: String::new(),
    };
    // A real forge looks at the pull request anew after each try, and is not to be hurried.
    let merge = async |request: &MergeRequest| {
        let mut outcome = MergeOutcome::TryLater(String::new());
        let settled = async || {
            outcome = ground.client.merge_pull(&ground.repo, pull, request).await.unwrap();
            !matches!(outcome, MergeOutcome::TryLater(_))
        };
        ground.under_test.until("the pull request has been checked", settled).await;
        outcome
    };
    assert_eq!(merge(&request).await, MergeOutcome::HeadMoved);
    request.head_commit_id = head;
    let base = async || ground.client.branch(&ground.repo, "main").await.unwrap();
    let before = base().await;
    let merged = merge(&request).await;
    assert_eq!(merged, MergeOutcome::Merged { merge_commit: base().await });
    assert_ne!(base().await, before);
    assert_eq!(merge(&request).await, merged, "once more is the same");
    assert_eq!(ground.client.blocker_state(&ground.issue(1)).await.unwrap(), Some(IssueState::Closed));
    conflicts_are_told(ground).await;
}

async fn conflicts_are_told(ground: &Ground<'_>) {
    let forge = ground.under_test;
    let theirs = forge.push(&forge.bot, &ground.name, "theirs", &[("README.md", "Theirs.\n")], "T").await;
    let pull = ground.client.create_pull(&ground.repo, &Ground::new_pull("theirs")).await.unwrap().number;
    forge.push(&forge.bot, &ground.name, "main", &[("README.md", "Ours.\n")], "O").await;
    forge
        .until("the conflict is seen", async || {
            !ground.client.pull(&ground.repo, pull).await.unwrap().mergeable
        })
        .await;
    let request = MergeRequest {
        style: MergeStyle::Squash,
        head_commit_id: CommitId(theirs),
        title: "T".into(),
        message: String::new(),
    };
    let refused = ground.client.merge_pull(&ground.repo, pull, &request).await.unwrap();
    assert!(matches!(refused, MergeOutcome::TryLater(_) | MergeOutcome::Conflict), "{refused:?}");
}

pub(super) async fn set_status(ground: &Ground<'_>) {
    let commit = ground.topic("topic").await;
    ground
        .client
        .set_status(&ground.repo, &commit, StatusState::Pending, "mosaic/test", "running")
        .await
        .unwrap();
    let seen = ground.under_test.statuses(&ground.name, commit.as_ref()).await;
    let told = |key: &str| seen[0][key].as_str().map(str::to_owned);
    assert_eq!(
        (told("status").as_deref(), told("context").as_deref()),
        (Some("pending"), Some("mosaic/test"))
    );
    let unknown = CommitId("0".repeat(40));
    let refused = ground.client.set_status(&ground.repo, &unknown, StatusState::Success, "x", "").await;
    assert!(matches!(refused, Err(ForgeError::Server { .. })), "{refused:?}");
}

pub(super) async fn statuses(ground: &Ground<'_>) {
    let commit = ground.topic("topic").await;
    assert!(ground.client.statuses(&ground.repo, &commit).await.unwrap().is_empty());
    for (state, context) in [
        (StatusState::Pending, "mosaic/test"),
        (StatusState::Success, "mosaic/lint"),
        (StatusState::Failure, "mosaic/test"),
    ] {
        ground.client.set_status(&ground.repo, &commit, state, context, "d").await.unwrap();
    }
    let seen = ground.client.statuses(&ground.repo, &commit).await.unwrap();
    let mut told: Vec<(&str, &str)> = seen.iter().map(|s| (s.context.as_str(), s.state.as_str())).collect();
    told.sort_unstable();
    assert_eq!(told, [("mosaic/lint", "success"), ("mosaic/test", "failure")]);
}

fn new_hook(url: &str) -> NewHook {
    NewHook {
        url: url.into(),
        secret: "s3cret".into(),
        events: vec!["issues".into(), "push".into(), "nonsense".into()],
        as_form: true,
    }
}

pub(super) async fn create_hook(ground: &Ground<'_>) {
    let refused = ground.client.create_hook(&ground.repo, &new_hook("http://127.0.0.1:1/")).await;
    assert!(matches!(refused, Err(ForgeError::Forbidden { .. })), "{refused:?}");
    let receiver = Receiver::start();
    let made = ground.owner().create_hook(&ground.repo, &new_hook(receiver.url())).await.unwrap();
    assert!(made.active && made.events.contains(&"issue_assign".to_owned()));
    ground.issues(1).await;
    assert_eq!(receiver.wait_for(1)[0].what(), "issues/opened");
}

pub(super) async fn hooks(ground: &Ground<'_>) {
    assert!(ground.owner().hooks(&ground.repo).await.unwrap().is_empty());
    let made = ground.owner().create_hook(&ground.repo, &new_hook("http://127.0.0.1:1/x")).await.unwrap();
    let seen = ground.owner().hooks(&ground.repo).await.unwrap();
    assert_eq!((seen.len(), seen[0].id), (1, made.id));
    assert_eq!(
        (seen[0].config.url.as_str(), seen[0].config.content_type.as_str()),
        ("http://127.0.0.1:1/x", "form")
    );
}

pub(super) async fn delete_hook(ground: &Ground<'_>) {
    let made = ground.owner().create_hook(&ground.repo, &new_hook("http://127.0.0.1:1/x")).await.unwrap();
    for _ in 0..2 {
        ground.owner().delete_hook(&ground.repo, made.id).await.unwrap();
    }
    assert!(ground.owner().hooks(&ground.repo).await.unwrap().is_empty());
}
