//! The shared tier without calls around it, for the benchmarks: `--cfg cache_bench`. Not public API.

use std::{sync::Arc, time::Duration};

use crate::{
    error::Error,
    l2::{Store, redis::Redis},
};

/// A connected store.
#[derive(Debug)]
pub struct Tier(Arc<dyn Store>);

impl Tier {
    /// Connects.
    ///
    /// # Errors
    ///
    /// As `CacheBuilder::build` does.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        let target = Redis::from(url).target()?;
        let (store, _) = target.connect(Duration::from_secs(1)).await?;
        Ok(Self(store))
    }

    /// The bytes under a key, about 1 KiB of them.
    pub async fn get(&self, key: &str) -> Option<Vec<u8>> {
        let got = self.0.get(key, 1 << 10, Duration::from_millis(100)).await;
        got.ok().flatten()
    }
}
