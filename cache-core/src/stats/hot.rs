//! The keys of a function that are asked for most, from a sample of its hits.
//!
//! Space-Saving, after Metwally, Agrawal and El Abbadi, "Efficient Computation of Frequent and Top-k Elements in Data
//! Streams", 2005: a key that is not among the counted ones takes the place of the least of them, and its count. So a
//! count is never too low, and too high by no more than an even share of all that was seen.

use std::cell::Cell;

use crate::lock::Mutex;

/// So many keys are counted at a time.
const PLACES: usize = 32;
/// Of so many hits of a thread one is looked at, on average.
const SAMPLE: u64 = 1_024;
/// So much of all that was seen a key has to be for it to be told of: twice as much as it may be wrong by.
const LEAST_PARTS: u64 = PLACES as u64 / 2;

/// Longer texts are cut.
const LONGEST_TEXT: usize = 200;

thread_local! {
    /// How many hits are still to come until one is looked at.
    static LEFT: Cell<u64> = const { Cell::new(SAMPLE) };
    static DICE: Cell<u64> = const { Cell::new(0x9E37_79B9_7F4A_7C15) };
}

/// Whether of these hits one is among those that are looked at. Not each 1,024th: what is asked for in turn would be seen,
/// or not, by its place in that.
pub(crate) fn is_sampled(hits: u64) -> bool {
    let left = LEFT.get();
    if hits < left {
        LEFT.set(left - hits);
        return false;
    }
    let mut dice = DICE.get();
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    DICE.set(dice);
    LEFT.set(SAMPLE / 2 + dice % SAMPLE);
    true
}

#[derive(Debug, Default)]
pub(crate) struct HotKeys(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    counted: Vec<Counted>,
    seen: u64,
}

impl State {
    /// Gives whether the text of the key is wanted.
    fn count(&mut self, hash: u64) -> bool {
        self.seen += 1;
        if let Some(known) = self.counted.iter_mut().find(|known| known.hash == hash) {
            known.count += 1;
            return known.text.is_empty();
        }
        let new = |count| Counted {
            hash,
            text: String::new(),
            count,
        };
        if self.counted.len() < PLACES {
            self.counted.reserve_exact(PLACES - self.counted.len());
            self.counted.push(new(1));
        } else if let Some(least) = self.counted.iter_mut().min_by_key(|known| known.count) {
            *least = new(least.count + 1);
        }
        false
    }
}

#[derive(Debug)]
struct Counted {
    hash: u64,
    text: String,
    count: u64,
}

/// A key that is asked for much more than others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HotKey {
    /// The key, readable: `7:Ada`.
    pub key: String,
    /// The key's share of the hits of its function, in percent.
    pub percent: u64,
}

impl HotKeys {
    /// One more sampled hit of this key, of which `text` gives the text: that is not asked for before the key was seen a
    /// second time.
    pub(crate) fn add(&self, hash: u64, text: impl FnOnce() -> String) {
        if self.0.lock().count(hash) {
            // Not under the lock: a key's own code may do anything.
            let mut text = text();
            text.truncate(text.floor_char_boundary(LONGEST_TEXT));
            let mut state = self.0.lock();
            if let Some(known) = state.counted.iter_mut().find(|known| known.hash == hash) {
                known.text = text;
            }
        }
    }

    /// The hottest first.
    pub(crate) fn snapshot(&self) -> Vec<HotKey> {
        let state = self.0.lock();
        let is_hot =
            |known: &&Counted| !known.text.is_empty() && known.count * LEAST_PARTS > state.seen;
        let mut hot: Vec<_> = state.counted.iter().filter(is_hot).collect();
        hot.sort_by_key(|known| std::cmp::Reverse(known.count));
        let key = |known: &Counted| HotKey {
            key: known.text.clone(),
            percent: 100 * known.count / state.seen,
        };
        hot.into_iter().map(key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_thousand_hits_about_one_is_sampled_however_they_are_told_of() {
        for step in [1, 8, 100] {
            let sampled = (0..10_240_000 / step).filter(|_| is_sampled(step)).count();
            assert!((9_000..=10_500).contains(&sampled), "{sampled}");
        }
    }

    #[test]
    fn a_hot_key_is_found_among_many_and_no_other_is_taken_for_one() {
        let keys = HotKeys::default();
        for id in 0..100_000_u64 {
            let key = if id % 4 == 0 { 7 } else { 1_000 + id };
            keys.add(key, || key.to_string());
        }
        let hot = keys.snapshot();
        assert_eq!(hot.len(), 1, "{hot:?}");
        assert_eq!(hot[0].key, "7");
        assert!((23..28).contains(&hot[0].percent), "{hot:?}");
    }

    #[test]
    fn where_all_are_asked_for_alike_none_is_hot() {
        let keys = HotKeys::default();
        for id in 0..100_000_u64 {
            let key = id.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 1_000;
            keys.add(key, || key.to_string());
        }
        assert_eq!(keys.snapshot(), []);
    }
}
