//! A thousand keys that Redis has and memory has not: in one call, in a thousand calls at once, and by a bare `MGET`.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use cache_core::{Cache, cached};

use crate::median;

const KEYS: u64 = 1_000;
const ROUNDS: usize = 15;

#[cached(ttl = 1h, batch(id in ids, max = 1000))]
async fn many(ids: &[u64]) -> HashMap<u64, String> {
    ids.iter().map(|id| (*id, value(*id))).collect()
}

#[cached(ttl = 1h)]
async fn one(id: u64) -> String {
    value(id)
}

fn value(id: u64) -> String {
    format!("{id:0>100}")
}

pub(crate) async fn measure(url: &str) {
    let cache = Cache::builder().redis(url).build();
    let cache = cache.await.expect("the server takes us");
    let ids: Vec<u64> = (0..KEYS).collect();
    let client = redis::Client::open(url).expect("it is a URL");
    let connection = client.get_multiplexed_async_connection();
    let mut connection = connection.await.expect("the server takes us");
    let names: Vec<String> = ids.iter().map(|id| format!("bare:{id}")).collect();
    let mut set = redis::cmd("MSET");
    for (id, name) in ids.iter().zip(&names) {
        set.arg(name).arg(value(*id));
    }
    let () = set
        .query_async(&mut connection)
        .await
        .expect("there is room");
    let (mut batch, mut single, mut bare, mut hit) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    Cache::scope(cache.clone(), async {
        many(&ids).await;
        futures::future::join_all(ids.iter().map(|id| one(*id))).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        for _ in 0..ROUNDS {
            cache.clear();
            batch.push(timed(many(&ids)).await);
            hit.push(timed(many(&ids)).await);
            single.push(timed(futures::future::join_all(ids.iter().map(|id| one(*id)))).await);
            let mut get = redis::cmd("MGET");
            get.arg(&names);
            bare.push(timed(get.query_async::<Vec<String>>(&mut connection)).await);
        }
    })
    .await;
    assert_eq!(tests::loads(&cache), 2 * KEYS, "Redis has them all");
    let bare = median(bare);
    println!("### {KEYS} keys of 100 bytes that Redis has: medians of {ROUNDS} rounds\n");
    println!("| | ms | x `MGET` |\n|:--|--:|--:|");
    for (name, time) in [
        ("a bare `MGET`, without a cache", bare),
        ("one call of all", median(batch)),
        ("a call for each, at once", median(single)),
        ("one call of all, that memory answers", median(hit)),
    ] {
        let ratio = time.as_secs_f64() / bare.as_secs_f64();
        println!("| {name} | {:.2} | {ratio:.1} |", time.as_secs_f64() * 1e3);
    }
    println!();
}

async fn timed<F: Future>(future: F) -> Duration {
    let begun = Instant::now();
    let output = future.await;
    let took = begun.elapsed();
    drop(output);
    took
}
