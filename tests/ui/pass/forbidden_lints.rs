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

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() {
    assert_eq!((square(0).await, square(4).await), (0, 16));
}
