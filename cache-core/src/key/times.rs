//! `Duration` and `SystemTime` as parts of a key.

use std::{
    fmt::{self, Display},
    time::{Duration, SystemTime},
};

use super::{
    CacheKey, KeyWriter,
    calendar::{Length, Moment},
};

impl CacheKey for Duration {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        key.fixed(seconds_and_nanos(*self), &Length(*self));
    }
}

impl CacheKey for SystemTime {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        let epoch = match self.duration_since(Self::UNIX_EPOCH) {
            Ok(distance) => Epoch::Before(distance),
            Err(error) => Epoch::After(error.duration()),
        };
        let (tag, distance) = match epoch {
            Epoch::After(distance) => (0, distance),
            Epoch::Before(distance) => (1, distance),
        };
        let mut bytes = [tag; 13];
        bytes[1..].copy_from_slice(&seconds_and_nanos(distance));
        key.fixed(bytes, &epoch);
    }
}

#[inline]
fn seconds_and_nanos(duration: Duration) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&duration.as_secs().to_le_bytes());
    bytes[8..].copy_from_slice(&duration.subsec_nanos().to_le_bytes());
    bytes
}

/// Where 1970 is from a moment, and how far.
#[derive(Clone, Copy)]
enum Epoch {
    After(Duration),
    Before(Duration),
}

impl Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = match self {
            Self::Before(distance) => (i128::from(distance.as_secs()), distance.subsec_nanos()),
            // Nanoseconds count forwards from a whole second, so that second is the one before.
            Self::After(distance) => {
                match (-i128::from(distance.as_secs()), distance.subsec_nanos()) {
                    (seconds, 0) => (seconds, 0),
                    (seconds, nanos) => (seconds - 1, 1_000_000_000 - nanos),
                }
            }
        };
        let zone = "Z";
        Moment {
            seconds,
            nanos,
            zone,
        }
        .fmt(f)
    }
}
