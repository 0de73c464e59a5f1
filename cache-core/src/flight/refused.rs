//! Where a caller goes for whom what others have read is not good enough: its load is not made of what is older than that
//! seems. All who wait with it for one flight may be refused at once, so that one of them loads for the others.

use std::sync::Arc;

use super::{Flight, Flights, Member, Purpose};
use crate::{clock::Clock, coherence::Snapshot, key::Key, site::SiteState};

/// What was not good enough.
pub(crate) enum Refused {
    /// What memory has.
    Entry,
    /// What this flight gave, which had the place of its key when the caller came.
    Answer(Arc<Flight>),
    /// What others gave so often that the caller waits for nobody else.
    Others,
}

impl Refused {
    /// Whether the flight in place began later.
    fn is_before(&self, flight: &Arc<Flight>) -> bool {
        match self {
            Self::Entry => true,
            Self::Answer(of) => !Arc::ptr_eq(flight, of),
            Self::Others => false,
        }
    }
}

/// How often one caller has refused what others gave.
#[derive(Default)]
pub(crate) struct Refusals(u8);

/// As each time one of those who are refused loads for itself, more than a few in a row take a channel that is lost again and
/// again.
const MOST_REFUSALS: u8 = 4;

impl Refusals {
    /// One more, of what the flight of this member gave.
    pub(crate) fn add(&mut self, member: &Member) -> Refused {
        self.0 = self.0.saturating_add(1);
        if self.0 > MOST_REFUSALS {
            Refused::Others
        } else {
            Refused::Answer(Arc::clone(member.flight()))
        }
    }
}

impl Flights {
    /// Joins the flight of a key that began since something was refused; or starts one, which `renews` what the shared tier has
    /// or reads that first.
    pub(crate) fn join_or_begin(
        self: &Arc<Self>,
        key: &Key,
        site: &Arc<SiteState>,
        (snapshot, clock): (&Snapshot, &Clock),
        refused: &Refused,
        renews: bool,
    ) -> Member {
        let shard = self.shard(key);
        if let Some(flight) = shard.get(key)
            && refused.is_before(flight)
            && flight.snapshot.is_same(snapshot)
            && (!renews || flight.purpose == Purpose::Renew)
        {
            return flight.join(snapshot, clock);
        }
        let purpose = if renews {
            Purpose::Renew
        } else {
            Purpose::Load
        };
        self.begin(shard, key, site, snapshot, purpose)
    }
}
