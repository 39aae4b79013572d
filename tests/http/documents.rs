//! The documents, as scripts read them.

use mosaic_coordinator::{
    domain::{
        id::{CommitId, Generation, TreeId},
        report::Ledger,
        route::Tier,
        task::Ended,
        view::{GateView, GateWord, RouteView, SessionView, StateWord, TaskView},
    },
    runtime::{Handle, Message, RebuildError, Role, Sabotage, Scope, Spec, spawn},
    store::board::Entry,
};

use super::server::Served;

/// A role that answers.
struct Echo;

#[derive(Clone)]
struct Ping;

impl Message for Ping {
    type Reply = ();
    const NAME: &'static str = "ping";
}

impl Role for Echo {
    type Seed = ();
    const ROLE: &'static str = "EchoActor";
    const CAPACITY: usize = 8;
    fn rebuild((): &(), _: &Scope<Self>) -> Result<Self, RebuildError> {
        Ok(Self)
    }
}

impl Handle<Ping> for Echo {
    fn handle(&mut self, _: Ping, _: &Scope<Self>) {}
}

pub fn with_actors() -> Served {
    let served = Served::with(|state| {
        spawn::<Echo>(&state.census, (), Spec::named("queue"));
        let spec = Spec { parent: Some("queue".into()), ..Spec::named("agent:owner/repo#7") };
        let agent = spawn::<Echo>(&state.census, (), spec);
        agent.port::<Ping>().tell(Ping).unwrap();
        assert!(state.census.sabotage("agent:owner/repo#7", Sabotage::CorruptAndPanic));
    });
    // The agent has crashed and is back once it has handled what was sent to it.
    while served
        .state
        .census
        .get("agent:owner/repo#7")
        .is_none_or(|agent| agent.actor.handled < 2 || agent.actor.restarts < 1)
    {
        std::thread::yield_now();
    }
    served
}

pub fn task() -> TaskView {
    TaskView {
        issue: "owner/repo#7".parse().unwrap(),
        generation: Generation::FIRST,
        title: "Parse dates".into(),
        state: StateWord::Blocked,
        reason: Some("waits for owner/repo#3".into()),
        blocked_by: vec!["owner/repo#3".parse().unwrap()],
        route: Some(RouteView {
            agent: "mine".into(),
            model: "small".into(),
            tier: Tier::Free,
            why: "cheapest capable".into(),
        }),
        estimate_tokens: 20_000,
        peak_tokens: Some(41_000),
        continuations: 1,
        sessions: vec![SessionView {
            number: 1,
            model: "small".into(),
            window_tokens: 200_000,
            occupancy: Some(0.205),
            peak_occupancy: None,
            turns: 2,
            ended: Some(Ended::Finished),
            warned: false,
        }],
        gates: vec![GateView {
            name: "test".into(),
            verdict: GateWord::NoTests,
            duration_ms: Some(1200),
            tree: TreeId("4b825dc".into()),
        }],
        branch: "mosaic/7-parse-dates".into(),
        commit: Some(CommitId("c0ffee".into())),
        pull_request: Some(9),
        cost_usd: None,
        updated_at: "2026-01-01T00:00:00Z".into(),
    }
}

fn with_task() -> Served {
    let served = Served::start();
    served.state.board.put(Entry { view: task(), waiting: None });
    served
}

fn pretty(json: &str) -> String {
    serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(json).unwrap()).unwrap()
}

#[test]
fn health_is_told_without_a_question() {
    let served = Served::start();
    let version = env!("CARGO_PKG_VERSION");
    for path in ["/health", "/health/live"] {
        let answer = served.get(path);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, format!(r#"{{"status":"ok","version":"{version}"}}"#));
    }
}

#[test]
fn readiness_falls_with_any_check_and_comes_back() {
    let served = Served::start();
    assert_eq!(served.get("/health/ready").body, r#"{"status":"ok","checks":{}}"#);
    served.state.health.good("disk", "40 GB are free");
    served.state.health.bad("forge", "gitea.token is not set");
    let answer = served.get("/health/ready");
    assert_eq!(answer.status, 503);
    insta::assert_snapshot!(answer.body, @r#"{"status":"degraded","checks":{"disk":{"ok":true,"detail":"40 GB are free"},"forge":{"ok":false,"detail":"gitea.token is not set"}}}"#);
    served.state.health.good("forge", "answers as bot");
    let answer = served.get("/health/ready");
    assert_eq!((answer.status, answer.body.contains(r#""status":"ok""#)), (200, true));
    assert_eq!(served.get("/health").status, 200);
}

#[test]
fn actors_are_listed_with_their_tree() {
    let served = with_actors();
    let answer = served.get("/actors");
    assert_eq!(answer.headers["content-type"], "application/json");
    insta::assert_snapshot!(pretty(&answer.body), @r#"
    {
      "actors": [
        {
          "current": null,
          "handled": 2,
          "id": "agent:owner/repo#7",
          "last_crash": {
            "at": "2023-11-14T22:13:20Z",
            "message": "sabotage: sabotaged"
          },
          "mailbox": {
            "capacity": 8,
            "depth": 0,
            "oldest_ms": 0,
            "peak": 2
          },
          "parent": "queue",
          "refused": 0,
          "restarts": 1,
          "role": "EchoActor",
          "stale": 0,
          "state": "running"
        },
        {
          "current": null,
          "handled": 0,
          "id": "queue",
          "last_crash": null,
          "mailbox": {
            "capacity": 8,
            "depth": 0,
            "oldest_ms": 0,
            "peak": 0
          },
          "parent": null,
          "refused": 0,
          "restarts": 0,
          "role": "EchoActor",
          "stale": 0,
          "state": "running"
        }
      ]
    }
    "#);
}

#[test]
fn one_actor_is_found_by_its_id_however_it_is_written() {
    let served = with_actors();
    let answer = served.get("/actors/agent:owner%2Frepo%237");
    assert_eq!(answer.status, 200);
    insta::assert_snapshot!(pretty(&answer.body), @r#"
    {
      "current": null,
      "handled": 2,
      "id": "agent:owner/repo#7",
      "last_crash": {
        "at": "2023-11-14T22:13:20Z",
        "message": "sabotage: sabotaged"
      },
      "mailbox": {
        "capacity": 8,
        "depth": 0,
        "oldest_ms": 0,
        "peak": 2
      },
      "messages": [
        {
          "count": 1,
          "service_ms_p50": 0.0,
          "service_ms_p99": 0.0,
          "type": "ping",
          "wait_ms_p50": 0.0,
          "wait_ms_p99": 0.0
        },
        {
          "count": 1,
          "service_ms_p50": 0.0,
          "service_ms_p99": 0.0,
          "type": "sabotage",
          "wait_ms_p50": 0.0,
          "wait_ms_p99": 0.0
        }
      ],
      "parent": "queue",
      "refused": 0,
      "restarts": 1,
      "role": "EchoActor",
      "stale": 0,
      "state": "running"
    }
    "#);
    for path in
        ["/actors/agent:owner/repo%237", "/actors/agent%3Aowner%2frepo%237", "/actors/%61gent:owner/repo%237"]
    {
        assert_eq!(served.get(path).body, answer.body, "{path}");
    }
    for path in ["/actors/agent:owner%252Frepo%237", "/actors/agent:owner", "/actors/Queue", "/actors/queue/"]
    {
        let answer = served.get(path);
        assert_eq!((answer.status, answer.refusal().as_str()), (404, "not_found"), "{path}");
    }
    assert!(served.get("/actors/agent:no%2Fone%231").body.contains("`agent:no/one#1`"));
}

#[test]
fn tasks_are_told_all_and_one_by_one() {
    let served = with_task();
    let (all, one) = (served.get("/api/v1/tasks"), served.get("/api/v1/tasks/owner/repo/7"));
    assert_eq!((all.status, one.status), (200, 200));
    assert_eq!(all.body, format!(r#"{{"tasks":[{}]}}"#, one.body));
    assert_eq!(all.headers["content-type"], "application/json");
    insta::assert_snapshot!(pretty(&one.body), @r#"
    {
      "blocked_by": [
        "owner/repo#3"
      ],
      "branch": "mosaic/7-parse-dates",
      "commit": "c0ffee",
      "continuations": 1,
      "cost_usd": null,
      "estimate_tokens": 20000,
      "gates": [
        {
          "duration_ms": 1200,
          "name": "test",
          "tree": "4b825dc",
          "verdict": "no_tests"
        }
      ],
      "generation": 1,
      "issue": "owner/repo#7",
      "peak_tokens": 41000,
      "pull_request": 9,
      "reason": "waits for owner/repo#3",
      "route": {
        "agent": "mine",
        "model": "small",
        "tier": "free",
        "why": "cheapest capable"
      },
      "sessions": [
        {
          "ended": "finished",
          "model": "small",
          "number": 1,
          "occupancy": 0.205,
          "peak_occupancy": null,
          "turns": 2,
          "warned": false,
          "window_tokens": 200000
        }
      ],
      "state": "blocked",
      "title": "Parse dates",
      "updated_at": "2026-01-01T00:00:00Z"
    }
    "#);
    assert_eq!(served.get("/api/v1/tasks/OWNER/Repo/7").body, one.body);
    for path in
        ["owner/repo/8", "owner/repo/0", "owner/repo/x", "owner/repo/+7", "owner/re%2Fpo/7", "%20/repo/7"]
    {
        let answer = served.get(&format!("/api/v1/tasks/{path}"));
        assert_eq!((answer.status, answer.refusal().as_str()), (404, "not_found"), "{path}");
    }
    assert!(served.get("/api/v1/tasks/owner/repo/8").body.contains("`owner/repo#8`"));
    assert_eq!(Served::start().get("/api/v1/tasks").body, r#"{"tasks":[]}"#);
}

#[test]
fn the_report_is_told() {
    let served = Served::start();
    let mut report = Ledger::new().report();
    report.tasks = [(StateWord::InReview, 1), (StateWord::Done, 2)].into();
    served.state.board.set_report(report);
    insta::assert_snapshot!(pretty(&served.get("/api/v1/report").body), @r#"
    {
      "continuations": 0,
      "cost_usd": 0.0,
      "measures": {
        "autonomy": {
          "denominator": 0,
          "goal": 1.0,
          "met": null,
          "numerator": 0,
          "value": null
        },
        "context": {
          "denominator": 0,
          "goal": 0.0,
          "met": null,
          "numerator": 0,
          "value": null
        },
        "estimates": {
          "denominator": 0,
          "goal": 0.8,
          "met": null,
          "numerator": 0,
          "value": null
        },
        "free_models": {
          "denominator": 0,
          "goal": 0.7,
          "met": null,
          "numerator": 0,
          "value": null
        },
        "quality": {
          "denominator": 0,
          "goal": 1.0,
          "met": null,
          "numerator": 0,
          "value": null
        }
      },
      "rotations": 0,
      "tasks": {
        "done": 2,
        "in_review": 1
      }
    }
    "#);
}

#[test]
fn metrics_are_text_of_prometheus() {
    let served = Served::start();
    let answer = served.get("/metrics");
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4");
    assert_eq!((answer.status, answer.body.as_str()), (200, "mosaic_up 1\n"));
}

#[test]
fn the_head_alone_is_told_on_request() {
    let served = Served::start();
    let mut client = served.connect();
    client.send("HEAD /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answer = client.rest();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");
}
