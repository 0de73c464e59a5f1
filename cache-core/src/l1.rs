//! The in-process tier: entries by key, bounded by bytes at all times.
//!
//! It knows no function and no value type. An entry counts for its value, its key and a fixed
//! overhead; entries whose value cannot be weighed are bounded by number as well.

mod lru;
mod unweighed;

use std::{
    any::{Any, TypeId},
    fmt,
    hash::{BuildHasherDefault, Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use quick_cache::{Equivalent, OptionsBuilder};
use smallvec::SmallVec;

use self::{lru::LruTier, unweighed::Unweighed};
use crate::{clock::Nanos, key::KeyWriter, stats::Counters};

/// What an entry costs beside its key and its value: the map's slot, the node and its allocation.
const ENTRY_OVERHEAD: usize = 160;

/// Smaller shards would refuse values that the whole cache has room for.
const MIN_SHARD_BYTES: u64 = 4 << 20;

/// The byte key of an entry, with the function it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    hash: u64,
    function: TypeId,
    bytes: SmallVec<[u8; 24]>,
}

/// A borrowed [`Key`]: what a hit looks up without an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyRef<'a> {
    hash: u64,
    pub(crate) function: TypeId,
    bytes: &'a [u8],
}

impl<'a> KeyRef<'a> {
    #[inline]
    pub(crate) fn new(function: TypeId, key: &'a KeyWriter) -> Self {
        let mut mixed = Passed(0);
        function.hash(&mut mixed);
        Self {
            hash: key.hash() ^ mixed.0,
            function,
            bytes: key.as_bytes(),
        }
    }

    pub(crate) fn to_key(self) -> Key {
        Key {
            hash: self.hash,
            function: self.function,
            bytes: SmallVec::from_slice(self.bytes),
        }
    }
}

impl Key {
    pub(crate) fn as_ref(&self) -> KeyRef<'_> {
        KeyRef {
            hash: self.hash,
            function: self.function,
            bytes: &self.bytes,
        }
    }
}

impl Hash for KeyRef<'_> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Hash for Key {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    #[inline]
    fn equivalent(&self, key: &Key) -> bool {
        self.hash == key.hash && self.function == key.function && self.bytes == &*key.bytes
    }
}

/// The hasher of maps whose keys bring a hash with them: of byte keys, and of `TypeId`s, which are
/// hashes. Passes it on.
pub(crate) type KeyHasher = BuildHasherDefault<Passed>;

/// A hash on its way from a key to a map.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Passed(u64);

impl Hasher for Passed {
    #[inline]
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

/// An entry with a value of a type that only its function knows.
pub(crate) trait Stored: Any + Send + Sync {
    fn entry(&self) -> &Entry;
}

impl fmt::Debug for dyn Stored {
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
    /// Bytes of the value.
    size: u32,
    /// Bytes that were added to the counters; zero while the entry is in no tier.
    counted: AtomicU32,
    is_weighed: bool,
}

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
            size: u32::try_from(size).unwrap_or(u32::MAX),
            counted: AtomicU32::new(0),
            is_weighed,
        }
    }

    #[inline]
    pub(crate) fn is_fresh(&self, now: Nanos) -> bool {
        now < self.expires
    }

    #[inline]
    pub(crate) fn count_hit(&self) {
        self.counters.hits.add_one();
    }

    pub(crate) fn created(&self) -> Nanos {
        self.created
    }

    pub(crate) fn expires(&self) -> Nanos {
        self.expires
    }

    fn weight_under(&self, key: &Key) -> u64 {
        let heap_of_key = if key.bytes.spilled() {
            key.bytes.len()
        } else {
            0
        };
        (ENTRY_OVERHEAD + heap_of_key) as u64 + u64::from(self.size)
    }

    fn count(&self, key: &Key) {
        let weight = u32::try_from(self.weight_under(key)).unwrap_or(u32::MAX);
        if self.counted.swap(weight, Relaxed) == 0 {
            self.counters.entries.fetch_add(1, Relaxed);
            self.counters.bytes.fetch_add(u64::from(weight), Relaxed);
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
        }
    }
}

/// Which entry leaves when memory is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Eviction {
    /// S3-FIFO as `quick_cache` has it: one scan of cold keys does not wash out the hot ones, and a
    /// hit takes only a shared lock. Measured near the best of all policies on most real traces.
    #[default]
    Adaptive,
    /// The entry that was not used for the longest time. One lock for all keys: slower, predictable.
    Lru,
}

/// What one insertion pushed out, to be dropped where no lock is held: a value's own `Drop` may do
/// anything.
#[derive(Debug, Default)]
pub(crate) struct Evicted {
    inserted: Option<(Key, Arc<dyn Stored>)>,
    nodes: SmallVec<[Arc<dyn Stored>; 2]>,
}

impl Evicted {
    fn by(key: &Key, node: &Arc<dyn Stored>) -> Self {
        Self {
            inserted: Some((key.clone(), Arc::clone(node))),
            nodes: SmallVec::new(),
        }
    }

    /// Takes an entry that left, and counts why: too heavy itself, replaced, or evicted.
    fn take(&mut self, key: &Key, node: Arc<dyn Stored>) {
        let counters = &node.entry().counters;
        match &self.inserted {
            Some((_, inserted)) if Arc::ptr_eq(inserted, &node) => {
                counters.rejected.fetch_add(1, Relaxed);
            }
            Some((inserted, _)) if inserted == key => {}
            _ => {
                counters.evictions.fetch_add(1, Relaxed);
            }
        }
        self.nodes.push(node);
    }
}

/// The in-process tier of one cache.
#[derive(Debug)]
pub(crate) struct L1 {
    tier: Tier,
    limit: u64,
    unweighed: Unweighed,
}

type AdaptiveTier = quick_cache::sync::Cache<Key, Arc<dyn Stored>, Weigher, KeyHasher, Evictor>;

#[derive(Debug)]
enum Tier {
    Adaptive(AdaptiveTier),
    Lru(LruTier),
}

impl L1 {
    /// A tier of at most `limit` bytes, and at most `unweighed_limit` entries per function whose
    /// values cannot be weighed.
    pub(crate) fn new(limit: u64, eviction: Eviction, unweighed_limit: usize) -> Self {
        let tier = match eviction {
            Eviction::Adaptive => Tier::Adaptive(adaptive(limit)),
            Eviction::Lru => Tier::Lru(LruTier::new(limit)),
        };
        Self {
            tier,
            limit,
            unweighed: Unweighed::new(unweighed_limit),
        }
    }

    #[inline]
    pub(crate) fn get(&self, key: &KeyRef<'_>) -> Option<Arc<dyn Stored>> {
        match &self.tier {
            Tier::Adaptive(cache) => cache.get(key),
            Tier::Lru(lru) => lru.get(key),
        }
    }

    /// Puts an entry in place of the one of its key. One that is heavier than its shard allows is not
    /// kept, and neither is the entry it was to replace.
    #[must_use = "dropping an entry runs the value's `Drop`: do it where no lock is held"]
    pub(crate) fn insert(&self, key: &Key, node: Arc<dyn Stored>) -> Evicted {
        let mut evicted = Evicted::by(key, &node);
        let entry = node.entry();
        entry.count(key);
        if !entry.is_weighed {
            for (key, oldest) in self.unweighed.admit(&entry.counters, key, &node) {
                if self
                    .remove_if(&key, |there| Arc::ptr_eq(there, &oldest))
                    .is_some()
                {
                    evicted.take(&key, oldest);
                }
            }
        }
        match &self.tier {
            Tier::Adaptive(cache) => cache.insert_with_lifecycle(key.clone(), node, &mut evicted),
            Tier::Lru(lru) => lru.insert(key.clone(), node, &mut evicted),
        }
        evicted
    }

    pub(crate) fn remove(&self, key: &Key) -> Option<Arc<dyn Stored>> {
        self.remove_if(key, |_| true)
    }

    fn remove_if(
        &self,
        key: &Key,
        is_it: impl Fn(&Arc<dyn Stored>) -> bool,
    ) -> Option<Arc<dyn Stored>> {
        match &self.tier {
            Tier::Adaptive(cache) => cache.remove_if(key, is_it).map(|(_, node)| node),
            Tier::Lru(lru) => lru.remove_if(key, is_it),
        }
    }

    pub(crate) fn clear(&self) {
        match &self.tier {
            Tier::Adaptive(cache) => cache.clear(),
            Tier::Lru(lru) => lru.clear(),
        }
    }

    pub(crate) fn entries(&self) -> u64 {
        match &self.tier {
            Tier::Adaptive(cache) => cache.len() as u64,
            Tier::Lru(lru) => lru.entries(),
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        match &self.tier {
            Tier::Adaptive(cache) => cache.weight(),
            Tier::Lru(lru) => lru.bytes(),
        }
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }
}

fn adaptive(limit: u64) -> AdaptiveTier {
    let cores = std::thread::available_parallelism().map_or(4, std::num::NonZero::get);
    // A power of two, as the cache would make of it, rounded down so that no shard is too small.
    let most = 1 << (limit / MIN_SHARD_BYTES).max(1).ilog2();
    let shards = (cores * 4).next_power_of_two().min(most);
    let options = OptionsBuilder::new()
        .shards(shards)
        // A multiple of the shards: the cache rounds each shard's part up.
        .weight_capacity(limit - limit % shards as u64)
        .estimated_items_capacity(
            usize::try_from(limit / 512)
                .unwrap_or(usize::MAX)
                .clamp(32 * shards, 1 << 20),
        )
        // Better over 14 real traces than the crate's own 0.97 and 0.5: 0.794 of the optimum to 0.753.
        .hot_allocation(0.8)
        .ghost_allocation(1.0)
        .build()
        .expect("capacities are given and the allocations lie between 0 and 1");
    quick_cache::sync::Cache::with_options(options, Weigher, KeyHasher::default(), Evictor)
}

#[derive(Clone, Debug)]
struct Weigher;

impl quick_cache::Weighter<Key, Arc<dyn Stored>> for Weigher {
    fn weight(&self, key: &Key, node: &Arc<dyn Stored>) -> u64 {
        node.entry().weight_under(key)
    }
}

#[derive(Clone, Debug)]
struct Evictor;

impl quick_cache::Lifecycle<Key, Arc<dyn Stored>> for Evictor {
    type RequestState = Evicted;

    fn on_evict(&self, evicted: &mut Evicted, key: Key, node: Arc<dyn Stored>) {
        evicted.take(&key, node);
    }
}

#[cfg(test)]
mod tests;
