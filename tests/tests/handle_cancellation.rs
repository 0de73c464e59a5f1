//! Handles that are dropped half way: what is kept, and what the others see.
//!
//! `now_or_never` polls a future once and drops it.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::{Arc, Weak};

use cache_core::{Cache, CachedCall, Source, cached, testing::FakeRedis};
use futures::FutureExt;
use tests::{Runs, SOON, loads, on_both_runtimes, process, spawn_in, until, until_loads};
use tokio::sync::Notify;

/// Lets the bodies that hold it end, and shows how many there are.
#[derive(Clone, Debug, Default)]
struct Gate(Arc<Notify>);

impl Gate {
    /// Once for the body that waits, or the next one.
    fn open(&self) {
        self.0.notify_one();
    }

    fn watch(&self) -> Weak<Notify> {
        Arc::downgrade(&self.0)
    }
}

static VALUES: Runs = Runs::new();

/// The value of a body behind a gate: another one each time.
async fn value(gate: &Gate) -> usize {
    gate.0.notified().await;
    100 + VALUES.add()
}

#[cached(ttl = 1h, skip(gate), detached)]
async fn detached(id: u64, gate: &Gate) -> usize {
    value(gate).await
}

#[cached(ttl = 1h, skip(gate), inline)]
async fn inline(id: u64, gate: &Gate) -> usize {
    value(gate).await
}

#[cached(ttl = 1h, skip(gate), detached, max_concurrent_loads = 1)]
async fn one_at_a_time(id: u64, gate: &Gate) -> usize {
    value(gate).await
}

async fn until_kept(cache: &Cache, entries: u64) {
    until("it is kept", || cache.stats().entries == entries).await;
}

#[test]
fn a_handle_that_was_never_polled_did_nothing() {
    on_both_runtimes(|cache| async move {
        let gate = Gate::default();
        detached(1, &gate).put(7).await.unwrap();
        drop(detached(1, &gate).peek());
        drop(detached(1, &gate).refresh());
        drop(detached(1, &gate).evict());
        drop(detached(1, &gate).put(8));
        drop(detached(1, &gate).bypass());
        drop(detached(2, &gate).prefetch());
        drop(detached(2, &gate).explain());
        tokio::task::yield_now().await;
        assert_eq!(detached(1, &gate).await, 7);
        assert_eq!((loads(&cache), cache.stats().entries), (0, 1));
    });
}

#[test]
fn a_refresh_dropped_during_a_detached_load_replaces_the_entry_all_the_same() {
    on_both_runtimes(|cache| async move {
        let gate = Gate::default();
        detached(1, &gate).put(7).await.unwrap();
        assert_eq!(detached(1, &gate).refresh().now_or_never(), None);
        until_loads(&cache, 1).await;
        assert_eq!(detached(1, &gate).await, 7, "until then the old one serves");
        gate.open();
        until("it is replaced", || {
            detached(1, &gate).now_or_never() != Some(7)
        })
        .await;
        assert_eq!(loads(&cache), 1);
    });
}

#[test]
fn a_refresh_dropped_during_an_inline_load_ends_it_and_keeps_the_old_entry() {
    on_both_runtimes(|cache| async move {
        let gate = Gate::default();
        inline(1, &gate).put(7).await.unwrap();
        assert_eq!(inline(1, &gate).refresh().now_or_never(), None);
        assert_eq!(loads(&cache), 1);
        gate.open();
        tokio::task::yield_now().await;
        assert_eq!(inline(1, &gate).await, 7);
        inline(1, &gate).evict().await.unwrap();
        assert!(
            inline(1, &gate).await >= 100,
            "the gate is open: nobody went through it"
        );
    });
}

#[test]
fn a_waiter_takes_over_the_inline_load_of_a_dropped_refresh() {
    on_both_runtimes(|cache| async move {
        let gate = Gate::default();
        let mut refreshing = Box::pin(inline(1, &gate).refresh());
        assert!(refreshing.as_mut().now_or_never().is_none());
        let mut waiter = Box::pin(inline(1, &gate));
        assert!(waiter.as_mut().now_or_never().is_none());
        assert_eq!(loads(&cache), 1);
        drop(refreshing);
        gate.open();
        let given = waiter.await;
        assert_eq!(inline(1, &gate).await, given);
        assert_eq!(loads(&cache), 2);
    });
}

#[test]
fn a_load_that_began_before_a_dropped_refresh_is_not_kept() {
    on_both_runtimes(|cache| async move {
        let (gate, other) = (Gate::default(), Gate::default());
        let mut before = Box::pin(inline(1, &gate));
        assert!(before.as_mut().now_or_never().is_none());
        assert_eq!(inline(1, &other).refresh().now_or_never(), None);
        gate.open();
        assert!(before.await >= 100, "its caller has it");
        assert_eq!(cache.stats().entries, 0);
    });
}

/// On one thread, where a task that was spawned before another begins before it.
#[tokio::test]
async fn a_refresh_dropped_while_its_load_waits_for_a_slot_loads_nothing() {
    let cache = Cache::builder().build().await.unwrap();
    Cache::scope(cache.clone(), async {
        let gate = Gate::default();
        let first = gate.clone();
        let running = spawn_in(&cache, async move { one_at_a_time(1, &first).await });
        until_loads(&cache, 1).await;
        let mut refreshing = Box::pin(one_at_a_time(2, &gate).refresh());
        assert!(refreshing.as_mut().now_or_never().is_none());
        tokio::spawn(async {}).await.unwrap();
        drop(refreshing);
        gate.open();
        running.await.unwrap();
        // The slot is free: who comes next has it at once, and is the second to load.
        gate.open();
        let last = one_at_a_time(3, &gate);
        tokio::time::timeout(SOON, last).await.unwrap();
        assert_eq!((loads(&cache), cache.stats().entries), (2, 2));
    })
    .await;
}

/// The task of the refresh is there, and is polled only when the slot is free.
#[tokio::test]
async fn a_refresh_dropped_before_its_task_was_polled_loads_nothing_where_it_was_to_wait_for_a_slot()
 {
    let cache = Cache::builder().build().await.unwrap();
    Cache::scope(cache.clone(), async {
        let gate = Gate::default();
        let first = gate.clone();
        let running = spawn_in(&cache, async move { one_at_a_time(1, &first).await });
        until_loads(&cache, 1).await;
        gate.open();
        assert_eq!(one_at_a_time(2, &gate).refresh().now_or_never(), None);
        running.await.unwrap();
        tokio::spawn(async {}).await.unwrap();
        gate.open();
        let last = one_at_a_time(3, &gate);
        tokio::time::timeout(SOON, last).await.unwrap();
        assert_eq!((loads(&cache), cache.stats().entries), (2, 2));
    })
    .await;
}

#[test]
fn an_evict_or_a_put_without_redis_is_over_with_its_first_poll() {
    on_both_runtimes(|cache| async move {
        let gate = Gate::default();
        let running = gate.clone();
        let before = spawn_in(&cache, async move { detached(1, &running).await });
        until_loads(&cache, 1).await;
        assert_eq!(detached(1, &gate).put(7).now_or_never(), Some(Ok(())));
        assert_eq!(detached(1, &gate).await, 7);
        assert_eq!(detached(1, &gate).evict().now_or_never(), Some(Ok(())));
        assert_eq!(detached(1, &gate).peek().await, None);
        gate.open();
        before.await.unwrap();
        assert_eq!(
            cache.stats().entries,
            0,
            "the load that began before is not kept"
        );
    });
}

#[test]
fn a_dropped_bypass_ends_its_body_and_touches_nothing_also_where_loads_are_detached() {
    on_both_runtimes(|cache| async move {
        let (gate, other) = (Gate::default(), Gate::default());
        let loading = gate.clone();
        let call = spawn_in(&cache, async move { detached(1, &loading).await });
        until_loads(&cache, 1).await;
        let copies = other.watch();
        assert_eq!(
            detached(1, &other.clone()).bypass().now_or_never(),
            None,
            "its body waits"
        );
        assert_eq!((loads(&cache), copies.strong_count()), (2, 1));
        gate.open();
        let loaded = call.await.unwrap();
        assert_eq!(detached(1, &gate).await, loaded);
    });
}

#[test]
fn a_prefetch_is_over_with_its_first_poll_where_loads_are_detached() {
    on_both_runtimes(|cache| async move {
        let gate = Gate::default();
        let prefetched = detached(1, &gate).prefetch().now_or_never();
        assert_eq!(prefetched, Some(Ok(())));
        until_loads(&cache, 1).await;
        gate.open();
        until_kept(&cache, 1).await;
        detached(1, &gate).await;
        assert_eq!(loads(&cache), 1);
    });
}

/// No two callers can share it.
#[derive(Debug)]
struct Unshared;

#[cached(ttl = 1h, skip(gate), detached)]
async fn failing(id: u64, gate: &Gate) -> Result<usize, Unshared> {
    value(gate).await;
    Err(Unshared)
}

/// On one thread, where a task that was woken before another is polled before it.
#[tokio::test]
async fn a_prefetch_behind_a_load_that_fails_does_not_load_once_more() {
    let cache = Cache::builder().build().await.unwrap();
    Cache::scope(cache.clone(), async {
        let gate = Gate::default();
        let mut leader = Box::pin(failing(1, &gate));
        assert!(leader.as_mut().now_or_never().is_none());
        failing(1, &gate).prefetch().await.unwrap();
        until_loads(&cache, 1).await;
        gate.open();
        assert!(leader.await.is_err());
        tokio::spawn(async {}).await.unwrap();
        assert_eq!(loads(&cache), 1);
        gate.open();
        assert!(failing(1, &gate).await.is_err(), "the next caller does");
    })
    .await;
}

#[test]
fn a_prefetch_dropped_during_an_inline_load_ends_it_and_the_next_call_loads() {
    on_both_runtimes(|cache| async move {
        let gate = Gate::default();
        assert_eq!(inline(1, &gate).prefetch().now_or_never(), None);
        assert_eq!((loads(&cache), cache.stats().entries), (1, 0));
        gate.open();
        inline(1, &gate).await;
        assert_eq!((loads(&cache), cache.stats().entries), (2, 1));
    });
}

#[test]
fn an_explain_dropped_during_a_load_leaves_it_as_the_call_itself_would() {
    on_both_runtimes(|cache| async move {
        let gate = Gate::default();
        assert!(detached(1, &gate).explain().now_or_never().is_none());
        until_loads(&cache, 1).await;
        gate.open();
        until_kept(&cache, 1).await;
        let read = detached(1, &gate).explain().await.unwrap();
        assert_eq!(read.source, Source::Memory);

        assert!(inline(1, &gate).explain().now_or_never().is_none());
        assert_eq!((loads(&cache), cache.stats().entries), (2, 1));
        gate.open();
        let read = inline(1, &gate).explain().await.unwrap();
        assert_eq!((read.source, loads(&cache)), (Source::Load, 3));
    });
}

#[test]
fn an_explain_that_waits_for_another_load_leaves_it_alone_when_it_is_dropped() {
    on_both_runtimes(|cache| async move {
        let gate = Gate::default();
        let mut leader = Box::pin(inline(1, &gate));
        assert!(leader.as_mut().now_or_never().is_none());
        assert!(inline(1, &gate).explain().now_or_never().is_none());
        gate.open();
        let given = leader.await;
        assert_eq!(inline(1, &gate).await, given);
        assert_eq!(loads(&cache), 1);
    });
}

#[test]
fn a_peek_during_a_load_waits_for_nothing() {
    on_both_runtimes(|cache| async move {
        let gate = Gate::default();
        let mut leader = Box::pin(inline(1, &gate));
        assert!(leader.as_mut().now_or_never().is_none());
        assert_eq!(inline(1, &gate).peek().now_or_never(), Some(None));
        gate.open();
        leader.await;
        assert_eq!((loads(&cache), cache.stats().entries), (1, 1));
    });
}

#[cached(ttl = 1h)]
async fn shared(id: u64) -> u64 {
    id
}

#[cached(ttl = 1h, inline)]
async fn shared_inline(id: u64) -> u64 {
    id
}

/// A Redis that has an entry for `shared(1)` and then hangs, and a cache on it that has none in memory.
async fn hanging() -> (FakeRedis, Cache) {
    let redis = FakeRedis::new();
    let here = process(&redis).await;
    let put = shared(1).put(70);
    Cache::scope(here.clone(), put).await.unwrap();
    redis.until(|redis| redis.keys().len() == 1).await;
    redis.hang();
    let there = process(&redis).await;
    (redis, there)
}

#[tokio::test(start_paused = true)]
async fn a_peek_dropped_while_redis_hangs_changes_nothing() {
    let (redis, cache) = hanging().await;
    Cache::scope(cache.clone(), async {
        assert_eq!(shared(1).peek().now_or_never(), None);
        redis.recover();
        assert_eq!((loads(&cache), cache.stats().entries), (0, 0));
        assert_eq!(shared(1).peek().await, Some(70));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_refresh_dropped_while_redis_hangs_is_kept_and_leaves_nothing_older_there() {
    let (redis, cache) = hanging().await;
    Cache::scope(cache.clone(), async {
        assert_eq!(shared(1).refresh().now_or_never(), None);
        until_kept(&cache, 1).await;
        assert_eq!(redis.reads(), 0, "it does not look there");
        redis.until(|redis| redis.writes() == 2).await;
        redis.recover();
    })
    .await;
    // The write that hangs is given up after a second, and what it was to replace is deleted.
    redis.until(|redis| redis.keys().is_empty()).await;
    let there = process(&redis).await;
    let read = Cache::scope(there, shared(1).explain()).await.unwrap();
    assert_eq!((read.source, read.value), (Source::Load, 1));
}

#[tokio::test(start_paused = true)]
async fn an_evict_dropped_while_redis_hangs_holds_here_and_is_made_good_there() {
    let (redis, cache) = hanging().await;
    Cache::scope(cache.clone(), async {
        assert_eq!(shared(1).evict().now_or_never(), None);
        assert_eq!(redis.keys().len(), 1, "it is not there yet");
        let call = shared(1).explain().await.unwrap();
        assert_eq!((call.source, call.value), (Source::Load, 1));
        assert_eq!(redis.reads(), 0);
        shared(1).evict().now_or_never();
        redis.recover();
        redis.until(|redis| redis.keys().is_empty()).await;
        assert_eq!(shared(1).peek().await, None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_put_while_redis_hangs_is_over_with_its_first_poll_and_written_later() {
    let (redis, cache) = hanging().await;
    Cache::scope(cache.clone(), async {
        assert_eq!(shared(2).put(8).now_or_never(), Some(Ok(())));
        redis.recover();
        assert_eq!(shared(2).peek().await, Some(8));
    })
    .await;
    redis.until(|redis| redis.keys().len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_bypass_does_not_ask_a_redis_that_hangs() {
    let (redis, cache) = hanging().await;
    let writes = redis.writes();
    let bypassed = Cache::scope(cache, shared(1).bypass()).now_or_never();
    assert_eq!(bypassed, Some(Ok(1)));
    assert_eq!((redis.reads(), redis.writes()), (0, writes));
}

#[tokio::test(start_paused = true)]
async fn a_detached_prefetch_reads_a_redis_that_hangs_and_loads_behind_its_caller() {
    let (redis, cache) = hanging().await;
    Cache::scope(cache.clone(), async {
        assert_eq!(shared(1).prefetch().now_or_never(), Some(Ok(())));
        redis.until(|redis| redis.reads() == 1).await;
        assert_eq!(loads(&cache), 0);
        until_kept(&cache, 1).await;
        assert_eq!((shared(1).await, loads(&cache)), (1, 1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_prefetch_behind_a_call_that_is_dropped_while_it_reads_redis_takes_its_place() {
    let (redis, cache) = hanging().await;
    Cache::scope(cache.clone(), async {
        let mut reading = Box::pin(shared(1));
        assert!(reading.as_mut().now_or_never().is_none());
        assert_eq!(redis.reads(), 1);
        for _ in 0..2 {
            assert_eq!(shared(1).prefetch().now_or_never(), Some(Ok(())));
        }
        drop(reading);
        until_kept(&cache, 1).await;
        assert_eq!((shared(1).await, loads(&cache)), (1, 1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn inline_handles_dropped_while_they_read_a_redis_that_hangs_load_nothing() {
    let (redis, cache) = hanging().await;
    Cache::scope(cache.clone(), async {
        assert_eq!(shared_inline(1).prefetch().now_or_never(), None);
        assert!(shared_inline(1).explain().now_or_never().is_none());
        assert_eq!(redis.reads(), 2);
        tokio::time::sleep(SOON).await;
        assert_eq!((loads(&cache), cache.stats().entries), (0, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_explain_dropped_while_it_reads_a_redis_that_hangs_loads_nothing_and_stalls_nobody() {
    let (redis, cache) = hanging().await;
    Cache::scope(cache.clone(), async {
        assert!(shared(1).explain().now_or_never().is_none());
        tokio::time::sleep(SOON).await;
        assert_eq!((redis.reads(), loads(&cache)), (1, 0));

        let mut reading = Box::pin(shared(1).explain());
        assert!(reading.as_mut().now_or_never().is_none());
        let mut waiter = Box::pin(shared(1).explain());
        assert!(waiter.as_mut().now_or_never().is_none());
        assert_eq!(redis.reads(), 2, "one reads for both");
        drop(reading);
        let read = waiter.await.unwrap();
        assert_eq!((read.source, read.value), (Source::Load, 1));
    })
    .await;
}
