//! What customers have seen, and what is said of many of them.

use std::time::{Duration, Instant};

use crate::ledger::Verdict;

/// One answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// When it should have been asked for. Its latency counts from there, so that who had to wait for his turn is seen.
    pub(crate) due: Instant,
    pub(crate) latency: Duration,
    pub(crate) is_failure: bool,
    pub(crate) verdict: Verdict,
    /// Asked by the demo itself, to see when something has changed: not a customer.
    pub(crate) is_probe: bool,
}

/// What customers have seen in an act.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) requests: usize,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) failures: usize,
    pub(crate) stale: usize,
    pub(crate) untold: usize,
    /// Answers that missed a write which they were allowed to miss, or not, and how long ago the oldest had been
    /// acknowledged.
    pub(crate) late: usize,
    pub(crate) latest: Duration,
}

impl Seen {
    pub(crate) fn of(samples: &[Sample]) -> Self {
        let customers = samples.iter().filter(|sample| !sample.is_probe);
        let mut latencies: Vec<Duration> = customers.map(|sample| sample.latency).collect();
        latencies.sort_unstable();
        let count = |is_so: fn(&Sample) -> bool| samples.iter().filter(|it| is_so(it)).count();
        let late = samples.iter().filter_map(|sample| sample.verdict.late);
        Self {
            requests: latencies.len(),
            p50: percentile(&latencies, 50),
            p99: percentile(&latencies, 99),
            failures: count(|sample| sample.is_failure),
            stale: count(|sample| sample.verdict.is_stale),
            untold: count(|sample| sample.verdict.is_untold),
            late: count(|sample| sample.verdict.late.is_some()),
            latest: late.max().unwrap_or_default(),
        }
    }
}

/// The least of the sorted values that so many in a hundred do not exceed: the nearest rank, and no estimate. Zero of none.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    let value = sorted.get(rank.saturating_sub(1));
    value.copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let hundred: Vec<Duration> = (1..=100).map(ms).collect();
        assert_eq!(percentile(&hundred, 50), ms(50));
        assert_eq!(percentile(&hundred, 99), ms(99));
        assert_eq!(percentile(&hundred, 100), ms(100));
        let five: Vec<Duration> = (1..=5).map(ms).collect();
        assert_eq!(percentile(&five, 50), ms(3));
        assert_eq!(percentile(&five, 99), ms(5));
        assert_eq!(percentile(&five, 0), ms(1));
        assert_eq!(percentile(&[ms(7)], 50), ms(7));
        assert_eq!(percentile(&[], 99), Duration::ZERO);
    }

    #[test]
    fn probes_count_where_they_are_stale_and_not_where_they_are_slow() {
        let sample = Sample {
            due: Instant::now(),
            latency: ms(1),
            is_failure: false,
            verdict: Verdict::default(),
            is_probe: false,
        };
        let probe = Sample {
            latency: ms(100),
            verdict: Verdict {
                is_stale: true,
                late: Some(ms(3_000)),
                ..Verdict::default()
            },
            is_probe: true,
            ..sample
        };
        let seen = Seen::of(&[sample, sample, probe]);
        assert_eq!((seen.requests, seen.p99), (2, ms(1)));
        assert_eq!((seen.stale, seen.late, seen.latest), (1, 1, ms(3_000)));
    }
}
