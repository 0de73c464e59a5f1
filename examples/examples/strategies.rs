//! What becomes of a value as it grows old? Its strategy says who is still served it while its successor is loaded.
//!
//! `cargo run -p examples --example strategies`

use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use cache_core::{Cache, CachedCall, Event, NotCached, Stale, cached, testing::ManualClock};
use tokio::time::sleep;

/// What a slow service knows.
static PRICE: AtomicU32 = AtomicU32::new(0);

/// Much asked for: nobody waits, as a value is loaded anew before it is stale.
#[cached(ttl = 100s, strategy = refresh_ahead(0.8))]
async fn popular(product: u32) -> u32 {
    PRICE.load(Relaxed) * product
}

/// Seldom asked for: a value that is a little too old is better than none at once.
#[cached(ttl = 100s, strategy = stale_while_revalidate(1m))]
async fn seldom(product: u32) -> u32 {
    PRICE.load(Relaxed) * product
}

/// Costly: one of many callers loads it anew, the sooner the longer that takes.
#[cached(ttl = 100s, strategy = early_expiration)]
async fn total(month: u32) -> u32 {
    sleep(Duration::from_millis(50)).await;
    PRICE.load(Relaxed) * month
}

/// A product has another price.
#[derive(Debug, Event)]
pub struct PriceChanged {
    /// Of which.
    pub product: u32,
}

/// Much asked for and changed: for a moment the price of before is good enough.
#[cached(ttl = 1h, strategy = stale_if_invalidated(5s), invalidate_on = PriceChanged { product })]
async fn changing(product: u32) -> u32 {
    PRICE.load(Relaxed) * product
}

/// Waits for what is loaded in the background.
async fn until_given<F: Future<Output = u32>>(new: u32, call: impl Fn() -> F) {
    while call().await != new {
        sleep(Duration::from_millis(1)).await;
    }
}

/// What somebody is served who calls after so many seconds, while the price is another one.
async fn refreshed_ahead(clock: &ManualClock) {
    PRICE.store(1, Relaxed);
    assert_eq!(popular(7).await, 7);
    PRICE.store(2, Relaxed);
    clock.advance(Duration::from_secs(79));
    assert_eq!(popular(7).await, 7, "fresh");
    clock.advance(Duration::from_secs(20));
    assert_eq!(popular(7).await, 7, "fresh, and its successor is loaded");
    until_given(14, || popular(7)).await;
}

async fn stale_for_a_while(clock: &ManualClock) -> Result<(), NotCached> {
    PRICE.store(1, Relaxed);
    assert_eq!(seldom(7).await, 7);
    PRICE.store(2, Relaxed);
    clock.advance(Duration::from_secs(159));
    let explained = seldom(7).explain().await?;
    assert_eq!(explained.value, 7);
    assert_eq!(explained.stale, Some(Stale::Revalidating));
    until_given(14, || seldom(7)).await;

    PRICE.store(3, Relaxed);
    clock.advance(Duration::from_secs(160));
    assert_eq!(seldom(7).await, 21, "past that minute it is waited for");
    Ok(())
}

async fn early_by_chance(clock: &ManualClock) {
    PRICE.store(1, Relaxed);
    assert_eq!(total(7).await, 7);
    PRICE.store(2, Relaxed);
    clock.advance(Duration::from_millis(99_990));
    // Of a load that takes 50 ms, 10 ms before the end: 8 of 10 callers would begin it.
    until_given(14, || total(7)).await;
    let stats = Cache::current().stats();
    let row = stats.function("total").expect("it was called");
    assert_eq!((row.loads, row.refreshes), (2, 1), "nobody has waited");
}

async fn void_for_a_moment() -> Result<(), Box<dyn std::error::Error>> {
    PRICE.store(1, Relaxed);
    assert_eq!(changing(7).await, 7);
    PRICE.store(2, Relaxed);
    Cache::current().emit(PriceChanged { product: 7 }).await?;
    let explained = changing(7).explain().await?;
    assert_eq!(explained.value, 7);
    assert_eq!(explained.stale, Some(Stale::Invalidated));
    until_given(14, || changing(7)).await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A clock moved by hand, so that this takes no minutes.
    let clock = ManualClock::new();
    let cache = Cache::builder().clock(clock.clock()).build().await?;
    let shown = async {
        refreshed_ahead(&clock).await;
        stale_for_a_while(&clock).await?;
        early_by_chance(&clock).await;
        void_for_a_moment().await
    };
    Cache::scope(cache.clone(), shown).await?;
    println!("{}", cache.stats());
    Ok(())
}
