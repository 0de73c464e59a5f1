//! What the caches of one process share that share entries: one store, which all of them ask and by which they hear others,
//! and what is on its way there.

use std::sync::Arc;

use super::{Store, outbox::Outbox};
use crate::lock::RwLock;

#[derive(Debug)]
pub(crate) struct Common {
    /// Of whoever was let in last.
    store: RwLock<Arc<dyn Store>>,
    outbox: Arc<Outbox>,
}

impl Common {
    /// With what those before have left.
    pub(crate) fn new(store: Arc<dyn Store>, outbox: Arc<Outbox>) -> Arc<Self> {
        Arc::new(Self {
            store: RwLock::new(store),
            outbox,
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
}
