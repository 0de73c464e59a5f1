//! What a load is made of besides its source: values of other cached functions. It must not count as newer than
//! they are.
//!
//! A load is stamped with the versions of its tags from before it began. A value that it takes from memory may be
//! older than those, as long as the bound allows: kept under such stamps it would be stale for as long as it lives. So
//! inside a load an entry is good enough only if it was read under versions that are no older; and what has no
//! versions lets the load count as no newer, and go no further than this process.

use super::Load;
use crate::{
    clock::{Nanos, system_now},
    coherence::{Guard, Snapshot, Stamps},
    l1::Entry,
};

/// What the values that a load took mean for its own.
#[derive(Debug)]
pub(super) struct Reliance {
    /// The least of when they were known to be valid.
    proven: Nanos,
    is_unstamped: bool,
    /// What they depend on, where that is to be taken over.
    inherited: Snapshot,
}

impl Default for Reliance {
    fn default() -> Self {
        Self {
            proven: Nanos::MAX,
            is_unstamped: false,
            inherited: Snapshot::default(),
        }
    }
}

impl Load {
    /// Whether a value that depends on events, or may come to, is being made.
    pub(crate) fn is_guarded(&self) -> bool {
        self.is_guarded
    }

    /// Whether the value of this load, and of those it was called from, may be made of an entry. It is, if so.
    pub(crate) fn may_rely_on(&self, entry: &Entry) -> bool {
        let Some(guard) = entry.guard() else {
            return true;
        };
        let is_good_enough = |load: &Load| load.is_no_newer_than(guard);
        if !self.chain().all(is_good_enough) {
            return false;
        }
        self.take(entry);
        true
    }

    /// The value of this load, and of those it was called from, is made of an entry that was read after they
    /// began.
    pub(crate) fn take(&self, entry: &Entry) {
        if let Some(guard) = entry.guard() {
            self.chain().for_each(|load| load.rely_on(guard));
        }
    }

    /// Whether an entry was read under versions that are no older than those of this load.
    fn is_no_newer_than(&self, guard: &Guard) -> bool {
        match (self.stamps(), guard.stamps()) {
            (Some(own), Some(_)) => guard.is_as_new_as(self.snapshot(), &own),
            _ => true,
        }
    }

    fn rely_on(&self, guard: &Guard) {
        let mut state = self.flight.state.lock();
        let reliance = &mut state.reliance;
        reliance.proven = reliance.proven.min(guard.known_until());
        reliance.is_unstamped |= guard.stamps().is_none() && guard.shares_with(self.snapshot());
        if self.flight.site.inherits {
            reliance.inherited.extend(&guard.snapshot());
        }
    }

    /// What guards the value of this load, which began so long ago: what was captured before it, since when it is
    /// known to be valid, and the versions it is stamped with.
    pub(crate) fn guarded(&self, began: Nanos) -> (Snapshot, Nanos, Option<Stamps>) {
        let state = self.flight.state.lock();
        let reliance = &state.reliance;
        let mut snapshot = self.snapshot().clone();
        snapshot.extend(&reliance.inherited);
        let is_whole = reliance.inherited.is_empty() && !reliance.is_unstamped;
        let stamps = state.stamps.clone().filter(|_| is_whole);
        (
            snapshot,
            began.min(reliance.proven).min(system_now()),
            stamps,
        )
    }
}
