//! What invalidation costs, on a server of its own: hits of what depends on events, reads of it from Redis, the way of
//! an event to another process, many events beside reads, and events that much depends on.

mod flood;
mod hits;
mod many;
mod measure;
mod reads;
mod way;

use std::process::ExitCode;

use cache_core::{Cache, Event, Redis, cached};
use tests::server::Server;
use tokio::runtime::Builder;

/// Three events of one thing.
#[derive(Event)]
#[event(used_elsewhere)]
pub(crate) struct NameChanged {
    pub(crate) id: u64,
}

#[derive(Event)]
#[event(used_elsewhere)]
pub(crate) struct PriceChanged {
    pub(crate) id: u64,
}

#[derive(Event)]
#[event(used_elsewhere)]
pub(crate) struct StockChanged {
    pub(crate) id: u64,
}

#[cached(ttl = 1h, key = id, cache = cache)]
pub(crate) async fn plain(cache: &Cache, id: u64) -> u64 {
    id
}

#[cached(ttl = 1h, key = id, cache = cache, invalidate_on = NameChanged { id })]
pub(crate) async fn with_one(cache: &Cache, id: u64) -> u64 {
    id
}

#[cached(
    ttl = 1h,
    key = id,
    cache = cache,
    invalidate_on = [NameChanged { id }, PriceChanged { id }, StockChanged { id }],
)]
pub(crate) async fn with_three(cache: &Cache, id: u64) -> u64 {
    id
}

/// The cache of a process on this server.
pub(crate) async fn cache(url: impl Into<Redis>) -> Cache {
    let built = Cache::builder().memory_limit(1 << 30).redis(url).build();
    built.await.expect("the server takes us")
}

fn main() -> ExitCode {
    let server = Server::start();
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts");
    runtime.block_on(async {
        hits::measure(&server).await;
        reads::measure(&server).await;
        way::measure(&server).await;
        flood::measure(&server).await;
        many::measure(&server).await;
    });
    ExitCode::SUCCESS
}
