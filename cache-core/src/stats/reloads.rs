//! Whether what was loaded again is what was there before, from a sample of the keys of a function.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::lock::Mutex;

/// So many keys are followed at a time.
const PLACES: usize = 256;
/// Of so many keys that would take the place of another one, one does.
const REPLACED: u64 = 16;

/// Values that were loaded again, as they are written to Redis.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    followed: Mutex<Vec<Followed>>,
    pub(crate) compared: AtomicU64,
    pub(crate) same: AtomicU64,
    dice: AtomicU64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Followed {
    key: u64,
    value: u64,
}

impl Reloads {
    /// The value of a key was loaded; both by their hashes.
    pub(crate) fn add(&self, key: u64, value: u64) {
        // Zero is nobody's.
        let new = Followed {
            key: key | 1,
            value,
        };
        let mut followed = self.followed.lock();
        if followed.is_empty() {
            followed.resize(PLACES, Followed::default());
        }
        let place = usize::try_from(key >> 56).unwrap_or(0) % PLACES;
        let old = std::mem::replace(&mut followed[place], new);
        if old.key == new.key {
            self.compared.fetch_add(1, Relaxed);
            self.same.fetch_add(u64::from(old.value == value), Relaxed);
        } else if old.key != 0 && !self.dice.fetch_add(1, Relaxed).is_multiple_of(REPLACED) {
            followed[place] = old;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_keys_that_are_loaded_again_some_are_compared_however_many_there_are() {
        let hash = |key: u64| key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for (keys, least) in [(10, 900), (10_000, 100)] {
            let reloads = Reloads::default();
            for round in 0..100 {
                for key in 0..keys {
                    reloads.add(hash(key), if key % 2 == 0 { 0 } else { round });
                }
            }
            let [compared, same] = [&reloads.compared, &reloads.same].map(|n| n.load(Relaxed));
            assert!(compared >= least, "{compared} of {keys}");
            assert!(same * 3 > compared && same * 3 < 2 * compared, "{same}");
        }
    }
}
