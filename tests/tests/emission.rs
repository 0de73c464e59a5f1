//! What a change says, however its caller, its runtime and Redis behave meanwhile: at once in its own process, and in
//! the end everywhere.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    future::{Future, pending},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use cache_core::{
    Cache, Event, cached, invalidates,
    testing::{FakeRedis, Fault, Operation},
};
use futures::FutureExt;
use tests::spawn_in;
use tokio::{
    runtime::Builder,
    sync::Semaphore,
    time::{sleep, timeout},
};

#[derive(Event)]
#[event(used_elsewhere)]
struct RowChanged {
    id: u64,
}

/// The source of truth.
#[derive(Clone, Default)]
struct Table(Arc<AtomicU64>);

impl Table {
    fn value(&self) -> u64 {
        self.0.load(SeqCst)
    }

    fn set(&self, value: u64) {
        self.0.store(value, SeqCst);
    }
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn row(table: &Table, id: u64) -> u64 {
    table.value()
}

#[invalidates(RowChanged { id })]
async fn write(table: &Table, id: u64) {
    table.0.fetch_add(1, SeqCst);
}

async fn on(redis: &FakeRedis) -> Cache {
    Cache::builder().fake_redis(redis).build().await.unwrap()
}

async fn within<F: Future>(cache: &Cache, call: F) -> F::Output {
    Cache::scope(cache.clone(), call).await
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn a_mutation_outside_a_runtime_returns_its_own_result() {
    let redis = FakeRedis::new();
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let cache = runtime.block_on(on(&redis));
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
    let (cache, table) = (on(&redis).await, Table::default());
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
