//! How a start fails, each in its own class, and the lock between trees.

use std::fs::{self, File};
use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::task::{Context, Waker};

use mosaic_coordinator::process::{Keeper, Spec, StartError};
use rustix::fs::{FlockOperation, flock};

use super::{Bench, end_of, ended, eventually, killed};

async fn refused(bench: &Bench, spec: Spec) -> StartError {
    let error = bench.start(spec).await.unwrap_err();
    bench.nothing_is_left().await;
    error
}

#[tokio::test]
async fn program_that_is_not_there_is_not_found() {
    let bench = Bench::new();
    let mut nowhere_to_look = bench.spec("sh", &[]);
    nowhere_to_look.env.remove("PATH");
    for spec in [bench.spec("no-such-agent", &[]), bench.spec("./no-such-agent", &[]), nowhere_to_look] {
        let program = spec.program.clone();
        let error = refused(&bench, spec).await;
        assert!(matches!(&error, StartError::NotFound { program: named } if *named == program), "{error}");
    }
}

#[tokio::test]
async fn file_that_cannot_be_run_is_not_executable_and_the_cause_is_named() {
    let bench = Bench::new();
    bench.write_program("plain", "#!/bin/sh\n", 0o644);
    bench.write_program("orphan", "#!/no/such/interpreter\n", 0o755);
    bench.write_program("noise", "neither script nor program\n", 0o755);
    for (name, cause) in [("plain", "no executable"), ("orphan", "interpreter"), ("noise", "no program")] {
        let error = refused(&bench, bench.spec(&format!("./{name}"), &[])).await;
        let StartError::NotExecutable { program, message } = &error else { panic!("{error}") };
        assert_eq!(program, &format!("./{name}"));
        assert!(message.contains(cause), "{name}: {message}");
    }
}

#[tokio::test]
async fn working_directory_that_is_missing_or_a_file_is_no_directory() {
    let bench = Bench::new();
    fs::write(bench.path().join("file"), "").unwrap();
    for name in ["missing", "file"] {
        let mut spec = bench.spec("true", &[]);
        spec.cwd = bench.path().join(name);
        let error = refused(&bench, spec).await;
        let StartError::NoDirectory { path, .. } = &error else { panic!("{error}") };
        assert_eq!(*path, bench.path().join(name));
    }
}

#[tokio::test]
async fn other_obstacles_are_told_with_their_cause() {
    let bench = Bench::new();
    let mut without_lock_folder = bench.spec("true", &[]);
    without_lock_folder.lock = Some(bench.path().join("missing/lock"));
    let with_nul = bench.spec("true", &["a\0b"]);
    for (spec, cause) in [(without_lock_folder, "lock file"), (with_nul, "nul byte")] {
        let error = refused(&bench, spec).await;
        assert!(matches!(&error, StartError::Other { message, .. } if message.contains(cause)), "{error}");
    }
}

#[tokio::test]
async fn executable_that_is_no_keeper_is_told() {
    let mut bench = Bench::new();
    bench.keeper = Keeper::at(PathBuf::from("/no/such/coordinator"));
    let error = refused(&bench, bench.spec("true", &[])).await;
    assert!(error.to_string().contains("the keeper `/no/such/coordinator`"), "{error}");

    bench.keeper = Keeper::at(PathBuf::from("/bin/true"));
    assert!(matches!(refused(&bench, bench.spec("true", &[])).await, StartError::Other { .. }));
}

#[tokio::test]
async fn script_is_started_relative_to_its_folder_under_its_own_name() {
    let bench = Bench::new();
    bench.write_program("agent", "#!/bin/sh\ntouch \"$PWD/ran-here\"\n", 0o755);
    let mut kept = bench.start(bench.spec("./agent", &[])).await.unwrap();
    assert_eq!(end_of(&mut kept).await, ended(0));
    assert!(bench.path().join("ran-here").exists());
}

#[tokio::test]
async fn lock_is_waited_for_until_the_older_tree_is_gone() {
    let bench = Bench::new();
    let locked = |mut spec: Spec| {
        spec.lock = Some(bench.path().join("lock"));
        spec
    };
    let mut older = bench.start(locked(bench.spec("sleep", &["600"]))).await.unwrap();
    let keeper = bench.keeper.clone();
    let spec = locked(bench.spec("sh", &["-c", "touch younger"]));
    let younger = tokio::spawn(async move { keeper.start(spec).await });
    eventually("the younger keeper runs", || bench.keepers().len() == 2).await;
    assert!(!younger.is_finished());
    assert!(!bench.path().join("younger").exists());

    older.control().kill();
    assert_eq!(end_of(&mut older).await, killed(0));

    let mut younger = younger.await.unwrap().unwrap();
    assert_eq!(end_of(&mut younger).await, ended(0));
    assert!(bench.path().join("younger").exists());
}

#[tokio::test]
async fn lock_that_is_never_freed_makes_the_start_busy() {
    let bench = Bench::new();
    let path = bench.path().join("lock");
    let held = File::create(&path).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    let mut spec = bench.spec("touch", &["started"]);
    spec.lock = Some(path.clone());

    let error = refused(&bench, spec).await;

    assert!(matches!(&error, StartError::Busy { lock } if *lock == path), "{error}");
    assert!(!bench.path().join("started").exists());
}

#[tokio::test]
async fn start_given_up_while_it_waits_for_the_lock_leaves_nothing() {
    let bench = Bench::new();
    let path = bench.path().join("lock");
    let held = File::create(&path).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    let mut spec = bench.spec("touch", &["started"]);
    spec.lock = Some(path);
    let keeper = bench.keeper.clone();
    let starting = tokio::spawn(async move { keeper.start(spec).await });
    eventually("the keeper runs", || bench.keepers().len() == 1).await;

    starting.abort();

    bench.nothing_is_left().await;
    assert!(!bench.path().join("started").exists());
}

#[tokio::test]
async fn start_given_up_at_any_point_leaves_nothing() {
    let bench = Bench::new();
    for polls in 0..6 {
        let starting = bench.keeper.start(bench.spec("sleep", &["600"]));
        let mut starting = pin!(starting);
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..polls {
            if starting.as_mut().poll(&mut context).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    bench.nothing_is_left().await;
}
