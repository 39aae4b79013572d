//! What single values may be: each function turns a node into a typed value or says what is wrong with it.
//!
//! Owns the rules of durations, addresses, names and secrets. Never shows the value of a secret.

use std::{net::Ipv6Addr, ops::RangeInclusive, path::PathBuf, time::Duration};

use secrecy::SecretString;

use super::tree::{Node, Value};
use crate::domain::id::RepoRef;

/// The longest duration taken: beyond it sums with an instant could overflow.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// What is wrong with a value, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) problem: String,
    pub(super) remedy: String,
}

impl Wrong {
    pub(super) fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: remedy.into() }
    }
}

/// A value read, or what is wrong with it.
pub(super) type Read<T> = Result<T, Wrong>;

/// `text` for a message: escaped, and cut where it is long.
pub(super) fn shown(text: &str) -> String {
    let mut escaped: String = text.escape_debug().take(81).collect();
    if escaped.chars().count() > 80 {
        escaped.pop();
        escaped.push('…');
    }
    format!("`{escaped}`")
}

pub(super) fn wrong_kind(node: &Node, wanted: &str, remedy: &str) -> Wrong {
    Wrong::new(format!("is {}, not {wanted}", node.value.kind()), remedy)
}

/// Any text; from the environment also what looks like a number or a list.
pub(super) fn text(node: &Node) -> Read<String> {
    match (&node.value, &node.raw) {
        (Value::Text(text), _) | (_, Some(text)) => Ok(text.clone()),
        _ => Err(wrong_kind(node, "text", "write it in quotes")),
    }
}

/// Text with something in it, and no NUL, which no path or argument can hold.
pub(super) fn some_text(node: &Node) -> Read<String> {
    let text = text(node)?;
    if text.trim().is_empty() {
        return Err(Wrong::new("is empty", "write what it stands for, or remove the key"));
    }
    if text.contains('\0') {
        return Err(Wrong::new("holds a NUL character", "remove it"));
    }
    Ok(text)
}

/// An argument of a command: may be empty, holds no NUL.
pub(super) fn argument(node: &Node) -> Read<String> {
    let text = text(node)?;
    if text.contains('\0') {
        return Err(Wrong::new("holds a NUL character", "remove it"));
    }
    Ok(text)
}

/// A path of the file system.
pub(super) fn path(node: &Node) -> Read<PathBuf> {
    some_text(node).map(PathBuf::from)
}

/// A path inside a checkout: relative, and never out of it.
pub(super) fn inner_path(node: &Node) -> Read<String> {
    let text = some_text(node)?;
    let climbs = text.split(['/', '\\']).any(|part| part == "..");
    if climbs || text.starts_with(['/', '\\', '~']) || text.contains(':') {
        return Err(Wrong::new(
            format!("{} leads out of the checkout", shown(&text)),
            "write a path relative to the repository's top, without `..`",
        ));
    }
    Ok(text)
}

/// A whole number within `range`.
pub(super) fn whole<T>(node: &Node, range: RangeInclusive<T>) -> Read<T>
where
    T: TryFrom<i128> + Into<i128> + Copy,
{
    let (least, most): (i128, i128) = ((*range.start()).into(), (*range.end()).into());
    let remedy = if most >= i128::from(u32::MAX) {
        format!("write a whole number of at least {least}")
    } else {
        format!("write a whole number from {least} to {most}")
    };
    let Value::Whole(number) = node.value else {
        return Err(wrong_kind(node, "a whole number", &remedy));
    };
    match T::try_from(number) {
        Ok(value) if (least..=most).contains(&number) => Ok(value),
        _ => Err(Wrong::new("is out of range", remedy)),
    }
}

/// A finite number that `fits`; `range` says in words what fits.
pub(super) fn number(node: &Node, range: &str, fits: impl Fn(f64) -> bool) -> Read<f64> {
    let number = match node.value {
        Value::Real(number) => number,
        Value::Whole(number) => number as f64,
        _ => return Err(wrong_kind(node, "a number", &format!("write a number {range}"))),
    };
    if number.is_finite() && fits(number) {
        return Ok(number);
    }
    Err(Wrong::new(format!("{number} is out of range"), format!("write a number {range}")))
}

/// US dollars per million tokens.
pub(super) fn price(node: &Node) -> Read<f64> {
    number(node, "of at least 0, in US dollars per million tokens", |price| price >= 0.0)
}

/// A duration with its unit, such as `"90s"` or `"1h 30m"`: from 1 ms to 366 days.
pub(super) fn duration(node: &Node) -> Read<Duration> {
    let remedy = "write a duration with its unit, from \"1ms\" to \"366days\", such as \"90s\" or \"15m\"";
    if let Value::Whole(number) = node.value {
        return Err(Wrong::new(format!("{number} has no unit"), remedy));
    }
    let text = text(node).map_err(|_| wrong_kind(node, "a duration", remedy))?;
    match humantime::parse_duration(text.trim()) {
        Ok(duration) if (Duration::from_millis(1)..=LONGEST).contains(&duration) => Ok(duration),
        Ok(_) => Err(Wrong::new(format!("{} is out of range", shown(&text)), remedy)),
        Err(_) => Err(Wrong::new(format!("{} is no duration", shown(&text)), remedy)),
    }
}

/// One of a few words.
pub(super) fn choice<T: Copy>(node: &Node, words: &[(&str, T)]) -> Read<T> {
    let known: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
    let remedy = format!("write {}", known.join(" or "));
    let text = text(node).map_err(|_| wrong_kind(node, "text", &remedy))?;
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| Wrong::new(format!("{} is unknown", shown(&text)), remedy))
}

/// One of a few words, some of which a later version will take.
pub(super) fn supported<T: Copy>(node: &Node, words: &[(&str, T)], later: &[&str]) -> Read<T> {
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    match text(node) {
        Ok(text) if later.contains(&text.as_str()) => Err(Wrong::new(
            format!("{} is not supported yet", shown(&text)),
            format!("this version takes {}", known.join(", ")),
        )),
        _ => choice(node, words),
    }
}

/// An address to listen on: an IP address or a host's name.
pub(super) fn host(node: &Node) -> Read<String> {
    let text = some_text(node)?;
    let named = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if named || text.parse::<Ipv6Addr>().is_ok() {
        return Ok(text);
    }
    Err(Wrong::new(
        format!("{} is neither an IP address nor a host name", shown(&text)),
        "write it without port and brackets, such as \"127.0.0.1\" or \"::\"",
    ))
}

/// The forge's address: http or https, with an optional path; the trailing slash is dropped.
pub(super) fn url(node: &Node) -> Read<String> {
    let remedy = "write it as \"http://host:port\" or \"https://host/path\"";
    let text = some_text(node)?;
    let text = text.trim().trim_end_matches('/');
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains('@') {
        // Not shown: what stands before the `@` is a password.
        return Err(Wrong::new(
            "holds a user or password",
            "move it out: the token belongs in `gitea.token`",
        ));
    }
    let is_http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let plain = rest.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '\\' | '"'));
    if is_http && plain && is_authority(authority) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(format!("{} is no http(s) address", shown(text)), remedy))
}

/// Whether `text` is `host`, `host:port` or either with an IPv6 address in brackets.
fn is_authority(text: &str) -> bool {
    let (host_is_fine, port) =
        if let Some((address, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            (address.parse::<Ipv6Addr>().is_ok(), rest.strip_prefix(':').or(rest.is_empty().then_some("1")))
        } else {
            let (host, port) = text.split_once(':').unwrap_or((text, "1"));
            let named = host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
            (!host.is_empty() && named, Some(port))
        };
    host_is_fine && port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// A repository, `owner/repo`.
pub(super) fn repository(node: &Node) -> Read<RepoRef> {
    let text = text(node)?;
    text.parse().map_err(|_| Wrong::new(format!("{} is no repository", shown(&text)), "write \"owner/repo\""))
}

/// A token for an HTTP header; `None` when it is empty.
pub(super) fn token(node: &Node) -> Read<Option<SecretString>> {
    let text = text(node)?;
    if text.is_empty() {
        return Ok(None);
    }
    if text.chars().all(|c| c.is_ascii_graphic()) {
        return Ok(Some(SecretString::from(text)));
    }
    Err(Wrong::new(
        "holds white space or characters that no header can carry",
        "copy the token again, without line ends",
    ))
}

/// A shared secret; white space alone is none.
pub(super) fn secret(node: &Node) -> Read<SecretString> {
    let text = text(node)?;
    if text.trim().is_empty() {
        return Err(Wrong::new("is empty", "an empty secret lets everyone in: write one or remove it"));
    }
    Ok(SecretString::from(text))
}

/// A variable's value for an agent, perhaps a key.
pub(super) fn variable(node: &Node) -> Read<SecretString> {
    argument(node).map(SecretString::from)
}

/// Whether `name` can be a gate's, an agent's or a model's.
pub(super) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

/// Whether `name` can be an environment variable's.
pub(super) fn is_variable_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::fault::Origin;

    fn node(text: &str) -> Node {
        Node::new(Value::Text(text.to_owned()), Origin::CommandLine)
    }

    #[test]
    fn no_path_or_argument_holds_a_nul() {
        assert!(
            path(&node("a\0b")).is_err()
                && argument(&node("a\0b")).is_err()
                && variable(&node("\0")).is_err()
        );
        assert_eq!(argument(&node("")), Ok(String::new()));
        assert!(path(&node(" ")).is_err());
    }

    #[test]
    fn a_message_shows_long_and_strange_text_cut_and_escaped() {
        assert_eq!(shown("a\n\u{1b}[31m"), r"`a\n\u{1b}[31m`");
        assert_eq!(shown(&"x".repeat(80)), format!("`{}`", "x".repeat(80)));
        assert_eq!(shown(&"x".repeat(500)), format!("`{}…`", "x".repeat(80)));
    }

    #[test]
    fn numbers_are_finite_and_within_their_range() {
        let price_of = |value| price(&Node::new(value, Origin::CommandLine));
        assert_eq!((price_of(Value::Real(0.5)), price_of(Value::Whole(2))), (Ok(0.5), Ok(2.0)));
        for value in [Value::Real(f64::NAN), Value::Real(f64::INFINITY), Value::Whole(-1), Value::Boolean] {
            assert!(price_of(value).is_err());
        }
        let count = |number| whole(&Node::new(Value::Whole(number), Origin::CommandLine), 1..=u64::MAX);
        assert_eq!((count(1), count(i128::from(u64::MAX))), (Ok(1), Ok(u64::MAX)));
        assert!(count(0).is_err() && count(i128::MAX).is_err() && count(-1).is_err());
    }

    #[test]
    fn names_are_short_and_plain() {
        assert!(is_name("a") && is_name("Small_model-2") && is_name(&"x".repeat(64)));
        assert!(!is_name("") && !is_name("a.b") && !is_name("ä") && !is_name(&"x".repeat(65)));
        assert!(
            is_variable_name("_A1")
                && !is_variable_name("1A")
                && !is_variable_name("")
                && !is_variable_name("A-B")
        );
    }
}
