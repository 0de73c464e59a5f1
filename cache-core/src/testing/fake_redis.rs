//! A stand-in for Redis that does as it is told.

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    time::{sleep, timeout},
};

use super::ManualClock;
use crate::l2::{Pending, Store, StoreError, StoreTime, Write};

/// A Redis in the memory of the test: several caches can share one, as processes do, and it fails, hangs
/// or is slow when it is told to.
///
/// ```
/// use std::time::Duration;
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
/// here.close(Duration::from_secs(1)).await; // sends what is on its way
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
            .field("entries", &self.0.state.lock().entries.len())
            .finish_non_exhaustive()
    }
}

struct Inner {
    clock: Option<ManualClock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    mood: Mood,
    delay: Duration,
    /// The bytes of an entry, and when they expire in microseconds since 1970.
    entries: HashMap<String, (Vec<u8>, u64)>,
    reads: u64,
    writes: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Well,
    Failing,
    Hanging,
    Full,
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

    /// Answers at once, from here on.
    pub fn recover(&self) {
        let mut state = self.0.state.lock();
        state.mood = Mood::Well;
        state.delay = Duration::ZERO;
    }

    /// Fails whatever it is asked, from here on.
    pub fn fail(&self) {
        self.0.state.lock().mood = Mood::Failing;
    }

    /// Answers nothing, from here on.
    pub fn hang(&self) {
        self.0.state.lock().mood = Mood::Hanging;
    }

    /// Answers reads and takes no entries, from here on.
    pub fn fill_up(&self) {
        self.0.state.lock().mood = Mood::Full;
    }

    /// Takes so long for each answer, from here on.
    pub fn delay(&self, by: Duration) {
        self.0.state.lock().delay = by;
    }

    /// How often it was asked for an entry.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.0.state.lock().reads
    }

    /// How many entries it was to take or to remove.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.0.state.lock().writes
    }

    /// The keys of its entries, sorted.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<_> = self.0.state.lock().entries.keys().cloned().collect();
        keys.sort_unstable();
        keys
    }

    /// How many bytes its entries have in all.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let state = self.0.state.lock();
        state.entries.values().map(|(bytes, _)| bytes.len()).sum()
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
        within: Duration,
        answer: impl FnOnce(&mut State, u64) -> R,
    ) -> Result<R, StoreError> {
        let (mood, delay) = {
            let state = self.0.state.lock();
            (state.mood, state.delay)
        };
        if mood == Mood::Failing {
            return Err(StoreError::Unavailable);
        }
        let waited = timeout(within, async {
            if mood == Mood::Hanging {
                std::future::pending::<()>().await;
            }
            if !delay.is_zero() {
                sleep(delay).await;
            }
        });
        waited.await.map_err(|_| StoreError::Late)?;
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
    fn write(&mut self, write: Write, now: u64) -> Result<(), StoreError> {
        match write {
            Write::Set { .. } if self.mood == Mood::Full => {
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
        Box::pin(self.answer(within, |state, now| {
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
            let answered = self.answer(within, |state, now| {
                let results = writes.into_iter().map(|write| state.write(write, now));
                results.collect()
            });
            answered
                .await
                .unwrap_or_else(|error| vec![Err(error); count])
        })
    }
}
