//! The shared tier: entries as bytes in a store that other processes see too.
//!
//! It knows no function and no value type. What it reads is not trusted, and what goes wrong with it
//! is a miss. Called by flights, between the caller's turn and its load.

mod backing;
mod breaker;
pub(crate) mod codec;
mod compress;
mod entries;
mod envelope;
mod miss;
mod notice;
mod outbox;
mod reading;
#[cfg(feature = "redis")]
pub(crate) mod redis;
mod route;
mod sending;
mod store;

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::runtime::Handle;

use self::breaker::{Admission, Breaker};
#[cfg(all(test, any(feature = "redis", feature = "testing")))]
pub(crate) use self::store::notes;
#[cfg(any(feature = "redis", feature = "testing"))]
pub(crate) use self::store::{Pending, StoreTime};
pub(crate) use self::{
    backing::Backing,
    entries::{Described, Entries, EntryKey},
    notice::{Message, Notice, Teller},
    outbox::{Change, Outbox},
    reading::{One, Purpose, Read, ReadOutcome, Reading, TAG_LIFE},
    route::{Lease, Posted, Route, Way},
    store::{
        AskedTogether, Batch, Bump, Condition, FREE_FOR, Holder, Lineage, Listener, NOBODY,
        ReadRequest, Store, StoreError, Tagged, TaggedTogether, Version, Versions, Write,
    },
};
use crate::{clock::system_now, l1::Node, tasks};
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
    backing: Arc<Backing>,
    /// Nobody writes there.
    probe_key: String,
    /// Before the name of an entry: the leases of those who load it.
    lease_prefix: String,
    limits: Limits,
    reads: Breaker,
    writes: Breaker,
}

impl fmt::Debug for L2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("L2")
            .field("store", &self.store())
            .field("reads_stopped", &self.reads.is_open())
            .field("writes_stopped", &self.writes.is_open())
            .finish_non_exhaustive()
    }
}

/// How old an entry is, and for how long it may still be used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Age {
    pub(crate) since_load: Duration,
    /// For how long it is still fresh.
    pub(crate) fresh: Duration,
    /// For how long it has not been fresh.
    pub(crate) stale_for: Duration,
    pub(crate) left: Duration,
    /// How long its load took.
    pub(crate) load_time: Duration,
}

/// For how long a value that goes to the shared tier is fresh, for how long it is to be there, and how long its load took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetime {
    pub(crate) fresh: Duration,
    pub(crate) kept: Duration,
    pub(crate) load_time: Duration,
}

/// Makes an entry for this process of the bytes of a value.
pub(crate) type Receive<'a> = &'a (dyn Fn(&[u8], Age) -> Result<Arc<Node>, RedisMiss> + Sync);

impl L2 {
    pub(crate) fn new(backing: Arc<Backing>, namespace: &str, limits: Limits) -> Arc<Self> {
        Arc::new_cyclic(|tier| {
            backing.enter(Weak::clone(tier));
            Self {
                backing,
                // A user of the server may be limited to the keys of the namespace.
                probe_key: format!("{namespace}:e:probe"),
                lease_prefix: format!("{namespace}:k:"),
                limits,
                reads: Breaker::new("reads", limits.budget),
                writes: Breaker::new("writes", WRITE_WITHIN),
            }
        })
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        self.backing.store()
    }

    fn outbox(&self) -> &Arc<Outbox> {
        self.backing.outbox()
    }

    fn lease_of(&self, entry: &str, stamp: u64) -> String {
        format!("{}{entry}:{stamp:016x}", self.lease_prefix)
    }

    pub(crate) fn budget(&self) -> Duration {
        self.limits.budget
    }

    /// Whether it is worth asking. Every miss asks this first, and pays next to nothing for a no: the
    /// question whether the store has recovered is asked by a task of its own, not by a call.
    pub(crate) fn admit_read(self: &Arc<Self>) -> bool {
        let store = self.store();
        if !store.is_ready() {
            return false;
        }
        if store.has_breakers() {
            return true;
        }
        match self.reads.admits_over(|| store.connection(), system_now()) {
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
                let got = l2.store().get(&l2.probe_key, 0, l2.limits.budget).await;
                l2.count_read(probe, &got);
                probe = l2.reads.admits(system_now());
            }
        });
    }

    fn count_read<T>(&self, admission: Admission, got: &Result<T, StoreError>) {
        if !self.store().has_breakers() {
            self.reads.count_read(admission, got, system_now());
        }
    }

    /// What making versions says of writes. It is done whatever is said of these, and that it succeeds says nothing of
    /// entries.
    fn count_ensured<T>(&self, ensured: &Result<T, StoreError>) {
        let (store, now) = (self.store(), system_now());
        if let Err(error @ StoreError::ReadOnly(_)) = ensured
            && !store.has_breakers()
        {
            let admission = self.writes.admits_over(|| store.connection(), now);
            self.writes.failed(admission, now, error);
        }
    }

    /// How its servers are, and what is not asked of them.
    pub(crate) fn condition(&self) -> Condition {
        let store = self.store();
        let condition = store.condition();
        if store.has_breakers() {
            return condition;
        }
        let now = system_now();
        Condition {
            reads_stopped: self.reads.is_shut(now).into(),
            writes_stopped: self.writes.is_shut(now).into(),
            ..condition
        }
    }

    /// How many writes are on their way.
    pub(crate) fn unsent(&self) -> usize {
        self.outbox().len()
    }

    /// Waits until nothing is on its way.
    pub(crate) async fn emptied(self: &Arc<Self>) {
        self.start_sending();
        self.outbox().emptied().await;
    }
}
