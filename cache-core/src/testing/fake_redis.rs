//! A stand-in for Redis that does as it is told.

mod channel;
mod faults;
mod process;
mod state;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    future::pending,
    panic::Location,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::{sleep, timeout};

pub use self::faults::{Fault, Operation};
use self::{
    channel::Ears,
    faults::Faults,
    process::Process,
    state::{Held, State},
};
use super::ManualClock;
use crate::{
    l2::{Lineage, Store, StoreError},
    lock::Mutex,
};

/// How long [`FakeRedis::until`] waits before it gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// A Redis in the memory of the test. Several caches can share one, as processes do; it fails, hangs or is slow on
/// demand.
///
/// The last call of [`fail`](Self::fail), [`hang`](Self::hang), [`delay`](Self::delay) and [`inject`](Self::inject)
/// counts.
///
/// After five faults within ten seconds, if these are at least as many as the answers, a cache stops using it, as it
/// would a real Redis. The cache asks again in the background after 200 ms of the system's time.
///
/// ```
/// use cache_core::{Cache, CachedCall, cached, testing::FakeRedis};
///
/// #[cached(ttl = 1h)]
/// async fn answer() -> u64 {
///     42
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cache_core::Error> {
/// let redis = FakeRedis::new();
/// let here = Cache::builder().fake_redis(&redis).build().await?;
/// let there = Cache::builder().fake_redis(&redis).build().await?;
/// Cache::scope(here.clone(), answer()).await;
/// redis.until(|redis| redis.keys().len() == 1).await; // nobody waits for a value to be written
/// assert_eq!(Cache::scope(there.clone(), answer().peek()).await, Some(42)); // warm
///
/// redis.fail();
/// assert_eq!(Cache::scope(there, answer()).await, 42); // as if there were none
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FakeRedis(Arc<Inner>);

/// Without what its entries hold.
impl fmt::Debug for FakeRedis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeRedis")
            .field("keys", &self.keys())
            .field("reads", &self.reads())
            .field("writes", &self.writes())
            .finish_non_exhaustive()
    }
}

struct Inner {
    clock: Option<ManualClock>,
    state: Mutex<State>,
    ears: Ears,
}

/// All that a [`FakeRedis`] held at one moment.
#[derive(Clone)]
pub struct Replica(Held);

/// How much it holds.
impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica")
            .field("entries", &self.0.entries.len())
            .finish_non_exhaustive()
    }
}

impl FakeRedis {
    /// An empty Redis, on the system's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with(None)
    }

    /// An empty Redis whose entries age by `clock`.
    #[must_use]
    pub fn on(clock: &ManualClock) -> Self {
        Self::with(Some(clock.clone()))
    }

    fn with(clock: Option<ManualClock>) -> Self {
        Self(Arc::new(Inner {
            clock,
            state: Mutex::default(),
            ears: Ears::default(),
        }))
    }

    /// Answers at once from now on. Operations that already hang keep hanging.
    pub fn recover(&self) {
        let mut state = self.0.state.lock();
        for faults in state.all_faults() {
            *faults = Faults::default();
        }
        state.is_full = false;
        let lineage = state.lineage();
        self.0.ears.reconnect(Fault::NONE, lineage);
    }

    /// Fails every operation from now on.
    pub fn fail(&self) {
        for operation in Operation::ALL {
            self.inject(operation, Fault::Fail);
        }
    }

    /// Answers nothing from now on.
    pub fn hang(&self) {
        for operation in Operation::ALL {
            self.inject(operation, Fault::Hang);
        }
    }

    /// From now on answers reads and invalidates, but takes no entries. A delay stays; what was to fail or hang no
    /// longer does.
    pub fn fill_up(&self) {
        let mut state = self.0.state.lock();
        for faults in state.all_faults() {
            faults.answer();
        }
        state.is_full = true;
        let (standing, lineage) = (state.message_faults.standing(), state.lineage());
        self.0.ears.reconnect(standing, lineage);
    }

    /// Answers after this delay from now on; what was to fail or hang no longer does. A full Redis stays full.
    pub fn delay(&self, by: Duration) {
        for operation in Operation::ALL {
            self.inject(operation, Fault::Delay(by));
        }
    }

    /// Sets the fault of all operations of one kind from now on. It replaces the one before: a delay ends a failure,
    /// and a failure ends a delay.
    pub fn inject(&self, operation: Operation, fault: Fault) {
        let mut state = self.0.state.lock();
        state.faults(operation).set(fault);
        if (operation, fault) == (Operation::Message, Fault::Fail) {
            let lineage = state.lineage();
            self.0.ears.interrupt(fault, lineage);
        }
    }

    /// Sets the fault of the next `times` operations of one kind; afterwards all is as before. Several calls take
    /// effect one after the other.
    ///
    /// ```
    /// use cache_core::{Cache, CachedCall, RedisMiss, cached};
    /// use cache_core::testing::{FakeRedis, Fault, Operation};
    ///
    /// #[cached(ttl = 1h)]
    /// async fn square(n: u64) -> u64 {
    ///     n * n
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let redis = FakeRedis::new();
    /// let cache = Cache::builder().fake_redis(&redis).build().await?;
    /// redis.inject_next(1, Operation::Read, Fault::Fail);
    /// Cache::scope(cache, async {
    ///     assert_eq!(square(1).explain().await?.redis, Some(RedisMiss::Unavailable));
    ///     assert_eq!(square(2).explain().await?.redis, Some(RedisMiss::Absent)); // it is asked again
    ///     Ok(())
    /// })
    /// .await
    /// # }
    /// ```
    pub fn inject_next(&self, times: u64, operation: Operation, fault: Fault) {
        self.0.state.lock().faults(operation).add(times, fault);
    }

    /// Loses everything that it holds.
    pub fn clear(&self) {
        self.0.state.lock().held = Held::default();
    }

    /// Breaks the connections over which caches hear of invalidations. The caches reconnect at once, but have to ask
    /// about what they keep in memory.
    pub fn disconnect(&self) {
        let state = self.0.state.lock();
        let (standing, lineage) = (state.message_faults.standing(), state.lineage());
        self.0.ears.interrupt(standing, lineage);
    }

    /// A copy of what it holds now, as on a replica. Later changes do not reach it.
    #[must_use]
    pub fn replica(&self) -> Replica {
        Replica(self.0.state.lock().held.clone())
    }

    /// Continues with the content of a replica, as after the loss of the primary: everything since then is lost, also
    /// invalidations.
    ///
    /// ```
    /// use cache_core::testing::FakeRedis;
    ///
    /// let redis = FakeRedis::new();
    /// let replica = redis.replica();
    /// // What happens here, the replica does not hear of.
    /// redis.fail_over(replica);
    /// ```
    pub fn fail_over(&self, replica: Replica) {
        let mut state = self.0.state.lock();
        state.fail_over(replica.0);
        let (standing, lineage) = (state.message_faults.standing(), state.lineage());
        self.0.ears.interrupt(standing, lineage);
    }

    /// Waits until a condition holds, such as `|redis| redis.keys().len() == 1`: callers do not wait for values to be
    /// written, and a dropped cache writes none.
    ///
    /// # Panics
    ///
    /// If it does not hold within ten seconds of Tokio's time (the panic names the caller's line), and outside a Tokio
    /// runtime with its timer enabled.
    ///
    /// # Cancel safety
    ///
    /// Safe: it changes nothing.
    #[track_caller]
    pub fn until(&self, is_so: impl Fn(&Self) -> bool) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            let met = async {
                while !is_so(self) {
                    sleep(Duration::from_millis(1)).await;
                }
            };
            let waited = timeout(PATIENCE, met).await;
            assert!(
                waited.is_ok(),
                "waited {PATIENCE:?} in vain for what {caller} expects of {self:?}"
            );
        }
    }

    /// How often a cache asked for an entry.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.0.state.lock().reads
    }

    /// How many entries caches tried to write or remove, whether it did so or not.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.0.state.lock().writes
    }

    /// The keys of its entries, sorted, without expired ones.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let now = self.now();
        let state = self.0.state.lock();
        sorted(state.held.fresh_entries(now).map(|(key, _)| key))
    }

    /// The keys of its tags, sorted, without expired ones: what its entries depend on, and what was invalidated.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        let now = self.now();
        let state = self.0.state.lock();
        sorted(state.held.fresh_tags(now))
    }

    /// The size of all its entries in bytes, without expired ones.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let now = self.now();
        let state = self.0.state.lock();
        state
            .held
            .fresh_entries(now)
            .map(|(_, bytes)| bytes.len())
            .sum()
    }

    /// Changes the bytes of every entry.
    pub fn damage(&self, change: impl Fn(&mut Vec<u8>)) {
        let mut state = self.0.state.lock();
        let entries = state.held.entries.values_mut();
        entries.for_each(|(bytes, _)| change(bytes));
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::new(Process::new(self))
    }

    /// In microseconds since 1970.
    fn now(&self) -> u64 {
        match &self.0.clock {
            // Some day in 2020: a clock that is moved by hand starts nowhere.
            Some(clock) => 1_600_000_000_000_000 + clock.clock().now() / 1_000,
            None => system_micros(),
        }
    }

    async fn answer<R>(
        &self,
        operation: Operation,
        within: Duration,
        answer: impl FnOnce(&mut State, u64) -> R,
    ) -> Result<(R, Lineage), StoreError> {
        let (fault, lineage) = {
            let mut state = self.0.state.lock();
            (state.faults(operation).take(), state.lineage())
        };
        let waited = timeout(within, async {
            match fault {
                Fault::Fail => return Err(StoreError::Unavailable),
                Fault::Hang => pending().await,
                Fault::Delay(by) if by.is_zero() => {}
                Fault::Delay(by) => sleep(by).await,
            }
            Ok(())
        });
        waited.await.map_err(|_| StoreError::Late)??;
        let now = self.now();
        let mut state = self.0.state.lock();
        if state.lineage() != lineage {
            // Its connection broke.
            return Err(StoreError::Unavailable);
        }
        Ok((answer(&mut state, now), lineage))
    }
}

fn sorted<'a>(keys: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut keys: Vec<_> = keys.cloned().collect();
    keys.sort_unstable();
    keys
}

impl Default for FakeRedis {
    fn default() -> Self {
        Self::new()
    }
}

/// Since 1970.
fn system_micros() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_micros()).unwrap_or(u64::MAX)
}
