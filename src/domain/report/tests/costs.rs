//! Costs, and the report as a whole.

use insta::assert_snapshot;

use super::*;
use crate::domain::{
    command::{Command, Fault, PublishOutcome},
    decide::tests::{World, said},
};

#[test]
fn free_sessions_cost_nothing_whatever_their_agent_says() {
    let task = key(1, 1);
    let mut told = Told::new();
    told.accepted(&task, 1).session(&task, 1, true).costs(&task, 1, Some(3.5));
    assert_eq!(told.0.report().cost_usd, Some(0.0));
}

#[test]
fn an_unknown_cost_makes_the_sum_unknown_until_it_is_told() {
    let (one, two) = (key(1, 1), key(2, 1));
    let mut told = Told::new();
    told.accepted(&one, 1).session(&one, 1, false).costs(&one, 1, Some(0.25));
    told.accepted(&two, 1).session(&two, 1, false);
    assert_eq!(told.0.report().cost_usd, None);
    told.costs(&two, 1, None);
    assert_eq!(told.0.report().cost_usd, None);
    told.costs(&two, 1, Some(0.5)).costs(&two, 1, None);
    assert_eq!(told.0.report().cost_usd, Some(0.75));
    told.costs(&two, 1, Some(1.0));
    assert_eq!(told.0.report().cost_usd, Some(1.25), "what is told is the session's total");
}

#[test]
fn earlier_generations_cost_what_they_cost() {
    let mut told = Told::new();
    told.accepted(&key(1, 1), 1)
        .session(&key(1, 1), 1, false)
        .costs(&key(1, 1), 1, Some(2.0))
        .parked(&key(1, 1));
    told.accepted(&key(1, 2), 1).session(&key(1, 2), 1, false).costs(&key(1, 2), 1, Some(1.0));
    assert_eq!(told.0.report().cost_usd, Some(3.0));
    told.session(&key(1, 2), 2, false);
    told.accepted(&key(1, 3), 1);
    assert_eq!(told.0.report().cost_usd, None, "what was never told stays unknown");
}

/// A journal with a rotation, a continuation, a restart by a person, a paid session and every kind of end.
fn eventful() -> World {
    let mut world = World::new().with_large();
    world.works_on(1);
    world.used(1, 195_000);
    world.cut_short(1, "t1");
    world.turn_ended(1, "t2");
    world.red(1);
    world.turn_ended_with(1, "t3", |report| report.cost_usd = Some(0.5));
    world.green(1);
    world.merges(1);
    world.works_on(2);
    world.publish_refused(2);
    world.works_on(3);
    world.failed(3, "it fell over", Fault::Agent);
    world.observe(said(4).waits_for(said(9).snapshot.issue, None));
    world.gates_run_on(5, "t5");
    world.publishes(6, "t6");
    world.publish_ended(6, PublishOutcome::WaitsForReview(None));
    world.works_on(7);
    world.decide(Command::Unreadable(said(7).snapshot.issue));
    world.publishes(8, "t8");
    world
}

impl World {
    fn publish_refused(&mut self, number: u64) {
        self.turn_ended(number, "t");
        self.green(number);
        self.publish_ended(number, PublishOutcome::Refused("no".to_owned()));
    }
}

#[test]
fn the_report_as_scripts_read_it() {
    let mut ledger = Ledger::new();
    eventful().journal.iter().for_each(|event| ledger.fold(event));
    assert_snapshot!(json(&ledger.report()), @r#"
    {
      "measures": {
        "autonomy": {
          "value": 0.5,
          "goal": 1.0,
          "met": false,
          "numerator": 1,
          "denominator": 2
        },
        "quality": {
          "value": 1.0,
          "goal": 1.0,
          "met": true,
          "numerator": 1,
          "denominator": 1
        },
        "free_models": {
          "value": 1.0,
          "goal": 0.7,
          "met": true,
          "numerator": 1,
          "denominator": 1
        },
        "context": {
          "value": 0.0,
          "goal": 0.0,
          "met": true,
          "numerator": 0,
          "denominator": 1
        },
        "estimates": {
          "value": 0.0,
          "goal": 0.8,
          "met": false,
          "numerator": 0,
          "denominator": 1
        }
      },
      "tasks": {
        "blocked": 1,
        "ready": 1,
        "gating": 1,
        "publishing": 1,
        "in_review": 1,
        "done": 1,
        "parked": 1,
        "cancelled": 1
      },
      "rotations": 1,
      "continuations": 1,
      "cost_usd": 0.0
    }
    "#);
}

#[test]
fn the_states_of_the_report_are_those_of_the_tasks() {
    let world = eventful();
    let mut counted = BTreeMap::new();
    let mut ledger = Ledger::new();
    for event in &world.journal {
        ledger.fold(event);
    }
    for task in world.state.tasks() {
        *counted.entry(StateWord::from(&task.phase)).or_insert(0) += 1;
    }
    assert_eq!(ledger.report().tasks, counted);
}

#[test]
fn a_journal_folded_again_gives_the_same_report() {
    let journal = eventful().journal;
    let fold = || {
        let mut ledger = Ledger::new();
        journal.iter().for_each(|event| ledger.fold(event));
        ledger
    };
    assert_eq!(fold(), fold());
    assert_eq!(fold().report(), fold().report());
    assert_eq!(
        (fold().report().rotations, fold().report().continuations),
        (1, 1),
        "a rotation and a continuation each once"
    );
}
