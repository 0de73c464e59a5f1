//! Bodies of one line, whose braces the compiler could take for needless.
#![deny(warnings, clippy::pedantic)]

use std::iter::once;

use cache_core::cached;
use serde::{Deserialize, Serialize};

#[cached(ttl = 1h)]
async fn one() -> u64 { 1 }

#[cached(ttl = 1h)]
async fn same(n: u64) -> u64 { n }

#[cached(ttl = 1h)]
async fn text(n: &str) -> usize { n.len() }

#[cached(ttl = 1h)]
async fn pair((a, _b): (u64, u64)) -> u64 { a }

#[cached(ttl = 1h)]
async fn call(n: u64) -> u64 { same(n).await }

#[cached(ttl = 1h)]
async fn matched(n: u64) -> u64 { match n { 0 => 1, _ => n } }

#[cached(ttl = 1h)]
async fn unit(n: u64) { assert_ne!(n, 7) }

#[cached(ttl = 1h)]
async fn statement(n: u64) { assert_ne!(n, 7); }

#[cached(ttl = 1h)]
async fn nothing(_n: u64) {}

#[cached(ttl = 1h)]
async fn nothing_at_all() {}

#[cached(ttl = 1h)]
async fn asked(n: &str) -> Option<u64> { n.parse().ok() }

#[cached(ttl = 1h)]
async fn closure(n: u64) -> u64 { once(n).map(|n| n + 1).sum() }

#[cached(ttl = 1h)]
async fn structure(n: u64) -> Point { Point { n } }

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Point { n: u64 }

async fn calls(n: u64) {
    assert_eq!(one().await, 1);
    assert_eq!(same(n).await, n);
    assert_eq!(text(&n.to_string()).await, 1);
    assert_eq!(pair((n, 5)).await, n);
    assert_eq!(call(n).await, n);
    assert_eq!(matched(n).await, n);
    unit(n).await;
    statement(n).await;
    nothing(n).await;
    nothing_at_all().await;
    assert_eq!(asked(&n.to_string()).await, Some(n));
    assert_eq!(closure(n).await, n + 1);
    assert_eq!(structure(n).await, Point { n });
}

#[tokio::main]
pub(crate) async fn main() {
    let without_arguments = 2;
    assert_eq!(tests::loads_by_key(calls).await, [13, 0, 13 - without_arguments]);
}
