//! The shared tier without calls around it, for the benchmarks: `--cfg cache_bench`. Not public API.

use std::time::Duration;

use crate::{
    error::Error,
    l2::{
        Store,
        redis::{Redis, RedisStore},
    },
};

/// A connected store.
#[derive(Debug)]
pub struct Tier(RedisStore);

impl Tier {
    /// Connects.
    ///
    /// # Errors
    ///
    /// As `CacheBuilder::build` does.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        let address = Redis::from(url).address()?;
        let (store, _) = RedisStore::connect(address, Duration::from_secs(1)).await?;
        Ok(Self(store))
    }

    /// The bytes under a key, about 1 KiB of them.
    pub async fn get(&self, key: &str) -> Option<Vec<u8>> {
        let got = self.0.get(key, 1 << 10, Duration::from_millis(100)).await;
        got.ok().flatten()
    }
}
