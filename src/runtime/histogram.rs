//! A lock-free histogram of durations.
//!
//! Promises that a percentile is never below the true one and at most an eighth (and a microsecond) above it, up to 71
//! minutes. Never allocates after its creation and never blocks, neither who observes nor who reads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets per doubling: the relative error is one over this.
const STEPS: u64 = 8;
const STEPS_LOG2: u32 = STEPS.ilog2();
/// Values are capped at 32 bits of microseconds.
const CEILING_US: u64 = u32::MAX as u64;
const BUCKETS: usize = ((32 - STEPS_LOG2 + 1) as u64 * STEPS) as usize;

/// Counts of durations by size, in microseconds.
#[derive(Debug)]
pub(super) struct Histogram {
    counts: Box<[AtomicU64]>,
    max_us: AtomicU64,
}

impl Histogram {
    /// An empty one.
    pub(super) fn new() -> Self {
        Self { counts: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(), max_us: AtomicU64::new(0) }
    }

    /// Takes one duration in.
    pub(super) fn observe(&self, duration: Duration) {
        // Rounded up, so that a percentile never understates.
        let us = u64::try_from(duration.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX).min(CEILING_US);
        self.counts[bucket(us)].fetch_add(1, Ordering::Relaxed);
        self.max_us.fetch_max(us, Ordering::Relaxed);
    }

    /// The least duration, in milliseconds, that at least `percent` of all observed ones do not exceed; 0 when empty.
    pub(super) fn percentile_ms(&self, percent: f64) -> f64 {
        let counts: Vec<u64> = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        if total == 0 {
            return 0.0;
        }
        let rank = ((percent / 100.0 * total as f64).ceil() as u64).clamp(1, total);
        let mut seen = 0;
        let at = counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        let us = at.map_or(CEILING_US, upper_us).min(self.max_us.load(Ordering::Relaxed));
        us as f64 / 1000.0
    }
}

/// Small values have a bucket each; above, every doubling is cut into `STEPS` equal ones.
fn bucket(us: u64) -> usize {
    if us < STEPS {
        return us as usize;
    }
    let octave = us.ilog2() - STEPS_LOG2;
    let step = (us >> octave) - STEPS;
    (u64::from(octave + 1) * STEPS + step) as usize
}

/// The largest value of a bucket.
fn upper_us(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let octave = bucket / STEPS - 1;
    ((bucket % STEPS + STEPS + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn empty_histogram_reads_zero() {
        assert_eq!(Histogram::new().percentile_ms(99.0), 0.0);
    }

    #[test]
    fn percentile_never_exceeds_the_largest_observed() {
        let histogram = Histogram::new();
        histogram.observe(Duration::from_micros(1001));
        assert_eq!(histogram.percentile_ms(50.0), 1.001);
    }

    #[test]
    fn durations_beyond_the_ceiling_are_counted_at_the_ceiling() {
        let histogram = Histogram::new();
        histogram.observe(Duration::MAX);
        assert_eq!(histogram.percentile_ms(50.0), CEILING_US as f64 / 1000.0);
        assert_eq!(bucket(CEILING_US), BUCKETS - 1);
    }

    #[test]
    fn p50_and_p99_tell_a_slow_tail_from_the_middle() {
        let histogram = Histogram::new();
        for _ in 0..98 {
            histogram.observe(Duration::from_millis(1));
        }
        histogram.observe(Duration::from_secs(1));
        histogram.observe(Duration::from_secs(1));
        assert!((1.0..=1.125).contains(&histogram.percentile_ms(50.0)));
        assert_eq!(histogram.percentile_ms(99.0), 1000.0);
    }

    proptest! {
        #[test]
        fn buckets_cover_every_value_without_gap_or_overlap(us in 0..=CEILING_US) {
            let at = bucket(us);
            prop_assert!(us <= upper_us(at));
            prop_assert!(at == 0 || us > upper_us(at - 1));
        }

        #[test]
        fn percentile_is_at_most_an_eighth_above_the_exact_one(
            mut values in prop::collection::vec((0u32..32).prop_flat_map(|bits| 0..=(1u64 << bits)), 1..200),
            percent in 0.0..=100.0f64,
        ) {
            let histogram = Histogram::new();
            for us in &values {
                histogram.observe(Duration::from_micros(*us));
            }
            values.sort_unstable();
            let rank = ((percent / 100.0 * values.len() as f64).ceil() as usize).clamp(1, values.len());
            let exact_ms = values[rank - 1] as f64 / 1000.0;
            let read_ms = histogram.percentile_ms(percent);
            prop_assert!(read_ms >= exact_ms, "{read_ms} < {exact_ms}");
            prop_assert!(read_ms <= exact_ms * 1.125 + 0.001, "{read_ms} > {exact_ms}");
        }
    }
}
