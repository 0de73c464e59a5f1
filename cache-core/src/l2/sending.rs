//! What goes to the shared tier: from a change in the outbox to a write and what became of it.

#[cfg(test)]
mod late;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use smallvec::SmallVec;
use tokio::{runtime::Handle, sync::oneshot};
use tracing::Instrument;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    Entries, EntryKey, L2, Lifetime, Message, StoreError, Write,
    breaker::Admission,
    envelope::{self, Header},
    outbox::{Change, Fill, Letter, Posted, Sending},
    reading::{TAG_LIFE, stamps_of},
};
use crate::{
    clock::system_now,
    coherence::{Guard, Stamps},
    l1::Node,
    spans,
    stats::Counters,
    tasks,
};

/// How long a delete that did not arrive waits for the next attempt.
const RETRY_AFTER: Duration = Duration::from_millis(250);

impl L2 {
    /// An entry on its way, where it can go. `lifetime` is what is left of its life.
    pub(crate) fn fill(
        &self,
        entries: &Arc<Entries>,
        node: &Arc<Node>,
        lifetime: Lifetime,
        replaces: bool,
    ) -> Option<Change> {
        // The earliest it can be there: others must not keep the entry longer than this process.
        let now = self.store().time()?.earliest;
        let microseconds = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Some(Change::Fill(Fill {
            entries: Arc::clone(entries),
            node: Arc::clone(node),
            created: now,
            stale: now.saturating_add(microseconds(lifetime.fresh)),
            expires: now.saturating_add(microseconds(lifetime.kept)),
            load_time: u32::try_from(lifetime.load_time.as_micros()).unwrap_or(u32::MAX),
            replaces,
        }))
    }

    /// Hands a change over to be sent. Short: callers hold the lock of the key's shard, so that changes
    /// go in the order in which they happened here.
    pub(crate) fn post(
        self: &Arc<Self>,
        key: EntryKey,
        change: Change,
        message: Option<Message>,
    ) -> Posted {
        let mut posted = self.outbox().post(key, change, message);
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
        let Some(mut sending) = self.outbox().enter() else {
            return;
        };
        // What a cache leaves that is dropped meanwhile, another one sends (`Backing::send_rest`).
        let l2 = Arc::downgrade(self);
        tasks::spawn(&runtime, async move {
            while let Some(l2) = l2.upgrade() {
                let batch = sending.next();
                if batch.is_empty() {
                    return;
                }
                let failed = l2.send(batch, &sending).await;
                if !failed.is_empty() {
                    for key in failed {
                        l2.outbox().put_back(key);
                    }
                    drop(l2);
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        });
    }

    /// Sends a batch; gives the keys whose entries are still to be deleted.
    async fn send(&self, batch: Vec<Letter>, sending: &Sending) -> Vec<EntryKey> {
        let (mut writes, mut senders) = (Vec::new(), Vec::new());
        self.outlive(&batch, sending).await;
        for Letter {
            key,
            change,
            message,
            ..
        } in batch
        {
            let stamps = stamps_at_load(&change);
            #[cfg(test)]
            let stamps = self.stamp_late(&change, stamps).await;
            if let Some((write, sender)) = self.write(&key, change, stamps.as_ref()) {
                writes.push(write);
                senders.push((key.clone(), sender));
            }
            if let Some(message) = message {
                writes.push(Write::Tell(message));
                senders.push((key, Sender::Tells));
            }
        }
        if writes.is_empty() || !sending.goes_on() {
            return Vec::new();
        }
        let span = spans::redis_write(writes.len());
        let store = self.store();
        let written = store.write(writes, super::WRITE_WITHIN);
        let results = written.instrument(span.clone()).await;
        let failed = results.iter().filter(|result| result.is_err()).count();
        span.record("failed", failed);
        span.record("outcome", if failed == 0 { "ok" } else { "error" });
        let (mut outdated, mut failed) = (Vec::new(), Vec::new());
        for ((key, sender), result) in senders.into_iter().zip(results) {
            match sender {
                Sender::Tells => {}
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

    /// Lets the tags live longer than entries that live long.
    async fn outlive(&self, batch: &[Letter], sending: &Sending) {
        for letter in batch {
            let Change::Fill(fill) = &letter.change else {
                continue;
            };
            let life = Duration::from_micros(fill.expires.saturating_sub(fill.created));
            if life > TAG_LIFE / 2
                && let Some(guard) = fill.node.entry().guard()
                && sending.goes_on()
            {
                let tags: SmallVec<[&str; 4]> = guard.tags().collect();
                let life = life.saturating_add(TAG_LIFE);
                // Where that fails, the entry lives as long as its tags.
                let _ = self.store().ensure(&tags, life, super::WRITE_WITHIN).await;
            }
        }
    }

    /// What is to be written for a change, and who wants to know what became of it.
    fn write(
        &self,
        key: &EntryKey,
        change: Change,
        stamps: Option<&Stamps>,
    ) -> Option<(Write, Sender)> {
        let delete = || Write::Delete {
            key: key.name.clone(),
        };
        let fill = match change {
            Change::Delete(done) => return Some((delete(), Sender::Deletes(done))),
            Change::Release { holder, to_all, .. } => {
                let release = Write::Release {
                    key: key.name.clone(),
                    holder,
                    to_all,
                };
                return Some((release, Sender::Tells));
            }
            Change::Nothing => return None,
            Change::Fill(fill) => fill,
        };
        // Asked when there is something to write: what cannot be encoded is no probe.
        let admitted = self.encode(key, &fill, stamps).and_then(|write| {
            let store = self.store();
            let admission = if store.has_breakers() {
                Admission::Yes
            } else {
                self.writes.admits_over(|| store.connection(), system_now())
            };
            (admission != Admission::No).then_some((write, admission))
        });
        let Fill {
            entries, replaces, ..
        } = fill;
        if let Some((write, admission)) = admitted {
            let sender = Sender::Fills {
                entries,
                admission,
                replaces,
            };
            return Some((write, sender));
        }
        Counters::add(&entries.counters.redis_fills_lost);
        replaces.then(|| (delete(), Sender::Deletes(Vec::new())))
    }

    /// Deletes what was to be replaced; gives what could not be deleted.
    async fn delete(&self, keys: Vec<EntryKey>) -> Vec<EntryKey> {
        if keys.is_empty() {
            return keys;
        }
        let deletes = keys.iter().map(|key| Write::Delete {
            key: key.name.clone(),
        });
        let results = self
            .store()
            .write(deletes.collect(), super::WRITE_WITHIN)
            .await;
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
                if !self.store().has_breakers() {
                    self.writes.failed(admission, now, error);
                }
                Counters::add(&entries.counters.redis_fills_lost);
            }
        }
    }

    /// The bytes of an entry; nothing where it has to stay behind.
    fn encode(&self, key: &EntryKey, fill: &Fill, stamps: Option<&Stamps>) -> Option<Write> {
        let entries = &fill.entries;
        let milliseconds = fill.expires.saturating_sub(self.store().time()?.latest) / 1_000;
        if milliseconds == 0 {
            return None;
        }
        let header = Header {
            lineage: stamps.map_or(0, |stamps| stamps.lineage.0),
            created: fill.created,
            soft: fill.stale.min(fill.expires),
            hard: fill.expires,
            load_time: fill.load_time,
            key_check: key.check,
            stamps: stamps.map(stamps_of).unwrap_or_default(),
            is_unsettled: fill.node.entry().settles().is_some(),
            is_outliving: entries.outlives.is_so(),
        };
        // Apart from the envelope: a user's codec may do to it what it likes.
        // Not of the runtime, whose time may stand still: it is work.
        let began = Instant::now();
        let mut payload = Vec::with_capacity(entries.expected());
        if let Err(refusal) = entries.wire.encode(fill.node.value()?, &mut payload) {
            entries.warn_of_refusal(&refusal);
            return None;
        }
        if !entries.proves(&payload) {
            return None;
        }
        let counters = &entries.counters;
        counters
            .reloads
            .add(xxh3_64(key.name.as_bytes()), xxh3_64(&payload));
        let mut draft = envelope::start(&header, key.full.as_deref());
        draft.payload().append(&mut payload);
        let Ok(bytes) = draft.finish(entries.compress_from, self.limits.value) else {
            Counters::add(&counters.redis_too_large);
            entries.warn(&format_args!(
                "it is larger than {} bytes, the limit of this cache",
                self.limits.value
            ));
            return None;
        };
        counters.encode_times.add(began.elapsed());
        entries.learn(bytes.len());
        Some(Write::Set {
            key: key.name.clone(),
            bytes,
            milliseconds,
        })
    }
}

/// What an entry was read under: known before its load, so that whatever came since makes it void.
fn stamps_at_load(change: &Change) -> Option<Stamps> {
    match change {
        Change::Fill(fill) => fill.node.entry().guard().and_then(Guard::stamps).cloned(),
        Change::Delete(_) | Change::Release { .. } | Change::Nothing => None,
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
    /// What nobody waits for, nor does again.
    Tells,
}
