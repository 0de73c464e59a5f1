//! How long is a value fresh, and is it kept at all? What it is may decide that. What was loaded together does not expire
//! together.
//!
//! `cargo run -p examples --example lifetimes`

use std::{collections::HashSet, time::Duration};

use cache_core::{Cache, CachedCall, NotCached, cached, testing::ManualClock};

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Token {
    text: String,
    seconds: u64,
}

/// A token says itself how long it is good for. One that is about to end is of no use to others.
#[cached(
    ttl = |token| Duration::from_secs(token.seconds),
    keep_if = |token| token.seconds > 10
)]
async fn token(user: u64) -> Token {
    Token {
        text: format!("the token of {user}"),
        seconds: user,
    }
}

#[cached(ttl = 1000s)]
async fn product(id: u64) -> String {
    format!("product {id}")
}

async fn what_the_value_says(clock: &ManualClock) {
    let first = token(300).await;
    clock.advance(Duration::from_secs(299));
    assert_eq!(token(300).peek().await, Some(first));
    clock.advance(Duration::from_secs(1));
    assert_eq!(token(300).peek().await, None, "its five minutes are over");

    token(10).await;
    assert_eq!(token(10).peek().await, None, "it was not kept");
}

/// Under a clock that is moved by hand there is none of this.
async fn jitter() -> Result<(), NotCached> {
    let mut lifetimes = HashSet::new();
    for id in 0..100 {
        product(id).await;
        let explained = product(id).explain().await?;
        let left = explained.time_left.expect("it was kept");
        let life = (left + explained.age).as_secs();
        assert!((899..=1000).contains(&life), "up to a tenth shorter");
        lifetimes.insert(life);
    }
    assert!(lifetimes.len() > 10, "each key has its own");
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let clock = ManualClock::new();
    let timed = Cache::builder().clock(clock.clock()).build().await?;
    Cache::scope(timed, what_the_value_says(&clock)).await;
    jitter().await?;
    println!("{}", Cache::current().stats());
    Ok(())
}
