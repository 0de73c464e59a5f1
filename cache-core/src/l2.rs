//! The shared tier: entries as bytes in a store that other processes see too.
//!
//! It knows no function and no value type. What it reads is not trusted, and what goes wrong with it
//! is a miss. Called by flights, between the caller's turn and its load.

mod breaker;
pub(crate) mod codec;
mod compress;
mod entries;
mod envelope;
mod miss;
mod outbox;
#[cfg(feature = "redis")]
pub(crate) mod redis;
mod route;
mod store;

use std::{fmt, sync::Arc, time::Duration};

use smallvec::SmallVec;
use tokio::runtime::Handle;

#[cfg(any(feature = "redis", feature = "testing"))]
pub(crate) use self::store::{Pending, StoreTime};
use self::{
    breaker::{Admission, Breaker},
    envelope::{Damage, Header},
    outbox::{Letter, Outbox},
};
pub(crate) use self::{
    entries::{Described, Entries, EntryKey},
    outbox::{Change, Fill, Posted},
    route::Route,
    store::{Store, StoreError, Write},
};
use crate::{clock::system_now, l1::Stored, stats::Counters, tasks, value::Refusal};
pub use miss::RedisMiss;

/// From here on a value counts as large: it goes its own way where that keeps it from delaying others.
pub(crate) const LARGE: usize = 64 << 10;

/// How long one round trip of writes may take. Nobody waits for it.
const WRITE_WITHIN: Duration = Duration::from_secs(1);

/// What a cache asks of its shared tier.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How long a call may be held for it, in all.
    pub(crate) budget: Duration,
    /// The largest entry, in encoded bytes.
    pub(crate) value: usize,
}

/// The shared tier of one cache.
pub(crate) struct L2 {
    store: Arc<dyn Store>,
    limits: Limits,
    reads: Breaker,
    writes: Breaker,
    outbox: Arc<Outbox>,
}

impl fmt::Debug for L2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("L2")
            .field("store", &self.store)
            .field("reads_stopped", &self.reads.is_open())
            .field("writes_stopped", &self.writes.is_open())
            .finish_non_exhaustive()
    }
}

/// How old an entry is, and for how long it may still be used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Age {
    pub(crate) age: Duration,
    pub(crate) left: Duration,
}

/// Makes an entry for this process of the bytes of a value.
pub(crate) type Receive<'a> = &'a (dyn Fn(&[u8], Age) -> Result<Arc<dyn Stored>, Refusal> + Sync);

impl L2 {
    pub(crate) fn new(store: Arc<dyn Store>, limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            store,
            limits,
            reads: Breaker::new("reads"),
            writes: Breaker::new("writes"),
            outbox: Arc::default(),
        })
    }

    pub(crate) fn budget(&self) -> Duration {
        self.limits.budget
    }

    /// Whether it is worth asking. Every miss asks this first, and pays next to nothing for a no: the
    /// question whether the store has recovered is asked by a task of its own, not by a call.
    pub(crate) fn is_worth_asking(self: &Arc<Self>) -> bool {
        self.store.is_ready()
            && match self.reads.admits(system_now()) {
                Admission::Yes => true,
                Admission::No => false,
                probe @ Admission::Probe(_) => {
                    self.probe(probe);
                    false
                }
            }
    }

    /// Asks for an entry that is not there, as often as it takes to see that there are answers.
    fn probe(self: &Arc<Self>, mut probe: Admission) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let l2 = Arc::clone(self);
        tasks::spawn(&runtime, async move {
            while let Admission::Probe(_) = probe {
                let got = l2.store.get("cache-core:probe", 0, l2.limits.budget).await;
                l2.count_read(probe, &got);
                probe = l2.reads.admits(system_now());
            }
        });
    }

    fn count_read(&self, admission: Admission, got: &Result<Option<Vec<u8>>, StoreError>) {
        let now = system_now();
        match got {
            Ok(_) | Err(StoreError::OtherType) => self.reads.succeeded(admission, now),
            Err(error) => self.reads.failed(admission, now, error),
        }
    }

    /// Reads an entry, after `within` at the latest.
    pub(crate) async fn read(
        &self,
        entries: &Entries,
        key: &EntryKey,
        within: Duration,
        receive: Receive<'_>,
    ) -> Result<Arc<dyn Stored>, RedisMiss> {
        let read = self.get(entries, key, within).await;
        let read = read.and_then(|bytes| self.accept(entries, key, &bytes, receive));
        let counters = &entries.counters;
        Counters::add(match read {
            Ok(_) => &counters.redis_hits,
            Err(miss) if miss.is_fault() => &counters.redis_faults,
            Err(miss) if miss.is_unusable() => &counters.redis_unusable,
            Err(_) => &counters.redis_misses,
        });
        read
    }

    async fn get(
        &self,
        entries: &Entries,
        key: &EntryKey,
        within: Duration,
    ) -> Result<Vec<u8>, RedisMiss> {
        let got = self.store.get(&key.name, entries.expected(), within).await;
        self.count_read(Admission::Yes, &got);
        got.map_err(|error| match error {
            StoreError::OtherType => RedisMiss::Damaged,
            StoreError::Late => RedisMiss::Late,
            _ => RedisMiss::Unavailable,
        })?
        .ok_or(RedisMiss::Absent)
    }

    fn accept(
        &self,
        entries: &Entries,
        key: &EntryKey,
        bytes: &[u8],
        receive: Receive<'_>,
    ) -> Result<Arc<dyn Stored>, RedisMiss> {
        entries.learn(bytes.len());
        let opened = envelope::open(bytes, self.limits.value).map_err(|damage| match damage {
            Damage::NotOurs | Damage::Damaged => RedisMiss::Damaged,
            Damage::OtherFormat | Damage::CannotDecompress => RedisMiss::Foreign,
            Damage::TooLarge => RedisMiss::TooLarge,
        })?;
        let header = &opened.header;
        if header.key_check != key.check || opened.full_key != key.full.as_deref() {
            return Err(RedisMiss::Foreign);
        }
        // The latest it can be there: an entry must not live longer here.
        let now = self.store.time().ok_or(RedisMiss::Unavailable)?.latest;
        let span = |from: u64, to: u64| Duration::from_micros(to.saturating_sub(from));
        let age = Age {
            age: span(header.created, now),
            left: span(now, header.hard),
        };
        if age.left.is_zero() {
            return Err(RedisMiss::Expired);
        }
        receive(&opened.payload, age).map_err(|_| RedisMiss::Foreign)
    }

    /// An entry on its way, where it can go. `lifetime` is what is left of it.
    pub(crate) fn fill(
        &self,
        entries: &Arc<Entries>,
        node: &Arc<dyn Stored>,
        lifetime: Duration,
        load_time: Duration,
    ) -> Option<Change> {
        // The earliest it can be there: others must not keep the entry longer than this process.
        let now = self.store.time()?.earliest;
        let microseconds = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Some(Change::Fill(Fill {
            entries: Arc::clone(entries),
            node: Arc::clone(node),
            created: now,
            expires: now.saturating_add(microseconds(lifetime)),
            load_time: u32::try_from(load_time.as_micros()).unwrap_or(u32::MAX),
        }))
    }

    /// Hands a change over to be sent. Short: callers hold the lock of the key's shard, so that changes
    /// go in the order in which they happened here.
    pub(crate) fn post(self: &Arc<Self>, key: EntryKey, change: Change) -> Posted {
        let posted = self.outbox.post(key, change);
        if let (false, Some(Change::Fill(fill))) = (posted.is_taken, &posted.displaced) {
            Counters::add(&fill.entries.counters.redis_fills_lost);
        }
        if posted.needs_task
            && let Ok(runtime) = Handle::try_current()
            && let Some(mut sending) = self.outbox.enter()
        {
            let l2 = Arc::clone(self);
            tasks::spawn(&runtime, async move {
                loop {
                    let batch = sending.next();
                    if batch.is_empty() {
                        return;
                    }
                    l2.send(batch).await;
                }
            });
        }
        posted
    }

    async fn send(&self, batch: Vec<Letter>) {
        let (mut writes, mut senders) = (Vec::new(), Vec::new());
        for letter in batch {
            match letter.change {
                Change::Delete(done) => {
                    writes.push(Write::Delete {
                        key: letter.key.name,
                    });
                    senders.push(Sender::Deletes(done));
                }
                Change::Fill(fill) => {
                    let admission = self.writes.admits(system_now());
                    let write = (admission != Admission::No)
                        .then(|| self.encode(&letter.key, &fill))
                        .flatten();
                    if let Some(write) = write {
                        writes.push(write);
                        senders.push(Sender::Fills(fill.entries, admission));
                    } else {
                        Counters::add(&fill.entries.counters.redis_fills_lost);
                    }
                }
            }
        }
        if writes.is_empty() {
            return;
        }
        let results = self.store.write(writes, WRITE_WITHIN).await;
        for (sender, result) in senders.into_iter().zip(results) {
            match sender {
                Sender::Deletes(Some(done)) => drop(done.send(())),
                Sender::Deletes(None) => {}
                Sender::Fills(entries, admission) => self.count_fill(&entries, admission, &result),
            }
        }
    }

    fn count_fill(&self, entries: &Entries, admission: Admission, result: &Result<(), StoreError>) {
        let now = system_now();
        match result {
            Ok(()) => {
                self.writes.succeeded(admission, now);
                Counters::add(&entries.counters.redis_fills);
            }
            Err(error) => {
                self.writes.failed(admission, now, error);
                Counters::add(&entries.counters.redis_fills_lost);
            }
        }
    }

    /// The bytes of an entry; nothing where it has to stay behind.
    fn encode(&self, key: &EntryKey, fill: &Fill) -> Option<Write> {
        let entries = &fill.entries;
        let milliseconds = fill.expires.saturating_sub(self.store.time()?.latest) / 1_000;
        if milliseconds == 0 {
            return None;
        }
        let header = Header {
            lineage: 0,
            created: fill.created,
            soft: fill.expires,
            hard: fill.expires,
            load_time: fill.load_time,
            key_check: key.check,
            stamps: SmallVec::new(),
        };
        // Apart from the envelope: a user's codec may do to it what it likes.
        let mut payload = Vec::with_capacity(entries.expected());
        if let Err(refusal) = entries.wire.encode(fill.node.value()?, &mut payload) {
            entries.warn(&refusal);
            return None;
        }
        if !entries.proves(&payload) {
            return None;
        }
        let mut draft = envelope::start(&header, key.full.as_deref());
        draft.payload().append(&mut payload);
        let Ok(bytes) = draft.finish(entries.compress_from, self.limits.value) else {
            Counters::add(&entries.counters.redis_too_large);
            entries.warn(&format_args!(
                "it is larger than {} bytes, the limit of this cache",
                self.limits.value
            ));
            return None;
        };
        entries.learn(bytes.len());
        Some(Write::Set {
            key: key.name.clone(),
            bytes,
            milliseconds,
        })
    }

    /// How many writes are on their way.
    pub(crate) fn unsent(&self) -> usize {
        self.outbox.len()
    }

    /// Waits until nothing is on its way.
    pub(crate) async fn emptied(&self) {
        self.outbox.emptied().await;
    }
}

/// Who wants to know what became of a write.
enum Sender {
    Fills(Arc<Entries>, Admission),
    Deletes(Option<tokio::sync::oneshot::Sender<()>>),
}
