//! What the caches of one process that share entries know together: an event that one of them emits is at once void
//! in all of them.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Weak},
};

use super::courier::{Carrier, Courier, Rest};
use crate::{
    clock::system_now,
    coherence::{Bounds, Coherence},
    error::{Error, ErrorKind},
    l2::{Backing, Outbox, Store},
    lock::Mutex,
    process,
};

/// The coherence of caches that share entries.
#[derive(Debug)]
pub(crate) struct Peers {
    pub(crate) coherence: Arc<Coherence>,
    /// Nothing where there is no shared tier.
    pub(crate) courier: Option<Box<dyn Carrier>>,
}

/// Where entries are shared, and as whom.
pub(crate) struct SharedPlace {
    /// A server, with the user, and a namespace.
    pub(crate) shared: Shared,
    /// A hash of all else that lets one in, in this process.
    pub(crate) access: u64,
}

type Shared = (String, String);

/// Those of this process by place.
static KNOWN: Mutex<Option<HashMap<Shared, PeerRecord>>> = Mutex::new(None);

/// Peers as long as one of them is there, then until all is sent that they emitted, and until what servers have said to
/// them is a minute ago.
struct PeerRecord {
    peers: Weak<Peers>,
    rest: Rest,
    coherence: Arc<Coherence>,
    /// What was to be sent to the server besides.
    outbox: Arc<Outbox>,
    access: u64,
}

impl PeerRecord {
    /// What the peers that were here left to the next ones, or what is made for these. The `store` is theirs where they are
    /// let in otherwise.
    ///
    /// # Errors
    ///
    /// When it still has an event on its way, under other bounds.
    fn courier(
        &self,
        make: impl Fn(Arc<Outbox>) -> Courier,
        bounds: Bounds,
        store: Option<&Arc<dyn Store>>,
    ) -> Result<Courier, Error> {
        let make = || make(Arc::clone(&self.outbox));
        let courier = match self.rest.resume() {
            None => make(),
            Some(resumed) if resumed.coherence().bounds() == bounds => {
                if let Some(store) = store {
                    resumed.prefer(Arc::clone(store));
                }
                resumed
            }
            Some(resumed) => {
                let courier = make();
                let (before, after) = (resumed.coherence(), courier.coherence());
                if !before.leave_to(after) {
                    return Err(Error::new(
                        ErrorKind::Configuration,
                        "the cache before this one, with the same Redis and `namespace` and another `staleness_bound` or \
                         `unknown_outcome`, was dropped with an event on its way: build this one a second later, or close the earlier \
                         one (`Cache::close`) instead of dropping it",
                    ));
                }
                courier
            }
        };
        if !Arc::ptr_eq(&self.coherence, courier.coherence()) {
            courier.coherence().take_over(&self.coherence);
        }
        Ok(courier)
    }
}

impl Peers {
    /// Of a cache without others to share with.
    pub(crate) fn alone(namespace: &str, bounds: Bounds) -> Arc<Self> {
        Arc::new(Self {
            coherence: Coherence::new(namespace, bounds, None),
            courier: None,
        })
    }

    fn with(courier: Courier) -> Arc<Self> {
        Arc::new(Self {
            coherence: Arc::clone(courier.coherence()),
            courier: Some(Box::new(courier)),
        })
    }

    /// Of a cache with a shared tier, and what it shares with others. Caches of one `place` are one process to others;
    /// without a place a cache is one by itself. Its `store` is for all of them where it was let in otherwise than the one
    /// before.
    ///
    /// # Errors
    ///
    /// When those that are known at that place have other bounds.
    pub(crate) fn of(
        place: Option<SharedPlace>,
        namespace: &str,
        bounds: Bounds,
        store: Arc<dyn Store>,
    ) -> Result<(Arc<Self>, Arc<Backing>), Error> {
        let make = |outbox| {
            let coherence = Coherence::new(namespace, bounds, Some(&origin()));
            let backing = Backing::new(Arc::clone(&store), outbox);
            Courier::new(namespace, &coherence, backing)
        };
        let Some(SharedPlace { shared, access }) = place else {
            let courier = make(Arc::default());
            let backing = Arc::clone(courier.backing());
            return Ok((Self::with(courier), backing));
        };
        let mut known = KNOWN.lock();
        let known = known.get_or_insert_default();
        let at_place = known.get(&shared);
        let is_other = at_place.is_some_and(|known| known.access != access);
        if let Some(peers) = at_place.and_then(|known| known.peers.upgrade())
            && let Some(courier) = &peers.courier
        {
            peers.check(bounds)?;
            if is_other {
                courier.prefer(store);
                known
                    .entry(shared)
                    .and_modify(|known| known.access = access);
            }
            let backing = Arc::clone(courier.backing());
            return Ok((peers, backing));
        }
        let courier = match at_place {
            None => make(Arc::default()),
            Some(known) => known.courier(make, bounds, is_other.then_some(&store))?,
        };
        let (rest, backing) = (courier.rest(), Arc::clone(courier.backing()));
        let peers = Self::with(courier);
        let now = system_now();
        known.retain(|_, known| {
            known.rest.is_there() || known.coherence.remembers(now) || known.outbox.len() > 0
        });
        let new = PeerRecord {
            peers: Arc::downgrade(&peers),
            rest,
            coherence: Arc::clone(&peers.coherence),
            outbox: Arc::clone(backing.outbox()),
            access,
        };
        known.insert(shared, new);
        Ok((peers, backing))
    }

    fn check(&self, asked: Bounds) -> Result<(), Error> {
        let Bounds {
            staleness,
            unknown_outcome,
        } = self.coherence.bounds();
        if self.coherence.bounds() == asked {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Configuration,
            format_args!(
                "caches of one process with one Redis and `namespace` hear each other's events as one: write \
                 `staleness_bound` {staleness:?} and `unknown_outcome` {unknown_outcome:?}, as for the first one, \
                 or another `namespace`"
            ),
        ))
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        if let Some(courier) = &self.courier {
            courier.backing().outbox().forget_fills();
        }
    }
}

/// A name that no other process has, for people to read: its host, its number there, and a random one. In a simulation it
/// is the same in each run.
fn origin() -> String {
    #[cfg(test)]
    if let Some(number) = crate::clock::simulated::next_number() {
        return format!("{number:032x}");
    }
    // Processes in containers may all be number 1. The keys of a new one are random enough to tell them apart.
    let random = RandomState::new().hash_one(std::process::id());
    format!("{}:{random:016x}", process::name())
}
