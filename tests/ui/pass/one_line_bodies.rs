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
async fn unit(n: u64) { assert_eq!(n, 7) }

#[cached(ttl = 1h)]
async fn statement(n: u64) { assert_eq!(n, 7); }

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

#[tokio::main]
pub(crate) async fn main() {
    for _ in 0..2 {
        assert_eq!(one().await, 1);
        assert_eq!(same(2).await, 2);
        assert_eq!(text("Ada").await, 3);
        assert_eq!(pair((4, 5)).await, 4);
        assert_eq!(call(5).await, 5);
        assert_eq!(matched(6).await, 6);
        unit(7).await;
        statement(7).await;
        nothing(7).await;
        nothing_at_all().await;
        assert_eq!(asked("8").await, Some(8));
        assert_eq!(closure(9).await, 10);
        assert_eq!(structure(9).await, Point { n: 9 });
    }
}
