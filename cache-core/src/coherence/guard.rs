//! What makes an entry valid, and what was captured before it was read.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use smallvec::SmallVec;
use xxhash_rust::xxh3::Xxh3Default;

use super::{
    beat::Beat,
    cell::{Captured, Cell},
    mutant::{self, Mutant},
    version::{Lineage, Version},
};
use crate::clock::Nanos;

/// The state of this process before a read: capture it first, read afterwards.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(super) gap: u64,
    pub(super) captured: Captured,
}

impl Snapshot {
    /// Whether there is anything to be guarded against.
    pub(crate) fn is_empty(&self) -> bool {
        self.captured.is_empty()
    }

    pub(crate) fn cells(&self) -> impl Iterator<Item = &Arc<Cell>> {
        self.captured.cells()
    }

    /// Whether both saw the same: then what was read under one answers the other.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        mutant::is(Mutant::B3) || self.gap == other.gap && self.captured.is_same(&other.captured)
    }

    /// Whether the shared tier may be behind what this process knows.
    pub(crate) fn is_pending(&self) -> bool {
        !mutant::is(Mutant::B8) && self.cells().any(|cell| cell.is_pending())
    }

    /// Whether somebody is about to change what this depends on.
    pub(crate) fn is_held(&self) -> bool {
        self.cells().any(|cell| cell.is_held())
    }
}

/// The versions of tags that a value was read under, with the lineage of the server that said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamps {
    /// Of the names of the tags: versions of others say nothing.
    pub(crate) names: u64,
    pub(crate) versions: SmallVec<[u64; 3]>,
    pub(crate) lineage: Lineage,
}

impl Stamps {
    /// Nothing where a tag has no version.
    pub(crate) fn of(snapshot: &Snapshot, versions: &[Version], lineage: Lineage) -> Option<Self> {
        let numbers = versions.iter().map(|version| match version {
            Version::Number(number) => Some(*number),
            Version::Missing | Version::Marked => None,
        });
        Some(Self {
            names: names(snapshot),
            versions: numbers.collect::<Option<_>>()?,
            lineage,
        })
    }

    /// Whether what was read under these is what would be read under those.
    pub(crate) fn are(&self, now: &Self) -> bool {
        self.names == now.names
            && self.versions == now.versions
            && (self.lineage == now.lineage || mutant::is(Mutant::B6))
    }
}

/// A hash of the tags of a snapshot, in their order.
fn names(snapshot: &Snapshot) -> u64 {
    let mut hash = Xxh3Default::new();
    for cell in snapshot.cells() {
        hash.update(cell.tag().as_str().as_bytes());
        hash.update(&[0xFF]);
    }
    hash.digest()
}

/// What makes one entry valid.
#[derive(Debug)]
pub(crate) struct Guard {
    /// Nothing where this process is alone.
    beat: Option<Arc<Beat>>,
    gap: AtomicU64,
    /// When the entry was last known to contain all that was bumped before.
    proven: AtomicU64,
    captured: Captured,
    /// What proves it again; nothing where that was not to be had.
    stamps: Option<Stamps>,
    /// The generations that a broken rule believed instead, added up.
    #[cfg(test)]
    believed: AtomicU64,
}

/// Why an entry cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Something that it depends on has changed.
    Invalidated,
    /// Nothing is known against it, and it cannot be known that nothing is.
    Suspect,
}

impl Guard {
    pub(super) fn new(
        beat: Option<Arc<Beat>>,
        snapshot: Snapshot,
        proven: Nanos,
        stamps: Option<Stamps>,
    ) -> Self {
        let captured = if mutant::is(Mutant::B4) {
            Captured::now(snapshot.captured.cells().cloned())
        } else {
            snapshot.captured
        };
        Self {
            beat,
            gap: AtomicU64::new(snapshot.gap),
            proven: AtomicU64::new(proven),
            captured,
            stamps,
            #[cfg(test)]
            believed: AtomicU64::new(0),
        }
    }

    /// Whether the entry may be served: nothing that it depends on was invalidated, and it is not too long ago
    /// that this was known.
    #[inline]
    pub(crate) fn is_usable(&self, now: Nanos) -> bool {
        let Some(beat) = &self.beat else {
            return self.is_current();
        };
        // First: what was applied before the fence advanced is seen below. Looked at last it could be that of a
        // connection whose gap was not seen.
        let mut fence = beat.fence();
        let is_current = self.is_of_gap(beat) && self.is_current();
        #[cfg(test)]
        mutant::preempt();
        if mutant::is(Mutant::B12) {
            fence = beat.fence();
        }
        is_current && now < beat.lease(self.proven.load(Ordering::Acquire), fence)
    }

    #[inline]
    fn is_current(&self) -> bool {
        #[cfg(test)]
        if mutant::is(Mutant::B11)
            && self.believed.load(Ordering::Acquire) == self.captured.added_up()
        {
            return true;
        }
        self.captured.is_current()
    }

    #[inline]
    fn is_of_gap(&self, beat: &Beat) -> bool {
        self.gap.load(Ordering::Acquire) == beat.gap()
    }

    /// Why the entry is not usable.
    pub(crate) fn doubt(&self, now: Nanos) -> Option<Doubt> {
        if self.is_usable(now) {
            return None;
        }
        let may_be_blessed = self.captured.is_current() || mutant::is(Mutant::B11);
        let is_pending = self.captured.cells().any(|cell| cell.is_pending());
        Some(if may_be_blessed && !is_pending {
            Doubt::Suspect
        } else {
            Doubt::Invalidated
        })
    }

    /// Whether others can find out that the entry is valid. It may already be void, which is worth no write.
    pub(crate) fn can_be_shared(&self) -> bool {
        let has_stamps = self.stamps.is_some() || mutant::is(Mutant::B5);
        has_stamps && self.captured.is_current() && !self.captured.cells().any(|c| c.is_pending())
    }

    /// The keys of the tags that the entry depends on.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &str> {
        self.captured.cells().map(|cell| &**cell.key())
    }

    /// What it was read under.
    #[cfg(test)]
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            gap: self.gap.load(Ordering::Acquire),
            captured: self.captured.clone(),
        }
    }

    pub(crate) fn stamps(&self) -> Option<&Stamps> {
        self.stamps.as_ref()
    }

    /// When the entry was last known to be valid.
    pub(crate) fn proven(&self) -> Nanos {
        self.proven.load(Ordering::Acquire)
    }

    /// Whether it was read in the state that `snapshot` captured.
    pub(crate) fn is_of(&self, snapshot: &Snapshot) -> bool {
        self.captured.is_same(&snapshot.captured)
    }

    /// The stamps of a suspect were found to be those of the server, asked at `sent`, after `snapshot` was
    /// captured. Gives whether the entry is valid again.
    pub(crate) fn bless(&self, snapshot: &Snapshot, sent: Nanos, found: &Stamps) -> bool {
        let is_same = self.is_of(snapshot) || mutant::is(Mutant::B11);
        if !is_same || !self.stamps.as_ref().is_some_and(|own| own.are(found)) {
            return false;
        }
        #[cfg(test)]
        self.believed
            .store(self.captured.added_up(), Ordering::Release);
        self.proven.fetch_max(sent, Ordering::AcqRel);
        self.gap.store(snapshot.gap, Ordering::Release);
        true
    }
}
