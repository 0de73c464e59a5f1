//! A hot key whose load takes 50 ms and whose `ttl` is 500 ms, read every millisecond by eight callers: how long they
//! wait.

use std::time::{Duration, Instant};

use cache_core::{Cache, cached};

use crate::quantile;

const LOAD: Duration = Duration::from_millis(50);
const LASTS: Duration = Duration::from_secs(6);

/// One function for each strategy.
macro_rules! hot {
    ($($name:ident: [$($strategy:tt)*];)+) => {
        $(#[cached(ttl = 500ms, tiers = memory, $($strategy)*)]
        async fn $name(key: u64) -> Result<u64, String> {
            tokio::time::sleep(LOAD).await;
            Ok(key)
        })+

        pub(crate) async fn measure() {
            println!("### A hot key through its expiry: ttl 500 ms, load 50 ms, 8 callers for 6 s\n");
            println!("| strategy | p50 | p99 | p99.9 | most | loads |\n|:--|--:|--:|--:|--:|--:|");
            $(show(stringify!($name), $name).await;)+
            println!();
        }
    };
}

hot! {
    none: [strategy = read_through];
    refresh_ahead: [strategy = refresh_ahead(0.8)];
    early_expiration: [strategy = early_expiration];
    stale_while_revalidate: [strategy = stale_while_revalidate(1s)];
    soft_timeout: [strategy = stale_if_error(1m), soft_timeout = 5ms];
}

async fn show<F>(name: &str, call: impl Fn(u64) -> F + Copy + Send + 'static)
where
    F: Future<Output = Result<u64, String>> + Send,
{
    let cache = Cache::builder().build().await.expect("it is in memory");
    let until = Instant::now() + LASTS;
    let callers = (0..8).map(|_| {
        let cache = cache.clone();
        tokio::spawn(Cache::scope(cache, async move {
            let mut waits = Vec::new();
            while Instant::now() < until {
                let begun = Instant::now();
                call(1).await.expect("it does not fail");
                waits.push(begun.elapsed());
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            waits
        }))
    });
    let mut waits = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        waits.extend(caller.await.expect("it does not panic"));
    }
    waits.sort_unstable();
    let stats = cache.stats();
    let loads = stats.functions.first().map_or(0, |row| row.loads);
    let shown = [0.5, 0.99, 0.999, 1.0].map(|part| {
        let wait = quantile(&waits, part);
        format!("{:.3} ms", wait.as_secs_f64() * 1e3)
    });
    println!("| {name} | {} | {loads} |", shown.join(" | "));
}
