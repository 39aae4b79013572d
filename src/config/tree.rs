//! The layers of a configuration as one tree whose every value remembers where it was written.
//!
//! Owns reading TOML text and laying one layer over another. Promises that no text panics. Never knows which keys
//! there are; that is `sections`.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Faults, Origin};

/// Deepest nesting taken from outside: twice what any key needs, and far from the stack's end.
const DEEPEST: usize = 12;

/// A value and where it was written. Has no `Debug`: it may hold a secret.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
    /// What the environment variable said, for keys that take any text.
    pub(super) raw: Option<String>,
}

/// The kinds of value.
#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    /// Wide enough for all that a key takes; what is wider still is at the end of the range.
    Whole(i128),
    Real(f64),
    Boolean,
    Instant,
    List(Vec<Node>),
    Table(Table),
}

/// Values by key.
pub(super) type Table = BTreeMap<String, Node>;

impl Value {
    /// The kind's name in a message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Whole(_) => "a whole number",
            Self::Real(_) => "a number",
            Self::Boolean => "true or false",
            Self::Instant => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

impl Node {
    /// A value that stands for itself.
    pub(super) fn new(value: Value, origin: Origin) -> Self {
        Self { value, origin, raw: None }
    }

    /// This node under `segments`: `["server", "port"]` makes a table in a table.
    pub(super) fn nested(self, segments: &[String]) -> Self {
        segments.iter().rev().fold(self, |inner, segment| {
            let origin = inner.origin.clone();
            Self::new(Value::Table(BTreeMap::from([(segment.clone(), inner)])), origin)
        })
    }

    /// The node at a dotted path.
    pub(super) fn at(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |node, key| match &node.value {
            Value::Table(table) => table.get(key),
            _ => None,
        })
    }

    /// Lays `over` over this: tables merge key by key, anything else is replaced.
    pub(super) fn overlay(&mut self, over: Self) {
        let (Value::Table(table), Value::Table(_)) = (&mut self.value, &over.value) else {
            *self = over;
            return;
        };
        self.origin = over.origin;
        if let Value::Table(keys) = over.value {
            for (key, node) in keys {
                match table.get_mut(&key) {
                    Some(under) => under.overlay(node),
                    None => {
                        table.insert(key, node);
                    }
                }
            }
        }
    }

    /// Reads what an environment variable says: as TOML if it is that, else as text.
    pub(super) fn from_variable(name: &str, text: &str) -> Self {
        let origin = Origin::Environment(name.to_owned());
        let value = match DeValue::parse(text.trim()) {
            Ok(value) => convert(value.get_ref(), &|_| origin.clone(), DEEPEST),
            Err(_) => None,
        };
        let value = value.unwrap_or_else(|| Value::Text(text.to_owned()));
        Self { value, origin, raw: Some(text.to_owned()) }
    }

    /// Takes a value that the program made itself, such as a flag's.
    pub(super) fn from_value(value: toml::Value, origin: &Origin) -> Self {
        let node = |value| Self::from_value(value, origin);
        let value = match value {
            toml::Value::String(text) => Value::Text(text),
            toml::Value::Integer(number) => Value::Whole(number.into()),
            toml::Value::Float(number) => Value::Real(number),
            toml::Value::Boolean(_) => Value::Boolean,
            toml::Value::Datetime(_) => Value::Instant,
            toml::Value::Array(items) => Value::List(items.into_iter().map(node).collect()),
            toml::Value::Table(keys) => {
                Value::Table(keys.into_iter().map(|(key, value)| (key, node(value))).collect())
            }
        };
        Self::new(value, origin.clone())
    }
}

/// Reads a TOML document; `origin` makes the place of a line (counted from 1).
pub(super) fn parse(text: &str, origin: &dyn Fn(usize) -> Origin) -> Result<Node, Faults> {
    let lines = Lines::of(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut faults: Vec<Fault> = Vec::new();
    for error in &errors {
        let at = origin(lines.line(error.span().map_or(0, |span| span.start)));
        // The first error of a line is the cause, the others follow from it.
        if faults.iter().all(|fault| fault.origin != at) {
            // Only the message: the error's own display quotes the line, and that may hold a secret.
            let problem = format!("is not valid TOML here: {}", error.message());
            faults.push(Fault {
                origin: at,
                key: String::new(),
                problem,
                remedy: "mend the line; text is quoted, a key is given once".into(),
            });
        }
    }
    Faults::refuse(faults)?;
    let at = |offset| origin(lines.line(offset));
    match convert_table(document.get_ref(), &at, DEEPEST) {
        Some(table) => Ok(Node::new(Value::Table(table), origin(1))),
        None => Err(Fault {
            origin: origin(1),
            key: String::new(),
            problem: format!("is nested deeper than {DEEPEST} levels"),
            remedy: "no key lies that deep: remove what does".into(),
        }
        .into()),
    }
}

/// The value, or `None` where it is nested deeper than `levels`.
fn convert(value: &DeValue<'_>, at: &dyn Fn(usize) -> Origin, levels: usize) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            Value::Whole(i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(i128::MAX))
        }
        DeValue::Float(number) => Value::Real(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(_) => Value::Boolean,
        DeValue::Datetime(_) => Value::Instant,
        DeValue::Array(items) => {
            let levels = levels.checked_sub(1)?;
            let mut list = Vec::with_capacity(items.len());
            for item in items {
                list.push(Node::new(convert(item.get_ref(), at, levels)?, at(item.span().start)));
            }
            Value::List(list)
        }
        DeValue::Table(table) => Value::Table(convert_table(table, at, levels)?),
    })
}

fn convert_table(table: &DeTable<'_>, at: &dyn Fn(usize) -> Origin, levels: usize) -> Option<Table> {
    let levels = levels.checked_sub(1)?;
    let mut keys = BTreeMap::new();
    for (key, value) in table {
        let node = Node::new(convert(value.get_ref(), at, levels)?, at(key.span().start));
        keys.insert(key.get_ref().to_string(), node);
    }
    Some(keys)
}

/// Where each line of a text ends, so that a place in it is found quickly.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(offset, _)| offset).collect())
    }

    /// The line of a byte offset, from 1.
    fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|end| *end < offset) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: usize) -> Origin {
        Origin::File { path: "m.toml".into(), line: Some(line) }
    }

    fn table(node: &Node) -> &Table {
        match &node.value {
            Value::Table(table) => table,
            other => panic!("{} is no table", other.kind()),
        }
    }

    #[test]
    fn every_value_knows_its_line() {
        let node = parse("[a]\nb = 1\n\nc = [\n  2,\n  3,\n]\n[a.d]\n", &at).unwrap();
        let a = &table(&node)["a"];
        assert_eq!(a.origin, at(1));
        let keys = table(a);
        assert_eq!((&keys["b"].origin, &keys["c"].origin, &keys["d"].origin), (&at(2), &at(4), &at(8)));
        let Value::List(items) = &keys["c"].value else { panic!("no list") };
        assert_eq!(items[1].origin, at(6));
    }

    #[test]
    fn a_layer_replaces_lists_and_merges_tables() {
        let mut under = parse("[a]\nx = 1\ny = [1, 2]\n", &|_| Origin::Default).unwrap();
        under.overlay(parse("[a]\ny = [3]\nz = true\n", &at).unwrap());
        let a = table(&table(&under)["a"]);
        assert_eq!(a["x"].origin, Origin::Default);
        assert!(matches!(&a["y"].value, Value::List(items) if items.len() == 1));
        assert!(matches!(a["z"].value, Value::Boolean));
    }

    #[test]
    fn all_syntax_errors_are_told_and_none_quotes_the_line() {
        let faults = parse("token = hunter2secret\nok = 1\nok = 2\n[open\n", &at).err().unwrap();
        assert!(faults.iter().count() >= 3, "{faults}");
        assert!(!faults.to_string().contains("hunter2secret"), "{faults}");
    }

    #[test]
    fn nesting_without_end_is_refused() {
        for levels in [20, 40, 3000] {
            let dotted = format!("{} = 1", vec!["a"; levels].join("."));
            let listed = format!("a = {}1{}", "[".repeat(levels), "]".repeat(levels));
            for text in [dotted, listed] {
                let told = parse(&text, &at).err().unwrap().to_string();
                assert!(levels > 20 || told.contains("nested deeper than 12 levels"), "{told}");
            }
        }
    }

    #[test]
    fn a_variable_is_toml_where_it_can_be_and_text_else() {
        let value = |text| Node::from_variable("V", text).value;
        assert!(matches!(value("8000"), Value::Whole(8000)));
        assert!(matches!(value(" 0.5 "), Value::Real(number) if number == 0.5));
        assert!(matches!(value("true"), Value::Boolean));
        assert!(matches!(value("2026-01-01"), Value::Instant));
        assert!(matches!(value("[\"a\", 'b']"), Value::List(items) if items.len() == 2));
        assert!(matches!(value("{ A = \"b\" }"), Value::Table(keys) if keys.contains_key("A")));
        assert!(matches!(value("\"5m\""), Value::Text(text) if text == "5m"));
        for text in ["5m", "", "http://h", "a b", "[1", &"[".repeat(5000)] {
            assert!(matches!(value(text), Value::Text(kept) if kept == text), "{text}");
        }
    }

    #[test]
    fn numbers_wider_than_any_key_stay_out_of_range() {
        assert!(matches!(Node::from_variable("V", &"9".repeat(60)).value, Value::Whole(i128::MAX)));
        assert!(matches!(Node::from_variable("V", "0xff").value, Value::Whole(255)));
        assert!(matches!(Node::from_variable("V", "nan").value, Value::Real(number) if number.is_nan()));
    }

    #[test]
    fn a_flags_value_of_any_kind_is_taken() {
        let text = "a = 'x'\nb = 1\nc = 1.5\nd = true\ne = 2026-01-01\nf = [1]\ng = {}\n";
        let node = Node::from_value(text.parse::<toml::Table>().unwrap().into(), &Origin::CommandLine);
        let kinds: Vec<_> = table(&node).values().map(|node| node.value.kind()).collect();
        let expected =
            ["text", "a whole number", "a number", "true or false", "a date or time", "a list", "a table"];
        assert_eq!(kinds, expected);
    }
}
