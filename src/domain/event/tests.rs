//! Events as the journal keeps them: each reads back as it was written, under the name that its column has.

use proptest::prelude::*;

use super::*;
use crate::domain::{
    gate::{GateParser, GateResult, GateSpec, Verdict},
    id::Generation,
    issue::{Blocker, IssueState},
    metadata::{Difficulty, Field, Priority, Source},
    policy::{MergePolicy, TaskPolicy},
    route::{Capability, Tier},
    task::{ContinueCause, HandoverCause, ParkCause},
};

fn issue() -> IssueRef {
    "acme/app#7".parse().unwrap()
}

fn key() -> TaskKey {
    TaskKey { issue: issue(), generation: Generation(2) }
}

fn field<T>(value: T) -> Option<Field<T>> {
    Some(Field { value, source: Source::Block })
}

fn metadata() -> Metadata {
    Metadata {
        difficulty: field(Difficulty::Hard),
        estimated_tokens: field(u64::MAX),
        files: field(vec!["a.rs".to_owned()]),
        agent: field("mine".to_owned()),
        model: field("small".to_owned()),
        priority: field(Priority::High),
        blocks: field(vec![issue()]),
        blocked_by: field(vec![issue()]),
        acceptance: field(vec!["it works".to_owned()]),
    }
}

fn snapshot() -> IssueSnapshot {
    IssueSnapshot {
        issue: issue(),
        title: "Ünïcode \u{0}\"\\".to_owned(),
        body: "a\r\nb".to_owned(),
        state: IssueState::Closed,
        assigned: true,
        labels: vec!["difficulty/hard".to_owned()],
        blockers: vec![
            Blocker { issue: None, state: None },
            Blocker { issue: Some(issue()), state: Some(IssueState::Open) },
        ],
        blocks: vec![issue()],
        created_ms: i64::MIN,
        updated_ms: i64::MAX,
    }
}

fn estimate() -> Estimate {
    Estimate { tokens: 45_000, raw_tokens: 60_000, how: "times 0.75".to_owned() }
}

fn route() -> Route {
    Route {
        model: "small".to_owned(),
        agent: "mine".to_owned(),
        tier: Tier::Free,
        capability: Capability::Low,
        why: "the cheapest".to_owned(),
    }
}

fn candidate() -> Candidate {
    let (commit, base) = (CommitId("c".repeat(40)), CommitId("b".repeat(40)));
    Candidate { commit, tree: TreeId("a".repeat(64)), base }
}

fn ground() -> Box<Ground> {
    let parser = GateParser::Lcov { report: "lcov.info".to_owned(), min_line_percent: 85.5 };
    let gate = GateSpec { command: vec!["cargo".to_owned()], timeout_ms: 1, parser };
    Box::new(Ground {
        base_branch: "main".to_owned(),
        base: CommitId("b".to_owned()),
        gates: [("coverage".to_owned(), gate)].into(),
        gate_set: "digest".to_owned(),
        policy: TaskPolicy {
            merge: MergePolicy::PullRequest,
            max_continuations: 5,
            max_sessions: 6,
            turn_timeout_ms: 1,
            stall_timeout_ms: 2,
            rotate_at: 0.95,
            warn_at: 0.8,
        },
    })
}

fn report() -> Box<GateReport> {
    let result = GateResult {
        verdict: Verdict::NoTests,
        command: vec!["cargo".to_owned()],
        exit_code: Some(-1),
        duration_ms: 3,
        detail: Some("no test ran".to_owned()),
        output: "…".to_owned(),
        line_percent: Some(84.999),
    };
    let Candidate { commit, tree, .. } = candidate();
    Box::new(GateReport {
        commit,
        tree,
        gate_set: "digest".to_owned(),
        gates: [("test".to_owned(), result)].into(),
    })
}

/// One of every kind, and of every kind of cause within.
fn every_event() -> Vec<TaskEvent> {
    let (session, turn) = (SessionNo(2), TurnNo(3));
    let files = || vec!["a.rs".to_owned()];
    let notes = Notes { plan: vec!["[done] look".to_owned()], message: "half way".to_owned() };
    let mut all = vec![
        TaskEvent::Accepted {
            title: "A".to_owned(),
            branch: "mosaic/7-a-g2".to_owned(),
            text_digest: "d".to_owned(),
            estimate: estimate(),
            restarted_by_person: true,
        },
        TaskEvent::Edited { title: "B".to_owned(), text_digest: "e".to_owned(), estimate: Some(estimate()) },
        TaskEvent::Edited { title: "B".to_owned(), text_digest: "e".to_owned(), estimate: None },
        TaskEvent::Blocked { reason: "waits".to_owned() },
        TaskEvent::Readied { reason: None, not_before_ms: 0 },
        TaskEvent::Readied { reason: Some("failed".to_owned()), not_before_ms: 1_700_000_000_000 },
        TaskEvent::Routed { route: route() },
        TaskEvent::Preparing,
        TaskEvent::Prepared { ground: ground() },
        TaskEvent::UsageMarked { session, used_tokens: 1, peak_tokens: u64::MAX, window_tokens: 3 },
        TaskEvent::Warned { session },
        TaskEvent::RotationOrdered { session, used_tokens: 1, window_tokens: 2 },
        TaskEvent::Overrun { session },
        TaskEvent::Noted { notes },
        TaskEvent::TurnEnded {
            session,
            turn,
            stop: "end_turn".to_owned(),
            tree: TreeId("t".to_owned()),
            cost_usd: Some(0.1 + 0.2),
        },
        TaskEvent::SessionWithdrawn { session },
        TaskEvent::GatingStarted { candidate: candidate() },
        TaskEvent::GatingDelayed { reason: "disk".to_owned() },
        TaskEvent::Verified { report: report() },
        TaskEvent::FellShort {
            standstill: Standstill { tree: TreeId("t".to_owned()), failing: files(), seen: 2 },
            fruitless: 1,
        },
        TaskEvent::Escalated { route: route() },
        TaskEvent::PublishStarted { candidate: candidate() },
        TaskEvent::PublishDelayed { reason: "the forge is down".to_owned() },
        TaskEvent::AssignmentNoted { assignment: 4 },
        TaskEvent::Pushed { commit: candidate().commit, tree: candidate().tree },
        TaskEvent::PullOpened { number: 12 },
        TaskEvent::BaseMoved { ground: ground(), candidate: candidate() },
        TaskEvent::Conflicted { ground: ground(), files: files() },
        TaskEvent::WaitsForReview { candidate: candidate(), reason: None },
        TaskEvent::Merged { by_person: true },
        TaskEvent::Done,
        TaskEvent::Cancelled { reason: "closed".to_owned() },
        TaskEvent::CommentPosted { id: -1, digest: "d".to_owned() },
    ];
    let continues =
        [ContinueCause::RedGates, ContinueCause::NothingChanged, ContinueCause::Conflict { files: files() }]
            .map(|cause| Purpose::Continue { cause });
    let handovers = [
        HandoverCause::Rotated,
        HandoverCause::Escalated,
        HandoverCause::Failed { cause: "crash".to_owned() },
        HandoverCause::Interrupted,
        HandoverCause::Conflict { files: files() },
    ]
    .map(|cause| Purpose::Handover { cause });
    for purpose in [Purpose::Work].into_iter().chain(continues).chain(handovers) {
        let model = "small".to_owned();
        all.push(TaskEvent::TurnOrdered {
            session,
            turn,
            purpose,
            model,
            free: true,
            window_tokens: 200_000,
        });
    }
    for ended in [
        Ended::Finished,
        Ended::Rotated,
        Ended::Escalated,
        Ended::Interrupted,
        Ended::Cancelled,
        Ended::Failed,
    ] {
        all.push(TaskEvent::SessionEnded { session, ended, cause: None, counts: false });
    }
    for cause in [ParkCause::Cycle, ParkCause::NotConfigured, ParkCause::Work] {
        all.push(TaskEvent::Parked { parking: Parking { cause, reason: "why".to_owned() } });
    }
    all
}

fn read_back(event: &Event) -> Event {
    serde_json::from_str(&serde_json::to_string(event).unwrap()).unwrap()
}

#[test]
fn every_event_reads_back_as_it_was_written() {
    let seen = Event::IssueSeen { snapshot: Box::new(snapshot()), metadata: Box::new(metadata()) };
    let unreadable = Event::IssueUnreadable { issue: issue() };
    let tasks = every_event().into_iter().map(|what| Event::Task { key: key(), what });
    for event in [seen, unreadable].into_iter().chain(tasks) {
        assert_eq!(read_back(&event), event);
        assert_eq!(event.issue(), &issue());
    }
}

#[test]
fn an_event_is_called_in_the_journals_column_what_its_body_says() {
    for what in every_event() {
        let body = serde_json::to_value(&what).unwrap();
        assert_eq!(body["kind"], what.kind());
        assert_eq!(Event::Task { key: key(), what: what.clone() }.kind(), what.kind());
    }
    let unreadable = Event::IssueUnreadable { issue: issue() };
    assert_eq!(serde_json::to_value(&unreadable).unwrap()["about"], unreadable.kind());
    let seen = Event::IssueSeen { snapshot: Box::new(snapshot()), metadata: Box::new(metadata()) };
    assert_eq!(serde_json::to_value(&seen).unwrap()["about"], seen.kind());
}

#[test]
fn a_journal_of_today_can_be_read_tomorrow() {
    // Written down: these bytes are in people's databases.
    let body = r#"{"about":"task","key":{"issue":"acme/app#7","generation":1},"what":{"kind":"turn_ordered","session":2,
        "turn":1,"purpose":{"purpose":"handover","cause":{"why":"failed","cause":"crash"}},"model":"small","free":true,
        "window_tokens":200000}}"#;
    let Event::Task { what: TaskEvent::TurnOrdered { purpose, .. }, .. } =
        serde_json::from_str(body).unwrap()
    else {
        panic!("another event");
    };
    assert_eq!(purpose, Purpose::Handover { cause: HandoverCause::Failed { cause: "crash".to_owned() } });
    let body = r#"{"about":"task","key":{"issue":"acme/app#7","generation":1},"what":{"kind":"parked",
        "parking":{"cause":"not_configured","reason":"no gates"}}}"#;
    assert!(serde_json::from_str::<Event>(body).is_ok());
}

proptest! {
    #[test]
    fn a_cost_reads_back_to_the_last_digit(cost in 0.0..1e6_f64) {
        let event = Event::Task {
            key: key(),
            what: TaskEvent::TurnEnded {
                session: SessionNo(1),
                turn: TurnNo(1),
                stop: String::new(),
                tree: TreeId(String::new()),
                cost_usd: Some(cost),
            },
        };
        prop_assert_eq!(read_back(&event), event);
    }
}
