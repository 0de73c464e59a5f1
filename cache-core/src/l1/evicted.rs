//! What was evicted lately: whoever asks for it again had no room.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering::Relaxed},
};

/// Each takes the place of another one. A power of two.
const PLACES: usize = 1 << 14;

/// Some keys that left because there was no room, by their hashes: 64 KiB, from the first one on.
#[derive(Debug, Default)]
pub(super) struct EvictedKeys(OnceLock<Box<[AtomicU32]>>);

/// Never zero.
fn mark_of(key: u64) -> u32 {
    u32::try_from(key >> 32).unwrap_or(0) | 1
}

fn place_of(key: u64) -> usize {
    usize::try_from(key % PLACES as u64).unwrap_or(0)
}

impl EvictedKeys {
    pub(super) fn add(&self, key: u64) {
        let places = self
            .0
            .get_or_init(|| (0..PLACES).map(|_| AtomicU32::new(0)).collect());
        places[place_of(key)].store(mark_of(key), Relaxed);
    }

    /// It is there again.
    pub(super) fn remove(&self, key: u64) {
        if self.has(key)
            && let Some(places) = self.0.get()
        {
            places[place_of(key)].store(0, Relaxed);
        }
    }

    pub(super) fn has(&self, key: u64) -> bool {
        let places = self.0.get();
        places.is_some_and(|places| places[place_of(key)].load(Relaxed) == mark_of(key))
    }
}
