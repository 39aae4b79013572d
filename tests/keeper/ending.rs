//! How trees end: by themselves, by order, by being let go; always whole.

use std::fs;
use std::time::Duration;

use mosaic_coordinator::process::{Control, Exit, Kept, Ladder};
use rustix::process::Signal;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::{BOUND, Bench, children_of, end_of, ended, eventually, keeper_of, killed, leader_of, send};

const PATIENT: Ladder =
    Ladder { interrupt_for: Duration::from_secs(60), terminate_for: Duration::from_secs(60) };
const HASTY: Ladder =
    Ladder { interrupt_for: Duration::from_millis(100), terminate_for: Duration::from_millis(100) };

async fn stopped(control: &Control, ladder: Ladder) -> Exit {
    timeout(BOUND, control.stop(ladder)).await.expect("a stop is bounded")
}

async fn ready(kept: &mut Kept) {
    let mut line = [0; 6];
    timeout(BOUND, kept.stdout.read_exact(&mut line)).await.expect("it gets ready").unwrap();
    assert_eq!(&line, b"ready\n");
}

#[tokio::test]
async fn detached_children_are_gone_after_the_leaders_end_and_are_counted() {
    let bench = Bench::new();
    let script = "
        setsid sh -c 'touch own-session; exec sleep 600' &
        nohup sh -c 'touch no-hangup; exec sleep 600' >/dev/null 2>&1 &
        (setsid sh -c 'exec <&- >&- 2>&-; : > double-fork; exec sleep 600' &)
        until [ -e own-session ] && [ -e no-hangup ] && [ -e double-fork ]; do sleep 0.01; done
        exit 3";
    let mut kept = bench.shell(script).await;

    assert_eq!(end_of(&mut kept).await, Exit { code: Some(3), signal: None, leftovers: 3 });
    assert_eq!(bench.processes(), [0; 0], "the end of the wait is the end of the tree");
    bench.nothing_is_left().await;
}

#[tokio::test]
async fn orphans_that_end_by_themselves_are_reaped_and_no_leftovers() {
    let bench = Bench::new();
    let script = "for i in 1 2 3 4; do (setsid touch done-$i &); done; exec sleep 600";
    let mut kept = bench.shell(script).await;
    for number in 1..=4 {
        bench.file_appears(&format!("done-{number}")).await;
    }
    let (leader, keeper) = (leader_of(&kept), keeper_of(&kept));
    eventually("orphans are reaped while the leader lives", || children_of(keeper) == [leader]).await;
    kept.control().kill();
    assert_eq!(end_of(&mut kept).await, killed(0));
}

#[tokio::test]
async fn interrupt_is_enough_for_one_who_listens() {
    let bench = Bench::new();
    let mut kept = bench.shell("trap 'exit 7' INT; echo ready; while :; do sleep 0.05; done").await;
    ready(&mut kept).await;
    assert_eq!(stopped(&kept.control(), PATIENT).await.code, Some(7));
    bench.nothing_is_left().await;
}

#[tokio::test]
async fn terminate_follows_for_one_who_is_deaf_to_the_interrupt() {
    let bench = Bench::new();
    let script = "trap '' INT; trap 'exit 8' TERM; echo ready; while :; do sleep 0.05; done";
    let mut kept = bench.shell(script).await;
    ready(&mut kept).await;
    let ladder = Ladder { interrupt_for: HASTY.interrupt_for, ..PATIENT };
    assert_eq!(stopped(&kept.control(), ladder).await.code, Some(8));
}

#[tokio::test]
async fn kill_follows_for_one_who_is_deaf_to_both() {
    let bench = Bench::new();
    let mut kept = bench.shell("trap '' INT TERM; echo ready; while :; do sleep 0.05; done").await;
    ready(&mut kept).await;
    let exit = stopped(&kept.control(), HASTY).await;
    assert_eq!((exit.code, exit.signal), (None, Some(9)));
    bench.nothing_is_left().await;
}

#[tokio::test]
async fn kill_reaches_what_detached_itself() {
    let bench = Bench::new();
    let script = "setsid sh -c 'trap \"\" INT TERM; touch detached; sleep 600; exit' & sleep 600";
    let mut kept = bench.shell(script).await;
    bench.file_appears("detached").await;
    kept.control().kill();
    let exit = end_of(&mut kept).await;
    assert_eq!(exit.signal, Some(9));
    assert!((2..=3).contains(&exit.leftovers), "{exit:?}");
    assert_eq!(bench.processes(), [0; 0]);
}

#[tokio::test]
async fn orders_after_the_end_do_nothing_and_the_end_can_be_asked_for_again() {
    let bench = Bench::new();
    let mut kept = bench.shell("exit 4").await;
    assert_eq!(end_of(&mut kept).await, ended(4));
    let control = kept.control();
    control.interrupt();
    control.terminate();
    control.kill();
    assert_eq!(stopped(&control, PATIENT).await, ended(4));
    assert_eq!(end_of(&mut kept).await, ended(4));
}

#[tokio::test]
async fn tree_lives_as_long_as_one_control_and_dies_with_the_last() {
    let bench = Bench::new();
    let script = "setsid sh -c 'touch detached; exec sleep 600' & exec sleep 600";
    let kept = bench.shell(script).await;
    bench.file_appears("detached").await;
    let first = kept.control();
    let second = first.clone();
    drop(kept);
    drop(first);
    // A beat of the channel: had it closed, the answer would be the end.
    assert!(second.cpu_ms().is_some());
    assert_eq!(bench.processes().len(), 2);

    drop(second);

    bench.nothing_is_left().await;
}

#[tokio::test]
async fn spawner_that_never_stops_is_killed() {
    let bench = Bench::new();
    let script = "i=0; while [ $i -lt 5000 ]; do i=$((i+1)); sleep 600 & done; touch exhausted; wait";
    let mut kept = bench.shell(script).await;
    eventually("it has spawned many", || bench.processes().len() > 40).await;
    kept.control().kill();
    let exit = end_of(&mut kept).await;
    assert!(exit.leftovers >= 40, "{exit:?}");
    assert_eq!(bench.processes(), [0; 0]);
    assert!(!bench.path().join("exhausted").exists(), "it was still spawning");
}

#[tokio::test]
async fn one_who_runs_away_from_process_to_process_is_caught() {
    let bench = Bench::new();
    bench.write_program(
        "hop",
        "#!/bin/sh\n[ $1 = 0 ] && exec touch exhausted\n[ $1 = 49990 ] && touch under-way\nsetsid ./hop $(($1-1)) &\n",
        0o755,
    );
    let mut kept = bench.shell("for runner in 1 2 3; do setsid ./hop 50000 & done; exec sleep 600").await;
    bench.file_appears("under-way").await;
    kept.control().kill();
    assert_eq!(end_of(&mut kept).await.signal, Some(9));
    assert_eq!(bench.processes(), [0; 0]);
    assert!(!bench.path().join("exhausted").exists(), "it was still running away");
}

#[tokio::test]
async fn loss_of_the_keeper_is_told_from_any_exit_and_its_session_is_killed() {
    let bench = Bench::new();
    let mut kept = bench.shell("sleep 600 & sleep 600 & : > both; wait").await;
    bench.file_appears("both").await;
    send(keeper_of(&kept), Signal::KILL);
    assert_eq!(end_of(&mut kept).await, Exit { code: None, signal: None, leftovers: 3 });
    bench.nothing_is_left().await;
}

#[tokio::test]
async fn fifty_trees_at_once_leave_nothing_behind() {
    let bench = Bench::new();
    let trees = (0..50).map(|number| {
        let script =
            format!("setsid sh -c 'touch child-{number}; exec sleep 600' & until [ -e child-{number} ]; do sleep 0.05; done; exit {number}");
        let spec = bench.spec("sh", &["-c", &script]);
        let keeper = bench.keeper.clone();
        tokio::spawn(async move { keeper.start(spec).await.unwrap().wait().await })
    });
    let trees: Vec<_> = trees.collect();
    for (number, tree) in (0..50).zip(trees) {
        let exit = timeout(BOUND, tree).await.expect("every tree ends").unwrap();
        assert_eq!(exit, Exit { code: Some(number), signal: None, leftovers: 1 });
    }
    bench.nothing_is_left().await;
    assert_eq!(fs::read_dir(bench.path()).unwrap().count(), 50);
}
