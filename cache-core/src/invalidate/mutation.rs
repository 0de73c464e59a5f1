//! A call that changes the source, from before its body to its end, however that comes.

use std::fmt;

use crate::{
    cache::Cache,
    coherence::Outcome,
    event::{Changes, Tag},
};

/// A `guarded` mutation did not begin, as the other processes could not be told that it would: nothing was written.
#[derive(Debug, thiserror::Error)]
#[error("the mutation was refused: the other processes could not be told that it would begin")]
#[non_exhaustive]
pub struct Refused;

/// A call under way that changes the source. It begins before the body runs; dropped without a word of how that
/// ended, it counts as one that may have written, or may yet write.
#[must_use = "a mutation that is dropped has ended in an unknown way"]
pub struct Mutation {
    cache: Cache,
    /// Nothing once it has ended.
    tags: Option<Vec<Tag>>,
}

impl fmt::Debug for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mutation").field(&self.tags).finish()
    }
}

impl Mutation {
    /// Before the body runs. `changes` is what it changes, as far as that is known by now.
    pub fn begin(cache: Option<&Cache>, changes: Changes) -> Self {
        Self {
            cache: cache.cloned().unwrap_or_else(Cache::current),
            tags: Some(changes.tags()),
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
        if let Some(changes) = changes {
            self.tags = Some(changes.tags());
        }
        self.end(Outcome::Written).await;
    }

    /// The body failed, and may have written all the same.
    ///
    /// # Cancel safety
    ///
    /// The changes are on their way.
    pub async fn failed(mut self) {
        self.end(Outcome::Unknown).await;
    }

    /// The body failed, and its author knows that nothing was written.
    pub fn silenced(mut self) {
        self.tags = None;
    }

    async fn end(&mut self, outcome: Outcome) {
        let Some(tags) = self.tags.take() else { return };
        // Not acknowledged is no error of the mutation: it is queued, and this process knows.
        self.cache.emit_tags(&tags, outcome).await;
    }
}

/// A panic, or a caller that is gone.
impl Drop for Mutation {
    fn drop(&mut self) {
        if let Some(tags) = self.tags.take() {
            self.cache.emit_behind(&tags, Outcome::Unknown);
        }
    }
}
