//! What the caches of one process that share entries know together: an event that one of them emits is at once void
//! in all of them.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Weak},
};

use super::courier::{Carrier, Courier};
use crate::{
    coherence::{Bounds, Coherence},
    l2::L2,
    lock::Mutex,
};

/// The coherence of caches that share entries.
#[derive(Debug)]
pub(crate) struct Peers {
    pub(crate) coherence: Arc<Coherence>,
    /// Nothing where there is no shared tier.
    pub(crate) courier: Option<Box<dyn Carrier>>,
}

/// Where entries are shared: a server and a namespace.
pub(crate) type Place = (String, String);

/// Those of this process by place.
static KNOWN: Mutex<Option<HashMap<Place, Weak<Peers>>>> = Mutex::new(None);

impl Peers {
    /// Of a cache without others to share with.
    pub(crate) fn alone(namespace: &str, bounds: Bounds) -> Arc<Self> {
        Arc::new(Self {
            coherence: Coherence::new(namespace, bounds, None),
            courier: None,
        })
    }

    /// Of a cache with a shared tier. Caches of one `place` are one process to others; without a place a cache is one
    /// by itself. The bounds are those of the first.
    pub(crate) fn of(place: Option<Place>, namespace: &str, bounds: Bounds, l2: &L2) -> Arc<Self> {
        let make = || {
            let coherence = Coherence::new(namespace, bounds, Some(&origin()));
            let store = Arc::clone(l2.store());
            let courier = Courier::new(namespace, &coherence, store, l2.budget());
            Arc::new(Self {
                coherence,
                courier: Some(Box::new(courier)),
            })
        };
        let Some(place) = place else { return make() };
        let mut known = KNOWN.lock();
        let known = known.get_or_insert_default();
        if let Some(peers) = known.get(&place).and_then(Weak::upgrade) {
            return peers;
        }
        known.retain(|_, peers| peers.strong_count() > 0);
        let peers = make();
        known.insert(place, Arc::downgrade(&peers));
        peers
    }
}

/// A name that no other process has.
fn origin() -> String {
    // The keys of a new one are random enough to tell processes apart.
    let random = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", random(), random())
}
