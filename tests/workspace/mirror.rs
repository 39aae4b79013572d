//! Mirrors: what is fetched, read, merged, committed and pushed, and where the token goes.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

use mosaic_coordinator::{
    domain::id::{CommitId, RepoRef, TreeId},
    workspace::{Merge, Push, Remote, WorkspaceError},
};
use secrecy::SecretString;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;

#[tokio::test]
async fn a_mirror_follows_the_remote_also_where_branches_go() {
    let world = World::new().await;
    let (spaces, repo) = (&world.spaces, &world.repo);
    assert_eq!(spaces.branch_head(repo, "main").await.unwrap(), Some(world.base.clone()));
    git(&world.person(), &["push", "-q", "origin", "main:feature/x"]);
    let by_url = Remote { url: format!("file://{}", world.remote_path().display()), ..world.remote.clone() };
    spaces.fetch(repo, &by_url).await.unwrap();
    assert_eq!(spaces.branch_head(repo, "feature/x").await.unwrap(), Some(world.base.clone()));
    git(&world.person(), &["push", "-q", "origin", ":feature/x"]);
    world.fetch().await;
    assert_eq!(spaces.branch_head(repo, "feature/x").await.unwrap(), None);
    assert!(matches!(spaces.branch_head(repo, "-x").await, Err(WorkspaceError::NotFound { .. })));
}

#[tokio::test]
async fn many_fetches_of_one_repository_wait_for_each_other() {
    let world = World::new().await;
    let fetches = (0..6).map(|_| world.spaces.fetch(&world.repo, &world.remote));
    for fetched in futures_util::future::join_all(fetches).await {
        fetched.unwrap();
    }
}

#[tokio::test]
async fn files_and_trees_of_a_commit_are_read() {
    let world = World::new().await;
    symlink("/etc/passwd", world.person().join("link")).unwrap();
    let commit = world.commit_on_main(".mosaic.toml", "[policy]\n").await;
    let read = async |path: &str| world.spaces.read_file(&world.repo, &commit, path, 16).await;
    assert_eq!(read(".mosaic.toml").await.unwrap().unwrap(), b"[policy]\n");
    for path in ["none", "src", "link", "*", ""] {
        assert!(!matches!(read(path).await, Ok(Some(_))), "{path}");
    }
    let long = world.commit_on_main(".mosaic.toml", "0123456789abcdefg").await;
    let error = world.spaces.read_file(&world.repo, &long, ".mosaic.toml", 16).await.unwrap_err();
    assert_eq!(rule(&error), ("git/size", Some(".mosaic.toml")));
    let tree = world.spaces.tree_of(&world.repo, &commit).await.unwrap();
    assert_eq!(tree.0, git(&world.person(), &["rev-parse", &format!("{commit}^{{tree}}")]));
    for unknown in ["0".repeat(40), "--all".to_owned(), "main".to_owned()] {
        let unknown = world.spaces.tree_of(&world.repo, &CommitId(unknown)).await;
        assert!(matches!(unknown, Err(WorkspaceError::NotFound { .. })));
    }
}

#[tokio::test]
async fn what_was_never_fetched_is_not_found() {
    let world = World::new().await;
    let other = RepoRef::new("acme", "other");
    let error = world.spaces.branch_head(&other, "main").await.unwrap_err();
    assert!(error.to_string().contains("acme/other") && matches!(error, WorkspaceError::NotFound { .. }));
    let gone = local(&world.root.path().join("gone.git"));
    assert!(matches!(world.spaces.fetch(&other, &gone).await, Err(WorkspaceError::NotFound { .. })));
}

/// A forge that answers every request with `answer` and returns the first request's head.
async fn forge(answer: &'static str) -> (Remote, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/", listener.local_addr().unwrap());
    let seen = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(head).unwrap()
    });
    let url = format!("{base_url}acme/app.git");
    (Remote { url, token: SecretString::from(TOKEN), base_url }, seen)
}

/// All bytes below a folder.
fn everything(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.symlink_metadata().unwrap() {
            metadata if metadata.is_dir() => bytes.extend(everything(&path)),
            metadata if metadata.is_file() => bytes.extend(fs::read(&path).unwrap()),
            _ => {}
        }
    }
    bytes
}

#[tokio::test]
async fn the_token_goes_to_the_forge_in_a_header_and_nowhere_else() {
    let world = World::new().await;
    let (remote, seen) =
        forge("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .await;
    let error = world.spaces.fetch(&world.repo, &remote).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::AuthRefused { .. }), "{error}");
    let said = format!("{error} {error:?}");
    assert!(said.contains("acme/app") && !said.contains(TOKEN), "{said}");
    let head = seen.await.unwrap();
    assert!(head.contains(&format!("Authorization: token {TOKEN}\r\n")), "{head}");
    assert!(!head.lines().next().unwrap().contains(TOKEN));
    let disk = everything(world.root.path());
    assert!(!disk.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes()));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let world = World::new().await;
    let (remote, _seen) =
        forge("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .await;
    let error = world.spaces.fetch(&world.repo, &remote).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("302"), "{error}");
}

#[tokio::test]
async fn a_forge_that_does_not_answer_is_unreachable() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let remote = Remote { url: format!("{base_url}a/b.git"), token: SecretString::from(TOKEN), base_url };
    let error = world.spaces.fetch(&world.repo, &remote).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::Unreachable { .. }), "{error}");
    let ssh = Remote { url: "ssh://127.0.0.1/a/b.git".to_owned(), ..remote };
    let error = world.spaces.fetch(&world.repo, &ssh).await.unwrap_err();
    assert!(error.to_string().contains("not allowed"), "{error}");
}

#[tokio::test]
async fn git_that_is_missing_or_too_old_is_said_so() {
    let root = tempfile::tempdir().unwrap();
    let remote = local(root.path());
    let path = |folder: &Path| BTreeMap::from([("PATH".to_owned(), folder.display().to_string())]);
    let missing = open(root.path(), path(&root.path().join("none")));
    let error = missing.fetch(&RepoRef::new("a", "b"), &remote).await.unwrap_err();
    assert!(
        matches!(error, WorkspaceError::GitUnusable { .. }) && error.to_string().contains("2.38"),
        "{error}"
    );
    let old = root.path().join("git");
    fs::write(&old, "#!/bin/sh\necho git version 2.30.2\n").unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
    let error =
        open(root.path(), path(root.path())).fetch(&RepoRef::new("a", "b"), &remote).await.unwrap_err();
    assert!(error.to_string().contains("git version 2.30.2"), "{error}");
}

#[tokio::test]
async fn the_same_input_makes_the_same_commit() {
    let world = World::new().await;
    let tree = world.spaces.tree_of(&world.repo, &world.base).await.unwrap();
    let at = [world.base.clone()];
    let make = async |message: &str, at_ms| {
        world.spaces.commit_tree(&world.repo, &tree, &at, message, at_ms).await.unwrap()
    };
    let one = make("Add it\n\nAgent: mine", 1_700_000_000_123).await;
    assert_eq!(one, make("Add it\n\nAgent: mine\n", 1_700_000_000_999).await);
    assert_ne!(one, make("Add it\n\nAgent: mine", 1_700_000_001_000).await);
    let shown = ["--git-dir=.", "log", "-1", "--format=%an <%ae> %cn %at %P%n%B", &one.0];
    assert_eq!(
        git(&world.mirror(), &shown),
        format!("Mosaic Bot <bot@example> Mosaic Bot 1700000000 {}\nAdd it\n\nAgent: mine", world.base)
            .replace("Mosaic Bot", "Mosaic \"Bot")
    );
    let no_tree = TreeId("--help".to_owned());
    assert!(world.spaces.commit_tree(&world.repo, &no_tree, &[], "x", 0).await.is_err());
}

#[tokio::test]
async fn commits_are_merged_and_compared_without_a_work_tree() {
    let world = World::new().await;
    let (spaces, repo) = (&world.spaces, &world.repo);
    let workspace = world.workspace().await;
    fs::write(workspace.path.join("src/lib.rs"), "one\ntwo\n3\n").unwrap();
    let tree = world.harvest(&workspace).await.tree;
    let ours = spaces.commit_tree(repo, &tree, std::slice::from_ref(&world.base), "ours", 0).await.unwrap();
    let apart = world.commit_on_main("README", "moved\n").await;
    let Merge::Clean(merged) = spaces.merge(repo, &ours, &apart).await.unwrap() else { panic!("conflict") };
    assert_eq!(world.content(&merged, "README").await.unwrap(), "moved\n");
    assert_eq!(world.content(&merged, "src/lib.rs").await.unwrap(), "one\ntwo\n3\n");
    let against = world.commit_on_main("src/lib.rs", "one\ntwo\nthird\n").await;
    let conflict = spaces.merge(repo, &ours, &against).await.unwrap();
    assert_eq!(conflict, Merge::Conflict { files: vec!["src/lib.rs".to_owned()] });
    assert!(spaces.is_ancestor(repo, &world.base, &against).await.unwrap());
    assert!(!spaces.is_ancestor(repo, &ours, &against).await.unwrap());
    assert_eq!(spaces.merge_base(repo, &ours, &against).await.unwrap(), Some(world.base.clone()));
    let alone = spaces.commit_tree(repo, &tree, &[], "alone", 0).await.unwrap();
    assert_eq!(spaces.merge_base(repo, &alone, &against).await.unwrap(), None);
    let unknown = CommitId("0".repeat(40));
    assert!(matches!(spaces.merge(repo, &ours, &unknown).await, Err(WorkspaceError::Git { .. })));
    assert!(matches!(spaces.is_ancestor(repo, &ours, &unknown).await, Err(WorkspaceError::Git { .. })));
    assert!(matches!(spaces.merge_base(repo, &ours, &unknown).await, Err(WorkspaceError::Git { .. })));
}

#[tokio::test]
async fn a_push_is_done_once_and_only_on_what_was_expected() {
    let world = World::new().await;
    let (spaces, repo) = (&world.spaces, &world.repo);
    let tree = spaces.tree_of(repo, &world.base).await.unwrap();
    let make = async |message: &str| {
        spaces.commit_tree(repo, &tree, std::slice::from_ref(&world.base), message, 0).await.unwrap()
    };
    let (one, two, other) = (make("one").await, make("two").await, make("other").await);
    let push = async |commit: &CommitId, expected: Option<&CommitId>| {
        spaces.push(repo, &world.remote, commit, BRANCH, expected).await.unwrap()
    };
    assert_eq!(push(&one, Some(&world.base)).await, Push::Stale);
    assert_eq!(push(&one, None).await, Push::Done);
    assert_eq!(push(&one, None).await, Push::UpToDate);
    assert_eq!(push(&two, None).await, Push::Stale);
    assert_eq!(push(&two, Some(&other)).await, Push::Stale);
    assert_eq!(push(&two, Some(&one)).await, Push::Done);
    assert_eq!(push(&two, Some(&one)).await, Push::UpToDate);
    assert_eq!(git(&world.remote_path(), &["rev-parse", BRANCH]), two.0);
    assert_eq!(spaces.branch_head(repo, BRANCH).await.unwrap(), Some(two));
}

#[tokio::test]
async fn a_push_that_the_remote_declines_says_why() {
    let world = World::new().await;
    let hook = world.remote_path().join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\necho 'branch is protected' >&2\nexit 1\n").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let push = async |remote: &Remote| {
        world.spaces.push(&world.repo, remote, &world.base, BRANCH, None).await.unwrap_err()
    };
    let error = push(&world.remote).await;
    assert!(matches!(error, WorkspaceError::PushRefused { .. }), "{error}");
    assert!(error.to_string().contains("branch is protected"), "{error}");
    let gone = push(&local(&world.root.path().join("gone.git"))).await;
    assert!(matches!(gone, WorkspaceError::NotFound { .. }), "{gone}");
}
