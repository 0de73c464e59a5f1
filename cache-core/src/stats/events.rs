//! What events did to a cache.

use std::fmt;

/// How invalidation went in this process, since the cache was built. Shared by its caches of one Redis and
/// namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventStats {
    /// Emissions of this process that Redis has acknowledged.
    pub acknowledged: u64,
    /// Attempts that it has not. Each is repeated until it is acknowledged.
    pub failed: u64,
    /// Emissions that are not acknowledged yet. What depends on them is not read from Redis.
    pub pending: u64,
    /// Changes that other processes told of, by tag.
    pub heard: u64,
    /// Times that something may have been missed: each connection that was made to listen, each server that took the place of
    /// another one behind it, and each time that the machine had slept.
    pub gaps: u64,
    /// Times that Redis was another one than before: restarted, or replaced by a replica.
    pub lineages: u64,
    /// Entries that had to be asked about, as it was not known whether they were still valid.
    pub suspects: u64,
    /// Those of them that were.
    pub revalidated: u64,
    /// Things that can change and that something in memory depends on now.
    pub tags: u64,
    /// Emissions of this process by event: of one for several events, each once.
    pub emitted: Vec<(String, u64)>,
    /// Those of them on which nothing in the memory of this process depended.
    pub unheeded: Vec<(String, u64)>,
}

/// In one line.
impl fmt::Display for EventStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} tags; {} events acknowledged, {} attempts failed, {} pending, {} heard; {} gaps, {} changes of lineage; {} of {} \
             suspects valid",
            self.tags,
            self.acknowledged,
            self.failed,
            self.pending,
            self.heard,
            self.gaps,
            self.lineages,
            self.revalidated,
            self.suspects,
        )
    }
}
