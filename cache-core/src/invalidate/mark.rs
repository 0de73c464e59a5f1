//! Marks of guarded mutations: what is about to change is marked before it does, so that even a process that dies
//! between its commit and its event leaves nothing stale behind. A dead process's mark expires, and with it the tag; a
//! tag that is not there is a miss.

use std::{
    convert::Infallible,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::{sleep, timeout};

use super::courier::{Route, SIGN_EVERY, WITHIN};
use crate::{
    clock::{Nanos, after, system_now},
    coherence::{Ack, ChangeHold, Coherence, Emitted, Emitter, Emitters, GUARD, Nonces, Outcome},
    event::Tag,
    l2::{Batch, ReadRequest, StoreError, Tagged, Version},
    lock::Mutex,
};

/// Marks that are renewed in one round trip, and tags that are asked for in one.
const MOST_AT_ONCE: usize = 256;

/// What a guarded mutation has marked, while it runs.
#[derive(Debug)]
pub(crate) struct Mark {
    nonce: Arc<str>,
    by: Emitter,
    renew_at: AtomicU64,
    ends: AtomicU64,
    is_lost: AtomicBool,
    /// This process keeps nothing of it meanwhile, whether it hears of the mark or not.
    held: ChangeHold,
}

impl Mark {
    /// Gives what takes it away. It is not renewed behind that.
    pub(super) fn end(&self) -> Arc<str> {
        self.renew_at.store(Nanos::MAX, Relaxed);
        Arc::clone(&self.nonce)
    }

    fn has_ended(&self) -> bool {
        self.renew_at.load(Relaxed) == Nanos::MAX
    }

    /// Whether it is to be renewed now, and by whoever asks.
    fn is_due(&self, now: Nanos) -> bool {
        let next = |due| (due <= now).then(|| after(now, GUARD / 3));
        let renew_at = &self.renew_at;
        renew_at.fetch_update(Relaxed, Relaxed, next).is_ok()
    }

    /// It was made to last longer at `now`, if so, and was there before, if so.
    fn note_renewal(&self, now: Nanos, was_there: Option<bool>) {
        let is_whole = match was_there {
            Some(was_there) => {
                self.ends.store(after(now, GUARD), Relaxed);
                was_there
            }
            // Before it ends there is time for more attempts.
            None => now < self.ends.load(Relaxed),
        };
        if !is_whole && !self.is_lost.swap(true, Relaxed) {
            self.warn();
        }
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
            "Redis lost the mark of a guarded mutation while it ran: it evicts keys, was emptied or replaced, or has not answered \
             for 30 s. What others loaded meanwhile may be outdated until the mutation ends, and for its `ttl` if this \
             process dies before that. With `maxmemory-policy noeviction` Redis evicts no marks"
        );
    }
}

/// The marks of one process.
#[derive(Debug, Default)]
pub(super) struct Marks(Mutex<Vec<Weak<Mark>>>);

impl Marks {
    /// Whether any mutation has one.
    pub(super) fn are_there(&self) -> bool {
        self.0.lock().iter().any(|mark| mark.strong_count() > 0)
    }

    /// Those that are to be renewed now.
    fn due(&self, now: Nanos) -> Vec<Arc<Mark>> {
        let mut marks = self.0.lock();
        marks.retain(|mark| mark.strong_count() > 0);
        let marks = marks.iter().filter_map(Weak::upgrade);
        marks.filter(|mark| mark.is_due(now)).collect()
    }
}

/// A mark that may have been made, of a mutation that has not begun: dropped so, the mark is taken away.
struct Attempt<'a> {
    coherence: &'a Coherence,
    tags: &'a [Tag],
    by: &'a Emitter,
    nonce: Option<Arc<str>>,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some(nonce) = self.nonce.take() {
            take_away(self.coherence, self.tags, self.by, nonce);
        }
    }
}

fn take_away(coherence: &Coherence, tags: &[Tag], by: &Emitter, nonce: Arc<str>) {
    let ack = Ack {
        nonce: Some(nonce),
        waiter: None,
    };
    let emitted = Emitted::here(by.clone(), system_now());
    coherence.emit(tags, Outcome::Written, ack, emitted);
}

impl Route {
    /// Marks tags; nothing where the others could not be told.
    ///
    /// # Cancel safety
    ///
    /// A mark that may have been made nevertheless is taken away.
    pub(super) async fn mark(
        &self,
        tags: &[Tag],
        by: &Emitter,
        within: Duration,
    ) -> Option<Arc<Mark>> {
        let held = self.coherence.hold(tags);
        if !self.store().is_ready() {
            return None;
        }
        let nonce: Arc<str> = nonce().into();
        let mut attempt = Attempt {
            coherence: &self.coherence,
            tags,
            by,
            nonce: Some(Arc::clone(&nonce)),
        };
        let batch = self.marks_of([(&held, &nonce)], &by.clone().into());
        // It lasts from then on at least, however late this process is told.
        let asked = system_now();
        let marked = timeout(within, self.store().mark(batch, within)).await;
        let marked = match marked.unwrap_or(Err(StoreError::Late)) {
            Ok(marked) => marked,
            Err(error) => {
                if !error.may_have_happened() {
                    attempt.nonce = None;
                }
                self.tell(&error);
                return None;
            }
        };
        let (now, ends) = (system_now(), after(asked, GUARD));
        if ends <= now || self.coherence.listens_elsewhere(marked.lineage).is_some() {
            return None;
        }
        self.note_accepted();
        // Its own message is not listened to.
        let emitted = || Some(Emitted::here(by.clone(), now));
        self.coherence.invalidate(tags, emitted, now);
        attempt.nonce = None;
        drop(attempt);
        let mark = Arc::new(Mark {
            nonce,
            by: by.clone(),
            renew_at: AtomicU64::new(after(asked, GUARD / 3)),
            ends: AtomicU64::new(ends),
            is_lost: AtomicBool::new(false),
            held,
        });
        self.marks.0.lock().push(Arc::downgrade(&mark));
        Some(mark)
    }

    fn marks_of<'a>(
        &self,
        marks: impl IntoIterator<Item = (&'a ChangeHold, &'a Arc<str>)>,
        by: &Emitters,
    ) -> Batch {
        let cells = marks.into_iter().flat_map(|(held, nonce)| {
            let cells = held.cells().iter();
            cells.map(move |cell| (cell, Nonces::from_iter([Arc::clone(nonce)])))
        });
        self.batch(cells, by, GUARD)
    }

    /// Sees to the marks of this process, and to what it knows of those of others, for as long as it is polled.
    pub(super) async fn keep_marks(&self) -> Infallible {
        loop {
            self.renew_marks(system_now()).await;
            self.ask_for_marks(system_now()).await;
            sleep(SIGN_EVERY).await;
        }
    }

    /// Makes marks last longer whose time is a third over.
    async fn renew_marks(&self, now: Nanos) {
        for marks in self.marks.due(now).chunks(MOST_AT_ONCE) {
            let by = Emitters::any(marks.iter().map(|mark| &mark.by));
            let batch = self.marks_of(marks.iter().map(|mark| (&mark.held, &mark.nonce)), &by);
            let renewed = match self.store().mark(batch, WITHIN).await {
                Ok(renewed) => Some(renewed),
                Err(error) => {
                    self.tell(&error);
                    None
                }
            };
            let is_heard = |it: &Tagged| self.coherence.listens_elsewhere(it.lineage).is_none();
            let renewed = renewed.filter(is_heard);
            let mut versions = renewed.as_ref().map(|renewed| renewed.versions.iter());
            for mark in marks {
                let cells = mark.held.cells();
                let was_there = versions.as_mut().map(|versions| {
                    let own = versions.by_ref().take(cells.len());
                    own.filter(|was| **was != Version::Marked).count() == 0
                });
                if !mark.has_ended() {
                    mark.note_renewal(now, was_there);
                    continue;
                }
                // Its end may have arrived before this did.
                let tags: Vec<_> = cells.iter().map(|cell| cell.tag().clone()).collect();
                take_away(&self.coherence, &tags, &mark.by, Arc::clone(&mark.nonce));
            }
        }
    }

    /// Asks whether marks of others still stand whose end may have been missed.
    async fn ask_for_marks(&self, now: Nanos) {
        let coherence = &self.coherence;
        let (doubted, keys) = coherence.doubted_marks(MOST_AT_ONCE, now);
        if keys.is_empty() || !self.store().is_ready() {
            return;
        }
        let keys: Vec<&str> = keys.iter().map(|key| &**key).collect();
        let asked = ReadRequest {
            entry: None,
            expected: 0,
            tags: &keys,
        };
        if let Ok(read) = self.store().get_tagged(asked, WITHIN).await
            && coherence.listens_elsewhere(read.lineage).is_none()
        {
            coherence.settle_marks(&doubted, &read.versions, system_now());
        }
    }
}

fn nonce() -> String {
    format!("{:016x}", RandomState::new().hash_one(system_now()))
}
