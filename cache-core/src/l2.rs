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
use tokio::{runtime::Handle, sync::oneshot};

#[cfg(any(feature = "redis", feature = "testing"))]
pub(crate) use self::store::{Pending, StoreTime};
use self::{
    breaker::{Admission, Breaker},
    envelope::{Damage, Header},
    outbox::{Latest, Letter, Outbox},
};
pub(crate) use self::{
    entries::{Described, Entries, EntryKey},
    outbox::{Change, Fill, Posted},
    route::Route,
    store::{Store, StoreError, Write},
};
use crate::{
    clock::{Nanos, system_now},
    l1::Stored,
    stats::Counters,
    tasks,
};
pub use miss::RedisMiss;

/// From here on a value counts as large: it goes its own way where that keeps it from delaying others.
pub(crate) const LARGE: usize = 64 << 10;

/// How long one round trip of writes may take. Nobody waits for it.
const WRITE_WITHIN: Duration = Duration::from_secs(1);

/// How long a delete that did not arrive waits for the next attempt.
const RETRY_AFTER: Duration = Duration::from_millis(250);

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
    /// Nobody writes there.
    probe_key: String,
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
pub(crate) type Receive<'a> = &'a (dyn Fn(&[u8], Age) -> Result<Arc<dyn Stored>, RedisMiss> + Sync);

impl L2 {
    pub(crate) fn new(store: Arc<dyn Store>, namespace: &str, limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            store,
            // A user of the server may be limited to the keys of the namespace.
            probe_key: format!("{namespace}:e:probe"),
            limits,
            reads: Breaker::new("reads", limits.budget),
            writes: Breaker::new("writes", WRITE_WITHIN),
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
                let got = l2.store.get(&l2.probe_key, 0, l2.limits.budget).await;
                l2.count_read(probe, &got);
                probe = l2.reads.admits(system_now());
            }
        });
    }

    fn count_read(&self, admission: Admission, got: &Result<Option<Vec<u8>>, StoreError>) {
        let now = system_now();
        match got {
            Ok(_) | Err(StoreError::OtherType) => self.reads.succeeded(admission, now),
            // So many at once say nothing of the server.
            Err(StoreError::Busy) => {}
            Err(error) => self.reads.failed(admission, now, error),
        }
    }

    /// Reads an entry, after `within` at the latest.
    pub(crate) async fn read(
        self: &Arc<Self>,
        entries: &Arc<Entries>,
        key: &EntryKey,
        (now, within): (Nanos, Duration),
        receive: Receive<'_>,
    ) -> Result<Arc<dyn Stored>, RedisMiss> {
        let read = if let Some(latest) = self.outbox.latest(key) {
            // What has not arrived there is known here.
            self.start_sending();
            match latest {
                Latest::Entry(known)
                    if Arc::ptr_eq(&known.entries, entries)
                        && known.check == key.check
                        && known.node.entry().is_fresh(now) =>
                {
                    Ok(known.node)
                }
                Latest::Entry(_) | Latest::Deleted => Err(RedisMiss::Absent),
            }
        } else {
            let read = self.get(entries, key, within).await;
            read.and_then(|bytes| self.accept(entries, key, &bytes, receive))
        };
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
        // The rest of a budget that others have used up says nothing of the server.
        if within >= self.limits.budget / 2 || !matches!(got, Err(StoreError::Late)) {
            self.count_read(Admission::Yes, &got);
        }
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
        receive(&opened.payload, age)
    }

    /// An entry on its way, where it can go. `lifetime` is what is left of it.
    pub(crate) fn fill(
        &self,
        entries: &Arc<Entries>,
        node: &Arc<dyn Stored>,
        lifetime: Duration,
        load_time: Duration,
        replaces: bool,
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
            replaces,
        }))
    }

    /// Hands a change over to be sent. Short: callers hold the lock of the key's shard, so that changes
    /// go in the order in which they happened here.
    pub(crate) fn post(self: &Arc<Self>, key: EntryKey, change: Change) -> Posted {
        let mut posted = self.outbox.post(key, change);
        if let Some(Change::Fill(fill)) = &posted.lost {
            Counters::add(&fill.entries.counters.redis_fills_lost);
        }
        posted.sender = posted.needs_task.then(|| Arc::clone(self));
        posted
    }

    /// Sees to it that what waits is sent, where there is a runtime to send it on.
    pub(crate) fn start_sending(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let Some(mut sending) = self.outbox.enter() else {
            return;
        };
        // A cache that was dropped has nothing to make good.
        let l2 = Arc::downgrade(self);
        tasks::spawn(&runtime, async move {
            while let Some(l2) = l2.upgrade() {
                let batch = sending.next();
                if batch.is_empty() {
                    return;
                }
                let failed = l2.send(batch).await;
                if !failed.is_empty() {
                    for key in failed {
                        l2.outbox.put_back(key);
                    }
                    drop(l2);
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        });
    }

    /// Sends a batch; gives the keys whose entries are still to be deleted.
    async fn send(&self, batch: Vec<Letter>) -> Vec<EntryKey> {
        let (mut writes, mut senders) = (Vec::new(), Vec::new());
        for Letter { key, change, .. } in batch {
            let name = key.name.clone();
            match change {
                Change::Delete(done) => {
                    writes.push(Write::Delete { key: name });
                    senders.push((key, Sender::Deletes(done)));
                }
                Change::Fill(fill) => {
                    // Encoded first: one that cannot be is no probe.
                    let write = self.encode(&key, &fill);
                    let admission = self.writes.admits(system_now());
                    if let Some(write) = write.filter(|_| admission != Admission::No) {
                        let (entries, replaces) = (fill.entries, fill.replaces);
                        writes.push(write);
                        senders.push((
                            key,
                            Sender::Fills {
                                entries,
                                admission,
                                replaces,
                            },
                        ));
                        continue;
                    }
                    Counters::add(&fill.entries.counters.redis_fills_lost);
                    if fill.replaces {
                        writes.push(Write::Delete { key: name });
                        senders.push((key, Sender::Deletes(Vec::new())));
                    }
                }
            }
        }
        if writes.is_empty() {
            return Vec::new();
        }
        let results = self.store.write(writes, WRITE_WITHIN).await;
        let (mut outdated, mut failed) = (Vec::new(), Vec::new());
        for ((key, sender), result) in senders.into_iter().zip(results) {
            match sender {
                Sender::Deletes(done) => {
                    for done in done {
                        // Whoever waited may be gone.
                        let _ = done.send(());
                    }
                    if result.is_err_and(|error| error.may_pass()) {
                        failed.push(key);
                    }
                }
                Sender::Fills {
                    entries,
                    admission,
                    replaces,
                } => {
                    self.count_fill(&entries, admission, &result);
                    if replaces && result.is_err() {
                        outdated.push(key);
                    }
                }
            }
        }
        failed.extend(self.delete(outdated).await);
        failed
    }

    /// Deletes what was to be replaced; gives what could not be deleted.
    async fn delete(&self, keys: Vec<EntryKey>) -> Vec<EntryKey> {
        if keys.is_empty() {
            return keys;
        }
        let deletes = keys.iter().map(|key| Write::Delete {
            key: key.name.clone(),
        });
        let results = self.store.write(deletes.collect(), WRITE_WITHIN).await;
        let failed = keys.into_iter().zip(results);
        failed
            .filter_map(|(key, result)| result.is_err_and(|error| error.may_pass()).then_some(key))
            .collect()
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
            entries.warn_of_refusal(&refusal);
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
    pub(crate) async fn emptied(self: &Arc<Self>) {
        self.start_sending();
        self.outbox.emptied().await;
    }
}

/// Who wants to know what became of a write.
enum Sender {
    Fills {
        entries: Arc<Entries>,
        admission: Admission,
        replaces: bool,
    },
    Deletes(Vec<oneshot::Sender<()>>),
}
