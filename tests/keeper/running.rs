//! What a payload sees while it runs, and what is seen of it.

use std::collections::BTreeMap;
use std::fs;

use mosaic_coordinator::process::{BoundedLines, Line, StdinMode};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::{BOUND, Bench, children_of, end_of, ended, eventually, keeper_of, leader_of, send, stdout_of};

#[tokio::test]
async fn exit_code_and_signal_of_the_leader_are_reported() {
    let bench = Bench::new();
    assert_eq!(end_of(&mut bench.shell("exit 0").await).await, ended(0));
    assert_eq!(end_of(&mut bench.shell("exit 7").await).await, ended(7));
    let exit = end_of(&mut bench.shell("kill -USR1 $$").await).await;
    assert_eq!((exit.code, exit.signal, exit.leftovers), (None, Some(10), 0));
    bench.nothing_is_left().await;
}

#[tokio::test]
async fn environment_is_exactly_the_one_given() {
    let bench = Bench::new();
    let mut spec = bench.spec("env", &["--null"]);
    spec.env.insert("GIVEN".to_owned(), "two\nlines and = signs".to_owned());
    let given = spec.env.clone();
    let could_leak = std::env::vars_os().filter(|(name, _)| !given.contains_key(&*name.to_string_lossy()));
    assert_ne!(could_leak.count(), 0, "this process has variables that would show");

    let mut kept = bench.start(spec).await.unwrap();
    let output = stdout_of(&mut kept).await;

    let seen: BTreeMap<String, String> = output
        .split_terminator('\0')
        .map(|entry| entry.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert_eq!(seen, given);
    assert_eq!(end_of(&mut kept).await, ended(0));
}

#[tokio::test]
async fn keeper_shows_neither_the_coordinators_environment_nor_the_payloads_secrets() {
    let bench = Bench::new();
    let mut spec = bench.spec("sh", &["-c", "read line", "canary-argument"]);
    spec.env.insert("TOKEN".to_owned(), "canary-value".to_owned());
    spec.stdin = StdinMode::Piped;
    let mut kept = bench.start(spec).await.unwrap();
    let keeper = keeper_of(&kept);

    let environ = fs::read(format!("/proc/{keeper}/environ")).unwrap();
    let command_line = String::from_utf8(fs::read(format!("/proc/{keeper}/cmdline")).unwrap()).unwrap();

    assert!(environ.is_empty(), "{}", String::from_utf8_lossy(&environ));
    let expected =
        format!("{}\0keeper\0{}\0", env!("CARGO_BIN_EXE_mosaic-coordinator"), bench.path().display());
    assert_eq!(command_line, expected);
    drop(kept.stdin.take());
    assert_eq!(end_of(&mut kept).await, ended(1));
}

#[tokio::test]
async fn payload_holds_no_descriptor_but_its_standard_three() {
    let bench = Bench::new();
    let mut spec = bench.spec("sh", &["-c", "echo ready; read line"]);
    spec.stdin = StdinMode::Piped;
    spec.lock = Some(bench.path().join("lock"));
    let mut kept = bench.start(spec).await.unwrap();
    let mut ready = [0; 6];
    kept.stdout.read_exact(&mut ready).await.unwrap();

    let mut descriptors: Vec<String> = fs::read_dir(format!("/proc/{}/fd", leader_of(&kept)))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    descriptors.sort();

    assert_eq!(descriptors, ["0", "1", "2"]);
    drop(kept.stdin.take());
    end_of(&mut kept).await;
}

#[tokio::test]
async fn standard_output_and_error_are_apart_and_empty_input_ends_at_once() {
    let bench = Bench::new();
    let mut kept = bench.shell("cat; echo to-out; echo to-err >&2").await;

    let mut errors = String::new();
    kept.stderr.read_to_string(&mut errors).await.unwrap();

    assert_eq!((stdout_of(&mut kept).await.as_str(), errors.as_str()), ("to-out\n", "to-err\n"));
    assert_eq!(end_of(&mut kept).await, ended(0));
}

#[tokio::test]
async fn line_of_two_megabytes_passes_both_ways() {
    let bench = Bench::new();
    let mut spec = bench.spec("cat", &[]);
    spec.stdin = StdinMode::Piped;
    let mut kept = bench.start(spec).await.unwrap();
    let mut stdin = kept.stdin.take().unwrap();
    let long = "x".repeat(2 * 1024 * 1024);
    let sent = long.clone();
    let writing = tokio::spawn(async move { stdin.write_all(format!("{sent}\nend\n").as_bytes()).await });
    let mut lines = BoundedLines::new(&mut kept.stdout, 8 * 1024 * 1024);

    assert_eq!(timeout(BOUND, lines.next()).await.unwrap().unwrap(), Some(Line::Text(long)));
    assert_eq!(timeout(BOUND, lines.next()).await.unwrap().unwrap(), Some(Line::Text("end".to_owned())));
    writing.await.unwrap().unwrap();
    assert_eq!(timeout(BOUND, lines.next()).await.unwrap().unwrap(), None);
    assert_eq!(end_of(&mut kept).await, ended(0));
}

#[tokio::test]
async fn errand_larger_than_the_sockets_buffer_arrives_whole() {
    let bench = Bench::new();
    let value = "v".repeat(100_000);
    let mut spec = bench.spec("sh", &["-c", "cat; echo ${#A} ${#B} ${#C} ${#D} ${#E} ${#F} ${#G} ${#H}"]);
    spec.env.extend(["A", "B", "C", "D", "E", "F", "G", "H"].map(|name| (name.to_owned(), value.clone())));
    spec.stdin = StdinMode::Piped;
    let mut kept = bench.start(spec).await.unwrap();
    kept.stdin.take().unwrap().write_all(b"the pipe came along\n").await.unwrap();

    let expected = format!("the pipe came along\n{}\n", ["100000"; 8].join(" "));
    assert_eq!(stdout_of(&mut kept).await, expected);
}

#[tokio::test]
async fn end_of_output_is_seen_while_the_payload_lives_on() {
    let bench = Bench::new();
    let mut spec = bench.spec("sh", &["-c", "exec >&- 2>&-; read line; exit 5"]);
    spec.stdin = StdinMode::Piped;
    let mut kept = bench.start(spec).await.unwrap();

    assert_eq!(stdout_of(&mut kept).await, "");
    assert!(kept.control().pid().is_some());
    drop(kept.stdin.take());

    assert_eq!(end_of(&mut kept).await, ended(5));
    assert_eq!(kept.control().pid(), None);
}

#[tokio::test]
async fn keeper_is_not_ended_by_signals_and_the_payload_does_not_inherit_its_deafness() {
    let bench = Bench::new();
    let mut spec = bench.spec("cat", &[]);
    spec.stdin = StdinMode::Piped;
    let mut kept = bench.start(spec).await.unwrap();
    let keeper = keeper_of(&kept);

    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        send(keeper, signal);
    }
    kept.stdin.as_mut().unwrap().write_all(b"still here").await.unwrap();
    let mut answer = [0; 10];
    timeout(BOUND, kept.stdout.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"still here");
    assert_eq!(keeper_of(&kept), keeper);

    kept.control().terminate();
    let exit = end_of(&mut kept).await;
    assert_eq!((exit.code, exit.signal), (None, Some(15)));
}

#[tokio::test]
async fn processor_time_of_the_whole_tree_is_counted_also_of_what_has_ended() {
    let bench = Bench::new();
    let burn = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
    // The burner is an orphan: only the keeper waits for it.
    let mut kept = bench.shell(&format!("(sh -c '{burn}; touch burnt' &); exec sleep 600")).await;
    let control = kept.control();
    bench.file_appears("burnt").await;

    eventually("the burner's time is counted", || control.cpu_ms().unwrap() >= 50).await;
    let (leader, keeper) = (leader_of(&kept), keeper_of(&kept));
    eventually("the burner is reaped", || children_of(keeper) == [leader]).await;
    assert!(control.cpu_ms().unwrap() >= 50, "{:?}", control.cpu_ms());

    control.kill();
    end_of(&mut kept).await;
    assert_eq!(control.cpu_ms(), None);
}

#[tokio::test]
async fn tree_outlives_the_thread_that_started_it() {
    let bench = Bench::new();
    let runtime = tokio::runtime::Handle::current();
    let keeper = bench.keeper.clone();
    let mut spec = bench.spec("cat", &[]);
    spec.stdin = StdinMode::Piped;
    let starter = std::thread::spawn(move || runtime.block_on(keeper.start(spec)));
    eventually("the starter's thread has ended", || starter.is_finished()).await;
    let mut kept = starter.join().unwrap().unwrap();

    kept.stdin.take().unwrap().write_all(b"alive").await.unwrap();

    assert_eq!(stdout_of(&mut kept).await, "alive");
    assert_eq!(end_of(&mut kept).await, ended(0));
}
