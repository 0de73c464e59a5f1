//! The in-process tier: entries by key, bounded by bytes at all times.
//!
//! It knows no function and no value type. An entry counts for its value, its key and a fixed
//! overhead; entries whose value cannot be weighed are bounded by number as well.

mod entry;
mod evicted;
mod front;
mod lru;
pub(crate) mod terms;
mod unweighed;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

pub(crate) use entry::{Entry, Node, Stored, Terms};
#[cfg(test)]
pub(crate) use front::begin_anew;
use quick_cache::OptionsBuilder;
use smallvec::SmallVec;

use self::{
    evicted::EvictedKeys,
    lru::LruTier,
    unweighed::{Unweighed, UnweighedEntry},
};
use crate::key::{Key, KeyHasher, KeyRef};

/// Smaller shards would refuse values that the whole cache has room for.
const MIN_SHARD_BYTES: u64 = 4 << 20;

/// What an entry of a small value weighs.
const SMALL_BYTES: u64 = 256;

/// Which entry leaves when memory is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Eviction {
    /// S3-FIFO, as in `quick_cache`: a scan of cold keys does not push out the hot ones, and a hit takes only a shared
    /// lock. On most real traces it measures near the best of all policies.
    #[default]
    Adaptive,
    /// The least recently used entry leaves. One lock for all keys makes it slower, but predictable. Hits on entries
    /// that a thread uses often update the order only every 8th to 128th time.
    Lru,
}

/// What one insertion pushed out, to be dropped where no lock is held: a value's own `Drop` may do
/// anything.
#[derive(Debug, Default)]
pub(crate) struct Evicted {
    inserted: Option<(Key, Arc<Node>)>,
    nodes: SmallVec<[Arc<Node>; 2]>,
    /// The hashes of those of the nodes for which there was no room, and what they weighed.
    without_room: SmallVec<[(u64, u64); 1]>,
}

impl Evicted {
    fn by(key: &Key, node: &Arc<Node>) -> Self {
        Self {
            inserted: Some((key.clone(), Arc::clone(node))),
            nodes: SmallVec::new(),
            without_room: SmallVec::new(),
        }
    }

    /// Takes an entry that left, and counts why: too heavy itself, replaced, or evicted.
    fn take(&mut self, key: &Key, node: Arc<Node>) {
        node.entry().leave();
        let counters = node.entry().counters();
        match &self.inserted {
            Some((_, inserted)) if Arc::ptr_eq(inserted, &node) => {
                counters.rejected.fetch_add(1, Relaxed);
            }
            Some((inserted, _)) if inserted == key => {}
            _ => {
                counters.evictions.fetch_add(1, Relaxed);
                let weight = node.entry().weight_under(key);
                self.without_room.push((key.spread(), weight));
            }
        }
        self.nodes.push(node);
    }
}

/// The in-process tier of one cache.
#[derive(Debug)]
pub(crate) struct L1 {
    /// What threads know it by, which hold entries of it; nothing where it is small, or there were too many in this process.
    in_front: Option<u32>,
    tier: Tier,
    limit: u64,
    unweighed: Unweighed,
    evicted: EvictedKeys,
}

type AdaptiveTier = quick_cache::sync::Cache<Key, Arc<Node>, Weigher, KeyHasher, Evictor>;

#[derive(Debug)]
pub(crate) enum Tier {
    Adaptive(AdaptiveTier),
    Ordered(Box<dyn Ordered>),
}

/// A tier in an order of its own. A table: programs that ask for none hold no code of it.
pub(crate) trait Ordered: fmt::Debug + Send + Sync {
    fn get(&self, key: &KeyRef<'_>) -> Option<Arc<Node>>;

    fn insert(&self, key: Key, node: Arc<Node>, evicted: &mut Evicted);

    fn remove_if(&self, key: &Key, is_it: &mut dyn FnMut(&Arc<Node>) -> bool) -> Option<Arc<Node>>;

    fn clear(&self);

    fn entries(&self) -> u64;

    fn bytes(&self) -> u64;
}

/// Makes a tier of at most so many bytes.
pub(crate) type MakeTier = fn(u64) -> Tier;

impl Eviction {
    pub(crate) fn tier(self) -> MakeTier {
        match self {
            Self::Adaptive => Tier::adaptive,
            Self::Lru => |limit| Tier::Ordered(Box::new(LruTier::new(limit))),
        }
    }
}

impl Tier {
    pub(crate) fn adaptive(limit: u64) -> Self {
        Self::Adaptive(adaptive(limit))
    }
}

impl L1 {
    /// A tier of at most `limit` bytes, and at most `unweighed_limit` entries per function whose
    /// values cannot be weighed.
    pub(crate) fn new(limit: u64, make: MakeTier, unweighed_limit: usize) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            in_front: u32::try_from(NEXT.fetch_add(1, Relaxed))
                .ok()
                .filter(|_| limit >= front::LEAST_BYTES),
            tier: make(limit),
            limit,
            unweighed: Unweighed::new(unweighed_limit),
            evicted: EvictedKeys::new(limit),
        }
    }

    #[inline]
    pub(crate) fn get(&self, key: &KeyRef<'_>) -> Option<Arc<Node>> {
        match &self.tier {
            Tier::Adaptive(cache) => cache.get(key),
            Tier::Ordered(lru) => lru.get(key),
        }
    }

    /// Puts an entry in place of the one of its key. One that is heavier than its shard allows is not
    /// kept, and neither is the entry it was to replace.
    #[must_use = "dropping an entry runs the value's `Drop`: do it where no lock is held"]
    pub(crate) fn insert(&self, key: &Key, node: &Arc<Node>) -> Evicted {
        let mut evicted = Evicted::by(key, node);
        node.entry().count(key);
        match &self.tier {
            Tier::Adaptive(cache) => {
                cache.insert_with_lifecycle(key.clone(), Arc::clone(node), &mut evicted);
            }
            Tier::Ordered(lru) => lru.insert(key.clone(), Arc::clone(node), &mut evicted),
        }
        if !node.entry().is_weighed() {
            self.make_room(key, node, &mut evicted);
        }
        self.evicted.remove(key.spread());
        for (key, weight) in &evicted.without_room {
            self.evicted.add(*key, *weight);
        }
        evicted
    }

    /// Evicts the oldest of a function's unweighed entries, beyond as many as it may have.
    fn make_room(&self, key: &Key, node: &Arc<Node>, evicted: &mut Evicted) {
        let is_at = |node: &Arc<Node>, address| address_of(node) == address;
        let is_there = |(key, address): &UnweighedEntry| {
            let mut is_there = false;
            let stays = self.remove_if(key, |node| {
                is_there = is_at(node, *address);
                false
            });
            debug_assert!(stays.is_none(), "nothing is removed by asking");
            is_there
        };
        let place = (key.clone(), address_of(node));
        for (key, address) in self
            .unweighed
            .admit(node.entry().counters(), place, &is_there)
        {
            if let Some(node) = self.remove_if(&key, |node| is_at(node, address)) {
                evicted.take(&key, node);
            }
        }
    }

    /// How many percent of the limit there were too few for its entry, where that was evicted and is not there again, as far
    /// as that is known.
    pub(crate) fn missing_room(&self, key: &Key) -> Option<u64> {
        self.evicted.missing(key.spread())
    }

    pub(crate) fn remove(&self, key: &Key) -> Option<Arc<Node>> {
        self.remove_if(key, |_| true)
    }

    /// Removes an entry, where it is still that of its key.
    pub(crate) fn remove_this(&self, key: &Key, node: &Arc<Node>) -> Option<Arc<Node>> {
        self.remove_if(key, |there| Arc::ptr_eq(there, node))
    }

    fn remove_if(&self, key: &Key, mut is_it: impl FnMut(&Arc<Node>) -> bool) -> Option<Arc<Node>> {
        // Under the lock of the tier: who finds that it is not there has to see that it has left.
        let mut leaves = |node: &Arc<Node>| {
            let is_it = is_it(node);
            if is_it {
                node.entry().leave();
            }
            is_it
        };
        let removed = match &self.tier {
            Tier::Adaptive(cache) => cache.remove_if(key, leaves).map(|(_, node)| node),
            Tier::Ordered(lru) => lru.remove_if(key, &mut leaves),
        };
        let removed = removed?;
        front::let_go_of(key, &removed);
        Some(removed)
    }

    pub(crate) fn clear(&self) {
        match &self.tier {
            // Not `clear`: that drops the values under the lock of their shard.
            Tier::Adaptive(cache) => {
                let there: Vec<_> = cache.iter().collect();
                for (key, node) in &there {
                    drop(self.remove_this(key, node));
                }
            }
            Tier::Ordered(lru) => lru.clear(),
        }
        front::let_go();
    }

    pub(crate) fn entries(&self) -> u64 {
        match &self.tier {
            Tier::Adaptive(cache) => cache.len() as u64,
            Tier::Ordered(lru) => lru.entries(),
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        match &self.tier {
            Tier::Adaptive(cache) => cache.weight(),
            Tier::Ordered(lru) => lru.bytes(),
        }
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }
}

/// Threads hold some of its entries.
impl Drop for L1 {
    fn drop(&mut self) {
        self.clear();
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
        // As if most entries were small: of half as many that have left is remembered that they were here, and each takes a
        // place that the limit does not count.
        .estimated_items_capacity(
            usize::try_from(limit / SMALL_BYTES)
                .unwrap_or(usize::MAX)
                .clamp(32 * shards, 1 << 20),
        )
        // On traces and mixes hardly ever behind the crate's own 0.97, and often ahead: `cargo xtask bench hits`.
        .hot_allocation(0.9)
        .ghost_allocation(0.5)
        .build()
        .expect("capacities are given and the allocations lie between 0 and 1");
    quick_cache::sync::Cache::with_options(options, Weigher, KeyHasher::default(), Evictor)
}

#[derive(Clone, Debug)]
pub(crate) struct Weigher;

impl quick_cache::Weighter<Key, Arc<Node>> for Weigher {
    fn weight(&self, key: &Key, node: &Arc<Node>) -> u64 {
        node.entry().weight_under(key)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Evictor;

impl quick_cache::Lifecycle<Key, Arc<Node>> for Evictor {
    type RequestState = Evicted;

    fn on_evict(&self, evicted: &mut Evicted, key: Key, node: Arc<Node>) {
        evicted.take(&key, node);
    }
}

fn address_of(node: &Arc<Node>) -> usize {
    Arc::as_ptr(node).cast::<()>().addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_hold_at_least_four_mebibytes_and_together_no_more_than_the_limit() {
        for limit in [1, 1_000, 3 << 20, 4 << 20, 13 << 20, 64 << 20, 10 << 30] {
            let cache = adaptive(limit);
            assert!(cache.capacity() <= limit, "{limit}");
            assert!(
                cache.shard_capacity() >= limit.min(MIN_SHARD_BYTES),
                "{limit}"
            );
        }
    }
}
