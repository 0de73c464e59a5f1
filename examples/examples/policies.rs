//! How do I change lifetimes and strategies without compiling? Read them from a configuration, by the names of the
//! functions.
//!
//! `cargo run -p examples --example policies`

use std::{collections::HashMap, time::Duration};

use cache_core::{Cache, CachedCall, Policy, Source, cached, testing::ManualClock};

#[cached(ttl = 5m)]
async fn price(product: u32) -> u32 {
    product * 10
}

#[cached(ttl = 5m)]
async fn stock(product: u32) -> u32 {
    product % 7
}

/// As it stands in a file.
const CONFIGURATION: &str = r#"{
    "price": { "ttl": "1h30m", "stale_while_revalidate": "10m" },
    "stock": { "off": true }
}"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let policies: HashMap<String, Policy> = serde_json::from_str(CONFIGURATION)?;
    let clock = ManualClock::new();
    let builder = Cache::builder().clock(clock.clock());
    let cache = builder.policies(policies).build().await?;
    let shown = async {
        price(1).await;
        clock.advance(Duration::from_mins(89));
        assert_eq!(price(1).peek().await, Some(10), "its attribute says 5 m");
        clock.advance(Duration::from_mins(5));
        let explained = price(1).explain().await?;
        assert!(explained.stale.is_some(), "served, and loaded anew");

        stock(1).await;
        assert_eq!(stock(1).peek().await, None, "it is off");
        let explained = stock(1).explain().await?;
        assert_eq!(explained.source, Source::Uncached);
        Ok(())
    };
    let shown: Result<_, Box<dyn std::error::Error>> = Cache::scope(cache.clone(), shown).await;
    println!("{}", cache.stats());

    // Whatever the configuration says, a request may go without: all that it calls runs its body.
    let request = async { (price(1).await, price(1).await) };
    Cache::scope(Cache::disabled(), request).await;
    assert_eq!(Cache::current().stats().entries, 0);
    shown
}
