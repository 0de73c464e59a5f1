//! An event that a million entries depend on, beside one that one does.

use cache_core::{Cache, Event, cached};
use tests::server::Server;

use crate::{
    cache,
    measure::{Sorted, time},
};

#[derive(Event)]
#[event(used_elsewhere)]
struct ShopChanged {
    shop: u64,
}

#[cached(ttl = 1h, key = (shop, id), cache = cache, tiers = memory, invalidate_on = ShopChanged { shop })]
async fn item(cache: &Cache, shop: u64, id: u64) -> u64 {
    shop + id
}

const MANY: u64 = 1_000_000;
const ROUNDS: usize = 301;

pub(crate) async fn measure(server: &Server) {
    let cache = cache(server.url()).await;
    let (few, many) = (1, 2);
    item(&cache, few, 0).await;
    for id in 0..MANY {
        item(&cache, many, id).await;
    }
    let there = cache.stats().entries;
    let (mut of_few, mut of_many) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        of_few.push(time(cache.emit(ShopChanged { shop: few })).await);
        of_many.push(time(cache.emit(ShopChanged { shop: many })).await);
    }
    let (of_few, of_many) = (Sorted::of(of_few).median(), Sorted::of(of_many).median());
    println!(
        "an event with {MANY} dependents ({there} entries): {:.2} of one with one ({of_many:.1?}, {of_few:.1?})",
        of_many.div_duration_f64(of_few)
    );
}
