//! What one cache has of a stand-in for Redis.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::runtime::Handle;

use super::{FakeRedis, State, channel::Ear, faults::Operation};
use crate::{
    clock::system_now,
    l2::{
        AskedTogether, Batch, Condition, Listener, Pending, ReadRequest, Store, StoreError,
        StoreTime, Tagged, TaggedTogether, Versions, Write,
    },
};

/// The connections of one process.
pub(super) struct Process {
    redis: FakeRedis,
    ear: OnceLock<Arc<Ear>>,
}

/// What a batch does to the tags: their versions, and what is published of it.
type Change = fn(&mut State, &Batch, u64) -> Result<(Versions, String), StoreError>;

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.redis.fmt(f)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(ear) = self.ear.get() {
            ear.close();
        }
    }
}

impl Process {
    pub(super) fn new(redis: &FakeRedis) -> Self {
        Self {
            redis: redis.clone(),
            ear: OnceLock::new(),
        }
    }

    fn publish(&self, state: &mut State, channel: &str, message: &str) {
        let fault = state.message_faults.take();
        let (standing, lineage) = (state.message_faults.standing(), state.lineage());
        let ears = &self.redis.0.ears;
        ears.publish(channel, message, fault, (standing, lineage));
    }

    /// Changes tags; publishes what there is to say of that, before anything else happens to them.
    async fn change(
        &self,
        batch: Batch,
        within: Duration,
        change: Change,
    ) -> Result<Tagged, StoreError> {
        let sent = system_now();
        let answered = self.redis.answer(Operation::Write, within, |state, now| {
            let (versions, message) = change(state, &batch, now)?;
            if !message.is_empty() {
                self.publish(state, &batch.channel, &message);
            }
            Ok(versions)
        });
        let (versions, lineage) = answered.await?;
        Ok(Tagged {
            entry: None,
            versions: versions?,
            lineage,
            sent,
        })
    }
}

impl Store for Process {
    fn is_ready(&self) -> bool {
        Handle::try_current().is_ok()
    }

    fn condition(&self) -> Condition {
        Condition::of_one(true)
    }

    fn time(&self) -> Option<StoreTime> {
        let now = self.redis.now();
        Some(StoreTime {
            earliest: now,
            latest: now,
        })
    }

    fn get<'a>(
        &'a self,
        key: &'a str,
        _expected: usize,
        within: Duration,
    ) -> Pending<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.redis.0.state.lock().reads += 1;
        Box::pin(async move {
            let answered = self.redis.answer(Operation::Read, within, |state, now| {
                state.held.entry(key, now)
            });
            Ok(answered.await?.0)
        })
    }

    fn write(
        &self,
        writes: Vec<Write>,
        within: Duration,
    ) -> Pending<'_, Vec<Result<(), StoreError>>> {
        let count = writes.len();
        let is_of_entry =
            |write: &&Write| matches!(write, Write::Set { .. } | Write::Delete { .. });
        let of_entries = writes.iter().filter(is_of_entry).count();
        self.redis.0.state.lock().writes += of_entries as u64;
        Box::pin(async move {
            let answered = self.redis.answer(Operation::Write, within, |state, now| {
                let results = writes.into_iter().map(|write| {
                    if let Write::Tell(message) = &write {
                        self.publish(state, &message.channel, &message.text);
                    }
                    state.write(write, now)
                });
                results.collect()
            });
            match answered.await {
                Ok((results, _)) => results,
                Err(error) => vec![Err(error); count],
            }
        })
    }

    fn get_tagged<'a>(
        &'a self,
        asked: ReadRequest<'a>,
        within: Duration,
    ) -> Pending<'a, Result<Tagged, StoreError>> {
        self.redis.0.state.lock().reads += u64::from(asked.entry.is_some());
        Box::pin(async move {
            let sent = system_now();
            let answered = self.redis.answer(Operation::Read, within, |state, now| {
                let held = &state.held;
                let entry = asked.entry.and_then(|key| held.entry(key, now));
                let versions = asked.tags.iter().map(|key| held.version(key, now));
                (entry, versions.collect())
            });
            let ((entry, versions), lineage) = answered.await?;
            Ok(Tagged {
                entry,
                versions,
                lineage,
                sent,
            })
        })
    }

    fn get_together<'a>(
        &'a self,
        asked: AskedTogether<'a>,
        within: Duration,
    ) -> Pending<'a, Result<TaggedTogether, StoreError>> {
        self.redis.0.state.lock().reads += asked.entries.len() as u64;
        Box::pin(async move {
            let sent = system_now();
            let answered = self.redis.answer(Operation::Read, within, |state, now| {
                let held = &state.held;
                let entries = asked.entries.iter().map(|key| held.entry(key, now));
                let versions = asked.tags.iter().map(|key| held.version(key, now));
                (entries.collect(), versions.collect())
            });
            let ((entries, versions), lineage) = answered.await?;
            Ok(TaggedTogether {
                entries,
                versions,
                lineage,
                sent,
            })
        })
    }

    fn ensure<'a>(
        &'a self,
        tags: &'a [&'a str],
        life: Duration,
        within: Duration,
    ) -> Pending<'a, Result<Tagged, StoreError>> {
        Box::pin(async move {
            let sent = system_now();
            let answered = self.redis.answer(Operation::Write, within, |state, now| {
                state.ensure(tags, life, now)
            });
            let (versions, lineage) = answered.await?;
            Ok(Tagged {
                entry: None,
                versions: versions?,
                lineage,
                sent,
            })
        })
    }

    fn bump(&self, batch: Batch, within: Duration) -> Pending<'_, Result<Tagged, StoreError>> {
        Box::pin(self.change(batch, within, |state, batch, now| {
            Ok(state.bump(batch, now))
        }))
    }

    fn mark(&self, batch: Batch, within: Duration) -> Pending<'_, Result<Tagged, StoreError>> {
        Box::pin(self.change(batch, within, State::mark))
    }

    fn listen(&self, channel: &str, beat: Duration, listener: &Arc<dyn Listener>) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let ear = self.ear.get_or_init(|| {
            let ear = Ear::new(channel, beat, listener);
            self.redis.0.ears.add(&ear);
            ear
        });
        ear.attend(&self.redis.0, &runtime);
    }
}
