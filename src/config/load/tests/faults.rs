//! What is refused, and in which words.

use std::time::Duration;

use super::*;

#[test]
fn all_faults_are_told_at_once() {
    let text = r#"
colour = "blue"
[server]
host = "http://0.0.0.0"
prot = 8000
port = 70000
max_body_bytes = 0
stuck_after = 10
[gitea]
url = "ftp://forge"
token = "two words"
webhook_secrets = ["", "fine", 7]
repositories = ["acme", "acme/app", "../etc"]
reconcile_active = "0s"
[store]
path = ""
[policy]
merge = "squash"
max_tasks = 0
turn_timeout = "soon"
rotate_at = 1.5
protected = []
[gates.test]
timeout = "400d"
[gates.empty]
command = []
[gates.coverage]
command = ["make"]
parser = "lcov"
report = "../lcov.info"
min_line_percent = 101
[gates.later]
command = ["make"]
parser = "junit"
memory = "4GiB"
[gates.unread]
command = ["make"]
report = "lcov.info"
["gates"."no name"]
command = ["make"]
[agents.mine]
driver = "claude"
command = "python3 agent.py"
env = { "1A" = "x", B = [] }
[models.small]
agent = "mime"
window_tokens = 0
input_price = -1
capability = "huge"
provider = "anthropic"
[models.big]
agent = "mine"
model = "unheard-of"
[budget]
day_usd = 1.0
"#;
    insta::assert_snapshot!(refused(text, &[("LOG_LEVEL", "loud"), ("MOSAIC__SERVER__", "1")]), @r#"
    configuration refused, 42 faults:
      mosaic.toml:2: colour: is an unknown key; known here: server, gitea, store, workspace, policy, gates, agents, models
      mosaic.toml:4: server.host: `http://0.0.0.0` is neither an IP address nor a host name; write it without port and brackets, such as "127.0.0.1" or "::"
      mosaic.toml:5: server.prot: is an unknown key; did you mean `port`?
      mosaic.toml:6: server.port: is out of range; write a whole number from 0 to 65535
      mosaic.toml:7: server.max_body_bytes: is out of range; write a whole number of at least 1
      mosaic.toml:8: server.stuck_after: 10 has no unit; write a duration with its unit, from "1ms" to "366days", such as "90s" or "15m"
      mosaic.toml:10: gitea.url: `ftp://forge` is no http(s) address; write it as "http://host:port" or "https://host/path"
      mosaic.toml:11: gitea.token: holds white space or characters that no header can carry; copy the token again, without line ends
      mosaic.toml:12: gitea.webhook_secrets[0]: is empty; an empty secret lets everyone in: write one or remove it
      mosaic.toml:12: gitea.webhook_secrets[2]: is a whole number, not text; write it in quotes
      mosaic.toml:13: gitea.repositories[0]: `acme` is no repository; write "owner/repo"
      mosaic.toml:13: gitea.repositories[2]: `../etc` is no repository; write "owner/repo"
      mosaic.toml:14: gitea.reconcile_active: `0s` is out of range; write a duration with its unit, from "1ms" to "366days", such as "90s" or "15m"
      mosaic.toml:16: store.path: is empty; write what it stands for, or remove the key
      mosaic.toml:18: policy.merge: `squash` is unknown; write "auto" or "pull_request"
      mosaic.toml:19: policy.max_tasks: is out of range; write a whole number from 1 to 10000
      mosaic.toml:20: policy.turn_timeout: `soon` is no duration; write a duration with its unit, from "1ms" to "366days", such as "90s" or "15m"
      mosaic.toml:21: policy.rotate_at: 1.5 is out of range; write a number above 0, at most 1
      mosaic.toml:22: policy.protected: is not supported yet; remove it until a version that knows it
      mosaic.toml:23: gates.test.command: is missing; set `command` to the program and its arguments, such as ["make", "test"]
      mosaic.toml:24: gates.test.timeout: `400d` is out of range; write a duration with its unit, from "1ms" to "366days", such as "90s" or "15m"
      mosaic.toml:26: gates.empty.command: names no program; set `command` to the program and its arguments, such as ["make", "test"]
      mosaic.toml:30: gates.coverage.report: `../lcov.info` leads out of the checkout; write a path relative to the repository's top, without `..`
      mosaic.toml:31: gates.coverage.min_line_percent: 101 is out of range; write a number from 0 to 100
      mosaic.toml:34: gates.later.parser: `junit` is not supported yet; this version takes exit, lcov
      mosaic.toml:35: gates.later.memory: is not supported yet; remove it until a version that knows it
      mosaic.toml:38: gates.unread.report: is read by the parser lcov only; set parser = "lcov" on this gate, or remove the key
      mosaic.toml:39: gates: `no name` is no name; use up to 64 of the characters A-Z a-z 0-9 _ -
      mosaic.toml:42: agents.mine.driver: `claude` is not supported yet; this version takes acp
      mosaic.toml:43: agents.mine.command: is text, not a list; write it in brackets, such as ["a", "b"]
      mosaic.toml:44: agents.mine.env.1A: is no variable's name; use letters, digits and _, no digit first
      mosaic.toml:44: agents.mine.env.B: is a list, not text; write it in quotes
      mosaic.toml:45: models.small.model: is missing; give the vendor's id of the model
      mosaic.toml:46: models.small.agent: there is no agent `mime`; did you mean "mine"?
      mosaic.toml:47: models.small.window_tokens: is out of range; write a whole number of at least 1
      mosaic.toml:48: models.small.input_price: -1 is out of range; write a number of at least 0, in US dollars per million tokens
      mosaic.toml:49: models.small.capability: `huge` is unknown; write "low" or "medium" or "high"
      mosaic.toml:50: models.small.provider: is not supported yet; remove it until a version that knows it
      mosaic.toml:51: models.big.window_tokens: is missing, and the registry does not know the model `unheard-of`; set it to the model's context window in tokens
      mosaic.toml:54: budget: is not supported yet; remove it until a version that knows it
      environment LOG_LEVEL: `loud` is no level of the log; write debug, info, warning or error
      environment MOSAIC__SERVER__: names no key; write MOSAIC__SECTION__KEY, such as MOSAIC__SERVER__PORT
    "#);
}

#[test]
fn a_relation_is_told_of_the_key_that_was_written() {
    let told = refused(&with_secret("[policy]\nrotate_at = 0.5\nwarn_at = 0.5\n"), &[]);
    assert!(told.contains("mosaic.toml:4: policy.warn_at: "), "{told}");
    let told = refused(&with_secret("[policy]\nwarn_at = 0.95\n"), &[]);
    assert!(told.contains("mosaic.toml:3: policy.warn_at: "), "{told}");
}

#[test]
fn sections_that_are_no_tables_are_told_once() {
    let told = refused("server = 3\ngates = [1]\nagents.mine = \"x\"\n", &[("GITEA_WEBHOOK_SECRET", "s")]);
    insta::assert_snapshot!(told, @r#"
    configuration refused, 3 faults:
      mosaic.toml:1: server: is a whole number, not a table; write it as a table, [server]
      mosaic.toml:2: gates: is a list, not a table; write it as a table, [gates]
      mosaic.toml:3: agents.mine: is text, not a table; write it as a table, [agents.mine]
    "#);
}

#[test]
fn a_missing_secret_is_refused_and_names_both_ways_to_give_one() {
    let told = assemble(None, &Sources::default()).unwrap_err().to_string();
    insta::assert_snapshot!(told, @r#"
    configuration refused, 1 fault:
      gitea.webhook_secrets: holds no secret, so no delivery could be trusted; set `gitea.webhook_secrets` or the variable GITEA_WEBHOOK_SECRET to the secret of the forge's webhook
    "#);
    assert_eq!(refused("", &[("GITEA_WEBHOOK_SECRET", "")]), told);
}

#[test]
fn keys_and_words_of_later_versions_are_refused_as_not_yet_supported() {
    let tables = [
        "[providers.anthropic]\nkind = \"anthropic\"",
        "[metadata]\nmodel = \"\"",
        "[budget]\ntask_usd = 0.0",
        "[sandbox]\ntier = \"auto\"",
    ];
    let keys = |section: &str, keys: &[&str]| -> Vec<String> {
        keys.iter().map(|key| format!("[{section}]\n{key} = 1")).collect()
    };
    let gate = ["memory", "output_limit", "flaky", "network", "prepare", "weight"];
    let policy = ["starters", "protected", "max_diff_bytes", "max_file_bytes", "retention"];
    let drivers =
        ["claude", "codex", "opencode", "command"].map(|word| format!("[agents.a]\ndriver = \"{word}\""));
    let parsers = ["cargo", "pytest", "unittest", "go", "node", "junit", "cobertura"]
        .map(|word| format!("[gates.g]\nparser = \"{word}\""));
    let all = tables
        .map(str::to_owned)
        .into_iter()
        .chain(keys("gates.g", &gate))
        .chain(keys("policy", &policy))
        .chain(keys("models.m", &["provider", "cache_read_price", "cache_write_price"]))
        .chain(drivers)
        .chain(parsers);
    for text in all {
        let told = refused(&with_secret(&text), &[]);
        assert_eq!(told.matches("is not supported yet").count(), 1, "{text}: {told}");
        assert!(!told.contains("unknown"), "{text}: {told}");
    }
}

#[test]
fn a_later_gate_key_does_not_hide_that_coverage_belongs_to_lcov() {
    let text =
        "[gates.g]\ncommand = [\"make\"]\nparser = \"cobertura\"\nreport = \"r.xml\"\nmin_line_percent = 1\n";
    assert_eq!(refused(&with_secret(text), &[]).lines().count(), 2);
}

#[test]
fn no_fault_shows_a_secret() {
    let text = r#"
server.operator_token = "hunter2 hunter2"
gitea.url = "http://bot:hunter2@forge"
gitea.token = "hunter2\n"
gitea.webhook_secrets = "hunter2"
agents.a.env.KEY = "hunter2\u0000"
"#;
    let told = refused(text, &[]);
    assert_eq!(told.lines().count(), 7, "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn addresses_are_http_and_complete() {
    for url in
        ["http://a", "https://a.b:1", "http://[::1]:3000/x", "http://[::1]", "http://a/b/c/", "HTTP://a_b"]
    {
        let config = accepted("", &[("GITEA_URL", url)]);
        assert_eq!(config.gitea.url, url.trim_end_matches('/'));
    }
    for url in [
        "a:3000",
        "http://",
        "http:///x",
        "http://:80",
        "http://a:",
        "http://a:0",
        "http://a:65536",
        "http://a b",
        "http://a?b",
        "http://a#b",
        "http://[::1",
        "http://[x]",
        "http://[::1]x",
        "file://a",
        "http://a/\u{7}",
    ] {
        let told = refused(&with_secret(""), &[("GITEA_URL", url)]);
        assert!(told.contains("environment GITEA_URL: gitea.url: "), "{url}: {told}");
    }
}

#[test]
fn reports_stay_in_the_checkout() {
    let gate = |report: &str| {
        with_secret(&format!("[gates.g]\ncommand = [\"m\"]\nparser = \"lcov\"\nreport = '{report}'\n"))
    };
    for report in ["lcov.info", "target/..hidden/lcov.info", "./a"] {
        assert!(read(&gate(report), &[]).is_ok(), "{report}");
    }
    for report in ["/etc/passwd", "..", "a/../../b", "a\\..\\b", "C:/x", "~/x", " "] {
        assert!(read(&gate(report), &[]).is_err(), "{report}");
    }
}

#[test]
fn durations_have_a_unit_and_bounds() {
    for (text, duration) in [("1ms", Duration::from_millis(1)), ("1h 30m", Duration::from_secs(5400))] {
        assert_eq!(accepted("", &[("MOSAIC__POLICY__TURN_TIMEOUT", text)]).policy.turn_timeout, duration);
    }
    for text in ["1us", "0s", "367days", "10", "-1s", "", "[]", "99999999999999999999s"] {
        let told = refused(&with_secret(""), &[("MOSAIC__POLICY__TURN_TIMEOUT", text)]);
        assert!(told.contains("policy.turn_timeout: "), "{text}: {told}");
    }
}
