//! An event's way to the entries that depend on it: in this process, in the shared tier, in the others.

mod ended;

use std::fmt;

pub use self::ended::{CanFail, Ended, ProbeAny, ProbeResult, Refusable, can_fail};
use crate::{cache::Cache, event::Changes};

/// A `guarded` mutation did not begin, as the other processes could not be told that it would: nothing was written.
#[derive(Debug, thiserror::Error)]
#[error("the mutation was refused: the other processes could not be told that it would begin")]
#[non_exhaustive]
pub struct Refused;

/// A call under way that changes the source. It begins before the body runs; dropped without a word of how that
/// ended, it counts as one that may have written.
#[must_use = "a mutation that is dropped has ended in an unknown way"]
pub struct Mutation {
    cache: Cache,
    changes: Option<Changes>,
}

impl fmt::Debug for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutation")
            .field("changes", &self.changes)
            .finish_non_exhaustive()
    }
}

impl Mutation {
    /// Before the body runs. `changes` is what it changes, as far as that is known by now.
    pub fn begin(cache: Option<&Cache>, changes: Changes) -> Self {
        Self {
            cache: cache.cloned().unwrap_or_else(Cache::current),
            changes: Some(changes),
        }
    }

    /// Before the body of a `guarded` mutation runs.
    ///
    /// # Errors
    ///
    /// The mutation is not to run.
    ///
    /// # Cancel safety
    ///
    /// Nothing has begun.
    pub async fn begin_guarded(cache: Option<&Cache>, changes: Changes) -> Result<Self, Refused> {
        Ok(Self::begin(cache, changes))
    }

    /// The body did what it was to do. Where `changes` are given they take the place of those known before.
    ///
    /// # Cancel safety
    ///
    /// The changes are on their way.
    pub async fn succeeded(mut self, changes: Option<Changes>) {
        let known = self.changes.take();
        let _ = (&self.cache, changes.or(known));
    }

    /// The body failed, and may have written all the same.
    ///
    /// # Cancel safety
    ///
    /// The changes are on their way.
    pub async fn failed(mut self) {
        self.changes.take();
    }

    /// The body failed, and its author knows that nothing was written.
    pub fn silenced(mut self) {
        self.changes = None;
    }
}

impl Drop for Mutation {
    fn drop(&mut self) {
        self.changes.take();
    }
}
