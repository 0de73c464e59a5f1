//! Bodies of one line, whose braces the compiler could take for needless.
#![deny(warnings)]

use cache_core::cached;

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

#[tokio::main]
async fn main() {
    for _ in 0..2 {
        assert_eq!(one().await, 1);
        assert_eq!(same(2).await, 2);
        assert_eq!(text("Ada").await, 3);
        assert_eq!(pair((4, 5)).await, 4);
        assert_eq!(call(5).await, 5);
        assert_eq!(matched(6).await, 6);
        unit(7).await;
        statement(7).await;
    }
}
