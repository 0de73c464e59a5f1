//! Types of other crates as parts of a key, each behind the feature of the crate's name.

#[cfg(feature = "uuid")]
impl super::CacheKey for uuid::Uuid {
    #[inline]
    fn write(&self, key: &mut super::KeyWriter) {
        key.fixed(*self.as_bytes(), self.as_hyphenated());
    }
}

#[cfg(feature = "url")]
impl super::CacheKey for url::Url {
    #[inline]
    fn write(&self, key: &mut super::KeyWriter) {
        key.text(self.as_str());
    }
}

#[cfg(any(feature = "chrono", feature = "time"))]
mod dates {
    use crate::key::{
        KeyWriter,
        calendar::{Day, Moment},
    };

    /// `nanos` on top of `seconds` since 1970.
    #[inline]
    pub(super) fn write_moment(key: &mut KeyWriter, seconds: i64, nanos: u32, zone: &'static str) {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&seconds.to_le_bytes());
        bytes[8..].copy_from_slice(&nanos.to_le_bytes());
        let seconds = i128::from(seconds);
        key.fixed(
            bytes,
            &Moment {
                seconds,
                nanos,
                zone,
            },
        );
    }

    #[inline]
    pub(super) fn write_day(key: &mut KeyWriter, since_1970: i32) {
        key.fixed(since_1970.to_le_bytes(), &Day(i128::from(since_1970)));
    }
}

#[cfg(feature = "chrono")]
mod of_chrono {
    use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeZone};

    use super::dates::{write_day, write_moment};
    use crate::key::{CacheKey, KeyWriter};

    const DAYS_TO_1970: i32 = 719_163;

    /// Equal moments of different offsets are equal, and so are their keys.
    impl<Zone: TimeZone> CacheKey for DateTime<Zone> {
        #[inline]
        fn write(&self, key: &mut KeyWriter) {
            write_moment(key, self.timestamp(), self.timestamp_subsec_nanos(), "Z");
        }
    }

    impl CacheKey for NaiveDateTime {
        #[inline]
        fn write(&self, key: &mut KeyWriter) {
            let utc = self.and_utc();
            write_moment(key, utc.timestamp(), utc.timestamp_subsec_nanos(), "");
        }
    }

    impl CacheKey for NaiveDate {
        #[inline]
        fn write(&self, key: &mut KeyWriter) {
            write_day(key, self.num_days_from_ce() - DAYS_TO_1970);
        }
    }
}

#[cfg(feature = "time")]
mod of_time {
    use time::{Date, OffsetDateTime};

    use super::dates::{write_day, write_moment};
    use crate::key::{CacheKey, KeyWriter};

    const DAYS_TO_1970: i32 = 2_440_588;

    /// Equal moments of different offsets are equal, and so are their keys.
    impl CacheKey for OffsetDateTime {
        #[inline]
        fn write(&self, key: &mut KeyWriter) {
            write_moment(key, self.unix_timestamp(), self.nanosecond(), "Z");
        }
    }

    impl CacheKey for Date {
        #[inline]
        fn write(&self, key: &mut KeyWriter) {
            write_day(key, self.to_julian_day() - DAYS_TO_1970);
        }
    }
}
