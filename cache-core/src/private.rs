//! All that expansions may name (and the types in their signatures), and nothing else. Not public API: it changes with the
//! macros.

#[cfg(feature = "graph")]
pub use inventory;

#[cfg(feature = "graph")]
pub use crate::graph::{
    probe::{KnownProbe, ProbeKnown, ProbeUnknown},
    registry::{Registered, Registry},
};
#[cfg(feature = "json")]
pub use crate::l2::codec::Json;
#[cfg(feature = "msgpack")]
pub use crate::l2::codec::Msgpack;
pub use crate::{
    batch::{Batch, Element, Output},
    cache::Cache,
    call::{
        Detached, HeldArgument, HoldProbe, Inline, Missed, Mode, ProbeBorrow, ProbeHold, begin,
        part,
    },
    coherence::Emitter,
    event::{
        Changes, Described, Event, EventIn, Events, Interests, Named, OutOfOrder, Prefix,
        ProbeEvents, ProbeOther, Unmarked, describe, owned, prefix, rest, whole,
    },
    handle::{may_prefetch, prefetch},
    invalidate::{CanFail, Mutation, OkProbe, ProbeAny, ProbeResult, Refusable, assert_can_fail},
    key::{CacheKey, KeyWriter, WriteKey, Written},
    site::{Aging, Instance, Site, Tiers},
    strategy::Strategy,
    value::{
        ErrorProbe, Keep, Probe, ProbeFallibleOptional, ProbeLayer, ProbePlain, ProbeShared,
        ProbeSize, ProbeTravel, ProbeUnshared, ProbeWeigh, TravelProbe, each, returned, travels,
    },
};
