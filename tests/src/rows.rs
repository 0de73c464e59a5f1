//! Rows that change: an event, the functions that read and write what it is about, and how suites call them.

use std::{
    future::{Future, pending},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use cache_core::{Cache, CachedCall, Event, Explained, Redis, Refused, cached, invalidates};

use crate::until;

/// A row is not what it was.
#[derive(Debug, Event)]
pub struct RowChanged {
    /// Which one.
    pub id: u64,
}

/// The source of truth: the same value for all rows.
#[derive(Clone, Debug, Default)]
pub struct Table(Arc<AtomicU64>);

impl Table {
    /// What it is now.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(SeqCst)
    }

    /// Changes it behind the back of all caches.
    pub fn set(&self, value: u64) {
        self.0.store(value, SeqCst);
    }

    /// Makes it one more; gives what it is now.
    #[allow(clippy::must_use_candidate, reason = "most want the change alone")]
    pub fn change(&self) -> u64 {
        self.0.fetch_add(1, SeqCst) + 1
    }
}

/// A row, in both tiers.
#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
pub async fn row(table: &Table, id: u64) -> u64 {
    table.value()
}

/// A row, in memory only.
#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = RowChanged { id })]
pub async fn row_here(table: &Table, id: u64) -> u64 {
    table.value()
}

/// A row, in Redis only.
#[cached(ttl = 1h, skip(table), tiers = redis, invalidate_on = RowChanged { id })]
pub async fn far_row(table: &Table, id: u64) -> u64 {
    table.value()
}

/// A row that says itself which one it is.
#[derive(Clone, Debug)]
pub struct Noted {
    /// Which one.
    pub id: u64,
    /// What was in it.
    pub value: u64,
}

/// A row of which only the value says what it depends on.
#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = |noted| RowChanged { id: noted.id })]
pub async fn noted(table: &Table, id: u64) -> Noted {
    Noted {
        id,
        value: table.value(),
    }
}

/// Changes a row, and says so.
#[invalidates(RowChanged { id })]
pub async fn write(table: &Table, id: u64) {
    table.change();
}

/// Is about to change a row, and never ends.
#[invalidates(RowChanged { id })]
pub async fn write_that_hangs(id: u64) {
    pending::<()>().await;
}

/// Why a guarded mutation was not begun, as the error of a test's mutation.
#[derive(Debug)]
pub struct Denied(pub Refused);

impl From<Refused> for Denied {
    fn from(refused: Refused) -> Self {
        Self(refused)
    }
}

/// A cache without Redis.
///
/// # Panics
///
/// When it cannot be built.
pub async fn alone() -> Cache {
    let built = Cache::builder().build().await;
    built.expect("the defaults are valid")
}

/// A cache on this Redis, with this bound.
///
/// # Panics
///
/// When it cannot be built.
pub async fn on(redis: impl Into<Redis>, bound: Duration) -> Cache {
    let builder = Cache::builder().namespace("test").redis(redis);
    // An answer that is late on a busy machine would have nothing kept there.
    let builder = builder.redis_budget(ms(500));
    let built = builder.staleness_bound(bound).require_redis().build().await;
    built.expect("the server takes us")
}

/// Waits until something that this function loaded has been written to Redis.
///
/// # Panics
///
/// When that takes too long.
pub async fn filled(cache: &Cache, function: &str) {
    let fills = || {
        cache
            .stats()
            .function(function)
            .map_or(0, |it| it.redis_fills)
    };
    until("the entry is written", || fills() > 0).await;
}

/// Reads the first row in both ways, as 0, and waits until Redis and this replica of it have both entries.
///
/// # Panics
///
/// When that takes too long, or the row is another one.
#[cfg(unix)]
pub async fn mirrored(cache: &Cache, table: &Table, replica: &crate::server::Server) {
    assert_eq!(within(cache, row(table, 1)).await, 0);
    assert_eq!(within(cache, far_row(table, 1)).await, 0);
    filled(cache, "row").await;
    filled(cache, "far_row").await;
    until("the replica has both", || {
        replica.command(&["KEYS", "test:e:*"]).lines().count() == 2
    })
    .await;
}

/// Waits until this cache has heard of a change that another one makes.
///
/// # Panics
///
/// When that takes too long.
pub async fn hears<F: Future>(cache: &Cache, change: F) -> F::Output {
    let heard = cache.stats().events.heard;
    let output = change.await;
    until("it is heard of", || cache.stats().events.heard > heard).await;
    output
}

/// What a call gives in this cache.
pub async fn within<F: Future>(cache: &Cache, call: F) -> F::Output {
    Cache::scope(cache.clone(), call).await
}

/// What a call gives in this cache, and where it is from.
///
/// # Panics
///
/// When it is not a call of a cached function.
pub async fn explained<C: CachedCall<Output: 'static>>(
    cache: &Cache,
    call: C,
) -> Explained<C::Output> {
    let explained = within(cache, call.explain()).await;
    explained.expect("it is a call of a cached function")
}

/// Milliseconds.
#[must_use]
pub const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The least of what a thousand calls are served.
pub async fn least(what: &str, call: impl AsyncFn() -> u64) -> u64 {
    let (mut least, mut stale) = (u64::MAX, 0);
    for _ in 0..1_000 {
        let served = call().await;
        least = least.min(served);
        stale += u64::from(served == 0);
    }
    eprintln!("{what}: {stale} of 1,000 calls are served what was before");
    least
}
