use std::slice::from_ref;

use super::*;
use crate::domain::{
    id::{IssueRef, RepoRef, TreeId},
    view::SessionView,
};

/// A task in that state, about which nothing else is known.
pub(in crate::cli::demo) fn task(number: u64, state: StateWord) -> TaskView {
    TaskView {
        issue: IssueRef::new(RepoRef::new("mona", "almanac"), number),
        generation: serde_json::from_value(1.into()).unwrap(),
        title: format!("Title {number}"),
        state,
        reason: None,
        blocked_by: Vec::new(),
        route: None,
        estimate_tokens: 45_000,
        peak_tokens: None,
        continuations: 0,
        sessions: Vec::new(),
        gates: Vec::new(),
        branch: format!("mosaic/{number}-title"),
        commit: None,
        pull_request: None,
        cost_usd: Some(0.0),
        updated_at: String::new(),
    }
}

pub(in crate::cli::demo) fn session(number: u32, occupancy: f64) -> SessionView {
    SessionView {
        number,
        model: "demo-free".to_owned(),
        window_tokens: 200_000,
        occupancy: Some(occupancy),
        peak_occupancy: Some(occupancy),
        turns: 1,
        ended: None,
        warned: false,
    }
}

fn gate_view(name: &str, verdict: GateWord) -> GateView {
    GateView { name: name.to_owned(), verdict, duration_ms: None, tree: TreeId("7".repeat(40)) }
}

fn running(occupancy: f64, verdict: GateWord) -> TaskView {
    TaskView {
        sessions: vec![session(1, occupancy)],
        gates: vec![gate_view("lint", GateWord::Green), gate_view("test", verdict)],
        ..task(2, StateWord::Running)
    }
}

fn shown(columns: Option<usize>, steps: &[&[TaskView]]) -> String {
    let mut progress = Progress::new(Vec::new(), columns);
    for tasks in steps {
        progress.show(tasks).unwrap();
    }
    String::from_utf8(progress.out).unwrap()
}

#[test]
fn a_line_has_state_occupancy_gates_and_title() {
    assert_eq!(
        line(&running(0.419, GateWord::Red)),
        "#2  running     [####------]  41 %  lint ok test RED  Title 2"
    );
    assert_eq!(line(&task(1, StateWord::Blocked)), "#1  blocked     [----------]     -  Title 1");
    let second =
        TaskView { sessions: vec![session(1, 0.95), session(2, 0.1)], ..task(3, StateWord::Running) };
    assert_eq!(line(&second), "#3  running s2  [#---------]  10 %  Title 3");
    assert_eq!(bar(0.949), "#########-");
    assert_eq!(bar(1.2), "##########");
}

#[test]
fn what_others_wrote_cannot_steer_the_terminal() {
    let hostile = TaskView { title: "a\x1b[2Jb\nc".to_owned(), ..task(1, StateWord::Ready) };
    assert!(line(&hostile).ends_with("a [2Jb c"), "{}", line(&hostile));
}

#[test]
fn a_parked_task_says_why() {
    let parked = TaskView { reason: Some("no gates\nat all".to_owned()), ..task(1, StateWord::Parked) };
    assert_eq!(line(&parked), "#1  parked      [----------]     -  no gates");
}

#[test]
fn elsewhere_than_on_a_terminal_each_change_of_state_is_a_line() {
    let (begun, grown) = (running(0.1, GateWord::Green), running(0.5, GateWord::Green));
    let rotated = TaskView { sessions: vec![session(1, 0.95), session(2, 0.1)], ..grown.clone() };
    let steps: [&[TaskView]; 5] =
        [&[task(1, StateWord::Ready)], from_ref(&begun), from_ref(&begun), &[grown], &[rotated]];
    let text = shown(None, &steps);
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(!text.contains('\x1b'));
}

#[test]
fn on_a_terminal_the_lines_are_drawn_over_each_other_within_its_width() {
    let (begun, grown) = (running(0.1, GateWord::Running), running(0.5, GateWord::Running));
    let text = shown(Some(30), &[from_ref(&begun), from_ref(&begun), &[grown]]);
    assert_eq!(text, "\r#2  running     [#---------] \x1b[K\n\x1b[1A\r#2  running     [#####-----] \x1b[K\n");
}

#[test]
fn a_red_gate_is_remembered_after_it_is_green() {
    let mut progress = Progress::new(Vec::new(), None);
    for verdict in [GateWord::Red, GateWord::Green] {
        progress.show(&[running(0.1, verdict)]).unwrap();
    }
    let wanted = BTreeMap::from([(2, BTreeSet::from(["test".to_owned()]))]);
    assert_eq!(progress.seen_red(), &wanted);
}
