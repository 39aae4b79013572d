//! Issues that a text names (`#7`, `owner/repo#7`), and which of them it says it closes.

use std::sync::LazyLock;

use regex::Regex;

/// A repository by owner and name, where the text names one; the number; whether it is to be closed.
pub(super) type Reference = (Option<(String, String)>, u64, bool);

static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    let words = "close[sd]?|fix(?:e[sd])?|resolve[sd]?";
    let pattern = format!(
        r"(?i)(?:^|[\s(\[])(?:(?<word>{words}):?[ \t]+)?(?:(?<owner>[\w.-]+)/(?<name>[\w.-]+))?#(?<number>\d+)\b"
    );
    Regex::new(&pattern).expect("the pattern is constant")
});

pub(super) fn references(text: &str) -> Vec<Reference> {
    let mut found: Vec<Reference> = Vec::new();
    for one in REFERENCE.captures_iter(text) {
        let Ok(number) = one["number"].parse() else { continue };
        let part = |name: &str| one.name(name).map(|found| found.as_str().to_owned());
        let place = part("owner").zip(part("name"));
        let closes = one.name("word").is_some();
        // A text that names an issue twice closes it if it says so once.
        match found.iter_mut().find(|(other, n, _)| *other == place && *n == number) {
            Some(known) => known.2 |= closes,
            None => found.push((place, number, closes)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_close_are_told_from_mere_mentions() {
        let text = "Closes #1, see #2.\nfixed: #3 (resolves acme/lib#4) foreclose #5 x#6";
        let here = |number, closes| (None, number, closes);
        let there = (Some(("acme".to_owned(), "lib".to_owned())), 4, true);
        assert_eq!(references(text), [here(1, true), here(2, false), here(3, true), there, here(5, false)]);
    }

    #[test]
    fn an_issue_named_twice_is_closed_if_one_says_so() {
        assert_eq!(references("About #7. Closes #7"), [(None, 7, true)]);
    }
}
