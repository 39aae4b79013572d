//! The documents, as scripts read them, and the commands that read them.

use std::sync::Arc;

use clap::Parser as _;
use mosaic_coordinator::{
    cli::{self, Cli, Client, Command, Errand, Exit, Told},
    domain::{
        id::{CommitId, Generation, TreeId},
        report::Ledger,
        route::Tier,
        task::Ended,
        view::{GateView, GateWord, RouteView, SessionView, StateWord, TaskView},
    },
    http::{HttpState, listen},
    runtime::{Handle, Message, Port, RebuildError, Role, Sabotage, Scope, Spec, spawn},
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

fn with_actors() -> Served {
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

fn task() -> TaskView {
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
    insta::assert_snapshot!(answer.body, @r#"
    {"status":"degraded","checks":{"disk":{"ok":true,"detail":"40 GB are free"},"forge":{"ok":false,"detail":"gitea.token is not set"}}}
    "#);
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

#[actix_rt::test]
async fn a_panic_costs_its_request_and_nothing_else() {
    let served = Served::start();
    let state = HttpState { metrics: Arc::new(|| panic!("no metrics today")), ..served.state.clone() };
    let port: Port<_> = served.port.clone();
    let listening = listen("localhost", 0, 1, state, Arc::new(move |_| port.clone())).unwrap();
    let (server, url) = (listening.server, format!("http://{}", listening.address));
    let running = actix_rt::spawn(listening.run);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for _ in 0..3 {
        let answer = http.get(format!("{url}/metrics")).send().await.unwrap();
        assert_eq!(answer.status(), 500);
        let body = answer.text().await.unwrap();
        assert!(
            body.starts_with(r#"{"error":{"code":"internal","#) && !body.contains("no metrics today"),
            "{body}"
        );
        assert_eq!(http.get(format!("{url}/health")).send().await.unwrap().status(), 200);
    }
    server.stop(true).await;
    running.await.unwrap().unwrap();
}

#[actix_rt::test]
async fn an_address_that_is_taken_is_named_with_a_remedy() {
    let served = Served::start();
    let refused = |host: &str, port: u16| {
        let webhook = served.port.clone();
        listen(host, port, 1, served.state.clone(), Arc::new(move |_| webhook.clone())).err().unwrap()
    };
    let taken = refused("127.0.0.1", served.address.port());
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    let told = taken.to_string();
    assert!(told.contains(&format!("127.0.0.1, port {}", served.address.port())), "{told}");
    assert!(told.contains("`server.port`"), "{told}");
    let told = refused("no.such.host.invalid", 0).to_string();
    assert!(told.contains("cannot listen on no.such.host.invalid"), "{told}");
}

/// Carries out a reading command against the server.
fn command(served: &Served, line: &str) -> Result<Told, cli::client::ClientError> {
    let line = format!("mosaic-coordinator {line} --url http://{}", served.address);
    let Command::Errand(errand) = Cli::parse_from(line.split(' ')).command else { panic!("{line}") };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = |options: &cli::ReadingOptions| Client::new(options.url.clone(), options.token.clone());
        match &errand {
            Errand::Report(options) => cli::report::told(options, &client(&options.reading)?).await,
            Errand::Tasks(options) => cli::tasks::told(options, &client(options)?).await,
            Errand::Actors(options) => cli::actors::told(options, &client(options)?).await,
            Errand::CheckConfig(_) => panic!("{line} reads no coordinator"),
        }
    })
}

#[test]
fn commands_pass_the_documents_on_and_read_them() {
    let served = with_actors();
    served.state.board.put(Entry { view: task(), waiting: None });
    for (line, path) in [("report", "/api/v1/report"), ("tasks", "/api/v1/tasks"), ("actors", "/actors")] {
        let told = command(&served, &format!("{line} --json")).unwrap();
        assert_eq!(String::from_utf8(told.answer).unwrap(), served.get(path).body, "{line}");
        assert_eq!((told.notes.as_str(), told.exit), ("", Exit::Fine), "{line}");
    }
    let text = |line: &str| String::from_utf8(command(&served, line).unwrap().answer).unwrap();
    assert!(text("report").starts_with("autonomy     -  goal 100 %  "), "{}", text("report"));
    assert!(
        text("tasks")
            .contains("owner/repo#7  blocked  small  20 %     test no tests  unknown  Parse dates\n"),
        "{}",
        text("tasks")
    );
    assert!(text("actors").contains("queue                 EchoActor  running  0/8"), "{}", text("actors"));
    assert!(text("actors").contains("  agent:owner/repo#7  EchoActor  running  0/8"), "{}", text("actors"));
}

#[test]
fn commands_are_told_when_they_may_not_read() {
    let served = Served::start();
    served.configure(|config| config.server.operator_token = Some("top-secret".into()));
    for line in ["report", "tasks --token guess", "actors --json"] {
        let told = command(&served, line).unwrap_err().to_string();
        assert!(told.contains(&served.address.to_string()) && told.contains("--token"), "{told}");
        assert!(!told.contains("guess"), "{told}");
    }
    assert_eq!(command(&served, "report --check --token top-secret").unwrap().exit, Exit::Fine);
}
