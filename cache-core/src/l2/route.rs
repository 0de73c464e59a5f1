//! The way to one entry of the shared tier: what a call and its flight hold of it.

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;

use super::{Change, Entries, EntryKey, L2, Posted, Receive, RedisMiss};
use crate::l1::Stored;

/// The way to one entry.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) l2: Arc<L2>,
    pub(crate) entries: Arc<Entries>,
    pub(crate) key: EntryKey,
}

impl Route {
    /// Reads the entry, after `within` at the latest. The caller has found that it is worth asking.
    pub(crate) async fn read(
        &self,
        within: Duration,
        receive: Receive<'_>,
    ) -> Result<Arc<dyn Stored>, RedisMiss> {
        let (entries, key) = (&self.entries, &self.key);
        self.l2.read(entries, key, within, receive).await
    }

    /// Sends an entry that has `lifetime` left and took `load_time` to load.
    pub(crate) fn fill(
        &self,
        node: &Arc<dyn Stored>,
        lifetime: Duration,
        load_time: Duration,
    ) -> Option<Posted> {
        let fill = self.l2.fill(&self.entries, node, lifetime, load_time)?;
        Some(self.l2.post(self.key.clone(), fill))
    }

    /// Removes the entry, and tells when that was tried.
    pub(crate) fn delete(&self, done: Option<oneshot::Sender<()>>) -> Posted {
        self.l2.post(self.key.clone(), Change::Delete(done))
    }
}
