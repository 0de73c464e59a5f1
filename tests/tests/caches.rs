//! Which cache a call goes to, and how a cache begins and ends.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{sync::Arc, time::Duration};

use cache_core::{Cache, CachedCall, ErrorKind, Event, Source, cached, invalidates};
use tests::{Runs, SOON, loads, on_both_runtimes, spawn_in, until_loads};
use tokio::sync::Notify;

#[cached(ttl = 1h)]
async fn double(n: u64) -> u64 {
    n * 2
}

/// One test, because a process has one installed cache.
#[tokio::test]
async fn a_call_goes_to_the_named_else_the_scoped_else_the_installed_else_the_default_cache() {
    struct Service {
        cache: Cache,
    }
    impl Service {
        #[cached(ttl = 1h, skip(self), cache = self.cache)]
        async fn double(&self, n: u64) -> u64 {
            n * 2
        }
    }
    let entries = |cache: &Cache| cache.stats().entries;

    double(1).await;
    let default = Cache::current();
    assert_eq!(entries(&default), 1);

    let installed = Cache::builder()
        .namespace("installed")
        .build()
        .await
        .unwrap();
    installed.clone().install().unwrap();
    let second = Cache::builder()
        .build()
        .await
        .unwrap()
        .install()
        .unwrap_err();
    assert_eq!(second.kind(), ErrorKind::AlreadyInstalled);
    assert!(second.to_string().contains("`Cache::scope`"), "{second}");
    double(2).await;
    assert_eq!((entries(&default), entries(&installed)), (1, 1));

    let scoped = Cache::builder().build().await.unwrap();
    let named = Cache::builder().build().await.unwrap();
    let service = Service {
        cache: named.clone(),
    };
    Cache::scope(scoped.clone(), async {
        double(3).await;
        service.double(3).await;
        let inner = Cache::builder().build().await.unwrap();
        Cache::scope(inner.clone(), double(4)).await;
        assert_eq!(entries(&inner), 1);
        double(5).await;
    })
    .await;
    assert_eq!(
        (entries(&scoped), entries(&named), entries(&installed)),
        (2, 1, 1)
    );
    assert!(format!("{:?}", Cache::current()).contains("installed"));
}

#[test]
fn a_disabled_cache_runs_every_body() {
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1h)]
    async fn counted(id: u64) -> usize {
        RUNS.add()
    }
    on_both_runtimes(|_| async {
        let disabled = Cache::disabled();
        Cache::scope(disabled.clone(), async {
            assert_eq!((counted(1).await, counted(1).await), (0, 1));
            counted(1).put(9).await.unwrap();
            assert_eq!(counted(1).peek().await, None);
        })
        .await;
        assert_eq!(disabled.stats().entries, 0);
        RUNS.take();
    });
}

#[test]
fn caches_of_one_process_share_nothing() {
    on_both_runtimes(|_| async {
        let (a, b) = (
            Cache::builder().build().await.unwrap(),
            Cache::builder().build().await.unwrap(),
        );
        Cache::scope(a.clone(), double(1)).await;
        assert_eq!(
            Cache::scope(b.clone(), async { double(1).peek().await }).await,
            None
        );
        assert_eq!(
            Cache::scope(a, async { double(1).peek().await }).await,
            Some(2)
        );
    });
}

#[test]
fn close_waits_for_loads_until_its_deadline_and_says_what_is_left() {
    static GATE: Notify = Notify::const_new();
    #[cached(ttl = 1h)]
    async fn gated(id: u64) -> u64 {
        GATE.notified().await;
        id
    }
    on_both_runtimes(|cache| async move {
        let call = spawn_in(&cache, gated(1));
        until_loads(&cache, 1).await;
        assert_eq!(cache.close(Duration::from_millis(20)).await.loads, 1);
        GATE.notify_one();
        assert_eq!(call.await.unwrap(), 1);
        assert_eq!(cache.close(Duration::from_secs(10)).await.loads, 0);
        double(1).await;
        assert_eq!(cache.stats().entries, 0, "a closed cache keeps nothing");
    });
}

#[test]
fn a_builder_refuses_what_cannot_work() {
    on_both_runtimes(|_| async {
        for builder in [
            Cache::builder().namespace(""),
            Cache::builder().namespace("two words"),
            Cache::builder().namespace("a:b"),
            Cache::builder().memory_limit(0),
            Cache::builder().unweighed_limit(0),
        ] {
            let error = builder.build().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
        }
    });
}

#[test]
fn methods_are_cached_behind_every_receiver() {
    #[derive(Clone)]
    struct Shop {
        id: u64,
    }
    impl Shop {
        #[cached(ttl = 1h, key = (self.id, n))]
        async fn by_reference(&self, n: u64) -> u64 {
            self.id * 100 + n
        }
        #[cached(ttl = 1h, key = (self.id, n))]
        async fn by_reference_to_arc(self: &Arc<Self>, n: u64) -> u64 {
            self.id * 100 + n
        }
        #[cached(ttl = 1h, key = (self.id, n))]
        async fn by_arc(self: Arc<Self>, n: u64) -> u64 {
            self.id * 100 + n
        }
        #[cached(ttl = 1h, key = (self.id, n))]
        async fn by_value(self, n: u64) -> u64 {
            self.id * 100 + n
        }
        #[cached(ttl = 1h)]
        async fn associated(n: u64) -> u64 {
            n
        }
        #[cached(ttl = 1h, key = (self.id, n), detached)]
        async fn detached(&self, n: u64) -> u64 {
            let add = |m: u64| self.id * 100 + m;
            tokio::task::yield_now().await;
            add(n)
        }
        #[cached(ttl = 1h, key = (self.id, n), detached)]
        async fn detached_arc(self: Arc<Self>, n: u64) -> u64 {
            self.id * 100 + n
        }
    }
    on_both_runtimes(|cache| async move {
        for id in [1, 2] {
            let shop = Arc::new(Shop { id });
            for _ in 0..2 {
                assert_eq!(shop.by_reference(3).await, id * 100 + 3);
                assert_eq!(shop.by_reference_to_arc(3).await, id * 100 + 3);
                assert_eq!(Arc::clone(&shop).by_arc(3).await, id * 100 + 3);
                assert_eq!((*shop).clone().by_value(3).await, id * 100 + 3);
                assert_eq!(Shop::associated(3).await, 3);
                assert_eq!(shop.detached(3).await, id * 100 + 3);
                assert_eq!(Arc::clone(&shop).detached_arc(3).await, id * 100 + 3);
            }
        }
        assert_eq!(loads(&cache), 13);
    });
}

#[tokio::test]
async fn a_handle_of_a_disabled_cache_is_no_error_and_keeps_nothing() {
    let disabled = Cache::disabled();
    let answers = async {
        assert_eq!(double(1).refresh().await, Ok(2));
        assert_eq!(double(1).put(7).await, Ok(()));
        assert_eq!(double(1).prefetch().await, Ok(()));
        assert_eq!(double(1).evict().await, Ok(()));
        assert_eq!(double(1).peek().await, None);
        double(1).explain().await.unwrap().source
    };
    let answered = Cache::scope(disabled.clone(), answers);
    let source = tokio::time::timeout(SOON, answered).await.unwrap();
    assert_eq!(source, Source::Uncached);
    let row = disabled.stats().function("double").cloned().unwrap();
    assert_eq!((row.loads, row.entries), (2, 0), "prefetch runs nothing");
}

/// A number has another half.
#[derive(Debug, Event)]
pub struct HalfChanged {
    /// Of which.
    pub of: u64,
}

#[cached(ttl = 1h, invalidate_on = HalfChanged { of })]
async fn half(of: u64) -> u64 {
    of / 2
}

#[invalidates(HalfChanged { of })]
async fn change_half(of: u64) {}

#[tokio::test]
async fn a_mutation_in_the_scope_of_a_disabled_cache_tells_nobody() {
    let cache = Cache::builder().build().await.unwrap();
    let halve = || Cache::scope(cache.clone(), half(4));
    assert_eq!(halve().await, 2);
    Cache::scope(Cache::disabled(), change_half(4)).await;
    halve().await;
    assert_eq!(loads(&cache), 1);
    Cache::scope(cache.clone(), change_half(4)).await;
    halve().await;
    assert_eq!(loads(&cache), 2);
}
