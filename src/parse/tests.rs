//! Every form in which an issue may say something, by example.

use super::*;
use crate::domain::{
    id::IssueRef,
    metadata::{Difficulty, Field, Priority},
};

pub(super) fn repo() -> RepoRef {
    RepoRef::new("acme", "app")
}

pub(super) fn read_body(body: &str) -> Metadata {
    read(&IssueText { repo: &repo(), body, labels: &[] })
}

pub(super) fn said<T>(field: Option<Field<T>>) -> Option<T> {
    field.map(|field| field.value)
}

fn blocked_by(body: &str) -> Option<Vec<String>> {
    said(read_body(body).blocked_by).map(|all| all.iter().map(ToString::to_string).collect())
}

const EXAMPLE: &str = r#"Parse the export format, so that [the importer](https://git.example/acme/app/issues/99) can go.

<!-- Difficulty: easy | medium | hard
     Blocked by: #1 -->
> Difficulty: easy
> Blocked by: #2

## Metadata
* **Difficulty:** Hard (touches the tokenizer)
* **Estimated context**: ~45,000 tokens
* Files: `src/parse.rs`, src/lexer/*.rs, `docs/my notes.md`
* _Agent:_ claude
* Priority: `high`
- Blocks: #4, owner/other#2
1. Blocked by: [#3](https://git.example/acme/app/issues/3) and acme/lib#7.

```toml
difficulty = "easy"
model = "tiny"
```

### Acceptance criteria ###
The tool:
- [ ] reads all *documented* forms
- [x] never panics,
  whatever the text is
1. is documented

Model: small is a word for "cheap" here.

```mosaic
model = "small"
priority = "low"
```
"#;

#[test]
fn a_full_example_reads_as_a_person_would_read_it() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&read_body(EXAMPLE)).unwrap(), @r#"
    {
      "difficulty": {
        "value": "hard",
        "source": "line"
      },
      "estimated_tokens": {
        "value": 45000,
        "source": "line"
      },
      "files": {
        "value": [
          "src/parse.rs",
          "src/lexer/*.rs",
          "docs/my notes.md"
        ],
        "source": "line"
      },
      "agent": {
        "value": "claude",
        "source": "line"
      },
      "model": {
        "value": "small",
        "source": "block"
      },
      "priority": {
        "value": "low",
        "source": "block"
      },
      "blocks": {
        "value": [
          "acme/app#4",
          "owner/other#2"
        ],
        "source": "line"
      },
      "blocked_by": {
        "value": [
          "acme/app#3",
          "acme/lib#7"
        ],
        "source": "line"
      },
      "acceptance": {
        "value": [
          "reads all *documented* forms",
          "never panics, whatever the text is",
          "is documented"
        ],
        "source": "line"
      }
    }
    "#);
}

#[test]
fn what_is_not_said_stays_unknown() {
    assert_eq!(read_body(""), Metadata::default());
    assert_eq!(read_body("Just make it work: the difficulty is hard, blocked by #3."), Metadata::default());
}

#[test]
fn a_key_line_is_read_in_any_dress() {
    for body in [
        "Difficulty: hard",
        "difficulty:hard",
        "DIFFICULTY : HARD",
        "- Difficulty: hard",
        "* **Difficulty:** Hard",
        "+ __Difficulty__: Hard",
        "1. *Difficulty:* hard",
        "2) Difficulty: **hard**",
        "- [ ] `Difficulty`: `hard`",
        "  - **Difficulty: hard**",
        "## Difficulty: hard",
        "### Difficulty: hard ###",
        "## Difficulty\n\nhard",
        "## Difficulty\r\n\r\nHard\r\n",
        "## Difficulty\n- hard",
        "**Difficulty**\nhard",
        "Difficulty:\n  hard",
        "## Difficulty\n<!-- easy, medium or hard -->\nhard",
        "Difficulty: hard (because of the lexer)",
        "Difficulty: hard - because of the lexer",
        "Difficulty: 🔴 Hard.",
        "Difficulty: tbd\nDifficulty: hard\nDifficulty: easy",
        "<!-- Difficulty: easy -->Difficulty: hard",
        "<!--\nDifficulty: easy\n-->\nDifficulty: hard",
        "> Difficulty: easy\n\nDifficulty: hard",
        "```\nDifficulty: easy\n```\nDifficulty: hard",
        "~~~~ text\n```\nDifficulty: easy\n~~~\n~~~~\nDifficulty: hard",
        "`<!--` opens a comment\nDifficulty: hard\n`-->` closes it",
        "text <!-- that nobody closes\nDifficulty: hard",
        "Some text:\n\n    Difficulty: easy\n\nDifficulty: hard",
        "- a list\n\n    - Difficulty: hard",
    ] {
        let read = read_body(body).difficulty;
        assert_eq!(read, Some(Field { value: Difficulty::Hard, source: Source::Line }), "{body}");
    }
}

#[test]
fn what_could_mean_something_else_is_not_read() {
    for body in [
        "Difficulty: easy | medium | hard",
        "Difficulty: easy, medium or hard",
        "Difficulty: hard to say",
        "Difficulty: hard-coded",
        "Difficulty: harder",
        "Difficulty:",
        "## Difficulty\n\nPriority: high",
        "## Difficulty\n\n## hard",
        "- Difficulty:\n- hard",
        "> Difficulty: hard",
        "- > Difficulty: hard",
        "<!-- Difficulty: hard -->",
        "<!-- \n\nDifficulty: hard",
        "text <!--\nDifficulty: hard\n-->",
        "```\nDifficulty: hard",
        "- ```mosaics\n  difficulty = 'hard'\n  ```",
        "    Difficulty: hard",
        "The Difficulty: hard",
        "#Difficulty: hard",
        "- Blocks:\nDifficulty hard",
    ] {
        assert_eq!(read_body(body).difficulty, None, "{body}");
    }
}

#[test]
fn an_estimate_is_read_in_every_notation_and_only_within_reason() {
    for (text, tokens) in [
        ("45000 tokens", Some(45_000)),
        ("45000", Some(45_000)),
        ("45k", Some(45_000)),
        ("45 K tokens.", Some(45_000)),
        ("**45k**", Some(45_000)),
        ("~45,000 tokens (a guess of 3 people)", Some(45_000)),
        ("45_000", Some(45_000)),
        ("4_5k", Some(45_000)),
        ("1,234,567", Some(1_234_567)),
        ("0.5M", Some(500_000)),
        ("1.234567m tokens", Some(1_234_567)),
        ("0.0015k", Some(1)),
        ("1", Some(1)),
        ("100M", Some(MAX)),
        ("100000000", Some(MAX)),
        ("100000001", None),
        ("100.000001M", None),
        ("1000000000 tokens", None),
        ("999999999M", None),
        ("99999999999999999999999999999999999999", None),
        ("0", None),
        ("0.0001k", None),
        ("-5", None),
        ("45.000", None),
        ("1.2345678M", None),
        ("45,5k", None),
        ("4500,000", None),
        (",450", None),
        ("450,", Some(450)),
        ("1.2.3k", None),
        ("30-60k", None),
        ("30k - 60k", None),
        ("45 files", None),
        ("45G", None),
        ("many", None),
    ] {
        let body = format!("- Estimated context: {text}");
        assert_eq!(said(read_body(&body).estimated_tokens), tokens, "{text}");
    }
    const MAX: u64 = value::MAX_TOKENS;
}

#[test]
fn files_are_read_from_a_line_or_a_list() {
    for (body, files) in [
        ("Files: a.rs, src/b c.rs, `d e.rs`", vec!["a.rs", "d e.rs"]),
        ("Files: `a,b.rs`, c`.rs", vec!["a", "b.rs", "c`.rs"]),
        ("Files: `a,b.rs`,`c.rs`", vec!["a,b.rs", "c.rs"]),
        ("Files: **a.rs**, **/*.rs, *", vec!["a.rs", "**/*.rs", "*"]),
        ("Files: **a.rs, b.rs**", vec!["a.rs", "b.rs"]),
        ("Files: a.rs, a.rs", vec!["a.rs"]),
        ("Files: __init__.py (new), b.rs - old", vec!["__init__.py", "b.rs"]),
        ("Files:\n- `a.rs`: the parser\n- [ ] b.rs\n\n- c.rs\nno file\n\nd.rs", vec!["a.rs", "b.rs", "c.rs"]),
        ("## Files\n\na.rs, b.rs\nc.rs", vec!["a.rs", "b.rs"]),
        ("- Files:\n  - a.rs\n  - b.rs\n- c.rs", vec!["a.rs", "b.rs"]),
        ("Files:\n- a.rs\n- Difficulty: hard\n- b.rs", vec!["a.rs"]),
        ("Files: none", vec![]),
    ] {
        let files: Vec<String> = files.into_iter().map(str::to_owned).collect();
        assert_eq!(said(read_body(body).files), Some(files), "{body}");
    }
    for body in ["Files: see the list below", "## Files\n\nThere are many.\n- a.rs", "Files:", "Files: ``, -"]
    {
        assert_eq!(read_body(body).files, None, "{body}");
    }
}

#[test]
fn issues_are_named_by_number_or_repository_and_never_by_address() {
    for (body, issues) in [
        ("Blocked by: #3", vec!["acme/app#3"]),
        ("blocked-by: #3, owner/other#2; and #4.", vec!["acme/app#3", "owner/other#2", "acme/app#4"]),
        ("Depends on: issue #3 (the parser), ACME/App#3", vec!["acme/app#3"]),
        (
            "**Blocked by:** **#3**, `#4`, _#5_, __owner/x#6__, _o/_x#7",
            vec!["acme/app#3", "acme/app#4", "acme/app#5", "owner/x#6", "_o/_x#7"],
        ),
        ("### Blocked by: #3", vec!["acme/app#3"]),
        (
            "## Blocked by\n- #3 the parser\n- [x] owner/other#2\n\ntext #9",
            vec!["acme/app#3", "owner/other#2"],
        ),
        ("Blocked by:\n#3 #4\n#5", vec!["acme/app#3", "acme/app#4"]),
        ("Blocked by: [#3](https://x.example/a/b/issues/3), <https://x.example/a/b#4>", vec!["acme/app#3"]),
        ("Blocked by: #3 because of https://x.example/a/b/issues/4#issuecomment-5", vec!["acme/app#3"]),
        ("Blocked by: none", vec![]),
        ("Blocked by: -", vec![]),
    ] {
        let issues: Vec<String> = issues.into_iter().map(str::to_owned).collect();
        assert_eq!(blocked_by(body), Some(issues), "{body}");
    }
    for body in [
        "Blocked by: https://x.example/acme/app/issues/3",
        "Blocked by: #0, #-1, #+2, #99999999999999999999, #3x, x#3, ../..#3, a/b/c#3, #",
        "Blocked by: é_ é_#__ the weather",
        "Blocked by #3",
        "This depends on: #3",
        "Blocked by:\n\n## Other\n#3",
    ] {
        assert_eq!(blocked_by(body), None, "{body}");
    }
}

#[test]
fn an_issue_that_names_itself_is_kept_for_the_graph_to_report() {
    let read = read_body("Blocks: #7, #7");
    assert_eq!(said(read.blocks), Some(vec![IssueRef::new(repo(), 7)]));
}

#[test]
fn names_are_single_words() {
    for (text, name) in [
        ("small", Some("small")),
        ("`gpt-5.1:free`", Some("gpt-5.1:free")),
        ("_small_", Some("small")),
        ("**vendor/model_x** (cheap)", Some("vendor/model_x")),
        ("small.", Some("small")),
        ("the one we had", None),
        ("-", None),
        ("a\u{7}b", None),
        (&"x".repeat(101), None),
    ] {
        assert_eq!(said(read_body(&format!("Model: {text}")).model).as_deref(), name, "{text}");
        assert_eq!(said(read_body(&format!("Agent: {text}")).agent).as_deref(), name, "{text}");
    }
    assert_eq!(read_body("## Model\n\n- User\n- Post").model, None);
    assert_eq!(said(read_body("## Model\n\nsmall").model).as_deref(), Some("small"));
}

#[test]
fn an_acceptance_list_keeps_its_points_in_order() {
    for (body, points) in [
        ("## Acceptance\n- a\n- [ ] b\n- [x] c\n1. d", vec!["a", "b", "c", "d"]),
        (
            "Acceptance criteria:\n\n* a\n\n* b\n  more\nand more\n\nother text\n* c",
            vec!["a", "b more and more"],
        ),
        ("**Acceptance**\nAll of:\n- a: b\n  - Files: are formatted", vec!["a: b", "Files: are formatted"]),
        ("## Acceptance\n- a\n## Other\n- b", vec!["a"]),
        ("## Acceptance\n- a\nDifficulty: hard\n- b", vec!["a"]),
        ("- Acceptance:\n  - a\n  - b\n- Difficulty: hard", vec!["a", "b"]),
        ("Acceptance: all tests pass", vec!["all tests pass"]),
        ("Acceptance: all of\n- a\n- b", vec!["a", "b"]),
    ] {
        let points: Vec<String> = points.into_iter().map(str::to_owned).collect();
        assert_eq!(said(read_body(body).acceptance), Some(points), "{body}");
    }
    assert_eq!(read_body("## Acceptance\n\nIt works.").acceptance, None);
    let after = read_body("- Acceptance:\n  - a\n- Difficulty: hard");
    assert_eq!(said(after.difficulty), Some(Difficulty::Hard));
}

#[test]
fn a_block_says_all_that_key_lines_say() {
    let read = read_body(
        "```mosaic\ndifficulty = 'Hard'\nestimated_context = 45_000\nfiles = ['a b.rs', 'c,d.rs']\nagent = 'claude'\n\
         model = 'small'\npriority = 'low'\nblocks = ['#4', 'owner/other#2']\nblocked_by = [3]\nacceptance = ['a', ' b ']\n```",
    );
    let from = |text: &str| text.parse::<IssueRef>().unwrap();
    let whole = Metadata {
        difficulty: block(Difficulty::Hard),
        estimated_tokens: block(45_000),
        files: block(vec!["a b.rs".to_owned(), "c,d.rs".to_owned()]),
        agent: block("claude".to_owned()),
        model: block("small".to_owned()),
        priority: block(Priority::Low),
        blocks: block(vec![from("acme/app#4"), from("owner/other#2")]),
        blocked_by: block(vec![from("acme/app#3")]),
        acceptance: block(vec!["a".to_owned(), "b".to_owned()]),
    };
    assert_eq!(read, whole);
}

fn block<T>(value: T) -> Option<Field<T>> {
    Some(Field { value, source: Source::Block })
}

#[test]
fn a_broken_block_is_passed_over_entry_by_entry() {
    let read = read_body(
        "~~~ Mosaic\njunk\ndifficulty = hard\nmodel = \"small\"\nfiles = [\n  'a.rs',\n  'b.rs',\n]\nmodel = 'large'\n\
         estimated_context = '45k'\nblocked_by = ['#3'] ]\nagent = 'claude'\nmore junk\npriority = 3\n[section]\nblocks = ['#9']\n~~~",
    );
    let expected = Metadata {
        model: block("small".to_owned()),
        files: block(vec!["a.rs".to_owned(), "b.rs".to_owned()]),
        estimated_tokens: block(45_000),
        agent: block("claude".to_owned()),
        ..Metadata::default()
    };
    assert_eq!(read, expected);
}

#[test]
fn values_of_the_wrong_kind_in_a_block_stay_unknown() {
    let read = read_body(
        "```mosaic\ndifficulty = 3\nestimated_context = 4.5\nfiles = [1, true]\nblocks = [[]]\nblocked_by = ['x', '#3']\n\
         acceptance = ''\nagent = []\nunheard = 'of'\n[model]\nname = 'x'\n```",
    );
    assert_eq!(read, Metadata { blocked_by: block(vec![IssueRef::new(repo(), 3)]), ..Metadata::default() });
    let empty = read_body("```mosaic\nblocks = []\nfiles = 'a.rs, b.rs'\nacceptance = 'works'");
    let expected = Metadata {
        blocks: block(Vec::new()),
        files: block(vec!["a.rs".to_owned(), "b.rs".to_owned()]),
        acceptance: block(vec!["works".to_owned()]),
        ..Metadata::default()
    };
    assert_eq!(empty, expected);
}

#[test]
fn the_block_is_trusted_before_the_line_and_the_line_before_the_label() {
    let labels =
        ["bug", "Difficulty/Hard", "priority: high", "difficulty/easy", "model/x"].map(str::to_owned);
    let read = |body| {
        let read = read(&IssueText { repo: &repo(), body, labels: &labels });
        assert_eq!(read.model, None);
        (read.difficulty.unwrap(), read.priority.unwrap())
    };
    let field = |value, source| Field { value, source };
    assert_eq!(
        read("nothing"),
        (field(Difficulty::Hard, Source::Label), Field { value: Priority::High, source: Source::Label })
    );
    assert_eq!(
        read("Difficulty: medium\n\n```mosaic\npriority = 'low'\n```\n```mosaic\npriority = 'high'\n```"),
        (field(Difficulty::Medium, Source::Line), Field { value: Priority::Low, source: Source::Block })
    );
    assert_eq!(
        read("Difficulty: medium\n```mosaic\ndifficulty = 'easy'\n```").0,
        field(Difficulty::Easy, Source::Block)
    );
}

#[test]
fn a_model_only_fills_what_the_text_left_unsaid() {
    let by_text = read_body("Difficulty: hard");
    let by_model = read_body("Difficulty: easy\nPriority: low");
    let merged = merge(by_text.clone(), Some(by_model));
    assert_eq!(merged.difficulty, by_text.difficulty);
    assert_eq!(merged.priority, Some(Field { value: Priority::Low, source: Source::Model }));
    assert_eq!(merge(by_text.clone(), None), by_text);
    assert_eq!(by_text.priority_in_force(), Field { value: Priority::Normal, source: Source::Default });
    assert_eq!(Metadata::default().difficulty_in_force().value, Difficulty::Medium);
}

/// Texts that would take many minutes where work grew with the square of their length.
#[test]
#[allow(clippy::disallowed_methods)]
fn time_grows_with_the_text_and_no_faster() {
    let start = std::time::Instant::now();
    let size = 1 << 18;
    for unit in [
        "<!--",
        "`<!--",
        "a<!--",
        "-->",
        "- ",
        "1. ",
        "* ",
        ">",
        "#",
        "`",
        "```mosaic\n",
        "~~~\n",
        "*",
        "_",
        ":",
        "Files:\n",
        "Files: `a,",
        "- a\n",
        "Difficulty: easy,",
        "\t",
        "    x\n",
        "9,999",
        "#1 ",
        "é_#1",
    ] {
        let body = unit.repeat(size / unit.len());
        let _ = read_body(&body);
        let _ = read_body(&format!("Blocked by: {body}"));
        let _ = read_body(&format!("Files: {body}"));
        let _ = read_body(&format!("Estimated context: {body}"));
        let _ = read_body(&format!("## Acceptance\n- {body}"));
    }
    for unit in ["[", "a = [", "{a=", "model = 'x'\n", "'''", "model = [\n", "a.", "= "] {
        let _ = read_body(&format!("```mosaic\nmodel = {}", unit.repeat(size / 4 / unit.len())));
    }
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}
