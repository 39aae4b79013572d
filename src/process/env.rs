//! What of an environment may be passed on.
//!
//! Owns the allow-list rule: only names that are listed pass. Promises a pure function. Never reads the
//! coordinator's own environment; its home is `config`.

use std::collections::BTreeMap;

/// The variables of `environment` whose names are in `names`; a name that is not set stays unset.
pub fn allowed(environment: &BTreeMap<String, String>, names: &[&str]) -> BTreeMap<String, String> {
    names
        .iter()
        .filter_map(|name| environment.get_key_value(*name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_names_pass_and_unset_ones_stay_unset() {
        let environment = BTreeMap::from([
            ("PATH".to_owned(), "/usr/bin".to_owned()),
            ("GITEA_TOKEN".to_owned(), "secret".to_owned()),
            ("LANG".to_owned(), String::new()),
        ]);

        let passed = allowed(&environment, &["PATH", "LANG", "TERM"]);

        let expected =
            BTreeMap::from([("PATH".to_owned(), "/usr/bin".to_owned()), ("LANG".to_owned(), String::new())]);
        assert_eq!(passed, expected);
    }
}
