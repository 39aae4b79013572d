//! The five measures, each by itself.

use insta::assert_snapshot;

use super::*;
use crate::domain::decide::tests::World;

#[test]
fn with_nothing_to_measure_every_measure_is_null() {
    assert_snapshot!(json(&Ledger::new().report()), @r#"
    {
      "measures": {
        "autonomy": {
          "value": null,
          "goal": 1.0,
          "met": null,
          "numerator": 0,
          "denominator": 0
        },
        "quality": {
          "value": null,
          "goal": 1.0,
          "met": null,
          "numerator": 0,
          "denominator": 0
        },
        "free_models": {
          "value": null,
          "goal": 0.7,
          "met": null,
          "numerator": 0,
          "denominator": 0
        },
        "context": {
          "value": null,
          "goal": 0.0,
          "met": null,
          "numerator": 0,
          "denominator": 0
        },
        "estimates": {
          "value": null,
          "goal": 0.8,
          "met": null,
          "numerator": 0,
          "denominator": 0
        }
      },
      "tasks": {},
      "rotations": 0,
      "continuations": 0,
      "cost_usd": 0.0
    }
    "#);
    assert!(Ledger::new().report().measures.missed().is_empty(), "null is not missed");
}

#[test]
fn tasks_that_are_neither_finished_nor_parked_measure_nothing() {
    let mut told = Told::new();
    told.accepted(&key(1, 1), 60_000).session(&key(1, 1), 1, true);
    told.accepted(&key(2, 1), 60_000).tell(&key(2, 1), TaskEvent::Cancelled { reason: "closed".to_owned() });
    let Measures { autonomy, quality, free_models, context, estimates } = told.measures();
    for measure in [autonomy, quality, free_models, context, estimates] {
        assert_eq!(read(measure), (None, None, 0, 0));
    }
}

#[test]
fn autonomy_is_met_only_where_nobody_had_to_step_in() {
    let mut told = Told::new();
    told.accepted(&key(1, 1), 1).done(&key(1, 1));
    told.accepted(&key(2, 1), 1).done(&key(2, 1));
    assert_eq!(read(told.measures().autonomy), (Some(1.0), Some(true), 2, 2));
    told.accepted(&key(3, 1), 1).parked(&key(3, 1));
    assert_eq!(read(told.measures().autonomy), (Some(2.0 / 3.0), Some(false), 2, 3));
    assert_eq!(told.measures().missed(), ["autonomy"]);
}

#[test]
fn a_task_set_going_again_by_a_person_is_finished_but_not_alone() {
    let mut told = Told::new();
    told.accepted(&key(1, 1), 1).parked(&key(1, 1));
    assert_eq!(read(told.measures().autonomy), (Some(0.0), Some(false), 0, 1));
    told.accepted(&key(1, 2), 1);
    assert_eq!(
        read(told.measures().autonomy),
        (None, None, 0, 0),
        "an issue counts once, as its latest generation"
    );
    told.done(&key(1, 2));
    assert_eq!(read(told.measures().autonomy), (Some(0.0), Some(false), 0, 1));
    // What an earlier generation says now is not heard.
    told.done(&key(1, 1)).parked(&key(1, 1));
    assert_eq!(read(told.measures().autonomy), (Some(0.0), Some(false), 0, 1));
    // Later generations do not wash it off.
    told.tell(&key(1, 3), accepted_by_the_coordinator()).done(&key(1, 3));
    assert_eq!(read(told.measures().autonomy), (Some(0.0), Some(false), 0, 1));
}

fn accepted_by_the_coordinator() -> TaskEvent {
    let estimate = Estimate { tokens: 1, raw_tokens: 1, how: String::new() };
    let (title, branch, text_digest) = (String::new(), String::new(), String::new());
    TaskEvent::Accepted { title, branch, text_digest, estimate, restarted_by_person: false }
}

#[test]
fn a_merge_by_hand_costs_no_autonomy() {
    let mut told = Told::new();
    told.accepted(&key(1, 1), 1).tell(&key(1, 1), TaskEvent::Merged { by_person: true }).done(&key(1, 1));
    assert_eq!(told.measures().autonomy.met, Some(true));
}

#[test]
fn quality_looks_the_report_up_by_the_published_commits_tree() {
    let task = key(1, 1);
    let mut told = Told::new();
    // The report was made for another commit with the same tree.
    told.accepted(&task, 1).verified(&task, "c1", "t1", Verdict::Green).pushed(&task, "c2", "t1");
    assert_eq!(read(told.measures().quality), (Some(1.0), Some(true), 1, 1));
    // The report of the same commit on another tree says nothing.
    told.verified(&task, "c3", "t3", Verdict::Green).pushed(&task, "c3", "t4");
    assert_eq!(read(told.measures().quality), (Some(0.5), Some(false), 1, 2));
}

#[test]
fn quality_is_missed_by_one_published_commit_that_was_red_or_never_seen() {
    for verdict in [Some(Verdict::Red), Some(Verdict::TimedOut), Some(Verdict::NoTests), None] {
        let task = key(1, 1);
        let mut told = Told::new();
        told.accepted(&task, 1);
        if let Some(verdict) = verdict {
            told.verified(&task, "c1", "t1", verdict);
        }
        told.pushed(&task, "c1", "t1");
        assert_eq!(read(told.measures().quality), (Some(0.0), Some(false), 0, 1), "{verdict:?}");
    }
}

#[test]
fn quality_counts_a_commit_once_and_by_what_was_known_when_it_was_published() {
    let task = key(1, 1);
    let mut told = Told::new();
    told.accepted(&task, 1).verified(&task, "c1", "t1", Verdict::Red).verified(
        &task,
        "c1",
        "t1",
        Verdict::Green,
    );
    told.pushed(&task, "c1", "t1").pushed(&task, "c1", "t1");
    // The same tree under other gates, later.
    told.verified(&task, "c9", "t1", Verdict::Red);
    assert_eq!(read(told.measures().quality), (Some(1.0), Some(true), 1, 1));
}

#[test]
fn free_models_is_met_only_above_seven_tenths() {
    let finished = |free: u64, paid: u64| {
        let mut told = Told::new();
        for number in 1..=free + paid {
            let task = key(number, 1);
            told.accepted(&task, 1).session(&task, 1, number <= free).done(&task);
        }
        read(told.measures().free_models)
    };
    assert_eq!(finished(7, 3), (Some(0.7), Some(false), 7, 10), "exactly the goal is not above it");
    assert_eq!(finished(71, 29), (Some(0.71), Some(true), 71, 100));
    assert_eq!(finished(0, 1), (Some(0.0), Some(false), 0, 1));
    assert_eq!(finished(1, 0), (Some(1.0), Some(true), 1, 1));
}

#[test]
fn one_paid_session_makes_a_task_paid_unless_it_left_no_trace() {
    let task = key(1, 1);
    let mut told = Told::new();
    told.accepted(&task, 1).session(&task, 1, true).session(&task, 2, false).done(&task);
    assert_eq!(read(told.measures().free_models), (Some(0.0), Some(false), 0, 1));
    told.tell(&task, TaskEvent::SessionWithdrawn { session: SessionNo(2) });
    assert_eq!(read(told.measures().free_models), (Some(1.0), Some(true), 1, 1));
}

#[test]
fn context_counts_sessions_that_went_on_beyond_the_line_among_those_with_known_use() {
    let task = key(1, 1);
    let mut told = Told::new();
    told.accepted(&task, 1).session(&task, 1, true).session(&task, 2, true);
    assert_eq!(read(told.measures().context), (None, None, 0, 0), "unknown use is not measured");
    told.peak(&task, 1, 10).peak(&task, 1, 20);
    assert_eq!(read(told.measures().context), (Some(0.0), Some(true), 0, 1));
    told.tell(&task, TaskEvent::Overrun { session: SessionNo(2) });
    assert_eq!(read(told.measures().context), (Some(0.0), Some(true), 0, 1), "its use is not known");
    told.peak(&task, 2, 199_000).tell(&task, TaskEvent::Overrun { session: SessionNo(2) });
    assert_eq!(
        read(told.measures().context),
        (Some(1.0), Some(false), 1, 2),
        "a count, and each session once"
    );
    told.accepted(&key(2, 1), 1).session(&key(2, 1), 1, true).peak(&key(2, 1), 1, 5);
    assert_eq!(read(told.measures().context), (Some(1.0), Some(false), 1, 3));
}

/// Tasks estimated at 100 and what their peaks were.
fn estimated(peaks: &[u64]) -> (Option<f64>, Option<bool>, u64, u64) {
    let mut told = Told::new();
    for (number, peak) in (1..).zip(peaks) {
        let task = key(number, 1);
        told.accepted(&task, 100_000).session(&task, 1, true).peak(&task, 1, *peak).done(&task);
    }
    read(told.measures().estimates)
}

#[test]
fn an_estimate_hits_within_a_fifth_of_the_actual_the_boundary_included() {
    // 100000 is 80 % of 125000 and 120 % of 83333.33.
    assert_eq!(estimated(&[125_000]), (Some(1.0), Some(true), 1, 1));
    assert_eq!(estimated(&[125_001]), (Some(0.0), Some(false), 0, 1));
    assert_eq!(estimated(&[83_334]), (Some(1.0), Some(true), 1, 1));
    assert_eq!(estimated(&[83_333]), (Some(0.0), Some(false), 0, 1));
    assert_eq!(estimated(&[100_000]), (Some(1.0), Some(true), 1, 1));
}

#[test]
fn estimates_is_met_at_exactly_four_fifths() {
    assert_eq!(estimated(&[100_000, 100_000, 100_000, 100_000, 10_000]), (Some(0.8), Some(true), 4, 5));
    assert_eq!(estimated(&[100_000, 100_000, 100_000, 10_000]), (Some(0.75), Some(false), 3, 4));
}

#[test]
fn estimates_looks_at_the_peak_of_all_sessions_and_the_estimate_in_force() {
    let task = key(1, 1);
    let mut told = Told::new();
    told.accepted(&task, 1_000).session(&task, 1, true).peak(&task, 1, 100_000).session(&task, 2, true);
    told.peak(&task, 2, 20_000).done(&task);
    assert_eq!(told.measures().estimates.met, Some(false));
    let estimate = Some(Estimate { tokens: 100_000, raw_tokens: 100_000, how: String::new() });
    told.tell(&task, TaskEvent::Edited { title: String::new(), text_digest: String::new(), estimate });
    assert_eq!(told.measures().estimates.met, Some(true));
    told.tell(&task, TaskEvent::Edited { title: String::new(), text_digest: String::new(), estimate: None });
    assert_eq!(told.measures().estimates.met, Some(true));
}

#[test]
fn a_finished_task_whose_use_is_unknown_is_no_estimate() {
    let task = key(1, 1);
    let mut told = Told::new();
    told.accepted(&task, 1).session(&task, 1, true).done(&task);
    assert_eq!(read(told.measures().estimates), (None, None, 0, 0));
    assert_eq!(read(told.measures().free_models), (Some(1.0), Some(true), 1, 1));
}

#[test]
fn only_the_use_that_the_agent_reports_turns_estimates() {
    let run = |used| {
        let mut world = World::new();
        world.works_on(1);
        world.used(1, used);
        world.turn_ended(1, "t1");
        world.green(1);
        world.merges(1);
        let mut ledger = Ledger::new();
        world.journal.iter().for_each(|event| ledger.fold(event));
        ledger.report().measures
    };
    assert_eq!(run(60_000).estimates.met, Some(true));
    let other = run(100_000);
    assert_eq!(other.estimates.met, Some(false));
    assert_eq!(Measures { estimates: run(60_000).estimates, ..other }, run(60_000), "and nothing else");
}
