//! A coordinator that dies by SIGKILL takes its trees along.
//!
//! The coordinator is this test binary once more, running the one ignored test below.

use std::path::PathBuf;
use std::process::Stdio;

use mosaic_coordinator::process::Keeper;
use rustix::process::Signal;
use tokio::process::{Child, Command};

use super::{Bench, eventually, send, spec_in};

const FOLDER: &str = "KEEPER_COORDINATOR_FOLDER";

const TREE: &str = "
    trap '' INT TERM HUP
    setsid sh -c 'trap \"\" INT TERM HUP; touch detached; exec sleep 600' &
    (setsid sh -c 'exec <&- >&- 2>&-; : > orphan; exec sleep 600' &)
    until [ -e detached ] && [ -e orphan ]; do sleep 0.01; done
    touch ready
    exec sleep 600";

#[allow(clippy::disallowed_methods)]
fn coordinator(bench: &Bench) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "keeper::coordinator_death::coordinator_to_be_killed"])
        .env(FOLDER, bench.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test]
#[ignore = "is the coordinator that the other tests start and kill"]
#[allow(clippy::disallowed_methods)]
async fn coordinator_to_be_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    // No folder of its own: who is killed does not tidy up.
    let keeper = Keeper::at(PathBuf::from(env!("CARGO_BIN_EXE_mosaic-coordinator")));
    let mut trees = Vec::new();
    for _ in 0..2 {
        trees.push(keeper.start(spec_in(&PathBuf::from(&folder), "sh", &["-c", TREE])).await.unwrap());
    }
    trees[0].wait().await;
}

#[tokio::test]
async fn whole_trees_are_gone_after_the_coordinators_kill() {
    let bench = Bench::new();
    let mut coordinator = coordinator(&bench);
    bench.file_appears("ready").await;
    eventually("both trees are complete", || bench.processes().len() == 6).await;

    coordinator.start_kill().unwrap();
    coordinator.wait().await.unwrap();

    bench.nothing_is_left().await;
}

#[tokio::test]
async fn coordinator_killed_as_soon_as_a_keeper_is_seen_leaves_nothing() {
    let bench = Bench::new();
    for _ in 0..10 {
        let mut coordinator = coordinator(&bench);
        let number = i32::try_from(coordinator.id().unwrap()).unwrap();
        eventually("a keeper starts", || {
            let seen = !bench.keepers().is_empty();
            if seen {
                send(number, Signal::KILL);
            }
            seen
        })
        .await;
        coordinator.wait().await.unwrap();
        bench.nothing_is_left().await;
    }
}
