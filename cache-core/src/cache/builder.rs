//! The description of a cache, checked when it is built.

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::timeout;

#[cfg(feature = "redis")]
use crate::l2::redis::{Redis, Target};
#[cfg(feature = "testing")]
use crate::testing::FakeRedis;
use crate::{
    cache::Cache,
    call::{BoxFuture, l2::Shared},
    clock::Clock,
    coherence::Bounds,
    error::{Error, ErrorKind},
    invalidate::Peers,
    l1::{Eviction, L1, MakeTier, Tier},
    l2::Limits,
    policy::Policy,
    site::{Named, Policies},
};
#[cfg(any(test, feature = "redis", feature = "testing"))]
use crate::{
    invalidate::SharedPlace,
    l2::{L2, Store},
};

/// Less is a number of entries, written where bytes are meant.
const LEAST_MEMORY: u64 = 64 << 10;

/// Four times in a bound Redis is asked whether all was heard.
const LEAST_BOUND: Duration = Duration::from_millis(100);

/// What may be on its way to Redis at once.
const LARGEST_VALUE: usize = 32 << 20;

/// How long building a cache then waits until it hears other processes.
const LISTEN_WITHIN: Duration = Duration::from_millis(500);

/// How long building a cache waits for Redis.
#[cfg(feature = "redis")]
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// Describes a [`Cache`]; start with [`Cache::builder`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cache_core::Error> {
/// use cache_core::{Cache, Eviction};
///
/// let cache = Cache::builder()
///     .namespace("shop")
///     .memory_limit(256 << 20)
///     .eviction(Eviction::Lru)
///     .build()
///     .await?;
/// assert_eq!(cache.stats().memory_limit, 256 << 20);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct CacheBuilder {
    namespace: String,
    memory_limit: u64,
    tier: MakeTier,
    unweighed_limit: usize,
    clock: Clock,
    source: Option<Arc<dyn Source>>,
    requires_redis: bool,
    redis_limits: Limits,
    bounds: Bounds,
    background_limit: usize,
    policies: Policies,
}

impl Default for CacheBuilder {
    fn default() -> Self {
        Self {
            namespace: "cache".into(),
            memory_limit: 64 << 20,
            tier: Tier::adaptive,
            unweighed_limit: 10_000,
            clock: Clock::system(),
            source: None,
            requires_redis: false,
            redis_limits: Limits {
                budget: Duration::from_millis(100),
                value: 1 << 20,
            },
            bounds: Bounds::default(),
            background_limit: 64,
            policies: None,
        }
    }
}

impl CacheBuilder {
    /// Separates this program's entries from those of others. Default: `cache`.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// The bound on the weight of all entries in memory, in bytes. Default: 64 MiB.
    ///
    /// An entry weighs about what an allocator counts for it: 200 bytes, the part of its key beyond 40 bytes, and its
    /// value. The option `weight` sets the weight of a value. Without it, the cache adds up what serde shows of the
    /// value (numbers by their type, texts and collections by their content). That is too little for spare capacity,
    /// fields that serde skips, many small boxes, enums of very different variants and `serde_json::Value`: give those
    /// a `weight`. A value without serde weighs its `size_of`.
    ///
    /// From 8 MiB on, each calling thread also keeps references to the small entries it uses most, outside this bound:
    /// up to 2,048 entries of up to 2 KiB each, in a table of 128 KiB. Evicted entries are never served from there, and
    /// are released as new ones arrive.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory_limit = bytes;
        self
    }

    /// Which entry leaves when memory is full.
    pub fn eviction(mut self, eviction: Eviction) -> Self {
        self.tier = eviction.tier();
        self
    }

    /// How many entries one function may have whose heap memory the cache cannot see: values that are not `Serialize`,
    /// in functions without the option `weight`, and errors kept by `err_ttl`. Beyond that the oldest leaves. Default:
    /// 10,000.
    pub fn unweighed_limit(mut self, entries: usize) -> Self {
        self.unweighed_limit = entries;
        self
    }

    /// How many background loads may run or be queued at once: prefetches, and loads that a strategy such as
    /// `refresh_ahead` begins for a value that is still served. Beyond that no prefetch begins, and the value is served
    /// as it is and checked again 100 ms later. Loads that outlast their caller's `timeout` or `soft_timeout` count
    /// too, but are not stopped. Each cache of a process has its own limit. Default: 64; 0 begins none.
    pub fn background_limit(mut self, loads: usize) -> Self {
        self.background_limit = loads;
        self
    }

    /// Settings for functions that replace those of their attributes: lifetimes, strategies, or that one is not cached.
    /// A name is the end of a function's path, as in [`Stats::function`](crate::Stats::function); if several fit, the
    /// longest counts. The cache learns of a function only when it is called:
    /// [`Stats::unused_policies`](crate::Stats::unused_policies) lists the names that fit none so far.
    pub fn policies(mut self, policies: impl IntoIterator<Item = (String, Policy)>) -> Self {
        self.policies = Some(Arc::new(policies.into_iter().collect::<Named>()));
        self
    }

    /// Where the cache reads the time. Default: the system's clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The Redis that this cache shares its entries through: a [`Redis`], or a URL. Redis 6.2, Valkey 7.2, or newer; in a
    /// cluster Redis 7.0. [`guide::servers`](crate::guide::servers) says what to set there.
    ///
    /// | URL | |
    /// |:--|:--|
    /// | `redis://[user:password@]host[:port][/database]` | one server |
    /// | `unix:///path/to/socket[?db=database&user=..&pass=..]` | one server on this machine |
    /// | `redis-sentinel://[user:password@]host[:port][,host[:port]..]/service[/database]` | the primary that sentinels name |
    /// | `redis-cluster://[user:password@]host[:port][,host[:port]..]` | the cluster that these nodes are of |
    /// | `rediss://..`, `rediss-sentinel://..`, `rediss-cluster://..` | the same over TLS, with the feature `tls`; `Redis::tls` says more |
    ///
    /// `valkey` means the same as `redis` in all of them.
    ///
    /// For Redis Sentinel, the hosts are sentinels (default port 26379), `service` is the primary's name in
    /// `sentinel monitor`, and user and password are those of the servers. If sentinels have their own, add
    /// `?sentinel_user=..&sentinel_password=..`. Name all sentinels: the majority of the named ones decides. The cache
    /// asks all at once when it connects, and then once a second whether the primary is still the same.
    ///
    /// If Redis cannot be reached, or is slow, full or damaged, a call loses no more than the
    /// [budget](Self::redis_budget): it loads as if there were no Redis. The cache uses Redis again as soon as it
    /// answers.
    ///
    /// Every runtime that calls run on needs its timer (`enable_all`): a call that waits for Redis on one
    /// without panics. Outside a runtime Redis is not used.
    #[cfg(feature = "redis")]
    pub fn redis(mut self, redis: impl Into<Redis>) -> Self {
        self.source = Some(Arc::new(redis.into()));
        self
    }

    /// Makes [`build`](Self::build) fail if Redis cannot be reached. Without it the cache works on memory until Redis
    /// can be reached.
    pub fn require_redis(mut self) -> Self {
        self.requires_redis = true;
        self
    }

    /// How long in total a call may wait for Redis before it loads. Default: 100 ms.
    pub fn redis_budget(mut self, budget: Duration) -> Self {
        self.redis_limits.budget = budget;
        self
    }

    /// The largest value that is kept in Redis, in encoded bytes before compression. A larger one stays
    /// in memory. Default: 1 MiB; at most 32 MiB.
    pub fn redis_value_limit(mut self, bytes: usize) -> Self {
        self.redis_limits.value = bytes;
        self
    }

    /// How long another process may serve a value after an event that invalidates it has reached Redis, whatever
    /// happens to connections. Default: 2 s; at least 100 ms.
    ///
    /// Without a failure it is a few milliseconds, the time of a message. This process asks Redis about entries for
    /// which it has no proof within the bound. So a shorter bound costs more questions (four in each bound, and at
    /// least one a second) and notices a broken connection sooner. Caches of one process with one Redis and
    /// [namespace](Self::namespace) share one bound.
    pub fn staleness_bound(mut self, bound: Duration) -> Self {
        self.bounds.staleness = bound;
        self
    }

    /// How long after a mutation with an unknown outcome (it failed, panicked or was dropped half way) its events are
    /// emitted a second time, as its write may be committed later. Default: 5 s. Caches of one process with one Redis
    /// and [namespace](Self::namespace) share this time.
    pub fn unknown_outcome(mut self, after: Duration) -> Self {
        self.bounds.unknown_outcome = after;
        self
    }

    /// A stand-in for Redis, for tests.
    #[cfg(feature = "testing")]
    pub fn fake_redis(mut self, redis: &FakeRedis) -> Self {
        self.source = Some(Arc::new(redis.clone()));
        self
    }

    /// Builds the cache and connects it to Redis, which takes at most a second.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] when an option has a value that cannot work, alone or together with the other
    /// caches of this process, [`ErrorKind::Refused`] when Redis refuses the user, the password or the database, or is
    /// too old, and with [`require_redis`](Self::require_redis) [`ErrorKind::Unreachable`] when it does not answer.
    ///
    /// # Panics
    ///
    /// With a URL of Redis, if the runtime has its timer or its I/O disabled.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped, nothing is left behind.
    pub async fn build(self) -> Result<Cache, Error> {
        self.check()?;
        let tier = match &self.source {
            Some(source) => Some(source.connect(&self).await?),
            None if self.requires_redis => {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    "`require_redis` needs to know which: write `.redis(\"redis://127.0.0.1/\")`",
                ));
            }
            None => None,
        };
        let cache = self.assemble(tier);
        if cache
            .shared()
            .is_some_and(|shared| shared.store().is_ready())
        {
            // Late or not, it works: what is loaded before it listens is not kept.
            let _ = timeout(LISTEN_WITHIN, cache.coherence().listening()).await;
        }
        Ok(cache)
    }

    fn check(&self) -> Result<(), Error> {
        let refuse = |message: &str| Err(Error::new(ErrorKind::Configuration, message));
        if self.namespace.is_empty()
            || self
                .namespace
                .contains(|c: char| c.is_control() || c.is_whitespace() || c == ':')
        {
            return refuse(
                "`namespace` is the first part of every shared key: write a name without spaces and `:`",
            );
        }
        if self.memory_limit < LEAST_MEMORY {
            return refuse(
                "`memory_limit` is in bytes, and below 64 KiB it keeps next to nothing: write for instance `64 << 20`, or `Cache::disabled()` if that is meant",
            );
        }
        if let Some(policies) = &self.policies {
            policies.check()?;
        }
        if self.bounds.staleness < LEAST_BOUND {
            return refuse(
                "`staleness_bound` below 100 ms is shorter than what it takes to ask Redis now and then: write at least 100 ms",
            );
        }
        if self.unweighed_limit == 0 {
            return refuse(
                "`unweighed_limit` of 0 keeps no value without a weight: write at least 1",
            );
        }
        if self.redis_limits.budget.is_zero() {
            return refuse(
                "`redis_budget` of zero never waits for Redis: write for instance `Duration::from_millis(100)`, or `tiers = memory` if that is meant",
            );
        }
        if !(1..=LARGEST_VALUE).contains(&self.redis_limits.value) {
            return refuse(
                "`redis_value_limit` is in bytes, 32 MiB at most: write for instance `4 << 20`",
            );
        }
        Ok(())
    }

    /// The shared tier on this store. Caches of one `place` are one process to others.
    #[cfg(any(test, feature = "redis", feature = "testing"))]
    fn sharing(&self, store: Arc<dyn Store>, place: Option<SharedPlace>) -> Result<Sharing, Error> {
        let (peers, backing) = Peers::of(place, &self.namespace, self.bounds, store)?;
        let l2 = L2::new(backing, &self.namespace, self.redis_limits);
        // What those before have left.
        L2::start_sending(&l2);
        Ok((l2, peers))
    }

    /// The cache with another shared tier than users can name.
    #[cfg(test)]
    pub(crate) fn build_on(self, store: Arc<dyn Store>) -> Cache {
        let tier = self.sharing(store, None).expect("it is alone");
        self.assemble(Some(tier))
    }

    /// The cache without its shared tier.
    pub(super) fn build_now(self) -> Cache {
        self.assemble(None)
    }

    fn assemble(self, tier: Option<Sharing>) -> Cache {
        let l1 = L1::new(self.memory_limit, self.tier, self.unweighed_limit);
        let (shared, peers) = match tier {
            Some((shared, peers)) => (Some(shared), peers),
            None => (None, Peers::alone(&self.namespace, self.bounds)),
        };
        Cache::new(
            self.namespace,
            self.clock,
            l1,
            shared,
            peers,
            (self.background_limit, self.policies),
        )
    }
}

/// Where the shared tier is. A table that only the options fill which describe one: programs that call none of them
/// have no code for it.
trait Source: fmt::Debug + Send + Sync {
    fn connect<'a>(&'a self, cache: &'a CacheBuilder) -> BoxFuture<'a, Result<Sharing, Error>>;
}

/// The shared tier, and who else of this process shares it.
type Sharing = (Arc<dyn Shared>, Arc<Peers>);

#[cfg(feature = "redis")]
impl Source for Redis {
    fn connect<'a>(&'a self, cache: &'a CacheBuilder) -> BoxFuture<'a, Result<Sharing, Error>> {
        Box::pin(async move {
            let target = self.target()?;
            if matches!(target, Target::Cluster(_)) && cache.namespace.contains(['{', '}']) {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    "with a cluster, a `namespace` with braces would put all its keys on one primary: write it without",
                ));
            }
            let (shown, server) = (target.to_string(), target.identity());
            let (store, missing) = target.connect(CONNECT_WITHIN).await?;
            match missing {
                Some(reason) if cache.requires_redis => {
                    return Err(Error::new(
                        ErrorKind::Unreachable,
                        format_args!("{shown} does not answer: {reason}"),
                    ));
                }
                Some(reason) => tracing::warn!(
                    "{shown} does not answer, and the cache works on memory until it does: {reason}"
                ),
                None => {}
            }
            let place = SharedPlace {
                shared: (server, cache.namespace.clone()),
                access: self.access(),
            };
            cache.sharing(store, Some(place))
        })
    }
}

#[cfg(feature = "testing")]
impl Source for FakeRedis {
    fn connect<'a>(&'a self, cache: &'a CacheBuilder) -> BoxFuture<'a, Result<Sharing, Error>> {
        Box::pin(std::future::ready(cache.sharing(self.store(), None)))
    }
}
