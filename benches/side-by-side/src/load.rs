//! What is cached in all variants: the keys, the values, and the load that makes a value.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// Entries that every cache has room for, where it can be told.
pub(crate) const CAPACITY: usize = 10_000;

/// Long enough that nothing expires while it is measured.
pub(crate) const TTL: Duration = Duration::from_hours(1);

/// How many keys are hot.
const HOT: u64 = 1024;

static LOADS: AtomicU64 = AtomicU64::new(0);
static IDS: AtomicU64 = AtomicU64::new(1 << 32);

/// A value of a few fields, shared behind an `Arc`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Product {
    id: u64,
    cents: u64,
    name: String,
}

/// How many loads ran so far: a hit that loads is no hit, and the report refuses it.
pub(crate) fn loads() -> u64 {
    LOADS.load(Relaxed)
}

pub(crate) fn product(id: u64) -> Arc<Product> {
    LOADS.fetch_add(1, Relaxed);
    Arc::new(Product {
        id,
        cents: id % 10_000,
        name: format!("product {id}"),
    })
}

pub(crate) fn named(tenant: u64, name: &str) -> Arc<Product> {
    product(tenant ^ name.len() as u64)
}

pub(crate) fn price(id: u64) -> u64 {
    LOADS.fetch_add(1, Relaxed);
    id % 10_000
}

/// A text of 100 bytes.
pub(crate) fn remark(id: u64) -> String {
    LOADS.fetch_add(1, Relaxed);
    format!("{id:0>100}")
}

/// The hot ids, in an order that a prefetcher cannot guess.
pub(crate) fn hot_ids() -> &'static [u64] {
    // Odd, so that each number below 1,024 comes once.
    const STRIDE: u64 = 389;
    let ids = (0..HOT).map(|n| n * STRIDE % HOT * 7919);
    Vec::leak(ids.collect())
}

/// An id that nobody has asked for.
pub(crate) fn new_id() -> u64 {
    IDS.fetch_add(1, Relaxed)
}

/// As many hot tenants and names.
pub(crate) fn hot_names() -> &'static [(u64, &'static str)] {
    let named = |id: &u64| (*id, &*String::leak(format!("{id:0>20}@shop.eu")));
    Vec::leak(hot_ids().iter().map(named).collect())
}

/// As many shops, each with a tenant and a name.
pub(crate) fn hot_shops() -> &'static [(u32, u64, &'static str)] {
    let shop = |(id, name): &(u64, &'static str)| (7, *id, *name);
    Vec::leak(hot_names().iter().map(shop).collect())
}

/// As many texts of 200 bytes.
pub(crate) fn hot_texts() -> &'static [&'static str] {
    let text = |id: &u64| &*String::leak(format!("{id:0>200}"));
    Vec::leak(hot_ids().iter().map(text).collect())
}
