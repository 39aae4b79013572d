//! LCOV reports: which lines were run, merged over all records of a file.
//!
//! Promises that a line counts once per file, covered when any record says so, and that what it does not know is
//! skipped. Excludes nothing: what is not to be measured is the tool's business.

use std::collections::BTreeMap;

/// Lines seen and lines run, over all files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineCoverage {
    /// Lines that could run.
    pub lines: u64,
    /// Lines that did.
    pub covered: u64,
}

impl LineCoverage {
    /// Share of covered lines in percent; `None` where there are no lines.
    pub fn percent(self) -> Option<f64> {
        (self.lines > 0).then(|| self.covered as f64 * 100.0 / self.lines as f64)
    }
}

/// Reads a report (`SF:` opens a file's record, `DA:line,count` is a line, `end_of_record` closes it).
pub fn line_coverage(report: &str) -> LineCoverage {
    let mut files: BTreeMap<&str, BTreeMap<u64, bool>> = BTreeMap::new();
    let mut file = None;
    for line in report.lines().map(str::trim) {
        if let Some(path) = line.strip_prefix("SF:") {
            file = Some(path.trim());
        } else if line == "end_of_record" {
            file = None;
        } else if let (Some(path), Some((number, hit))) = (file, line.strip_prefix("DA:").and_then(data_line))
        {
            *files.entry(path).or_default().entry(number).or_default() |= hit;
        }
    }
    let all = files.values().flat_map(BTreeMap::values);
    all.fold(LineCoverage::default(), |sum, hit| LineCoverage {
        lines: sum.lines + 1,
        covered: sum.covered + u64::from(*hit),
    })
}

/// `line,count[,checksum]`: the line's number and whether it ran.
fn data_line(text: &str) -> Option<(u64, bool)> {
    let mut parts = text.split(',').map(str::trim);
    let number = parts.next()?.parse().ok()?;
    // Some tools write counts as floats or, after an overflow, below zero.
    let count: f64 = parts.next()?.parse().ok()?;
    Some((number, count > 0.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_counted_and_other_records_skipped() {
        let report = "TN:\nSF:src/a.rs\nFN:1,main\nFNDA:3,main\nDA:1,3\nDA:2,0\nLF:9\nLH:9\nend_of_record\n";
        assert_eq!(line_coverage(report), LineCoverage { lines: 2, covered: 1 });
    }

    #[test]
    fn records_of_one_file_are_merged() {
        let report =
            "SF:a\nDA:1,0\nDA:2,1\nend_of_record\nSF:a\nDA:1,5\nDA:3,0\nend_of_record\nSF:b\nDA:1,0\n";
        assert_eq!(line_coverage(report), LineCoverage { lines: 4, covered: 2 });
    }

    #[test]
    fn carriage_returns_checksums_floats_and_garbage_are_borne() {
        let report =
            "SF:a\r\nDA:1,1,abc==\r\nDA:2,0.0\r\nDA:3,-1\r\nDA:x,1\r\nDA:4\r\nnonsense\r\nend_of_record\r\n";
        assert_eq!(line_coverage(report), LineCoverage { lines: 3, covered: 1 });
    }

    #[test]
    fn lines_outside_of_a_file_count_for_nothing() {
        assert_eq!(line_coverage("DA:1,1\nSF:a\nend_of_record\nDA:2,1\n"), LineCoverage::default());
        assert_eq!(line_coverage("").percent(), None);
    }

    #[test]
    fn the_share_is_exact_at_the_line() {
        assert_eq!(LineCoverage { lines: 20, covered: 17 }.percent(), Some(85.0));
    }

    proptest! {
        #[test]
        fn coverage_is_that_of_the_union_of_all_records(
            records in prop::collection::vec(
                ("[a-c]", prop::collection::vec((1u64..8, 0u32..3), 0..8)), 0..6)
        ) {
            let mut text = String::new();
            let mut expected: BTreeMap<(String, u64), bool> = BTreeMap::new();
            for (file, lines) in &records {
                text.push_str(&format!("SF:{file}\n"));
                for (line, count) in lines {
                    text.push_str(&format!("DA:{line},{count}\n"));
                    *expected.entry((file.clone(), *line)).or_default() |= *count > 0;
                }
                text.push_str("end_of_record\n");
            }
            let coverage = line_coverage(&text);
            prop_assert_eq!(coverage.lines, expected.len() as u64);
            prop_assert_eq!(coverage.covered, expected.values().filter(|hit| **hit).count() as u64);
        }

        #[test]
        fn no_text_makes_it_fail(text in "(SF:|DA:|end_of_record|[0-9,\n]|.){0,60}") {
            let coverage = line_coverage(&text);
            prop_assert!(coverage.covered <= coverage.lines);
        }
    }
}
