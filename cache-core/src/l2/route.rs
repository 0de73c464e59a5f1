//! The way to one entry of the shared tier: what a call and its flight hold of it.

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;

use super::{Change, Entries, EntryKey, L2, Message, Notice, Posted, Read, Reading};
use crate::{
    coherence::{Guard, mutant, mutant::Mutant},
    l1::Stored,
};

/// The way to one entry.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) l2: Arc<L2>,
    pub(crate) entries: Arc<Entries>,
    pub(crate) key: EntryKey,
}

/// Where a value goes besides memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Way {
    pub(crate) route: Option<Route>,
    /// What others are told of it.
    pub(crate) notice: Option<Notice>,
}

impl Way {
    /// Sends an entry, as [`Route::fill`].
    pub(crate) fn fill(
        &self,
        node: &Arc<dyn Stored>,
        lifetime: Duration,
        load_time: Duration,
        replaces: bool,
    ) -> Option<Posted> {
        match &self.route {
            Some(route) => route.fill(node, lifetime, load_time, replaces, self.message()),
            None => self.notice.as_ref().map(Notice::post),
        }
    }

    /// Removes the entry, and tells when that was tried.
    pub(crate) fn delete(&self, done: Option<oneshot::Sender<()>>) -> Option<Posted> {
        match &self.route {
            Some(route) => Some(route.delete(done, self.message())),
            None => self.notice.as_ref().map(Notice::post),
        }
    }

    fn message(&self) -> Option<Message> {
        Some(self.notice.as_ref()?.message.clone())
    }
}

impl Route {
    /// Reads the entry. The caller has found that it is worth asking.
    pub(crate) async fn read(&self, reading: &Reading<'_>) -> Read {
        self.l2.read(&self.entries, &self.key, reading).await
    }

    /// Sends an entry that has `lifetime` left and took `load_time` to load. It `replaces` what may be
    /// there, so that what is there has to go where it cannot be written.
    fn fill(
        &self,
        node: &Arc<dyn Stored>,
        lifetime: Duration,
        load_time: Duration,
        replaces: bool,
        message: Option<Message>,
    ) -> Option<Posted> {
        let entries = &self.entries;
        // Without stamps nobody could trust it.
        let can_be_trusted = node.entry().guard().is_none_or(Guard::can_be_shared)
            || replaces && mutant::is(Mutant::B15);
        let fill = can_be_trusted
            .then(|| self.l2.fill(entries, node, lifetime, load_time, replaces))
            .flatten();
        let change = fill.or_else(|| replaces.then(|| Change::Delete(Vec::new())))?;
        Some(self.l2.post(self.key.clone(), change, message))
    }

    fn delete(&self, done: Option<oneshot::Sender<()>>, message: Option<Message>) -> Posted {
        let change = Change::Delete(done.into_iter().collect());
        self.l2.post(self.key.clone(), change, message)
    }
}
