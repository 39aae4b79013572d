//! What a person reads on the issue, and that none of it acts.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::domain::{
    command::{Command, Fault, PublishOutcome},
    decide::tests::{World, app, said},
    task::{Parking, TaskKey},
};

fn shown(world: &World, number: u64) -> String {
    text(world.task(number))
}

/// The sentence alone.
fn headline_of(world: &World, number: u64) -> String {
    let shown = shown(world, number);
    shown.lines().nth(1).unwrap().strip_prefix("**Mosaic Coordinator:** ").unwrap().to_owned()
}

#[test]
fn a_comment_opens_with_the_marker_that_it_is_found_by() {
    let mut world = World::new();
    world.observe(said(7));
    assert_eq!(marker(&app(7)), "<!-- mosaic:comment=acme/app#7 -->");
    assert!(shown(&world, 7).starts_with(&marker(&app(7))));
}

#[test]
fn a_comment_on_work_under_way() {
    let mut world = World::new().with_large();
    world.publishes(7, "t1");
    world.pushed(7);
    assert_snapshot!(shown(&world, 7), @r#"
    <!-- mosaic:comment=acme/app#7 -->
    **Mosaic Coordinator:** all gates are green; publishing.

    - model: `small` (free) with agent `mine`: `small` is the cheapest of those capable of medium issues whose window covers twice the estimate of 60000 tokens: free, window 200000 tokens
    - estimate: 60000 tokens (60000 tokens, the default for medium issues)
    - sessions: 1, continuations: 0
    - gates: lint green, test green
    - pull request: #107, branch `mosaic/7-issue-7`
    "#);
}

#[test]
fn a_comment_on_red_gates() {
    let mut world = World::new();
    world.gates_run_on(7, "t1");
    world.verified(7, &[("test", Verdict::TimedOut), ("lint", Verdict::NoTests)]);
    assert_snapshot!(shown(&world, 7), @r#"
    <!-- mosaic:comment=acme/app#7 -->
    **Mosaic Coordinator:** session 1 is at work.

    - model: `small` (free) with agent `mine`: `small` is the cheapest of those capable of medium issues whose window covers twice the estimate of 60000 tokens: free, window 200000 tokens
    - estimate: 60000 tokens (60000 tokens, the default for medium issues)
    - sessions: 1, continuations: 1
    - gates: lint no tests, test timed out
    "#);
    world.turn_ended(7, "t2");
    world.verified(7, &[("test", Verdict::CouldNotRun), ("lint", Verdict::Red)]);
    assert_snapshot!(shown(&world, 7), @r#"
    <!-- mosaic:comment=acme/app#7 -->
    **Mosaic Coordinator:** parked: the gate test could not run: `cargo test` did not start. It is looked at again when the base branch is pushed to, and when the coordinator reloads or starts.

    - model: `small` (free) with agent `mine`: `small` is the cheapest of those capable of medium issues whose window covers twice the estimate of 60000 tokens: free, window 200000 tokens
    - estimate: 60000 tokens (60000 tokens, the default for medium issues)
    - sessions: 1, continuations: 1
    - gates: lint red, test could not run
    "#);
}

#[test]
fn the_sentence_follows_the_task() {
    let mut world = World::new().barred("the disk is full");
    world.observe(said(7));
    assert_snapshot!(headline_of(&world, 7), @"accepted; waits for its turn.");
    world.rules.start_barred = None;
    world.observe(said(7).waits_for(app(3), None));
    assert_snapshot!(headline_of(&world, 7), @"blocked: it is blocked by acme/app#3, which the bot cannot read: give it access, or remove the dependency.");
    world.observe(said(7));
    assert_snapshot!(headline_of(&world, 7), @"preparing the workspace.");
    world.prepared(7);
    assert_snapshot!(headline_of(&world, 7), @"session 1 is at work.");
    world.failed(7, "the agent exited within a turn", Fault::Agent);
    assert_snapshot!(headline_of(&world, 7), @"waits: session 1 failed: the agent exited within a turn; tried again after 1 s.");
    world.now_ms += 1_000;
    world.decide(Command::Tick);
    world.prepared(7);
    world.turn_ended(7, "t1");
    assert_snapshot!(headline_of(&world, 7), @"the gates are running.");
    world.decide(Command::VerifyFailed { key: key(&world), reason: "no space left".to_owned() });
    assert_snapshot!(headline_of(&world, 7), @"the gates could not be asked and are asked again: no space left.");
    world.green(7);
    assert_snapshot!(headline_of(&world, 7), @"all gates are green; publishing.");
    world.decide(Command::PublishDelayed { key: key(&world), reason: "the forge is down".to_owned() });
    assert_snapshot!(headline_of(&world, 7), @"publishing is tried again: the forge is down.");
    world.pushed(7);
    world.publish_ended(7, PublishOutcome::WaitsForReview(None));
    assert_snapshot!(headline_of(&world, 7), @"the pull request waits for review.");
    world.publish_ended(7, PublishOutcome::Merged);
    assert_snapshot!(headline_of(&world, 7), @"merged; the issue is to be closed.");
    let reason = "merged, but the issue cannot be closed while a dependency of it is open".to_owned();
    world.decide(Command::CloseRefused { key: key(&world), reason });
    assert_snapshot!(headline_of(&world, 7), @"merged, but the issue cannot be closed while a dependency of it is open.");
    world.closed(7);
    assert_snapshot!(headline_of(&world, 7), @"done.");
}

fn key(world: &World) -> TaskKey {
    world.task(7).key.clone()
}

#[test]
fn a_pull_request_that_may_not_be_merged_says_why() {
    let mut world = World::new();
    world.publishes(7, "t1");
    world.publish_ended(7, PublishOutcome::WaitsForReview(Some("two approvals are missing.".to_owned())));
    assert_snapshot!(headline_of(&world, 7), @"the pull request waits: two approvals are missing.");
}

#[test]
fn a_parked_task_says_what_takes_it_up_again() {
    let mut world = World::new();
    world.observe(said(7).waits_for(app(7), None));
    assert_snapshot!(headline_of(&world, 7), @"parked: acme/app#7 blocks itself: remove that dependency. It goes on by itself once the cycle is broken.");

    let mut world = World::new();
    world.rules.gates.clear();
    world.observe(said(7));
    world.prepared(7);
    assert_snapshot!(headline_of(&world, 7), @"parked: no gates are defined: add [gates.NAME] to `.mosaic.toml` on main or to the configuration. It is looked at again when the base branch is pushed to, and when the coordinator reloads or starts.");

    let mut world = World::new();
    world.publishes(7, "t1");
    world.publish_ended(7, PublishOutcome::Refused("the branch is protected".to_owned()));
    assert_snapshot!(headline_of(&world, 7), @"parked: the branch is protected. Change the text of the issue or assign it again to start anew.");
}

#[test]
fn a_cancelled_task_says_why() {
    let mut world = World::new();
    world.observe(said(7));
    world.decide(Command::Unreadable(app(7)));
    assert_snapshot!(headline_of(&world, 7), @"cancelled: the issue cannot be read any more (deleted, moved, or hidden from the bot).");
}

#[test]
fn text_from_outside_mentions_nobody_and_closes_nothing() {
    let mut world = World::new();
    world.works_on(7);
    let cause = "ask @alice\nor @acme/core; Closes #3, fixes: acme/other#4 and Resolves https://git.example/acme/app/issues/5 \
                 <!-- mosaic:comment=acme/app#1 --><img src=x> ![p](https://evil.example/p.png) reopens !6.";
    world.failed(7, cause, Fault::Agent);
    let shown = shown(&world, 7).replace('\u{200b}', "|");
    assert_snapshot!(shown.lines().nth(1).unwrap(), @"**Mosaic Coordinator:** waits: session 1 failed: ask @|alice or @|acme/core; Closes #|3, fixes: acme/other#|4 and Resolves https://git.example/acme/app/issues/|5 <|!-- mosaic:comment=acme/app#1 --><|img src=x> ![p]|(https://evil.example/p.png) reopens !|6; tried again after 1 s.");
    assert_eq!(shown.matches("<!--").count(), 1, "only our own marker");
}

#[test]
fn what_we_say_of_blockers_stays_a_link() {
    let mut world = World::new();
    world.observe(said(7).waits_for(app(3), None));
    assert!(!plain(&headline_of(&world, 7)).contains("#\u{200b}"));
    assert_eq!(plain("waits for acme/app#3 to be closed"), "waits for acme/app#3 to be closed");
    assert_eq!(plain("prefixes #3, disclosed #4"), "prefixes #3, disclosed #4", "other words do not act");
}

#[test]
fn a_long_text_from_outside_is_cut() {
    let cut = plain(&"é".repeat(100_000));
    assert_eq!((cut.chars().count(), cut.ends_with('…')), (601, true));
    assert_eq!(plain(&"é".repeat(600)), "é".repeat(600));
}

proptest! {
    #[test]
    fn no_text_from_outside_acts(text in r"((?i)closes|fixed|Resolve|reopens|:| |\n|#|!|@|<|>|[a-z]{1,4}|acme/app|https://x.y/issues/|[0-9]|\]|\(|`){0,40}") {
        let plain = plain(&text);
        prop_assert!(!plain.contains('\n'));
        let followed_by_break = |mark: &str| plain.split(mark).skip(1).all(|rest| rest.starts_with('\u{200b}'));
        prop_assert!(followed_by_break("@"), "{}", plain);
        prop_assert!(followed_by_break("<"), "{}", plain);
        let acting = Regex::new(
            r"(?i)\b(close[sd]?|fix(es|ed)?|resolve[sd]?|reopen(s|ed)?):?\s*([\w.-]+/[\w.-]+)?[#!]\d"
        ).unwrap();
        prop_assert!(!acting.is_match(&plain), "{}", plain);
    }

    #[test]
    fn the_comment_of_any_reason_keeps_its_shape(reason in ".{0,200}") {
        let mut world = World::new();
        world.observe(said(7));
        let mut task = world.task(7).clone();
        task.phase = Phase::Parked(Parking { cause: ParkCause::Work, reason });
        prop_assert_eq!(text(&task).lines().count(), 5, "marker, sentence, a blank line, model, estimate");
    }
}

#[test]
fn every_verdict_has_a_word() {
    let words = [Verdict::Green, Verdict::Red, Verdict::CouldNotRun, Verdict::NoTests, Verdict::TimedOut]
        .map(verdict);
    assert_eq!(words, ["green", "red", "could not run", "no tests", "timed out"]);
}
