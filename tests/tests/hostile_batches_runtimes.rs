//! Attacks on functions of many keys by runtimes that end, or are not driven, and by futures that are not polled.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail")]

use std::{
    collections::HashMap,
    future::Future,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    task::Poll,
    time::Duration,
};

use cache_core::{Cache, cached};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

type Map = HashMap<u64, u64>;

#[cached(ttl = 1h, batch(id in ids))]
async fn things(ids: &[u64]) -> Map {
    tokio::task::yield_now().await;
    ids.iter().map(|id| (*id, *id)).collect()
}

fn one_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn threads() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// Polls once.
async fn once<F: Future + Unpin>(future: &mut F) {
    std::future::poll_fn(|cx| {
        let _ = std::pin::Pin::new(&mut *future).poll(cx);
        Poll::Ready(())
    })
    .await;
}

/// Where a runtime is there that has ended, a call panics as that of a function of one key does. It does not spin.
#[test]
fn a_call_on_a_runtime_that_has_ended_does_not_spin() {
    tests::bounded(5 * SECOND, || {
        let runtime = threads();
        let cache = runtime.block_on(Cache::builder().build()).unwrap();
        let handle = runtime.handle().clone();
        drop(runtime);
        let _entered = handle.enter();
        let call = Cache::scope(cache, async { things(&[1, 2]).await });
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            futures::executor::block_on(call)
        }));
        assert!(ended.is_err());
    });
}

#[cached(ttl = 100s, batch(id in ids), timeout = 1s)]
async fn bounded(ids: &[u64]) -> Result<Map, Late> {
    tokio::task::yield_now().await;
    Ok(ids.iter().map(|id| (*id, *id)).collect())
}

#[derive(Clone, Debug)]
struct Late;
impl From<cache_core::TimedOut> for Late {
    fn from(_: cache_core::TimedOut) -> Self {
        Self
    }
}

/// A runtime that is dropped while its tasks call is gone at once.
fn ends_while_its_tasks_call<F>(call: fn(u64) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    static NEXT: AtomicU64 = AtomicU64::new(0);
    tests::bounded(60 * SECOND, move || {
        for _ in 0..500 {
            let runtime = threads();
            let cache = runtime.block_on(Cache::builder().build()).unwrap();
            for _ in 0..8 {
                runtime.spawn(Cache::scope(cache.clone(), async move {
                    loop {
                        call(NEXT.fetch_add(2, SeqCst)).await;
                    }
                }));
            }
            std::thread::sleep(3 * MS);
            drop(runtime);
        }
    });
}

#[test]
fn a_runtime_that_ends_while_its_tasks_call_ends() {
    ends_while_its_tasks_call(|id| async move {
        things(&[id, id + 1]).await;
    });
}

#[test]
fn a_runtime_that_ends_while_its_tasks_call_with_a_timeout_ends() {
    ends_while_its_tasks_call(|id| async move {
        let _ = bounded(&[id, id + 1]).await;
    });
}

/// A waits for a key that B has taken along: B is gone, and its runtime is not driven any more.
#[test]
fn a_load_on_a_runtime_that_is_not_driven_any_more_holds_up_nobody() {
    tests::bounded(30 * SECOND, || {
        let (driven, left) = (threads(), one_thread());
        let cache = driven.block_on(Cache::builder().build()).unwrap();
        let mut a = Box::pin(Cache::scope(cache.clone(), async { things(&[1]).await }));
        driven.block_on(once(&mut a));
        left.block_on(async {
            let mut b = Box::pin(Cache::scope(cache.clone(), async { things(&[2]).await }));
            once(&mut b).await;
            tokio::task::yield_now().await;
            once(&mut b).await;
        });
        let found = driven.block_on(async { tokio::time::timeout(10 * SECOND, a).await });
        assert_eq!(found.expect("it hangs").len(), 1);
        drop(left);
    });
}

/// Outside a runtime a load runs in its caller: one that is no longer polled has taken along the key of another.
#[test]
fn a_caller_outside_a_runtime_that_is_no_longer_polled_holds_up_nobody() {
    static OPEN: AtomicBool = AtomicBool::new(false);
    #[cached(ttl = 1h, batch(id in ids))]
    async fn things(ids: &[u64]) -> Map {
        while !OPEN.load(SeqCst) {
            let mut is_first = true;
            std::future::poll_fn(|cx| {
                cx.waker().wake_by_ref();
                if std::mem::replace(&mut is_first, false) {
                    Poll::Pending
                } else {
                    Poll::Ready(())
                }
            })
            .await;
        }
        ids.iter().map(|id| (*id, *id)).collect()
    }
    tests::bounded(30 * SECOND, || {
        let driven = threads();
        let cache = driven.block_on(Cache::builder().build()).unwrap();
        let mut a = Box::pin(Cache::scope(cache.clone(), async { things(&[1]).await }));
        driven.block_on(once(&mut a));
        let mut b = Box::pin(Cache::scope(cache.clone(), async { things(&[2]).await }));
        futures::executor::block_on(async {
            for _ in 0..5 {
                once(&mut b).await;
            }
        });
        OPEN.store(true, SeqCst);
        let found = driven.block_on(async { tokio::time::timeout(10 * SECOND, a).await });
        assert_eq!(found.expect("it hangs").len(), 1);
        drop(b);
    });
}
