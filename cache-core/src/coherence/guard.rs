//! What makes an entry valid, and what was captured before it was read.

use std::{sync::Arc, time::Duration};

use smallvec::SmallVec;
use xxhash_rust::xxh3::Xxh3Default;

use super::{
    beat::Beat,
    cell::{Captured, Cell},
    mutant::{self, Mutant},
    rules,
    version::{Lineage, Version},
};
use crate::{
    atomic::{AtomicU64, Ordering},
    clock::{Nanos, before},
    event::Tag,
};

/// The state of this process before a read: capture it first, read afterwards.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(super) gap: u64,
    pub(super) taken: Nanos,
    /// Of flights that were captured before this, none is joined.
    pub(super) oldest: Nanos,
    /// How much was ever invalidated here, where it is not known yet what is depended on.
    pub(super) invalidations: Option<u64>,
    pub(super) captured: Captured,
    is_torn: bool,
}

impl Snapshot {
    pub(super) fn new(
        (gap, taken, oldest): (u64, Nanos, Nanos),
        invalidations: Option<u64>,
        captured: Captured,
    ) -> Self {
        Self {
            gap,
            taken,
            oldest,
            invalidations,
            captured,
            is_torn: false,
        }
    }

    /// Whether there is anything to be guarded against.
    pub(crate) fn is_empty(&self) -> bool {
        self.captured.is_empty()
    }

    pub(crate) fn cells(&self) -> impl Iterator<Item = &Arc<Cell>> {
        self.captured.cells()
    }

    /// Whether no event has changed anything of it since.
    pub(crate) fn is_current(&self) -> bool {
        self.captured.is_current()
    }

    /// When it was captured.
    pub(crate) fn taken(&self) -> Nanos {
        self.taken
    }

    /// What was known to be valid before this is as good as void.
    pub(crate) fn oldest(&self) -> Nanos {
        self.oldest
    }

    /// Whether more may be depended on than is known yet.
    pub(crate) fn is_late(&self) -> bool {
        self.invalidations.is_some()
    }

    /// Something changed that this was to be captured before.
    pub(crate) fn make_void(&mut self) {
        self.captured.make_void();
    }

    /// An event was being applied when this was captured: what it was captured of may know of it, and what is read next from
    /// memory not yet. So nothing is kept that is read under it, and nobody else waits for that.
    pub(super) fn tear(&mut self) {
        self.is_torn = true;
        self.make_void();
    }

    pub(crate) fn is_torn(&self) -> bool {
        self.is_torn
    }

    /// Whether what is read under this may answer one who captured `other` later: both saw the same, and so short a
    /// time apart, where nothing may have been heard since, that it would be believed of an entry too.
    pub(crate) fn may_answer(&self, other: &Self) -> bool {
        rules::may_join(
            self.gap == other.gap,
            !self.is_torn && !other.is_torn && self.captured.is_same(&other.captured),
            self.taken,
            other.oldest,
        )
    }

    /// Whether it does, whatever it will turn out to depend on: nothing at all was invalidated in between.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.may_answer(other) && !self.is_behind(other)
    }

    /// Whether something was invalidated before `other` was captured that this does not know of.
    pub(crate) fn is_behind(&self, other: &Self) -> bool {
        self.invalidations < other.invalidations
    }

    /// Whether the shared tier may be behind what this process knows.
    pub(crate) fn is_pending(&self) -> bool {
        rules::bypasses(self.cells().any(|cell| cell.is_pending()))
    }

    /// Adds what else is depended on.
    pub(crate) fn extend(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        (self.gap, self.taken) = if self.is_empty() && !self.is_late() {
            (other.gap, other.taken)
        } else {
            (self.gap.min(other.gap), self.taken.min(other.taken))
        };
        self.captured.extend(&other.captured);
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
            && rules::are_stamps((&self.versions, self.lineage), (&now.versions, now.lineage))
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

/// What makes one entry valid. What a hit reads is in front, in this order: it fits a cache line.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Guard {
    beat: Arc<Beat>,
    /// At how many [changes](Beat::changes) it was last found that none of them was one of it.
    unchanged_at: AtomicU64,
    gap: AtomicU64,
    /// When the entry was last known to contain all that was bumped before.
    proven: AtomicU64,
    /// A mark may stand that nobody here has heard of: it is believed for the bound, however much is heard since.
    is_blind: bool,
    /// What proves it again; nothing where that was not to be had.
    stamps: Option<Stamps>,
    captured: Captured,
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
        beat: Arc<Beat>,
        snapshot: Snapshot,
        (proven, is_blind): (Nanos, bool),
        stamps: Option<Stamps>,
    ) -> Self {
        let captured = if mutant::is(Mutant::B4) {
            Captured::now(snapshot.captured.cells().cloned())
        } else {
            snapshot.captured
        };
        Self {
            beat,
            unchanged_at: AtomicU64::new(u64::MAX),
            gap: AtomicU64::new(snapshot.gap),
            proven: AtomicU64::new(proven),
            is_blind,
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
        // First: what was applied before the fence advanced is seen below. Looked at last it could be that of a
        // connection whose gap was not seen.
        let beat = &*self.beat;
        let mut heard = self.heard(beat);
        let is_unchanged = self.is_unchanged(beat);
        #[cfg(test)]
        mutant::preempt();
        if mutant::is(Mutant::B12) {
            heard = self.heard(beat);
        }
        // What was heard is later than its own proof nearly always.
        rules::is_usable(is_unchanged, now, heard)
            || rules::is_usable(is_unchanged, now, self.own_lease(beat))
    }

    /// Until when it is believed by what this process has heard since.
    #[inline]
    fn heard(&self, beat: &Beat) -> Nanos {
        if self.is_fenced() { beat.lease() } else { 0 }
    }

    /// Until when it is believed though nothing was heard.
    #[cold]
    fn own_lease(&self, beat: &Beat) -> Nanos {
        rules::lease(self.proven(), 0, beat.bound())
    }

    /// Whether nothing of it was invalidated, and nothing can have been missed. Where nothing has changed since that was
    /// found, it is not looked at again.
    #[inline]
    fn is_unchanged(&self, beat: &Beat) -> bool {
        self.unchanged_at.load(Ordering::Relaxed) == beat.changes() || self.is_still_unchanged(beat)
    }

    #[cold]
    fn is_still_unchanged(&self, beat: &Beat) -> bool {
        // First: what is counted by then is seen below.
        let mut changes = beat.changes();
        let is_unchanged = self.is_of_gap() && self.is_current();
        #[cfg(test)]
        mutant::preempt();
        if mutant::is(Mutant::B21) {
            changes = beat.changes();
        }
        if is_unchanged {
            self.unchanged_at.store(changes, Ordering::Relaxed);
        }
        is_unchanged
    }

    fn is_current(&self) -> bool {
        #[cfg(test)]
        if mutant::is(Mutant::B11)
            && self.believed.load(Ordering::Acquire) == self.captured.added_up()
        {
            return true;
        }
        self.captured.is_current()
    }

    /// Until when this process has heard all that may be said of the entry.
    fn fence(&self, beat: &Beat) -> Nanos {
        if self.is_fenced() { beat.fence() } else { 0 }
    }

    /// Whether all that may be said of it would have been heard.
    #[inline]
    fn is_fenced(&self) -> bool {
        !self.is_blind || mutant::is(Mutant::B19)
    }

    fn is_of_gap(&self) -> bool {
        self.gap.load(Ordering::Acquire) == self.beat.gap()
    }

    /// Whether something that it depends on has changed.
    pub(crate) fn is_void(&self) -> bool {
        !self.is_current()
    }

    /// What it depends on that has changed: of several, what changed last.
    pub(super) fn changed(&self) -> Option<&Arc<Cell>> {
        self.captured.changed()
    }

    /// The name of that.
    pub(crate) fn changed_tag(&self) -> Option<&Tag> {
        self.changed().map(|cell| cell.tag())
    }

    /// Why the entry is not usable.
    pub(crate) fn doubt(&self, now: Nanos) -> Option<Doubt> {
        let is_usable = self.is_usable(now);
        let is_pending = self.captured.cells().any(|cell| cell.is_pending());
        rules::doubt(is_usable, self.captured.is_current(), is_pending)
    }

    /// How long ago an event made the entry void; the longest time where that is not known.
    pub(crate) fn invalidated_ago(&self, now: Nanos) -> Duration {
        let ago = self.captured.invalidated_ago(now);
        let lease = rules::lease(self.proven(), self.fence(&self.beat), self.beat.bound());
        // Where something may have been missed before that, it may have been void for longer.
        let was_usable = self.is_of_gap() && before(now, ago) < lease;
        if was_usable { ago } else { Duration::MAX }
    }

    /// Whether others can find out that the entry is valid. It may already be void, which is worth no write.
    pub(crate) fn can_be_shared(&self) -> bool {
        let is_pending = self.captured.cells().any(|cell| cell.is_pending());
        rules::may_share(
            self.stamps.is_some(),
            self.captured.is_current(),
            is_pending,
        )
    }

    /// The keys of the tags that the entry depends on.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &str> {
        self.captured.cells().map(|cell| &**cell.key())
    }

    /// Until when all that was bumped is known to be in the entry.
    pub(crate) fn known_until(&self) -> Nanos {
        if self.beat.is_alone() {
            return Nanos::MAX;
        }
        // First, as in `is_usable`.
        let fence = self.fence(&self.beat);
        // What was heard says nothing of what was missed before, or has become void by it.
        if self.is_unchanged(&self.beat) {
            self.proven().max(fence)
        } else {
            self.proven()
        }
    }

    /// What was captured before the entry was read.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let gap = self.gap.load(Ordering::Acquire);
        Snapshot::new((gap, self.proven(), 0), None, self.captured.clone())
    }

    /// Whether it depends on an event that `snapshot` was captured of: that may change both, though they need not have a tag
    /// in common.
    pub(crate) fn shares_with(&self, snapshot: &Snapshot) -> bool {
        let is_shared = |cell: &Arc<Cell>| {
            let event = cell.tag().event();
            snapshot.cells().any(|other| other.tag().event() == event)
        };
        self.captured.cells().any(is_shared)
    }

    /// Whether nothing makes it void that is no change of what `snapshot` was captured of.
    pub(crate) fn depends_on_no_more_than(&self, snapshot: &Snapshot) -> bool {
        let is_shared = |cell: &Arc<Cell>| snapshot.cells().any(|other| Arc::ptr_eq(cell, other));
        self.captured.cells().all(is_shared)
    }

    /// Whether the entry contains all that was bumped before `time`: it is valid, and was found to be later.
    pub(crate) fn is_valid_since(&self, time: Nanos) -> bool {
        // First, as in `is_usable`.
        let known_until = self.known_until();
        // Later, as the clock stands still between its ticks.
        known_until > time && self.is_unchanged(&self.beat)
    }

    /// Whether the versions that it was read under are those of `stamps`, which are of `snapshot`: of all its tags, as a
    /// mutation may emit one event about it together with another one about the other. A larger one may be older: of a clock
    /// that was ahead.
    pub(crate) fn is_as_new_as(&self, snapshot: &Snapshot, stamps: &Stamps) -> bool {
        let Some(own) = &self.stamps else {
            return false;
        };
        let is_same = |own: Option<&u64>, other: &u64| {
            own == Some(other) || mutant::is(Mutant::B23) && own > Some(other)
        };
        let is_as_new = |(place, cell): (usize, &Arc<Cell>)| {
            let mut others = snapshot.cells().zip(&stamps.versions);
            let version = others.find(|(other, _)| Arc::ptr_eq(cell, other));
            own.lineage == stamps.lineage
                && version.is_some_and(|(_, version)| is_same(own.versions.get(place), version))
        };
        self.captured.cells().enumerate().all(is_as_new)
    }

    /// What the entry depends on: the names of tags, with the versions that they had.
    pub(crate) fn dependencies(&self) -> impl Iterator<Item = (&str, Option<u64>)> {
        let versions = self.stamps.iter().flat_map(|stamps| &stamps.versions);
        let versions = versions.copied().map(Some).chain(std::iter::repeat(None));
        let names = self.captured.cells().map(|cell| cell.tag().as_str());
        names.zip(versions)
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

    /// Whether the server that gave the entry its versions now says others: something changed, though nobody here has
    /// heard of it.
    pub(crate) fn is_refuted_by(&self, found: &Stamps) -> bool {
        self.stamps
            .as_ref()
            .is_some_and(|own| own.lineage == found.lineage && !own.are(found))
    }

    /// The stamps of a suspect were found to be those of the server, asked at `sent`, after `snapshot` was
    /// captured. Gives whether the entry is valid again.
    pub(crate) fn revalidate(&self, snapshot: &Snapshot, sent: Nanos, found: &Stamps) -> bool {
        let are_current = self.stamps.as_ref().is_some_and(|own| own.are(found));
        if !rules::may_revalidate(self.is_of(snapshot), are_current) {
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

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use crate::{
        coherence::{Bounds, Coherence},
        event::Tag,
    };

    #[test]
    fn of_what_has_changed_since_an_entry_was_read_the_last_is_named() {
        let coherence = Coherence::new("shop", Bounds::default(), None);
        let tags = ["E:1", "F:1", "G:1"].map(Tag::from_name);
        let captured = coherence.capture(&tags, 1);
        let guard = coherence.guard(&captured, 1, None).unwrap();
        assert_eq!(guard.changed_tag(), None);
        for change in [&tags[1..], &tags[..1], &tags[1..2]] {
            // The clock is coarse.
            thread::sleep(Duration::from_millis(20));
            coherence.invalidate(change, || None, 1);
            assert_eq!(guard.changed_tag(), change.first());
        }
    }

    #[test]
    fn what_is_captured_while_an_event_is_applied_is_kept_by_nobody_and_joined_by_nobody() {
        let coherence = Coherence::new("shop", Bounds::default(), None);
        let tags = [Tag::from_name("E:1")];
        let both = || (coherence.capture(&tags, 1), coherence.capture_late(&[], 1));
        let before = both();
        let applying = coherence.beat.apply();
        let torn = both();
        drop(applying);
        let after = both();
        for (torn, whole) in [(&torn.0, &after.0), (&torn.1, &after.1)] {
            assert!(coherence.is_current(whole) && !coherence.is_current(torn));
            assert!(whole.may_answer(whole) && !torn.may_answer(torn));
            assert!(!torn.may_answer(whole) && !whole.may_answer(torn));
        }
        assert!(coherence.is_quiet(&tags, &before.1, 1, 2));
        assert!(!coherence.is_quiet(&tags, &torn.1, 1, 2));
    }
}
