//! What events did to a cache.

use std::fmt;

/// How invalidation went in this process, since the cache was built. Caches with one Redis and namespace share it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventStats {
    /// Emissions of this process that Redis has acknowledged.
    pub acknowledged: u64,
    /// Attempts that Redis has not acknowledged. Each is repeated until it is.
    pub failed: u64,
    /// Emissions that are not acknowledged yet. This process does not read what depends on them from Redis.
    pub pending: u64,
    /// Changes that this process heard from others, counted by tag.
    pub heard: u64,
    /// How often this process may have missed a change: each new listening connection, each server that replaced
    /// another one behind it, and each time that the machine had slept.
    pub gaps: u64,
    /// How often Redis was another one than before: restarted, or replaced by a replica.
    pub lineages: u64,
    /// Entries that the cache had to ask Redis about, because it did not know whether they were still valid.
    pub suspects: u64,
    /// Those of them that were still valid.
    pub revalidated: u64,
    /// Tags on which something in memory depends now.
    pub tags: u64,
    /// Emissions of this process by event; an emission of several events counts once for each.
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
