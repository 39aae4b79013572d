//! Cases on issues, their dependencies, comments and histories.

use super::*;

pub(super) async fn create_issue(ground: &Ground<'_>) {
    let mut new = NewIssue { title: "T".into(), body: "B".into(), assignees: vec![ground.bot.login.clone()] };
    let made = ground.client.create_issue(&ground.repo, &new).await.unwrap();
    assert_eq!(made.issue_ref(), Some(ground.issue(1)));
    assert!(made.is_assigned_to(&ground.bot));
    new.assignees = vec!["nobody-at-all".into()];
    let refused = ground.client.create_issue(&ground.repo, &new).await;
    assert!(matches!(refused, Err(ForgeError::Invalid { .. })), "{refused:?}");
}

pub(super) async fn issue(ground: &Ground<'_>) {
    ground.issues(1).await;
    let seen = ground.client.issue(&ground.issue(1)).await.unwrap();
    assert_eq!(
        (seen.title.as_str(), seen.body.as_str(), seen.issue_state()),
        ("Issue 1", "B", Some(IssueState::Open))
    );
    assert!(!seen.is_assigned_to(&ground.bot) && !seen.is_pull_request);
    let missing = ground.client.issue(&ground.issue(99)).await;
    assert!(matches!(missing, Err(ForgeError::NotFound { .. })), "{missing:?}");
}

pub(super) async fn edit_issue(ground: &Ground<'_>) {
    ground.issues(2).await;
    let login = ground.bot.login.clone();
    let edit = IssueEdit { title: Some("New".into()), assignees: Some(vec![login]), ..IssueEdit::default() };
    let edited = ground.client.edit_issue(&ground.issue(1), &edit).await.unwrap();
    assert_eq!((edited.title.as_str(), edited.body.as_str()), ("New", "B"));
    assert!(edited.is_assigned_to(&ground.bot));
    ground.under_test.add_dependency(&ground.name, 1, 2).await;
    let edit = IssueEdit {
        body: Some("Changed all the same".into()),
        state: Some(IssueState::Closed),
        ..IssueEdit::default()
    };
    let refused = ground.client.edit_issue(&ground.issue(1), &edit).await;
    assert!(matches!(refused, Err(ForgeError::DependenciesOpen { .. })), "{refused:?}");
    assert_eq!(ground.client.issue(&ground.issue(1)).await.unwrap().body, "Changed all the same");
}

pub(super) async fn close_issue(ground: &Ground<'_>) {
    ground.issues(2).await;
    ground.under_test.add_dependency(&ground.name, 1, 2).await;
    let refused = ground.client.close_issue(&ground.issue(1)).await;
    assert!(matches!(refused, Err(ForgeError::DependenciesOpen { .. })), "{refused:?}");
    for number in [2, 1, 1] {
        ground.client.close_issue(&ground.issue(number)).await.unwrap();
    }
    let seen = ground.client.issue(&ground.issue(1)).await.unwrap();
    assert_eq!(seen.issue_state(), Some(IssueState::Closed));
}

pub(super) async fn assigned_open_issues(ground: &Ground<'_>) {
    ground.issues(1).await;
    for title in ["Mine", "Mine too", "Mine once"] {
        ground.under_test.create_issue(&ground.name, title, "", &[&ground.under_test.bot]).await;
    }
    ground.under_test.close(&ground.name, 4).await;
    let found = ground.client.assigned_open_issues(&ground.bot, None).await.unwrap();
    assert_eq!(names(&found), [3, 2]);
    let later = found[0].updated_ms() + 3_600_000;
    assert!(ground.client.assigned_open_issues(&ground.bot, Some(later)).await.unwrap().is_empty());
}

pub(super) async fn repository_issues_assigned(ground: &Ground<'_>) {
    ground.issues(1).await;
    ground.under_test.create_issue(&ground.name, "Mine", "", &[&ground.under_test.bot]).await;
    let found = ground.client.repository_issues_assigned(&ground.repo, &ground.bot, Some(0)).await.unwrap();
    assert_eq!(names(&found), [2]);
    let unknown = BotUser { id: 1_000_000, login: "nobody-at-all".into(), email: String::new() };
    let refused = ground.client.repository_issues_assigned(&ground.repo, &unknown, None).await;
    assert!(matches!(refused, Err(ForgeError::NotFound { .. })), "{refused:?}");
}

pub(super) async fn dependencies(ground: &Ground<'_>) {
    ground.issues(3).await;
    ground.under_test.add_dependency(&ground.name, 1, 2).await;
    ground.under_test.add_dependency(&ground.name, 1, 3).await;
    let found = ground.client.dependencies(&ground.issue(1)).await.unwrap();
    assert!(found.enabled);
    assert_eq!(names(&found.issues), [2, 3]);
    assert!(ground.client.dependencies(&ground.issue(2)).await.unwrap().issues.is_empty());
    hidden_ones_are_unknown(ground).await;
}

async fn hidden_ones_are_unknown(ground: &Ground<'_>) {
    let forge = ground.under_test;
    let secret = forge.repository("secret", &[]).await;
    forge.create_issue(&secret, "Hidden", "", &[]).await;
    forge.add_dependency_across(&ground.name, 2, &secret, 1).await;
    let path = format!("repos/{secret}/collaborators/{}", forge.bot.login);
    forge.ask(Some(&forge.owner), reqwest::Method::DELETE, &path, None).await;
    let hide = Some(serde_json::json!({ "private": true }));
    forge.ask(Some(&forge.owner), reqwest::Method::PATCH, &format!("repos/{secret}"), hide).await;
    let reader = client_of(forge, &forge.new_user("reader").await);
    for client in [&ground.client, &reader] {
        let found = client.dependencies(&ground.issue(2)).await.unwrap();
        let blockers: Vec<Blocker> = found.issues.iter().map(|issue| issue.as_blocker()).collect();
        assert_eq!(blockers, [Blocker { issue: None, state: None }]);
    }
}

pub(super) async fn blocks(ground: &Ground<'_>) {
    ground.issues(3).await;
    ground.under_test.add_dependency(&ground.name, 2, 1).await;
    ground.under_test.add_dependency(&ground.name, 3, 1).await;
    assert_eq!(names(&ground.client.blocks(&ground.issue(1)).await.unwrap().issues), [2, 3]);
}

pub(super) async fn add_dependency(ground: &Ground<'_>) {
    ground.issues(2).await;
    for _ in 0..2 {
        ground.client.add_dependency(&ground.issue(1), &ground.issue(2)).await.unwrap();
    }
    assert_eq!(names(&ground.client.dependencies(&ground.issue(1)).await.unwrap().issues), [2]);
    let back = ground.client.add_dependency(&ground.issue(2), &ground.issue(1)).await;
    assert!(matches!(back, Err(ForgeError::Server { status: 500, .. })), "{back:?}");
}

pub(super) async fn snapshot(ground: &Ground<'_>) {
    ground.issues(2).await;
    ground.under_test.assign(&ground.name, 1, &[&ground.under_test.bot]).await;
    ground.under_test.add_dependency(&ground.name, 1, 2).await;
    let seen = ground.client.snapshot(&ground.issue(1), &ground.bot).await.unwrap();
    let blocker = Blocker { issue: Some(ground.issue(2)), state: Some(IssueState::Open) };
    assert!(seen.assigned && seen.created_ms > 0 && seen.updated_ms >= seen.created_ms);
    assert_eq!((seen.blockers, seen.blocks), (vec![blocker], vec![]));
    let other = ground.client.snapshot(&ground.issue(2), &ground.bot).await.unwrap();
    assert_eq!((other.assigned, other.blocks), (false, vec![ground.issue(1)]));
    ground.topic("topic").await;
    ground.under_test.create_pull(&ground.name, "topic", "main", "P", "").await;
    let pull = ground.client.snapshot(&ground.issue(3), &ground.bot).await;
    assert!(matches!(pull, Err(ForgeError::NotAnIssue { .. })), "{pull:?}");
}

pub(super) async fn blocker_state(ground: &Ground<'_>) {
    ground.issues(2).await;
    ground.under_test.close(&ground.name, 2).await;
    for (number, state) in [(1, Some(IssueState::Open)), (2, Some(IssueState::Closed)), (99, None)] {
        assert_eq!(ground.client.blocker_state(&ground.issue(number)).await.unwrap(), state);
    }
    let name = serde_json::json!({ "name": format!("{}-new", ground.repo.repo) });
    let forge = ground.under_test;
    let path = format!("repos/{}", ground.name);
    assert_eq!(forge.ask(Some(&forge.owner), reqwest::Method::PATCH, &path, Some(name)).await.status, 200);
    let renamed = ground.client.blocker_state(&ground.issue(2)).await.unwrap();
    assert_eq!(renamed, Some(IssueState::Closed), "found under its new name");
}

pub(super) async fn create_comment(ground: &Ground<'_>) {
    ground.issues(1).await;
    let made = ground.client.create_comment(&ground.issue(1), "Hello <!-- mosaic -->").await.unwrap();
    let seen = ground.under_test.comments(&ground.name, 1).await;
    assert_eq!(
        (seen[0]["id"].as_i64(), seen[0]["body"].as_str()),
        (Some(made.id), Some("Hello <!-- mosaic -->"))
    );
    let empty = ground.client.create_comment(&ground.issue(1), "").await;
    assert!(matches!(empty, Err(ForgeError::Invalid { .. })), "{empty:?}");
}

pub(super) async fn comments(ground: &Ground<'_>) {
    ground.issues(1).await;
    assert!(ground.client.comments(&ground.issue(1)).await.unwrap().is_empty());
    for text in ["One", "Two"] {
        ground.under_test.comment(&ground.under_test.owner, &ground.name, 1, text).await;
    }
    let seen = ground.client.comments(&ground.issue(1)).await.unwrap();
    let told: Vec<(&str, &str)> =
        seen.iter().map(|c| (c.body.as_str(), c.user.as_ref().unwrap().login.as_str())).collect();
    let owner = ground.under_test.owner.login.as_str();
    assert_eq!(told, [("One", owner), ("Two", owner)]);
}

pub(super) async fn edit_comment(ground: &Ground<'_>) {
    ground.issues(1).await;
    let made = ground.client.create_comment(&ground.issue(1), "One").await.unwrap();
    for text in ["Two", "Two"] {
        ground.client.edit_comment(&ground.repo, made.id, text).await.unwrap();
    }
    assert_eq!(ground.under_test.comments(&ground.name, 1).await[0]["body"], "Two");
    let missing = ground.client.edit_comment(&ground.repo, 1_000_000, "x").await;
    assert!(matches!(missing, Err(ForgeError::NotFound { .. })), "{missing:?}");
}

pub(super) async fn timeline(ground: &Ground<'_>) {
    ground.issues(1).await;
    assert!(ground.client.timeline(&ground.issue(1)).await.unwrap().is_empty());
    for _ in 0..40 {
        ground.client.create_comment(&ground.issue(1), "More than a page").await.unwrap();
    }
    ground.under_test.close(&ground.name, 1).await;
    let told = ground.client.timeline(&ground.issue(1)).await.unwrap();
    assert_eq!((told.len(), told[0].kind.as_str(), told[40].kind.as_str()), (41, "comment", "close"));
}

pub(super) async fn last_actors(ground: &Ground<'_>) {
    ground.issues(1).await;
    let owner = Some(ground.under_test.owner.login.as_str());
    let login =
        |user: &Option<mosaic_coordinator::forge::wire::WireUser>| user.as_ref().map(|u| u.login.clone());
    ground.under_test.assign(&ground.name, 1, &[&ground.under_test.bot]).await;
    let last = ground.client.last_actors(&ground.issue(1), &ground.bot).await.unwrap();
    assert_eq!((login(&last.assigned_by).as_deref(), login(&last.unassigned_by)), (owner, None));
    ground.under_test.assign(&ground.name, 1, &[]).await;
    ground.under_test.close(&ground.name, 1).await;
    let last = ground.client.last_actors(&ground.issue(1), &ground.bot).await.unwrap();
    assert_eq!((login(&last.assigned_by), login(&last.unassigned_by).as_deref()), (None, owner));
    assert_eq!(login(&last.closed_by).as_deref(), owner);
}

pub(super) async fn last_assignment(ground: &Ground<'_>) {
    ground.issues(1).await;
    let last = async || ground.client.last_assignment(&ground.issue(1), &ground.bot).await.unwrap();
    assert_eq!(last().await, None);
    let (bot, owner) = (ground.under_test.bot.clone(), ground.under_test.owner.clone());
    ground.under_test.assign(&ground.name, 1, &[&bot]).await;
    let first = last().await;
    assert!(first.is_some());
    ground.under_test.assign(&ground.name, 1, &[&bot, &owner]).await;
    ground.under_test.assign(&ground.name, 1, &[]).await;
    assert_eq!(last().await, first, "somebody else and the end of it are no assignment of the bot's");
    ground.under_test.assign(&ground.name, 1, &[&bot]).await;
    assert!(last().await > first);
}
