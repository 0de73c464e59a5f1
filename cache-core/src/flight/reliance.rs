//! What a load is made of besides its source: values of other cached functions. It must not count as newer than
//! they are.
//!
//! A load is stamped with the versions of its tags from before it began. A value that it takes from memory may be
//! older than those, as long as the bound allows: kept under such stamps it would be stale for as long as it lives. So
//! inside a load an entry is good enough only if it was found valid after the load was stamped (or captured, where it has no
//! versions), or read under versions that are no older; and what has no versions lets the load count as no newer, and go no
//! further than this process.
//!
//! Two values that depend on one event need not depend on one tag: what is made of all rows has another one than a row
//! has, and an event about a row changes both. Nor need they depend on one event: a mutation may emit several.

use std::sync::Arc;

use super::Load;
use crate::{
    clock::{Nanos, before, system_now},
    coherence::{Cell, Guard, Snapshot, Stamps},
    l1::Entry,
    site::SiteState,
};

/// What the values that a load took mean for its own.
#[derive(Debug)]
pub(super) struct Reliance {
    /// The least of when they were known to be valid.
    proven: Nanos,
    is_unstamped: bool,
    /// What they depend on, where that is to be taken over.
    inherited: Snapshot,
    /// When the first of their sources has settled that had not.
    settles: Nanos,
}

impl Default for Reliance {
    fn default() -> Self {
        Self {
            proven: Nanos::MAX,
            is_unstamped: false,
            inherited: Snapshot::default(),
            settles: Nanos::MAX,
        }
    }
}

/// What guards the value of a load.
pub(crate) struct Guarded {
    /// Captured before it.
    pub(crate) snapshot: Snapshot,
    /// Since when it is known to be valid.
    pub(crate) proven: Nanos,
    /// The versions that it is stamped with.
    pub(crate) stamps: Option<Stamps>,
    /// When the sources have settled of what it is made of.
    pub(crate) settles: Nanos,
}

impl Load {
    /// Whether a value that depends on events, or may come to, is being made.
    pub(crate) fn is_guarded(&self) -> bool {
        self.is_guarded
    }

    /// Whether the value of this load, and of those it was called from, may be made of an entry. It is, if so.
    pub(crate) fn try_rely_on(&self, entry: &Entry) -> bool {
        let is_good_enough = |load: &Load| {
            let guard = entry.guard();
            guard.is_none_or(|guard| load.is_no_newer_than(guard))
        };
        let may = self.chain().all(is_good_enough);
        if may {
            self.take(entry);
        }
        may
    }

    /// The value of this load, and of those it was called from, is made of an entry that was read after they
    /// began.
    pub(crate) fn take(&self, entry: &Entry) {
        if let Some(guard) = entry.guard() {
            self.chain().for_each(|load| load.rely_on(guard));
        }
        self.settles_with(entry);
    }

    /// The same of an entry of a function without events.
    pub(crate) fn settles_with(&self, entry: &Entry) {
        if let Some(time) = entry.settles() {
            self.settles_at(time);
        }
    }

    /// The value of this load, and of those it was called from, is made of what is no longer good enough at `time`.
    pub(crate) fn settles_at(&self, time: Nanos) {
        self.chain().for_each(|load| load.settle_at(time));
    }

    fn settle_at(&self, time: Nanos) {
        if self.site().events.is_none() {
            // Its own value lives as it says, whatever that was made of.
            self.site().outlives.set();
        }
        let reliance = &mut self.flight.state.lock().reliance;
        reliance.settles = reliance.settles.min(time);
    }

    /// Whether an entry is as new as the versions of this load make it look.
    fn is_no_newer_than(&self, guard: &Guard) -> bool {
        // What has no versions makes the load have none.
        if guard.stamps().is_none() {
            return true;
        }
        match self.stamps() {
            Some((own, at)) => {
                guard.is_valid_since(at) || guard.is_as_new_as(self.snapshot(), &own)
            }
            // What makes the one void has to make the other void too: messages of several events may be heard one by one.
            None => {
                self.flight.site.inherits
                    || guard.depends_on_no_more_than(self.snapshot())
                    || guard.is_valid_since(self.snapshot().taken())
            }
        }
    }

    fn rely_on(&self, guard: &Guard) {
        // One event may be told together with another, which this load has seen and the entry has not.
        let may_be_older = || {
            let stamped = self.stamps();
            stamped.is_some_and(|(_, at)| !guard.is_valid_since(at))
        };
        let is_unstamped =
            guard.stamps().is_none() && (guard.shares_with(self.snapshot()) || may_be_older());
        let mut state = self.flight.state.lock();
        let reliance = &mut state.reliance;
        reliance.proven = reliance.proven.min(guard.known_until());
        reliance.is_unstamped |= is_unstamped;
        drop(state);
        let inner = guard.snapshot();
        self.inherit(&inner);
        self.mark_if_unlisted(&inner);
    }

    /// The value of this load is made of what depends on that, whatever comes of it.
    fn inherit(&self, inner: &Snapshot) {
        if self.flight.site.inherits {
            self.flight.state.lock().reliance.inherited.extend(inner);
        }
    }

    /// This load, and those it was called from, have reached a function whose values depend on what `inner` captured.
    /// Says once for each pair of functions that those of this one do not.
    pub(crate) fn reaches(&self, inner: &Snapshot, function: &SiteState) {
        self.chain().for_each(|load| load.inherit(inner));
        // What inherits in between has its events from there.
        let listers = self.chain().filter(|load| !load.site().inherits);
        for (place, lister) in listers.enumerate() {
            if place == 0
                && let Some(cell) = lister.unlisted_event(inner)
            {
                lister.site().warn_of_unlisted(function, cell.tag().event());
            }
            lister.mark_if_unlisted(inner);
        }
    }

    /// The first of these of an event that the function of this load does not list at all.
    fn unlisted_event<'a>(&self, inner: &'a Snapshot) -> Option<&'a Arc<Cell>> {
        let own = self.snapshot();
        let is_listed = |cell: &&Arc<Cell>| {
            own.cells()
                .any(|other| other.tag().event() == cell.tag().event())
        };
        inner.cells().find(|cell| !is_listed(cell))
    }

    /// This load is made of what depends on that. Its function is known from here on, where it does not list all of it.
    fn mark_if_unlisted(&self, inner: &Snapshot) {
        let site = self.site();
        if site.inherits || site.outlives.is_so() {
            return;
        }
        let own = self.snapshot();
        let has = |name: &str| own.cells().any(|cell| cell.tag().as_str() == name);
        let is_listed = |cell: &Arc<Cell>| {
            let tag = cell.tag();
            let mut above = inner.cells().filter_map(|cell| cell.tag().change_at());
            has(tag.as_str()) || above.any(|above| tag.is_at_or_below(&above) && has(&above))
        };
        let mut changes = inner.cells().filter(|cell| cell.tag().is_of_change());
        if !changes.all(is_listed) {
            site.outlives.set();
        }
    }

    /// This load, and those it was called from, are made of what nobody knows the events of.
    pub(crate) fn outlives(&self) {
        self.chain().for_each(|load| load.site().outlives.set());
    }

    /// What guards the value of this load, which began then.
    pub(crate) fn guarded(&self, began: Nanos) -> Guarded {
        // What inherits never has any.
        let stamps = self.stamps().map(|(stamps, _)| stamps);
        let state = self.flight.state.lock();
        let reliance = &state.reliance;
        let stamps = stamps.filter(|_| !reliance.is_unstamped);
        let settle = self.site().settle;
        let read = match &stamps {
            _ if settle.is_zero() => began,
            // What changed before they were asked for has settled, or it is known when it will have.
            Some(_) => began.min(self.snapshot().taken()),
            // What it read may have been so old.
            None => before(began, settle),
        };
        let mut snapshot = self.snapshot().clone();
        snapshot.extend(&reliance.inherited);
        Guarded {
            snapshot,
            proven: read.min(reliance.proven).min(system_now()),
            stamps,
            settles: reliance.settles,
        }
    }
}
