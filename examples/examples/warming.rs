//! Loads the values of ten thousand keys before anybody asks, with a progress bar.
//!
//! `cargo run -p examples --example warming`

use std::time::Duration;

use cache_core::{Cache, cached};
use indicatif::{ProgressBar, ProgressStyle};

#[cached(ttl = 1h, max_concurrent_loads = 100)]
async fn product(id: u64) -> Option<String> {
    tokio::time::sleep(Duration::from_millis(5)).await;
    (!id.is_multiple_of(7)).then(|| format!("product {id}"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bar = ProgressBar::new(10_000);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}")?);
    let shown = bar.clone();
    let warmed = Cache::current()
        .warm((0..10_000).map(product))
        .at_once(100)
        .on_progress(move |so_far| {
            shown.set_position(so_far.done() as u64);
            shown.set_message(format!("{} failed", so_far.failed));
        })
        .run()
        .await;
    bar.finish();
    println!("{warmed}");
    assert_eq!((warmed.loaded, warmed.failed), (10_000, 0));
    let again = Cache::current().warm((0..10_000).map(product)).run().await;
    assert_eq!(again.in_memory, 10_000, "what is fresh is not loaded again");
    Ok(())
}
