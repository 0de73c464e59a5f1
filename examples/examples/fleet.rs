//! How many of my processes load what none of them has? All that miss at once, unless the function says `fleet`: then one
//! loads, and the others take that from Redis.
//!
//! `cargo run -p examples --example fleet`

use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use cache_core::{Cache, Error, cached, testing::FakeRedis};
use tokio::{task::JoinSet, time::sleep};

static LOADS: AtomicU32 = AtomicU32::new(0);

#[cached(ttl = 1h, fleet)]
async fn report(month: u32) -> String {
    LOADS.fetch_add(1, Relaxed);
    sleep(Duration::from_millis(50)).await;
    format!("the report of month {month}")
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    // In the place of a Redis, and of eight processes.
    let redis = FakeRedis::new();
    let mut processes = Vec::new();
    for _ in 0..8 {
        processes.push(Cache::builder().fake_redis(&redis).build().await?);
    }
    let mut calls = JoinSet::new();
    for process in &processes {
        calls.spawn(Cache::scope(process.clone(), report(1)));
    }
    for answer in calls.join_all().await {
        assert_eq!(answer, "the report of month 1");
    }
    assert_eq!(LOADS.load(Relaxed), 1);
    println!("eight processes, one load");
    Ok(())
}
