//! A call that changes the source, from before its body to its end, however that comes.

use std::{collections::HashSet, fmt, sync::Arc};

use super::mark::Mark;
use crate::{
    cache::Cache,
    coherence::{Emitter, Outcome},
    event::{Changes, Tag},
};

/// A `guarded` mutation did not begin, because Redis could not inform the other processes of it: nothing was written.
#[derive(Debug, thiserror::Error)]
#[error(
    "the mutation was refused, and nothing was written: the other processes could not be told that it would begin, as \
     Redis cannot be reached, takes no writes, or refuses this user what the log names with the `ACL` rule to write; try \
     again when that is over, or remove `guarded` where it matters less than to write at any time"
)]
#[non_exhaustive]
pub struct Refused;

/// A call under way that changes the source. It begins before the body runs; dropped without a word of how that
/// ended, it counts as one that may have written, or may yet write.
#[must_use = "a mutation that is dropped has ended in an unknown way"]
pub struct Mutation {
    cache: Cache,
    /// Nothing once it has ended.
    tags: Option<Vec<Tag>>,
    by: Emitter,
    /// Of a guarded one, on those that were known when it began.
    mark: Option<Arc<Mark>>,
}

impl fmt::Debug for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mutation").field(&self.tags).finish()
    }
}

impl Mutation {
    /// Before the body of `by` runs. `changes` is what it changes, as far as that is known by now.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "as its guarded sister, which keeps them"
    )]
    pub fn begin(cache: Option<&Cache>, changes: Changes, by: Emitter) -> Self {
        Self {
            cache: cache.cloned().unwrap_or_else(Cache::current),
            tags: Some(changes.tags()),
            by,
            mark: None,
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
    /// Nothing has begun; a mark that may have been made is taken away.
    pub async fn begin_guarded(
        cache: Option<&Cache>,
        changes: Changes,
        by: Emitter,
    ) -> Result<Self, Refused> {
        let cache = cache.cloned().unwrap_or_else(Cache::current);
        let tags = changes.tags();
        let mark = match cache.courier() {
            Some(courier) if !tags.is_empty() => {
                courier.attend();
                Some(
                    courier
                        .mark(&tags, &by, cache.redis_budget())
                        .await
                        .ok_or(Refused)?,
                )
            }
            _ => None,
        };
        Ok(Self {
            cache,
            tags: Some(tags),
            by,
            mark,
        })
    }

    /// The body did what it was to do. Where `changes` are given they take the place of those known before.
    ///
    /// # Cancel safety
    ///
    /// The changes are on their way.
    pub async fn succeeded(mut self, changes: Option<Changes>) {
        if let Some(changes) = changes {
            // What was marked has to be told as well, or its mark would stay.
            let marked = self.tags.take().filter(|_| self.mark.is_some());
            let mut tags = marked.unwrap_or_default();
            let known: HashSet<_> = tags.iter().cloned().collect();
            let others = changes.tags().into_iter();
            tags.extend(others.filter(|tag| !known.contains(tag)));
            self.tags = Some(tags);
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
        // A mark has to go, which takes a bump.
        if self.mark.is_none() {
            self.tags = None;
        }
    }

    async fn end(&mut self, outcome: Outcome) {
        let Some(tags) = self.tags.take() else { return };
        // Not acknowledged is no error of the mutation: it is queued, and this process knows.
        let mark = self.mark.take();
        let nonce = mark.as_ref().map(|mark| mark.end());
        let emitted = self.cache.emit_tags(&tags, &self.by, outcome, nonce);
        emitted.await;
        drop(mark);
    }
}

/// A panic, or a caller that is gone.
impl Drop for Mutation {
    fn drop(&mut self) {
        if let Some(tags) = self.tags.take() {
            let nonce = self.mark.take().map(|mark| mark.end());
            let (cache, outcome) = (&self.cache, Outcome::Unknown);
            cache.emit_behind(&tags, &self.by, outcome, nonce);
        }
    }
}
