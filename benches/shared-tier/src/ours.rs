//! Cached functions on the shared tier.

use std::{sync::Arc, time::Duration};

use cache_core::{Cache, cached};

use redis::aio::ConnectionLike;

use crate::{
    bare::{Article, Bare, key},
    measure::KEYS,
};

/// Each call reads Redis: nothing stays in memory.
#[cached(ttl = 1h, tiers = redis, key = id, cache = cache)]
async fn article(cache: &Cache, id: u64) -> Article {
    Article::new(id)
}

pub(crate) fn body(n: u64) -> u64 {
    std::hint::black_box(n)
}

/// Runs in its caller, as a load of borrowed arguments does.
#[cached(ttl = 1h, inline, key = n, cache = cache)]
async fn number(cache: &Cache, n: u64) -> u64 {
    body(n)
}

/// The tier below them, which gives bytes.
#[derive(Clone, Debug)]
pub(crate) struct Tier(Arc<cache_core::__bench::Tier>);

impl Tier {
    pub(crate) async fn connect(url: &str) -> Self {
        let connected = cache_core::__bench::Tier::connect(url).await;
        Self(Arc::new(connected.expect("the server takes us")))
    }

    pub(crate) async fn read_bytes(self, n: u64) -> Vec<u8> {
        self.0.get(&key(n)).await.expect("it is there")
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Ours(Cache);

impl Ours {
    pub(crate) async fn connect(url: &str) -> Self {
        let built = Cache::builder().redis(url).build().await;
        Self(built.expect("the server takes us"))
    }

    pub(crate) async fn in_memory() -> Self {
        let built = Cache::builder().build().await;
        Self(built.expect("the defaults are valid"))
    }

    /// Puts all values on the server, for both.
    pub(crate) async fn warm<C: ConnectionLike + Clone + Send + Sync>(&self, bare: &Bare<C>) {
        bare.fill().await;
        for n in 0..KEYS {
            self.clone().read(n).await;
        }
        let written = || {
            self.0
                .stats()
                .functions
                .iter()
                .all(|row| row.redis_fills + row.redis_hits >= KEYS)
        };
        while !written() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) async fn read(self, n: u64) -> Article {
        article(&self.0, n).await
    }

    /// Makes room, so that what is measured is no eviction.
    pub(crate) fn forget(&self) {
        self.0.clear();
    }

    pub(crate) async fn load(self, n: u64) -> u64 {
        number(&self.0, n).await
    }
}
