//! The crate under another name, and behind another crate's re-export.
#![deny(warnings, clippy::pedantic)]

use cache_core as other;

pub(crate) mod vendored {
    pub(crate) use cache_core::{self};

    pub(crate) mod prelude {
        pub(crate) use cache_core::cached as memoized;
    }
}

use vendored::prelude::memoized;

#[other::cached(crate = other, ttl = 1h)]
async fn square(n: u64) -> u64 {
    n * n
}

#[other::cached(crate = crate::vendored::cache_core, ttl = 1h)]
async fn cube(n: u64) -> u64 {
    n * n * n
}

#[memoized(crate = self::vendored::cache_core, ttl = 1h)]
async fn root(n: &u64) -> u64 {
    n.isqrt()
}

#[memoized(crate = ::cache_core, ttl = 1h)]
async fn half(n: u64) -> u64 {
    n / 2
}

mod inner {
    #[super::memoized(crate = super::other, ttl = 1h, none_ttl = 1m, codec = json)]
    pub(super) async fn third(n: u64) -> Option<u64> {
        Some(n / 3)
    }
}

#[derive(other::CacheKey)]
#[cache_key(crate = other)]
struct Page(u64);

#[other::cached(crate = other, ttl = 1h)]
async fn number(page: Page) -> u64 {
    page.0
}

async fn calls(n: u64) {
    assert_eq!(square(n).await, n * n);
    assert_eq!(cube(n).await, n * n * n);
    assert_eq!(root(&(n * n)).await, n);
    assert_eq!(half(2 * n).await, n);
    assert_eq!(inner::third(3 * n).await, Some(n));
    assert_eq!(number(Page(n)).await, n);
}

#[tokio::main]
pub(crate) async fn main() {
    assert_eq!(tests::loads_by_key(calls).await, [6, 0, 6]);
}
