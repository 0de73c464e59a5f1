//! The same functions under the macros of `cached`.

#![expect(
    clippy::unused_async,
    reason = "a load that waits for nothing measures the cache alone"
)]

use std::sync::Arc;

use cached::macros::{cached, concurrent_cached};

use crate::load::{self, Product};

#[concurrent_cached(max_size = 10_000)]
pub(crate) async fn product_concurrent(id: u64) -> Arc<Product> {
    load::product(id)
}

#[concurrent_cached(max_size = 10_000, ttl_secs = 3600)]
pub(crate) async fn product_concurrent_ttl(id: u64) -> Arc<Product> {
    load::product(id)
}

#[cached(max_size = 10_000, ttl_secs = 3600)]
pub(crate) async fn product_ttl(id: u64) -> Arc<Product> {
    load::product(id)
}

#[cached(max_size = 10_000, ttl_secs = 3600, sync_writes = "by_key")]
pub(crate) async fn product_by_key(id: u64) -> Arc<Product> {
    load::product(id)
}

#[concurrent_cached(max_size = 10_000)]
pub(crate) async fn named_concurrent(tenant: u64, name: &str) -> Arc<Product> {
    load::named(tenant, name)
}

#[concurrent_cached(max_size = 10_000, ttl_secs = 3600)]
pub(crate) async fn named_concurrent_ttl(tenant: u64, name: &str) -> Arc<Product> {
    load::named(tenant, name)
}

#[cached(max_size = 10_000, ttl_secs = 3600)]
pub(crate) async fn named_ttl(tenant: u64, name: &str) -> Arc<Product> {
    load::named(tenant, name)
}

#[cached(max_size = 10_000, ttl_secs = 3600, sync_writes = "by_key")]
pub(crate) async fn named_by_key(tenant: u64, name: &str) -> Arc<Product> {
    load::named(tenant, name)
}

#[concurrent_cached(max_size = 10_000, ttl_secs = 3600)]
pub(crate) async fn of_shop_concurrent_ttl(shop: u32, tenant: u64, name: &str) -> Arc<Product> {
    load::named(tenant ^ u64::from(shop), name)
}

#[concurrent_cached(max_size = 10_000, ttl_secs = 3600)]
pub(crate) async fn described_concurrent_ttl(text: &str) -> Arc<Product> {
    load::named(0, text)
}

#[concurrent_cached(max_size = 10_000, ttl_secs = 3600)]
pub(crate) async fn price_concurrent_ttl(id: u64) -> u64 {
    load::price(id)
}

#[concurrent_cached(max_size = 10_000, ttl_secs = 3600)]
pub(crate) async fn remark_concurrent_ttl(id: u64) -> String {
    load::remark(id)
}

#[concurrent_cached(max_size = 10_000, ttl_secs = 3600)]
pub(crate) async fn new_price_concurrent_ttl(id: u64) -> u64 {
    load::price(id)
}

#[cached(max_size = 10_000, ttl_secs = 3600)]
pub(crate) async fn new_price_ttl(id: u64) -> u64 {
    load::price(id)
}

#[cached(max_size = 10_000, ttl_secs = 3600, sync_writes = "by_key")]
pub(crate) async fn new_price_by_key(id: u64) -> u64 {
    load::price(id)
}
