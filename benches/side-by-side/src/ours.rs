//! The functions under test, as a user of this project writes them.

use std::{
    marker::PhantomData,
    sync::{Arc, OnceLock},
};

use cache_core::{Cache, Event, cached};

use crate::load::{self, Product};

/// A cache with room for about as many entries as the others have.
static SMALL: OnceLock<Cache> = OnceLock::new();

/// An entry of an 8-byte value weighs 208 bytes.
const SMALL_BYTES: u64 = 10_000 * 208;

#[cached(ttl = 1h)]
pub(crate) async fn product(id: u64) -> Arc<Product> {
    load::product(id)
}

/// A service with a cached method.
pub(crate) struct Shop;

impl Shop {
    #[cached(ttl = 1h, key = id)]
    pub(crate) async fn product(&self, id: u64) -> Arc<Product> {
        load::product(id)
    }
}

/// A product of any type that names it.
#[cached(ttl = 1h)]
pub(crate) async fn product_of<I: Into<u64> + Send + 'static>(
    id: u64,
    _kind: PhantomData<I>,
) -> Arc<Product> {
    load::product(id)
}

pub(crate) trait Sells {
    async fn sold(&self, id: u64) -> Arc<Product>;
}

impl Sells for Shop {
    #[cached(ttl = 1h, key = id)]
    async fn sold(&self, id: u64) -> Arc<Product> {
        load::product(id)
    }
}

/// A product is another one.
#[derive(Event)]
#[event(used_elsewhere)]
pub(crate) struct ProductChanged {
    pub(crate) id: u64,
}

/// The stock of a product is.
#[derive(Event)]
#[event(used_elsewhere)]
pub(crate) struct StockChanged {
    pub(crate) id: u64,
}

/// All prices are.
#[derive(Event)]
#[event(used_elsewhere)]
pub(crate) struct PricesChanged {}

#[cached(ttl = 1h, invalidate_on = ProductChanged { id })]
pub(crate) async fn product_with_event(id: u64) -> Arc<Product> {
    load::product(id)
}

#[cached(
    ttl = 1h,
    invalidate_on = [ProductChanged { id }, StockChanged { id }, PricesChanged {}],
)]
pub(crate) async fn product_with_events(id: u64) -> Arc<Product> {
    load::product(id)
}

#[cached(ttl = 1h)]
pub(crate) async fn product_of_shop(shop: u32, tenant: u64, name: &str) -> Arc<Product> {
    load::named(tenant ^ u64::from(shop), name)
}

#[cached(ttl = 1h)]
pub(crate) async fn product_described(text: &str) -> Arc<Product> {
    load::named(0, text)
}

#[cached(ttl = 1h)]
pub(crate) async fn product_named(tenant: u64, name: &str) -> Arc<Product> {
    load::named(tenant, name)
}

#[cached(ttl = 1h, inline)]
pub(crate) async fn product_named_inline(tenant: u64, name: &str) -> Arc<Product> {
    load::named(tenant, name)
}

#[cached(ttl = 1h)]
pub(crate) async fn price(id: u64) -> u64 {
    load::price(id)
}

#[cached(ttl = 1h)]
pub(crate) async fn remark(id: u64) -> String {
    load::remark(id)
}

#[cached(ttl = 1h, cache = small())]
pub(crate) async fn new_price(id: u64) -> u64 {
    load::price(id)
}

#[cached(ttl = 1h, inline, cache = small())]
pub(crate) async fn new_price_inline(id: u64) -> u64 {
    load::price(id)
}

fn small() -> &'static Cache {
    SMALL.get().expect("`open_small` comes before all calls")
}

/// Makes the cache of the functions that only miss.
pub(crate) async fn open_small() {
    let cache = Cache::builder().memory_limit(SMALL_BYTES).build().await;
    let cache = cache.expect("the limit is not zero");
    SMALL.get_or_init(|| cache);
}
