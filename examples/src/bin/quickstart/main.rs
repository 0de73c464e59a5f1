//! What does a cache change? A shop with a real database and 200 visitors at once, without the
//! cache and with it.
//!
//! Run it with `cargo run --release -p examples`; it takes about ten seconds. With `REDIS_URL` set, what
//! it has loaded is there for the next run.

mod catalog;
mod chance;
mod db;
mod report;
mod shop;
mod traffic;

use std::{
    env,
    hint::black_box,
    time::{Duration, Instant},
};

use cache_core::{Cache, CachedCall, FunctionStats, Stats};

use crate::{
    db::Db,
    report::{Table, thousands},
    shop::{Shop, product_page},
    traffic::{Failure, Interests, Run, VISITORS},
};

/// Calls of each visitor with the cache.
const CALLS: usize = 200;
/// Without it they make a part of them only: all would take minutes.
const PART: u32 = 10;
const CALLS_WITHOUT: usize = CALLS / PART as usize;
const CONNECTIONS: usize = 4;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut cache = Cache::builder().namespace("shop").memory_limit(64 << 20);
    if let Ok(url) = env::var("REDIS_URL") {
        cache = cache.redis(url).require_redis();
    }
    cache.build().await?.install()?;

    let shop = open_shop()?;
    let interests = Interests::new();
    let visits = traffic::run(&shop, &interests, CALLS_WITHOUT);
    let without = Cache::scope(Cache::disabled(), visits).await?;
    println!("without the cache\n{}", Table::of_all(&without.samples));

    let with = traffic::run(&shop, &interests, CALLS).await?;
    let stats = Cache::current().stats();
    println!("with the cache\n{}", Table::by_source(&with.samples));
    compare(&without, &with);
    println!("\nwhat `Cache::stats` shows\n{stats}");
    check(&stats, &shop, &interests, &with).await?;
    println!("\n{}", product_page(&shop.db, 0).explain().await?);
    println!(
        "A hit takes {:.0?}; those in the table were asked for their source as well.",
        time_of_hit(&shop).await?
    );

    let leftover = Cache::current().close(Duration::from_secs(1)).await;
    assert_eq!(leftover.loads, 0, "all calls were answered");
    if leftover.fills > 0 {
        println!("{} values did not get to Redis in time", leftover.fills);
    }
    Ok(())
}

fn open_shop() -> Result<Shop, Failure> {
    let start = Instant::now();
    let db = Db::create(CONNECTIONS, catalog::fill)?;
    println!(
        "{} products in SQLite, made in {:.1?}; {VISITORS} visitors at once, {CONNECTIONS} connections\n",
        thousands(catalog::PRODUCTS as usize),
        start.elapsed()
    );
    Ok(Shop { db })
}

fn compare(without: &Run, with: &Run) {
    let scaled = without.elapsed * PART;
    println!(
        "{calls} calls with the cache: {} queries in {:.1?}\n\
         {} calls without it: {} queries in {:.1?}; at that rate {calls} take {scaled:.0?}, \
         {:.0} times as long",
        thousands(with.queries),
        with.elapsed,
        thousands(without.samples.len()),
        thousands(without.queries),
        without.elapsed,
        scaled.div_duration_f64(with.elapsed),
        calls = thousands(with.samples.len()),
    );
}

/// What the numbers rest on: every call is counted once, no page is loaded twice, and what is kept
/// is what the database says.
async fn check(
    stats: &Stats,
    shop: &Shop,
    interests: &Interests,
    with: &Run,
) -> Result<(), Failure> {
    let sum = |count: fn(&FunctionStats) -> u64| stats.functions.iter().map(count).sum::<u64>();
    let answers = sum(|function| {
        function.hits + function.redis_hits + function.loads + function.shared_loads
    });
    assert_eq!(answers, with.samples.len() as u64, "each call counts once");
    let loads = sum(|function| function.loads);
    assert_eq!(loads, with.queries as u64, "a load is a query");
    let pages = stats.function("product_page").expect("it was called");
    let different = interests.pages(CALLS) as u64;
    let first = pages.loads + pages.redis_hits;
    assert_eq!(
        first, different,
        "one load for each page, in this run or before"
    );
    for id in 0..100 {
        let kept = product_page(&shop.db, id).await?;
        assert_eq!(kept, product_page(&shop.db, id).bypass().await??);
    }
    Ok(())
}

/// The mean over many hits of one caller.
async fn time_of_hit(shop: &Shop) -> Result<Duration, Failure> {
    const HITS: u32 = 1_000_000;
    let hot = 0;
    product_page(&shop.db, hot).await?;
    let start = Instant::now();
    for _ in 0..HITS {
        black_box(product_page(&shop.db, black_box(hot)).await?);
    }
    Ok(start.elapsed() / HITS)
}
