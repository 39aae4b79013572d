//! Arbitrary texts never fail, and arbitrary metadata reads back in any form.

use proptest::prelude::*;

use super::{
    tests::{read_body, repo, said},
    *,
};
use crate::domain::{
    id::IssueRef,
    metadata::{Difficulty, Field, Priority},
};

fn list<T: std::fmt::Debug + Clone + 'static>(
    one: impl Strategy<Value = T>,
) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(one, 1..5)
}

/// A value, how it is dressed, and which blanks and marks stand around it.
#[derive(Clone, Copy, Debug)]
enum Dress {
    Line,
    Bullet,
    Bold,
    Heading,
    Below,
    Block,
}

fn dress() -> impl Strategy<Value = Dress> {
    prop::sample::select(vec![
        Dress::Line,
        Dress::Bullet,
        Dress::Bold,
        Dress::Heading,
        Dress::Below,
        Dress::Block,
    ])
}

/// Writes one key in a dress: what goes into the body, and what into the block.
fn write(dress: Dress, key: &str, items: &[String], toml: &str, body: &mut String, block: &mut String) {
    let value = items.join(", ");
    match dress {
        Dress::Line => *body += &format!("{key}: {value}\n\n"),
        Dress::Bullet => *body += &format!("- {}: {value}\n", key.to_uppercase()),
        Dress::Bold => *body += &format!("**{key}:** {value}\n\n"),
        Dress::Heading => *body += &format!("### {key}: {value} ###\n"),
        Dress::Below => {
            *body += &format!("## {key}\n\n");
            let mark = if items.len() > 1 || key == "Acceptance" { "- " } else { "" };
            items.iter().for_each(|item| *body += &format!("{mark}{item}\n"));
            *body += "\n";
        }
        Dress::Block => *block += &format!("{} = {toml}\n", key.to_lowercase().replace(' ', "_")),
    }
}

fn source(dress: Dress) -> Source {
    if matches!(dress, Dress::Block) { Source::Block } else { Source::Line }
}

fn toml_list(items: &[String]) -> String {
    toml::Value::from(items.to_vec()).to_string()
}

fn issue() -> impl Strategy<Value = IssueRef> {
    prop_oneof![
        (1..=i64::MAX as u64).prop_map(|number| IssueRef::new(repo(), number)),
        ("[a-z0-9_.][a-z0-9_.-]{0,9}[a-z]", "[A-Za-z][A-Za-z0-9_.-]{0,9}", 1..1_000_u64)
            .prop_map(|(owner, name, number)| IssueRef::new(RepoRef::new(owner, name), number)),
    ]
}

fn distinct<T: PartialEq + Clone>(all: &[T]) -> Vec<T> {
    all.iter().enumerate().filter(|(at, one)| !all[..*at].contains(one)).map(|(_, one)| one.clone()).collect()
}

proptest! {
    #[test]
    fn no_text_makes_it_fail(body in "(?s).{0,400}", label in ".{0,30}") {
        let repo = repo();
        let _ = read(&IssueText { repo: &repo, body: &body, labels: &[label] });
    }

    #[test]
    fn no_text_made_of_what_it_looks_for_makes_it_fail(parts in prop::collection::vec(prop::sample::select(vec![
        "Files", "Blocked by", "Difficulty", "Estimated context", "Acceptance", "Model", ":", " ", "\n", "\n\n", "- ", "1. ", "## ",
        "**", "_", "`", "```", "```mosaic\n", "~~~", "<!--", "-->", ">", "#3", "owner/x#2", "é", "45", ",", ".", "k", "hard", "[ ] ",
        "model = '", "files = [", "]", "'", "\"", "\t", "\u{a0}", "\r\n", "    ",
    ]), 0..60)) {
        let _ = read_body(&parts.concat());
    }

    #[test]
    fn metadata_reads_back_as_it_was_written_in_any_form(
        difficulty in prop::sample::select(vec![Difficulty::Easy, Difficulty::Medium, Difficulty::Hard]),
        priority in prop::sample::select(vec![Priority::High, Priority::Normal, Priority::Low]),
        tokens in 1..=value::MAX_TOKENS,
        files in list("[a-zA-Z0-9_./*-]{0,10}[a-zA-Z0-9*]( [a-z,]{0,8}[a-z])?"),
        agent in "[a-zA-Z0-9][a-zA-Z0-9_:-]{0,10}[a-z]",
        model in "[a-zA-Z0-9][a-zA-Z0-9_./:-]{0,10}[a-z0-9]",
        blocks in list(issue()),
        blocked_by in list(issue()),
        acceptance in list("[A-Za-z(][A-Za-z0-9 #:,.`*_é-]{0,20}[a-z.]"),
        dresses in prop::collection::vec(dress(), 9),
        point_in_line in any::<bool>(),
    ) {
        let (mut body, mut block) = ("Some words first.\n\n".to_owned(), String::new());
        let mut put = |at: usize, key: &str, items: &[String], toml: &str| {
            write(dresses[at], key, items, toml, &mut body, &mut block);
        };
        let word = |word: &str| (vec![word.to_owned()], format!("'{word}'"));
        let (text, toml) = word(difficulty.word());
        put(0, "Difficulty", &text, &toml);
        let (text, toml) = word(priority.word());
        put(1, "Priority", &text, &toml);
        put(2, "Estimated context", &[format!("{tokens} tokens")], &tokens.to_string());
        let (text, toml) = word(&agent);
        put(3, "Agent", &text, &toml);
        let (text, toml) = word(&model);
        put(4, "Model", &text, &toml);
        let in_ticks: Vec<String> = files.iter().map(|file| format!("`{file}`")).collect();
        put(5, "Files", &in_ticks, &toml_list(&files));
        let named: Vec<String> = blocks.iter().map(ToString::to_string).collect();
        put(6, "Blocks", &named, &toml_list(&named));
        let named: Vec<String> = blocked_by.iter().map(|issue| issue.to_string().replace("acme/app#", "#")).collect();
        put(7, "Blocked by", &named, &toml_list(&named));

        let (dress, points) = match (dresses[8], point_in_line) {
            (Dress::Block, _) => (Dress::Block, acceptance),
            (Dress::Line, true) => (Dress::Line, acceptance[..1].to_vec()),
            _ => (Dress::Below, acceptance),
        };
        write(dress, "Acceptance", &points, &toml_list(&points), &mut body, &mut block);
        let text = format!("{body}\n\n```mosaic\n{block}```\n");

        let files = if matches!(dresses[5], Dress::Block) { files } else { distinct(&files) };
        let from = |at: usize| source(dresses[at]);
        let expected = Metadata {
            difficulty: Some(Field { value: difficulty, source: from(0) }),
            priority: Some(Field { value: priority, source: from(1) }),
            estimated_tokens: Some(Field { value: tokens, source: from(2) }),
            agent: Some(Field { value: agent, source: from(3) }),
            model: Some(Field { value: model, source: from(4) }),
            files: Some(Field { value: files, source: from(5) }),
            blocks: Some(Field { value: distinct(&blocks), source: from(6) }),
            blocked_by: Some(Field { value: distinct(&blocked_by), source: from(7) }),
            acceptance: Some(Field { value: points, source: source(dress) }),
        };
        prop_assert_eq!(read_body(&text), expected, "{}", text);
    }

    #[test]
    fn an_estimate_reads_back_in_every_notation(tokens in 1..=value::MAX_TOKENS, thousands in 1..=100_000_u64) {
        let read = |text: String| said(read_body(&format!("Estimated context: {text}")).estimated_tokens);
        let grouped = |mark: &str| {
            let digits = tokens.to_string();
            let parts: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|part| std::str::from_utf8(part).unwrap()).collect();
            parts.join(mark)
        };
        prop_assert_eq!(read(grouped(",")), Some(tokens));
        prop_assert_eq!(read(grouped("_")), Some(tokens));
        prop_assert_eq!(read(format!("{}.{:06}M", tokens / 1_000_000, tokens % 1_000_000)), Some(tokens));
        prop_assert_eq!(read(format!("{}.{:03}k tokens", tokens / 1_000, tokens % 1_000)), Some(tokens));
        prop_assert_eq!(read(format!("{thousands}k")), Some(thousands * 1_000));
    }
}
