//! The caches, and the optimum. Each has room for so many entries of one size.

use std::{
    cell::Cell,
    collections::{BTreeSet, HashMap},
    num::NonZeroUsize,
};

use cache_core::{Cache, Eviction, cached};
use tokio::runtime::{Builder, Runtime};

/// Gives how many of the calls were hits.
type Hits = fn(&[u64], usize) -> usize;

pub(crate) struct Engine {
    pub(crate) name: &'static str,
    pub(crate) hits: Hits,
}

pub(crate) fn all() -> [Engine; 5] {
    let engine = |name, hits: Hits| Engine { name, hits };
    [
        engine("**ours**", |keys, entries| {
            ours(keys, entries, Eviction::Adaptive)
        }),
        engine("`quick_cache`", quick_cache),
        engine("`moka`", moka),
        engine("LRU", lru),
        engine("**ours**, `Lru`", |keys, entries| {
            ours(keys, entries, Eviction::Lru)
        }),
    ]
}

thread_local! {
    static LOADS: Cell<usize> = const { Cell::new(0) };
}

#[cached(ttl = 1h, inline, skip(cache), cache = cache)]
async fn loaded(cache: &Cache, key: u64) -> u64 {
    LOADS.set(LOADS.get() + 1);
    key
}

/// An entry of a number weighs so much.
const ENTRY: u64 = 208;

fn ours(keys: &[u64], entries: usize, eviction: Eviction) -> usize {
    LOADS.set(0);
    runtime().block_on(async {
        let cache = Cache::builder()
            .memory_limit(entries as u64 * ENTRY)
            .eviction(eviction);
        let cache = cache.build().await.expect("the limit is not zero");
        for key in keys {
            loaded(&cache, *key).await;
        }
    });
    keys.len() - LOADS.get()
}

fn quick_cache(keys: &[u64], entries: usize) -> usize {
    let mut cache = quick_cache::unsync::Cache::new(entries);
    let mut hits = 0;
    for key in keys {
        if cache.get(key).is_some() {
            hits += 1;
        } else {
            cache.insert(*key, *key);
        }
    }
    hits
}

fn moka(keys: &[u64], entries: usize) -> usize {
    runtime().block_on(async {
        let cache = moka::future::Cache::new(entries as u64);
        let mut hits = 0;
        for key in keys {
            if cache.get(key).await.is_some() {
                hits += 1;
            } else {
                cache.insert(*key, *key).await;
                // What it does later by itself.
                cache.run_pending_tasks().await;
            }
        }
        hits
    })
}

fn lru(keys: &[u64], entries: usize) -> usize {
    let entries = NonZeroUsize::new(entries).expect("there is room for some");
    let mut cache = lru::LruCache::new(entries);
    keys.iter()
        .filter(|key| cache.put(**key, ()).is_some())
        .count()
}

/// What an oracle would answer: it evicts what is asked for last (L. A. Belady, "A study of replacement algorithms for a
/// virtual-storage computer"), or does not keep it at all.
pub(crate) fn optimum(keys: &[u64], entries: usize) -> usize {
    let mut next_of = HashMap::new();
    let mut nexts: Vec<usize> = keys
        .iter()
        .enumerate()
        .rev()
        .map(|(at, key)| next_of.insert(*key, at).unwrap_or(usize::MAX - at))
        .collect();
    nexts.reverse();
    let (mut kept, mut hits) = (BTreeSet::new(), 0);
    for (at, next) in nexts.into_iter().enumerate() {
        if kept.remove(&at) {
            hits += 1;
        }
        kept.insert(next);
        if kept.len() > entries {
            kept.pop_last();
        }
    }
    hits
}

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().build();
    runtime.expect("a runtime without I/O asks the system for nothing")
}
