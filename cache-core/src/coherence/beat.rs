//! What is known of hearing others: until when all was heard (the fence), how often something may have been
//! missed (the gap), and how much has changed. On a cache line of its own: every hit reads it, few write it.

use std::time::Duration;

use super::rules;
use crate::{
    atomic::{AtomicU64, Ordering},
    clock::{Nanos, nanos},
};

/// The bound of a process that is alone.
const FOR_EVER: Nanos = Nanos::MAX;

#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Beat {
    fence: AtomicU64,
    /// Until when what was heard is believed: the [lease](super::rules::lease) of the fence, for who looks at nothing else.
    lease: AtomicU64,
    gap: AtomicU64,
    /// How often anything was invalidated here that something depends on, or may have been missed.
    changes: AtomicU64,
    /// How many events are being applied, tag by tag.
    applying: AtomicU64,
    /// How long what was proven is believed without new proof.
    bound: Nanos,
}

/// An event is being applied, until this is dropped.
pub(super) struct Applying<'a>(&'a Beat);

impl Drop for Applying<'_> {
    fn drop(&mut self) {
        self.0.applying.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Beat {
    /// Of a process that hears others, however long it believes without that.
    pub(super) fn new(bound: Duration) -> Self {
        Self::of(nanos(bound).min(FOR_EVER - 1))
    }

    fn of(bound: Nanos) -> Self {
        Self {
            fence: AtomicU64::new(0),
            lease: AtomicU64::new(rules::lease(0, 0, bound)),
            gap: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            applying: AtomicU64::new(0),
            bound,
        }
    }

    /// Of a process that is alone: there is nobody to be heard, so nothing has to be proven.
    pub(super) fn alone() -> Self {
        Self::of(FOR_EVER)
    }

    pub(super) fn is_alone(&self) -> bool {
        self.bound == FOR_EVER
    }

    /// Whoever sees a number here sees the generations and gaps that it counts.
    #[inline]
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    pub(super) fn count_change(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// To be held while several tags are invalidated that change as one.
    pub(super) fn apply(&self) -> Applying<'_> {
        self.applying.fetch_add(1, Ordering::AcqRel);
        Applying(self)
    }

    /// Whether some tags of an event may be invalidated already, and others not yet. To be asked behind whatever may be
    /// seen of those.
    pub(super) fn is_applying(&self) -> bool {
        self.applying.load(Ordering::Acquire) > 0
    }

    #[inline]
    pub(super) fn bound(&self) -> Nanos {
        self.bound
    }

    /// All that was published before this has been applied.
    #[inline]
    pub(super) fn fence(&self) -> Nanos {
        self.fence.load(Ordering::Acquire)
    }

    /// Until when this is believed of what it is said of.
    #[inline]
    pub(super) fn lease(&self) -> Nanos {
        self.lease.load(Ordering::Acquire)
    }

    /// What was applied must be visible to whoever sees the new fence: the caller has applied it before.
    pub(super) fn advance(&self, fence: Nanos) {
        self.fence.fetch_max(fence, Ordering::AcqRel);
        let lease = rules::lease(0, fence, self.bound);
        self.lease.fetch_max(lease, Ordering::AcqRel);
    }

    #[inline]
    pub(super) fn gap(&self) -> u64 {
        self.gap.load(Ordering::Acquire)
    }

    /// Something may have been missed.
    pub(super) fn tear(&self) {
        self.gap.fetch_add(1, Ordering::AcqRel);
        self.count_change();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hears_others_is_not_alone_however_long_its_bound() {
        assert!(!Beat::new(Duration::MAX).is_alone());
        assert!(Beat::alone().is_alone());
    }
}
