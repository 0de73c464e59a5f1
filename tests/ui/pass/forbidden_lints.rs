//! A lint that is forbidden, which nothing in the expansion may allow.
#![deny(warnings, clippy::pedantic)]
#![forbid(unreachable_code)]

use cache_core::cached;

#[cached(ttl = 5m)]
async fn square(n: u64) -> u64 {
    if n == 0 {
        return 0;
    }
    n * n
}

async fn calls(n: u64) {
    assert_eq!((square(0).await, square(n).await), (0, n * n));
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() {
    assert_eq!(tests::loads_by_key(calls).await, [2, 0, 1]);
}
