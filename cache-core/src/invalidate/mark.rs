//! Marks of guarded mutations: what is about to change is marked before it does, so that even a process that dies
//! between its commit and its event leaves nothing stale behind. A dead process's mark expires, and with it the tag; a
//! tag that is not there is a miss.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use tokio::time::timeout;

use super::courier::Route;
use crate::{
    clock::{Nanos, after, system_now},
    coherence::{GUARD, Held},
    event::Tag,
    l2::{Batch, Version},
    lock::Mutex,
};

/// What a guarded mutation has marked, while it runs.
#[derive(Debug)]
pub(crate) struct Mark {
    batch: Batch,
    renew_at: AtomicU64,
    ends: AtomicU64,
    is_lost: AtomicBool,
    /// This process keeps nothing of it meanwhile, whether it hears of the mark or not.
    held: Held,
}

impl Mark {
    /// Gives what takes it away. It is not renewed behind that.
    pub(super) fn end(&self) -> Option<Arc<str>> {
        self.renew_at.store(Nanos::MAX, Relaxed);
        self.batch.nonce.clone()
    }

    fn warn(&self) {
        let mut events: Vec<_> = self
            .held
            .cells()
            .iter()
            .map(|it| it.tag().event())
            .collect();
        events.dedup();
        tracing::warn!(
            ?events,
            "the mark of a guarded mutation was lost while it ran, as Redis evicts keys, was emptied or replaced, or has not \
             answered for 30 s: what others loaded meanwhile may be outdated until the mutation ends, and for its `ttl` if \
             this process dies before that; with `maxmemory-policy noeviction` marks are not evicted"
        );
    }
}

/// The marks of one process.
#[derive(Debug, Default)]
pub(super) struct Marks(Mutex<Vec<Weak<Mark>>>);

impl Route {
    /// Marks tags; nothing where the others could not be told.
    ///
    /// # Cancel safety
    ///
    /// A mark that was made nevertheless expires.
    pub(super) async fn mark(&self, tags: &[Tag]) -> Option<Arc<Mark>> {
        let held = self.coherence.hold(tags);
        if !self.store.is_ready() {
            return None;
        }
        let mut batch = self.batch(held.cells(), GUARD);
        batch.nonce = Some(nonce().into());
        let marked = timeout(self.budget, self.store.mark(batch.clone(), self.budget));
        let marked = marked.await.ok()?.ok()?;
        if self.coherence.listens_elsewhere(marked.lineage).is_some() {
            return None;
        }
        // Its own message is not listened to.
        self.coherence.invalidate(tags, system_now());
        let now = system_now();
        let mark = Arc::new(Mark {
            batch,
            renew_at: AtomicU64::new(after(now, GUARD / 3)),
            ends: AtomicU64::new(after(now, GUARD)),
            is_lost: AtomicBool::new(false),
            held,
        });
        self.marks.0.lock().push(Arc::downgrade(&mark));
        Some(mark)
    }

    /// Makes marks last longer whose time is a third over.
    pub(super) async fn renew_marks(&self, now: Nanos) {
        let due = {
            let mut marks = self.marks.0.lock();
            marks.retain(|mark| mark.strong_count() > 0);
            let marks = marks.iter().filter_map(Weak::upgrade);
            marks
                .filter(|mark| mark.renew_at.load(Relaxed) <= now)
                .collect::<Vec<_>>()
        };
        for mark in due {
            let due = mark.renew_at.load(Relaxed);
            let next = after(now, GUARD / 3);
            // It may have ended meanwhile.
            if due > now
                || mark
                    .renew_at
                    .compare_exchange(due, next, Relaxed, Relaxed)
                    .is_err()
            {
                continue;
            }
            let renewed = self.store.mark(mark.batch.clone(), self.budget).await;
            let is_whole = match renewed {
                Ok(renewed) if self.coherence.listens_elsewhere(renewed.lineage).is_none() => {
                    mark.ends.store(after(now, GUARD), Relaxed);
                    renewed.versions.iter().all(|was| *was == Version::Marked)
                }
                // Before it ends there is time for more attempts.
                _ => now < mark.ends.load(Relaxed),
            };
            if !is_whole && !mark.is_lost.swap(true, Relaxed) {
                mark.warn();
            }
        }
    }
}

fn nonce() -> String {
    format!("{:016x}", RandomState::new().hash_one(system_now()))
}
