//! What a program would have: events, and cached functions that depend on them. Most are written out as the attribute
//! would: what differs between them is then a word.

mod aging;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use self::aging::GRACE;
pub(super) use self::aging::{
    LENIENT, MANY, MANY_LENIENT, WITH_STRATEGY, call_many, grace_of, is_batch, lenience_of,
    serves_unproven, waits_of,
};
use super::world::Process;
use crate::{
    __private as cached, Event, Prefix, TimedOut, cached as cached_function, event,
    key::{CacheKey, KeyWriter},
};

/// Two rows in each group.
pub(super) fn group_of(row: u8) -> u8 {
    row / 2
}

/// A row of a group changed.
#[derive(Event)]
#[event(used_elsewhere)]
pub(super) struct RowChanged {
    pub(super) group: u8,
    pub(super) row: u8,
}

impl RowChanged {
    pub(super) fn of(row: u8) -> Self {
        Self {
            group: group_of(row),
            row,
        }
    }

    pub(super) fn anywhere_in(group: u8) -> Prefix<Self> {
        event!(RowChanged { group, .. })
    }

    pub(super) fn anywhere() -> Prefix<Self> {
        event!(RowChanged { .. })
    }
}

/// The same, of every other row and where there are several buckets of events.
#[derive(Event)]
#[event(used_elsewhere)]
pub(super) struct TwinChanged {
    pub(super) group: u8,
    pub(super) row: u8,
}

impl TwinChanged {
    pub(super) fn of(row: u8) -> Self {
        Self {
            group: group_of(row),
            row,
        }
    }

    pub(super) fn anywhere_in(group: u8) -> Prefix<Self> {
        event!(TwinChanged { group, .. })
    }

    pub(super) fn anywhere() -> Prefix<Self> {
        event!(TwinChanged { .. })
    }
}

/// Whether a row has a twin.
pub(super) fn is_twin(row: u8) -> bool {
    row % 2 == 1
}

/// What a load read: which commit each row was of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) load: String,
    pub(super) rows: Vec<(u8, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Failed {
    Lost,
    /// What was read is an error.
    Read(Seen),
}

impl From<TimedOut> for Failed {
    fn from(_: TimedOut) -> Self {
        Self::Lost
    }
}

/// What a call was given, be it as a value or as an error.
pub(super) fn given(found: Result<Seen, Failed>) -> Option<Seen> {
    match found {
        Ok(seen) | Err(Failed::Read(seen)) => Some(seen),
        Err(Failed::Lost) => None,
    }
}

/// The cached functions, by number.
pub(super) const FUNCTIONS: usize = 23;

/// How many of them have nothing special, the first ones.
pub(super) const PLAIN: usize = 5;

/// The rows that a call of a function reads.
pub(super) fn rows_of(function: usize, id: u8) -> Vec<u8> {
    match function {
        1 => vec![id, (id + 1) % 4],
        2 => vec![group_of(id) * 2, group_of(id) * 2 + 1],
        _ => vec![id],
    }
}

/// One call may read the same as another: which those are.
pub(super) fn key_of(function: usize, id: u8) -> u8 {
    if function == 2 { group_of(id) } else { id }
}

macro_rules! written_out {
    ($name:ident, $number:literal, $mode:ident, $tiers:ident, $interests:expr $(, $strategy:expr)?) => {
        async fn $name(at: Arc<Process>, id: u8) -> Result<Seen, Failed> {
            #[allow(unused_imports, reason = "the type decides which of them answers")]
            use cached::{
                ProbeFallibleOptional as _, ProbeLayer as _, ProbePlain as _, ProbeShared as _,
                ProbeSize as _, ProbeTravel as _, ProbeUnshared as _, ProbeWeigh as _,
            };
            static SITE: cached::Site = cached::Site::new()
                .named(stringify!($name))
                .keyed("id: u8")
                .invalidated(false)
                $(.aging(const { &cached::Aging::by($strategy) }))?
                .tiers(cached::Tiers::$tiers);
            let returned = {
                let probe = cached::Probe::of(|| -> Result<Seen, Failed> {
                    loop {}
                });
                let shape = (&&&probe).__cached_shape();
                let errors = (&&cached::ErrorProbe::of(&shape)).__cached_sharing();
                cached::returned(shape, errors)
            };
            let interests: fn(u8, &mut cached::Interests) = $interests;
            let key = key_of($number, id);
            let begun = cached::begin(
                cached::Instance::of(&SITE, &|| ()),
                &returned,
                None,
                &|writer: &mut KeyWriter| {
                    key.write(writer);
                    cached::Written
                },
                Some(&|to: &mut cached::Interests| interests(id, to)),
            );
            match begun {
                Ok(output) => output,
                Err(missed) => {
                    let load =
                        {
                            let travel = (&&&cached::TravelProbe::of(&returned)).__cached_weigh();
                            let ttl: Duration = at.ttl();
                            let keep = cached::Keep::new(&returned, travel, ttl);
                            cached::$mode
                                .launch(missed, &keep, async move { at.load($number, id).await })
                        };
                    load.await
                }
            }
        }
    };
}

written_out!(item, 0, Detached, Both, |id, to| to
    .add(&RowChanged::of(id)));
written_out!(pair, 1, Inline, Both, |id, to| {
    to.add(&RowChanged::of(id));
    to.add(&RowChanged::of((id + 1) % 4));
});
written_out!(group, 2, Detached, Both, |id, to| {
    to.add(&RowChanged::anywhere_in(group_of(id)));
});
written_out!(local, 3, Detached, Memory, |id, to| to
    .add(&RowChanged::of(id)));
written_out!(distant, 4, Inline, Redis, |id, to| to
    .add(&RowChanged::of(id)));

written_out!(
    ahead,
    5,
    Detached,
    Both,
    |id, to| to.add(&RowChanged::of(id)),
    cached::Strategy::new()
        .refresh_ahead(0.5)
        .stale_while_revalidate(GRACE)
);
written_out!(
    spare,
    6,
    Detached,
    Both,
    |id, to| to.add(&RowChanged::of(id)),
    cached::Strategy::new().stale_if_error(GRACE)
);

written_out!(twin, 20, Inline, Redis, |id, to| {
    if is_twin(id) {
        to.add(&TwinChanged::of(id));
    } else {
        to.add(&RowChanged::of(id));
    }
});

/// One that loads several rows at once, and those that know what they depend on when they have loaded.
pub(super) const OTHERS: [usize; 3] = [MANY, NAMING, INHERITING];

const NAMING: usize = 8;
/// Those that call another.
pub(super) const INHERITING: usize = 9;
pub(super) const NESTED: usize = 21;

/// Those that are called at random in a cluster only, where what they are made of may depend on another event than they do.
pub(super) const IN_CLUSTER: [usize; 2] = [TWIN, NESTED];
pub(super) const TWIN: usize = 20;

#[cached_function(
    ttl = at.ttl(),
    skip(at),
    tiers = memory,
    invalidate_on = |seen| RowChanged { group: group_of(seen.rows[0].0), row: seen.rows[0].0 },
)]
async fn naming(at: Arc<Process>, id: u8) -> Result<Seen, Failed> {
    at.load(NAMING, id).await
}

#[cached_function(ttl = at.ttl(), skip(at), inherits)]
async fn inheriting(at: Arc<Process>, id: u8) -> Result<Seen, Failed> {
    let inner = item(Arc::clone(&at), id).await?;
    let own = at.load(INHERITING, id).await?;
    Ok(Seen {
        load: own.load,
        rows: inner.rows,
    })
}

// Of twins, what it calls is asked of the shared tier each time: what it is made of is as new as that is there.
#[cached_function(
    ttl = at.ttl(),
    skip(at),
    invalidate_on = RowChanged { group: group_of(id), row: id },
)]
async fn nested(at: Arc<Process>, id: u8) -> Result<Seen, Failed> {
    let inner = if is_twin(id) {
        twin(Arc::clone(&at), id).await?
    } else {
        item(Arc::clone(&at), id).await?
    };
    let own = at.load(NESTED, id).await?;
    Ok(Seen {
        load: own.load,
        rows: inner.rows,
    })
}

/// The one that asks for no versions.
pub(super) const IN_MEMORY: usize = 3;

/// A call of a function of one key, by its number.
pub(super) fn call(
    function: usize,
    at: Arc<Process>,
    id: u8,
) -> std::pin::Pin<Box<dyn Future<Output = Result<Seen, Failed>> + Send>> {
    match function {
        0 => Box::pin(item(at, id)),
        1 => Box::pin(pair(at, id)),
        2 => Box::pin(group(at, id)),
        3 => Box::pin(local(at, id)),
        5 => Box::pin(ahead(at, id)),
        6 => Box::pin(spare(at, id)),
        NAMING => Box::pin(naming(at, id)),
        INHERITING => Box::pin(inheriting(at, id)),
        TWIN => Box::pin(twin(at, id)),
        NESTED => Box::pin(nested(at, id)),
        4 => Box::pin(distant(at, id)),
        _ => aging::call(function, at, id),
    }
}
