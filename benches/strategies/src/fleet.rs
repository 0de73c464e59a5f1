//! Processes that read one key all the time through five expiries: how many loads each takes. Each process is a cache
//! with connections of its own. The first load is not counted: all begin with its value.

use std::time::{Duration, Instant};

use cache_core::{Cache, cached};

const LOAD: Duration = Duration::from_millis(20);
const EXPIRIES: u32 = 5;

/// One function for each way.
macro_rules! read {
    ($($name:ident: [$($strategy:tt)*];)+) => {
        $(#[cached(ttl = 2s, $($strategy)*)]
        async fn $name(key: u64) -> u64 {
            tokio::time::sleep(LOAD).await;
            key
        })+

        pub(crate) async fn measure(url: &str) {
            println!("### Loads per expiry: ttl 2 s, load 20 ms\n");
            println!("| | 1 process | 4 | 16 |\n|:--|--:|--:|--:|");
            $(
                let mut shown = Vec::new();
                for processes in [1, 4, 16] {
                    let loads = loads(url, stringify!($name), processes, $name).await;
                    shown.push(format!("{loads:.1}"));
                }
                println!("| {} | {} |", stringify!($name), shown.join(" | "));
            )+
            println!();
        }
    };
}

read! {
    read_through: [strategy = read_through];
    read_through_fleet: [strategy = read_through, fleet];
    refresh_ahead: [strategy = refresh_ahead(0.6)];
    refresh_ahead_fleet: [strategy = refresh_ahead(0.6), fleet];
    early_expiration: [strategy = early_expiration];
}

async fn loads<F>(
    url: &str,
    name: &str,
    processes: usize,
    call: impl Fn(u64) -> F + Copy + Send + 'static,
) -> f64
where
    F: Future<Output = u64> + Send,
{
    let mut caches = Vec::new();
    for number in 0..processes {
        // Another text is another process to the cache.
        let url = format!("{url}{}", if number % 2 == 0 { "/" } else { "" });
        let builder = Cache::builder().namespace(format!("{name}{processes}"));
        caches.push(
            builder
                .redis(url)
                .build()
                .await
                .expect("the server takes us"),
        );
    }
    Cache::scope(caches[0].clone(), call(1)).await;
    // It is on its way to Redis.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let until = Instant::now() + Duration::from_secs(2) * EXPIRIES;
    let callers = caches.iter().map(|cache| {
        tokio::spawn(Cache::scope(cache.clone(), async move {
            while Instant::now() < until {
                call(1).await;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }))
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.expect("it does not panic");
    }
    let loads = caches.iter().map(tests::loads).sum::<u64>() - 1;
    f64::from(u32::try_from(loads).unwrap_or(u32::MAX)) / f64::from(EXPIRIES)
}
