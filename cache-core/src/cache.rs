//! A cache: its tiers, its functions, and which cache a call goes to.

mod builder;

use std::{
    fmt,
    future::{Future, poll_fn},
    hash::{BuildHasher, RandomState},
    pin::pin,
    sync::{
        Arc, LazyLock, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

pub use builder::CacheBuilder;

#[cfg(test)]
use crate::clock::simulated;
use crate::{
    call::l2::Shared,
    clock::Clock,
    coherence::Coherence,
    context::{self, Scoped},
    error::{Error, ErrorKind},
    flight::Flights,
    invalidate::{Carrier, PeerCache, Peers, SIGN_EVERY},
    key::{Key, KeyWriter},
    l1::L1,
    l2::Notice,
    site::{Policies, SiteStates},
    stats::Stats,
    tasks::Tasks,
};

static INSTALLED: OnceLock<Cache> = OnceLock::new();
static DEFAULT: LazyLock<Cache> = LazyLock::new(|| CacheBuilder::default().build_now());

/// Where cached functions keep their values. Cheap to clone: all clones are one cache.
///
/// A call goes to the cache that its function names with `cache = ..`, otherwise to that of the [`scope`](Cache::scope)
/// it runs in, otherwise to the [installed](Cache::install) one, otherwise to a default of 64 MiB that needs no set-up.
///
/// ```
/// use cache_core::{Cache, cached};
///
/// #[cached(ttl = 1m)]
/// async fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cache_core::Error> {
/// Cache::builder().namespace("shop").memory_limit(16 << 20).build().await?.install()?;
/// assert_eq!(square(4).await, 16); // runs the body
/// assert_eq!(square(4).await, 16); // does not
/// assert_eq!(Cache::current().stats().function("square").map(|f| (f.loads, f.hits)), Some((1, 1)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Cache(Arc<Inner>);

struct Inner {
    namespace: String,
    clock: Clock,
    flights: Arc<Flights>,
    shared: Option<Arc<dyn Shared>>,
    peers: Arc<Peers>,
    /// Which of its peers this one is.
    number: u64,
    sites: SiteStates,
    tasks: Arc<Tasks>,
    is_closed: AtomicBool,
    background_limit: usize,
    /// A random number, by which caches differ in when they refresh.
    spread: u64,
}

impl Cache {
    /// Starts to describe a cache.
    pub fn builder() -> CacheBuilder {
        CacheBuilder::default()
    }

    /// A cache that keeps nothing and shares no loads: every call runs its function's body.
    ///
    /// For [`scope`](Cache::scope) in tests, and to see what a program does without its cache. It sends events to
    /// nobody, neither those of [`emit`](Cache::emit) nor those of functions with `#[invalidates]`: processes that do
    /// have a cache serve the affected entries for their `ttl`.
    #[must_use]
    pub fn disabled() -> Self {
        let cache = CacheBuilder::default().build_now();
        cache.flights().turn_off();
        cache
    }

    pub(super) fn new(
        namespace: String,
        clock: Clock,
        l1: L1,
        shared: Option<Arc<dyn Shared>>,
        peers: Arc<Peers>,
        (background_limit, policies): (usize, Policies),
    ) -> Self {
        let number = peers.courier.as_ref();
        let number = number.map_or(0, |courier| courier.peer_caches().next_number());
        let inner = Arc::new(Inner {
            namespace,
            clock,
            flights: Arc::new(Flights::new(l1)),
            shared,
            peers,
            number,
            sites: SiteStates::new(policies),
            tasks: Arc::default(),
            is_closed: AtomicBool::new(false),
            background_limit,
            spread: spread(number),
        });
        if let Some(courier) = &inner.peers.courier {
            let inner = Arc::downgrade(&inner);
            courier.peer_caches().add(number, inner);
        }
        Self(inner)
    }

    /// Makes this the cache of all calls in the process that go to no other.
    ///
    /// Install before the first call: entries that are in the default cache by then stay there.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AlreadyInstalled`] when a cache was installed before: it stays.
    pub fn install(self) -> Result<(), Error> {
        INSTALLED.set(self).map_err(|_| {
            Error::new(
                ErrorKind::AlreadyInstalled,
                "a cache is already installed in this process: install once, and use `Cache::scope` or `cache = ..` for others",
            )
        })
    }

    /// The cache that a call made here goes to: that of the scope, else the installed one, else the
    /// default.
    #[must_use]
    pub fn current() -> Self {
        context::scope().unwrap_or_else(|| Self::ambient().clone())
    }

    #[inline]
    pub(crate) fn ambient() -> &'static Self {
        INSTALLED.get().unwrap_or_else(|| &DEFAULT)
    }

    /// Runs a future whose cached calls go to `cache`, those in its loads included.
    ///
    /// Tasks that the future spawns by itself are outside: give each a scope of its own.
    ///
    /// # Cancel safety
    ///
    /// That of the future.
    ///
    /// ```
    /// # use cache_core::{Cache, cached};
    /// # #[cached(ttl = 1m)]
    /// # async fn square(n: u64) -> u64 { n * n }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cache_core::Error> {
    /// let mine = Cache::builder().build().await?;
    /// Cache::scope(mine.clone(), square(3)).await;
    /// assert_eq!(mine.stats().entries, 1);
    /// assert_eq!(Cache::current().stats().entries, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn scope<F: Future>(cache: Self, future: F) -> impl Future<Output = F::Output> {
        Scoped::new(cache, future)
    }

    /// What this cache did, and what it holds.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let l1 = &self.flights().l1;
        Stats {
            functions: self
                .0
                .sites
                .all()
                .iter()
                .map(|site| site.counters.snapshot(&site.name))
                .collect(),
            entries: l1.entries(),
            bytes: l1.bytes(),
            memory_limit: l1.limit(),
            events: self.coherence().stats(),
            unused_policies: self.0.sites.unused_policies(),
        }
    }

    /// Drops every entry in memory. Loads that began earlier are not kept. Redis keeps its entries.
    pub fn clear(&self) {
        self.0.flights.clear();
    }

    /// Ends the cache: drops every entry in memory, waits for detached loads and for everything that is to be sent to
    /// Redis, events first, and returns what was left at the deadline. Events that are due again after
    /// `unknown_outcome` are emitted now, unless this process has another open cache with the same Redis and namespace,
    /// which emits them then.
    ///
    /// As soon as it begins, calls run their bodies, as with [`Cache::disabled`], and results of running loads are not
    /// kept.
    ///
    /// # Panics
    ///
    /// If loads are running or values wait to be written, and this is called outside a Tokio runtime with its timer
    /// enabled.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped half way, the cache is closed all the same, loads run on and values are sent.
    pub async fn close(&self, deadline: Duration) -> Leftover {
        self.0.is_closed.store(true, Relaxed);
        self.flights().turn_off();
        let left = || Leftover {
            loads: self.0.tasks.running(),
            fills: self.shared().map_or(0, |shared| shared.unsent()),
            events: self.coherence().left(self.is_last()),
        };
        if left() != Leftover::default() {
            let ended = async {
                self.0.tasks.idle().await;
                if self.courier().is_some() {
                    self.coherence().emptied(self.is_last()).await;
                }
                if let Some(shared) = self.shared() {
                    Arc::clone(shared).emptied().await;
                }
            };
            let (mut ended, mut carried) = (pin!(ended), pin!(self.keep_carrying()));
            let both = poll_fn(|cx| {
                // It never ends.
                let _ = carried.as_mut().poll(cx);
                ended.as_mut().poll(cx)
            });
            // Late is not an error: what was left is the answer.
            let _ = tokio::time::timeout(deadline, both).await;
        }
        left()
    }

    /// Sees to it that what is on its way goes on, also where the runtime that carried it stands still.
    async fn keep_carrying(&self) {
        loop {
            if let Some(courier) = self.courier() {
                courier.attend();
                self.coherence().hurry(self.is_last());
            }
            if let Some(shared) = self.shared() {
                Arc::clone(shared).start_sending();
            }
            tokio::time::sleep(SIGN_EVERY).await;
        }
    }

    /// Whether no other cache of this process shares entries with it, and is open.
    fn is_last(&self) -> bool {
        let others = |courier: &dyn Carrier| courier.peer_caches().has_others(self.0.number);
        !self.courier().is_some_and(others)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed.load(Relaxed)
    }

    pub(crate) fn is_on(&self) -> bool {
        self.flights().is_on()
    }

    #[inline]
    pub(crate) fn flights(&self) -> &Arc<Flights> {
        &self.0.flights
    }

    #[inline]
    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(crate) fn shared(&self) -> Option<&Arc<dyn Shared>> {
        self.0.shared.as_ref()
    }

    /// How long a call may be held for the shared tier, in all.
    pub(crate) fn redis_budget(&self) -> Duration {
        self.shared()
            .map_or(Duration::ZERO, |shared| shared.budget())
    }

    /// Whether there is a shared tier that is worth asking.
    pub(crate) fn admit_read(&self) -> bool {
        self.shared()
            .is_some_and(|shared| Arc::clone(shared).admit_read())
    }

    pub(crate) fn coherence(&self) -> &Arc<Coherence> {
        &self.0.peers.coherence
    }

    pub(crate) fn courier(&self) -> Option<&dyn Carrier> {
        self.0.peers.courier.as_deref()
    }

    /// What the clock of the shared tier shows at least, in microseconds.
    pub(crate) fn store_time(&self) -> Option<u64> {
        Some(self.shared()?.store().time()?.earliest)
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// What the others are told of an entry that is changed by hand, where there are others.
    pub(crate) fn notice(&self, function: &str, record: &str) -> Option<Notice> {
        let (shared, courier) = (self.shared()?, self.courier()?);
        Some(Notice {
            teller: Arc::clone(shared) as _,
            message: courier.message(self.0.number, function, record),
        })
    }

    pub(crate) fn sites(&self) -> &SiteStates {
        &self.0.sites
    }

    pub(crate) fn tasks(&self) -> &Arc<Tasks> {
        &self.0.tasks
    }

    #[cfg(feature = "opentelemetry")]
    pub(crate) fn distant(&self) -> Distant {
        Distant(Arc::downgrade(&self.0))
    }

    /// A number that is another one in each cache.
    pub(crate) fn spread(&self) -> u64 {
        self.0.spread
    }

    /// How many loads may run at once that nobody waits for.
    pub(crate) fn background_limit(&self) -> usize {
        self.0.background_limit
    }
}

/// A cache that whoever has this does not keep alive.
#[cfg(feature = "opentelemetry")]
#[derive(Clone)]
pub(crate) struct Distant(std::sync::Weak<Inner>);

#[cfg(feature = "opentelemetry")]
impl Distant {
    pub(crate) fn upgrade(&self) -> Option<Cache> {
        self.0.upgrade().map(Cache)
    }
}

/// Another cache changed an entry by hand.
impl PeerCache for Inner {
    fn forget(&self, function: &str, key: &KeyWriter<'_>) {
        for function in self.sites.named(function) {
            let key = Key::new(function, key);
            self.flights.evict(&key, None, None);
        }
    }

    fn is_open(&self) -> bool {
        self.flights.is_on()
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let l1 = &self.flights().l1;
        f.debug_struct("Cache")
            .field("namespace", &self.0.namespace)
            .field("entries", &l1.entries())
            .field("bytes", &l1.bytes())
            .field("memory_limit", &l1.limit())
            .field("l2", &self.0.shared)
            .finish_non_exhaustive()
    }
}

/// What [`Cache::close`] could not wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "loads that are left run on until the runtime ends"]
pub struct Leftover {
    /// Detached loads that were still running at the deadline. Inline loads belong to their callers.
    pub loads: usize,
    /// Changes that were still to be written to Redis.
    pub fills: usize,
    /// Emissions that Redis has not acknowledged: other processes may serve what they invalidate.
    pub events: usize,
}

/// A random number, by which caches differ in when they refresh. In a simulation it is the same in each run.
fn spread(number: u64) -> u64 {
    #[cfg(test)]
    if simulated::is_on() {
        return number << 32;
    }
    RandomState::new().hash_one(number)
}
