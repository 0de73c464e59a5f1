//! The crate under another name, and behind another crate's re-export.
#![deny(warnings)]

use cache_core as other;

mod vendored {
    pub(crate) use cache_core;
}

mod cache_core_is_shadowed {
    #[allow(dead_code)]
    mod cache_core {}
    #[allow(dead_code)]
    mod core {}
    #[allow(dead_code)]
    mod std {}

    #[other::cached(ttl = 1h)]
    pub(crate) async fn square(n: u64) -> u64 {
        n * n
    }

    use super::other;
}

#[other::cached(crate = other, ttl = 1h)]
async fn square(n: u64) -> u64 {
    n * n
}

#[other::cached(crate = crate::vendored::cache_core, ttl = 1h)]
async fn cube(n: u64) -> u64 {
    n * n * n
}

#[derive(other::CacheKey)]
#[cache_key(crate = other)]
struct Page(u64);

#[other::cached(crate = other, ttl = 1h)]
async fn number(page: Page) -> u64 {
    page.0
}

#[tokio::main]
async fn main() {
    for _ in 0..2 {
        assert_eq!(square(2).await, 4);
        assert_eq!(cube(2).await, 8);
        assert_eq!(number(Page(7)).await, 7);
        assert_eq!(cache_core_is_shadowed::square(2).await, 4);
    }
}
