//! How long are `None` and errors kept? `None` like any value, errors not at all, unless `none_ttl`
//! and `err_ttl` say otherwise.

use std::time::Duration;

use cache_core::{Cache, cached, testing::ManualClock};

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the directory is down")]
struct Down;

/// Who is missing may appear soon, and a directory that is down needs a moment of rest.
#[cached(ttl = 5m, none_ttl = 10s, err_ttl = 1s)]
async fn phone(name: &str) -> Result<Option<u32>, Down> {
    look_up(name)
}

/// The same without the two options.
#[cached(ttl = 5m)]
async fn patient_phone(name: &str) -> Result<Option<u32>, Down> {
    look_up(name)
}

fn look_up(name: &str) -> Result<Option<u32>, Down> {
    match name {
        "Ada" => Ok(Some(1815)),
        "" => Err(Down),
        _ => Ok(None),
    }
}

const LOADED: bool = true;
const KEPT: bool = false;

fn loads(function: &str) -> u64 {
    let stats = Cache::current().stats();
    stats.function(function).map_or(0, |row| row.loads)
}

async fn show(clock: ManualClock) {
    // Whether each of the two functions had to load.
    let ask = async |seconds, name: &str| {
        clock.advance(Duration::from_secs(seconds));
        let before = (loads("phone"), loads("patient_phone"));
        let answer = phone(name).await;
        assert_eq!(answer, patient_phone(name).await);
        let is_load = (loads("phone") > before.0, loads("patient_phone") > before.1);
        let words = |is_load| if is_load { "loaded" } else { "kept" };
        let (with, without) = (words(is_load.0), words(is_load.1));
        println!("{seconds:>3} s later: {with:<6} / {without:<6} {name:?} is {answer:?}");
        is_load
    };
    assert_eq!(ask(0, "Ada").await, (LOADED, LOADED));
    assert_eq!(ask(299, "Ada").await, (KEPT, KEPT));
    assert_eq!(ask(2, "Ada").await, (LOADED, LOADED), "`ttl` has passed");

    assert_eq!(ask(0, "Bob").await, (LOADED, LOADED));
    assert_eq!(ask(9, "Bob").await, (KEPT, KEPT));
    assert_eq!(ask(2, "Bob").await, (LOADED, KEPT), "`none_ttl` has passed");

    assert_eq!(ask(0, "").await, (LOADED, LOADED));
    assert_eq!(ask(0, "").await, (KEPT, LOADED), "only `err_ttl` keeps it");
    assert_eq!(ask(2, "").await, (LOADED, LOADED), "`err_ttl` has passed");
}

#[tokio::main]
async fn main() -> Result<(), cache_core::Error> {
    // A clock moved by hand, so that this takes no five minutes.
    let clock = ManualClock::new();
    println!("with / without `none_ttl` and `err_ttl`");
    let cache = Cache::builder().clock(clock.clock()).build().await?;
    Cache::scope(cache, show(clock)).await;
    Ok(())
}
