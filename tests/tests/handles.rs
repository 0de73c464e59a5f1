//! A call as its own handle.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{future::Future, sync::Arc, time::Duration};

use cache_core::{Cache, CachedCall, Miss, Source, cached, testing::FakeRedis};
use tests::{Runs, on_both_runtimes, process, spawn_in, until, until_loads};
use tokio::sync::Notify;

fn assert_send<F: Future + Send>(future: F) -> F {
    future
}

#[test]
fn every_handle_does_what_its_name_says() {
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1h)]
    async fn counted(id: u64) -> usize {
        RUNS.add()
    }
    on_both_runtimes(|cache| async move {
        assert_eq!(assert_send(counted(1).peek()).await, None);
        assert_eq!(
            assert_send(counted(1).explain()).await.unwrap().source,
            Source::Load
        );
        assert_eq!(counted(1).peek().await, Some(0));
        assert_eq!(assert_send(counted(1).refresh()).await, Ok(1));
        assert_eq!(counted(1).await, 1);
        assert_eq!(assert_send(counted(1).bypass()).await, Ok(2));
        assert_eq!(counted(1).await, 1, "a bypass changes nothing");
        assert_send(counted(1).put(70)).await.unwrap();
        assert_eq!(counted(1).await, 70);
        assert_send(counted(1).evict()).await.unwrap();
        assert_eq!(counted(1).peek().await, None);
        assert_send(counted(1).prefetch()).await.unwrap();
        until("the prefetch is kept", || cache.stats().entries == 1).await;
        assert_eq!(counted(1).await, 3);
        counted(1).prefetch().await.unwrap();
        assert_eq!(counted(1).await, 3, "what is fresh is not fetched");
        RUNS.take();
    });
}

#[test]
fn a_prefetch_of_an_inline_function_has_loaded_when_it_returns() {
    #[cached(ttl = 1h)]
    async fn greet(name: &str, list: &[&str]) -> String {
        format!("{name}{list:?}")
    }
    on_both_runtimes(|_| async {
        greet("ada", &["b"]).prefetch().await.unwrap();
        assert!(greet("ada", &["b"]).peek().await.is_some());
    });
}

#[test]
fn a_failed_refresh_keeps_the_old_entry() {
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1h, err_ttl = 1h)]
    async fn flaky(id: u64) -> Result<u64, String> {
        if RUNS.add() == 0 {
            Ok(id)
        } else {
            Err("down".into())
        }
    }
    on_both_runtimes(|_| async {
        assert_eq!(flaky(1).await, Ok(1));
        assert_eq!(flaky(1).refresh().await, Ok(Err("down".into())));
        assert_eq!(flaky(1).await, Ok(1));
        flaky(1).evict().await.unwrap();
        assert_eq!(flaky(1).await, Err("down".into()));
        assert_eq!(
            flaky(1).peek().await,
            Some(Err("down".into())),
            "alone it is kept"
        );
        RUNS.take();
    });
}

#[test]
fn a_put_error_is_kept_as_a_load_would_keep_it() {
    #[cached(ttl = 1h)]
    async fn value(id: u64) -> Result<Option<u64>, Arc<str>> {
        Ok(Some(id))
    }
    on_both_runtimes(|_| async {
        value(1).put(Err("no".into())).await.unwrap();
        assert_eq!(value(1).peek().await, None);
        value(1).put(Ok(None)).await.unwrap();
        assert_eq!(value(1).await, Ok(None));
    });
}

#[test]
fn what_is_put_during_a_load_is_not_overwritten_by_it() {
    static GATE: Notify = Notify::const_new();
    #[cached(ttl = 1h)]
    async fn gated(id: u64) -> u64 {
        GATE.notified().await;
        id
    }
    on_both_runtimes(|cache| async move {
        let before = spawn_in(&cache, gated(1));
        until_loads(&cache, 1).await;
        gated(1).put(9).await.unwrap();
        GATE.notify_one();
        assert_eq!(before.await.unwrap(), 1);
        assert_eq!(gated(1).await, 9);
    });
}

#[test]
fn explain_says_who_answered_and_why_memory_did_not() {
    #[cached(ttl = 1h)]
    async fn slow(id: u64) -> u64 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        id
    }
    on_both_runtimes(|cache| async move {
        let (first, second) = tokio::join!(slow(7).explain(), slow(7).explain());
        let (first, second) = (first.unwrap(), second.unwrap());
        assert_eq!(
            (first.source, first.miss),
            (Source::Load, Some(Miss::Absent))
        );
        assert_eq!(
            (second.source, second.miss),
            (Source::SharedLoad, Some(Miss::Absent))
        );
        let third = slow(7).explain().await.unwrap();
        assert_eq!(
            (third.source, third.miss, &*third.key),
            (Source::Memory, None, "7")
        );
        assert!(
            third.time_left.unwrap() <= Duration::from_hours(1)
                && third.age < Duration::from_secs(10)
        );
        assert!(
            third.to_string().contains("slow` for `7`: from memory"),
            "{third}"
        );

        let disabled = Cache::scope(Cache::disabled(), async { slow(7).explain().await })
            .await
            .unwrap();
        assert_eq!(
            (disabled.source, disabled.miss),
            (Source::Uncached, Some(Miss::Off))
        );
        assert_eq!(slow(7).bypass().await, Ok(7));
        let stats = cache.stats();
        assert_eq!(stats.function("slow").unwrap().shared_loads, 1);
        let _ = cache.close(Duration::ZERO).await;
        assert_eq!(slow(7).explain().await.unwrap().miss, Some(Miss::Off));
    });
}

#[cached(ttl = 1h, key = id, detached)]
async fn behind_a_gate(
    id: u64,
    gate: Arc<Notify>,
    answer: Result<u64, String>,
) -> Result<u64, String> {
    gate.notified().await;
    answer
}

#[tokio::test]
async fn who_has_refreshed_a_value_sees_no_older_one_though_a_later_refresh_fails() {
    let redis = FakeRedis::new();
    let (cache, other) = (process(&redis).await, process(&redis).await);
    let gates = [(); 3].map(|()| Arc::new(Notify::new()));
    let call = |number: usize, answer: Result<u64, String>| {
        behind_a_gate(1, Arc::clone(&gates[number]), answer)
    };
    let peek = async |cache: &Cache| {
        let peeked = Cache::scope(cache.clone(), call(0, Ok(0)).peek());
        peeked.await.map(Result::unwrap)
    };
    gates[0].notify_one();
    assert_eq!(Cache::scope(cache.clone(), call(0, Ok(0))).await, Ok(0));
    redis.until(|redis| redis.keys().len() == 1).await;
    assert_eq!(peek(&other).await, Some(0));
    let first = spawn_in(&cache, call(1, Ok(1)).refresh());
    tokio::task::yield_now().await;
    let second = spawn_in(&cache, call(2, Err("no".into())).refresh());
    tokio::task::yield_now().await;
    gates[1].notify_one();
    assert_eq!(first.await.unwrap(), Ok(Ok(1)));
    assert_eq!(peek(&cache).await, None);
    gates[2].notify_one();
    second.await.unwrap().unwrap().unwrap_err();
    assert_eq!(peek(&cache).await, None);
    redis.until(|redis| redis.keys().is_empty()).await;
    assert_eq!(peek(&other).await, None);
}

#[tokio::test]
async fn what_is_put_stays_though_a_refresh_ends_that_began_before() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    let gate = Arc::new(Notify::new());
    let call = || behind_a_gate(1, Arc::clone(&gate), Ok(1));
    let refresh = spawn_in(&cache, call().refresh());
    tokio::task::yield_now().await;
    Cache::scope(cache.clone(), call().put(Ok(7)))
        .await
        .unwrap();
    gate.notify_one();
    assert_eq!(refresh.await.unwrap(), Ok(Ok(1)));
    redis.until(|redis| redis.keys().len() == 1).await;
    assert_eq!(Cache::scope(cache, call().peek()).await, Some(Ok(7)));
    assert_eq!(redis.keys().len(), 1);
}
