//! The sixth review: keys of batches whose own code panics.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::pedantic,
    missing_docs,
    dead_code,
    unused_imports,
    reason = "a test may fail"
)]

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
};

use cache_core::{Cache, CacheKey, cached};
use futures::FutureExt;
use tests::{rows::{alone, ms}, server::Server};
use tokio::time::{sleep, timeout};

static CLONE: AtomicBool = AtomicBool::new(false);
static HASH: AtomicBool = AtomicBool::new(false);
static EQ: AtomicBool = AtomicBool::new(false);

#[derive(CacheKey, Debug)]
struct Bad { id: u64 }

impl Clone for Bad {
    fn clone(&self) -> Self {
        assert!(!(self.id % 10 == 1 && CLONE.swap(false, SeqCst)), "Clone panics");
        Self { id: self.id }
    }
}

impl Hash for Bad {
    fn hash<H: Hasher>(&self, state: &mut H) {
        assert!(!(self.id % 10 == 1 && HASH.swap(false, SeqCst)), "Hash panics");
        self.id.hash(state);
    }
}

impl PartialEq for Bad {
    fn eq(&self, other: &Self) -> bool {
        assert!(!EQ.swap(false, SeqCst), "Eq panics");
        self.id == other.id
    }
}
impl Eq for Bad {}

#[cached(ttl = 1h, tiers = memory, batch(id in ids))]
async fn bads(ids: &[Bad]) -> HashMap<Bad, u64> {
    let mut all = HashMap::new();
    for id in ids { all.insert(Bad { id: id.id }, id.id); }
    all
}

async fn two_of_one_gathering(flag: &'static AtomicBool, base: u64) {
    let cache = alone().await;
    let one = [Bad { id: base + 2 }];
    let two = [Bad { id: base + 1 }];
    let three = [Bad { id: base + 3 }];
    let call = |ids: &'static [Bad]| Box::pin(Cache::scope(cache.clone(), bads(ids)));
    let (one, two, three): (&'static [Bad], &'static [Bad], &'static [Bad]) =
        (Box::leak(Box::new(one)), Box::leak(Box::new(two)), Box::leak(Box::new(three)));
    let (mut one, mut two, mut three) = (call(one), call(two), call(three));
    assert!(futures::poll!(one.as_mut()).is_pending());
    assert!(futures::poll!(two.as_mut()).is_pending());
    assert!(futures::poll!(three.as_mut()).is_pending());
    flag.store(true, SeqCst);
    // Whoever of them takes all panics.
    let mut panicked = 0;
    let mut polled = [false; 3];
    for _ in 0..10 {
        for (n, future) in [&mut one, &mut two, &mut three].into_iter().enumerate() {
            if polled[n] { continue; }
            let poll = AssertUnwindSafe(async { futures::poll!(future.as_mut()) }).catch_unwind().await;
            match poll {
                Err(_) => { panicked += 1; polled[n] = true; }
                Ok(ready) if ready.is_ready() => polled[n] = true,
                Ok(_) => {}
            }
        }
        tokio::task::yield_now().await;
        if panicked > 0 { break; }
    }
    println!("panicked {panicked}, done {polled:?}, flag {}", flag.load(SeqCst));
    flag.store(false, SeqCst);
    for (n, future) in [one, two, three].into_iter().enumerate() {
        if !polled[n] {
            let ended = timeout(ms(5_000), AssertUnwindSafe(future).catch_unwind()).await;
            assert!(ended.is_ok(), "the caller of number {n} hangs");
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_key_whose_clone_panics_hangs_nobody() { two_of_one_gathering(&CLONE, 10).await; }

#[tokio::test(flavor = "current_thread")]
async fn a_key_whose_hash_panics_hangs_nobody() { two_of_one_gathering(&HASH, 20).await; }

#[cached(ttl = 1h, tiers = memory, batch(id in ids))]
async fn plain(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

/// `watchdog.rs`: loads that nobody polls while others wait for them, on a runtime that is not driven. Here a load of several
/// keys, one of them another caller's.
#[test]
fn a_load_of_several_keys_on_a_runtime_that_stands_still_hangs_nobody() {
    tests::bounded(std::time::Duration::from_secs(40), || {
        let new = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (still, moving) = (new(), new());
        let cache = moving.block_on(alone());
        let call = |ids: &'static [u64]| Box::pin(Cache::scope(cache.clone(), plain(ids)));
        let (mut here, mut there) = (call(&[1]), call(&[2]));
        moving.block_on(async { assert!(futures::poll!(here.as_mut()).is_pending()) });
        // It is polled as it would be where it is one of several branches, and stands still then.
        still.block_on(std::future::poll_fn(|cx| {
            for _ in 0..3 {
                assert!(there.as_mut().poll(cx).is_pending());
            }
            std::task::Poll::Ready(())
        }));
        let ended = moving.block_on(async { timeout(ms(15_000), here).await });
        assert!(ended.is_ok(), "it hangs");
        drop(there);
        drop(still);
    });
}

#[cached(ttl = 1h, tiers = memory)]
async fn single(id: u64) -> u64 {
    tokio::task::yield_now().await;
    id
}

/// As it is with a single key.
#[test]
fn a_load_on_a_runtime_that_stands_still_hangs_nobody() {
    tests::bounded(std::time::Duration::from_secs(40), || {
        let new = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (still, moving) = (new(), new());
        let cache = moving.block_on(alone());
        let mut there = Box::pin(Cache::scope(cache.clone(), single(2)));
        still.block_on(async { assert!(futures::poll!(there.as_mut()).is_pending()) });
        let here = Cache::scope(cache.clone(), single(2));
        let ended = moving.block_on(async { timeout(ms(15_000), here).await });
        assert!(ended.is_ok(), "it hangs");
        drop(there);
        drop(still);
    });
}
