//! The fold: how each event changes the state. No decision is made here.

use std::collections::BTreeSet;

use super::{
    estimate::Finished,
    event::{Event, TaskEvent},
    graph::{Changes, Graph, NodeState},
    id::IssueRef,
    issue::IssueState,
    state::{IssueRecord, State},
    task::{Ended, Notes, ParkCause, Phase, PostedComment, Purpose, Session, Task, TaskKey},
};

/// Folds one event, recorded at `at_ms`, into the state; returns the issues whose dependencies changed.
pub fn evolve(state: &mut State, event: &Event, at_ms: i64) -> BTreeSet<IssueRef> {
    match event {
        Event::IssueSeen { snapshot, metadata } => {
            let record = IssueRecord { snapshot: (**snapshot).clone(), metadata: (**metadata).clone() };
            let mut touched = BTreeSet::new();
            link(&mut state.graph, &record, &mut touched);
            // Those that stay blocked are still to say by whom.
            touched.extend(state.graph.dependants(&snapshot.issue));
            state.put_issue(record);
            touched
        }
        Event::IssueUnreadable { issue } => {
            state.unreadable.insert(issue.clone());
            restate(state, issue, NodeState::Unknown)
        }
        Event::Task { key, what: TaskEvent::Accepted { title, branch, text_digest, estimate, .. } } => {
            state.put_task(Task {
                key: key.clone(),
                title: title.clone(),
                phase: Phase::Received,
                branch: branch.clone(),
                text_digest: text_digest.clone(),
                edited: false,
                estimate: estimate.clone(),
                route: None,
                ground: None,
                sessions: Vec::new(),
                continuations: 0,
                fruitless: 0,
                last_turn_continued: false,
                last_failure: None,
                failures_in_a_row: 0,
                standstill: None,
                report: None,
                last_tree: None,
                conflict_turn_spent: false,
                notes: Notes::default(),
                reason: None,
                not_before_ms: 0,
                pushed: None,
                pull_request: None,
                merged: false,
                assignment: None,
                comment: kept_comment(state, key),
                accepted_ms: at_ms,
                updated_ms: at_ms,
            });
            BTreeSet::new()
        }
        Event::Task { key, what } => evolve_task(state, key, what, at_ms),
    }
}

/// Tells the graph of an issue's own state; returns all whose answer, or whose words for it, may be another now.
fn restate(state: &mut State, issue: &IssueRef, node: NodeState) -> BTreeSet<IssueRef> {
    let mut touched = affected(state.graph.set_state(issue.clone(), node));
    touched.extend(state.graph.dependants(issue));
    touched
}

/// The living comment outlives a generation: there is one per issue.
fn kept_comment(state: &State, key: &TaskKey) -> Option<PostedComment> {
    state.task(&key.issue).and_then(|before| before.comment.clone())
}

/// Brings what one issue says of its dependencies into the graph; `touched` collects whose answers changed.
pub(super) fn link(graph: &mut Graph<IssueRef>, record: &IssueRecord, touched: &mut BTreeSet<IssueRef>) {
    let snapshot = &record.snapshot;
    let mut blockers = BTreeSet::new();
    let mut hidden = 0;
    for blocker in &snapshot.blockers {
        let Some(issue) = &blocker.issue else {
            hidden += 1;
            continue;
        };
        blockers.insert(issue.clone());
        if *issue != snapshot.issue {
            touched.extend(affected(graph.set_state(issue.clone(), node_state(blocker.state))));
        }
    }
    let said = record.metadata.blocked_by.iter().flat_map(|field| &field.value);
    blockers.extend(said.cloned());
    let mut blocked: BTreeSet<IssueRef> = snapshot.blocks.iter().cloned().collect();
    blocked.extend(record.metadata.blocks.iter().flat_map(|field| &field.value).cloned());

    let issue = &snapshot.issue;
    touched.extend(affected(graph.set_state(issue.clone(), node_state(Some(snapshot.state)))));
    touched.extend(affected(graph.set_blockers(issue.clone(), blockers, hidden)));
    touched.extend(affected(graph.set_blocks(issue.clone(), blocked)));
}

impl From<IssueState> for NodeState {
    fn from(state: IssueState) -> Self {
        match state {
            IssueState::Open => Self::Open,
            IssueState::Closed => Self::Closed,
        }
    }
}

fn node_state(state: Option<IssueState>) -> NodeState {
    state.map_or(NodeState::Unknown, NodeState::from)
}

fn affected(changes: Changes<IssueRef>) -> BTreeSet<IssueRef> {
    let Changes { freed, blocked, cycle_changed } = changes;
    freed.into_iter().chain(blocked).chain(cycle_changed).collect()
}

fn evolve_task(state: &mut State, key: &TaskKey, what: &TaskEvent, at_ms: i64) -> BTreeSet<IssueRef> {
    let Some(task) = state.task(&key.issue).filter(|task| task.key == *key) else { return BTreeSet::new() };
    let finished = matches!(what, TaskEvent::Done);
    if finished && let Some(peak_tokens) = task.peak_tokens() {
        let finished = Finished { raw_tokens: task.estimate.raw_tokens, peak_tokens };
        state.record_history(key.issue.repo.clone(), finished);
    }
    state.change_task(&key.issue, |task| {
        task.updated_ms = at_ms;
        change(task, what);
    });
    if !finished {
        return BTreeSet::new();
    }
    // Done means closed: those that wait for it need not wait until it is read again.
    state.close_issue(&key.issue);
    restate(state, &key.issue, NodeState::Closed)
}

fn change(task: &mut Task, what: &TaskEvent) {
    match what {
        TaskEvent::Edited { title, text_digest, estimate } => {
            task.title.clone_from(title);
            task.text_digest.clone_from(text_digest);
            // Before the first session no prompt has said anything else.
            task.edited = !task.sessions.is_empty();
            if let Some(estimate) = estimate {
                task.estimate = estimate.clone();
            }
        }
        TaskEvent::Blocked { reason } => enter(task, Phase::Blocked, Some(reason.clone())),
        TaskEvent::Readied { reason, not_before_ms } => {
            if matches!(&task.phase, Phase::Parked(parking) if parking.cause == ParkCause::NotConfigured) {
                // What it lacked may be there by now: the base is to be asked again.
                task.ground = None;
            }
            enter(task, Phase::Ready, reason.clone());
            task.not_before_ms = *not_before_ms;
        }
        TaskEvent::Routed { route } => task.route = Some(route.clone()),
        TaskEvent::Preparing => enter(task, Phase::Preparing, None),
        TaskEvent::Prepared { ground } => task.ground = Some((**ground).clone()),
        TaskEvent::TurnOrdered { session, turn, purpose, model, free, window_tokens } => {
            if turn.0 == 1 {
                task.sessions.push(Session {
                    number: *session,
                    model: model.clone(),
                    free: *free,
                    window_tokens: *window_tokens,
                    used_tokens: None,
                    peak_tokens: None,
                    turns: 0,
                    ended: None,
                    counts: true,
                    warned: false,
                    rotation_ordered: false,
                    cost_usd: None,
                });
            }
            if let Some(live) = task.sessions.last_mut() {
                live.turns = turn.0;
            }
            task.last_turn_continued = matches!(purpose, Purpose::Continue { .. });
            if task.last_turn_continued {
                task.continuations += 1;
            }
            let edited = std::mem::take(&mut task.edited);
            let (session, turn, purpose) = (*session, *turn, purpose.clone());
            enter(task, Phase::Running { session, turn, purpose, edited }, None);
        }
        TaskEvent::UsageMarked { session, used_tokens, peak_tokens, window_tokens } => {
            on_session(task, session.0, |session| {
                session.used_tokens = Some(*used_tokens);
                session.peak_tokens = Some(*peak_tokens);
                session.window_tokens = *window_tokens;
            });
        }
        TaskEvent::Warned { session } => on_session(task, session.0, |session| session.warned = true),
        TaskEvent::RotationOrdered { session, .. } => {
            on_session(task, session.0, |session| session.rotation_ordered = true);
        }
        // An acceptance makes the task, and an overrun only counts in the measures.
        TaskEvent::Accepted { .. } | TaskEvent::Overrun { .. } => {}
        TaskEvent::Noted { notes } => task.notes = notes.clone(),
        TaskEvent::TurnEnded { session, tree, cost_usd, .. } => {
            task.last_tree = Some(tree.clone());
            task.failures_in_a_row = 0;
            on_session(task, session.0, |session| session.cost_usd = cost_usd.or(session.cost_usd));
        }
        TaskEvent::SessionEnded { session, ended, cause, counts } => {
            if *ended == Ended::Failed {
                task.failures_in_a_row += 1;
                task.last_failure.clone_from(cause);
            }
            on_session(task, session.0, |session| {
                session.ended = Some(*ended);
                session.counts = *counts;
            });
        }
        TaskEvent::SessionWithdrawn { session } => task.sessions.retain(|known| known.number != *session),
        TaskEvent::GatingStarted { candidate } => enter(task, Phase::Gating(candidate.clone()), None),
        TaskEvent::GatingDelayed { reason } | TaskEvent::PublishDelayed { reason } => {
            task.reason = Some(reason.clone());
        }
        TaskEvent::Verified { report } => {
            task.report = Some((**report).clone());
            if report.is_green() {
                task.fruitless = 0;
                task.standstill = None;
                task.last_turn_continued = false;
            }
        }
        TaskEvent::FellShort { standstill, fruitless } => {
            task.standstill = Some(standstill.clone());
            task.fruitless = *fruitless;
        }
        TaskEvent::Escalated { route } => {
            task.route = Some(route.clone());
            task.fruitless = 0;
            task.standstill = None;
        }
        TaskEvent::PublishStarted { candidate } => enter(task, Phase::Publishing(candidate.clone()), None),
        TaskEvent::Pushed { commit, .. } => task.pushed = Some(commit.clone()),
        TaskEvent::PullOpened { number } => task.pull_request = Some(*number),
        TaskEvent::BaseMoved { ground, candidate } => {
            task.ground = Some((**ground).clone());
            enter(task, Phase::Gating(candidate.clone()), None);
        }
        TaskEvent::Conflicted { ground, .. } => {
            task.ground = Some((**ground).clone());
            task.conflict_turn_spent = true;
        }
        TaskEvent::WaitsForReview { candidate, reason } => {
            enter(task, Phase::InReview(candidate.clone()), reason.clone());
        }
        TaskEvent::Merged { .. } => task.merged = true,
        TaskEvent::Done => enter(task, Phase::Done, None),
        TaskEvent::Parked { parking } => {
            enter(task, Phase::Parked(parking.clone()), Some(parking.reason.clone()));
        }
        TaskEvent::Cancelled { reason } => enter(task, Phase::Cancelled, Some(reason.clone())),
        TaskEvent::AssignmentNoted { assignment } => task.assignment = Some(*assignment),
        TaskEvent::CommentPosted { id, digest } => {
            task.comment = Some(PostedComment { id: *id, digest: digest.clone() });
        }
    }
}

fn enter(task: &mut Task, phase: Phase, reason: Option<String>) {
    task.phase = phase;
    task.reason = reason;
}

fn on_session(task: &mut Task, number: u32, change: impl FnOnce(&mut Session)) {
    if let Some(session) = task.sessions.iter_mut().rev().find(|session| session.number.0 == number) {
        change(session);
    }
}
