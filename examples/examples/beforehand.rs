//! How do I load before somebody asks? Have a call begin the next one, or begin one by hand; `warming` shows how to do so
//! with thousands.
//!
//! `cargo run -p examples --example beforehand`

use std::time::Duration;

use cache_core::{Cache, CachedCall, Error, cached};
use tokio::time::sleep;

/// Who reads a page reads the next one soon.
#[cached(ttl = 5m, prefetch = page(number + 1))]
async fn page(number: u32) -> String {
    format!("page {number}")
}

#[cached(ttl = 5m)]
async fn cover(book: u32) -> String {
    format!("the cover of {book}")
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    assert_eq!(page(1).await, "page 1");
    while page(2).peek().await.is_none() {
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(page(3).peek().await, None, "what is begun so begins none");

    // `prefetch` does not wait for the load.
    cover(1).prefetch().await.expect("it is a cached call");
    while cover(1).peek().await.is_none() {
        sleep(Duration::from_millis(1)).await;
    }
    println!("{}", Cache::current().stats());
    Ok(())
}
