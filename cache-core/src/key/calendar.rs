//! Dates and moments as text, without the separators that keys leave to their users. One form for all crates of
//! dates and times, so that a change of crate changes no key.

use std::{
    fmt::{self, Display},
    time::Duration,
};

const SECONDS_PER_DAY: i128 = 86_400;

/// A length of time: `90s`, `1.500000000s`.
pub(super) struct Length(pub(super) Duration);

/// A day of the proleptic Gregorian calendar, counted from 1970-01-01: `2026-02-28`.
pub(super) struct Day(pub(super) i128);

/// A time of a day, counted from 1970-01-01T00:00:00: `2026-02-28T235959.500000000Z`.
pub(super) struct Moment {
    pub(super) seconds: i128,
    /// Of a leap second, from 1,000,000,000 on.
    pub(super) nanos: u32,
    /// `Z` for a moment in UTC, nothing for a time that names no place.
    pub(super) zone: &'static str,
}

impl Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}{}s",
            self.0.as_secs(),
            Fraction(self.0.subsec_nanos())
        )
    }
}

impl Display for Day {
    /// In cycles of 400 years whose years start in March, so that a leap day comes last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const FROM_MARCH_OF_YEAR_0: i128 = 719_468;
        const CYCLE: i128 = 146_097;
        const CENTURY: i128 = 36_524;
        const FOUR_YEARS: i128 = 1_461;
        const YEAR: i128 = 365;

        let day = self.0 + FROM_MARCH_OF_YEAR_0;
        let (cycle, day) = (day.div_euclid(CYCLE), day.rem_euclid(CYCLE));
        let century = (day / CENTURY).min(3);
        let day = day - century * CENTURY;
        let (leap, day) = (day / FOUR_YEARS, day % FOUR_YEARS);
        let year = (day / YEAR).min(3);
        let day = day - year * YEAR;
        // From March on, months have 31, 30, 31, 30, 31 days, and again: 153 in five.
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;

        let year = cycle * 400 + century * 100 + leap * 4 + year;
        let (year, month) = if month < 10 {
            (year, month + 3)
        } else {
            (year + 1, month - 9)
        };
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = Day(self.seconds.div_euclid(SECONDS_PER_DAY));
        let second = self.seconds.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let (fraction, zone) = (Fraction(self.nanos), self.zone);
        write!(f, "{day}T{hour:02}{minute:02}{second:02}{fraction}{zone}")
    }
}

struct Fraction(u32);

impl Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            nanos => write!(f, ".{nanos:09}"),
        }
    }
}
