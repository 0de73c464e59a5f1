//! What was evicted lately: whoever asks for it again had no room.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Each takes the place of another one. A power of two.
const PLACES: usize = 1 << 14;
/// What was evicted is counted in such parts of the limit: 2 to the 32nd of them are 42 million times the limit.
const PERCENT: u64 = 100;
/// The lower half of a place.
const LOW: u64 = (1 << 32) - 1;

/// Some keys that left because there was no room, by their hashes: 128 KiB, from the first one on.
#[derive(Debug)]
pub(super) struct EvictedKeys {
    /// Above, of a key its mark; below, how much had been evicted when it was.
    places: OnceLock<Box<[AtomicU64]>>,
    /// What weighs one percent of the limit.
    percent: u64,
    /// All that was evicted so far, in bytes.
    bytes: AtomicU64,
}

/// In the upper half, and never zero.
fn mark_of(key: u64) -> u64 {
    (key & !LOW) | (1 << 32)
}

/// By all bits of the hash: of keys that resemble each other the lower ones may be the same, under one seed in hundreds.
/// This is multiplicative hashing, after Knuth, "The Art of Computer Programming", volume 3, section 6.4.
fn place_of(key: u64) -> usize {
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    let mixed = (key ^ key >> 32).wrapping_mul(GOLDEN);
    usize::try_from(mixed >> (u64::BITS - PLACES.ilog2())).unwrap_or(0)
}

impl EvictedKeys {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            places: OnceLock::new(),
            percent: (limit / PERCENT).max(1),
            bytes: AtomicU64::new(0),
        }
    }

    pub(super) fn add(&self, key: u64, weight: u64) {
        let places = || (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        let places = self.places.get_or_init(places);
        let before = self.bytes.fetch_add(weight, Relaxed);
        let percents = (before + weight) / self.percent;
        places[place_of(key)].store(mark_of(key) | (percents & LOW), Relaxed);
    }

    /// It is there again.
    pub(super) fn remove(&self, key: u64) {
        if self.missing(key).is_some()
            && let Some(places) = self.places.get()
        {
            places[place_of(key)].store(0, Relaxed);
        }
    }

    /// How much more room would have kept it, in percent of the limit, where it was evicted: about as much as was evicted
    /// since.
    pub(super) fn missing(&self, key: u64) -> Option<u64> {
        let place = self.places.get()?[place_of(key)].load(Relaxed);
        let percents = self.bytes.load(Relaxed) / self.percent;
        (place & !LOW == mark_of(key)).then(|| percents.wrapping_sub(place) & LOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_evicted_since_is_what_was_missing() {
        let evicted = EvictedKeys::new(1_000);
        evicted.add(8 << 32, 100);
        assert_eq!(evicted.missing(8 << 32), Some(0));
        for key in 1..=5 {
            evicted.add(key, 100);
        }
        assert_eq!(evicted.missing(8 << 32), Some(50));
        let is_there = |key: &u64| place_of(*key) == place_of(8 << 32);
        let other = (9..1 << 20).map(|n| n << 32).find(is_there).unwrap();
        assert_eq!(evicted.missing(other), None, "the place is another one's");
        evicted.remove(8 << 32);
        assert_eq!(evicted.missing(8 << 32), None);
    }

    #[test]
    fn keys_whose_hashes_end_alike_have_places_of_their_own() {
        let places: std::collections::HashSet<_> = (0..1_000).map(|n| place_of(n << 14)).collect();
        assert!(places.len() > 900, "{} places", places.len());
    }
}
