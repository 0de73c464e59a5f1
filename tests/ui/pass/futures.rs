//! Calls are futures as those of plain functions: `Send`, boxed, joined, recursive through a box.
#![deny(warnings, clippy::pedantic)]

use std::pin::Pin;

use cache_core::{CachedCall, NotCached, cached};

#[cached(ttl = 1h)]
async fn square(n: u64) -> u64 {
    n * n
}

#[cached(ttl = 1h)]
async fn length(text: &str) -> usize {
    text.len()
}

fn again(n: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(factorial(n))
}

#[cached(ttl = 1h)]
async fn factorial(n: u64) -> u64 {
    if n == 0 { 1 } else { n * again(n - 1).await }
}

fn is_send<T: Send>(future: T) -> T {
    future
}

async fn handles() -> Result<(), NotCached> {
    square(7).put(50).await?;
    assert_eq!(square(7).peek().await, Some(50));
    assert_eq!(square(7).refresh().await?, 49);
    assert_eq!(square(7).bypass().await?, 49);
    square(7).prefetch().await?;
    assert_eq!(square(7).explain().await?.value, 49);
    square(7).evict().await?;
    assert_eq!(square(7).peek().await, None);
    Ok(())
}

async fn calls(n: u64) {
    assert_eq!(tokio::join!(square(n), square(n)), (n * n, n * n));
    assert_eq!(is_send(length(&n.to_string())).await, 1);
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), NotCached> {
    assert_eq!(tests::loads_by_key(calls).await, [2, 0, 2]);
    assert_eq!(is_send(square(2)).await, 4);
    let text = String::from("Ada");
    assert_eq!(is_send(length(&text)).await, 3);
    assert_eq!(tokio::spawn(square(3)).await.unwrap(), 9);
    let boxed: Pin<Box<dyn Future<Output = u64> + Send>> = Box::pin(square(4));
    assert_eq!(boxed.await, 16);
    assert_eq!(tokio::join!(square(5), square(5)), (25, 25));
    assert_eq!(factorial(5).await, 120);
    let function: fn(u64) -> _ = square;
    assert_eq!(function(6).await, 36);
    handles().await
}
