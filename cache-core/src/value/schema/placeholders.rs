//! The values that places are given, in the order in which they are tried.
//!
//! The first of each kind suits almost all types. The others are for types that refuse it.

/// How many elements a sequence is given, after what the trace itself would choose.
pub(super) const LENGTHS: [usize; 6] = [1, 0, 2, 3, 4, 16];

pub(super) const FLOATS: [f32; 5] = [0.0, 1.0, 0.5, -1.0, 100.0];

pub(super) const CHARS: [char; 4] = ['a', '0', 'A', ' '];

pub(super) const BYTES: [usize; 11] = [0, 16, 4, 32, 8, 12, 20, 24, 64, 1, 2];

pub(super) const ZEROS: [u8; 64] = [0; 64];

pub(super) const INTEGERS: [i64; 9] = [0, 1, 2, 10, 100, 1_000, 2_000, 1_700_000_000, -1];

pub(super) const TEXTS: [&str; 36] = [
    "",
    "0",
    "00000000-0000-0000-0000-000000000000",
    "2000-01-01T00:00:00Z",
    "2000-01-01",
    "00:00:00",
    "2000-01-01T00:00:00",
    "http://localhost/",
    "127.0.0.1",
    "::1",
    "127.0.0.1:80",
    "[::1]:80",
    "127.0.0.0/8",
    "user@example.com",
    "example.com",
    "a",
    "A",
    "en",
    "US",
    "USD",
    "en-US",
    "Mon",
    "Jan",
    "1.0.0",
    "1",
    "UTC",
    "+00:00",
    "PT1S",
    "text/plain",
    "/",
    "true",
    "000000000000000000000000",
    "00000000000000000000000000",
    "00000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "+15555550100",
];

/// The `nth` integer that the type can hold.
pub(super) fn integer<T: TryFrom<i64> + Default>(nth: usize) -> T {
    let mut fitting = INTEGERS.iter().filter_map(|n| T::try_from(*n).ok());
    fitting.nth(nth).unwrap_or_default()
}
