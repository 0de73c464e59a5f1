//! What is cached, and what changes it: functions that share keys and events in every way there is.

use std::collections::HashMap;

use cache_core::{Event, Refused, cached, invalidates};

use super::{
    super::{ITEMS, Nanos, Place, RATES, SHELVES, SHORT_LIFE, WriteId, now},
    truth,
};

#[derive(Event)]
pub(super) struct ItemChanged {
    pub(super) shelf: u32,
    pub(super) id: u32,
}

#[derive(Event)]
pub(super) struct RatesChanged;

#[cached(ttl = 10m, invalidate_on = ItemChanged { shelf, id })]
pub(super) async fn item(shelf: u32, id: u32) -> u64 {
    truth::read_one(Place { shelf, id }.fact()).await
}

#[cached(ttl = SHORT_LIFE, invalidate_on = ItemChanged { shelf, id })]
pub(super) async fn brief(shelf: u32, id: u32) -> u64 {
    truth::read_one(Place { shelf, id }.fact()).await
}

#[cached(ttl = 10m, tiers = memory, invalidate_on = ItemChanged { shelf, id })]
pub(super) async fn noted(shelf: u32, id: u32) -> u64 {
    truth::read_one(Place { shelf, id }.fact()).await
}

#[cached(ttl = 10m, tiers = redis, invalidate_on = ItemChanged { shelf, id })]
pub(super) async fn stored(shelf: u32, id: u32) -> u64 {
    truth::read_one(Place { shelf, id }.fact()).await
}

/// An item, and the rates that its price is made with.
#[cached(ttl = 10m, name = "label", invalidate_on = [ItemChanged { shelf, id }, RatesChanged])]
pub(super) async fn label(shelf: u32, id: u32) -> (u64, u64) {
    let item = truth::read_one(Place { shelf, id }.fact()).await;
    (item, truth::read_one(RATES).await)
}

/// The same in the next release: as many bytes, of other types and the other way round.
#[cached(ttl = 10m, name = "label", invalidate_on = [ItemChanged { shelf, id }, RatesChanged])]
pub(super) async fn next_label(shelf: u32, id: u32) -> (i64, i64) {
    let item = truth::read_one(Place { shelf, id }.fact()).await;
    let rates = truth::read_one(RATES).await;
    (rates.cast_signed(), item.cast_signed())
}

#[cached(ttl = 10m, invalidate_on = ItemChanged { shelf, .. })]
pub(super) async fn shelf(shelf: u32) -> Vec<u64> {
    truth::read(Place { shelf, id: 0 }.fact(), ITEMS).await
}

#[cached(ttl = 10m, invalidate_on = ItemChanged { .. })]
pub(super) async fn everything() -> Vec<u64> {
    truth::read(0, SHELVES * ITEMS).await
}

/// Made of other values, and of what those depend on.
#[cached(ttl = 10m, inherits)]
pub(super) async fn tag(shelf: u32, id: u32) -> (u64, u64) {
    (item(shelf, id).await, label(shelf, id).await.1)
}

#[cached(ttl = 10m, batch(id in ids), invalidate_on = ItemChanged { shelf, id })]
pub(super) async fn items(shelf: u32, ids: &[u32]) -> HashMap<u32, u64> {
    let values = truth::read(Place { shelf, id: 0 }.fact(), ITEMS).await;
    (0..)
        .zip(values)
        .filter(|(id, _)| ids.contains(id))
        .collect()
}

/// A shelf that is made of what is kept of its items.
#[cached(ttl = 10m, invalidate_on = ItemChanged { shelf, .. })]
pub(super) async fn page(shelf: u32) -> Vec<u64> {
    let ids: Vec<u32> = (0..ITEMS).collect();
    let items = items(shelf, &ids).await;
    ids.iter().filter_map(|id| items.get(id).copied()).collect()
}

/// It is old before long, and followed in the background.
#[cached(
    ttl = 2s, strategy = [refresh_ahead(0.5), stale_while_revalidate(10m)], invalidate_on = ItemChanged { shelf, id }
)]
pub(super) async fn lively(shelf: u32, id: u32) -> u64 {
    truth::read_one(Place { shelf, id }.fact()).await
}

#[derive(Clone)]
pub(super) struct Named {
    place: Place,
    pub(super) value: u64,
}

#[cached(
    ttl = 10m, tiers = memory, weight = |_| 24, invalidate_on = |it| ItemChanged { shelf: it.place.shelf, id: it.place.id }
)]
pub(super) async fn named(shelf: u32, id: u32) -> Named {
    let place = Place { shelf, id };
    let value = truth::read_one(place.fact()).await;
    Named { place, value }
}

/// Gives when its body ended, as the other ones here do.
#[invalidates(ItemChanged { shelf, id })]
pub(super) async fn change_item(shelf: u32, id: u32, write: WriteId) -> Nanos {
    truth::write(Place { shelf, id }.fact(), 1, write).await;
    now()
}

/// What it changes is kept by nobody from before it begins, whatever becomes of this process.
#[invalidates(ItemChanged { shelf, id }, guarded)]
pub(super) async fn change_guarded(shelf: u32, id: u32, write: WriteId) -> Result<(), Refused> {
    truth::write_guarded(Place { shelf, id }.fact(), write).await;
    Ok(())
}

/// It fails once it has written.
#[invalidates(ItemChanged { shelf, id })]
pub(super) async fn change_and_fail(shelf: u32, id: u32, write: WriteId) -> Result<(), Failed> {
    truth::write(Place { shelf, id }.fact(), 1, write).await;
    Err(Failed)
}

pub(super) struct Failed;

#[invalidates(ItemChanged { shelf, .. })]
pub(super) async fn change_shelf(shelf: u32, write: WriteId) -> Nanos {
    truth::write(Place { shelf, id: 0 }.fact(), ITEMS, write).await;
    now()
}

#[invalidates(RatesChanged)]
pub(super) async fn change_rates(write: WriteId) -> Nanos {
    truth::write(RATES, 1, write).await;
    now()
}
