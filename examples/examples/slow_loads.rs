//! How long do callers wait for a load? For as long as it takes, unless the function says otherwise; and not too many run at
//! once.
//!
//! `cargo run -p examples --example slow_loads`

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use cache_core::{Cache, CachedCall, Stale, TimedOut, cached, testing::ManualClock};
use tokio::{task::JoinSet, time::sleep};

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
enum Trouble {
    #[error("no answer: {0}")]
    Late(#[from] TimedOut),
}

/// The service answers nothing for as long as this is so.
static IS_STUCK: AtomicBool = AtomicBool::new(false);

async fn ask(product: u32) -> u32 {
    while IS_STUCK.load(Relaxed) {
        sleep(Duration::from_millis(1)).await;
    }
    product * 10
}

/// Who waits for longer than 20 ms is served the price of before, if there is one; an error after 60 ms.
#[cached(
    ttl = 1m,
    strategy = stale_if_error(1h),
    soft_timeout = 20ms,
    timeout = 60ms
)]
async fn price(product: u32) -> Result<u32, Trouble> {
    Ok(ask(product).await)
}

static RUNNING: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// The service does not bear more than four questions at once.
#[cached(ttl = 1m, max_concurrent_loads = 4)]
async fn rating(product: u32) -> u32 {
    MOST.fetch_max(RUNNING.fetch_add(1, Relaxed) + 1, Relaxed);
    sleep(Duration::from_millis(2)).await;
    RUNNING.fetch_sub(1, Relaxed);
    product % 5
}

async fn late(clock: &ManualClock) -> Result<(), Box<dyn std::error::Error>> {
    assert_eq!(price(1).await, Ok(10));
    clock.advance(Duration::from_mins(2));
    IS_STUCK.store(true, Relaxed);
    let explained = price(1).explain().await?;
    assert_eq!(explained.value, Ok(10), "`soft_timeout`");
    assert_eq!(explained.stale, Some(Stale::Late));
    let Err(Trouble::Late(late)) = price(2).await else {
        panic!("nothing stands in for what was never there");
    };
    println!("{late}");

    IS_STUCK.store(false, Relaxed);
    // The loads went on, and what they give is kept: there is no third one.
    while price(2).peek().await.is_none() {
        sleep(Duration::from_millis(1)).await;
    }
    let stats = Cache::current().stats();
    let row = stats.function("price").expect("it was called");
    assert_eq!((row.loads, row.timeouts), (3, 2));
    Ok(())
}

async fn many_at_once() {
    let mut callers = JoinSet::new();
    for product in 0..100 {
        callers.spawn(Cache::scope(Cache::current(), rating(product)));
    }
    assert_eq!(callers.join_all().await.len(), 100);
    assert_eq!(MOST.load(Relaxed), 4);
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clock()).build().await?;
    let shown = async {
        late(&clock).await?;
        many_at_once().await;
        Ok(())
    };
    let shown: Result<_, Box<dyn std::error::Error>> = Cache::scope(cache.clone(), shown).await;
    println!("{}", cache.stats());
    shown
}
