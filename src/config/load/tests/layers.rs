//! What the environment and flags say over the file.

use secrecy::ExposeSecret as _;

use super::*;
use crate::config::MergePolicy;

#[test]
fn listening_on_loopback_needs_no_operator_token() {
    for (host, warned) in
        [("127.0.0.1", false), ("::1", false), ("LocalHost", false), ("0.0.0.0", true), ("mosaic", true)]
    {
        let warnings = read(&with_secret(""), &[("HOST", host)]).unwrap().warnings;
        assert_eq!(warnings.iter().any(|warning| warning.key == "server.operator_token"), warned, "{host}");
    }
}

#[test]
fn short_names_replace_what_the_file_says() {
    let file = "server.port = 1\nserver.host = \"::\"\ngitea.token = \"old\"\n";
    let variables = [
        ("HOST", "127.0.0.1"),
        ("PORT", "9000"),
        ("GITEA_URL", "http://forge/"),
        ("GITEA_TOKEN", "12345"),
        ("GITEA_WEBHOOK_SECRET", "[\"not\", \"a list\"]"),
        ("ANTHROPIC_API_KEY", "sk-key"),
        ("LOG_LEVEL", "WARNING"),
    ];
    let config = accepted(file, &variables);
    assert_eq!((config.server.host.as_str(), config.server.port), ("127.0.0.1", 9000));
    assert_eq!(config.gitea.url, "http://forge");
    assert_eq!(config.gitea.token.unwrap().expose_secret(), "12345");
    let secrets: Vec<_> = config.gitea.webhook_secrets.iter().map(|secret| secret.expose_secret()).collect();
    assert_eq!(secrets, ["[\"not\", \"a list\"]"]);
    assert_eq!(config.anthropic_api_key.unwrap().expose_secret(), "sk-key");
    assert_eq!(config.log_level, tracing::Level::WARN);
}

#[test]
fn empty_short_names_count_as_unset() {
    let names = [
        "HOST",
        "PORT",
        "GITEA_URL",
        "GITEA_TOKEN",
        "GITEA_WEBHOOK_SECRET",
        "ANTHROPIC_API_KEY",
        "LOG_LEVEL",
    ];
    let config = accepted("server.port = 1\ngitea.token = \"bot\"\n", &names.map(|name| (name, "")));
    assert_eq!(config.server.port, 1);
    assert!(config.gitea.token.is_some() && config.anthropic_api_key.is_none());
    assert_eq!(config.log_level, tracing::Level::INFO);
}

#[test]
fn every_level_of_the_log_has_its_name() {
    for (name, level) in [
        ("debug", tracing::Level::DEBUG),
        ("info", tracing::Level::INFO),
        ("warning", tracing::Level::WARN),
        ("error", tracing::Level::ERROR),
    ] {
        assert_eq!(accepted("", &[("LOG_LEVEL", name)]).log_level, level);
    }
}

#[test]
fn any_key_can_come_from_the_environment() {
    let file =
        "[gates.Test]\ncommand = [\"make\"]\n[agents.mine]\ncommand = [\"old\"]\nenv = { A = \"1\" }\n";
    let variables = [
        ("PORT", "1"),
        ("MOSAIC__SERVER__PORT", "9000"),
        ("MOSAIC__GITEA__WEBHOOK_SECRETS", "['new-one', 'new-two']"),
        ("MOSAIC__GITEA__TOKEN", "12345"),
        ("MOSAIC__GATES__TEST__TIMEOUT", "5m"),
        ("MOSAIC__GATES__LINT__COMMAND", "['make', 'lint']"),
        ("MOSAIC__AGENTS__MINE__COMMAND", r#"["python3","a.py"]"#),
        ("MOSAIC__AGENTS__MINE__ENV__Api_Key", "0"),
        ("MOSAIC__MODELS__SMALL", "{ agent = 'mine', model = 'm', window_tokens = 1000 }"),
        ("MOSAIC__POLICY__MERGE", "pull_request"),
        ("MOSAIC_MODEL", "of no concern"),
    ];
    let config = accepted(file, &variables);
    assert_eq!(config.server.port, 9000);
    assert_eq!(config.gitea.webhook_secrets.len(), 2);
    assert_eq!(config.gitea.token.as_ref().unwrap().expose_secret(), "12345");
    assert_eq!(config.gates["Test"].timeout_ms, 300_000);
    assert_eq!(config.gates["lint"].command, ["make", "lint"]);
    let agent = &config.agents["mine"];
    assert_eq!(agent.command, ["python3", "a.py"]);
    let env: Vec<_> = agent.env.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
    assert_eq!(env, [("A", "1"), ("Api_Key", "0")]);
    assert_eq!(config.models["small"].window_tokens, 1000);
    assert_eq!(config.policy.merge, MergePolicy::PullRequest);
}

#[test]
fn a_faulty_variable_is_named() {
    let variables = [
        ("PORT", "eighty"),
        ("MOSAIC__GATES__TEST__TIMEOUT", "5"),
        ("MOSAIC__GATES__TEST__COMMAND", "make test"),
        ("MOSAIC__SERVER__HOTS", "::"),
        ("MOSAIC__", "1"),
        ("MOSAIC__A__B__C__D__E__F__G__H__I", "1"),
    ];
    insta::assert_snapshot!(refused(&with_secret(""), &variables), @r#"
    configuration refused, 6 faults:
      environment MOSAIC__: names no key; write MOSAIC__SECTION__KEY, such as MOSAIC__SERVER__PORT
      environment MOSAIC__A__B__C__D__E__F__G__H__I: names no key; write MOSAIC__SECTION__KEY, such as MOSAIC__SERVER__PORT
      environment MOSAIC__GATES__TEST__COMMAND: gates.test.command: is text, not a list; write it in brackets, such as ["a", "b"]
      environment MOSAIC__GATES__TEST__TIMEOUT: gates.test.timeout: 5 has no unit; write a duration with its unit, from "1ms" to "366days", such as "90s" or "15m"
      environment MOSAIC__SERVER__HOTS: server.hots: is an unknown key; did you mean `host`?
      environment PORT: server.port: is text, not a whole number; write a whole number from 0 to 65535
    "#);
}

#[test]
fn flags_win_over_all() {
    let overrides = vec![("server.port".into(), 7.into()), ("policy.max_tasks".into(), 0.into())];
    let environment = BTreeMap::from([
        ("PORT".to_owned(), "9".to_owned()),
        ("GITEA_WEBHOOK_SECRET".to_owned(), "s".to_owned()),
    ]);
    let mut sources = Sources { file: None, environment, overrides };
    let told = assemble(None, &sources).unwrap_err().to_string();
    assert!(told.contains("  command line: policy.max_tasks: is out of range"), "{told}");
    sources.overrides.pop();
    assert_eq!(assemble(None, &sources).unwrap().config.server.port, 7);
}
