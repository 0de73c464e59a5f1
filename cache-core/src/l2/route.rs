//! The way to one entry of the shared tier: what a call and its flight hold of it.

use std::{
    any::Any,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::sync::oneshot;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    Change, Entries, EntryKey, Holder, L2, Lifetime, Message, NOBODY, One, Read, Reading,
    StoreError, Write,
};
use crate::{
    clock::system_now,
    coherence::{Guard, Stamps, mutant, mutant::Mutant},
    l1::Node,
};

/// What became of a change that was handed over. To be dropped where no lock is held: a value's own `Drop`
/// may do anything.
pub(crate) type Posted = Box<dyn Any + Send>;

/// Where a flight sends its result besides memory. A table: programs without a shared tier hold nothing of it.
pub(crate) trait Way: Send + Sync {
    /// Sends an entry that has so much of its `lifetime` left. It `replaces` what may be there, so that what is there
    /// has to go where it cannot be written.
    fn fill(
        &self,
        node: &Arc<Node>,
        lifetime: Lifetime,
        replaces: bool,
        message: Option<Message>,
    ) -> Option<Posted>;

    /// Removes the entry, and tells when that was tried.
    fn delete(&self, done: Option<oneshot::Sender<()>>, message: Option<Message>) -> Posted;
}

/// The way to one entry.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) l2: Arc<L2>,
    pub(crate) entries: Arc<Entries>,
    pub(crate) key: EntryKey,
    /// An entry was posted since the lease was claimed last.
    has_filled: AtomicBool,
}

impl Route {
    pub(crate) fn new(l2: Arc<L2>, entries: Arc<Entries>, key: EntryKey) -> Self {
        Self {
            l2,
            entries,
            key,
            has_filled: AtomicBool::new(false),
        }
    }

    /// Reads the entry. The caller has found that it is worth asking.
    pub(crate) async fn read(&self, reading: Reading<'_>) -> Read {
        self.l2.read(&self.one(reading)).await
    }

    /// The entry as one that is to be read.
    pub(crate) fn one<'a>(&'a self, reading: Reading<'a>) -> One<'a> {
        One {
            entries: &self.entries,
            key: &self.key,
            reading,
        }
    }
}

/// What one process holds while it loads for all.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    key: String,
    holder: Holder,
}

impl Route {
    /// What one process of all takes that load under these versions.
    pub(crate) fn lease(&self, stamps: Option<&Stamps>) -> Lease {
        let versions = stamps.map_or(&[][..], |stamps| &stamps.versions);
        let bytes: Vec<u8> = versions
            .iter()
            .copied()
            .flat_map(u64::to_le_bytes)
            .collect();
        Lease {
            key: self.l2.lease_of(&self.key.name, xxh3_64(&bytes)),
            holder: RandomState::new().hash_one(system_now()).max(NOBODY + 1),
        }
    }

    /// Whether this process is the one to load.
    ///
    /// # Errors
    ///
    /// It is not known.
    pub(crate) async fn claim(&self, lease: &Lease, life: Duration) -> Result<bool, StoreError> {
        let claim = Write::Claim {
            key: lease.key.clone(),
            holder: lease.holder,
            milliseconds: u64::try_from(life.as_millis()).unwrap_or(u64::MAX),
        };
        self.has_filled.store(false, Relaxed);
        let answers = self.l2.store().write(vec![claim], self.l2.budget()).await;
        match answers.into_iter().next() {
            Some(Ok(())) => Ok(true),
            Some(Err(StoreError::Taken)) => Ok(false),
            Some(Err(error)) => Err(error),
            None => Err(StoreError::Unavailable),
        }
    }

    /// Another process may be the one to load, unless one is that by now; or each of them for a while, where the load
    /// `is_over` and gave nothing: what a source does not give to one, as it fails or as nothing of it is kept, it is asked
    /// for by all, who would wait for each other in turn. It is told behind what was posted of the entry before.
    pub(crate) fn let_go(&self, lease: Lease, is_over: bool) {
        let to_all = is_over && !self.has_filled.load(Relaxed);
        let release = Change::Release {
            holder: lease.holder,
            entry: self.key.name.clone(),
            to_all,
        };
        let key = EntryKey {
            name: lease.key,
            full: None,
            check: 0,
        };
        drop(self.l2.post(key, release, None));
    }
}

impl Way for Route {
    fn fill(
        &self,
        node: &Arc<Node>,
        lifetime: Lifetime,
        replaces: bool,
        message: Option<Message>,
    ) -> Option<Posted> {
        let entries = &self.entries;
        // Without stamps nobody could trust it.
        let can_be_trusted = node.entry().guard().is_none_or(Guard::can_be_shared)
            || replaces && mutant::is(Mutant::B15);
        let fill = can_be_trusted
            .then(|| self.l2.fill(entries, node, lifetime, replaces))
            .flatten();
        self.has_filled.store(fill.is_some(), Relaxed);
        let change = fill.or_else(|| replaces.then(|| Change::Delete(Vec::new())))?;
        Some(Box::new(self.l2.post(self.key.clone(), change, message)))
    }

    fn delete(&self, done: Option<oneshot::Sender<()>>, message: Option<Message>) -> Posted {
        let change = Change::Delete(done.into_iter().collect());
        Box::new(self.l2.post(self.key.clone(), change, message))
    }
}
