//! Exit codes: scripts rely on them.

use std::{os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use super::{
    process::{BINARY, Coordinator},
    scene::Scene,
};

/// Starts, and has to end by itself: its exit code, and what it said.
async fn ends(scene: &Scene) -> (Option<i32>, String) {
    let before = std::fs::read_to_string(scene.file("log")).unwrap_or_default().len();
    let mut coordinator = scene.try_start();
    assert!(!coordinator.listens(), "it listens: {}", coordinator.log());
    let status = coordinator.ended().await;
    assert_eq!(coordinator.stdout(), "", "standard output carries the start-up line alone");
    (status.code(), coordinator.log()[before..].to_owned())
}

#[test]
fn a_wrong_command_line_is_2() {
    for args in
        [&[][..], &["serve", "--port", "1"], &["dance"], &["serve", "extra"], &["report", "--url", "ftp://x"]]
    {
        let out = Command::new(BINARY).args(args).env_clear().output().unwrap();
        assert_eq!(out.status.code(), Some(2), "{args:?}");
        assert!(out.stdout.is_empty() && !out.stderr.is_empty(), "{args:?}");
    }
    for flag in ["--help", "--version"] {
        let out = Command::new(BINARY).arg(flag).output().unwrap();
        assert_eq!(out.status.code(), Some(0));
        assert!(!out.stdout.is_empty() && out.stderr.is_empty(), "{flag}");
    }
}

#[tokio::test]
async fn a_taken_port_is_69() {
    let mut scene = Scene::new().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    scene.set("server", "port", i64::from(port));
    let (code, said) = ends(&scene).await;
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains(&port.to_string()) && said.contains("server.port"), "{said}");
    scene.nothing_left(&[]).await;
}

#[tokio::test]
async fn a_database_that_cannot_be_had_is_69() {
    let mut scene = Scene::new().await;
    std::fs::write(scene.file("file"), "").unwrap();
    std::fs::create_dir(scene.file("folder.db")).unwrap();
    std::fs::write(scene.file("text.db"), "this is no database, whatever its name says\n".repeat(100))
        .unwrap();
    for path in ["file/mosaic.db", "folder.db", "text.db"] {
        let path = scene.file(path).display().to_string();
        scene.set("store", "path", path.clone());
        let (code, said) = ends(&scene).await;
        assert_eq!(code, Some(69), "{path}: {said}");
        assert!(said.contains(&path) && said.contains("store.path"), "{path}: {said}");
    }
}

#[tokio::test]
async fn a_second_coordinator_on_the_same_data_is_75_and_names_the_first() {
    let mut scene = Scene::new().await;
    let mut first = scene.start();
    scene.set("server", "port", 0);
    let (code, said) = ends(&scene).await;
    assert_eq!(code, Some(75), "{said}");
    assert!(said.contains(&format!("process {}", first.pid())), "{said}");
    assert!(said.contains("store.path"), "{said}");
    assert_eq!(first.try_get("/health").await.unwrap().status, 200);
    // Even a killed one holds nothing any more.
    first.kill();
    scene.start();
}

#[tokio::test]
async fn a_refused_configuration_is_78_with_all_its_faults() {
    let mut scene = Scene::new().await;
    scene.set("gitea", "webhook_secrets", Vec::<String>::new());
    scene.set("gitea", "url", "ftp://forge");
    scene.set("server", "prot", 8000);
    scene.set("policy", "rotate_at", 1.5);
    scene.set("models.small", "agent", "nobody");
    let (code, said) = ends(&scene).await;
    assert_eq!(code, Some(78), "{said}");
    for key in ["webhook_secrets", "gitea.url", "prot", "rotate_at", "models.small"] {
        assert!(said.contains(key), "{key} is not in {said}");
    }
    let config = scene.file("config.toml");
    assert!(said.contains(config.to_str().unwrap()), "{said}");
    let checked = scene.command(&["check-config", "--config", config.to_str().unwrap()]).output().unwrap();
    assert_eq!(checked.status.code(), Some(78));
    assert_eq!(String::from_utf8_lossy(&checked.stderr), said, "both say the same");
    assert!(checked.stdout.is_empty());
}

#[tokio::test]
async fn a_workspace_root_that_cannot_be_made_is_refused() {
    let mut scene = Scene::new().await;
    std::fs::write(scene.file("file"), "").unwrap();
    scene.set("workspace", "root", scene.file("file/workspaces").display().to_string());
    let (code, said) = ends(&scene).await;
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("file/workspaces"), "{said}");
}

#[tokio::test]
async fn without_a_configuration_nothing_is_guessed() {
    let scene = Scene::new().await;
    let mut coordinator = Coordinator::start(scene.command(&["serve"]), &scene.file("log"));
    assert_eq!(coordinator.ended().await.code(), Some(78));
    assert!(coordinator.log().contains("GITEA_WEBHOOK_SECRET"), "{}", coordinator.log());
}

/// A file system of a few hundred kilobytes; gone when dropped.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mounted(at: &'a Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let options = format!("size={size}");
        let done =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).output().ok()?;
        done.status.success().then_some(Self(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        // Lazily, since a coordinator may still be about to let go of it.
        let _ = Command::new("umount").arg("-l").arg(self.0).output();
    }
}

#[tokio::test]
async fn a_full_disk_under_the_store_is_74() {
    let mut scene = Scene::new().await;
    let at = scene.file("small");
    let Some(_disk) = SmallDisk::mounted(&at, "64k") else {
        eprintln!("left out: this machine does not let tests mount a small disk");
        return;
    };
    std::fs::write(at.join("ballast"), vec![0; 60 * 1024]).unwrap();
    scene.set("store", "path", at.join("mosaic.db").display().to_string());
    let (code, said) = ends(&scene).await;
    assert_eq!(code, Some(74), "{said}");
    assert!(said.contains("full"), "{said}");
}

#[tokio::test]
async fn a_data_directory_without_the_right_to_write_is_69() {
    if rustix::process::geteuid().is_root() {
        // Root may write everywhere, but not into what the kernel makes up.
        let mut scene = Scene::new().await;
        scene.set("store", "path", "/proc/mosaic/mosaic.db");
        let (code, said) = ends(&scene).await;
        assert_eq!(code, Some(69), "{said}");
        return;
    }
    let mut scene = Scene::new().await;
    let folder = scene.file("closed");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o500)).unwrap();
    scene.set("store", "path", folder.join("mosaic.db").display().to_string());
    let (code, said) = ends(&scene).await;
    assert_eq!(code, Some(69), "{said}");
}
