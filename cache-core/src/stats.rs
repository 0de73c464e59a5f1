//! Counters per function and their sum as typed statistics. A leaf.

mod striped;

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use striped::Striped;

/// What one function did in one cache.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) hits: Striped,
    pub(crate) loads: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) shared: AtomicU64,
    pub(crate) evictions: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) entries: AtomicU64,
    /// Those of the entries whose weight nobody knows.
    pub(crate) unweighed: AtomicU64,
    pub(crate) bytes: AtomicU64,
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
            evictions: self.evictions.load(Relaxed),
            rejected: self.rejected.load(Relaxed),
            entries: self.entries.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
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
    /// Loads that ended in an error or a panic.
    pub failures: u64,
    /// Calls answered by the load of another caller: stampedes prevented.
    pub shared_loads: u64,
    /// Entries that left because there was no room.
    pub evictions: u64,
    /// Values that were too heavy to be kept at all.
    pub rejected: u64,
    /// Entries in memory now, expired ones that nobody asked for again included.
    pub entries: u64,
    /// The weight of those entries in bytes.
    pub bytes: u64,
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
}

impl Stats {
    /// The row of the function whose name ends in `name`, compared by whole path segments.
    ///
    /// `stats.function("user")` finds `shop::users::user`.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&FunctionStats> {
        self.functions.iter().find(|row| {
            row.name
                .strip_suffix(name)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with("::"))
        })
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self
            .functions
            .iter()
            .map(|row| row.name.chars().count())
            .max()
            .unwrap_or(0)
            .max("function".len());
        writeln!(
            f,
            "{:<width$} {:>12} {:>10} {:>10} {:>10} {:>10} {:>12}",
            "function", "hits", "loads", "failures", "shared", "entries", "bytes"
        )?;
        for row in &self.functions {
            writeln!(
                f,
                "{:<width$} {:>12} {:>10} {:>10} {:>10} {:>10} {:>12}",
                row.name,
                row.hits,
                row.loads,
                row.failures,
                row.shared_loads,
                row.entries,
                row.bytes
            )?;
        }
        write!(
            f,
            "{} entries, {} of {} bytes",
            self.entries, self.bytes, self.memory_limit
        )
    }
}
