//! The store and outbox that caches of one process share when they share entries.

use std::sync::{Arc, Weak};

use super::{L2, Store, outbox::Outbox};
use crate::lock::{Mutex, RwLock};

#[derive(Debug)]
pub(crate) struct Backing {
    /// Of whoever was let in last.
    store: RwLock<Arc<dyn Store>>,
    outbox: Arc<Outbox>,
    /// Of each cache.
    tiers: Mutex<Vec<Weak<L2>>>,
}

impl Backing {
    /// With what those before have left.
    pub(crate) fn new(store: Arc<dyn Store>, outbox: Arc<Outbox>) -> Arc<Self> {
        Arc::new(Self {
            store: RwLock::new(store),
            outbox,
            tiers: Mutex::default(),
        })
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store.read())
    }

    /// From here on this one is asked. Gives the one before.
    pub(crate) fn replace(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        std::mem::replace(&mut *self.store.write(), store)
    }

    pub(crate) fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    pub(super) fn enter(&self, tier: Weak<L2>) {
        let mut tiers = self.tiers.lock();
        tiers.retain(|tier| tier.strong_count() > 0);
        tiers.push(tier);
    }

    /// Sees to it that what waits is sent, though the cache or the runtime that was about to is gone.
    pub(crate) fn send_rest(&self) {
        if self.outbox.len() == 0 {
            return;
        }
        let tier = self.tiers.lock().iter().find_map(Weak::upgrade);
        if let Some(tier) = tier {
            tier.start_sending();
        }
    }
}
