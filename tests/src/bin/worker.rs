//! A process of its own: calls a cached function and says where the answer came from.
//!
//! `REDIS_URL=.. worker 7` prints `from Redis: 49` or `loaded: 49`.

use std::{env, time::Duration};

use cache_core::{Cache, CachedCall, cached};

#[cached(ttl = 1h)]
async fn square(n: u64) -> u64 {
    n * n
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let n = env::args().nth(1).unwrap_or_default().parse()?;
    let cache = Cache::builder().redis(env::var("REDIS_URL")?);
    let cache = cache.require_redis().build().await?;
    cache.clone().install()?;
    let answer = square(n).explain().await?;
    println!("{}: {}", answer.source, answer.value);
    let left = cache.close(Duration::from_secs(5)).await;
    assert_eq!(left.fills, 0, "all is sent");
    Ok(())
}
