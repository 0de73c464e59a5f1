//! What a change says, however its caller, its runtime and Redis behave meanwhile: at once in its own process, and in
//! the end everywhere.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{future::pending, time::Duration};

use cache_core::{
    Cache, Event, cached, invalidates,
    testing::{FakeRedis, Fault, Operation},
};
use futures::FutureExt;
use tests::{
    process,
    rows::{RowChanged, Table, ms, row, row_here, within, write, write_that_hangs},
    spawn_in, until,
};
use tokio::{
    runtime::Builder,
    sync::Semaphore,
    time::{sleep, timeout},
};

#[test]
fn a_mutation_outside_a_runtime_returns_its_own_result() {
    let redis = FakeRedis::new();
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let cache = runtime.block_on(process(&redis));
    let table = Table::default();
    let call = Cache::scope(cache.clone(), async {
        write(&table, 1).await;
    });
    futures::executor::block_on(call);
    assert_eq!(
        futures::executor::block_on(within(&cache, row(&table, 1))),
        1
    );
}

#[tokio::test]
async fn a_mutation_that_is_dropped_while_it_waits_for_redis_is_seen_at_once_in_its_process() {
    let redis = FakeRedis::new();
    let (cache, table) = (process(&redis).await, Table::default());
    within(&cache, row(&table, 1)).await;
    redis.until(|redis| redis.keys().len() == 1).await;
    redis.inject(Operation::Write, Fault::Delay(ms(800)));
    let dropped = timeout(ms(30), within(&cache, write(&table, 1))).await;
    assert!(dropped.is_err());
    assert_eq!(table.value(), 1, "it is committed");
    assert_eq!(within(&cache, row(&table, 1)).await, 1);
}

static RUNTIME_GATE: Semaphore = Semaphore::const_new(0);

#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = |_| RowChanged { id: 1 })]
async fn gated_noted(table: &Table) -> u64 {
    let value = table.value();
    RUNTIME_GATE.acquire().await.unwrap().forget();
    value
}

#[test]
fn a_mutation_is_seen_in_its_process_though_the_runtime_that_built_the_cache_ends_meanwhile() {
    let runtime = || {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().unwrap()
    };
    let (first, second) = (runtime(), runtime());
    let (redis, table) = (FakeRedis::new(), Table::default());
    let builder = Cache::builder()
        .fake_redis(&redis)
        .redis_budget(Duration::from_secs(5));
    let cache = first.block_on(builder.build()).unwrap();
    second.block_on(async {
        RUNTIME_GATE.add_permits(1);
        within(&cache, gated_noted(&table)).await;
        cache.clear();
        let call = {
            let table = table.clone();
            spawn_in(&cache, async move { gated_noted(&table).await })
        };
        sleep(ms(50)).await;
        redis.inject(Operation::Write, Fault::Hang);
        let mutation = {
            let table = table.clone();
            spawn_in(&cache, async move { write(&table, 1).await })
        };
        sleep(ms(100)).await;
        first.shutdown_background();
        timeout(ms(2_000), mutation).await.unwrap().unwrap();
        RUNTIME_GATE.add_permits(10);
        assert_eq!(call.await.unwrap(), 0, "it called before");
        assert_eq!(within(&cache, gated_noted(&table)).await, 1);
    });
}

#[tokio::test]
async fn closing_says_the_second_words_of_what_it_sends_too() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    let _ = within(&cache, write_that_hangs(1)).now_or_never();
    let left = cache.close(ms(1_000)).await;
    assert_eq!(left.events, 0, "{left:?}");
}

#[derive(Event)]
#[event(used_elsewhere)]
struct CellChanged {
    id: u64,
}

/// How long a runtime of one thread is held up, at worst, while so many changes wait for a Redis that fails.
fn held_up(changes: u64, emit: impl Fn(&Cache, u64)) -> (u64, Duration) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let redis = FakeRedis::new();
        let cache = process(&redis).await;
        redis.fail();
        let mut worst = Duration::ZERO;
        for id in 0..changes {
            emit(&cache, id);
            if id % 100 == 0 {
                let before = std::time::Instant::now();
                sleep(ms(1)).await;
                worst = worst.max(before.elapsed());
            }
        }
        let begun = std::time::Instant::now();
        while begun.elapsed() < ms(3_000) {
            let before = std::time::Instant::now();
            sleep(ms(5)).await;
            worst = worst.max(before.elapsed());
        }
        (cache.stats().events.pending, worst)
    })
}

#[test]
fn many_events_that_wait_for_redis_become_one_of_their_kind_and_do_not_hold_up_the_runtime() {
    tests::bounded(Duration::from_secs(40), || {
        let (pending, worst) = held_up(4_500, |cache, id| {
            let _ = cache.emit(RowChanged { id }).now_or_never();
        });
        assert!(
            pending < 3_500,
            "one kind: {pending} wait, {worst:?} at worst"
        );
        assert!(worst < ms(1_000), "one kind: {worst:?} at worst");
        let (pending, worst) = held_up(4_500, |cache, id| {
            let _ = cache
                .emit((RowChanged { id }, CellChanged { id }))
                .now_or_never();
        });
        assert!(
            pending < 3_500,
            "two kinds: {pending} wait, {worst:?} at worst"
        );
        assert!(worst < ms(1_000), "two kinds: {worst:?} at worst");
    });
}

#[tokio::test]
async fn an_event_of_twenty_thousand_rows_is_emitted_without_holding_up_its_thread() {
    let cache = Cache::builder().build().await.unwrap();
    let rows: Vec<_> = (0..20_000).map(|id| RowChanged { id }).collect();
    let begun = std::time::Instant::now();
    cache.emit(rows).await.unwrap();
    let took = begun.elapsed();
    assert!(took < ms(1_000), "{took:?}");
}

#[tokio::test]
async fn without_redis_too_an_unknown_outcome_is_emitted_once_more() {
    let builder = Cache::builder().unknown_outcome(ms(200));
    let (cache, table) = (builder.build().await.unwrap(), Table::default());
    let _ = timeout(ms(10), within(&cache, write_that_hangs(1))).await;
    assert_eq!(within(&cache, row(&table, 1)).await, 0);
    // The statement is committed late.
    table.set(1);
    sleep(ms(500)).await;
    assert_eq!(within(&cache, row(&table, 1)).await, 1);
}

#[tokio::test]
async fn an_unknown_outcome_is_emitted_once_more_though_the_first_attempt_failed() {
    let redis = FakeRedis::new();
    let builder = Cache::builder().fake_redis(&redis).unknown_outcome(ms(400));
    let (cache, table) = (builder.build().await.unwrap(), Table::default());
    let there = process(&redis).await;
    redis.inject(Operation::Write, Fault::Fail);
    let _ = within(&cache, write_that_hangs(1)).now_or_never();
    sleep(ms(100)).await;
    redis.recover();
    until("it is sent", || cache.stats().events.acknowledged > 0).await;
    sleep(ms(50)).await;
    assert_eq!(within(&there, row_here(&table, 1)).await, 0);
    assert_eq!(within(&cache, row_here(&table, 1)).await, 0);
    table.set(1);
    sleep(ms(1_000)).await;
    let both = (
        within(&cache, row_here(&table, 1)).await,
        within(&there, row_here(&table, 1)).await,
    );
    assert_eq!(both, (1, 1));
}

#[tokio::test]
async fn a_second_word_that_redis_refuses_is_said_here() {
    let redis = FakeRedis::new();
    let builder = Cache::builder().fake_redis(&redis).unknown_outcome(ms(400));
    let (cache, table) = (builder.build().await.unwrap(), Table::default());
    let _ = within(&cache, write_that_hangs(1)).now_or_never();
    until("it is sent", || cache.stats().events.acknowledged > 0).await;
    redis.inject(Operation::Write, Fault::Fail);
    assert_eq!(within(&cache, row_here(&table, 1)).await, 0);
    table.set(1);
    sleep(ms(1_000)).await;
    assert_eq!(within(&cache, row_here(&table, 1)).await, 1);
}

#[invalidates(RowChanged { id })]
async fn write_and_hang(table: &Table, id: u64) {
    table.change();
    pending::<()>().await;
}

#[tokio::test]
async fn a_mutation_that_is_dropped_in_its_body_is_seen_at_once_in_its_process() {
    let redis = FakeRedis::new();
    let (cache, table) = (process(&redis).await, Table::default());
    within(&cache, row(&table, 1)).await;
    redis.inject(Operation::Write, Fault::Delay(ms(500)));
    let _ = within(&cache, write_and_hang(&table, 1)).now_or_never();
    assert_eq!(within(&cache, row(&table, 1)).await, 1);
}

#[tokio::test]
async fn events_on_a_long_line_do_not_pile_up() {
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    redis.inject(Operation::Write, Fault::Delay(ms(100)));
    // 500 a second for four seconds; each would be acknowledged after 100 ms.
    let begun = std::time::Instant::now();
    let mut id = 0;
    while begun.elapsed() < ms(4_000) {
        for _ in 0..5 {
            id += 1;
            let _ = cache.emit(RowChanged { id }).now_or_never();
        }
        sleep(ms(10)).await;
    }
    let piled = cache.stats().events.pending;
    sleep(ms(2_000)).await;
    let left = cache.stats().events.pending;
    assert_eq!(left, 0, "2 s after the last of {id}; {piled} waited then");
}

#[test]
fn events_that_nobody_carries_become_one_of_their_kind_too() {
    let redis = FakeRedis::new();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let cache = runtime.block_on(process(&redis));
    drop(runtime);
    for id in 0..30_000 {
        let _ = futures::executor::block_on(cache.emit(RowChanged { id }));
    }
    let waiting = cache.stats().events.pending;
    assert!(waiting < 20_000, "{waiting} wait");
}
