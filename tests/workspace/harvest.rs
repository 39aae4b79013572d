//! What is taken over from an agent's work tree, honest or hostile.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

use mosaic_coordinator::{
    domain::id::Generation,
    workspace::{ChangeStatus, Merged, WorkspaceError, WorkspaceKey},
};

use super::*;

#[tokio::test]
async fn what_was_left_is_taken_over_committed_or_not() {
    let world = World::new().await;
    let workspace = world.workspace().await;
    fs::write(workspace.path.join("committed"), "a\nb\n").unwrap();
    git(&workspace.path, &["add", "committed"]);
    git(&workspace.path, &["commit", "-q", "-m", "mine"]);
    fs::write(workspace.path.join("src/lib.rs"), "one\n2\nthree\n").unwrap();
    fs::write(workspace.path.join("bin"), b"\0\x01\x02").unwrap();
    fs::remove_file(workspace.path.join("README")).unwrap();
    fs::write(workspace.path.join("noise.log"), "ignored").unwrap();
    let harvest = world.harvest(&workspace).await;
    let files: Vec<_> =
        harvest.files.iter().map(|f| (f.path.as_str(), f.status, f.added, f.deleted)).collect();
    assert_eq!(
        files,
        [
            ("README", ChangeStatus::Deleted, Some(0), Some(1)),
            ("bin", ChangeStatus::Added, None, None),
            ("committed", ChangeStatus::Added, Some(2), Some(0)),
            ("src/lib.rs", ChangeStatus::Modified, Some(1), Some(1)),
        ]
    );
    assert!(
        harvest.diff_stat.ends_with("4 files changed, 3 lines added, 2 deleted"),
        "{}",
        harvest.diff_stat
    );
    assert_eq!(world.content(&harvest.tree, "src/lib.rs").await.unwrap(), "one\n2\nthree\n");
    assert_eq!(world.content(&harvest.tree, "noise.log").await, None);
    assert_eq!(git(&workspace.path, &["log", "-1", "--format=%s"]), "mine");
    assert_eq!(world.harvest(&workspace).await, harvest);
}

#[tokio::test]
async fn a_workspace_without_changes_gives_the_tree_of_the_base() {
    let world = World::new().await;
    let harvest = world.harvest(&world.workspace().await).await;
    assert!(!harvest.has_changes() && harvest.files.is_empty());
    assert_eq!(harvest.tree, world.spaces.tree_of(&world.repo, &world.base).await.unwrap());
}

#[tokio::test]
async fn the_state_of_the_agents_own_repository_does_not_matter() {
    let world = World::new().await;
    let workspace = world.workspace().await;
    let tree = &workspace.path;
    fs::write(tree.join("work"), "kept").unwrap();
    let expected = world.harvest(&workspace).await;
    let states: [(&str, &dyn Fn()); 7] = [
        ("lock", &|| fs::write(tree.join(".git/index.lock"), "").unwrap()),
        ("index", &|| fs::write(tree.join(".git/index"), "garbage").unwrap()),
        ("unlock", &|| {
            fs::remove_file(tree.join(".git/index.lock")).unwrap();
            git(tree, &["read-tree", "HEAD"]);
        }),
        ("detached", &|| drop(git(tree, &["checkout", "-q", "--detach"]))),
        ("other branch", &|| drop(git(tree, &["checkout", "-q", "-b", "elsewhere"]))),
        ("rewritten", &|| {
            git(tree, &["checkout", "-q", "--orphan", "new"]);
            git(tree, &["add", "-A"]);
            git(tree, &["commit", "-q", "-m", "all new"]);
            git(tree, &["branch", "-D", BRANCH]);
        }),
        ("removed", &|| fs::remove_dir_all(tree.join(".git")).unwrap()),
    ];
    for (state, make) in states {
        make();
        assert_eq!(world.harvest(&workspace).await, expected, "{state}");
    }
    symlink("/nowhere", tree.join(".git")).unwrap();
    assert_eq!(world.harvest(&workspace).await, expected);
}

#[tokio::test]
async fn a_work_tree_that_is_gone_or_a_link_is_not_taken_over() {
    let world = World::new().await;
    let workspace = world.workspace().await;
    fs::remove_dir_all(&workspace.path).unwrap();
    let gone = world.spaces.harvest(&workspace, &world.base).await.unwrap_err();
    assert!(matches!(gone, WorkspaceError::NotFound { .. }), "{gone}");
    symlink("/etc", &workspace.path).unwrap();
    let link = world.spaces.harvest(&workspace, &world.base).await.unwrap_err();
    assert!(matches!(link, WorkspaceError::NotFound { .. }), "{link}");
}

#[tokio::test]
async fn ignored_files_count_where_the_agent_tracks_them() {
    let world = World::new().await;
    let workspace = world.workspace().await;
    for (name, force) in [("kept.log", true), ("gone.log", true), ("noise.log", false)] {
        fs::write(workspace.path.join(name), name).unwrap();
        if force {
            git(&workspace.path, &["add", "-f", name]);
        }
    }
    fs::remove_file(workspace.path.join("gone.log")).unwrap();
    let harvest = world.harvest(&workspace).await;
    let paths: Vec<_> = harvest.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["kept.log"]);
}

/// An agent that tries to have its own programs run by whoever uses git in its work tree.
fn set_traps(tree: &Path, sprung: &Path) {
    let trap = tree.join("trap.sh");
    fs::write(&trap, format!("#!/bin/sh\necho \"$0 $*\" >> '{}'\ncat\n", sprung.display())).unwrap();
    fs::set_permissions(&trap, fs::Permissions::from_mode(0o755)).unwrap();
    let program = trap.display().to_string();
    for key in
        ["core.fsmonitor", "filter.evil.clean", "filter.evil.smudge", "diff.external", "core.sshCommand"]
    {
        git(tree, &["config", key, &program]);
    }
    for key in ["merge.evil.driver", "diff.evil.textconv", "core.editor", "uploadpack.packObjectsHook"] {
        git(tree, &["config", key, &program]);
    }
    fs::write(tree.join(".gitattributes"), "* filter=evil diff=evil merge=evil\n").unwrap();
    let hooks = tree.join(".git/hooks");
    fs::create_dir_all(&hooks).unwrap();
    for hook in
        ["pre-commit", "post-commit", "reference-transaction", "pre-push", "post-checkout", "post-merge"]
    {
        fs::copy(&trap, hooks.join(hook)).unwrap();
    }
    fs::copy(&trap, hooks.join("post-index-change")).unwrap();
}

#[tokio::test]
async fn nothing_that_an_agent_configured_is_run() {
    let world = World::new().await;
    let workspace = world.workspace().await;
    let sprung = world.root.path().join("sprung");
    set_traps(&workspace.path, &sprung);
    fs::write(workspace.path.join("work"), "plain").unwrap();
    // The trap works: git as a person runs it springs it.
    git(&workspace.path, &["status"]);
    assert!(sprung.exists());
    fs::remove_file(&sprung).unwrap();

    let harvest = world.harvest(&workspace).await;
    let at = [world.base.clone()];
    let commit = world.spaces.commit_tree(&world.repo, &harvest.tree, &at, "work", 0).await.unwrap();
    let checkout = world.spaces.checkout(&world.repo, &commit).await.unwrap();
    let base = world.commit_on_main("README", "moved\n").await;
    assert_eq!(world.spaces.merge_base_into(&workspace, &base).await.unwrap(), Merged::Clean);
    let again = world.spaces.harvest(&workspace, &base).await.unwrap();
    world.spaces.push(&world.repo, &world.remote, &commit, BRANCH, None).await.unwrap();

    assert!(!sprung.exists(), "{}", fs::read_to_string(&sprung).unwrap());
    assert_eq!(world.content(&again.tree, "work").await.unwrap(), "plain");
    assert!(checkout.path().join("trap.sh").exists());
}

#[tokio::test]
async fn a_repository_inside_the_work_tree_is_refused_and_named() {
    let world = World::new().await;
    let workspace = world.workspace().await;
    git(&workspace.path, &["init", "-q", "sub/nested"]);
    fs::write(workspace.path.join("sub/nested/file"), "x").unwrap();
    let error = world.spaces.harvest(&workspace, &world.base).await.unwrap_err();
    assert_eq!(rule(&error), ("git/nested-repository", Some("sub/nested")));
    let nested = workspace.path.join("sub/nested");
    git(&nested, &["add", "-A"]);
    git(&nested, &["commit", "-q", "-m", "nested"]);
    let error = world.spaces.harvest(&workspace, &world.base).await.unwrap_err();
    assert_eq!(rule(&error), ("git/nested-repository", Some("sub/nested")));
    assert!(error.to_string().contains("remove its `.git`"), "{error}");
    fs::remove_dir_all(nested.join(".git")).unwrap();
    assert_eq!(world.harvest(&workspace).await.files[0].path, "sub/nested/file");
    fs::create_dir_all(workspace.path.join("target")).unwrap();
    git(&workspace.path, &["init", "-q", "target/ignored"]);
    assert_eq!(world.harvest(&workspace).await.files.len(), 1);
}

#[tokio::test]
async fn a_name_that_passes_for_a_git_directory_is_refused() {
    let world = World::new().await;
    let workspace = world.workspace().await;
    fs::create_dir(workspace.path.join("GIT~1")).unwrap();
    fs::write(workspace.path.join("GIT~1/config"), "[core]\n").unwrap();
    let error = world.spaces.harvest(&workspace, &world.base).await.unwrap_err();
    assert_eq!(rule(&error), ("git/dot-git", Some("GIT~1/config")));
}

#[tokio::test]
async fn work_that_packs_too_large_is_refused() {
    let world = World::new().await;
    let workspace = world.workspace().await;
    let noise: Vec<u8> = (0..200_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    fs::write(workspace.path.join("noise"), noise).unwrap();
    let tight = world.spaces.clone().with_bundle_limit(10_000);
    let error = tight.harvest(&workspace, &world.base).await.unwrap_err();
    assert_eq!(rule(&error), ("git/size", None));
    assert_eq!(world.harvest(&workspace).await.files.len(), 1);
}

#[tokio::test]
async fn unusual_files_are_taken_over_as_they_are() {
    let world = World::new().await;
    let workspace = world.workspace().await;
    symlink("/etc/passwd", workspace.path.join("link")).unwrap();
    fs::write(workspace.path.join("tab\tand \"quote\"\n"), "x").unwrap();
    fs::write(workspace.path.join("crlf"), "a\r\nb\r\n").unwrap();
    fs::write(workspace.path.join("tool.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(workspace.path.join("tool.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    let harvest = world.harvest(&workspace).await;
    let files: Vec<_> = harvest.files.iter().map(|f| (f.path.as_str(), f.new_mode.as_str())).collect();
    assert_eq!(
        files,
        [("crlf", "100644"), ("link", "120000"), ("tab\tand \"quote\"\n", "100644"), ("tool.sh", "100755")]
    );
    assert_eq!(world.content(&harvest.tree, "crlf").await.unwrap(), "a\r\nb\r\n");
}

#[tokio::test]
async fn a_submodule_of_the_base_and_a_pipe_do_no_harm() {
    let world = World::new().await;
    let entry = format!("160000,{},lib", world.base);
    git(&world.person(), &["update-index", "--add", "--cacheinfo", &entry]);
    git(&world.person(), &["commit", "-q", "-m", "submodule"]);
    git(&world.person(), &["push", "-q", "origin", "HEAD:with-submodule"]);
    world.fetch().await;
    let base = world.spaces.branch_head(&world.repo, "with-submodule").await.unwrap().unwrap();
    let key = WorkspaceKey::new(8, Generation(1));
    let workspace = world.spaces.prepare(&world.repo, &key, "mosaic/8-x", &base).await.unwrap();
    let make_pipe = |name: &str| {
        let path = workspace.path.join(name);
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
            .unwrap();
    };
    make_pipe("pipe");
    let harvest = world.spaces.harvest(&workspace, &base).await.unwrap();
    assert_eq!(harvest.files, []);
    fs::remove_file(workspace.path.join("README")).unwrap();
    make_pipe("README");
    let error = world.spaces.harvest(&workspace, &base).await.unwrap_err();
    assert_eq!(rule(&error), ("git/bad-object", Some("README")));
    assert!(!workspace.path.parent().unwrap().join("harvest").exists());
}
