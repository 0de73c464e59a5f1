//! A hit allocates nothing, and misses leave nothing behind.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use allocation_counter::measure;
use cache_core::{Cache, cached};

struct Shop;

#[cached(ttl = 1h)]
async fn by_number(id: u64) -> Arc<str> {
    id.to_string().into()
}

#[cached(ttl = 1h)]
async fn by_text(id: u64, name: &str, tags: &[&str]) -> Result<Option<Arc<str>>, String> {
    Ok(Some(format!("{id}{name}{tags:?}").into()))
}

#[cached(ttl = 1h, skip(shop))]
async fn by_three(shop: &Shop, id: u64, name: String, flag: bool) -> u64 {
    let _ = shop;
    id + name.len() as u64 + u64::from(flag)
}

impl Shop {
    #[cached(ttl = 1h, skip(self))]
    async fn method(&self, id: u64) -> u64 {
        id
    }
}

/// Polls a call once: a hit is ready, without a wake and without a runtime.
fn hit<F: Future>(call: F) -> F::Output {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a hit awaits nothing"),
    }
}

#[test]
fn a_hit_allocates_nothing_and_awaits_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let name = "a name of more than twenty-eight bytes";
    runtime.block_on(async {
        by_number(1).await;
        by_text(1, name, &["a", "b"]).await.unwrap();
        by_three(&Shop, 1, String::new(), true).await;
        Shop.method(1).await;
    });
    drop(runtime);
    let loads = || {
        Cache::current()
            .stats()
            .functions
            .iter()
            .map(|row| row.loads)
            .sum::<u64>()
    };
    let before = loads();
    let counted = measure(|| {
        for _ in 0..1_000 {
            assert_eq!(&*hit(by_number(1)), "1");
            assert!(hit(by_text(1, name, &["a", "b"])).is_ok());
            assert_eq!(hit(by_three(&Shop, 1, String::new(), true)), 2);
            assert_eq!(hit(Shop.method(1)), 1);
        }
    });
    assert_eq!(counted.count_total, 0);
    assert_eq!(loads(), before);
}

#[test]
fn a_cache_that_is_dropped_leaves_no_memory_behind() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let round = || {
        runtime.block_on(async {
            let cache = Cache::builder()
                .memory_limit(100_000)
                .build()
                .await
                .unwrap();
            Cache::scope(cache, async {
                for id in 0..2_000 {
                    by_number(id).await;
                    by_text(
                        id,
                        "name",
                        &["a tag that does not fit in twenty-four bytes"],
                    )
                    .await
                    .unwrap();
                }
            })
            .await;
        });
    };
    round();
    let counted = measure(round);
    assert_eq!(counted.bytes_current, 0);
}
