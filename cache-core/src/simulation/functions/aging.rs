//! Functions with strategies, time limits and many keys, as a program would write them.

use std::pin::Pin;

use super::{
    super::world::Process, Arc, BTreeMap, Duration, Failed, RowChanged, Seen, cached_function,
    group_of, item,
};

/// How long a value of those with a strategy is of use after its time.
pub(super) const GRACE: Duration = Duration::from_millis(800);

/// How long what an event made void is of use, where it is.
const LENIENCE: Duration = Duration::from_millis(600);

/// How long an error is kept: no longer than the values of any plan.
const ERR_TTL: Duration = Duration::from_millis(700);

pub(super) const AHEAD: usize = 5;
pub(super) const SPARE: usize = 6;
const EARLY: usize = 10;
pub(in crate::simulation) const LENIENT: usize = 11;
const UNPROVEN: usize = 12;
const HASTY: usize = 13;
const FLEET: usize = 14;
const NEXT: usize = 15;
const MANY_AHEAD: usize = 16;
const MANY_HASTY: usize = 17;
pub(in crate::simulation) const MANY_LENIENT: usize = 18;
const FLEET_AHEAD: usize = 19;
const ERRING: usize = 22;

/// Those that have a use for old values, or do not wait for new ones as others do.
pub(in crate::simulation) const WITH_STRATEGY: [usize; 13] = [
    AHEAD,
    SPARE,
    EARLY,
    LENIENT,
    UNPROVEN,
    HASTY,
    FLEET,
    NEXT,
    MANY_AHEAD,
    MANY_HASTY,
    MANY_LENIENT,
    FLEET_AHEAD,
    ERRING,
];

/// The one of many keys that has no strategy.
pub(in crate::simulation) const MANY: usize = 7;

/// For how long the values of a function are served that are old, and nothing else.
pub(in crate::simulation) fn grace_of(function: usize) -> Duration {
    match function {
        AHEAD | SPARE | UNPROVEN | HASTY | MANY_AHEAD | MANY_HASTY | FLEET_AHEAD => GRACE,
        _ => Duration::ZERO,
    }
}

/// For how long the values of a function are served that an event has made void.
pub(in crate::simulation) fn lenience_of(function: usize) -> Duration {
    if [LENIENT, MANY_LENIENT].contains(&function) {
        LENIENCE
    } else {
        Duration::ZERO
    }
}

/// Whether values of a function stand in for a load that failed, of which nobody can say whether an event made them void.
pub(in crate::simulation) fn serves_unproven(function: usize) -> bool {
    function == UNPROVEN
}

/// How long a load of a function may wait for that of another process, in milliseconds.
pub(in crate::simulation) fn waits_of(function: usize) -> u64 {
    if [FLEET, FLEET_AHEAD].contains(&function) {
        5_000
    } else {
        0
    }
}

/// Whether a call of a function is for several keys.
pub(in crate::simulation) fn is_batch(function: usize) -> bool {
    [MANY, MANY_AHEAD, MANY_HASTY, MANY_LENIENT].contains(&function)
}

#[cached_function(
    ttl = at.ttl(),
    skip(at),
    strategy = early_expiration,
    invalidate_on = RowChanged { group: group_of(id), row: id },
)]
async fn early(at: Arc<Process>, id: u8) -> Result<Seen, Failed> {
    at.load(EARLY, id).await
}

#[cached_function(
    ttl = at.ttl(),
    skip(at),
    strategy = stale_if_invalidated(LENIENCE),
    invalidate_on = RowChanged { group: group_of(id), row: id },
)]
async fn lenient(at: Arc<Process>, id: u8) -> Result<Seen, Failed> {
    at.load(LENIENT, id).await
}

#[cached_function(
    ttl = at.ttl(),
    skip(at),
    strategy = stale_if_error(GRACE, unproven),
    invalidate_on = RowChanged { group: group_of(id), row: id },
)]
async fn unproven(at: Arc<Process>, id: u8) -> Result<Seen, Failed> {
    at.load(UNPROVEN, id).await
}

#[cached_function(
    ttl = at.ttl(),
    skip(at),
    strategy = stale_if_error(GRACE),
    soft_timeout = 20ms,
    timeout = 100ms,
    invalidate_on = RowChanged { group: group_of(id), row: id },
)]
async fn hasty(at: Arc<Process>, id: u8) -> Result<Seen, Failed> {
    at.load(HASTY, id).await
}

#[cached_function(
    ttl = at.ttl(),
    skip(at),
    fleet,
    invalidate_on = RowChanged { group: group_of(id), row: id },
)]
async fn fleet(at: Arc<Process>, id: u8) -> Result<Seen, Failed> {
    at.load(FLEET, id).await
}

#[cached_function(
    ttl = at.ttl(),
    skip(at),
    prefetch = item(Arc::clone(&at), (id + 1) % 4),
    invalidate_on = RowChanged { group: group_of(id), row: id },
)]
async fn next(at: Arc<Process>, id: u8) -> Result<Seen, Failed> {
    at.load(NEXT, id).await
}

#[cached_function(
    ttl = at.ttl(),
    skip(at),
    batch(id in ids),
    invalidate_on = RowChanged { group: group_of(id), row: id },
)]
async fn many(at: Arc<Process>, ids: &[u8]) -> Result<BTreeMap<u8, Seen>, Failed> {
    at.load_many(MANY, ids).await
}

#[cached_function(
    ttl = at.ttl(),
    skip(at),
    batch(id in ids),
    strategy = [refresh_ahead(0.5), stale_while_revalidate(GRACE)],
    invalidate_on = RowChanged { group: group_of(id), row: id },
)]
async fn many_ahead(at: Arc<Process>, ids: &[u8]) -> Result<BTreeMap<u8, Seen>, Failed> {
    at.load_many(MANY_AHEAD, ids).await
}

#[cached_function(
    ttl = at.ttl(),
    skip(at),
    batch(id in ids),
    strategy = stale_if_error(GRACE),
    soft_timeout = 20ms,
    timeout = 100ms,
    invalidate_on = RowChanged { group: group_of(id), row: id },
)]
async fn many_hasty(at: Arc<Process>, ids: &[u8]) -> Result<BTreeMap<u8, Seen>, Failed> {
    at.load_many(MANY_HASTY, ids).await
}

#[cached_function(
    ttl = at.ttl(),
    skip(at),
    batch(id in ids),
    strategy = stale_if_invalidated(LENIENCE),
    invalidate_on = RowChanged { group: group_of(id), row: id },
)]
async fn many_lenient(at: Arc<Process>, ids: &[u8]) -> Result<BTreeMap<u8, Seen>, Failed> {
    at.load_many(MANY_LENIENT, ids).await
}

#[cached_function(
    ttl = at.ttl(),
    skip(at),
    fleet,
    strategy = [refresh_ahead(0.5), stale_while_revalidate(GRACE)],
    invalidate_on = RowChanged { group: group_of(id), row: id },
)]
async fn fleet_ahead(at: Arc<Process>, id: u8) -> Result<Seen, Failed> {
    at.load(FLEET_AHEAD, id).await
}

#[cached_function(
    ttl = at.ttl(),
    err_ttl = |failed| if *failed == Failed::Lost { Duration::ZERO } else { ERR_TTL },
    skip(at),
    invalidate_on = RowChanged { group: group_of(id), row: id },
)]
async fn erring(at: Arc<Process>, id: u8) -> Result<Seen, Failed> {
    let seen = at.load(ERRING, id).await?;
    if seen.rows[0].1.is_multiple_of(2) {
        Ok(seen)
    } else {
        Err(Failed::Read(seen))
    }
}

type Calling<T> = Pin<Box<dyn Future<Output = Result<T, Failed>> + Send>>;

/// A call of one of those here that are of one key.
pub(super) fn call(function: usize, at: Arc<Process>, id: u8) -> Calling<Seen> {
    match function {
        EARLY => Box::pin(early(at, id)),
        LENIENT => Box::pin(lenient(at, id)),
        UNPROVEN => Box::pin(unproven(at, id)),
        HASTY => Box::pin(hasty(at, id)),
        FLEET => Box::pin(fleet(at, id)),
        FLEET_AHEAD => Box::pin(fleet_ahead(at, id)),
        ERRING => Box::pin(erring(at, id)),
        _ => Box::pin(next(at, id)),
    }
}

/// A call of one that is of several keys.
pub(in crate::simulation) fn call_many(
    function: usize,
    at: Arc<Process>,
    ids: Vec<u8>,
) -> Calling<BTreeMap<u8, Seen>> {
    Box::pin(async move {
        match function {
            MANY_AHEAD => many_ahead(at, &ids).await,
            MANY_HASTY => many_hasty(at, &ids).await,
            MANY_LENIENT => many_lenient(at, &ids).await,
            _ => many(at, &ids).await,
        }
    })
}
