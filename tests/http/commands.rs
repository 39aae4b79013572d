//! The reading commands against a real server.

use clap::Parser as _;
use mosaic_coordinator::{
    cli::{self, Cli, Client, Command, Errand, Exit, Told},
    store::board::Entry,
};

use super::{
    documents::{task, with_actors},
    server::Served,
};

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
