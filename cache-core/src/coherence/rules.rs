//! The protocol's decisions on plain values, one function each, each of which test builds can break. What runs and
//! the [exhaustive model](super::model) of it ask the same ones.

use std::time::Duration;

use super::{
    guard::Doubt,
    mutant::{self, Mutant},
    version::Lineage,
};
use crate::clock::{Nanos, after};

/// Until when something is believed that was proven at one moment, and heard about up to the fence.
#[inline]
pub(super) fn lease(proven: Nanos, fence: Nanos, bound: Nanos) -> Nanos {
    proven.max(fence).saturating_add(bound)
}

/// Whether an entry may be served. Unchanged: of this gap, and of these generations.
#[inline]
pub(super) fn is_usable(is_unchanged: bool, now: Nanos, lease: Nanos) -> bool {
    is_unchanged && now < lease
}

/// Whether a change is learned of so late that it may have been made before what it changes was last believed: by a process
/// that stood still, or that a message took so long to.
pub(super) fn is_late(now: Nanos, fence: Nanos, bound: Nanos) -> bool {
    now >= lease(0, fence, bound) && !mutant::is(Mutant::B25)
}

/// What is against an entry.
pub(super) fn doubt(is_usable: bool, is_current: bool, is_pending: bool) -> Option<Doubt> {
    if is_usable {
        return None;
    }
    let may_be_revalidated = is_current || mutant::is(Mutant::B11);
    Some(if may_be_revalidated && !is_pending {
        Doubt::Suspect
    } else {
        Doubt::Invalidated
    })
}

/// Whether a suspect is valid again, whose stamps were compared with the server's under a later snapshot.
pub(super) fn may_revalidate(is_of_snapshot: bool, are_stamps_current: bool) -> bool {
    (is_of_snapshot || mutant::is(Mutant::B11)) && are_stamps_current
}

/// The oldest capture that is as good as one of `now`. One before the lease, by a process that may have heard
/// nothing since, is not: its flight may miss what such a process would not believe of an entry either.
pub(super) fn oldest_capture(now: Nanos, fence: Nanos, bound: Nanos) -> Nanos {
    if now < fence.saturating_add(bound) {
        return 0;
    }
    now.saturating_sub(bound).saturating_add(1)
}

/// Whether a caller may wait for a flight that began in this state.
pub(super) fn may_join(
    is_of_gap: bool,
    is_of_generations: bool,
    taken: Nanos,
    oldest: Nanos,
) -> bool {
    mutant::is(Mutant::B3) || is_of_gap && is_of_generations && taken >= oldest
}

/// Whether what was read is kept, given whether anything was invalidated or missed meanwhile.
pub(super) fn may_keep(is_of_gap: bool, is_current: bool) -> bool {
    is_of_gap && is_current || mutant::is(Mutant::B4)
}

/// Whether what was loaded may be kept at all: without versions nobody would see a mark that stands.
pub(super) fn may_keep_loaded(has_stamps: bool, is_marked: bool) -> bool {
    has_stamps || !is_marked || mutant::is(Mutant::B17)
}

/// Whether others can find out that an entry is valid. It may already be void, which is worth no write.
pub(super) fn may_share(has_stamps: bool, is_current: bool, is_pending: bool) -> bool {
    (has_stamps || mutant::is(Mutant::B5)) && is_current && !is_pending
}

/// Whether the shared tier is left alone.
pub(super) fn bypasses(is_pending: bool) -> bool {
    is_pending && !mutant::is(Mutant::B8)
}

/// Whether what was read under these versions is what would be read under those.
pub(super) fn are_stamps(own: (&[u64], Lineage), now: (&[u64], Lineage)) -> bool {
    own.0 == now.0 && (own.1 == now.1 || mutant::is(Mutant::B6))
}

/// Which entries are not believed whatever their versions say, and until when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Doubted {
    pub(super) created_before: Nanos,
    pub(super) until: Nanos,
}

impl Doubted {
    /// What a process that hears again at `now` doubts for `drain`; nothing where it was deaf for no longer than
    /// `bound`, or never heard before.
    pub(super) fn after_outage(
        fence: Nanos,
        now: Nanos,
        bound: Duration,
        drain: Duration,
    ) -> Option<Self> {
        // It was lost behind the last proof, and before the next one, of which there are several within the bound.
        let lost = after(fence, bound);
        let was_out = fence > 0 && now > lost;
        was_out.then(|| Self {
            created_before: lost,
            until: after(now, drain),
        })
    }

    /// Of an entry of the shared tier.
    pub(super) fn has(self, created: Nanos, now: Nanos) -> bool {
        self.covers(created, now) && !mutant::is(Mutant::B14)
    }

    /// Of a suspect in memory: the versions that would revalidate it are those that would make the shared tier's valid.
    pub(super) fn has_suspect(self, created: Nanos, now: Nanos) -> bool {
        self.covers(created, now) && !mutant::is(Mutant::B16)
    }

    fn covers(self, created: Nanos, now: Nanos) -> bool {
        now < self.until && created < self.created_before
    }
}

/// Whether a server is another than the one whose messages arrive: of what is bumped there nothing is heard, nor does it
/// know what is.
pub(super) fn is_elsewhere(listens_to: Option<Lineage>, answered: Lineage) -> bool {
    listens_to.is_some_and(|heard| heard != answered) && !mutant::is(Mutant::B18)
}

/// Whether a server says less of a tag than it has acknowledged: it was replaced, or made a replica, behind the connection.
/// It also stands before B11, which would show nowhere: what has moved a generation contradicts what was said before it.
pub(super) fn has_forgotten(acknowledged: (u64, Lineage), says: (u64, Lineage)) -> bool {
    let is_broken = mutant::is(Mutant::B22) || mutant::is(Mutant::B11);
    says.1 == acknowledged.1 && says.0 < acknowledged.0 && !is_broken
}

/// Whether a server of another lineage than the one before is to be told of recent bumps.
pub(super) fn is_replaced(before: Option<Lineage>, now: Lineage) -> bool {
    before.is_some_and(|before| before != now)
}

/// Whether a server may not know what one of another lineage acknowledged.
pub(super) fn may_not_know(server: Lineage, acknowledged_by: Lineage) -> bool {
    server != acknowledged_by && !mutant::is(Mutant::B10)
}
