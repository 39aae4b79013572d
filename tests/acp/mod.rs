//! Whole sessions with the real binary: keeper, driver and scripted agent.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic as tests do")]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use mosaic_coordinator::{
    agent::{
        self, AgentEvent, DriverKind, ErrorClass, OpenError, PlanEntry, PromptError, Session, SessionSpec,
        Stop, TokenSpend, TurnEnd,
    },
    process::Keeper,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

const BINARY: &str = env!("CARGO_BIN_EXE_mosaic-coordinator");
/// Longer than anything takes on a busy machine.
const BOUND: Duration = Duration::from_secs(60);
const HEADER: &str = "<!-- mosaic:task=owner/repo#7 phase=work session=1 turn=1 model=small -->";

/// A folder with a script and a workspace.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new(script: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("work")).unwrap();
        fs::write(folder.path().join("7.json"), script.to_string()).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn work(&self, name: &str) -> PathBuf {
        self.path("work").join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.work(name)).unwrap()
    }

    fn spec(&self) -> SessionSpec {
        let script = self.path("7.json").to_str().unwrap().to_owned();
        let path = std::env::vars_os().find(|(name, _)| name == "PATH").unwrap().1.into_string().unwrap();
        SessionSpec {
            label: "agent:owner/repo#7".into(),
            command: [BINARY, "scripted-agent", "--script", &script].map(str::to_owned).to_vec(),
            env: BTreeMap::from([("PATH".into(), path), ("MOSAIC_MODEL".into(), "vendor-model".into())]),
            cwd: self.path("work"),
            model_id: "vendor-model".into(),
            lock: Some(self.path("lock")),
            transcript: Some(self.path("transcript.jsonl")),
            open_timeout: BOUND,
        }
    }

    async fn open(&self) -> Session {
        open(self.spec()).await.unwrap()
    }
}

async fn open(spec: SessionSpec) -> Result<Session, OpenError> {
    agent::open(&Keeper::at(BINARY.into()), DriverKind::Acp, spec).await
}

async fn open_error(spec: SessionSpec) -> OpenError {
    open(spec).await.unwrap_err()
}

/// A script of one entry that serves every turn.
fn always(steps: Value) -> Value {
    json!({ "turns": [{ "times": 9, "steps": steps }] })
}

async fn next(session: &mut Session) -> AgentEvent {
    timeout(BOUND, session.events.recv()).await.expect("the agent hangs").expect("the session is over")
}

/// The events up to the one that is wanted, that one included.
async fn until(session: &mut Session, wanted: impl Fn(&AgentEvent) -> bool) -> Vec<AgentEvent> {
    let mut heard = Vec::new();
    loop {
        heard.push(next(session).await);
        if heard.last().is_some_and(&wanted) {
            return heard;
        }
    }
}

async fn turn(session: &mut Session, text: &str) -> (Vec<AgentEvent>, TurnEnd) {
    session.control().prompt(&format!("{HEADER}\n{text}")).unwrap();
    end_of_turn(session).await
}

async fn end_of_turn(session: &mut Session) -> (Vec<AgentEvent>, TurnEnd) {
    let mut heard = until(session, |event| matches!(event, AgentEvent::TurnEnded(_))).await;
    match heard.pop() {
        Some(AgentEvent::TurnEnded(end)) => (heard, end),
        other => panic!("no end of a turn: {other:?}"),
    }
}

/// Closes the session and hears it out: standard error has no order with the rest.
async fn close(mut session: Session, mut heard: Vec<AgentEvent>) -> Vec<AgentEvent> {
    session.control().close(BOUND).await;
    heard.extend(until(&mut session, |event| matches!(event, AgentEvent::Exited(_))).await);
    heard
}

fn failure(end: TurnEnd) -> (ErrorClass, String) {
    match end.stop {
        Stop::Failed(error) => (error.class, error.message),
        other => panic!("it did not fail: {other:?}"),
    }
}

fn text(heard: &[AgentEvent]) -> String {
    heard
        .iter()
        .filter_map(|event| match event {
            AgentEvent::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

fn used(heard: &[AgentEvent]) -> Vec<u64> {
    heard
        .iter()
        .filter_map(|event| match event {
            AgentEvent::Usage(usage) => Some(usage.used_tokens),
            _ => None,
        })
        .collect()
}

fn lives(pid: &str) -> bool {
    Path::new("/proc").join(pid.trim()).exists()
}

/// A detached child that writes its number and stays.
fn detached() -> Value {
    json!([{"detach":"echo $$ > pid.part && mv pid.part pid && exec sleep 1000"}, {"wait_file":"pid"}])
}

#[tokio::test]
async fn a_whole_session_is_told_from_ready_to_exit() {
    let bench = Bench::new(json!({"window":1000,"turns":[
        {"match":{"phase":"work","session":1,"turn":1,"model":"small","contains":"red"},"steps":[
            {"capture":{"name":"colour","regex":"paint it (\\w+)"}},
            {"plan":["look",{"content":"paint it {{colour}}","status":"in_progress"}]},
            {"think":"hm"},
            {"usage":{"used":400,"output":40,"cost":0.25}},
            {"ask_permission":"paint"},
            {"write":{"path":"src/{{colour}}.txt","content":"{{colour}} {{unknown}}\n"}},
            {"usage":{"add":100}},
            {"say":"done with {{colour}}"}]},
        {"match":{"phase":"continue"},"steps":[{"append":{"path":"src/red.txt","content":"again\n"}},{"usage":{"used":600,"size":900}}],"end":"max_tokens"}]}));
    let mut session = bench.open().await;
    assert_eq!(next(&mut session).await, AgentEvent::Ready { provider_session: "scripted-1".into() });
    assert_eq!(session.provider_session(), "scripted-1");
    let (heard, end) = turn(&mut session, "paint it red").await;
    let plan = |content: &str, status: &str| PlanEntry { content: content.into(), status: status.into() };
    assert!(
        heard.contains(&AgentEvent::Plan(vec![plan("look", "pending"), plan("paint it red", "in_progress")]))
    );
    assert!(heard.contains(&AgentEvent::Permission { title: "paint".into(), allowed: true }));
    assert_eq!(used(&heard), [400, 500]);
    assert_eq!(text(&heard), "permission granted\ndone with red");
    assert_eq!(bench.read("src/red.txt"), "red {{unknown}}\n");
    let tokens = Some(TokenSpend { input: 860, output: 40, ..TokenSpend::default() });
    assert_eq!(end, TurnEnd { stop: Stop::EndTurn, tokens });
    assert!(session.control().cpu_ms().is_some());

    session
        .control()
        .prompt("<!-- mosaic:task=owner/repo#7 phase=continue session=1 turn=2 model=small -->")
        .unwrap();
    let (heard, end) = end_of_turn(&mut session).await;
    assert_eq!((used(&heard), end.stop), (vec![600], Stop::MaxTokens));
    let Some(AgentEvent::Usage(usage)) = heard.iter().find(|event| matches!(event, AgentEvent::Usage(_)))
    else {
        panic!("no usage")
    };
    assert_eq!((usage.reported_window_tokens, usage.cost_usd_total), (Some(900), Some(0.25)));
    assert_eq!(bench.read("src/red.txt"), "red {{unknown}}\nagain\n");

    let exit = session.control().close(BOUND).await;
    assert!(exit.is_success());
    assert_eq!(next(&mut session).await, AgentEvent::Exited(exit));
    assert_eq!(session.events.recv().await, None);
    assert_eq!(session.control().prompt("more"), Err(PromptError::Gone));
    assert_eq!(session.control().cpu_ms(), None);
    let transcript = fs::read_to_string(bench.path("transcript.jsonl")).unwrap();
    assert!(transcript.starts_with(">>> {") && transcript.contains("\n<<< {"), "{transcript}");
}

#[tokio::test]
async fn a_cancel_stops_growth_and_nothing_is_written_after_it() {
    let bench = Bench::new(json!({"turns":[
        {"steps":[{"grow":{"by":1000,"every_ms":1}},{"write":{"path":"late.txt","content":"x"}}]},
        {"steps":[{"grow":{"by":1,"every_ms":1,"limit":10}},{"say":"still here"}]},
        {"steps":[{"run":"while :; do date > beat.txt; done"},{"write":{"path":"late.txt","content":"x"}}]}]}));
    let mut session = bench.open().await;
    let control = session.control();
    control.prompt("grow").unwrap();
    let beyond =
        |event: &AgentEvent| matches!(event, AgentEvent::Usage(usage) if usage.used_tokens > 200_000);
    until(&mut session, beyond).await;
    assert!(control.cancel());
    let (_, end) = end_of_turn(&mut session).await;
    assert_eq!(end.stop, Stop::Cancelled);
    assert!(end.tokens.is_some());

    let (heard, end) = turn(&mut session, "are you there?").await;
    assert_eq!((used(&heard), text(&heard), end.stop), (vec![], "still here".into(), Stop::EndTurn));

    control.prompt("work").unwrap();
    until(&mut session, |event| matches!(event, AgentEvent::ToolCall { .. })).await;
    control.cancel();
    assert_eq!(end_of_turn(&mut session).await.1.stop, Stop::Cancelled);
    assert!(!bench.work("late.txt").exists());
    assert!(!control.cancel());
}

#[tokio::test]
async fn a_crash_fails_the_turn_and_ends_the_session() {
    let bench = Bench::new(always(json!([{"stderr":"out of cheese"}, {"crash":3}])));
    let mut session = bench.open().await;
    let (heard, end) = turn(&mut session, "go").await;
    assert!(heard.contains(&AgentEvent::Stderr("out of cheese".into())), "{heard:?}");
    let wanted = "agent exited within the turn (exit code 3): out of cheese";
    assert_eq!(failure(end), (ErrorClass::Agent, wanted.into()));
    assert!(matches!(next(&mut session).await, AgentEvent::Exited(exit) if exit.code == Some(3)));
    assert_eq!(session.events.recv().await, None);
}

#[tokio::test]
async fn a_stubborn_agent_is_killed_by_the_last_rung() {
    let bench = Bench::new(always(json!([{"hang":{"stubborn":true}}])));
    let mut session = bench.open().await;
    session.control().prompt("go").unwrap();
    until(&mut session, |event| matches!(event, AgentEvent::ToolCall { .. })).await;
    session.control().cancel();
    let exit = session.control().close(Duration::ZERO).await;
    assert_eq!(exit.signal, Some(9));
    assert_eq!(end_of_turn(&mut session).await.1.stop, Stop::Cancelled);
    assert_eq!(next(&mut session).await, AgentEvent::Exited(exit));
}

#[tokio::test]
async fn a_hanging_agent_honours_a_cancel_and_a_hang_up() {
    let bench = Bench::new(always(json!(["hang"])));
    let mut session = bench.open().await;
    let control = session.control();
    control.prompt("go").unwrap();
    until(&mut session, |event| matches!(event, AgentEvent::ToolCall { .. })).await;
    assert_eq!(control.prompt("and"), Err(PromptError::TurnRunning));
    assert!(control.cancel());
    assert_eq!(end_of_turn(&mut session).await.1.stop, Stop::Cancelled);
    control.prompt("go").unwrap();
    until(&mut session, |event| matches!(event, AgentEvent::ToolCall { .. })).await;
    assert!(control.close(BOUND).await.is_success());
    assert_eq!(end_of_turn(&mut session).await.1.stop, Stop::Cancelled);
}

#[tokio::test]
async fn garbage_and_long_lines_are_skipped_and_the_session_goes_on() {
    let steps =
        json!([{"garbage":"npm WARN {"}, {"long_line":2_000_000}, {"long_line":9_000_000}, {"say":"fine"}]);
    let bench = Bench::new(always(steps));
    let mut session = bench.open().await;
    let (heard, end) = turn(&mut session, "go").await;
    let skipped = |preview: &str, bytes| AgentEvent::Skipped { preview: preview.into(), bytes };
    let wanted = [skipped("npm WARN {", 10), skipped(&"x".repeat(200), 2_000_000), skipped("", 9_000_000)];
    let told: Vec<AgentEvent> =
        heard.iter().filter(|event| matches!(event, AgentEvent::Skipped { .. })).cloned().collect();
    assert_eq!(told, wanted);
    assert_eq!((text(&heard), end.stop), ("fine".into(), Stop::EndTurn));
    assert_eq!(turn(&mut session, "again").await.1.stop, Stop::EndTurn);
}

#[tokio::test]
async fn a_detached_child_is_gone_after_the_close() {
    let bench = Bench::new(always(detached()));
    let mut session = bench.open().await;
    assert_eq!(turn(&mut session, "go").await.1.stop, Stop::EndTurn);
    let pid = bench.read("pid");
    assert!(lives(&pid));
    let exit = session.control().close(BOUND).await;
    assert!(exit.is_success() && exit.leftovers > 0, "{exit:?}");
    assert!(!lives(&pid));
}

#[tokio::test]
async fn a_dropped_session_leaves_no_process() {
    let bench = Bench::new(always(detached()));
    let mut session = bench.open().await;
    turn(&mut session, "go").await;
    let control = session.control();
    let pid = bench.read("pid");
    drop(session);
    let gone = async {
        while control.cpu_ms().is_some() {
            tokio::task::yield_now().await;
        }
    };
    timeout(BOUND, gone).await.unwrap();
    assert!(!lives(&pid));
}

#[tokio::test]
async fn a_kill_within_a_turn_cancels_it() {
    let bench = Bench::new(always(json!(["hang"])));
    let mut session = bench.open().await;
    session.control().prompt("go").unwrap();
    session.control().kill();
    assert_eq!(end_of_turn(&mut session).await.1.stop, Stop::Cancelled);
    assert!(matches!(next(&mut session).await, AgentEvent::Exited(exit) if exit.signal == Some(9)));
}

#[tokio::test]
async fn an_agent_that_falls_silent_for_good_is_ended() {
    let bench = Bench::new(always(json!([{"close_stdout":{}}, {"say":"unheard"}, "hang"])));
    let mut session = bench.open().await;
    let (heard, end) = turn(&mut session, "go").await;
    assert_eq!(text(&heard), "");
    let (class, message) = failure(end);
    assert_eq!(class, ErrorClass::Agent);
    assert!(message.starts_with("agent closed its standard output"), "{message}");
    assert!(matches!(next(&mut session).await, AgentEvent::Exited(exit) if exit.signal == Some(9)));
}

#[tokio::test]
async fn what_cannot_be_started_is_the_operators_to_mend() {
    let bench = Bench::new(always(json!([])));
    let plain = bench.path("plain.txt");
    fs::write(&plain, "no program").unwrap();
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).unwrap();
    for command in
        [vec![], vec!["no-such-agent-anywhere".to_owned()], vec![plain.to_str().unwrap().to_owned()]]
    {
        let error = open_error(SessionSpec { command: command.clone(), ..bench.spec() }).await;
        assert!(matches!(error, OpenError::NotStartable(_)), "{command:?}: {error}");
        assert!(error.is_configuration());
    }
    let nowhere = SessionSpec { cwd: bench.path("nowhere"), ..bench.spec() };
    assert_eq!(open_error(nowhere).await.class(), ErrorClass::Infrastructure);
}

#[tokio::test]
async fn an_agent_that_does_not_answer_is_killed_after_its_time() {
    let bench = Bench::new(always(json!([])));
    let spec = SessionSpec {
        command: ["sh", "-c", "echo $$ > pid; exec sleep 1000"].map(str::to_owned).to_vec(),
        open_timeout: Duration::from_secs(1),
        ..bench.spec()
    };
    assert!(matches!(open_error(spec).await, OpenError::TimedOut(_)));
    assert!(!lives(&bench.read("pid")));
}

#[tokio::test]
async fn a_faulty_script_is_told_on_standard_error() {
    let bench = Bench::new(json!({"turns":[{"steps":[{"jump":1}]}]}));
    let OpenError::Exited { exit, last_words } = open_error(bench.spec()).await else { panic!("it ran") };
    assert_eq!(exit.code, Some(2));
    assert!(last_words.contains("7.json is faulty at `turns[0].steps[0]`"), "{last_words}");
    let command = [BINARY, "scripted-agent", "--loud"].map(str::to_owned).to_vec();
    let OpenError::Exited { exit, last_words } = open_error(SessionSpec { command, ..bench.spec() }).await
    else {
        panic!("it ran")
    };
    assert_eq!(exit.code, Some(2));
    assert!(last_words.contains("usage: scripted-agent"), "{last_words}");
}

#[tokio::test]
async fn the_script_is_found_by_the_issues_number_or_by_a_variable() {
    let bench = Bench::new(always(json!([{"say":"seven"}])));
    let folder = bench.folder.path().to_str().unwrap().to_owned();
    let bare = || vec![BINARY.to_owned(), "scripted-agent".to_owned()];
    let with = |name: &str, value: String| {
        let mut spec = SessionSpec { command: bare(), ..bench.spec() };
        spec.env.insert(name.into(), value);
        spec
    };
    let by_flag =
        SessionSpec { command: [bare(), vec!["--scripts".into(), folder.clone()]].concat(), ..bench.spec() };
    let file = bench.path("7.json").to_str().unwrap().to_owned();
    for spec in [by_flag.clone(), with("SCRIPTED_AGENT_SCRIPTS", folder), with("SCRIPTED_AGENT_SCRIPT", file)]
    {
        let mut session = open(spec).await.unwrap();
        assert_eq!(text(&turn(&mut session, "go").await.0), "seven");
        session.control().close(BOUND).await;
    }
    let no_script = SessionSpec { command: bare(), ..bench.spec() };
    assert!(matches!(open_error(no_script).await, OpenError::Exited { exit, .. } if exit.code == Some(2)));

    for (prompt, wanted) in [("<!-- mosaic:task=o/r#8 -->", "8.json"), ("no header", "names no issue")] {
        let mut session = open(by_flag.clone()).await.unwrap();
        session.control().prompt(prompt).unwrap();
        let (class, message) = failure(end_of_turn(&mut session).await.1);
        assert!(class == ErrorClass::Agent && message.contains(wanted), "{message}");
        assert!(matches!(next(&mut session).await, AgentEvent::Exited(exit) if exit.code == Some(2)));
    }
}

#[tokio::test]
async fn an_agent_sees_the_environment_of_its_spec_and_nothing_else() {
    let bench = Bench::new(always(json!([{"run":"tr '\\0' '\\n' < /proc/$PPID/environ > env.txt"}])));
    let mut spec = bench.spec();
    spec.env.insert("LANG".into(), "C.UTF-8".into());
    let wanted: Vec<String> = spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut session = open(spec).await.unwrap();
    turn(&mut session, "go").await;
    let mut seen: Vec<String> = bench.read("env.txt").lines().map(str::to_owned).collect();
    seen.sort();
    assert_eq!(seen, wanted);
}

#[tokio::test]
async fn the_models_option_is_set_where_the_agent_offers_it() {
    let steps = json!([{"say":"{{model_option}}"}]);
    let bench = Bench::new(json!({"models":["first","vendor-model"],"turns":[{"steps":steps}]}));
    let mut session = bench.open().await;
    let (heard, _) = turn(&mut session, "go").await;
    let heard = close(session, heard).await;
    assert!(
        heard.contains(&AgentEvent::Stderr("scripted agent: model option set to vendor-model".into())),
        "{heard:?}"
    );
    assert_eq!(text(&heard), "vendor-model");

    let mut session = open(SessionSpec { model_id: "unlisted".into(), ..bench.spec() }).await.unwrap();
    assert_eq!(text(&turn(&mut session, "go").await.0), "first");
}

#[tokio::test]
async fn a_turn_ends_as_the_script_says() {
    let overload = json!({"code":-32603,"message":"Internal error","data":{"errorKind":"overloaded"}});
    let bench = Bench::new(json!({"turns":[
        {"match":{"contains":"refuse"},"end":"refusal"},
        {"match":{"contains":"many"},"end":"max_turn_requests"},
        {"match":{"contains":"overload"},"end":"error","error":overload},
        {"match":{"contains":"capture"},"steps":[{"capture":{"name":"gate","regex":"gate (\\w+)"}}]},
        {"match":{"contains":"delete"},"steps":[{"delete":"nothing.txt"}]},
        {"match":{"contains":"commit"},"steps":[{"commit":"no repository"}]}]}));
    let mut session = bench.open().await;
    assert_eq!(turn(&mut session, "refuse").await.1.stop, Stop::Refusal);
    assert_eq!(turn(&mut session, "many").await.1.stop, Stop::MaxTurnRequests);
    let failures = [
        ("overload", ErrorClass::Infrastructure, "Internal error"),
        ("capture", ErrorClass::Agent, "capture `gate`"),
        ("delete", ErrorClass::Agent, "cannot delete nothing.txt"),
        ("commit", ErrorClass::Agent, "cannot commit no repository: git add"),
        ("unforeseen", ErrorClass::Agent, "the script has no turn left"),
    ];
    for (prompt, class, words) in failures {
        let found = failure(turn(&mut session, prompt).await.1);
        assert!(found.0 == class && found.1.contains(words), "{prompt}: {found:?}");
    }
}

#[tokio::test]
async fn commits_commands_and_compactions_happen() {
    let bench = Bench::new(always(json!([
        {"run":"git init --quiet && echo from the command"}, {"write":{"path":"a.txt","content":"a"}},
        {"write":{"path":"b.txt","content":"b"}}, {"delete":"b.txt"}, {"commit":"Add a"},
        {"run":"git log --format=%an:%s > log.txt; exit 1"}, {"sleep_ms":1}, {"wait_file":"log.txt"}, "compact"])));
    let mut session = bench.open().await;
    let (heard, end) = turn(&mut session, "go").await;
    assert_eq!(end.stop, Stop::EndTurn, "{heard:?}");
    assert_eq!(bench.read("log.txt"), "Scripted Agent:Add a\n");
    assert!(!bench.work("b.txt").exists());
    let heard = close(session, heard).await;
    assert!(heard.contains(&AgentEvent::Stderr("from the command".into())), "{heard:?}");
    assert!(heard.contains(&AgentEvent::Compacted));
    let failed =
        |event: &&AgentEvent| matches!(event, AgentEvent::ToolCall { status: agent::ToolStatus::Failed, .. });
    assert_eq!(heard.iter().filter(failed).count(), 1);
}
