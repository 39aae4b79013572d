use super::{
    super::progress::tests::{session, task},
    *,
};
use crate::domain::report::{Ledger, Measure};

fn report(met: Option<bool>) -> Report {
    let mut report = Ledger::new().report();
    let measures = &mut report.measures;
    let all = [
        &mut measures.autonomy,
        &mut measures.quality,
        &mut measures.free_models,
        &mut measures.context,
        &mut measures.estimates,
    ];
    for measure in all {
        *measure = Measure { value: Some(0.5), met: Some(true), ..*measure };
    }
    measures.estimates.met = met;
    report
}

#[test]
fn a_missed_measure_is_named_and_so_is_one_that_measured_nothing_in_the_end() {
    let (done, gating) = ([task(1, StateWord::Done)], [task(1, StateWord::Gating)]);
    assert!(problems(&done, &report(Some(true))).is_empty());
    let told = "the measure `estimates` is missed: 0.500, goal 0.8";
    assert_eq!(problems(&done, &report(Some(false))), [told]);
    assert_eq!(problems(&gating, &report(Some(false))), ["#1 is gating", told]);
    let mut nothing = report(None);
    nothing.measures.estimates.value = None;
    assert_eq!(problems(&done, &nothing), ["the measure `estimates` is missed: nothing, goal 0.8"]);
    assert_eq!(problems(&gating, &nothing), ["#1 is gating"]);
}

#[test]
fn an_unfinished_task_says_why() {
    let parked = TaskView { reason: Some("gates are red".to_owned()), ..task(2, StateWord::Parked) };
    let tasks = [task(1, StateWord::Done), parked, task(3, StateWord::Gating)];
    assert_eq!(problems(&tasks, &report(Some(true))), ["#2 is parked: gates are red", "#3 is gating"]);
}

#[test]
fn the_outcome_tells_what_was_out_of_the_ordinary() {
    let fixed = TaskView { continuations: 1, pull_request: Some(7), ..task(2, StateWord::Done) };
    let mut rotated = TaskView {
        peak_tokens: Some(190_600),
        sessions: vec![session(1, 0.9512), session(2, 0.2)],
        ..task(3, StateWord::Done)
    };
    rotated.sessions[0].ended = Some(Ended::Rotated);
    let parked = TaskView { reason: Some("no gates".to_owned()), ..task(4, StateWord::Parked) };
    let red = BTreeMap::from([(2, BTreeSet::from(["lint".to_owned(), "test".to_owned()]))]);
    let text = render(&[fixed, rotated, parked], &red, &report(Some(true)));
    let (tasks, measures) = text.split_once("\n\n").unwrap();
    insta::assert_snapshot!(tasks, @r"
    ISSUE  STATE   MODEL  PEAK     ESTIMATE  COST   MERGED  TITLE
    #2     done    -      unknown  45k       $0.00  !7      Title 2
        its gates were red first (lint, test), green after 1 continuation
    #3     done    -      191k     45k       $0.00  -       Title 3
        session 1 was rotated at 95.1 % of its context; session 2 went on from the hand-over
    #4     parked  -      unknown  45k       $0.00  -       Title 4
        no gates
    ");
    assert!(measures.starts_with("autonomy"), "{measures}");
}
