//! What is in my cache, why was this served, and what should I change? A shop with five faults in it, and what its cache
//! says of them.
//!
//! `cargo run -p examples --example insight`

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use cache_core::{
    Cache, CachedCall, Event, Source, Symptom, cached, invalidates,
    testing::{FakeRedis, ManualClock},
};
use tokio::time::sleep;

#[derive(Event)]
struct PriceChanged {
    product: u64,
}

/// The price of a product, which does change.
#[cached(ttl = 5m, invalidate_on = PriceChanged { product })]
async fn price(product: u64) -> u64 {
    sleep(Duration::from_millis(2)).await;
    product * 100 + PRICES.load(Relaxed)
}

static PRICES: AtomicU64 = AtomicU64::new(0);

#[invalidates(PriceChanged { product })]
async fn raise(product: u64) {
    let _ = product;
    PRICES.fetch_add(1, Relaxed);
}

/// The names of products hardly ever change: why does it forget them every ten seconds?
#[cached(ttl = 10s)]
async fn name(product: u64) -> String {
    sleep(Duration::from_millis(8)).await;
    format!("product {product}")
}

#[derive(Event)]
#[event(used_elsewhere)]
struct StockChanged {
    product: u64,
}

/// Its author has forgotten `invalidate_on = StockChanged { product }`.
#[cached(ttl = 5m)]
async fn stock(product: u64) -> u64 {
    product % 7
}

#[invalidates(StockChanged { product })]
async fn sell(product: u64) {
    let _ = product;
}

/// The front page, which everybody asks for.
#[cached(ttl = 5m)]
async fn page(number: u64) -> String {
    format!("page {number}")
}

/// Cheap to make, and dear to write as JSON, which it is for each process and each day.
#[cached(ttl = 5m, codec = json)]
async fn calendar(month: u64) -> BTreeMap<String, Vec<u64>> {
    let day = |day: u64| (format!("{month}-{day}"), (0..24 * 60).collect());
    (1..=30).map(day).collect()
}

/// An hour of customers, with the clock in our hands.
async fn hour(clock: &ManualClock, redis: &FakeRedis) {
    for minute in 0..60 {
        for customer in 0..40 {
            let product = customer % 20;
            page(if customer % 8 == 0 { customer } else { 1 }).await;
            price(product).await;
            name(product).await;
            stock(product).await;
            if customer % 4 == 0 {
                sell(product).await;
            }
        }
        raise(minute % 20).await;
        calendar(minute).await;
        clock.advance(Duration::from_mins(1));
        if minute % 10 == 0 {
            redis.clear();
        }
    }
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let clock = ManualClock::new();
    let redis = FakeRedis::on(&clock);
    let cache = Cache::builder().clock(clock.clock());
    let cache = cache.fake_redis(&redis).build().await?;
    let evening = Cache::scope(cache.clone(), async {
        hour(&clock, &redis).await;
        // After a deploy, memory is empty and Redis is not.
        for month in 0..60 {
            calendar(month).await;
        }
        sleep(Duration::from_secs(1)).await;
        cache.clear();
        for month in 0..60 {
            calendar(month).await;
        }
        println!("# A request, call by call\n\n{}\n", request().await);
        println!("# Why was this served?\n\n{}\n", price(7).explain().await?);
        raise(7).await;
        println!("{}\n", price(7).explain().await?);
        redis.fail();
        for product in 100..400 {
            price(product).await;
        }
        for _ in 0..150_000 {
            page(1).await;
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    });
    evening.await?;

    println!("# What it did\n\n{}\n", cache.stats());
    println!("# What to change\n");
    for advice in cache.advice() {
        println!("- {advice}");
    }
    let found: Vec<_> = cache.advice().iter().map(|it| it.symptom).collect();
    for planted in [
        Symptom::RedisFails,
        Symptom::ShortTtl,
        Symptom::SlowCodec,
        Symptom::HotKey,
        Symptom::EventWithoutListeners,
    ] {
        assert!(found.contains(&planted), "{planted:?} in {found:?}");
    }
    Ok(())
}

/// What the cache does for a customer who looks at a product that was sold a moment ago.
async fn request() -> String {
    let traced = Cache::current().trace(async {
        sell(7).await;
        (page(1).await, name(7).await, price(7).await, stock(7).await)
    });
    let traced = traced.await;
    assert!(traced.calls().any(|call| call.source == Source::Redis));
    traced.to_string()
}
