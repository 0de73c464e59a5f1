//! A price that a slow and unreliable service knows: what its callers wait for, and what they get when it fails.
//!
//! `cargo run -p examples --example strategies`

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use cache_core::{Cache, CachedCall, TimedOut, cached};

#[derive(Clone, Debug, thiserror::Error)]
enum PriceError {
    #[error("the service is down")]
    Down,
    #[error("no answer: {0}")]
    Late(#[from] TimedOut),
}

/// The service: it answers after 100 ms, is down from the third call on, and hangs from the fifth on.
async fn ask(product: u64) -> Result<u64, PriceError> {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let call = CALLS.fetch_add(1, Relaxed) + 1;
    tokio::time::sleep(Duration::from_millis(if call < 5 { 100 } else { 10_000 })).await;
    if call < 3 {
        Ok(product * 100 + call)
    } else {
        Err(PriceError::Down)
    }
}

#[cached(
    ttl = 1s,
    strategy = [refresh_ahead(0.5), stale_while_revalidate(500ms), stale_if_error(1h)],
    soft_timeout = 50ms,
    timeout = 300ms,
    tiers = memory
)]
async fn price(product: u64) -> Result<u64, PriceError> {
    ask(product).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let begun = Instant::now();
    for wait in [0, 600, 200, 700, 600, 1_200] {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let called = Instant::now();
        let explained = price(7).explain().await?;
        println!(
            "after {:4} ms: {:?} in {} ms, stale: {:?}",
            begun.elapsed().as_millis(),
            explained.value,
            called.elapsed().as_millis(),
            explained.stale,
        );
    }
    println!("\n{}", Cache::current().stats());
    Ok(())
}
