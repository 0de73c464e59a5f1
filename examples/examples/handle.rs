//! How do I refresh, evict, look at or explain one call? Write the call, then say what to do with
//! it instead of plain `.await`.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use cache_core::{CachedCall, NotCached, Source, cached};

static PRICE: AtomicU32 = AtomicU32::new(10);

#[cached(ttl = 5m)]
async fn price(product: u32) -> u32 {
    PRICE.load(Relaxed) * product
}

#[tokio::main]
async fn main() -> Result<(), NotCached> {
    assert_eq!(price(1).peek().await, None, "`peek` never loads");
    assert_eq!(price(1).await, 10);
    assert_eq!(price(1).peek().await, Some(10));

    PRICE.store(20, Relaxed);
    assert_eq!(price(1).await, 10, "the cache does not know yet");
    assert_eq!(
        price(1).bypass().await?,
        20,
        "`bypass` asks the body and keeps nothing"
    );
    assert_eq!(price(1).await, 10);
    assert_eq!(price(1).refresh().await?, 20, "`refresh` loads and keeps");
    assert_eq!(price(1).await, 20);

    price(1).put(25).await?;
    assert_eq!(price(1).await, 25, "`put` keeps what you already know");

    price(1).evict().await?;
    assert_eq!(
        price(1).peek().await,
        None,
        "`evict` forgets, and the next call loads"
    );

    price(2).prefetch().await?;
    let explained = price(2).explain().await?;
    assert_ne!(
        explained.source,
        Source::Load,
        "`prefetch` has begun to load before the call"
    );

    println!("{}", price(1).explain().await?);
    println!("{}", price(1).explain().await?);
    println!("{}", price(2).explain().await?);

    // A future that is no cached call says so.
    println!(
        "{}",
        std::future::ready(1)
            .refresh()
            .await
            .expect_err("not a cached call")
    );
    Ok(())
}
