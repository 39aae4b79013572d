//! How a gate's outcome is read: one file per kind of report.
//!
//! Promises a verdict for whatever a gate left behind. Never trusts a report over a failing exit code, and never
//! follows a symbolic link to one.

pub mod exit;
pub mod lcov;

use std::path::Path;

use crate::{
    domain::gate::{GateParser, Verdict},
    files::{FileError, read_beneath},
};

/// Longest coverage report that is read.
const REPORT_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// What a parser makes of a gate that ended by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What came out.
    pub verdict: Verdict,
    /// Why, where the exit code does not say it all.
    pub detail: Option<String>,
    /// Covered lines in percent, where measured.
    pub line_percent: Option<f64>,
}

/// Reads the outcome of a gate that ended with `code` (`None` after `signal`) in `checkout`.
pub fn read(parser: &GateParser, checkout: &Path, code: Option<i32>, signal: Option<i32>) -> Reading {
    let by_exit = exit::read(code, signal);
    match parser {
        GateParser::Exit => by_exit,
        GateParser::Lcov { report, min_line_percent } => {
            with_coverage(by_exit, checkout, Path::new(report), *min_line_percent)
        }
    }
}

fn with_coverage(by_exit: Reading, checkout: &Path, report: &Path, least_percent: f64) -> Reading {
    let measured = measure(checkout, report);
    if by_exit.verdict != Verdict::Green {
        return Reading { line_percent: measured.ok(), ..by_exit };
    }
    match measured {
        Err(why) => red(why, None),
        Ok(percent) if percent < least_percent => red(
            format!("line coverage is {percent:.2} %, less than the {least_percent} % asked for"),
            Some(percent),
        ),
        Ok(percent) => Reading { line_percent: Some(percent), ..by_exit },
    }
}

fn red(detail: String, line_percent: Option<f64>) -> Reading {
    Reading { verdict: Verdict::Red, detail: Some(detail), line_percent }
}

/// Line coverage in percent, or in a sentence why there is none.
fn measure(checkout: &Path, report: &Path) -> Result<f64, String> {
    let content = read_beneath(checkout, report, REPORT_MAX_BYTES).map_err(|error| match error {
        FileError::Missing(path) => format!("the coverage report `{}` was not written", path.display()),
        other => format!("the coverage report is refused: {other}"),
    })?;
    lcov::line_coverage(&String::from_utf8_lossy(&content))
        .percent()
        .ok_or_else(|| format!("the coverage report `{}` names no line of code", report.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn lcov(report: &str, min_line_percent: f64) -> GateParser {
        GateParser::Lcov { report: report.to_owned(), min_line_percent }
    }

    fn checkout(report: &str) -> tempfile::TempDir {
        let checkout = tempfile::tempdir().unwrap();
        fs::write(checkout.path().join("lcov.info"), report).unwrap();
        checkout
    }

    #[test]
    fn enough_coverage_is_green_and_its_share_kept() {
        let checkout = checkout("SF:a\nDA:1,1\nDA:2,0\n");
        let reading = read(&lcov("lcov.info", 50.0), checkout.path(), Some(0), None);
        assert_eq!(reading, Reading { verdict: Verdict::Green, detail: None, line_percent: Some(50.0) });
    }

    #[test]
    fn too_little_coverage_is_red_and_says_so() {
        let checkout = checkout("SF:a\nDA:1,1\nDA:2,0\nDA:3,0\n");
        let reading = read(&lcov("lcov.info", 85.0), checkout.path(), Some(0), None);
        assert_eq!(reading.verdict, Verdict::Red);
        assert_eq!(reading.detail.unwrap(), "line coverage is 33.33 %, less than the 85 % asked for");
    }

    #[test]
    fn a_missing_or_empty_report_is_red_and_says_so() {
        let checkout = checkout("TN:\n");
        let missing = read(&lcov("none.info", 0.0), checkout.path(), Some(0), None);
        assert_eq!(missing.verdict, Verdict::Red);
        assert_eq!(missing.detail.unwrap(), "the coverage report `none.info` was not written");
        let empty = read(&lcov("lcov.info", 0.0), checkout.path(), Some(0), None);
        assert_eq!(empty.verdict, Verdict::Red);
        assert_eq!(empty.detail.unwrap(), "the coverage report `lcov.info` names no line of code");
    }

    #[test]
    fn a_report_behind_a_symbolic_link_is_red() {
        let checkout = checkout("SF:a\nDA:1,1\n");
        std::os::unix::fs::symlink(checkout.path().join("lcov.info"), checkout.path().join("link")).unwrap();
        let reading = read(&lcov("link", 0.0), checkout.path(), Some(0), None);
        assert_eq!(reading.verdict, Verdict::Red);
        assert!(reading.detail.unwrap().contains("symbolic links are not followed"));
    }

    #[test]
    fn a_failing_exit_code_is_red_whatever_the_report_says() {
        let checkout = checkout("SF:a\nDA:1,1\n");
        let reading = read(&lcov("lcov.info", 50.0), checkout.path(), Some(1), None);
        assert_eq!(reading, Reading { verdict: Verdict::Red, detail: None, line_percent: Some(100.0) });
    }
}
