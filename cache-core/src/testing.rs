//! What tests of cached code need: time that moves by hand, a Redis that fails on demand, and a layer that gives each
//! test its own cache. The page [`guide::testing`](crate::guide::testing) shows them at work.

mod fake_redis;
mod layer;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub use fake_redis::{FakeRedis, Fault, Operation, Replica};
pub use layer::{CacheLayer, CacheService, ResponseFuture};

use crate::clock::{Clock, after};

/// Time that stands still until it is moved.
///
/// Entries go by this clock: how old they are, and when they expire. Waits (the budget of a read, a
/// [delay](FakeRedis::delay), a body that sleeps) go by Tokio's time. The counting of faults, and of calls that nobody
/// polls, goes by the system's time.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cache_core::Error> {
/// use std::time::Duration;
/// use cache_core::{Cache, CachedCall, cached, testing::ManualClock};
///
/// #[cached(ttl = 1h)]
/// async fn answer() -> u64 {
///     42
/// }
///
/// let clock = ManualClock::new();
/// let cache = Cache::builder().clock(clock.clock()).build().await?;
/// Cache::scope(cache, async {
///     answer().await;
///     clock.advance(Duration::from_secs(3599));
///     assert_eq!(answer().peek().await, Some(42));
///     clock.advance(Duration::from_secs(1));
///     assert_eq!(answer().peek().await, None);
/// })
/// .await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock that stands.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1)))
    }

    /// The clock as [`CacheBuilder::clock`](crate::CacheBuilder::clock) takes it.
    #[must_use]
    pub fn clock(&self) -> Clock {
        Clock::manual(Arc::clone(&self.0))
    }

    /// Moves the time forward.
    pub fn advance(&self, span: Duration) {
        // Time only ever moves here, so a failed exchange is another `advance`: its step counts too.
        let _ = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
                Some(after(now, span))
            });
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}
