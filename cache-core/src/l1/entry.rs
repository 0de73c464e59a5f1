//! An entry: a value of a type that only its function knows, with its times and its weight.

use std::{
    any::Any,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use super::unweighed::Place;
use crate::{
    clock::{Clock, Nanos},
    coherence::{Doubt, Guard},
    key::Key,
    stats::Counters,
};

/// What an entry costs beside its value and the heap of its key: the map's slot with the key in it, the
/// node and its allocation. Counted by an allocator.
const ENTRY_OVERHEAD: usize = 200;

/// What was loaded, of a type that only its function knows.
pub(crate) trait Stored: Any + Send + Sync {
    /// The value, where it was no error.
    fn value(&self) -> Option<&dyn Any>;
}

/// An entry with what it is of. The entry is in front: to read it takes no table.
pub(crate) struct Node<V: ?Sized = dyn Stored> {
    entry: Entry,
    stored: V,
}

impl<V> Node<V> {
    pub(crate) fn new(entry: Entry, stored: V) -> Self {
        Self { entry, stored }
    }
}

impl Node {
    #[inline]
    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    pub(crate) fn entry_mut(&mut self) -> &mut Entry {
        &mut self.entry
    }

    #[inline]
    pub(crate) fn stored(&self) -> &dyn Stored {
        &self.stored
    }

    #[inline]
    pub(crate) fn stored_mut(&mut self) -> &mut dyn Stored {
        &mut self.stored
    }

    /// What was loaded, where that was no error.
    pub(crate) fn value(&self) -> Option<&dyn Any> {
        self.stored.value()
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entry().fmt(f)
    }
}

/// The times and the weight of an entry, and where it is counted. With the counts of its `Arc` and a
/// value of one word it fits a cache line: a hit reads no second one.
#[derive(Debug)]
pub(crate) struct Entry {
    created: Nanos,
    expires: Nanos,
    counters: Arc<Counters>,
    /// What else has to hold; nothing where only time makes the entry void.
    guard: Option<Box<Guard>>,
    /// Bytes of the value, and [`WEIGHED`].
    size: u32,
    /// Bytes that were added to the counters; zero while the entry is in no tier.
    counted: AtomicU32,
}

/// Set where the size is that of the value and not only of its type.
const WEIGHED: u32 = 1 << 31;

impl Entry {
    pub(crate) fn new(
        created: Nanos,
        expires: Nanos,
        size: usize,
        is_weighed: bool,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            created,
            expires,
            counters,
            guard: None,
            size: u32::try_from(size).unwrap_or(u32::MAX).min(WEIGHED - 1)
                | if is_weighed { WEIGHED } else { 0 },
            counted: AtomicU32::new(0),
        }
    }

    #[inline]
    pub(crate) fn is_fresh(&self, now: Nanos) -> bool {
        now < self.expires
    }

    /// Whether it may be served: fresh, and nothing that it depends on has changed.
    #[inline]
    pub(crate) fn is_usable(&self, clock: &Clock) -> bool {
        let now = clock.now();
        self.is_fresh(now)
            && match &self.guard {
                None => true,
                Some(guard) => guard.is_usable(clock.system_at(now)),
            }
    }

    /// What is against a fresh entry.
    pub(crate) fn doubt(&self, clock: &Clock) -> Option<Doubt> {
        self.guard.as_ref()?.doubt(clock.system_at(clock.now()))
    }

    pub(crate) fn guard(&self) -> Option<&Guard> {
        self.guard.as_deref()
    }

    pub(crate) fn guard_by(&mut self, guard: Option<Box<Guard>>) {
        self.guard = guard;
    }

    /// It is void at `time` if it is not before.
    pub(crate) fn expire_at(&mut self, time: Nanos) {
        self.expires = self.expires.min(time);
    }

    #[inline]
    pub(crate) fn count_hit(&self) {
        self.counters.hits.add_one();
    }

    pub(crate) fn created(&self) -> Nanos {
        self.created
    }

    /// When it was created, on the system's clock.
    pub(crate) fn made(&self, clock: &Clock) -> Nanos {
        let now = clock.now();
        let age = now.saturating_sub(self.created);
        clock.system_at(now).saturating_sub(age)
    }

    pub(crate) fn expires(&self) -> Nanos {
        self.expires
    }

    /// Bytes of the value.
    pub(crate) fn size(&self) -> usize {
        (self.size & !WEIGHED) as usize
    }

    pub(super) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    pub(super) fn is_weighed(&self) -> bool {
        self.size & WEIGHED != 0
    }

    pub(super) fn weight_under(&self, key: &Key) -> u64 {
        let keys = if self.is_weighed() { 1 } else { 2 };
        let places = if self.is_weighed() {
            0
        } else {
            size_of::<Place>()
        };
        (ENTRY_OVERHEAD + places + keys * key.heap_bytes() + self.size()) as u64
    }

    /// Counts the entry in, until it is dropped.
    pub(super) fn count(&self, key: &Key) {
        let weight = u32::try_from(self.weight_under(key)).unwrap_or(u32::MAX);
        if self.counted.swap(weight, Relaxed) == 0 {
            self.counters.entries.fetch_add(1, Relaxed);
            self.counters.bytes.fetch_add(u64::from(weight), Relaxed);
            self.counters
                .unweighed
                .fetch_add(u64::from(!self.is_weighed()), Relaxed);
        }
    }
}

/// An entry is counted until the last reader lets go of it: however it left its tier, it is counted
/// out exactly once.
impl Drop for Entry {
    fn drop(&mut self) {
        let counted = self.counted.load(Relaxed);
        if counted != 0 {
            self.counters.entries.fetch_sub(1, Relaxed);
            self.counters.bytes.fetch_sub(u64::from(counted), Relaxed);
            self.counters
                .unweighed
                .fetch_sub(u64::from(!self.is_weighed()), Relaxed);
        }
    }
}
