//! The paths that a Rust source names, comments and strings aside, without a parser of the whole language.

use std::iter;

/// A path as it is written, groups written out: `use a::{b, c::D}` names `a::b` and `a::c::D`.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    pub line: usize,
    pub segments: Vec<String>,
    /// How many inline modules of its file it stands in.
    pub nested: usize,
}

/// All paths of a source of at least two segments, and single names that are imported.
pub fn paths(source: &str) -> Vec<Named> {
    let tokens = tokens(source);
    let mut found = Vec::new();
    let mut open: Vec<bool> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let nested = open.iter().filter(|is_module| **is_module).count();
        match tokens[at].text.as_str() {
            "{" => {
                let is_module = at >= 2 && tokens[at - 2].text == "mod";
                open.push(is_module);
            }
            "}" => drop(open.pop()),
            _ if begins_path(&tokens, at) => {
                let imported = at > 0 && tokens[at - 1].text == "use";
                let mut leaves = Vec::new();
                at = path(&tokens, at, Vec::new(), &mut leaves);
                let named = leaves.into_iter().filter(|(_, segments)| segments.len() > 1 || imported);
                found.extend(named.map(|(line, segments)| Named { line, segments, nested }));
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

struct Token {
    line: usize,
    text: String,
}

impl Token {
    fn is_name(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

fn begins_path(tokens: &[Token], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map_or("", |at| tokens[at].text.as_str());
    // After `.` it is a field or a method; after `a::` or `>::` it goes on with what was begun.
    let after_type = before(2) == ">" && before(3) != "-";
    let goes_on = before(1) == "::" && (after_type || at >= 2 && tokens[at - 2].is_name());
    tokens[at].is_name() && before(1) != "." && !goes_on
}

/// Reads the path that begins at `at`; returns where it ends.
fn path(
    tokens: &[Token],
    mut at: usize,
    mut segments: Vec<String>,
    leaves: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let line = tokens[at].line;
    loop {
        if tokens.get(at).is_some_and(Token::is_name) {
            segments.push(text(at).to_owned());
            at += 1;
        }
        if text(at) != "::" {
            break;
        }
        match text(at + 1) {
            "{" => return group(tokens, at + 2, &segments, leaves),
            "*" => {
                segments.push("*".to_owned());
                at += 2;
                break;
            }
            next if next.starts_with(|c: char| c.is_alphabetic() || c == '_') => at += 1,
            _ => break,
        }
    }
    leaves.push((line, segments));
    at
}

/// Reads the members of a group up to its brace; returns where it ends.
fn group(
    tokens: &[Token],
    mut at: usize,
    prefix: &[String],
    leaves: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            "}" => return at + 1,
            "as" => at += 2,
            "*" => {
                leaves.push((tokens[at].line, prefix.iter().cloned().chain(["*".to_owned()]).collect()));
                at += 1;
            }
            _ if tokens[at].is_name() => at = path(tokens, at, prefix.to_vec(), leaves),
            _ => at += 1,
        }
    }
    at
}

fn tokens(source: &str) -> Vec<Token> {
    let code = blank(source);
    let mut found = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let len = if first.is_alphabetic() || first == '_' {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            if !first.is_whitespace() {
                found.push(Token { line: number + 1, text: rest[..len].to_owned() });
            }
            rest = &rest[len..];
        }
    }
    found
}

/// The source with comments and literals blanked out, line by line as long as before.
fn blank(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut code = String::with_capacity(source.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at);
        if end == at {
            code.push(chars[at]);
            at += 1;
        } else {
            code.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    code
}

/// Where the comment or literal that begins at `at` ends; `at` where none begins.
fn literal_end(chars: &[char], at: usize) -> usize {
    let next = |ahead: usize| chars.get(at + ahead).copied().unwrap_or(' ');
    let in_name = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    match chars[at] {
        '/' if next(1) == '/' => position(chars, at, '\n'),
        '/' if next(1) == '*' => comment_end(chars, at),
        '"' => quoted_end(chars, at, '"'),
        '\'' if next(1) == '\\' || next(2) == '\'' => quoted_end(chars, at, '\''),
        'r' if !in_name || at > 0 && matches!(chars[at - 1], 'b' | 'c') => raw_end(chars, at),
        _ => at,
    }
}

fn position(chars: &[char], from: usize, wanted: char) -> usize {
    (from..chars.len()).find(|&at| chars[at] == wanted).unwrap_or(chars.len())
}

fn comment_end(chars: &[char], at: usize) -> usize {
    let mut depth = 0_usize;
    let mut here = at;
    while here < chars.len() {
        match (chars[here], chars.get(here + 1)) {
            ('/', Some('*')) => (depth, here) = (depth + 1, here + 2),
            ('*', Some('/')) => (depth, here) = (depth - 1, here + 2),
            _ => here += 1,
        }
        if depth == 0 {
            return here;
        }
    }
    here
}

fn quoted_end(chars: &[char], at: usize, quote: char) -> usize {
    let mut here = at + 1;
    while here < chars.len() && chars[here] != quote {
        here += if chars[here] == '\\' { 2 } else { 1 };
    }
    (here + 1).min(chars.len())
}

/// `r"…"`, `r#"…"#` and so on; a raw name such as `r#type` is none.
fn raw_end(chars: &[char], at: usize) -> usize {
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    if chars.get(at + 1 + hashes) != Some(&'"') {
        return at;
    }
    let close: Vec<char> = iter::once('"').chain(iter::repeat_n('#', hashes)).collect();
    let body = at + 2 + hashes;
    (body..chars.len())
        .find(|&here| chars[here..].starts_with(&close))
        .map_or(chars.len(), |here| here + close.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(source: &str) -> Vec<String> {
        paths(source).into_iter().map(|named| named.segments.join("::")).collect()
    }

    #[test]
    fn groups_are_written_out() {
        let source = "use crate::{a::{self, B as C, d::*}, e::F};\nuse tokio;\nuse std::time::Instant;";
        let expected =
            ["crate::a::self", "crate::a::B", "crate::a::d::*", "crate::e::F", "tokio", "std::time::Instant"];
        assert_eq!(named(source), expected);
    }

    #[test]
    fn paths_in_code_count_like_imports() {
        let source = "#[actix_rt::test] fn f(x: crate::a::B<super::C>) -> ::std::io::Result<()> { tokio::select! {}; x.crate_; Vec::<u8>::new() }";
        let expected = ["actix_rt::test", "crate::a::B", "super::C", "std::io::Result", "tokio::select"];
        assert_eq!(named(source), expected);
    }

    #[test]
    fn comments_and_literals_do_not_count() {
        let source = r##"
            // crate::a::b
            /* crate::a /* crate::b::c */ crate::d::e */
            //! [`crate::a::b`]
            let a = ("crate::a::b \" crate::c::d", '"', 'x', '\'', b"crate::a::b", br#"crate::a" crate::b"#, r"crate::e::f");
            fn f<'a>(r: &'a str) -> &'a str { crate::yes::g(r) }
        "##;
        assert_eq!(named(source), ["crate::yes::g"]);
        assert_eq!(paths(source)[0].line, 6);
    }

    #[test]
    fn inline_modules_are_counted() {
        let source = "use super::a; mod m { use super::b; fn f() { if x { super::super::c::d() } } mod n { use super::e; } } use super::g;";
        let nested: Vec<usize> = paths(source).into_iter().map(|named| named.nested).collect();
        assert_eq!(nested, [0, 1, 1, 2, 0]);
    }
}
