//! Workspaces and checkouts: made, found again, brought onto a moved base, removed.

#![allow(clippy::unwrap_used)]

use std::{fs, os::unix::fs::MetadataExt as _};

use mosaic_coordinator::{
    domain::id::{CommitId, Generation},
    workspace::{Merged, Push, WorkspaceError, WorkspaceKey},
};

use super::*;

#[tokio::test]
async fn a_workspace_is_the_tasks_own_clone_on_its_branch() {
    let world = World::new().await;
    let workspace = world.workspace().await;
    assert_eq!(workspace.path, world.spaces.path_of(&world.repo, &workspace.key));
    let run = |args: &[&str]| git(&workspace.path, args);
    assert_eq!(run(&["symbolic-ref", "--short", "HEAD"]), BRANCH);
    assert_eq!(run(&["rev-parse", "HEAD"]), world.base.0);
    assert_eq!(run(&["status", "--porcelain"]), "");
    assert_eq!(run(&["config", "user.name"]), "Mosaic \"Bot\"");
    assert_eq!(run(&["rev-parse", "--absolute-git-dir"]), workspace.path.join(".git").display().to_string());
    assert_eq!(run(&["remote"]), "");
    let next = WorkspaceKey::new(7, Generation(2));
    let second = world.spaces.prepare(&world.repo, &next, "mosaic/7-work-g2", &world.base).await.unwrap();
    assert_ne!(second.path, workspace.path);
}

#[tokio::test]
async fn a_workspace_is_found_again_with_what_is_in_it() {
    let world = World::new().await;
    let workspace = world.workspace().await;
    fs::write(workspace.path.join("half"), "done").unwrap();
    let moved = world.commit_on_main("README", "other\n").await;
    let restarted = open(world.root.path(), environment());
    let found = restarted.prepare(&world.repo, &workspace.key, "mosaic/7-other", &moved).await.unwrap();
    assert_eq!(found, workspace);
    assert_eq!(restarted.find(&world.repo, &workspace.key), Some(found));
    assert_eq!(fs::read_to_string(workspace.path.join("half")).unwrap(), "done");
}

#[tokio::test]
async fn a_preparation_that_did_not_end_is_done_anew() {
    let world = World::new().await;
    let workspace = world.workspace().await;
    fs::write(workspace.path.join("leftover"), "").unwrap();
    fs::remove_file(workspace.path.parent().unwrap().join("workspace.json")).unwrap();
    assert_eq!(world.spaces.find(&world.repo, &workspace.key), None);
    let again = world.workspace().await;
    assert_eq!(again, workspace);
    assert!(!again.path.join("leftover").exists() && again.path.join("README").exists());
    fs::remove_dir_all(&again.path).unwrap();
    assert!(world.workspace().await.path.join("README").exists());
}

#[tokio::test]
async fn a_removed_workspace_leaves_nothing() {
    let world = World::new().await;
    let workspace = world.workspace().await;
    world.harvest(&workspace).await;
    world.spaces.remove(&workspace).await.unwrap();
    assert!(!workspace.path.parent().unwrap().exists());
    assert_eq!(git(&world.mirror(), &["--git-dir=.", "for-each-ref", "refs/mosaic"]), "");
    world.spaces.remove(&workspace).await.unwrap();
}

#[tokio::test]
async fn a_workspace_outlives_a_garbage_collection_of_its_mirror() {
    let world = World::new().await;
    let workspace = world.workspace().await;
    git(&world.remote_path(), &["update-ref", "-d", "refs/heads/main"]);
    world.fetch().await;
    git(&world.mirror(), &["--git-dir=.", "gc", "-q", "--prune=now"]);
    assert_eq!(git(&workspace.path, &["log", "--format=%s"]), "first");
    fs::write(workspace.path.join("new"), "x").unwrap();
    assert!(world.harvest(&workspace).await.has_changes());
}

#[tokio::test]
async fn a_checkout_is_clean_its_own_and_gone_afterwards() {
    let world = World::new().await;
    let one = world.spaces.checkout(&world.repo, &world.base).await.unwrap();
    let other = world.spaces.checkout(&world.repo, &world.base).await.unwrap();
    assert_ne!(one.path(), other.path());
    assert_eq!(git(one.path(), &["status", "--porcelain", "--ignored"]), "");
    assert_eq!(git(one.path(), &["rev-parse", "HEAD"]), world.base.0);
    assert_eq!(git_code(one.path(), &["symbolic-ref", "-q", "HEAD"]).0, 1);
    assert_eq!(fs::metadata(one.path().join("README")).unwrap().nlink(), 1);
    fs::remove_dir_all(one.path().join(".git")).unwrap();
    fs::create_dir_all(one.path().join("target/deep")).unwrap();
    let path = one.path().to_owned();
    one.remove().await.unwrap();
    assert!(!path.exists());
    assert_eq!(git(other.path(), &["fsck", "--no-progress"]), "");
    let path = other.path().to_owned();
    drop(other);
    until(|| !path.exists()).await;
    let unknown = world.spaces.checkout(&world.repo, &CommitId("0".repeat(40))).await.unwrap_err();
    assert!(matches!(unknown, WorkspaceError::NotFound { .. }), "{unknown}");
    fs::create_dir_all(world.root.path().join("spaces/checkouts/left-by-a-crash")).unwrap();
    open(world.root.path(), environment());
    assert_eq!(fs::read_dir(world.root.path().join("spaces/checkouts")).unwrap().count(), 0);
}

async fn until(done: impl Fn() -> bool) {
    let mut pause = tokio::time::interval(std::time::Duration::from_millis(10));
    for _ in 0..3000 {
        if done() {
            return;
        }
        pause.tick().await;
    }
    panic!("it did not come about within 30 s");
}

#[tokio::test]
async fn the_base_is_merged_into_a_workspace_whatever_its_state() {
    let world = World::new().await;
    let workspace = world.workspace().await;
    fs::write(workspace.path.join("work"), "mine").unwrap();
    fs::write(workspace.path.join("noise.log"), "ignored").unwrap();
    fs::remove_dir_all(workspace.path.join(".git")).unwrap();
    assert_eq!(world.spaces.merge_base_into(&workspace, &world.base).await.unwrap(), Merged::UpToDate);
    let base = world.commit_on_main("README", "moved\n").await;
    assert_eq!(world.spaces.merge_base_into(&workspace, &base).await.unwrap(), Merged::Clean);
    let read = |path: &str| fs::read_to_string(workspace.path.join(path)).unwrap();
    assert_eq!(
        (read("README"), read("work"), read("noise.log")),
        ("moved\n".into(), "mine".into(), "ignored".into())
    );
    assert_eq!(git(&workspace.path, &["status", "--porcelain"]), "");
    assert_eq!(git(&workspace.path, &["symbolic-ref", "--short", "HEAD"]), BRANCH);
    let harvest = world.spaces.harvest(&workspace, &base).await.unwrap();
    let paths: Vec<_> = harvest.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["work"]);
    assert_eq!(world.spaces.merge_base_into(&workspace, &base).await.unwrap(), Merged::UpToDate);
}

#[tokio::test]
async fn a_conflict_leaves_markers_and_its_resolution_is_taken_over() {
    let world = World::new().await;
    let workspace = world.workspace().await;
    let lib = workspace.path.join("src/lib.rs");
    fs::write(&lib, "one\nmine\nthree\n").unwrap();
    git(&workspace.path, &["commit", "-q", "-a", "-m", "mine"]);
    fs::remove_file(workspace.path.join("README")).unwrap();
    fs::write(world.person().join("README"), "theirs\n").unwrap();
    let base = world.commit_on_main("src/lib.rs", "one\ntheirs\nthree\n").await;
    let merged = world.spaces.merge_base_into(&workspace, &base).await.unwrap();
    assert_eq!(merged, Merged::Conflict { files: vec!["README".to_owned(), "src/lib.rs".to_owned()] });
    let marked = fs::read_to_string(&lib).unwrap();
    assert!(marked.contains("<<<<<<<") && marked.contains("mine") && marked.contains("theirs"), "{marked}");
    assert!(git(&workspace.path, &["status"]).contains("Unmerged paths"));
    let history = workspace.path.parent().unwrap().join("history/1");
    assert_eq!(git(&history, &["--git-dir=.", "log", "-1", "--format=%s"]), "mine");

    fs::write(&lib, "one\nboth\nthree\n").unwrap();
    let harvest = world.spaces.harvest(&workspace, &base).await.unwrap();
    let parents = [base.clone()];
    let commit = world.spaces.commit_tree(&world.repo, &harvest.tree, &parents, "both", 0).await.unwrap();
    assert_eq!(
        world.spaces.push(&world.repo, &world.remote, &commit, BRANCH, None).await.unwrap(),
        Push::Done
    );
    assert_eq!(git(&world.remote_path(), &["show", &format!("{BRANCH}:src/lib.rs")]), "one\nboth\nthree");
    assert_eq!(world.spaces.find(&world.repo, &workspace.key).unwrap().base, base);
}

#[tokio::test]
async fn workspaces_may_be_used_from_any_thread() {
    let world = World::new().await;
    let spaces = world.spaces.clone();
    let (repo, base, remote) = (world.repo.clone(), world.base.clone(), world.remote.clone());
    let spawned = tokio::spawn(async move {
        spaces.fetch(&repo, &remote).await.unwrap();
        let key = WorkspaceKey::new(9, Generation(1));
        let workspace = spaces.prepare(&repo, &key, "mosaic/9-x", &base).await.unwrap();
        spaces.merge_base_into(&workspace, &base).await.unwrap();
        spaces.harvest(&workspace, &base).await.unwrap().has_changes()
    });
    assert!(!spawned.await.unwrap());
}
