//! What to change, from what was counted: rules over statistics, each with its evidence and a way out.

mod of_cache;
mod of_function;

use std::fmt;

use crate::{
    cache::Cache,
    stats::{FunctionStats, Stats},
};

impl Cache {
    /// What to change, from what this cache has counted since it was built, most urgent first. It is empty if all is
    /// well, or if too little has happened to tell.
    ///
    /// It reads counters and samples, costs calls nothing, and takes microseconds. Ask for it after a day of real
    /// traffic, or under a load test. It names hot keys, so show it only to those who may read keys.
    ///
    /// ```
    /// # use cache_core::{Cache, Symptom, cached};
    /// #[cached(ttl = 5m)]
    /// async fn receipt(order: u64) -> u64 {
    ///     order
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// for order in 0..2_000 {
    ///     receipt(order).await; // nobody asks for one twice
    /// }
    /// let advice = Cache::current().advice();
    /// assert_eq!(advice[0].symptom, Symptom::RarelyReused);
    /// println!("{}", advice[0]); // `..::receipt`: 0 of 2000 calls were answered without a load: ..
    /// # }
    /// ```
    #[must_use]
    pub fn advice(&self) -> Vec<Advice> {
        self.stats().advice()
    }
}

impl Stats {
    /// What [`Cache::advice`] says about these statistics.
    #[must_use]
    pub fn advice(&self) -> Vec<Advice> {
        let of_cache = of_cache::RULES.iter().flat_map(|rule| rule(self));
        let of_functions = self.functions.iter().flat_map(|row| {
            let rules = of_function::RULES.iter();
            rules.filter_map(move |rule| Some(rule(row)?.about(&row.name)))
        });
        let mut all: Vec<_> = of_cache.chain(of_functions).collect();
        all.sort_by_key(|advice| advice.symptom);
        all
    }
}

/// One thing to change.
///
/// [`Display`](fmt::Display) writes it as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Advice {
    /// What is wrong.
    pub symptom: Symptom,
    /// What it is about: a cached function or an event; `None` if it is the whole cache.
    pub about: Option<String>,
    /// What was counted.
    pub evidence: String,
    /// What to write.
    pub fix: String,
}

/// What can be wrong with how a cache is used; most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Symptom {
    /// Redis does not answer, or not in time.
    RedisFails,
    /// The connection that hears of changes is lost often.
    UnstableSubscription,
    /// What is in Redis cannot be used: damaged, or of another version of the value.
    UnusableEntries,
    /// Loads fail, and no stale value stands in for them.
    FailingLoads,
    /// Entries are evicted that are asked for again.
    TooLittleMemory,
    /// Values are too heavy for the memory of the cache.
    TooHeavyValues,
    /// Values are larger than what the cache takes to Redis.
    TooLargeValues,
    /// An event on which nothing depended, however often it was emitted.
    EventWithoutListeners,
    /// Entries are invalidated more often than they are used.
    InvalidationStorm,
    /// Values that were invalidated and loaded again were the same as before.
    TooBroadEvent,
    /// Values that had expired and were loaded again were the same as before.
    ShortTtl,
    /// Calls wait for entries that expire while they are in use.
    WaitsAtExpiry,
    /// Hardly any call is answered without a load.
    RarelyReused,
    /// Asking Redis takes longer than loading.
    SlowRedis,
    /// Encoding and decoding takes longer than loading.
    SlowCodec,
    /// One key is asked for much more than all others.
    HotKey,
    /// Background loads and prefetches find no room.
    CrowdedBackground,
    /// Loads take longer than allowed.
    FrequentTimeouts,
    /// A policy names a function that was never called.
    UnusedPolicy,
    /// Cached functions that were never called. Only with the feature `graph`, which does not know methods that name no
    /// event.
    NeverCalled,
}

impl Advice {
    fn new(symptom: Symptom, evidence: String, fix: impl Into<String>) -> Self {
        Self {
            symptom,
            about: None,
            evidence,
            fix: fix.into(),
        }
    }

    fn about(self, what: &str) -> Self {
        Self {
            about: Some(what.to_owned()),
            ..self
        }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(about) = &self.about {
            write!(f, "`{about}`: ")?;
        }
        write!(f, "{}: {}", self.evidence, self.fix)
    }
}

/// A rule about one function.
type OfFunction = fn(&FunctionStats) -> Option<Advice>;

/// A rule about the cache as a whole.
type OfCache = fn(&Stats) -> Vec<Advice>;

/// Whether `part` is at least so many of a hundred of `all`, of which there are at least `least`.
fn is_much(part: u64, percent: u64, all: u64, least: u64) -> bool {
    all >= least && part * 100 >= all * percent
}
