//! Which variants are measured against each other, and with which keys.

mod labels;

use std::marker::PhantomData;

use crate::ours::Sells as _;
use crate::{
    by_hand::{self, Expiring, Name, OwnedName, OwnedShop, Shop, Text, floor, from_floor},
    harness::{
        Call::{Hit, Miss},
        Scenario, Variants, runtime,
    },
    load::{self, named},
    ours, peers,
};
use labels::{
    BY_HAND, CACHED_BY_KEY, CACHED_TTL, CONCURRENT, CONCURRENT_TTL, EVENTS, FLOOR, GENERIC, METHOD,
    MOKA, ONE_EVENT, OURS, OURS_DETACHED, OURS_INLINE, TRAIT,
};

/// All scenarios, with the caches of their variants still empty.
pub(crate) fn all() -> Vec<Scenario> {
    let one_key = Vec::leak(vec![7; 1024]);
    vec![
        Scenario {
            goal: Some(2.0),
            ..products(load::hot_ids()).scenario(
                "arc",
                "a hit with a `u64` key and an `Arc` value, 1,024 hot keys",
                Hit,
            )
        },
        Scenario {
            goal: Some(2.5),
            ..named_products().scenario(
                "text",
                "a hit with a `(u64, &str of 28 bytes)` key and an `Arc` value, 1,024 hot keys",
                Hit,
            )
        },
        products_of_shops().scenario(
            "three",
            "a hit with a `(u32, u64, &str of 28 bytes)` key and an `Arc` value, 1,024 hot keys",
            Hit,
        ),
        products_described().scenario(
            "long",
            "a hit with a text of 200 bytes as its key and an `Arc` value, 1,024 hot keys",
            Hit,
        ),
        prices().scenario(
            "copy",
            "a hit with a `u64` key and a `u64` value, 1,024 hot keys",
            Hit,
        ),
        remarks().scenario(
            "string",
            "a hit with a `u64` key and a `String` of 100 bytes, 1,024 hot keys",
            Hit,
        ),
        Scenario {
            threads: 2,
            ..sharded_products(one_key).scenario(
                "two-threads",
                "a hit with a `u64` key and an `Arc` value, two threads on one key",
                Hit,
            )
        },
        new_prices().scenario(
            "miss",
            "a miss with a `u64` key and a `u64` value, no key twice, room for 10,000",
            Miss,
        ),
    ]
}

fn products(keys: &'static [u64]) -> Variants<u64> {
    sharded_products(keys)
        .with(TRAIT, async |id| ours::Shop.sold(id).await)
        .with(GENERIC, async |id| {
            ours::product_of(id, PhantomData::<u32>).await
        })
        .with(ONE_EVENT, ours::product_with_event)
        .with(EVENTS, ours::product_with_events)
        .with(CACHED_TTL, peers::product_ttl)
        .with(CACHED_BY_KEY, peers::product_by_key)
}

/// Without the caches that are behind one lock: threads that queue for it pay for being woken, 20 µs
/// a hit where the machine is busy, and the benchmark takes minutes.
fn sharded_products(keys: &'static [u64]) -> Variants<u64> {
    let map = floor(keys, load::product);
    let typed = Expiring::<u64, _>::new();
    let moka = by_hand::moka();
    Variants::of(keys)
        .with(FLOOR, async move |id| from_floor(&map, id).await)
        .with(BY_HAND, async move |id| {
            typed.get(id, |id| load::product(*id)).await
        })
        .with(OURS, ours::product)
        .with(METHOD, async |id| ours::Shop.product(id).await)
        .with(MOKA, async move |id| {
            moka.get_with(id, async { load::product(id) }).await
        })
        .with(CONCURRENT, peers::product_concurrent)
        .with(CONCURRENT_TTL, peers::product_concurrent_ttl)
}

fn named_products() -> Variants<(u64, &'static str)> {
    let keys = load::hot_names();
    let map = floor(keys, |(tenant, name)| named(tenant, name));
    let typed = Expiring::<OwnedName, _>::new();
    let moka = by_hand::moka();
    Variants::of(keys)
        .with(FLOOR, async move |key| from_floor(&map, key).await)
        .with(BY_HAND, async move |(tenant, name)| {
            typed
                .get(Name(tenant, name), |key| named(key.0, key.1))
                .await
        })
        .with(OURS, async |(tenant, name)| {
            ours::product_named(tenant, name).await
        })
        .with(OURS_INLINE, async |(tenant, name)| {
            ours::product_named_inline(tenant, name).await
        })
        .with(MOKA, async move |(tenant, name): (u64, &str)| {
            let load = async { named(tenant, name) };
            moka.get_with((tenant, name.to_owned()), load).await
        })
        .with(CONCURRENT, async |(tenant, name)| {
            peers::named_concurrent(tenant, name).await
        })
        .with(CONCURRENT_TTL, async |(tenant, name)| {
            peers::named_concurrent_ttl(tenant, name).await
        })
        .with(CACHED_TTL, async |(tenant, name)| {
            peers::named_ttl(tenant, name).await
        })
        .with(CACHED_BY_KEY, async |(tenant, name)| {
            peers::named_by_key(tenant, name).await
        })
}

fn products_of_shops() -> Variants<(u32, u64, &'static str)> {
    let keys = load::hot_shops();
    let map = floor(keys, |(shop, tenant, name)| {
        named(tenant ^ u64::from(shop), name)
    });
    let typed = Expiring::<OwnedShop, _>::new();
    Variants::of(keys)
        .with(FLOOR, async move |key| from_floor(&map, key).await)
        .with(BY_HAND, async move |(shop, tenant, name)| {
            let load = |key: &Shop<'_>| named(key.1 ^ u64::from(key.0), key.2);
            typed.get(Shop(shop, tenant, name), load).await
        })
        .with(OURS, async |(shop, tenant, name)| {
            ours::product_of_shop(shop, tenant, name).await
        })
        .with(CONCURRENT_TTL, async |(shop, tenant, name)| {
            peers::of_shop_concurrent_ttl(shop, tenant, name).await
        })
}

fn products_described() -> Variants<&'static str> {
    let keys = load::hot_texts();
    let map = floor(keys, |text| named(0, text));
    let typed = Expiring::<String, _>::new();
    Variants::of(keys)
        .with(FLOOR, async move |text| from_floor(&map, text).await)
        .with(BY_HAND, async move |text| {
            typed.get(Text(text), |key| named(0, key.0)).await
        })
        .with(OURS, async |text| ours::product_described(text).await)
        .with(CONCURRENT_TTL, async |text| {
            peers::described_concurrent_ttl(text).await
        })
}

fn prices() -> Variants<u64> {
    let keys = load::hot_ids();
    let map = floor(keys, load::price);
    let typed = Expiring::<u64, _>::new();
    Variants::of(keys)
        .with(FLOOR, async move |id| from_floor(&map, id).await)
        .with(BY_HAND, async move |id| {
            typed.get(id, |id| load::price(*id)).await
        })
        .with(OURS, ours::price)
        .with(CONCURRENT_TTL, peers::price_concurrent_ttl)
}

fn remarks() -> Variants<u64> {
    let keys = load::hot_ids();
    let map = floor(keys, load::remark);
    let typed = Expiring::<u64, _>::new();
    Variants::of(keys)
        .with(FLOOR, async move |id| from_floor(&map, id).await)
        .with(BY_HAND, async move |id| {
            typed.get(id, |id| load::remark(*id)).await
        })
        .with(OURS, ours::remark)
        .with(CONCURRENT_TTL, peers::remark_concurrent_ttl)
}

fn new_prices() -> Variants<()> {
    runtime().block_on(ours::open_small());
    let typed = Expiring::<u64, _>::new();
    let moka = by_hand::moka();
    Variants::of(&[(); 1024])
        .with(BY_HAND, async move |()| {
            typed.get(load::new_id(), |id| load::price(*id)).await
        })
        .with(OURS_DETACHED, async |()| {
            ours::new_price(load::new_id()).await
        })
        .with(OURS_INLINE, async |()| {
            ours::new_price_inline(load::new_id()).await
        })
        .with(MOKA, async move |()| {
            let id = load::new_id();
            moka.get_with(id, async { load::price(id) }).await
        })
        .with(CONCURRENT_TTL, async |()| {
            peers::new_price_concurrent_ttl(load::new_id()).await
        })
        .with(CACHED_TTL, async |()| {
            peers::new_price_ttl(load::new_id()).await
        })
        .with(CACHED_BY_KEY, async |()| {
            peers::new_price_by_key(load::new_id()).await
        })
}
