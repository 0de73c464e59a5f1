//! The functions that are called, and what can be done with a call of one.

use std::sync::Arc;

use cache_core::{CachedCall, cached};
use futures::{FutureExt, future::BoxFuture};

use super::World;

pub(super) const KEYS: usize = 6;

/// What waiters cannot share.
struct Unshared;

#[derive(Clone)]
struct Shared;

#[cached(ttl = 1h, max_concurrent_loads = 1, skip(world))]
async fn narrow(world: Arc<World>, key: usize) -> Result<u64, Unshared> {
    world.load(Place(0, key), Unshared).await
}

#[cached(ttl = 1h, max_concurrent_loads = 1, inline, skip(world))]
async fn narrow_inline(world: Arc<World>, key: usize) -> Result<u64, Shared> {
    world.load(Place(1, key), Shared).await
}

#[cached(ttl = 1h, max_concurrent_loads = 2, inline, skip(world))]
async fn middling_inline(world: Arc<World>, key: usize) -> Result<u64, Unshared> {
    world.load(Place(2, key), Unshared).await
}

#[cached(ttl = 1h, max_concurrent_loads = 3, skip(world))]
async fn middling(world: Arc<World>, key: usize) -> Result<u64, Shared> {
    world.load(Place(3, key), Shared).await
}

#[cached(ttl = 1h, max_concurrent_loads = 1_000, skip(world))]
async fn wide(world: Arc<World>, key: usize) -> Result<u64, Unshared> {
    world.load(Place(4, key), Unshared).await
}

/// The slots of each function, as far as its keys can fill them.
pub(super) const SLOTS: [usize; 5] = [1, 1, 2, 3, KEYS];

/// A function by its number, and a key of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(pub(super) usize, pub(super) usize);

/// What is done with a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    Await,
    Peek,
    Prefetch,
    Explain,
    Refresh,
    Bypass,
    Evict,
    Put(u64),
}

impl Deed {
    #[rustfmt::skip]
    pub(super) const RARE: [Self; 6] =
        [Self::Peek, Self::Prefetch, Self::Explain, Self::Refresh, Self::Bypass, Self::Evict];

    pub(super) fn with(self, world: Arc<World>, place: Place) -> BoxFuture<'static, Option<u64>> {
        let Place(function, key) = place;
        match function {
            0 => self.done(narrow(world, key).boxed()),
            1 => self.done(narrow_inline(world, key).boxed()),
            2 => self.done(middling_inline(world, key).boxed()),
            3 => self.done(middling(world, key).boxed()),
            _ => self.done(wide(world, key).boxed()),
        }
    }

    fn done<E: Send + 'static>(
        self,
        call: BoxFuture<'static, Result<u64, E>>,
    ) -> BoxFuture<'static, Option<u64>> {
        let outcome = async move {
            match self {
                Self::Await => Some(call.await),
                Self::Peek => call.peek().await,
                Self::Prefetch => call.prefetch().await.err().and(None),
                Self::Explain => call.explain().await.ok().map(|explained| explained.value),
                Self::Refresh => call.refresh().await.ok(),
                Self::Bypass => call.bypass().await.ok(),
                Self::Evict => call.evict().await.err().and(None),
                Self::Put(version) => call.put(Ok(version)).await.err().and(None),
            }
        };
        outcome.map(|outcome| outcome?.ok()).boxed()
    }
}
