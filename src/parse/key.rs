//! The keys that an issue may name, and the lines that name one.

/// What a line, a heading, a label or an entry of the block speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Difficulty,
    EstimatedContext,
    Files,
    Agent,
    Model,
    Priority,
    Blocks,
    BlockedBy,
    Acceptance,
}

/// Longer than any name of a key, however it is spaced.
const LONGEST_NAME: usize = 40;

const EMPHASIS: [char; 3] = ['*', '_', '`'];

/// The key that `name` is a name of, whatever its case and whether words are parted by blanks, `-` or `_`.
pub(super) fn named(name: &str) -> Option<Key> {
    if name.len() > LONGEST_NAME {
        return None;
    }
    let lower = name.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| c.is_whitespace() || c == '-' || c == '_')
        .filter(|word| !word.is_empty())
        .collect();
    Some(match words.as_slice() {
        ["difficulty"] => Key::Difficulty,
        ["estimated", "context"] => Key::EstimatedContext,
        ["files"] => Key::Files,
        ["agent"] => Key::Agent,
        ["model"] => Key::Model,
        ["priority"] => Key::Priority,
        ["blocks"] => Key::Blocks,
        // Only read where a colon or a heading makes a key of it: as prose it opens many a sentence.
        ["blocked", "by"] | ["depends", "on"] => Key::BlockedBy,
        ["acceptance"] | ["acceptance", "criteria"] => Key::Acceptance,
        _ => return None,
    })
}

/// The key and the value (perhaps empty) of a line `Key: value`, emphasis around either taken off.
///
/// Without a colon a key stands only as a heading or, all of it, in bold.
pub(super) fn split(text: &str, is_heading: bool) -> Option<(Key, &str)> {
    let inner = text.trim_start_matches(EMPHASIS);
    let opening = &text[..text.len() - inner.len()];
    let Some((before, after)) = inner.split_once(':') else {
        let name = inner.trim_end_matches(EMPHASIS);
        let is_bold = opening.len() >= 2 && inner.len() - name.len() == opening.len();
        return (is_heading || is_bold).then(|| named(name)).flatten().map(|key| (key, ""));
    };
    let name = before.trim_end().trim_end_matches(EMPHASIS);
    let key = named(name)?;
    let value = after.trim();
    if opening.is_empty() || name.len() < before.trim_end().len() {
        return Some((key, value));
    }
    let closing: String = opening.chars().rev().collect();
    let value = value
        .strip_prefix(closing.as_str())
        .or_else(|| value.strip_suffix(closing.as_str()))
        .unwrap_or(value);
    Some((key, value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_in_any_case_and_spacing() {
        for name in ["Blocked by", "blocked_by", "BLOCKED-BY", " blocked  By ", "depends on"] {
            assert_eq!(named(name), Some(Key::BlockedBy), "{name}");
        }
        for name in ["", "block", "blocked", "by", "difficulty level", &"difficulty ".repeat(9)] {
            assert_eq!(named(name), None, "{name}");
        }
    }

    #[test]
    fn emphasis_around_key_or_value_is_taken_off_and_globs_are_not() {
        for (text, value) in [
            ("Files: a", "a"),
            ("**Files:** a", "a"),
            ("**Files**: a", "a"),
            ("**Files: a**", "a"),
            ("***Files:*** a", "a"),
            ("**_Files:_** a", "a"),
            ("`Files`: `a`", "`a`"),
            ("__Files:__", ""),
            ("Files : a", "a"),
            ("Files: *.rs", "*.rs"),
            ("**Files**: **/*.rs", "**/*.rs"),
        ] {
            assert_eq!(split(text, false), Some((Key::Files, value)), "{text}");
        }
    }

    #[test]
    fn a_key_without_a_colon_needs_a_heading_or_bold() {
        assert_eq!(split("Acceptance criteria", true), Some((Key::Acceptance, "")));
        assert_eq!(split("**Acceptance criteria**", false), Some((Key::Acceptance, "")));
        assert_eq!(split("Acceptance criteria", false), None);
        assert_eq!(split("*Acceptance*", false), None);
        assert_eq!(split("Difficult: hard", false), None);
    }
}
