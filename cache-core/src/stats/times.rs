//! How long something took, as a histogram of powers of two.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// The last bucket takes what took more than 33 s.
const BUCKETS: usize = 27;

/// Times as they are taken. Each goes to the first bucket that ends behind it: after 1 us, 2 us, 4 us, and so on.
#[derive(Debug)]
pub(crate) struct Timer {
    buckets: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
}

impl Default for Timer {
    fn default() -> Self {
        Self {
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            nanos: AtomicU64::new(0),
        }
    }
}

fn bucket_of(time: Duration) -> usize {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let bits = u64::BITS - micros.leading_zeros();
    usize::try_from(bits).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

impl Timer {
    pub(crate) fn add(&self, time: Duration) {
        self.buckets[bucket_of(time)].fetch_add(1, Relaxed);
        self.nanos.fetch_add(crate::clock::nanos(time), Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Times {
        Times {
            buckets: self.buckets.each_ref().map(|count| count.load(Relaxed)),
            total: Duration::from_nanos(self.nanos.load(Relaxed)),
        }
    }
}

/// How long something took, and how often.
///
/// A histogram whose buckets end at 1 us, 2 us, 4 us, and so on up to 33 s, so that no time is off by more than a
/// factor of two; longer ones share one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    buckets: [u64; BUCKETS],
    total: Duration,
}

impl Times {
    pub(super) fn add(&mut self, other: &Self) {
        for (count, more) in self.buckets.iter_mut().zip(other.buckets) {
            *count += more;
        }
        self.total += other.total;
    }

    /// How many times were measured.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The sum of all times.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.total
    }

    /// The exact mean, not from the buckets; zero if there are no times.
    #[must_use]
    pub fn mean(&self) -> Duration {
        let nanos = u64::try_from(self.total.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(nanos.checked_div(self.count()).unwrap_or(0))
    }

    /// The time that this part did not exceed: one in a hundred exceeds `quantile(0.99)`. Within a bucket, times are
    /// taken to be evenly spread. Zero if there are no times.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Duration {
        #[expect(
            clippy::cast_precision_loss,
            reason = "of 2 to the 53rd times one more or less does not matter"
        )]
        let as_float = |count: u64| count as f64;
        let wanted = part.clamp(0.0, 1.0) * as_float(self.count());
        let (mut below, mut starts) = (0.0, Duration::ZERO);
        for (ends, count) in self.buckets() {
            let count = as_float(count);
            if count > 0.0 && below + count >= wanted {
                let within = ends.unwrap_or(starts).saturating_sub(starts);
                return starts + within.mul_f64((wanted - below) / count);
            }
            below += count;
            starts = ends.unwrap_or(starts);
        }
        Duration::ZERO
    }

    /// The end of each bucket, and how many times are in it; the last one has no end.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> + '_ {
        let ends = |place: usize| Duration::from_micros(1 << place);
        let buckets = self.buckets.iter().enumerate();
        buckets.map(move |(place, count)| ((place + 1 < BUCKETS).then(|| ends(place)), *count))
    }
}

/// The mean, the median, and the time that one in a hundred exceeds.
impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [mean, half, most] = [self.mean(), self.quantile(0.5), self.quantile(0.99)];
        write!(f, "{mean:.1?} on average, p50 {half:.1?}, p99 {most:.1?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(micros: &[u64]) -> Times {
        let timer = Timer::default();
        for micros in micros {
            timer.add(Duration::from_micros(*micros));
        }
        timer.snapshot()
    }

    #[test]
    fn each_time_is_in_the_first_bucket_that_ends_behind_it() {
        for micros in [0, 1, 2, 3, 4, 999, 1_000, 1_024, 33_554_431] {
            let times = times(&[micros]);
            let (ends, _) = times.buckets().find(|(_, count)| *count > 0).unwrap();
            let ends = u64::try_from(ends.unwrap().as_micros()).unwrap();
            assert!(micros < ends && ends <= 2 * micros.max(1), "{micros}");
        }
        let longest = times(&[33_554_432, u64::MAX / 2_000]);
        assert_eq!(longest.buckets().last(), Some((None, 2)));
    }

    #[test]
    fn a_quantile_is_off_by_no_more_than_its_bucket() {
        let all: Vec<_> = (1..=10_000).collect();
        let times = times(&all);
        for (part, micros) in [(0.1, 1_000.0), (0.5, 5_000.0), (0.99, 9_900.0)] {
            let found = times.quantile(part).as_secs_f64() * 1e6;
            let off = found / micros;
            assert!((0.5..2.0).contains(&off), "{part}: {found}");
        }
        assert_eq!(times.mean(), Duration::from_nanos(5_000_500));
        assert_eq!(times.count(), 10_000);
    }

    #[test]
    fn of_nothing_all_is_zero() {
        let none = times(&[]);
        assert_eq!((none.mean(), none.quantile(0.5)), Default::default());
        assert_eq!((none.count(), none.total()), Default::default());
    }
}
