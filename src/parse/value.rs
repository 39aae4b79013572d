//! What may stand behind a key: difficulties, numbers of tokens, names, files, issues.
//!
//! Each reads a text wholly or, where it could as well mean something else, not at all.

use std::collections::BTreeSet;

use crate::domain::{
    id::{IssueRef, RepoRef},
    metadata::{Difficulty, Priority},
};

/// The largest estimate that is believed, in tokens.
pub(super) const MAX_TOKENS: u64 = 100_000_000;

/// The longest name of an agent or a model, in bytes.
const MAX_NAME: usize = 100;

/// Reads `easy`, `medium` or `hard`.
pub(super) fn difficulty(text: &str) -> Option<Difficulty> {
    one_of(text, &[Difficulty::Easy, Difficulty::Medium, Difficulty::Hard], |value| value.word())
}

/// Reads `high`, `normal` or `low`.
pub(super) fn priority(text: &str) -> Option<Priority> {
    one_of(text, &[Priority::High, Priority::Normal, Priority::Low], |value| value.word())
}

/// The one of `all` whose word opens the text, with at most a remark behind it that names none of the others.
fn one_of<T: Copy>(text: &str, all: &[T], word: impl Fn(&T) -> &'static str) -> Option<T> {
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    let remark_at = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
    let (said, remark) = text.split_at(remark_at);
    let named = |said: &str| all.iter().copied().find(|value| word(value).eq_ignore_ascii_case(said));
    let is_unsure = remark.split(|c: char| !c.is_alphanumeric()).any(|said| named(said).is_some());
    named(said).filter(|_| !is_unsure && is_remark(remark))
}

/// Whether what follows a value is no part of it: nothing, a full stop, something in brackets or behind a dash.
fn is_remark(text: &str) -> bool {
    let text = text.trim_start_matches(['*', '_', '`']);
    let rest = text.trim_start();
    rest.is_empty()
        || rest.starts_with(['(', ',', ';', '.', '!'])
        || (rest.len() < text.len() && rest.starts_with(['-', '–', '—', '#']))
}

/// Reads a number of tokens: `45000`, `45,000`, `45_000`, `45k`, `0.5M`, each perhaps followed by `tokens`.
///
/// `None` for what is below 1 or above [`MAX_TOKENS`], and for `45.000`, which is read differently in
/// different countries.
pub(super) fn tokens(text: &str) -> Option<u64> {
    let text =
        text.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '_' | '`' | '~' | '≈'));
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, ',' | '_' | '.');
    let number = &text[..text.find(|c| !is_number(c)).unwrap_or(text.len())];
    let rest = text[number.len()..].trim_start();
    let letters = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
    let number = if letters == 0 { number.trim_end_matches(['.', ',', '_']) } else { number };
    let (unit, rest) = rest.split_at(letters);
    let (thousands, rest) = match unit.to_ascii_lowercase().as_str() {
        "k" => (1, after_unit(rest)),
        "m" => (2, after_unit(rest)),
        "" | "token" | "tokens" => (0, rest),
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    // What follows may be a remark, but not the other end of a range.
    let is_all =
        rest.trim_start().starts_with('(') || (is_remark(rest) && !rest.contains(|c: char| c.is_numeric()));
    if !is_all || (thousands == 0 && !fraction.is_empty()) || fraction.len() > 6 {
        return None;
    }
    let millionths = ungrouped(whole)? * 1_000_000 + ungrouped_fraction(fraction)?;
    let tokens = u64::try_from(millionths * 1_000_u128.pow(thousands) / 1_000_000).ok()?;
    (1..=MAX_TOKENS).contains(&tokens).then_some(tokens)
}

/// What follows `k` or `M`, without the word `tokens`.
fn after_unit(rest: &str) -> &str {
    let trimmed = rest.trim_start();
    let letters = trimmed.find(|c: char| !c.is_alphabetic()).unwrap_or(trimmed.len());
    let is_word = ["token", "tokens"].iter().any(|word| trimmed[..letters].eq_ignore_ascii_case(word));
    if is_word { &trimmed[letters..] } else { rest }
}

/// A whole number of at most nine digits, without its grouping.
fn ungrouped(text: &str) -> Option<u128> {
    let mut groups = text.split([',', '_']);
    let first = groups.next().filter(|first| !first.is_empty())?;
    let by_comma = text.contains(',');
    let is_group = |group: &str| !group.is_empty() && (!by_comma || group.len() == 3);
    if (by_comma && first.len() > 3 && text.len() > first.len()) || !groups.all(is_group) {
        return None;
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.trim_start_matches('0').len().le(&9).then(|| digits.parse().ok()).flatten()
}

/// Decimals as millionths.
fn ungrouped_fraction(text: &str) -> Option<u128> {
    if text.chars().all(|c| c.is_ascii_digit()) { format!("{text:0<6}").parse().ok() } else { None }
}

/// Reads the name of an agent or a model: one word, perhaps with a remark in brackets behind it.
pub(super) fn name(text: &str) -> Option<String> {
    let text = text.trim().trim_matches(['*', '`']);
    let inner = text.strip_prefix('_').and_then(|inner| inner.strip_suffix('_')).unwrap_or(text);
    let end = inner.find(char::is_whitespace).unwrap_or(inner.len());
    let word = inner[..end].trim_end_matches(['*', '`', '.', ',', ';']);
    let is_inside = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '/' | '@' | '+');
    let is_name = word.len() <= MAX_NAME
        && word.starts_with(|c: char| c.is_alphanumeric())
        && word.chars().all(is_inside)
        && (inner[end..].is_empty() || inner[end..].trim_start().starts_with('('));
    is_name.then(|| word.to_owned())
}

/// Reads paths parted by commas, each perhaps in backticks; one with blanks in it needs them.
///
/// `Some` of nothing where the text says that there are none.
pub(super) fn files(texts: &[String]) -> Option<Vec<String>> {
    if let [text] = texts
        && is_none(text)
    {
        return Some(Vec::new());
    }
    let mut seen = BTreeSet::new();
    let listed = texts.iter().flat_map(|text| parted(bold_off(text.trim()))).filter_map(file);
    let files: Vec<String> = listed.filter(|file| seen.insert(file.clone())).collect();
    (!files.is_empty()).then_some(files)
}

/// Parts a text at commas, but not within backticks.
fn parted(text: &str) -> Vec<&str> {
    let is_paired = text.matches('`').count().is_multiple_of(2);
    let mut is_code = false;
    text.split(move |c: char| {
        is_code ^= c == '`' && is_paired;
        c == ',' && !is_code
    })
    .collect()
}

fn file(item: &str) -> Option<String> {
    let item = bold_off(item.trim());
    let path = match item.strip_prefix('`').and_then(|code| code.split_once('`')) {
        Some((path, _)) => path.trim(),
        None => {
            let (word, rest) = item.split_once(char::is_whitespace).unwrap_or((item, ""));
            let has_remark = rest.trim().is_empty() || is_remark(&item[word.len()..]) || word.ends_with(':');
            if !has_remark {
                return None;
            }
            word.trim_end_matches([':', ';', '`']).trim_start_matches('`')
        }
    };
    let is_path =
        path.chars().any(|c| c.is_alphanumeric() || c == '*') && !path.chars().any(char::is_control);
    is_path.then(|| path.to_owned())
}

/// Takes the asterisks off a text that stands in them as a whole, unless they could belong to a pattern.
fn bold_off(text: &str) -> &str {
    let inner = text.trim_matches('*');
    let marks = text.len() - inner.len();
    let is_wrapped = marks.is_multiple_of(2)
        && marks <= 6
        && text.starts_with(&"***"[..marks / 2])
        && text.ends_with(&"***"[..marks / 2])
        && !inner.contains('*')
        && inner.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '`' | '.' | '_'))
        && inner.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '`' | '_'));
    if is_wrapped { inner } else { text }
}

/// Reads every `#3` and `owner/repo#3`, each once, in order; never the parts of an address.
///
/// All of them, also where words stand between: a blocker too many is seen by a person and costs a wait, one
/// too few starts work too early. `Some` of nothing where the text says that there are none.
pub(super) fn issues(texts: &[String], repo: &RepoRef) -> Option<Vec<IssueRef>> {
    let mut seen = BTreeSet::new();
    let words = texts.iter().flat_map(|text| text.split(is_between));
    let issues: Vec<IssueRef> =
        words.filter_map(|word| issue(word, repo)).filter(|issue| seen.insert(issue.clone())).collect();
    let is_said = !issues.is_empty() || matches!(texts, [text] if is_none(text));
    is_said.then_some(issues)
}

fn is_between(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, ',' | ';' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | '|' | '"' | '\'')
}

fn issue(word: &str, repo: &RepoRef) -> Option<IssueRef> {
    let word = word.trim_matches(['*', '`', '~']).trim_end_matches(['.', ':', '!', '?']);
    let inner = word.trim_end_matches('_');
    let closing = word.len() - inner.len();
    let opening = inner.len() - inner.trim_start_matches('_').len();
    let inner = if opening >= closing { &inner[closing..] } else { inner };
    let (place, number) = inner.split_once('#')?;
    if !number.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    // The forge counts in signed numbers.
    let number = number.parse::<i64>().ok().and_then(|number| u64::try_from(number).ok())?;
    let place = if place.is_empty() { repo.clone() } else { place.parse().ok()? };
    (number > 0).then(|| IssueRef::new(place, number))
}

/// Whether a list's text says that it is empty.
fn is_none(text: &str) -> bool {
    let word = text.trim().trim_matches(['*', '_', '`', '.']);
    ["none", "nothing", "n/a", "no", "-", "–", "—"].iter().any(|none| none.eq_ignore_ascii_case(word))
}
