//! Keys of all kinds that another process is told of are those of its entries, at hand or not.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    missing_docs,
    missing_debug_implementations,
    reason = "a test may fail"
)]

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use cache_core::{Cache, CacheKey, CachedCall, cached};
use tests::{
    rows::{ms, within},
    server::Server,
};
use tokio::time::sleep;

static SOURCE: AtomicU64 = AtomicU64::new(0);

#[derive(Clone, CacheKey)]
pub enum Kind {
    Plain,
    Named { name: String, tail: Vec<u8> },
}

#[derive(Clone, CacheKey)]
pub struct Many {
    wide: u128,
    digest: [u8; 32],
    short: [u8; 3],
    none: Option<u64>,
    some: Option<String>,
    kind: Kind,
    map: BTreeMap<String, Vec<u16>>,
    span: Duration,
    at: IpAddr,
    empty: String,
    pair: (bool, char),
}

fn size(n: u64) -> usize {
    usize::try_from(n).unwrap()
}

fn many(n: u64) -> Many {
    Many {
        wide: u128::from(n) << 70 | 1,
        digest: [n.to_le_bytes()[0]; 32],
        short: [1, 2, n.to_le_bytes()[0]],
        none: None,
        some: Some("x".repeat(size(n) * 37 % 300)),
        kind: if n.is_multiple_of(2) {
            Kind::Plain
        } else {
            Kind::Named {
                name: format!("n{n}"),
                tail: vec![7; size(n) % 20],
            }
        },
        map: [(format!("{n}:"), vec![1, 2]), (String::new(), vec![])].into(),
        span: Duration::from_millis(n),
        at: if n.is_multiple_of(2) {
            "::1".parse().unwrap()
        } else {
            "10.0.0.1".parse().unwrap()
        },
        empty: String::new(),
        pair: (true, 'é'),
    }
}

#[cached(ttl = 1h, tiers = memory)]
async fn by_many(key: Many) -> u64 {
    let _ = key;
    SOURCE.load(SeqCst)
}

#[cached(ttl = 1h, tiers = memory, key = "{left}/{right}")]
async fn by_text(left: String, right: u64) -> u64 {
    let _ = (left, right);
    SOURCE.load(SeqCst)
}

#[cached(ttl = 1h, tiers = memory, batch(id in ids))]
async fn batched(tenant: String, ids: Vec<(u64, String)>) -> HashMap<(u64, String), u64> {
    let _ = tenant;
    ids.into_iter()
        .map(|id| (id, SOURCE.load(SeqCst)))
        .collect()
}

async fn on(url: String) -> Cache {
    Cache::builder()
        .namespace("test")
        .redis(url)
        .require_redis()
        .build()
        .await
        .unwrap()
}

#[tokio::test]
async fn what_is_evicted_elsewhere_leaves_memory_whatever_its_key_is_made_of() {
    let server = Server::start();
    let (here, there) = (on(server.url()).await, on(server.other_url()).await);
    let ids = |n: u64| vec![(n, "é:".repeat(size(n) % 30)), (n + 1_000, String::new())];
    let all = async |cache: &Cache, n: u64| {
        within(cache, async {
            let batch = batched(format!("t{n}"), ids(n)).await;
            let [one, two] = ids(n).try_into().unwrap();
            [
                by_many(many(n)).await,
                by_text(format!("a%{n}"), n).await,
                batch[&one],
                batch[&two],
            ]
        })
        .await
    };
    for n in 0..60 {
        let before = SOURCE.load(SeqCst);
        for _ in 0..60 {
            // At hand.
            assert_eq!(all(&there, n).await, [before; 4]);
        }
        within(&here, all(&here, n)).await;
        let now = SOURCE.fetch_add(1, SeqCst) + 1;
        within(&here, async {
            by_many(many(n)).evict().await.unwrap();
            by_text(format!("a%{n}"), n).evict().await.unwrap();
            batched(format!("t{n}"), ids(n)).evict().await.unwrap();
        })
        .await;
        assert_eq!(all(&here, n).await, [now; 4], "{n}");
        for _ in 0..200 {
            if all(&there, n).await == [now; 4] {
                break;
            }
            sleep(ms(10)).await;
        }
        assert_eq!(all(&there, n).await, [now; 4], "{n}");
    }
}
