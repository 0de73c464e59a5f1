//! A stand-in for Redis that does as it is told.

mod faults;

use std::{
    collections::HashMap,
    fmt,
    future::pending,
    panic::Location,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    time::{sleep, timeout},
};

use self::faults::Faults;
pub use self::faults::{Fault, Operation};
use super::ManualClock;
use crate::l2::{Asked, Batch, Listener, Pending, Store, StoreError, StoreTime, Tagged, Write};

/// How long [`FakeRedis::until`] waits before it gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// A Redis in the memory of the test: several caches can share one, as processes do, and it fails, hangs
/// or is slow when it is told to.
///
/// Five faults within ten seconds, and no fewer than there were answers, make a cache give it up for a
/// while, as it would a real one: it asks again in the background after 200 ms of the system's time.
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
}

#[derive(Default)]
struct State {
    read_faults: Faults,
    write_faults: Faults,
    is_full: bool,
    /// The bytes of an entry, and when they expire in microseconds since 1970.
    entries: HashMap<String, (Vec<u8>, u64)>,
    reads: u64,
    writes: u64,
}

impl FakeRedis {
    /// An empty one, on the system's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with(None)
    }

    /// An empty one whose entries grow old by `clock`.
    #[must_use]
    pub fn on(clock: &ManualClock) -> Self {
        Self::with(Some(clock.clone()))
    }

    fn with(clock: Option<ManualClock>) -> Self {
        Self(Arc::new(Inner {
            clock,
            state: Mutex::default(),
        }))
    }

    /// Answers at once, from here on. What hangs already stays so.
    pub fn recover(&self) {
        let mut state = self.0.state.lock();
        state.read_faults = Faults::default();
        state.write_faults = Faults::default();
        state.is_full = false;
    }

    /// Fails whatever it is asked, from here on.
    pub fn fail(&self) {
        self.inject(Operation::Read, Fault::Fail);
        self.inject(Operation::Write, Fault::Fail);
    }

    /// Answers nothing, from here on.
    pub fn hang(&self) {
        self.inject(Operation::Read, Fault::Hang);
        self.inject(Operation::Write, Fault::Hang);
    }

    /// Answers reads and takes no entries, from here on; what was to fail or hang no longer does.
    pub fn fill_up(&self) {
        let mut state = self.0.state.lock();
        state.read_faults.clear_but_delay();
        state.write_faults.clear_but_delay();
        state.is_full = true;
    }

    /// Takes so long for each answer, from here on. What was to fail or hang still does.
    pub fn delay(&self, by: Duration) {
        self.inject(Operation::Read, Fault::Delay(by));
        self.inject(Operation::Write, Fault::Delay(by));
    }

    /// What is wrong with all operations of one kind, from here on.
    pub fn inject(&self, operation: Operation, fault: Fault) {
        self.0.state.lock().faults(operation).set(fault);
    }

    /// What is wrong with the next operations of one kind, so many; then all is as it was. Several are met
    /// one after the other.
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

    /// Loses all its entries, as a restart would.
    pub fn clear(&self) {
        self.0.state.lock().entries.clear();
    }

    /// Waits until something is so, such as `|redis| redis.keys().len() == 1`: values are written behind
    /// their callers, unless their cache was dropped before.
    ///
    /// # Panics
    ///
    /// When it is not so within ten seconds of Tokio's time, at the line of the caller, and outside a Tokio
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

    /// How often it was asked for an entry.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.0.state.lock().reads
    }

    /// How many entries it was to take or to remove, also where it did not.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.0.state.lock().writes
    }

    /// The keys of its entries, sorted, without those past their time.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let now = self.now();
        let state = self.0.state.lock();
        let mut keys: Vec<_> = state.fresh(now).map(|(key, _)| key.clone()).collect();
        keys.sort_unstable();
        keys
    }

    /// How many bytes its entries have in all, without those past their time.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let now = self.now();
        let state = self.0.state.lock();
        state.fresh(now).map(|(_, bytes)| bytes.len()).sum()
    }

    /// Changes the bytes of every entry.
    pub fn damage(&self, change: impl Fn(&mut Vec<u8>)) {
        let mut state = self.0.state.lock();
        state
            .entries
            .values_mut()
            .for_each(|(bytes, _)| change(bytes));
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }

    /// In microseconds since 1970.
    fn now(&self) -> u64 {
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        match &self.0.clock {
            // Some day in 2020: a clock that is moved by hand starts nowhere.
            Some(clock) => 1_600_000_000_000_000 + clock.clock().now() / 1_000,
            None => micros(
                SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default(),
            ),
        }
    }

    async fn answer<R>(
        &self,
        operation: Operation,
        within: Duration,
        answer: impl FnOnce(&mut State, u64) -> R,
    ) -> Result<R, StoreError> {
        let fault = self.0.state.lock().faults(operation).take();
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
        Ok(answer(&mut self.0.state.lock(), now))
    }
}

impl Default for FakeRedis {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    fn faults(&mut self, operation: Operation) -> &mut Faults {
        match operation {
            Operation::Read => &mut self.read_faults,
            Operation::Write => &mut self.write_faults,
        }
    }

    fn fresh(&self, now: u64) -> impl Iterator<Item = (&String, &Vec<u8>)> {
        let entries = self.entries.iter();
        entries.filter_map(move |(key, (bytes, expires))| (now < *expires).then_some((key, bytes)))
    }

    fn write(&mut self, write: Write, now: u64) -> Result<(), StoreError> {
        match write {
            Write::Set { .. } if self.is_full => {
                return Err(StoreError::ReadOnly("it is full".into()));
            }
            Write::Set {
                key,
                bytes,
                milliseconds,
            } => {
                let expires = now.saturating_add(milliseconds.saturating_mul(1_000));
                self.entries.insert(key, (bytes, expires));
            }
            Write::Delete { key } => {
                self.entries.remove(&key);
            }
        }
        Ok(())
    }
}

impl Store for FakeRedis {
    fn is_ready(&self) -> bool {
        Handle::try_current().is_ok()
    }

    fn time(&self) -> Option<StoreTime> {
        let now = self.now();
        Some(StoreTime {
            earliest: now,
            latest: now,
        })
    }

    fn get<'a>(
        &'a self,
        key: &'a str,
        _expected: usize,
        within: Duration,
    ) -> Pending<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.0.state.lock().reads += 1;
        Box::pin(self.answer(Operation::Read, within, |state, now| {
            let (bytes, expires) = state.entries.get(key)?;
            (now < *expires).then(|| bytes.clone())
        }))
    }

    fn write(
        &self,
        writes: Vec<Write>,
        within: Duration,
    ) -> Pending<'_, Vec<Result<(), StoreError>>> {
        let count = writes.len();
        self.0.state.lock().writes += count as u64;
        Box::pin(async move {
            let answered = self.answer(Operation::Write, within, |state, now| {
                let results = writes.into_iter().map(|write| state.write(write, now));
                results.collect()
            });
            answered
                .await
                .unwrap_or_else(|error| vec![Err(error); count])
        })
    }

    fn get_tagged<'a>(
        &'a self,
        _asked: Asked<'a>,
        _within: Duration,
    ) -> Pending<'a, Result<Tagged, StoreError>> {
        Box::pin(async { Err(StoreError::Unavailable) })
    }

    fn ensure<'a>(
        &'a self,
        _tags: &'a [&'a str],
        _life: Duration,
        _within: Duration,
    ) -> Pending<'a, Result<Tagged, StoreError>> {
        Box::pin(async { Err(StoreError::Unavailable) })
    }

    fn bump(&self, _batch: Batch, _within: Duration) -> Pending<'_, Result<Tagged, StoreError>> {
        Box::pin(async { Err(StoreError::Unavailable) })
    }

    fn listen(&self, _channel: &str, _beat: Duration, _listener: &Arc<dyn Listener>) {}
}
