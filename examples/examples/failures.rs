//! What do callers get while loads fail? The value of before, for as long as the strategy says; and the error may be kept
//! for a moment as well.
//!
//! `cargo run -p examples --example failures`

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use cache_core::{
    Cache, CachedCall, Event, Stale, cached,
    testing::{FakeRedis, Fault, ManualClock, Operation},
};

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
enum Trouble {
    #[error("the service is down")]
    Down,
    #[error("there is no such product")]
    NoProduct,
}

impl Trouble {
    fn is_temporary(&self) -> bool {
        *self == Self::Down
    }
}

/// What the service answers.
static ANSWER: Mutex<Result<u64, Trouble>> = Mutex::new(Ok(10));
static QUESTIONS: AtomicU64 = AtomicU64::new(0);

fn answer(next: Result<u64, Trouble>) {
    *ANSWER.lock().expect("nobody panics") = next;
}

fn ask() -> Result<u64, Trouble> {
    QUESTIONS.fetch_add(1, Relaxed);
    ANSWER.lock().expect("nobody panics").clone()
}

/// While the service is down, the price of before is served. That there is no such product is the truth, which no old price
/// hides.
#[cached(ttl = 1m, strategy = stale_if_error(1h, Trouble::is_temporary))]
async fn price(product: u64) -> Result<u64, Trouble> {
    ask()
}

/// Who asks for what is not there does so again and again; a service that is down may be back at any moment.
#[cached(
    ttl = 1m,
    err_ttl = |error| if error.is_temporary() { Duration::ZERO } else { Duration::from_mins(5) }
)]
async fn weight(product: u64) -> Result<u64, Trouble> {
    ask()
}

/// A product is another one.
#[derive(Debug, Event)]
pub struct ProductChanged {
    /// Which.
    pub id: u64,
}

/// The same as `price`, and where Redis is down as well nobody knows whether the product has changed: old is better than
/// none.
#[cached(ttl = 1m, strategy = stale_if_error(1h, unproven), invalidate_on = ProductChanged { id })]
async fn stock(id: u64) -> Result<u64, Trouble> {
    ask()
}

/// Without `unproven`.
#[cached(ttl = 1m, strategy = stale_if_error(1h), invalidate_on = ProductChanged { id })]
async fn rating(id: u64) -> Result<u64, Trouble> {
    ask()
}

async fn an_old_price_in_place_of_an_error(
    clock: &ManualClock,
) -> Result<(), Box<dyn std::error::Error>> {
    answer(Ok(10));
    assert_eq!(price(1).await, Ok(10));
    clock.advance(Duration::from_mins(2));
    answer(Err(Trouble::Down));
    let explained = price(1).explain().await?;
    assert_eq!(explained.value, Ok(10));
    assert_eq!(explained.stale, Some(Stale::Failed));

    let questions = QUESTIONS.load(Relaxed);
    for _ in 0..100 {
        assert_eq!(price(1).await, Ok(10));
    }
    assert_eq!(QUESTIONS.load(Relaxed), questions, "it has a rest");
    clock.advance(Duration::from_secs(10));
    assert_eq!(price(1).await, Ok(10));
    assert_eq!(QUESTIONS.load(Relaxed), questions + 1, "of 10 s");

    clock.advance(Duration::from_secs(10));
    answer(Err(Trouble::NoProduct));
    assert_eq!(price(1).await, Err(Trouble::NoProduct));
    answer(Err(Trouble::Down));
    clock.advance(Duration::from_hours(1));
    assert_eq!(price(1).await, Err(Trouble::Down), "too old for anybody");
    answer(Ok(20));
    assert_eq!(price(1).await, Ok(20));
    Ok(())
}

async fn errors_that_are_kept(clock: &ManualClock) {
    answer(Err(Trouble::NoProduct));
    assert_eq!(weight(1).await, Err(Trouble::NoProduct));
    answer(Err(Trouble::Down));
    assert_eq!(weight(1).await, Err(Trouble::NoProduct), "for five minutes");
    clock.advance(Duration::from_mins(5));
    assert_eq!(weight(1).await, Err(Trouble::Down));
    answer(Ok(30));
    assert_eq!(weight(1).await, Ok(30), "that was not kept");
}

async fn what_nobody_can_prove(clock: &ManualClock, redis: &FakeRedis) {
    answer(Ok(5));
    assert_eq!((stock(1).await, rating(1).await), (Ok(5), Ok(5)));
    // Everything is down: what was emitted meanwhile, nobody has heard of.
    redis.disconnect();
    redis.inject(Operation::Read, Fault::Fail);
    answer(Err(Trouble::Down));
    clock.advance(Duration::from_mins(2));
    assert_eq!(stock(1).await, Ok(5));
    assert_eq!(rating(1).await, Err(Trouble::Down));
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A clock moved by hand, so that this takes no hours.
    let clock = ManualClock::new();
    let redis = FakeRedis::on(&clock);
    let builder = Cache::builder().clock(clock.clock()).fake_redis(&redis);
    let cache = builder.build().await?;
    let shown = async {
        an_old_price_in_place_of_an_error(&clock).await?;
        errors_that_are_kept(&clock).await;
        what_nobody_can_prove(&clock, &redis).await;
        Ok(())
    };
    let shown: Result<_, Box<dyn std::error::Error>> = Cache::scope(cache.clone(), shown).await;
    println!("{}", cache.stats());
    shown
}
