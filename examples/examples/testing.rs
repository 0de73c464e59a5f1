//! How do I test code that caches? Give each test a cache of its own and a clock that you move.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use cache_core::{Cache, cached, testing::ManualClock};

/// What a test puts in the place of the real thing.
#[derive(Clone, Default)]
struct Fake {
    requests: Arc<AtomicU32>,
}

/// The code to test.
#[cached(ttl = 1m, skip(source))]
async fn greeting(source: &Fake, name: &str) -> String {
    source.requests.fetch_add(1, Relaxed);
    format!("Hello, {name}")
}

async fn two_calls_make_one_request() {
    let source = Fake::default();
    greeting(&source, "Ada").await;
    greeting(&source, "Ada").await;
    assert_eq!(source.requests.load(Relaxed), 1);
}

async fn a_greeting_expires_after_a_minute(clock: ManualClock) {
    let source = Fake::default();
    greeting(&source, "Ada").await;
    clock.advance(Duration::from_secs(59));
    greeting(&source, "Ada").await;
    assert_eq!(source.requests.load(Relaxed), 1);
    clock.advance(Duration::from_secs(2));
    greeting(&source, "Ada").await;
    assert_eq!(source.requests.load(Relaxed), 2);
}

/// Where caching is not what is tested, nothing is kept.
async fn without_a_cache_every_call_is_a_request() {
    let source = Fake::default();
    greeting(&source, "Ada").await;
    greeting(&source, "Ada").await;
    assert_eq!(source.requests.load(Relaxed), 2);
}

#[tokio::main]
async fn main() -> Result<(), cache_core::Error> {
    // In your tests each of these is a `#[tokio::test]`. They ask for the same key at the same time,
    // and none sees the entries of another.
    let clock = ManualClock::new();
    let own = Cache::builder().build().await?;
    let timed = Cache::builder().clock(clock.clock()).build().await?;
    tokio::join!(
        Cache::scope(own, two_calls_make_one_request()),
        Cache::scope(timed, a_greeting_expires_after_a_minute(clock)),
        Cache::scope(Cache::disabled(), without_a_cache_every_call_is_a_request()),
    );
    println!("three tests passed side by side");
    Ok(())
}
