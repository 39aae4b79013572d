//! Each invariant finds the state that breaks it, and only that.

use super::*;
use crate::domain::{
    decide::tests::{World, app, said},
    graph::NodeState,
    id::{SessionNo, TreeId, TurnNo},
    task::{Ended, ParkCause, Parking},
};

/// The state with task 7 changed behind the decision's back.
fn broken(world: &World, change: impl FnOnce(&mut Task)) -> Vec<Violation> {
    let mut state = world.state.clone();
    state.change_task(&app(7), change);
    violations(&state)
}

fn names(found: &[Violation]) -> Vec<&'static str> {
    found.iter().map(|violation| violation.name).collect()
}

#[test]
fn an_honest_state_breaks_none() {
    let mut world = World::new();
    world.publishes(7, "t1");
    assert_eq!(violations(&world.state), []);
}

#[test]
fn what_was_not_touched_is_not_looked_at() {
    let mut world = World::new();
    world.works_on(7);
    world.publishes(8, "t1");
    let mut state = world.state.clone();
    state.change_task(&app(7), |task| task.sessions[0].ended = Some(Ended::Failed));
    assert_eq!(violations_among(&state, [&app(8), &app(99)]), []);
    assert_eq!(violations_among(&state, [&app(8), &app(7)]), violations(&state));
    assert_eq!(names(&violations(&state)), ["I3"]);
}

#[test]
fn two_live_sessions_break_i3() {
    let mut world = World::new();
    world.works_on(7);
    world.cut_short(7, "t1");
    let found = broken(&world, |task| task.sessions[0].ended = None);
    assert_eq!(names(&found), ["I3"]);
    assert_eq!(found[0].detail, "acme/app#7 has 2 live sessions");
    let found = broken(&world, |task| {
        task.sessions[0].ended = None;
        task.sessions[1].ended = Some(Ended::Failed);
    });
    assert_eq!((names(&found), found[0].detail.as_str()), (vec!["I3"], "acme/app#7 has 1 live sessions"));
}

#[test]
fn a_turn_of_no_live_session_breaks_i3() {
    let mut world = World::new();
    world.works_on(7);
    let found = broken(&world, |task| task.sessions[0].ended = Some(Ended::Failed));
    assert_eq!(
        (names(&found), found[0].detail.as_str()),
        (vec!["I3"], "acme/app#7 runs turn 1.1 of no live session")
    );
    let other = |session, turn| {
        broken(&world, |task| {
            if let Phase::Running { session: running, turn: runs, .. } = &mut task.phase {
                (*running, *runs) = (SessionNo(session), TurnNo(turn));
            }
        })
    };
    assert_eq!(names(&other(2, 1)), ["I3"]);
    assert_eq!(names(&other(1, 2)), ["I3"]);
    assert_eq!(names(&other(1, 1)), [""; 0]);
}

#[test]
fn work_on_a_blocked_issue_breaks_i4() {
    let mut world = World::new();
    world.gates_run_on(7, "t1");
    let mut state = world.state.clone();
    state.graph.set_blockers(app(7), [app(1)].into(), 0);
    state.graph.set_state(app(1), NodeState::Open);
    let found = violations(&state);
    assert_eq!(
        (names(&found), found[0].detail.as_str()),
        (vec!["I4"], "acme/app#7 is at work although it is blocked")
    );
}

#[test]
fn publishing_what_is_not_proven_green_breaks_i5() {
    let mut world = World::new();
    world.publishes(7, "t1");
    let breaks: [fn(&mut Task); 4] = [
        |task| task.report = None,
        |task| task.report.as_mut().unwrap().tree = TreeId("t2".to_owned()),
        |task| task.report.as_mut().unwrap().gates.clear(),
        |task| task.ground.as_mut().unwrap().gate_set = "others".to_owned(),
    ];
    for change in breaks {
        let found = broken(&world, change);
        assert_eq!(names(&found), ["I5"]);
        assert_eq!(found[0].detail, "acme/app#7 publishes commit-1 without a green report");
    }
    let merged = broken(&world, |task| (task.report, task.merged) = (None, true));
    assert_eq!(merged, [], "what is merged is published no more");
}

#[test]
fn one_commit_published_twice_breaks_i6() {
    let mut world = World::new();
    world.publishes(7, "t1");
    world.publishes(8, "t1");
    let phase = world.task(8).phase.clone();
    let found = broken(&world, |task| task.phase = phase);
    assert_eq!((names(&found), found[0].detail.as_str()), (vec!["I6"], "commit-2 is published by two tasks"));
}

#[test]
fn a_session_of_an_idle_task_breaks_i9() {
    let mut world = World::new();
    world.works_on(7);
    let parked = Phase::Parked(Parking { cause: ParkCause::Work, reason: "no".to_owned() });
    for phase in [Phase::Done, Phase::Cancelled, Phase::Ready, Phase::Blocked, Phase::Preparing, parked] {
        let found = broken(&world, |task| task.phase = phase);
        assert_eq!(
            (names(&found), found[0].detail.as_str()),
            (vec!["I9"], "acme/app#7 is not at work but has a live session")
        );
    }
    world.observe(said(8));
    assert_eq!(violations(&world.state), []);
}
