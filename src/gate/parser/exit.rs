//! The exit code alone: 0 is green; 126 and 127 say that the command could not be run; all else is red.

use super::Reading;
use crate::domain::gate::Verdict;

/// Reads an exit code, or the signal that came instead of one.
pub fn read(code: Option<i32>, signal: Option<i32>) -> Reading {
    let (verdict, detail) = match (code, signal) {
        (Some(0), _) => (Verdict::Green, None),
        (Some(126), _) => {
            (Verdict::CouldNotRun, Some("exit 126: the command could not be executed".to_owned()))
        }
        (Some(127), _) => (Verdict::CouldNotRun, Some("exit 127: the command was not found".to_owned())),
        (Some(_), _) => (Verdict::Red, None),
        (None, Some(signal)) => (Verdict::Red, Some(format!("ended by signal {signal}"))),
        (None, None) => (Verdict::CouldNotRun, Some("its end was not observed".to_owned())),
    };
    Reading { verdict, detail, line_percent: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_zero_is_green() {
        assert_eq!(read(Some(0), None).verdict, Verdict::Green);
        assert_eq!(read(Some(1), None).verdict, Verdict::Red);
        assert_eq!(read(Some(101), None).verdict, Verdict::Red);
    }

    #[test]
    fn a_command_that_cannot_run_is_no_word_on_the_tree() {
        for code in [126, 127] {
            assert_eq!(read(Some(code), None).verdict, Verdict::CouldNotRun);
        }
        assert_eq!(read(None, None).verdict, Verdict::CouldNotRun);
    }

    #[test]
    fn a_signal_is_red_and_named() {
        let reading = read(None, Some(11));
        assert_eq!(reading.verdict, Verdict::Red);
        assert_eq!(reading.detail.unwrap(), "ended by signal 11");
    }
}
