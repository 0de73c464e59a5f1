//! Redis Cluster as a store: a [`RedisStore`] for each primary, and what is asked of several of them put together.
//!
//! An entry and its tags may be on several primaries, and are read at several moments, all of them within the call: where
//! the tags have the versions that the entry is stamped with, it misses nothing that was there when the first of them was
//! asked.
//!
//! What is changed in several buckets is no one change: what is loaded between two of them may have the new version of one
//! tag and still be made of what the other one is about to make void. So all of it is changed once more when all of it was.

mod breakers;
mod choir;
mod members;
mod primary;
mod reached;
mod slots;
mod steward;
mod topology;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    time::{Instant, sleep},
};

use self::{
    members::{Cluster, Member, Members, Standing},
    reached::Reached,
    slots::{bucket_of, channel_of},
};
pub(crate) use self::{
    primary::Ground,
    slots::{key_of_tag, slot_of, slot_of_bucket},
};
#[cfg(test)]
pub(crate) use self::{primary::Primary, slots::BUCKETS};
use super::{address::Seeds, handshake::Failure, tags::Change, together};
use crate::{
    clock::{Nanos, system_now},
    coherence::{mutant, mutant::Mutant},
    error::{Error, ErrorKind},
    l2::{
        AskedTogether, Batch, Bump, Condition, Lineage, Listener, Message, Pending, ReadRequest,
        Store, StoreError, StoreTime, Tagged, TaggedTogether, Version, Versions, Write,
        store::HeldBack,
    },
};

/// How often it is looked whether the first connections are there.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// How long somebody waits who does not know yet where a slot is being moved to.
const LEARN_WITHIN: Duration = Duration::from_millis(200);
const LEARN_EVERY: Duration = Duration::from_millis(10);

/// The entries of one cluster.
pub(crate) struct ClusterStore {
    cluster: Arc<Cluster>,
}

/// What was asked of one primary, or of one bucket, by its place among all.
type Parts<K, T> = BTreeMap<K, Vec<(usize, T)>>;

impl ClusterStore {
    /// That of a cluster whose primaries are reached like this. It connects when it is first asked for something.
    pub(crate) fn on(ground: Arc<dyn Ground>) -> Self {
        let cluster = Cluster::new(ground);
        Self { cluster }
    }

    /// Connects to all primaries; where not all of them are there after `patience`, gives the store all the same, with
    /// the reason, and connects on in the background.
    ///
    /// # Errors
    ///
    /// A node was reached and refuses, or this is not a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropped half way, it leaves no connection.
    pub(super) async fn connect(
        seeds: Seeds,
        patience: Duration,
    ) -> Result<(Self, Option<String>), Error> {
        let runtime = Handle::try_current().map_err(|_| super::no_runtime())?;
        let store = Self::on(Arc::new(seeds));
        store.cluster.attend(&runtime, system_now());
        let begun = Instant::now();
        loop {
            let reason = match store.cluster.standing() {
                Standing::Whole => return Ok((store, None)),
                Standing::Failing(Failure::Refused(why)) => {
                    let message = format_args!("{why}, at {}", store.cluster.ground);
                    return Err(Error::new(ErrorKind::Refused, message));
                }
                Standing::Failing(Failure::Unreachable(why)) => why,
            };
            if begun.elapsed() >= patience {
                return Ok((store, Some(reason)));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Reads entries and tags, each where it is.
    async fn read(
        &self,
        asked: AskedTogether<'_>,
        within: Duration,
    ) -> Result<TaggedTogether, StoreError> {
        let lineage = self.lineage().ok_or(StoreError::Unavailable)?;
        let members = self.cluster.members();
        let tags: Vec<(String, u16)> = asked.tags.iter().map(|tag| key_of_tag(tag)).collect();
        let buckets: Vec<u16> = tags.iter().map(|(_, bucket)| *bucket).collect();
        let entries = asked.entries.iter().map(|key| (*key, slot_of(key)));
        let tags = tags
            .iter()
            .map(|(key, bucket)| (key.as_str(), slot_of_bucket(*bucket)));
        let count = asked.entries.len();
        let parts = by_owner(&members, entries.chain(tags))?;
        let answers = parts.iter().map(|(member, keys)| {
            let member = &members.list[*member];
            // Entries come before tags, in each part as in the whole.
            let entries = keys.partition_point(|(place, _)| *place < count);
            let expected = if entries > 0 { asked.expected } else { 0 };
            async move {
                let keys: Vec<&str> = keys.iter().map(|(_, key)| *key).collect();
                let (entries, tags) = keys.split_at(entries);
                let part = AskedTogether {
                    entries,
                    expected,
                    tags,
                };
                member.get_together(part, within).await
            }
        });
        let mut entries = vec![None; count];
        let mut versions = vec![Version::Missing; asked.tags.len()];
        let (mut sent, mut is_of_whole) = (Nanos::MAX, true);
        for (keys, found) in parts.values().zip(together::all(answers).await) {
            let found = found?;
            sent = sent.min(found.sent);
            let (places, tags) = keys.split_at(found.entries.len().min(keys.len()));
            for ((place, _), entry) in places.iter().zip(found.entries) {
                entries[*place] = entry;
            }
            for ((place, _), version) in tags.iter().zip(found.versions) {
                let tag = *place - count;
                versions[tag] = version;
                is_of_whole &= self.cluster.is_of(buckets[tag], found.lineage);
            }
        }
        // Each part is of the history that its bucket has, and that of the whole was the same before.
        if self.lineage() != Some(lineage) || !is_of_whole {
            return Err(StoreError::Unavailable);
        }
        Ok(TaggedTogether {
            entries,
            versions,
            lineage,
            sent,
        })
    }

    /// Does something with the tags of each bucket, on the primary that has it, and gives the versions that come of it.
    async fn with_tags<'a, T, F>(
        &'a self,
        parts: Parts<u16, T>,
        act: impl Fn(u16, Vec<T>, Reached) -> F,
    ) -> Result<Tagged, StoreError>
    where
        F: Future<Output = Result<Tagged, StoreError>> + 'a,
    {
        let lineage = self.lineage().ok_or(StoreError::Unavailable)?;
        let members = self.cluster.members();
        let count = parts.values().map(Vec::len).sum();
        let mut places = Vec::with_capacity(parts.len());
        let mut acts = Vec::with_capacity(parts.len());
        // What one primary has waits for no other that is gone.
        let mut is_all = true;
        for (bucket, tags) in parts {
            let slot = slot_of_bucket(bucket);
            let Some(owner) = members.owner_of(slot) else {
                is_all = false;
                continue;
            };
            let reached = Reached {
                owner: Arc::clone(&owner.store),
                importer: members.importer_of(slot).map(|it| Arc::clone(&it.store)),
            };
            let (at, tags): (Vec<usize>, Vec<T>) = tags.into_iter().unzip();
            places.push((bucket, at));
            acts.push(act(bucket, tags, reached));
        }
        let mut versions = Versions::from_elem(Version::Missing, count);
        let mut sent = Nanos::MAX;
        for ((bucket, places), done) in places.iter().zip(together::all(acts.into_iter()).await) {
            let done = done?;
            sent = sent.min(done.sent);
            is_all &= self.cluster.is_of(*bucket, done.lineage);
            for (place, version) in places.iter().zip(done.versions) {
                versions[*place] = version;
            }
        }
        if self.lineage() != Some(lineage) || !is_all {
            return Err(StoreError::Unavailable);
        }
        Ok(Tagged {
            entry: None,
            versions,
            lineage,
            sent,
        })
    }

    async fn ensure_all(
        &self,
        tags: &[&str],
        life: Duration,
        within: Duration,
    ) -> Result<Tagged, StoreError> {
        let mut parts = Parts::<u16, String>::new();
        for (place, tag) in tags.iter().enumerate() {
            let (key, bucket) = key_of_tag(tag);
            parts.entry(bucket).or_default().push((place, key));
        }
        self.with_tags(parts, |_, tags, reached| async move {
            let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
            reached.owner.ensure(&tags, life, within).await
        })
        .await
    }

    async fn change(
        &self,
        change: Change,
        batch: Batch,
        within: Duration,
    ) -> Result<Tagged, StoreError> {
        let begun = Instant::now();
        loop {
            let changed = self.change_now(change, batch.clone(), within).await;
            if changed != Err(StoreError::Moving) || begun.elapsed() > within.min(LEARN_WITHIN) {
                return changed;
            }
            // Where to is being asked.
            sleep(LEARN_EVERY).await;
        }
    }

    async fn change_now(
        &self,
        change: Change,
        batch: Batch,
        within: Duration,
    ) -> Result<Tagged, StoreError> {
        let Batch {
            channel,
            tail,
            bumps,
        } = batch;
        let mut parts = Parts::<u16, Bump>::new();
        for (place, bump) in bumps.into_iter().enumerate() {
            let (key, bucket) = key_of_tag(&bump.key);
            let bump = Bump {
                key: key.into(),
                ..bump
            };
            parts.entry(bucket).or_default().push((place, bump));
        }
        self.with_tags(parts, |bucket, bumps, reached| {
            let batch = Batch {
                channel: channel_of(&channel, bucket).into(),
                tail: Arc::clone(&tail),
                bumps,
            };
            async move { reached.change(change, batch, within).await }
        })
        .await
    }

    async fn write_all(&self, writes: Vec<Write>, within: Duration) -> Vec<Result<(), StoreError>> {
        let members = self.cluster.members();
        let mut results = vec![Err(StoreError::Unavailable); writes.len()];
        let mut parts = Parts::<usize, Write>::new();
        for (place, write) in writes.into_iter().enumerate() {
            let (slot, write) = placed(write);
            if let Some(member) = members.place_of_owner(slot) {
                parts.entry(member).or_default().push((place, write));
            }
        }
        let mut places = Vec::with_capacity(parts.len());
        let mut sendings = Vec::with_capacity(parts.len());
        for (member, writes) in parts {
            let (at, writes): (Vec<usize>, Vec<Write>) = writes.into_iter().unzip();
            places.push(at);
            sendings.push(members.list[member].write(writes, within));
        }
        for (places, sent) in places.iter().zip(together::all(sendings.into_iter()).await) {
            for (place, result) in places.iter().zip(sent) {
                results[*place] = result;
            }
        }
        results
    }
}

/// The slot of what is written, and how it is written there.
fn placed(write: Write) -> (u16, Write) {
    match write {
        Write::Set { ref key, .. }
        | Write::Delete { ref key }
        | Write::Claim { ref key, .. }
        | Write::Release { ref key, .. } => (slot_of(key), write),
        Write::Tell(Message { channel, text }) => {
            let bucket = bucket_of(&text);
            let channel = channel_of(&channel, bucket).into();
            let message = Message { channel, text };
            (slot_of_bucket(bucket), Write::Tell(message))
        }
    }
}

/// Whether all of it is of one bucket.
fn is_one_change(batch: &Batch) -> bool {
    let mut buckets = batch.bumps.iter().map(|bump| key_of_tag(&bump.key).1);
    let first = buckets.next();
    buckets.all(|bucket| Some(bucket) == first)
}

/// What each primary is to be asked.
fn by_owner<'a>(
    members: &Members,
    keys: impl Iterator<Item = (&'a str, u16)>,
) -> Result<Parts<usize, &'a str>, StoreError> {
    let mut parts = Parts::new();
    for (place, (key, slot)) in keys.enumerate() {
        let owner = members.place_of_owner(slot);
        let owner = owner.ok_or(StoreError::Unavailable)?;
        parts
            .entry(owner)
            .or_insert_with(Vec::new)
            .push((place, key));
    }
    Ok(parts)
}

impl Store for ClusterStore {
    fn is_ready(&self) -> bool {
        let Ok(runtime) = Handle::try_current() else {
            return false;
        };
        self.cluster.attend(&runtime, system_now());
        let members = self.cluster.members();
        // Each of them is looked after by being asked: all are.
        let ready = members.list.iter().filter(|member| member.store.is_ready());
        ready.count() > 0
    }

    fn time(&self) -> Option<StoreTime> {
        let members = self.cluster.members();
        let times = members.list.iter().filter(|member| member.has_tags());
        // Of all clocks: a version is given by any of them.
        let times = times
            .map(|member| member.store.time())
            .collect::<Option<Vec<_>>>()?;
        times.into_iter().reduce(|one, other| StoreTime {
            earliest: one.earliest.min(other.earliest),
            latest: one.latest.max(other.latest),
        })
    }

    fn get<'a>(
        &'a self,
        key: &'a str,
        expected: usize,
        within: Duration,
    ) -> Pending<'a, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(async move {
            let members = self.cluster.members();
            let owner: &Member = members
                .owner_of(slot_of(key))
                .ok_or(StoreError::Unavailable)?;
            owner.get(key, expected, within).await
        })
    }

    fn write(
        &self,
        writes: Vec<Write>,
        within: Duration,
    ) -> Pending<'_, Vec<Result<(), StoreError>>> {
        Box::pin(self.write_all(writes, within))
    }

    fn get_tagged<'a>(
        &'a self,
        asked: ReadRequest<'a>,
        within: Duration,
    ) -> Pending<'a, Result<Tagged, StoreError>> {
        Box::pin(async move {
            let entries = asked.entry.as_slice();
            let together = AskedTogether {
                entries,
                expected: asked.expected,
                tags: asked.tags,
            };
            let mut found = self.read(together, within).await?;
            Ok(Tagged {
                entry: found.entries.pop().flatten(),
                versions: found.versions.into(),
                lineage: found.lineage,
                sent: found.sent,
            })
        })
    }

    fn get_together<'a>(
        &'a self,
        asked: AskedTogether<'a>,
        within: Duration,
    ) -> Pending<'a, Result<TaggedTogether, StoreError>> {
        Box::pin(self.read(asked, within))
    }

    fn ensure<'a>(
        &'a self,
        tags: &'a [&'a str],
        life: Duration,
        within: Duration,
    ) -> Pending<'a, Result<Tagged, StoreError>> {
        Box::pin(self.ensure_all(tags, life, within))
    }

    fn hold_back(&self) -> Option<HeldBack> {
        let members = self.cluster.members();
        let held = members.list.iter().map(|member| member.store.hold_back());
        Some(Box::new(held.collect::<Option<Vec<HeldBack>>>()?))
    }

    fn bump(&self, batch: Batch, within: Duration) -> Pending<'_, Result<Tagged, StoreError>> {
        Box::pin(async move {
            let begun = Instant::now();
            let bump = |batch| {
                let left = within.saturating_sub(begun.elapsed());
                self.change(Change::Bump, batch, left)
            };
            if is_one_change(&batch) || mutant::is(Mutant::C4) {
                return bump(batch).await;
            }
            bump(batch.clone()).await?;
            bump(batch).await
        })
    }

    fn mark(&self, batch: Batch, within: Duration) -> Pending<'_, Result<Tagged, StoreError>> {
        Box::pin(self.change(Change::Mark, batch, within))
    }

    fn listen(&self, channel: &str, beat: Duration, listener: &Arc<dyn Listener>) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        self.cluster.attend(&runtime, system_now());
        self.cluster.listen(channel, beat, listener);
    }

    fn has_breakers(&self) -> bool {
        true
    }

    fn condition(&self) -> Condition {
        let members = self.cluster.members();
        let count = |is_so: &dyn Fn(&Member) -> bool| {
            let so = members.list.iter().filter(|member| is_so(member));
            so.count()
        };
        Condition {
            servers: members.list.len(),
            connected: count(&|member| member.store.condition().connected > 0),
            reads_stopped: count(&|member| member.breakers.stop_reads()),
            writes_stopped: count(&|member| member.breakers.stop_writes()),
        }
    }

    fn lineage(&self) -> Option<Lineage> {
        self.cluster.lineage()
    }
}

impl Drop for ClusterStore {
    fn drop(&mut self) {
        self.cluster.dismiss();
    }
}

impl fmt::Debug for ClusterStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterStore")
            .field("ground", &self.cluster.ground)
            .finish_non_exhaustive()
    }
}
