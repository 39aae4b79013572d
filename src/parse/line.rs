//! The lines of a body that count: no quotes, comments, code, but bullets and headings told apart.
//!
//! One pass, line by line; it knows as much of markdown as that takes and no more.

use std::borrow::Cow;

/// What a line's leading marks make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Plain,
    Bullet,
    Heading,
}

/// A line without its marks; `text` is empty where it is blank or a quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Columns before the first mark.
    pub(super) indent: usize,
    pub(super) mark: Mark,
    pub(super) text: String,
}

/// What of a body is to be read.
#[derive(Debug, Default)]
pub(super) struct Visible {
    pub(super) lines: Vec<Line>,
    /// Contents of the fences with the info word `mosaic`.
    pub(super) blocks: Vec<String>,
}

/// An open fence.
struct Fence {
    mark: char,
    length: usize,
    indent: usize,
    block: Option<String>,
}

/// Takes a body apart.
pub(super) fn visible(body: &str) -> Visible {
    let mut found = Visible::default();
    let mut fence: Option<Fence> = None;
    let mut comments = Comments { is_open: false, last_close: body.rfind("-->") };
    let mut code = IndentedCode { may_start: true, is_in_list: false };
    for (offset, raw) in lines_with_offset(body) {
        if let Some(mut open) = fence.take() {
            if open.is_closed_by(raw) {
                found.blocks.extend(open.block);
                continue;
            }
            if let Some(block) = &mut open.block {
                block.push_str(raw);
                block.push('\n');
            }
            fence = Some(open);
            continue;
        }
        let Some(text) = comments.outside(raw, offset) else { continue };
        if code.takes(&text) {
            continue;
        }
        let line = marks_off(&text);
        fence = Fence::opened_by(&line);
        if fence.is_none() {
            found.lines.push(line);
        }
    }
    found.blocks.extend(fence.and_then(|open| open.block));
    found
}

fn lines_with_offset(body: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut offset = 0;
    body.split_inclusive('\n').map(move |line| {
        let start = offset;
        offset += line.len();
        (start, line.trim_end_matches(['\n', '\r']))
    })
}

/// Where HTML comments begin and end.
struct Comments {
    is_open: bool,
    /// Offset of the last end of a comment in the body.
    last_close: Option<usize>,
}

impl Comments {
    /// What of the line at `offset` is outside of comments; `None` where there is nothing but comment.
    fn outside<'a>(&mut self, line: &'a str, offset: usize) -> Option<Cow<'a, str>> {
        if !self.is_open && !line.contains("<!--") {
            return Some(Cow::Borrowed(line));
        }
        let mut kept = String::new();
        let mut backticks = 0;
        let mut begins_line = true;
        let mut at = 0;
        loop {
            let rest = &line[at..];
            if self.is_open {
                let Some(end) = rest.find("-->") else { break };
                self.is_open = false;
                at += end + "-->".len();
                continue;
            }
            let start = rest.find("<!--").unwrap_or(rest.len());
            kept.push_str(&rest[..start]);
            if start == rest.len() {
                break;
            }
            at += start + "<!--".len();
            backticks += rest[..start].matches('`').count();
            begins_line = begins_line && rest[..start].trim().is_empty();
            // Within a line it takes an end to make a comment; at its beginning, as browsers have it, none.
            let is_closed = self.last_close.is_some_and(|close| close >= offset + at);
            if begins_line || (is_closed && backticks % 2 == 0) {
                self.is_open = true;
            } else {
                kept.push_str("<!--");
            }
        }
        (!kept.trim().is_empty()).then_some(Cow::Owned(kept))
    }
}

/// Where code by indentation begins and ends: four columns after a blank line, outside of lists.
struct IndentedCode {
    may_start: bool,
    is_in_list: bool,
}

impl IndentedCode {
    fn takes(&mut self, line: &str) -> bool {
        if line.trim().is_empty() {
            self.may_start = true;
            return false;
        }
        let (indent, text) = indentation(line);
        if indent >= 4 && self.may_start && !self.is_in_list {
            return true;
        }
        let is_bullet = bullet_off(text).is_some();
        self.is_in_list = is_bullet || (self.is_in_list && (indent >= 2 || !self.may_start));
        self.may_start = false;
        false
    }
}

impl Fence {
    fn opened_by(line: &Line) -> Option<Self> {
        let mark = line.text.chars().next().filter(|&c| c == '`' || c == '~')?;
        let info = line.text.trim_start_matches(mark);
        let length = line.text.len() - info.len();
        if length < 3 || (mark == '`' && info.contains('`')) {
            return None;
        }
        let is_ours = info.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("mosaic"));
        Some(Self { mark, length, indent: line.indent, block: is_ours.then(String::new) })
    }

    fn is_closed_by(&self, raw: &str) -> bool {
        let (indent, text) = indentation(raw);
        let text = text.trim_end();
        text.len() >= self.length && text.chars().all(|c| c == self.mark) && indent < self.indent + 4
    }
}

/// Columns of leading white space (a tab has four), and the rest.
fn indentation(line: &str) -> (usize, &str) {
    let rest = line.trim_start();
    let columns = line[..line.len() - rest.len()].chars().map(|c| if c == '\t' { 4 } else { 1 }).sum();
    (columns, rest)
}

/// The text behind one bullet (`-`, `*`, `+`, `1.`, `1)`).
fn bullet_off(text: &str) -> Option<&str> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let rest = match digits {
        0 => text.strip_prefix(['-', '*', '+'])?,
        1..=9 => text[digits..].strip_prefix(['.', ')'])?,
        _ => return None,
    };
    (rest.is_empty() || rest.starts_with([' ', '\t'])).then(|| rest.trim_start())
}

/// The text behind the box of a task list.
fn checkbox_off(text: &str) -> &str {
    let rest = ["[ ]", "[x]", "[X]"].iter().find_map(|mark| text.strip_prefix(mark));
    rest.filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t'])).map_or(text, str::trim_start)
}

/// The text of a heading, closing marks taken off.
fn heading_off(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches('#');
    let level = text.len() - rest.len();
    if !(1..=6).contains(&level) || !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return None;
    }
    let inner = rest.trim();
    let open = inner.trim_end_matches('#');
    Some(if open.is_empty() || open.ends_with([' ', '\t']) { open.trim_end() } else { inner })
}

fn marks_off(line: &str) -> Line {
    let (indent, text) = indentation(line);
    let mut text = text.trim_end();
    let mut mark = Mark::Plain;
    while let Some(rest) = bullet_off(text) {
        text = checkbox_off(rest);
        mark = Mark::Bullet;
    }
    if text.starts_with('>') {
        return Line { indent, mark: Mark::Plain, text: String::new() };
    }
    if let Some(rest) = heading_off(text) {
        text = rest;
        mark = Mark::Heading;
    }
    Line { indent, mark, text: text.to_owned() }
}
