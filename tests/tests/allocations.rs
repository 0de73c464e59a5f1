//! A hit allocates nothing once its thread has the entry at hand, and misses leave nothing behind.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use allocation_counter::measure;
use cache_core::{Cache, CacheKey, Eviction, cached};
use tests::loads;

#[derive(Clone)]
struct Shop;

#[cached(ttl = 1h)]
async fn by_number(id: u64) -> Arc<str> {
    id.to_string().into()
}

#[cached(ttl = 1h)]
async fn by_text(id: u64, name: &str, tags: &[&str]) -> Result<Option<Arc<str>>, String> {
    Ok(Some(format!("{id}{name}{tags:?}").into()))
}

#[cached(ttl = 1h, skip(shop))]
async fn by_three(shop: &Shop, id: u64, name: String, flag: bool) -> u64 {
    let _ = shop;
    id + name.len() as u64 + u64::from(flag)
}

impl Shop {
    #[cached(ttl = 1h, skip(self))]
    async fn method(&self, id: u64) -> u64 {
        id
    }

    #[cached(ttl = 1h, skip(self), detached)]
    async fn detached(&self, id: u64) -> u64 {
        id
    }
}

#[cached(ttl = 1h, key = "user:{tenant}:{id}")]
async fn by_text_key(tenant: &str, id: u64) -> u64 {
    id + tenant.len() as u64
}

/// Too large to be at hand.
#[cached(ttl = 1h)]
async fn large(name: &str, id: u64) -> Arc<str> {
    let _ = (name, id);
    "x".repeat(4_000).into()
}

#[cached(ttl = 1h)]
async fn generic<T: CacheKey + Send + Sync + 'static>(value: T) -> usize {
    let _ = value;
    size_of::<T>()
}

/// Polls a call once: a hit is ready, without a wake and without a runtime.
fn hit<F: Future>(call: F) -> F::Output {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a hit awaits nothing"),
    }
}

const NAME: &str = "a name of more than twenty-eight bytes";

/// Of 200 bytes.
const LONG: &str = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\
                    0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";

/// Enough for what is asked for to be at hand, and to be known as what is asked for most: one hit in a thousand is looked at
/// for that.
const OFTEN: usize = 20_000;

/// One call of every shape.
async fn call_all() {
    assert_eq!(&*by_number(1).await, "1");
    assert!(by_text(1, NAME, &["a", "b"]).await.is_ok());
    assert_eq!(by_three(&Shop, 1, String::new(), true).await, 2);
    assert_eq!(Shop.method(1).await, 1);
    assert_eq!(Shop.detached(1).await, 1);
    assert_eq!(by_text_key("shop", 1).await, 5);
    assert_eq!((generic(1_u8).await, generic(1_u64).await), (1, 8));
    assert_eq!(by_text_key(LONG, 1).await, 201);
}

/// Held by the tests whose calls find their cache by themselves: one of them counts all loads of it.
static CURRENT: Mutex<()> = Mutex::new(());

/// Calls everything often, then counts what a thousand calls more allocate.
fn allocations_of_hits(cache: &Cache, is_scoped: bool) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(Cache::scope(cache.clone(), call_all()));
    runtime.block_on(call_all());
    drop(runtime);
    let before = loads(cache);
    let hit_all = |times| {
        for _ in 0..times {
            if is_scoped {
                hit(Cache::scope(cache.clone(), call_all()));
            } else {
                hit(call_all());
            }
        }
    };
    hit_all(OFTEN);
    let counted = measure(|| hit_all(1_000));
    assert_eq!(loads(cache), before, "all were hits");
    counted.count_total
}

#[test]
fn a_hit_allocates_nothing_and_awaits_nothing() {
    let _alone = CURRENT.lock();
    assert_eq!(allocations_of_hits(&Cache::current(), false), 0);
}

#[test]
fn a_hit_that_its_thread_has_not_at_hand_allocates_nothing_either() {
    let _alone = CURRENT.lock();
    let call = || large(&LONG[..100], 1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(call());
    drop(runtime);
    (0..OFTEN).for_each(|_| drop(hit(call())));
    let counted = measure(|| (0..1_000).for_each(|_| drop(hit(call()))));
    assert_eq!(counted.count_total, 0);
}

#[test]
fn a_hit_in_a_scope_allocates_nothing_under_either_policy() {
    for eviction in [Eviction::Adaptive, Eviction::Lru] {
        let cache = futures::executor::block_on(Cache::builder().eviction(eviction).build());
        assert_eq!(
            allocations_of_hits(&cache.unwrap(), true),
            0,
            "{eviction:?}"
        );
    }
}

#[test]
fn the_future_of_a_call_holds_its_arguments_twice_and_what_it_awaits() {
    // A boxed future, the functions of its type, and how far it is.
    let awaited = 4 * size_of::<usize>();
    assert!(size_of_val(&by_number(1)) <= 2 * size_of::<u64>() + awaited);
    let arguments = size_of::<&Shop>() + size_of::<u64>();
    assert!(size_of_val(&Shop.method(1)) <= 2 * arguments + awaited);
    let arguments = size_of::<u64>() + size_of::<&str>() + size_of::<&[&str]>();
    assert!(size_of_val(&by_text(1, NAME, &[])) <= 2 * arguments + awaited);
}

#[test]
fn a_cache_that_is_dropped_leaves_no_memory_behind() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let round = || {
        runtime.block_on(async {
            let cache = Cache::builder()
                .memory_limit(100_000)
                .build()
                .await
                .unwrap();
            Cache::scope(cache, async {
                for id in 0..2_000 {
                    by_number(id).await;
                    by_text(
                        id,
                        "name",
                        &["a tag that does not fit in twenty-four bytes"],
                    )
                    .await
                    .unwrap();
                }
            })
            .await;
        });
    };
    round();
    let counted = measure(round);
    assert_eq!(counted.bytes_current, 0);
}
