//! The command line as it is parsed, and errands from their options to their streams.

use std::{io::Read as _, net::TcpListener, thread};

use clap::{CommandFactory as _, error::ErrorKind};
use secrecy::ExposeSecret as _;

use super::*;
use crate::domain::report::{Ledger, Report};

fn parsed(line: &str) -> Result<Command, clap::Error> {
    Cli::try_parse_from(line.split(' ')).map(|cli| cli.command)
}

fn command(line: &str) -> Command {
    parsed(line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

async fn carried_out(line: &str, environment: &[(&str, &str)]) -> (String, String, Exit) {
    let Command::Errand(errand) = command(line) else { panic!("{line} is no errand") };
    let environment =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let streams = Streams { out: &mut out, err: &mut err };
    let exit =
        carry_out(errand, environment, streams).await.unwrap_or_else(|error| panic!("{line}: {error}"));
    (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap(), exit)
}

#[test]
fn the_definition_of_the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn the_help_lists_what_can_be_asked() {
    let help = Cli::command().render_help().to_string();
    insta::assert_snapshot!(help, @r"
    Turns the issues of a Gitea or Forgejo into finished, verified work by AI coding agents

    Usage: mosaic-coordinator <COMMAND>

    Commands:
      serve         Run the coordinator
      demo          Play the five-issue scenario on a built-in forge with a scripted agent
      report        Show the five measures of a running coordinator
      tasks         Show the tasks of a running coordinator
      actors        Show the actors of a running coordinator
      check-config  Check the configuration and start nothing
      help          Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version
    ");
    for name in ["serve", "demo", "report", "tasks", "actors", "check-config"] {
        let kind = |flag: &str| parsed(&format!("mosaic-coordinator {name} {flag}")).unwrap_err().kind();
        assert_eq!(kind("--help"), ErrorKind::DisplayHelp, "{name}");
        assert_eq!(kind("--version"), ErrorKind::DisplayVersion, "{name}");
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    for line in [
        "mosaic-coordinator",
        "mosaic-coordinator dance",
        "mosaic-coordinator report --loud",
        "mosaic-coordinator tasks --url",
        "mosaic-coordinator tasks --url ftp://x",
        "mosaic-coordinator demo --port 65536",
        "mosaic-coordinator check-config --json",
    ] {
        assert_eq!(parsed(line).unwrap_err().exit_code(), i32::from(Exit::Usage as u8), "{line}");
    }
}

#[test]
fn options_of_serve_and_demo_are_read() {
    let Command::Serve(serve) = command("mosaic-coordinator serve --config mosaic.toml") else { panic!() };
    assert_eq!(serve.config.file, Some(PathBuf::from("mosaic.toml")));
    let Command::Demo(demo) = command("mosaic-coordinator demo --json --keep --hold --port 0") else {
        panic!()
    };
    assert_eq!((demo.json, demo.keep, demo.hold, demo.port), (true, true, true, Some(0)));
    let Command::Demo(demo) = command("mosaic-coordinator demo") else { panic!() };
    assert_eq!((demo.json, demo.keep, demo.hold, demo.port), (false, false, false, None));
}

#[test]
fn other_modes_get_their_arguments_as_they_came() {
    let Command::Keeper(keeper) = command("mosaic-coordinator keeper --x -y z") else { panic!() };
    assert_eq!(keeper.arguments, ["--x", "-y", "z"]);
    let Command::ScriptedAgent(agent) = command("mosaic-coordinator scripted-agent a --json") else {
        panic!()
    };
    assert_eq!(agent.arguments, ["a", "--json"]);
}

#[test]
fn reading_commands_know_where_and_as_whom() {
    let Command::Errand(Errand::Tasks(tasks)) = command("mosaic-coordinator tasks") else { panic!() };
    assert_eq!((tasks.url.as_str(), tasks.json), ("http://127.0.0.1:8000/", false));
    assert!(tasks.token.is_none());
    let line = "mosaic-coordinator actors --url https://x.example/mosaic --token hush --json";
    let Command::Errand(Errand::Actors(actors)) = command(line) else { panic!() };
    assert_eq!((actors.url.as_str(), actors.json), ("https://x.example/mosaic", true));
    assert_eq!(actors.token.as_ref().map(|token| token.expose_secret()), Some("hush"));
    assert!(!format!("{actors:?}").contains("hush"));
}

#[tokio::test]
async fn a_sound_configuration_is_told_with_its_warnings_beside() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mosaic.toml");
    let text = r#"
        [agents.mine]
        driver = "acp"
        command = ["agent"]
        [models.small]
        agent = "mine"
        model = "vendor-model-id"
        window_tokens = 200000
        input_price = 0.0
        capability = "low"
        [models.large]
        agent = "mine"
        model = "vendor-model-id"
        window_tokens = 200000
        input_price = 1.0
        capability = "high"
    "#;
    std::fs::write(&file, text).unwrap();
    let line = format!("mosaic-coordinator check-config --config {}", file.display());
    let (out, err, exit) = carried_out(&line, &[("GITEA_WEBHOOK_SECRET", "hush")]).await;
    assert_eq!(exit, Exit::Fine);
    assert_eq!(out, "configuration is fine: 2 models (large, small), 1 agent (mine), no gates\n");
    assert!(
        err.contains("warning: gitea.token: is not set") && err.contains("warning: gates: none"),
        "{err}"
    );
    assert!(!err.contains("hush"));
}

#[tokio::test]
async fn a_refused_configuration_tells_all_faults_and_exits_with_78() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mosaic.toml");
    std::fs::write(&file, "[server]\ncolour = 1\n[policy]\nrotate_at = 3\n").unwrap();
    let line = format!("mosaic-coordinator check-config --config {}", file.display());
    let (out, err, exit) = carried_out(&line, &[]).await;
    assert_eq!((out.as_str(), exit), ("", Exit::ConfigurationRefused));
    for key in ["server.colour", "policy.rotate_at", "gitea.webhook_secrets"] {
        assert!(err.contains(key), "{key}: {err}");
    }

    let line = format!("mosaic-coordinator check-config --config {}", folder.path().join("absent").display());
    let (out, err, exit) = carried_out(&line, &[]).await;
    assert_eq!((out.as_str(), exit), ("", Exit::ConfigurationRefused));
    assert!(err.contains("cannot be read"), "{err}");
}

/// Answers one request with `response`, and gives back the request's head.
fn canned(response: impl Into<String>) -> (String, thread::JoinHandle<String>) {
    let response = response.into();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        stream.write_all(response.as_bytes()).unwrap();
        String::from_utf8(head).unwrap()
    });
    (url, served)
}

fn response(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

/// The errand's failure, with the coordinator's address taken out.
async fn failed(line: &str, url: &str) -> String {
    let Command::Errand(errand) = command(&format!("{line} --url {url}")) else {
        panic!("{line} is no errand")
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let streams = Streams { out: &mut out, err: &mut err };
    let error = carry_out(errand, BTreeMap::new(), streams).await.expect_err(line);
    assert!(out.is_empty(), "{line} wrote an answer");
    format!("{error:#}").replace(url, "URL")
}

fn report(change: impl FnOnce(&mut Report)) -> String {
    let mut report = Ledger::new().report();
    change(&mut report);
    serde_json::to_string(&report).unwrap()
}

#[tokio::test]
async fn the_document_is_passed_on_byte_for_byte() {
    // Neither the order nor the blanks nor a field unknown here are touched.
    let document = "{ \"unknown\":1.50,\n \"measures\" : {} }\n";
    for line in ["report", "tasks", "actors"] {
        let (url, served) = canned(response("200 OK", document));
        let line = format!("mosaic-coordinator {line} --json --url {url}");
        let (out, err, exit) = carried_out(&line, &[]).await;
        assert_eq!((out.as_str(), err.as_str(), exit), (document, "", Exit::Fine), "{line}");
        assert!(!served.join().unwrap().to_lowercase().contains("authorization"), "{line}");
    }
}

#[tokio::test]
async fn the_token_is_that_of_the_option_then_that_of_the_environment() {
    let environment = [(TOKEN_VARIABLE, "from-environment")];
    for (option, sent) in [("", Some("from-environment")), (" --token given", Some("given"))] {
        let (url, served) = canned(response("200 OK", "{}"));
        carried_out(&format!("mosaic-coordinator report --json --url {url}/below{option}"), &environment)
            .await;
        let head = served.join().unwrap();
        assert!(head.starts_with("GET /below/api/v1/report HTTP/1.1\r\n"), "{head}");
        assert_eq!(head.lines().find_map(|line| line.strip_prefix("authorization: Bearer ")), sent, "{head}");
    }
    let (url, served) = canned(response("200 OK", "{}"));
    carried_out(&format!("mosaic-coordinator report --json --url {url}"), &[(TOKEN_VARIABLE, "")]).await;
    assert!(!served.join().unwrap().contains("authorization"));
}

#[tokio::test]
async fn a_missed_measure_fails_the_check_and_one_without_a_value_does_not() {
    let missed = report(|report| {
        report.measures.autonomy.met = Some(false);
        report.measures.estimates.met = Some(false);
    });
    let check = |document: String, options: &'static str| async move {
        let (url, _served) = canned(response("200 OK", &document));
        carried_out(&format!("mosaic-coordinator report{options} --url {url}"), &[]).await
    };
    assert_eq!(check(report(|_| ()), " --check").await.2, Exit::Fine);
    assert_eq!(check(missed.clone(), "").await.2, Exit::Fine);

    let (out, err, exit) = check(missed.clone(), " --check").await;
    assert!(out.starts_with("autonomy "), "{out}");
    assert_eq!((err.as_str(), exit), ("missed: autonomy, estimates\n", Exit::Failed));
    let (out, err, exit) = check(missed.clone(), " --check --json").await;
    assert_eq!((out, err.as_str(), exit), (missed, "missed: autonomy, estimates\n", Exit::Failed));
}

#[tokio::test]
async fn a_refusal_names_the_address_and_what_to_do() {
    let told = |status, code| {
        let message = format!("told {code}");
        response(
            status,
            &format!(r#"{{"error":{{"code":"{code}","message":"{message}","remedy":"ask there"}}}}"#),
        )
    };
    let mut errors = Vec::new();
    for answer in [
        told("401 Unauthorized", "unauthorized"),
        told("403 Forbidden", "forbidden"),
        told("404 Not Found", "not_found"),
        response("404 Not Found", "<html>nothing here</html>"),
        response("302 Found", ""),
        response("200 OK", "<html>welcome</html>"),
        response("200 OK", "{\"tasks\":[{}]}"),
    ] {
        let (url, _served) = canned(answer);
        errors.push(failed("mosaic-coordinator tasks", &url).await);
    }
    let (url, _served) = canned(response("200 OK", "no JSON"));
    errors.push(failed("mosaic-coordinator actors --json", &url).await);
    insta::assert_snapshot!(errors.join("\n"), @r"
    the coordinator at URL refused: told unauthorized; give its operator token with --token or MOSAIC_OPERATOR_TOKEN
    the coordinator at URL refused: told forbidden; ask there
    the coordinator at URL refused: told not_found; ask there
    URL answered /api/v1/tasks with 404; check that --url names a coordinator
    URL answered /api/v1/tasks with 302; check that --url names a coordinator
    URL answered /api/v1/tasks with what cannot be read here: expected value at line 1 column 1; check that --url names a coordinator of this version
    URL answered /api/v1/tasks with what cannot be read here: missing field `issue` at line 1 column 12; check that --url names a coordinator of this version
    URL answered /actors with what cannot be read here: expected ident at line 1 column 2; check that --url names a coordinator of this version
    ");
}

#[tokio::test]
async fn a_coordinator_that_is_not_there_is_told_with_the_cause() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let told = failed("mosaic-coordinator report --check", &url).await;
    assert!(told.starts_with("cannot reach the coordinator at URL: Connection refused"), "{told}");
    assert!(told.ends_with("; start it, or name another address with --url"), "{told}");

    let (url, _served) = canned("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}");
    let told = failed("mosaic-coordinator report", &url).await;
    assert!(told.starts_with("cannot reach the coordinator at URL: "), "{told}");
}

#[tokio::test]
async fn an_errand_of_the_process_ends_with_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!("mosaic-coordinator check-config --config {}", folder.path().join("absent").display());
    let Command::Errand(errand) = command(&line) else { panic!("{line} is no errand") };
    let code = run(errand).await.unwrap();
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(Exit::ConfigurationRefused)));
}

/// Takes nothing, for the reason it holds.
struct Refusing(io::ErrorKind);

impl Write for Refusing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_failure_but_a_full_disk_is() {
    let secret = || BTreeMap::from([("GITEA_WEBHOOK_SECRET".to_owned(), "x".to_owned())]);
    let Command::Errand(errand) = command("mosaic-coordinator check-config") else { panic!() };
    let mut err = Vec::new();
    let streams = Streams { out: &mut Refusing(io::ErrorKind::BrokenPipe), err: &mut err };
    assert_eq!(carry_out(errand.clone(), secret(), streams).await.unwrap(), Exit::Fine);
    let streams = Streams { out: &mut Refusing(io::ErrorKind::StorageFull), err: &mut err };
    assert!(carry_out(errand, secret(), streams).await.is_err());
}

#[test]
fn exit_codes_are_those_that_scripts_know() {
    let codes = [
        Exit::Fine,
        Exit::Failed,
        Exit::Usage,
        Exit::Unavailable,
        Exit::GaveUp,
        Exit::DiskFailed,
        Exit::Held,
        Exit::ConfigurationRefused,
    ];
    assert_eq!(codes.map(|exit| exit as u8), [0, 1, 2, 69, 70, 74, 75, 78]);
    assert_eq!(format!("{:?}", ExitCode::from(Exit::Held)), format!("{:?}", ExitCode::from(75)));
}
