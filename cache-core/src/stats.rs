//! Counters per function and their sum as typed statistics. A leaf.

mod events;
pub(crate) mod striped;

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

pub use events::EventStats;
use striped::Striped;

/// What one function did in one cache.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) hits: Striped,
    pub(crate) loads: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) shared: AtomicU64,
    pub(crate) stale: AtomicU64,
    pub(crate) unproven: AtomicU64,
    pub(crate) refreshes: AtomicU64,
    pub(crate) timeouts: AtomicU64,
    pub(crate) skipped: AtomicU64,
    pub(crate) evictions: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) entries: AtomicU64,
    /// Those of the entries whose weight nobody knows.
    pub(crate) unweighed: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) redis_hits: AtomicU64,
    pub(crate) redis_misses: AtomicU64,
    pub(crate) redis_unusable: AtomicU64,
    pub(crate) redis_faults: AtomicU64,
    pub(crate) redis_fills: AtomicU64,
    pub(crate) redis_fills_lost: AtomicU64,
    pub(crate) redis_too_large: AtomicU64,
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
            failures: self.failures.load(Relaxed),
            shared_loads: self.shared.load(Relaxed),
            stale: self.stale.load(Relaxed),
            unproven: self.unproven.load(Relaxed),
            refreshes: self.refreshes.load(Relaxed),
            timeouts: self.timeouts.load(Relaxed),
            skipped: self.skipped.load(Relaxed),
            evictions: self.evictions.load(Relaxed),
            rejected: self.rejected.load(Relaxed),
            entries: self.entries.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            redis_hits: self.redis_hits.load(Relaxed),
            redis_misses: self.redis_misses.load(Relaxed),
            redis_unusable: self.redis_unusable.load(Relaxed),
            redis_faults: self.redis_faults.load(Relaxed),
            redis_fills: self.redis_fills.load(Relaxed),
            redis_fills_lost: self.redis_fills_lost.load(Relaxed),
            redis_too_large: self.redis_too_large.load(Relaxed),
        }
    }
}

/// What one cached function did, since the cache was built.
///
/// Instantiations of a generic function are counted apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionStats {
    /// Module, type, function and type parameters, or the option `name`.
    pub name: String,
    /// Calls answered from memory.
    pub hits: u64,
    /// Times the body began to run, also past the cache: under `bypass` and while the cache is off.
    pub loads: u64,
    /// Loads that ended in an error, or inside a flight in a panic.
    pub failures: u64,
    /// Calls answered by the load, or the read of Redis, of another caller: stampedes prevented.
    pub shared_loads: u64,
    /// Those of the hits that were served a value past its `ttl`, or one that was void, because a strategy said so.
    pub stale: u64,
    /// Those of the stale ones of which it was not known whether an event had made them void: `stale_if_error(.., unproven)`.
    pub unproven: u64,
    /// Loads that were begun in the background for a value that was still served.
    pub refreshes: u64,
    /// Calls whose load took longer than `soft_timeout` or `timeout`.
    pub timeouts: u64,
    /// Loads in the background, and prefetches, that were not begun since as many as may run already did.
    pub skipped: u64,
    /// Entries that left because there was no room.
    pub evictions: u64,
    /// Values that were too heavy to be kept at all.
    pub rejected: u64,
    /// Entries in memory now, expired ones that nobody asked for again included.
    pub entries: u64,
    /// The weight of those entries in bytes.
    pub bytes: u64,
    /// Reads answered by an entry in Redis, or on its way there.
    pub redis_hits: u64,
    /// Reads that found nothing, or an entry past its time.
    pub redis_misses: u64,
    /// Reads that found what could not be used: damaged, or of another key, type or format.
    pub redis_unusable: u64,
    /// Reads that Redis did not answer in time, or at all.
    pub redis_faults: u64,
    /// Values that were written to Redis.
    pub redis_fills: u64,
    /// Values that were to be written to Redis and were not.
    pub redis_fills_lost: u64,
    /// Those of the lost ones that were larger than the cache's limit for one value.
    pub redis_too_large: u64,
}

/// What a cache did, by function and in all. [`Display`](fmt::Display) shows it as a table.
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
    /// Names in [`policies`](crate::CacheBuilder::policies) by which no function goes that was called so far: misspelt, or of a
    /// function that is yet to be called.
    pub unused_policies: Vec<String>,
}

impl Stats {
    /// The first row of a function whose path ends in `name`, compared by whole segments, without
    /// type parameters and version.
    ///
    /// `stats.function("user")` finds `shop::users::user`, `shop::user@2` and `shop::user<u8>`.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&FunctionStats> {
        self.functions.iter().find(|row| is_called(&row.name, name))
    }
}

/// Whether the path in the name of a function ends in `name`, by whole segments.
pub(crate) fn is_called(function: &str, name: &str) -> bool {
    let rest = path_in(function).strip_suffix(name);
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with("::"))
}

/// The name of a function without version and type parameters.
fn path_in(name: &str) -> &str {
    let path = name.rsplit_once('@').map_or(name, |(path, _)| path);
    let mut depth = 0_usize;
    // From the end: an earlier list belongs to the type that the function is a method of.
    let start_of_list = path.char_indices().rev().find(|&(_, c)| {
        depth += usize::from(c == '>');
        depth -= usize::from(c == '<' && depth > 0);
        depth == 0
    });
    match start_of_list {
        Some((at, '<')) => &path[..at],
        _ => path,
    }
}

/// One column of the table: its title, and what it shows of a function.
type Column = (&'static str, fn(&FunctionStats) -> u64);

const COLUMNS: [Column; 7] = [
    ("hits", |row| row.hits),
    ("loads", |row| row.loads),
    ("failures", |row| row.failures),
    ("shared", |row| row.shared_loads),
    ("evictions", |row| row.evictions),
    ("entries", |row| row.entries),
    ("bytes", |row| row.bytes),
];

/// Shown where there is something to show.
const STRATEGY_COLUMNS: [Column; 5] = [
    ("stale", |row| row.stale),
    ("unproven", |row| row.unproven),
    ("refreshes", |row| row.refreshes),
    ("timeouts", |row| row.timeouts),
    ("skipped", |row| row.skipped),
];

/// Shown where there is something to show.
const REDIS_COLUMNS: [Column; 6] = [
    ("redis hits", |row| row.redis_hits),
    ("misses", |row| row.redis_misses),
    ("unusable", |row| row.redis_unusable),
    ("faults", |row| row.redis_faults),
    ("fills", |row| row.redis_fills),
    ("lost", |row| row.redis_fills_lost),
];

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = &self.functions;
        let names = rows.iter().map(|row| row.name.chars().count());
        let width = names.max().unwrap_or(0).max("function".len());
        let shown = |columns: &'static [Column]| {
            let says_something = |row| columns.iter().any(|(_, number)| number(row) > 0);
            let is_shown = rows.iter().any(says_something);
            if is_shown { columns } else { &[] }
        };
        let (of_strategies, of_redis) = (shown(&STRATEGY_COLUMNS), shown(&REDIS_COLUMNS));
        let columns = || COLUMNS.iter().chain(of_strategies).chain(of_redis);
        write!(f, "{:<width$}", "function")?;
        for (title, _) in columns() {
            write!(f, " {title:>10}")?;
        }
        writeln!(f)?;
        for row in rows {
            write!(f, "{:<width$}", row.name)?;
            for (_, number) in columns() {
                write!(f, " {:>10}", number(row))?;
            }
            writeln!(f)?;
        }
        write!(
            f,
            "{} entries, {} of {} bytes",
            self.entries, self.bytes, self.memory_limit
        )?;
        if self.events != EventStats::default() {
            write!(f, "\n{}", self.events)?;
        }
        if !self.unused_policies.is_empty() {
            let names = self.unused_policies.join("`, `");
            write!(f, "\npolicies of no function called so far: `{names}`")?;
        }
        Ok(())
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
        for (name, path) in [
            ("shop::users::user", "shop::users::user"),
            ("shop::user@2", "shop::user"),
            ("shop::user<alloc::vec::Vec<u8>>@2", "shop::user"),
            ("shop::Store<u8>::find", "shop::Store<u8>::find"),
            (
                "<shop::Store as shop::Named>::find",
                "<shop::Store as shop::Named>::find",
            ),
        ] {
            assert_eq!(path_in(name), path);
        }
        let stats = Stats {
            functions: vec![named("shop::superuser"), named("shop::user<u8>")],
            ..Stats::default()
        };
        assert_eq!(stats.function("user"), Some(&stats.functions[1]));
        assert_eq!(stats.function("shop::user"), Some(&stats.functions[1]));
        assert_eq!(stats.function("us"), None);
    }
}
