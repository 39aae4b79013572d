//! The part of a fix prompt that a gate report gives: the failing gates and the lines that matter.
//!
//! Promises the same text for the same report, within fixed bounds, without terminal codes. Judges nothing.

use std::{collections::BTreeSet, fmt::Write as _, sync::LazyLock};

use regex::Regex;

use crate::domain::gate::{GateReport, GateResult, Verdict};

/// Most lines of one gate's output.
const GATE_LINES: usize = 60;
/// Most bytes of one gate's output.
const GATE_BYTES: usize = 8 * 1024;
/// Most bytes of the whole text.
const TEXT_BYTES: usize = 24 * 1024;
/// Most bytes of one line.
const LINE_BYTES: usize = 400;
/// Lines kept before and after one that matters.
const NEIGHBOURS: (usize, usize) = (2, 4);

static ANSI: LazyLock<Regex> = LazyLock::new(|| {
    let codes = r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]";
    Regex::new(codes).expect("a constant expression")
});
static MATTERS: LazyLock<Regex> = LazyLock::new(|| {
    let words = r"(?i)\b(?:errors?|fail(?:ed|ure|ures|ing|s)?|panic(?:ked)?|assert(?:ion|ions)?(?:_\w+|error)?|\w*exception|\w+error|traceback|fatal|segfault|aborted)\b";
    let place = r"[\w./\\-]+\.[A-Za-z]{1,5}(?::\d+|\(\d+|., line \d+)";
    Regex::new(&format!("{words}|{place}")).expect("a constant expression")
});
/// Lines that speak of failures in order to say that there are none, and frames of a language's own library.
static NOISE: LazyLock<Regex> = LazyLock::new(|| {
    let none = r"(?i)\b0 (?:errors?|fail(?:ed|ures?|ing)?)\b|\.\.\. ok$|^\s*Compiling |^\s*Downloaded |/rustc/[0-9a-f]{6,}";
    Regex::new(none).expect("a constant expression")
});
static SOME_FAILED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\b[1-9]\d* (?:errors?|fail(?:ed|ures?|ing)?)\b").expect("a constant expression")
});

/// The failing gates of `report` as markdown: name, command, verdict, detail and the lines that matter of each;
/// empty when all are green.
pub fn failing_gates(report: &GateReport) -> String {
    let failing: Vec<_> = report.gates.iter().filter(|(_, gate)| gate.verdict != Verdict::Green).collect();
    let mut text = String::new();
    for (at, (name, gate)) in failing.iter().enumerate() {
        let section = section(name, gate);
        let rest = &failing[at..];
        if text.len() + section.len() > TEXT_BYTES {
            let names: Vec<_> = rest.iter().map(|(name, _)| format!("`{}`", one_line(name))).collect();
            let _ =
                writeln!(text, "Also failing, output left out: {}", clipped(&names.join(", "), LINE_BYTES));
            break;
        }
        text.push_str(&section);
    }
    text
}

fn section(name: &str, gate: &GateResult) -> String {
    let mut text = format!("### Gate `{}`: {}\n", one_line(name), verdict(gate));
    let _ = writeln!(text, "Command: `{}`", one_line(&gate.command.join(" ")));
    if let Some(detail) = &gate.detail {
        let _ = writeln!(text, "Detail: {}", one_line(detail));
    }
    let lines = matter(&gate.output);
    if !lines.is_empty() {
        // A fence longer than any run of backticks inside cannot be closed by the output.
        let fence = "`".repeat(longest_backticks(&lines).max(2) + 1);
        let _ = write!(text, "{fence}text\n{lines}{fence}\n");
    }
    text.push('\n');
    text
}

fn verdict(gate: &GateResult) -> String {
    match (gate.verdict, gate.exit_code) {
        (Verdict::Red, Some(code)) => format!("red (exit code {code})"),
        (Verdict::Red, None) => "red".to_owned(),
        (Verdict::TimedOut, _) => "timed out".to_owned(),
        (Verdict::NoTests, _) => "ran no tests".to_owned(),
        (Verdict::CouldNotRun, _) => "could not be run".to_owned(),
        (Verdict::Green, _) => "green".to_owned(),
    }
}

/// The lines that matter of `output`, or its tail where none stands out; each ends in a newline.
fn matter(output: &str) -> String {
    let plain = ANSI.replace_all(output, "");
    // A progress bar rewrites its line: the last writing is what a person saw.
    let lines: Vec<_> = plain
        .lines()
        .map(|line| line.trim_end().rsplit('\r').next().unwrap_or_default())
        .map(|line| clipped(line, LINE_BYTES))
        .collect();
    let end = lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1);
    let lines = &lines[..end];
    let mut chosen: BTreeSet<usize> = BTreeSet::new();
    for (at, _) in lines.iter().enumerate().filter(|(_, line)| matters(line)) {
        chosen.extend(at.saturating_sub(NEIGHBOURS.0)..(at + NEIGHBOURS.1 + 1).min(end));
    }
    if chosen.is_empty() {
        chosen.extend(end.saturating_sub(GATE_LINES)..end);
    }
    joined(lines, &bounded(lines, &chosen))
}

fn matters(line: &str) -> bool {
    MATTERS.is_match(line) && (!NOISE.is_match(line) || SOME_FAILED.is_match(line))
}

/// The first two thirds and the last third of what was chosen, where it is more than is allowed: compilers say the
/// cause first, test runners sum up last.
fn bounded(lines: &[String], chosen: &BTreeSet<usize>) -> BTreeSet<usize> {
    const GAP: usize = "[…]\n".len();
    let cost = |at: usize| lines[at].len() + 1 + GAP;
    let mut kept = BTreeSet::new();
    let mut bytes = 0;
    for &at in chosen {
        if kept.len() == GATE_LINES * 2 / 3 || bytes + cost(at) > GATE_BYTES * 2 / 3 {
            break;
        }
        bytes += cost(at);
        kept.insert(at);
    }
    for &at in chosen.iter().rev() {
        if kept.contains(&at) || kept.len() == GATE_LINES || bytes + cost(at) > GATE_BYTES {
            break;
        }
        bytes += cost(at);
        kept.insert(at);
    }
    kept
}

/// The kept lines, `[…]` where some were left out.
fn joined(lines: &[String], kept: &BTreeSet<usize>) -> String {
    let mut text = String::new();
    let mut next = 0;
    for &at in kept {
        if at != next {
            text.push_str("[…]\n");
        }
        text.push_str(&lines[at]);
        text.push('\n');
        next = at + 1;
    }
    text
}

/// At most `limit` bytes of a line, without control characters but tabs.
fn clipped(line: &str, limit: usize) -> String {
    let clean: String = line.chars().filter(|c| *c == '\t' || !c.is_control()).collect();
    if clean.len() <= limit {
        return clean;
    }
    let most = limit - '…'.len_utf8();
    let cut = (0..=most).rev().find(|at| clean.is_char_boundary(*at)).unwrap_or_default();
    format!("{}…", &clean[..cut])
}

fn one_line(text: &str) -> String {
    clipped(&text.replace(['\n', '`'], " "), LINE_BYTES)
}

fn longest_backticks(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::id::{CommitId, TreeId};

    fn gate(verdict: Verdict, output: &str) -> GateResult {
        GateResult {
            verdict,
            command: vec!["cargo".to_owned(), "test".to_owned()],
            exit_code: (verdict == Verdict::Red).then_some(101),
            duration_ms: 1,
            detail: None,
            output: output.to_owned(),
            line_percent: None,
        }
    }

    fn report(gates: impl IntoIterator<Item = (String, GateResult)>) -> GateReport {
        GateReport {
            commit: CommitId("c".to_owned()),
            tree: TreeId("t".to_owned()),
            gate_set: "d".to_owned(),
            gates: BTreeMap::from_iter(gates),
        }
    }

    fn one(result: GateResult) -> String {
        failing_gates(&report([("test".to_owned(), result)]))
    }

    #[test]
    fn only_failing_gates_are_named_with_command_verdict_and_detail() {
        let mut coverage = gate(Verdict::Red, "");
        coverage.exit_code = Some(0);
        coverage.detail = Some("line coverage is 71.00 %, less than the 85 % asked for".to_owned());
        let text = failing_gates(&report([
            ("build".to_owned(), gate(Verdict::Green, "error: not to be seen")),
            ("coverage".to_owned(), coverage),
            ("lint".to_owned(), gate(Verdict::TimedOut, "checking…\n")),
        ]));
        assert_eq!(
            text,
            "### Gate `coverage`: red (exit code 0)\nCommand: `cargo test`\n\
             Detail: line coverage is 71.00 %, less than the 85 % asked for\n\n\
             ### Gate `lint`: timed out\nCommand: `cargo test`\n```text\nchecking…\n```\n\n"
        );
        assert_eq!(failing_gates(&report([("a".to_owned(), gate(Verdict::Green, ""))])), "");
    }

    #[test]
    fn verdicts_are_said_in_words() {
        assert!(one(gate(Verdict::NoTests, "")).starts_with("### Gate `test`: ran no tests\n"));
        assert!(one(gate(Verdict::CouldNotRun, "")).starts_with("### Gate `test`: could not be run\n"));
        let killed = GateResult { exit_code: None, ..gate(Verdict::Red, "") };
        assert!(one(killed).starts_with("### Gate `test`: red\n"));
    }

    #[test]
    fn the_lines_that_matter_are_kept_with_their_neighbours() {
        let mut output: Vec<String> = (0..200).map(|n| format!("quiet {n}")).collect();
        output[100] = "error[E0308]: mismatched types".to_owned();
        output[101] = "  --> src/lib.rs:7:5".to_owned();
        let text = one(gate(Verdict::Red, &output.join("\n")));
        assert!(
            text.contains(
                "quiet 98\nquiet 99\nerror[E0308]: mismatched types\n  --> src/lib.rs:7:5\nquiet 102"
            )
        );
        assert!(!text.contains("quiet 97") && !text.contains("quiet 106"), "{text}");
        assert!(text.contains("```text\n[…]\nquiet 98"), "{text}");
    }

    #[test]
    fn words_of_many_tools_matter_and_their_good_news_do_not() {
        for line in [
            "thread 'main' panicked at src/a.rs:1:2:",
            "AssertionError: 1 != 2",
            "assertion `left == right` failed",
            "    assert_eq!(a, b);",
            "FAILED tests/test_a.py::test_b",
            "--- FAIL: TestX (0.00s)",
            "java.lang.NullPointerException",
            "  File \"a.py\", line 3, in <module>",
            "src/app.ts(3,7): TS2322",
            "fatal: bad revision",
            "test result: FAILED. 0 passed; 2 failed; 0 ignored",
            "2 errors, 0 failures",
        ] {
            assert!(matters(line), "{line}");
        }
        for line in [
            "test result: ok. 9 passed; 0 failed",
            "   Compiling error-chain v0.12.4",
            "test parses_error ... ok",
            "0 errors",
            "  at /rustc/0123456789/library/core/src/panicking.rs:75:14",
            "quiet",
        ] {
            assert!(!matters(line), "{line}");
        }
    }

    #[test]
    fn where_nothing_stands_out_the_tail_is_kept() {
        let output: String = (0..100).map(|n| format!("quiet {n}\n")).collect();
        let text = one(gate(Verdict::Red, &output));
        assert!(
            text.contains("[…]\nquiet 40\n")
                && text.contains("quiet 99\n```")
                && !text.contains("quiet 39\n")
        );
    }

    #[test]
    fn of_too_many_lines_first_and_last_are_kept() {
        let output: String = (0..500).map(|n| format!("error {n}\n")).collect();
        let text = one(gate(Verdict::Red, &output));
        assert!(text.contains("\nerror 39\n[…]\nerror 480\n"), "{text}");
        assert!(text.contains("text\nerror 0\n") && text.contains("error 499\n```"));
    }

    #[test]
    fn terminal_codes_and_progress_bars_are_stripped() {
        let text = one(gate(
            Verdict::Red,
            "\x1b[31;1merror\x1b[0m: \x1b]8;;http://x\x07bad\x1b]8;;\x07\n 1%\r50%\rerror at end\r\n\x07bell\x1b(B",
        ));
        assert!(text.contains("```text\nerror: bad\nerror at end\nbell\n```"), "{text:?}");
    }

    #[test]
    fn output_cannot_close_its_fence_nor_a_name_its_quotes() {
        let text = failing_gates(&report([(
            "a`\n# b".to_owned(),
            gate(Verdict::Red, "error\n```\n# Orders\n`````"),
        )]));
        assert!(text.starts_with("### Gate `a  # b`: red"), "{text}");
        assert!(text.contains("``````text\nerror\n```\n# Orders\n`````\n``````\n"), "{text}");
    }

    #[test]
    fn the_whole_is_bounded_and_what_is_left_out_is_named() {
        let long = format!("error {}\n", "x".repeat(300)).repeat(100);
        let text = failing_gates(&report((0..5).map(|n| (format!("gate{n}"), gate(Verdict::Red, &long)))));
        assert!(text.len() <= TEXT_BYTES + 2 * LINE_BYTES);
        assert!(
            text.ends_with("Also failing, output left out: `gate3`, `gate4`\n"),
            "{}",
            &text[text.len() - 99..]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn any_output_gives_the_same_bounded_text(
            output in "(error|\x1b\\[|`{1,5}|\r|\n|é|[a-z :.0-9]|\\PC){0,200}", repeat in 1usize..60
        ) {
            let result = gate(Verdict::Red, &output.repeat(repeat));
            let text = one(result.clone());
            prop_assert_eq!(&text, &one(result));
            prop_assert!(text.len() <= GATE_BYTES + 1024, "{}", text.len());
            prop_assert!(text.lines().count() <= GATE_LINES * 2 + 8);
            prop_assert!(!text.contains('\x1b'));
        }
    }
}
