//! What the server's clock shows, from the replies to `TIME`.

use std::time::{Duration, Instant};

use redis::Value;

use crate::{l2::StoreTime, lock::Mutex};

/// How long the tightest of several replies is preferred to a newer one.
const RECENT: Duration = Duration::from_secs(2);

/// The clock of one server.
#[derive(Debug, Default)]
pub(super) struct ServerClock(Mutex<Option<Sample>>);

/// The server's clock showed `micros` at some moment between the two.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) micros: u64,
    pub(super) sent: Instant,
    pub(super) received: Instant,
}

impl ServerClock {
    pub(super) fn at(&self, now: Instant) -> Option<StoreTime> {
        self.0.lock().map(|sample| sample.at(now))
    }

    /// Takes a reply of the server that answered before.
    pub(super) fn observe(&self, sample: Sample) {
        let mut best = self.0.lock();
        if best.is_none_or(|old| !old.is_better_than(&sample)) {
            *best = Some(sample);
        }
    }

    /// Takes a reply of what may be another server.
    pub(super) fn restart(&self, sample: Sample) {
        *self.0.lock() = Some(sample);
    }
}

impl Sample {
    fn at(&self, now: Instant) -> StoreTime {
        let later_by = |then| micros(now.saturating_duration_since(then));
        StoreTime {
            earliest: self.micros.saturating_add(later_by(self.received)),
            latest: self.micros.saturating_add(later_by(self.sent)),
        }
    }

    fn is_better_than(&self, newer: &Self) -> bool {
        let is_recent = newer.received.saturating_duration_since(self.received) < RECENT;
        let is_tighter = self.received.saturating_duration_since(self.sent)
            < newer.received.saturating_duration_since(newer.sent);
        is_recent && is_tighter && self.agrees_with(newer)
    }

    /// Two replies that cannot both be true are of a clock that was set in between.
    fn agrees_with(&self, newer: &Self) -> bool {
        let (old, new) = (self.at(newer.received), newer.at(newer.received));
        old.earliest <= new.latest && new.earliest <= old.latest
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// What a reply to `TIME` says, in microseconds since 1970.
pub(super) fn read_time(reply: &Value) -> Option<u64> {
    let Value::Array(parts) = reply else {
        return None;
    };
    let [seconds, micros] = parts.as_slice() else {
        return None;
    };
    let number = |part: &Value| match part {
        Value::BulkString(bytes) => str::from_utf8(bytes).ok()?.parse::<u64>().ok(),
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    };
    number(seconds)?
        .checked_mul(1_000_000)?
        .checked_add(number(micros)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_another_shape_is_none() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let time = |parts| read_time(&Value::Array(parts));
        assert_eq!(time(vec![bulk("17"), bulk("000042")]), Some(17_000_042));
        assert_eq!(time(vec![bulk("17")]), None);
        assert_eq!(time(vec![bulk("99999999999999999999"), bulk("0")]), None);
        assert_eq!(time(vec![bulk("18446744073709551615"), bulk("0")]), None);
        assert_eq!(read_time(&Value::Okay), None);
    }

    const START: u64 = 1_700_000_000_000_000;

    fn sample(base: Instant, offset: u64, sent: u64, received: u64) -> Sample {
        Sample {
            micros: START + offset,
            sent: base + Duration::from_micros(sent),
            received: base + Duration::from_micros(received),
        }
    }

    #[test]
    fn the_clock_lies_between_the_bounds_and_goes_on() {
        let base = Instant::now();
        let clock = ServerClock::default();
        assert_eq!(clock.at(base), None);
        clock.observe(sample(base, 0, 100, 400));
        let later = base + Duration::from_micros(1_400);
        assert_eq!(
            clock.at(later),
            Some(StoreTime {
                earliest: START + 1_000,
                latest: START + 1_300
            })
        );
    }

    #[test]
    fn the_tightest_reply_is_kept_for_two_seconds() {
        let base = Instant::now();
        let clock = ServerClock::default();
        let width = |at: u64| {
            let time = clock.at(base + Duration::from_micros(at)).unwrap();
            time.latest - time.earliest
        };
        clock.observe(sample(base, 0, 0, 100));
        clock.observe(sample(base, 1_000_000, 1_000_000, 1_000_900));
        assert_eq!(width(1_100_000), 100);
        clock.observe(sample(base, 1_500_000, 1_500_000, 1_500_050));
        assert_eq!(width(1_600_000), 50);
        clock.observe(sample(base, 3_600_000, 3_600_000, 3_600_900));
        assert_eq!(width(3_700_000), 900);
    }

    #[test]
    fn a_clock_that_was_set_is_believed_at_once() {
        let base = Instant::now();
        let clock = ServerClock::default();
        clock.observe(sample(base, 0, 0, 100));
        clock.observe(sample(base, 60_000_000, 500_000, 500_900));
        let time = clock.at(base + Duration::from_micros(500_900)).unwrap();
        assert_eq!(time.earliest, START + 60_000_000);
    }
}
