//! How many tokens of context an issue will need at its peak.
//!
//! Owns the defaults by difficulty, the calibration from finished tasks and the test of a hit. A written
//! estimate is taken as it is until ten finished tasks of the repository tell how far off they are. Promises
//! at least one token and the same answer for the same history. All arithmetic is exact integer arithmetic.

use serde::{Deserialize, Serialize};

use super::metadata::Difficulty;

/// Finished tasks that it takes before they calibrate an estimate.
pub const CALIBRATES_FROM: usize = 10;

/// How many of the latest finished tasks are looked at.
pub const CALIBRATION_TASKS: usize = 50;

/// A predicted peak context, in tokens, with how it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// What is predicted, calibrated where there is enough to go by; at least 1.
    pub tokens: u64,
    /// What was written or is the default, before calibration; at least 1.
    pub raw_tokens: u64,
    /// How it was made, in words for a person.
    pub how: String,
}

/// What a finished task teaches: the raw estimate it had and the peak context it reached, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// [`Estimate::raw_tokens`] of that task.
    pub raw_tokens: u64,
    /// The most context that any of its sessions held.
    pub peak_tokens: u64,
}

/// What is assumed of an issue that says nothing, in tokens.
pub fn default_tokens(difficulty: Difficulty) -> u64 {
    match difficulty {
        Difficulty::Easy => 20_000,
        Difficulty::Medium => 60_000,
        Difficulty::Hard => 120_000,
    }
}

/// Estimates an issue from its difficulty, what is written in it and the repository's finished tasks, oldest first.
///
/// Tasks with a zero on either side teach nothing and do not count.
pub fn estimate(difficulty: Difficulty, written_tokens: Option<u64>, history: &[Finished]) -> Estimate {
    let (raw_tokens, origin) = match written_tokens.filter(|&tokens| tokens > 0) {
        Some(tokens) => (tokens, format!("{tokens} tokens as written in the issue")),
        None => {
            let tokens = default_tokens(difficulty);
            (tokens, format!("{tokens} tokens, the default for {} issues", difficulty.word()))
        }
    };
    let usable = |task: &&Finished| task.raw_tokens > 0 && task.peak_tokens > 0;
    let mut latest: Vec<Finished> =
        history.iter().rev().filter(usable).take(CALIBRATION_TASKS).copied().collect();
    if latest.len() < CALIBRATES_FROM {
        return Estimate { tokens: raw_tokens, raw_tokens, how: origin };
    }
    latest.sort_by_key(|task| Ratio(*task));
    let tokens = scaled_by_median(raw_tokens, &latest);
    let how = format!(
        "{origin}, times {}, the median of peak over estimate in the latest {} finished tasks",
        hundredths(scaled_by_median(100, &latest)),
        latest.len()
    );
    Estimate { tokens, raw_tokens, how }
}

/// Whether `estimate_tokens` lies within 20 % of `actual_tokens`, the boundary included.
pub fn within_tolerance(estimate_tokens: u64, actual_tokens: u64) -> bool {
    u128::from(estimate_tokens.abs_diff(actual_tokens)) * 5 <= u128::from(actual_tokens)
}

/// Orders finished tasks by peak over estimate, without a division.
#[derive(PartialEq, Eq)]
struct Ratio(Finished);

impl Ord for Ratio {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let cross = |one: &Self, two: &Self| u128::from(one.0.peak_tokens) * u128::from(two.0.raw_tokens);
        cross(self, other).cmp(&cross(other, self))
    }
}
impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// `tokens` times the median ratio of `sorted` tasks (not empty), to the nearest token, halves up, at least 1.
fn scaled_by_median(tokens: u64, sorted: &[Finished]) -> u64 {
    let scaled = |task: Finished| {
        let raw = u128::from(task.raw_tokens);
        (u128::from(tokens) * u128::from(task.peak_tokens) + raw / 2) / raw
    };
    let low = scaled(sorted[(sorted.len() - 1) / 2]);
    let high = scaled(sorted[sorted.len() / 2]);
    u64::try_from((low + high).div_ceil(2)).unwrap_or(u64::MAX).max(1)
}

/// A number of hundredths as a decimal.
fn hundredths(number: u64) -> String {
    format!("{}.{:02}", number / 100, number % 100)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tasks(count: usize, raw_tokens: u64, peak_tokens: u64) -> Vec<Finished> {
        vec![Finished { raw_tokens, peak_tokens }; count]
    }

    #[test]
    fn an_issue_that_says_nothing_gets_the_default_of_its_difficulty() {
        for (difficulty, tokens) in
            [(Difficulty::Easy, 20_000), (Difficulty::Medium, 60_000), (Difficulty::Hard, 120_000)]
        {
            let made = estimate(difficulty, None, &[]);
            assert_eq!((made.tokens, made.raw_tokens), (tokens, tokens));
            assert!(made.how.contains(difficulty.word()), "{}", made.how);
        }
    }

    #[test]
    fn a_written_estimate_is_taken_as_it_is_until_ten_tasks_are_finished() {
        let made = estimate(Difficulty::Hard, Some(45_000), &tasks(9, 10, 20));
        assert_eq!((made.tokens, made.raw_tokens), (45_000, 45_000));
        assert_eq!(made.how, "45000 tokens as written in the issue");
        let made = estimate(Difficulty::Hard, Some(45_000), &tasks(10, 10, 20));
        assert_eq!((made.tokens, made.raw_tokens), (90_000, 45_000));
        assert_eq!(
            made.how,
            "45000 tokens as written in the issue, times 2.00, the median of peak over estimate in the latest 10 finished tasks"
        );
    }

    #[test]
    fn a_default_is_calibrated_like_a_written_one() {
        assert_eq!(estimate(Difficulty::Easy, None, &tasks(10, 4, 3)).tokens, 15_000);
    }

    #[test]
    fn only_the_latest_fifty_tasks_count() {
        let mut history = tasks(200, 10, 1_000);
        history.extend(tasks(50, 10, 5));
        assert_eq!(estimate(Difficulty::Medium, Some(1_000), &history).tokens, 500);
    }

    #[test]
    fn tasks_without_a_known_peak_teach_nothing() {
        let mut history = tasks(9, 10, 20);
        history.extend(tasks(5, 10, 0));
        history.extend(tasks(5, 0, 10));
        assert_eq!(estimate(Difficulty::Medium, Some(100), &history).tokens, 100);
    }

    #[test]
    fn an_even_number_of_tasks_takes_the_mean_of_the_two_in_the_middle() {
        let mut history = tasks(5, 100, 100);
        history.extend(tasks(5, 100, 200));
        assert_eq!(estimate(Difficulty::Medium, Some(1_000), &history).tokens, 1_500);
    }

    #[test]
    fn a_single_outlier_does_not_move_the_estimate() {
        let mut history = tasks(10, 100, 110);
        history.push(Finished { raw_tokens: 1, peak_tokens: 1_000_000 });
        assert_eq!(estimate(Difficulty::Medium, Some(1_000), &history).tokens, 1_100);
    }

    #[test]
    fn a_written_zero_counts_as_unsaid() {
        assert_eq!(estimate(Difficulty::Easy, Some(0), &[]).tokens, 20_000);
    }

    #[test]
    fn twenty_percent_is_within_the_tolerance_and_a_token_more_is_not() {
        for (estimate, actual, hit) in [
            (80, 100, true),
            (79, 100, false),
            (120, 100, true),
            (121, 100, false),
            (12, 11, true),
            (0, 0, true),
            (1, 0, false),
            (0, 1, false),
            (u64::MAX, u64::MAX, true),
            (0, u64::MAX, false),
        ] {
            assert_eq!(within_tolerance(estimate, actual), hit, "{estimate} for {actual}");
        }
    }

    fn history() -> impl Strategy<Value = Vec<Finished>> {
        prop::collection::vec(
            (any::<u64>(), any::<u64>())
                .prop_map(|(raw_tokens, peak_tokens)| Finished { raw_tokens, peak_tokens }),
            0..80,
        )
    }

    proptest! {
        #[test]
        fn no_history_makes_an_estimate_of_nothing(written in any::<Option<u64>>(), history in history()) {
            let made = estimate(Difficulty::Medium, written, &history);
            prop_assert!(made.tokens >= 1 && made.raw_tokens >= 1);
        }

        #[test]
        fn tasks_that_were_all_off_by_the_same_factor_are_hit(
            raws in prop::collection::vec(1_000..10_000_000_u64, 10..60), percent in 10..1_000_u64, written in 1_000..10_000_000_u64,
        ) {
            let history: Vec<_> = raws.iter().map(|&raw| Finished { raw_tokens: raw, peak_tokens: raw * percent / 100 }).collect();
            prop_assert!(within_tolerance(estimate(Difficulty::Easy, Some(written), &history).tokens, written * percent / 100));
        }

        #[test]
        fn the_estimate_lies_between_the_least_and_the_greatest_ratio(
            pairs in prop::collection::vec((1..1_000_000_u64, 1..1_000_000_u64), 10..=50), written in 1..1_000_000_u64,
        ) {
            let history: Vec<_> = pairs.iter().map(|&(raw_tokens, peak_tokens)| Finished { raw_tokens, peak_tokens }).collect();
            let ratio = |task: &Finished| task.peak_tokens as f64 / task.raw_tokens as f64;
            let least = history.iter().map(ratio).fold(f64::MAX, f64::min);
            let greatest = history.iter().map(ratio).fold(0.0, f64::max);
            let tokens = estimate(Difficulty::Easy, Some(written), &history).tokens as f64;
            prop_assert!(tokens >= written as f64 * least - 1.0 && tokens <= written as f64 * greatest + 1.0);
        }

        #[test]
        fn the_tolerance_is_the_same_as_in_the_report(estimate in 0..1_000_000_u64, actual in 0..1_000_000_u64) {
            let off = estimate.abs_diff(actual);
            prop_assert_eq!(within_tolerance(estimate, actual), off * 100 <= actual * 20);
        }
    }
}
