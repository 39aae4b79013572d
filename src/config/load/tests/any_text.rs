//! Whatever is written, it is refused or accepted.

use proptest::prelude::*;

use super::*;

/// Text that is nearly a configuration: known and unknown keys with values of all kinds.
fn nearly_a_configuration() -> impl Strategy<Value = String> {
    let section = prop::sample::select(vec![
        "server",
        "gitea",
        "policy",
        "gates",
        "gates.test",
        "agents.mine",
        "models.small",
        "budget",
        "gates.test.x",
    ]);
    let key = prop::sample::select(vec![
        "host",
        "port",
        "url",
        "webhook_secrets",
        "repositories",
        "merge",
        "rotate_at",
        "warn_at",
        "command",
        "timeout",
        "parser",
        "report",
        "env",
        "agent",
        "model",
        "window_tokens",
        "colour",
        "\"\\u0000 \"",
    ]);
    let value = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:e}")),
        ".{0,12}".prop_map(|text| toml::Value::from(text).to_string()),
        prop::sample::select(vec![
            "true",
            "[]",
            "{}",
            "[1, 'a', {}]",
            "{ a = 'b' }",
            "2026-01-01",
            "nan",
            "inf",
            "'5m'",
            "'lcov'",
            "'../x'",
        ])
        .prop_map(str::to_owned),
        ".{0,8}",
    ];
    prop::collection::vec((section, prop::collection::vec((key, value), 0..6)), 0..6).prop_map(|tables| {
        let mut text = String::new();
        for (section, keys) in tables {
            text.push_str(&format!("[{section}]\n"));
            for (key, value) in keys {
                text.push_str(&format!("{key} = {value}\n"));
            }
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in prop_oneof![nearly_a_configuration(), "\\PC{0,200}", any::<String>()]) {
        let told = read(&text, &[]).map(drop).map_err(|faults| faults.to_string());
        prop_assert!(told.is_err() || text.contains("webhook_secrets"));
        let _ = crate::config::repository_policy(&text, &Config::default().policy);
    }

    #[test]
    fn no_variable_panics(name in "[A-Z_a-z0-9 ]{0,20}", value in any::<String>()) {
        let name = format!("MOSAIC__{name}");
        let _ = read(&with_secret(""), &[(&name, &value), ("PORT", &value), ("GITEA_URL", &value), ("HOST", &value)]);
    }
}
