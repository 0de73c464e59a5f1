//! Reads from Redis of what depends on three events: one round trip, as a read of four keys is.

use cache_core::{Cache, cached};
use redis::aio::MultiplexedConnection;
use tests::server::Server;

use crate::{
    NameChanged, PriceChanged, StockChanged, cache,
    measure::{Sorted, median, time, verdict},
};

const ROUNDS: usize = 9;
const CALLS: u64 = 2_000;

#[cached(
    ttl = 1h,
    key = id,
    cache = cache,
    tiers = redis,
    invalidate_on = [NameChanged { id }, PriceChanged { id }, StockChanged { id }],
)]
async fn only_there(cache: &Cache, id: u64) -> u64 {
    id
}

pub(crate) async fn measure(server: &Server) {
    let cache = cache(server.url()).await;
    let bare = connect(&server.url()).await;
    only_there(&cache, 7).await;
    while cache
        .stats()
        .function("only_there")
        .is_none_or(|row| row.redis_fills == 0)
    {
        tokio::task::yield_now().await;
    }
    let before = mgets(server);
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let (mut ours, mut plain) = (Vec::new(), Vec::new());
        for _ in 0..CALLS {
            ours.push(time(only_there(&cache, 7)).await);
            plain.push(time(read(&bare)).await);
        }
        let (ours, plain) = (Sorted::of(ours).median(), Sorted::of(plain).median());
        ratios.push(ours.div_duration_f64(plain));
    }
    let ratio = median(ratios);
    println!("a read from Redis with three events: {ratio:.2} of a bare MGET of four keys");
    let (calls, row) = (ROUNDS as u64 * CALLS, cache.stats());
    let hits = row.function("only_there").map_or(0, |row| row.redis_hits);
    let trips = mgets(server) - before - calls;
    println!(
        "  {hits} hits in {trips} commands; {}",
        verdict("one each", hits == trips)
    );
}

async fn connect(url: &str) -> MultiplexedConnection {
    let client = redis::Client::open(url).expect("the URL is one");
    let connected = client.get_multiplexed_async_connection().await;
    connected.expect("the server is there")
}

async fn read(bare: &MultiplexedConnection) {
    let mut keys = redis::cmd("MGET");
    keys.arg(&["bare:a", "bare:b", "bare:c", "bare:d"]);
    let mut bare = bare.clone();
    let read = keys.query_async::<Vec<Option<Vec<u8>>>>(&mut bare);
    read.await.expect("the server answers");
}

/// How many of these commands the server has run.
fn mgets(server: &Server) -> u64 {
    let stats = server.command(&["INFO", "commandstats"]);
    let mget = stats
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_mget:calls="));
    let calls = mget.and_then(|calls| calls.split(',').next()?.parse().ok());
    calls.unwrap_or(0)
}
