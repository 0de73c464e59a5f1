//! Counters per function and their sum as typed statistics. Of other modules it knows the reasons by which it counts.

mod events;
mod ghosts;
pub(crate) mod hot;
mod reasons;
mod reloads;
mod shown;
pub(crate) mod striped;
mod times;

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

pub use events::EventStats;
pub use ghosts::GhostCurve;
use ghosts::Ghosts;
pub use hot::HotKey;
use hot::HotKeys;
use reasons::ByReason;
pub(crate) use reasons::{ByName, Reason};
use reloads::Reloads;
use striped::Striped;
use times::Timer;
pub use times::Times;

use crate::{
    explain::{Miss, Stale},
    function::is_called,
    l2::RedisMiss,
};

/// What one function did in one cache.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) hits: Striped,
    pub(crate) loads: AtomicU64,
    pub(crate) background_loads: AtomicU64,
    pub(crate) batch_loads: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) shared: AtomicU64,
    pub(crate) stale: ByReason<Stale, 5>,
    pub(crate) missed: ByReason<Miss, 8>,
    /// Those of them whose entry had been evicted, by the room that it lacked.
    pub(crate) ghosts: Ghosts,
    /// Those that an event had made void, by its name.
    pub(crate) invalidated_by: ByName,
    /// Calls that were run past the cache.
    pub(crate) bypassed: AtomicU64,
    pub(crate) refreshes: AtomicU64,
    pub(crate) timeouts: AtomicU64,
    pub(crate) skipped: AtomicU64,
    pub(crate) evictions: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) entries: AtomicU64,
    /// Those of the entries whose weight nobody knows.
    pub(crate) unweighed: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) redis_answers: AtomicU64,
    pub(crate) redis_hits: AtomicU64,
    pub(crate) redis_missed: ByReason<RedisMiss, 10>,
    pub(crate) redis_unasked: AtomicU64,
    pub(crate) redis_fills: AtomicU64,
    pub(crate) redis_fills_lost: AtomicU64,
    pub(crate) redis_too_large: AtomicU64,
    pub(crate) load_times: Timer,
    pub(crate) redis_times: Timer,
    pub(crate) wait_times: Timer,
    pub(crate) encode_times: Timer,
    pub(crate) decode_times: Timer,
    pub(crate) reloads: Reloads,
    pub(crate) hot_keys: HotKeys,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    pub(crate) fn snapshot(&self, name: &str) -> FunctionStats {
        FunctionStats {
            name: name.to_owned(),
            hits: self.hits.sum(),
            loads: self.loads.load(Relaxed),
            background_loads: self.background_loads.load(Relaxed),
            batch_loads: self.batch_loads.load(Relaxed),
            failures: self.failures.load(Relaxed),
            shared_loads: self.shared.load(Relaxed),
            missed: self.missed.snapshot(),
            ghosts: self.ghosts.snapshot(),
            invalidated_by: self.invalidated_by.snapshot(),
            bypassed: self.bypassed.load(Relaxed),
            stale: self.stale.sum_of(|_| true),
            unproven: self.stale.sum_of(|stale| stale == Stale::Unproven),
            stale_by: self.stale.snapshot(),
            refreshes: self.refreshes.load(Relaxed),
            timeouts: self.timeouts.load(Relaxed),
            skipped: self.skipped.load(Relaxed),
            evictions: self.evictions.load(Relaxed),
            rejected: self.rejected.load(Relaxed),
            entries: self.entries.load(Relaxed),
            unweighed: self.unweighed.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            redis_answers: self.redis_answers.load(Relaxed),
            redis_hits: self.redis_hits.load(Relaxed),
            redis_misses: self
                .redis_missed
                .sum_of(|miss| !miss.is_unusable() && !miss.is_fault()),
            redis_unusable: self.redis_missed.sum_of(RedisMiss::is_unusable),
            redis_faults: self.redis_missed.sum_of(RedisMiss::is_fault),
            redis_missed: self.redis_missed.snapshot(),
            redis_unasked: self.redis_unasked.load(Relaxed),
            redis_fills: self.redis_fills.load(Relaxed),
            redis_fills_lost: self.redis_fills_lost.load(Relaxed),
            redis_too_large: self.redis_too_large.load(Relaxed),
            load_times: self.load_times.snapshot(),
            redis_times: self.redis_times.snapshot(),
            wait_times: self.wait_times.snapshot(),
            encode_times: self.encode_times.snapshot(),
            decode_times: self.decode_times.snapshot(),
            reloads_compared: self.reloads.compared.load(Relaxed),
            reloads_same: self.reloads.same.load(Relaxed),
            hot_keys: self.hot_keys.snapshot(),
        }
    }
}

/// What one cached function did, since the cache was built.
///
/// Each instantiation of a generic function has its own counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionStats {
    /// Module, type, function and type parameters, or the option `name`.
    pub name: String,
    /// Calls answered from memory.
    pub hits: u64,
    /// How often the body began to run, also without the cache: under `bypass` and while the cache is off. For a
    /// function of many keys, the number of keys it ran for.
    pub loads: u64,
    /// Background loads: those that began while the old value was still served. Can be fewer than
    /// [`refreshes`](Self::refreshes), because another process may have loaded the value first.
    pub background_loads: u64,
    /// For a function of many keys, how often the body ran; otherwise 0.
    pub batch_loads: u64,
    /// Loads that ended in an error, or, inside a flight, in a panic.
    pub failures: u64,
    /// Calls that memory did not answer, though the function uses it, by reason; without reasons that did not occur.
    pub missed: Vec<(Miss, u64)>,
    /// How many of them more memory would have avoided.
    pub ghosts: GhostCurve,
    /// Those of them whose entry an event had invalidated, by the event's name.
    pub invalidated_by: Vec<(String, u64)>,
    /// Calls that ran without the cache: under `bypass`, while the cache or the function was off, or in a load of the
    /// same key.
    pub bypassed: u64,
    /// Calls answered by the load, or the read of Redis, of another caller: stampedes prevented.
    pub shared_loads: u64,
    /// Calls that got an expired or invalidated value, because a strategy allows it.
    pub stale: u64,
    /// `stale` by reason; without reasons that did not occur.
    pub stale_by: Vec<(Stale, u64)>,
    /// Those of `stale` whose value an event may have invalidated, without the cache knowing:
    /// `stale_if_error(.., unproven)`.
    pub unproven: u64,
    /// Refreshes that were begun in the background for a value that was still served.
    pub refreshes: u64,
    /// Calls whose load took longer than `soft_timeout` or `timeout`.
    pub timeouts: u64,
    /// Background loads and prefetches that were not begun because as many as may run were already running.
    pub skipped: u64,
    /// Entries that left because there was no room.
    pub evictions: u64,
    /// Values that were too heavy to be kept at all.
    pub rejected: u64,
    /// Entries in memory now, including expired ones that no call asked for again.
    pub entries: u64,
    /// Those of them whose weight the cache cannot know; `unweighed_limit` bounds them.
    pub unweighed: u64,
    /// The weight of those entries in bytes.
    pub bytes: u64,
    /// Calls answered by an entry in Redis, or on its way there.
    pub redis_answers: u64,
    /// Reads answered by such an entry, also in the background.
    pub redis_hits: u64,
    /// Reads that found nothing, or an expired entry.
    pub redis_misses: u64,
    /// Reads that found an unusable entry: damaged, or of another key, type or format.
    pub redis_unusable: u64,
    /// Reads that Redis did not answer in time, or at all.
    pub redis_faults: u64,
    /// Reads that gave no value, by reason; without reasons that did not occur.
    pub redis_missed: Vec<(RedisMiss, u64)>,
    /// Calls that skipped Redis, because it cannot be reached, or failed so often that the cache does not use it for a
    /// while.
    pub redis_unasked: u64,
    /// Values that were written to Redis.
    pub redis_fills: u64,
    /// Values that should have been written to Redis and were not.
    pub redis_fills_lost: u64,
    /// Those of the lost ones that were larger than the cache's limit for one value.
    pub redis_too_large: u64,
    /// How long bodies ran, from their first poll to their end.
    pub load_times: Times,
    /// How long calls waited for Redis.
    pub redis_times: Times,
    /// How long calls waited for the load of another call that answered them.
    pub wait_times: Times,
    /// How long it took to encode values, including compression. No call waits for that.
    pub encode_times: Times,
    /// How long it took to decode values, including decompression.
    pub decode_times: Times,
    /// How many reloads, of values that go to Redis, were compared with the value before; for some of the keys.
    pub reloads_compared: u64,
    /// How many of them gave the same bytes as before.
    pub reloads_same: u64,
    /// Keys that are asked for much more than others, from a sample of one in 1,024 hits; the hottest first.
    pub hot_keys: Vec<HotKey>,
}

impl FunctionStats {
    /// How often memory did not answer for this reason.
    #[must_use]
    pub fn missed(&self, reason: Miss) -> u64 {
        let found = self.missed.iter().find(|(known, _)| *known == reason);
        found.map_or(0, |(_, count)| *count)
    }

    /// The part of the calls that was answered without a load of their own, from 0 to 1; `None` without calls.
    #[must_use]
    pub fn hit_ratio(&self) -> Option<f64> {
        let saved = self.answered();
        let all = saved + self.loads.saturating_sub(self.background_loads);
        #[expect(clippy::cast_precision_loss, reason = "a ratio of counts")]
        let ratio = saved as f64 / all as f64;
        (all > 0).then_some(ratio)
    }

    /// About how much longer callers would have waited without the cache: the average time of a load, for each call
    /// that was answered without one.
    #[must_use]
    pub fn time_saved(&self) -> Duration {
        let mut nanos = self.load_times.mean().as_nanos() * u128::from(self.answered());
        if self.batch_loads > 0 {
            // Keys are loaded together, and would have been.
            nanos = nanos * u128::from(self.batch_loads) / u128::from(self.loads.max(1));
        }
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            .saturating_sub(self.redis_times.total() + self.wait_times.total())
    }

    /// Adds what another function did.
    fn add(&mut self, other: &Self) {
        let Self {
            name: _,
            hits,
            loads,
            background_loads,
            batch_loads,
            failures,
            missed,
            ghosts,
            invalidated_by,
            bypassed,
            shared_loads,
            stale,
            stale_by,
            unproven,
            refreshes,
            timeouts,
            skipped,
            evictions,
            rejected,
            entries,
            unweighed,
            bytes,
            redis_answers,
            redis_hits,
            redis_misses,
            redis_unusable,
            redis_faults,
            redis_missed,
            redis_unasked,
            redis_fills,
            redis_fills_lost,
            redis_too_large,
            load_times,
            redis_times,
            wait_times,
            encode_times,
            decode_times,
            reloads_compared,
            reloads_same,
            // Of different functions they have nothing in common.
            hot_keys: _,
        } = self;
        let counts = [
            (hits, other.hits),
            (loads, other.loads),
            (background_loads, other.background_loads),
            (batch_loads, other.batch_loads),
            (failures, other.failures),
            (bypassed, other.bypassed),
            (shared_loads, other.shared_loads),
            (stale, other.stale),
            (unproven, other.unproven),
            (refreshes, other.refreshes),
            (timeouts, other.timeouts),
            (skipped, other.skipped),
            (evictions, other.evictions),
            (rejected, other.rejected),
            (entries, other.entries),
            (unweighed, other.unweighed),
            (bytes, other.bytes),
            (redis_answers, other.redis_answers),
            (redis_hits, other.redis_hits),
            (redis_misses, other.redis_misses),
            (redis_unusable, other.redis_unusable),
            (redis_faults, other.redis_faults),
            (redis_unasked, other.redis_unasked),
            (redis_fills, other.redis_fills),
            (redis_fills_lost, other.redis_fills_lost),
            (redis_too_large, other.redis_too_large),
            (reloads_compared, other.reloads_compared),
            (reloads_same, other.reloads_same),
        ];
        for (count, more) in counts {
            *count += more;
        }
        reasons::add(missed, &other.missed);
        ghosts.add(&other.ghosts);
        reasons::add(invalidated_by, &other.invalidated_by);
        reasons::add(stale_by, &other.stale_by);
        reasons::add(redis_missed, &other.redis_missed);
        load_times.add(&other.load_times);
        redis_times.add(&other.redis_times);
        wait_times.add(&other.wait_times);
        encode_times.add(&other.encode_times);
        decode_times.add(&other.decode_times);
    }

    /// Calls that no load of their own answered.
    pub(crate) fn answered(&self) -> u64 {
        self.hits + self.redis_answers + self.shared_loads
    }
}

/// What a cache did, by function and in total. [`Display`](std::fmt::Display) shows it as a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// One row per function that was called, sorted by name.
    pub functions: Vec<FunctionStats>,
    /// Entries in memory now.
    pub entries: u64,
    /// The weight of those entries in bytes.
    pub bytes: u64,
    /// The bound on that weight in bytes.
    pub memory_limit: u64,
    /// How invalidation went.
    pub events: EventStats,
    /// Names in [`policies`](crate::CacheBuilder::policies) that fit no function called so far: they are misspelt, or
    /// their function has not been called yet.
    pub unused_policies: Vec<String>,
}

impl Stats {
    /// What all functions did together, under an empty name. Its own `time_saved` averages the loads of all functions,
    /// so it differs from [the sum](Self::time_saved).
    #[must_use]
    pub fn total(&self) -> FunctionStats {
        let mut total = FunctionStats::default();
        self.functions.iter().for_each(|row| total.add(row));
        total
    }

    /// About how much longer callers would have waited without the cache, in all functions.
    #[must_use]
    pub fn time_saved(&self) -> Duration {
        self.functions.iter().map(FunctionStats::time_saved).sum()
    }

    /// The first row of a function whose path ends in `name`, compared by whole segments, without
    /// type parameters and version.
    ///
    /// `stats.function("user")` finds `shop::users::user`, `shop::user@2` and `shop::user<u8>`.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&FunctionStats> {
        self.functions.iter().find(|row| is_called(&row.name, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_found_by_the_end_of_its_path() {
        let named = |name: &str| FunctionStats {
            name: name.into(),
            ..FunctionStats::default()
        };
        let stats = Stats {
            functions: vec![named("shop::superuser"), named("shop::user<u8>")],
            ..Stats::default()
        };
        assert_eq!(stats.function("user"), Some(&stats.functions[1]));
        assert_eq!(stats.function("shop::user"), Some(&stats.functions[1]));
        assert_eq!(stats.function("us"), None);
    }
}
