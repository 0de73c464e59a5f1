//! The load under each cache.

use std::{future::Future, sync::OnceLock};

use cache_core::cached;
use cached::macros::cached as other_cached;

use crate::{Variant, load, run};

#[cached(ttl = 1h, max_concurrent_loads = 10_000)]
async fn ours(key: u64) -> u64 {
    load(key).await
}

#[cached(ttl = 1h, max_concurrent_loads = 10_000, inline)]
async fn ours_inline(key: u64) -> u64 {
    load(key).await
}

#[other_cached(max_size = 10_000, ttl_secs = 3600, sync_writes = "by_key")]
async fn by_key(key: u64) -> u64 {
    load(key).await
}

fn moka(key: u64) -> impl Future<Output = u64> {
    static CACHE: OnceLock<moka::future::Cache<u64, u64>> = OnceLock::new();
    let cache = CACHE.get_or_init(|| moka::future::Cache::new(10_000));
    async move {
        let loaded = cache.try_get_with(key, async { Ok::<_, ()>(load(key).await) });
        loaded.await.expect("no load fails")
    }
}

/// A task that waits as long as a load, and shares nothing.
async fn alone(key: u64) -> u64 {
    tokio::time::sleep(crate::LOAD).await;
    key
}

pub(crate) fn all() -> [Variant; 5] {
    let variant = |title, run| Variant { title, run };
    [
        variant("the tasks alone, each with a timer", |keys| {
            run(keys, alone);
        }),
        variant("**ours: `#[cached(ttl)]`**", |keys| {
            run(keys, ours);
        }),
        variant("**ours: `#[cached(ttl, inline)]`**", |keys| {
            run(keys, ours_inline);
        }),
        variant("by hand: `moka::future`, `try_get_with`", |keys| {
            run(keys, moka);
        }),
        variant(
            "cached: `#[cached(.., sync_writes = \"by_key\")]`",
            |keys| {
                run(keys, by_key);
            },
        ),
    ]
}
