//! Ways to be served what an event has made void. Each test names what is promised, and fails where that is not kept.
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
    Cache, CachedCall, Event, Explained, Refused, Source, cached, invalidates,
    testing::{FakeRedis, Fault, ManualClock, Operation},
};
use futures::FutureExt;
use tests::spawn_in;
use tokio::{
    runtime::Builder,
    sync::Semaphore,
    time::{Instant, sleep, timeout},
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

async fn alone() -> Cache {
    Cache::builder().build().await.unwrap()
}

async fn on(redis: &FakeRedis, bound: Duration) -> Cache {
    let builder = Cache::builder().fake_redis(redis).staleness_bound(bound);
    builder.build().await.unwrap()
}

async fn within<F: Future>(cache: &Cache, call: F) -> F::Output {
    Cache::scope(cache.clone(), call).await
}

async fn explained<C: CachedCall<Output: 'static>>(cache: &Cache, call: C) -> Explained<C::Output> {
    within(cache, call.explain()).await.unwrap()
}

const LONG: Duration = Duration::from_mins(1);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

// ---- guarded

#[derive(Debug)]
struct Denied;

impl From<Refused> for Denied {
    fn from(_: Refused) -> Self {
        Self
    }
}

#[derive(Default)]
struct Steps {
    begun: Semaphore0,
    go: Semaphore0,
    committed: Semaphore0,
}

struct Semaphore0(Semaphore);

impl Default for Semaphore0 {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

impl Semaphore0 {
    fn open(&self) {
        self.0.add_permits(1);
    }

    async fn passed(&self) {
        self.0.acquire().await.unwrap().forget();
    }
}

#[invalidates(RowChanged { id }, guarded)]
async fn guarded_write_that_dies(table: Table, id: u64, steps: Arc<Steps>) -> Result<(), Denied> {
    steps.begun.open();
    steps.go.passed().await;
    table.0.fetch_add(1, SeqCst);
    steps.committed.open();
    pending().await
}

/// A process that dies between its commit and its event: nobody drives it again, and nothing of it is dropped.
fn doomed(redis: &FakeRedis, table: &Table, steps: &Arc<Steps>) -> std::thread::JoinHandle<()> {
    let (redis, table, steps) = (redis.clone(), table.clone(), Arc::clone(steps));
    std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let cache = on(&redis, ms(400)).await;
            let mutation = guarded_write_that_dies(table, 1, Arc::clone(&steps));
            std::mem::forget(spawn_in(&cache, mutation));
            steps.committed.passed().await;
            std::mem::forget(cache);
        });
        std::mem::forget(runtime);
    })
}

#[tokio::test]
async fn what_was_loaded_while_a_guarded_mutation_ran_does_not_outlive_its_process() {
    let clock = ManualClock::new();
    let redis = FakeRedis::on(&clock);
    let there = on(&redis, ms(400)).await;
    let (table, steps) = (Table::default(), Arc::new(Steps::default()));
    let process = doomed(&redis, &table, &steps);
    steps.begun.passed().await;
    // It is marked now, and not yet written.
    let before = explained(&there, row(&table, 1)).await;
    assert_eq!((before.value, before.source), (0, Source::Load));
    steps.go.open();
    process.join().unwrap();
    clock.advance(LONG);
    sleep(ms(1_000)).await;
    let read = explained(&there, row(&table, 1)).await;
    assert_eq!(
        read.value, 1,
        "1 s after the commit with a bound of 0.4 s: {read}"
    );
}

#[tokio::test]
async fn a_guarded_mutation_whose_mark_redis_forgot_leaves_nothing_stale() {
    let redis = FakeRedis::new();
    let there = on(&redis, ms(400)).await;
    let (table, steps) = (Table::default(), Arc::new(Steps::default()));
    let process = doomed(&redis, &table, &steps);
    steps.begun.passed().await;
    // `FLUSHALL`, an eviction, a failover.
    redis.clear();
    assert_eq!(within(&there, row(&table, 1)).await, 0);
    steps.go.open();
    process.join().unwrap();
    sleep(ms(1_000)).await;
    let read = explained(&there, row(&table, 1)).await;
    assert_eq!(
        read.value, 1,
        "1 s after the commit with a bound of 0.4 s: {read}"
    );
}

#[invalidates(RowChanged { id }, guarded)]
async fn guarded_write(table: &Table, id: u64) -> Result<(), Denied> {
    table.0.fetch_add(1, SeqCst);
    Ok(())
}

#[tokio::test]
async fn the_mark_of_a_dead_process_ends_though_others_go_on_marking() {
    let clock = ManualClock::new();
    let redis = FakeRedis::on(&clock);
    for dies in [false, true] {
        let redis = if dies {
            redis.clone()
        } else {
            FakeRedis::on(&clock)
        };
        let (here, there) = (on(&redis, ms(400)).await, on(&redis, ms(400)).await);
        let (table, steps) = (Table::default(), Arc::new(Steps::default()));
        if dies {
            let process = doomed(&redis, &table, &steps);
            steps.begun.passed().await;
            steps.go.open();
            process.join().unwrap();
        }
        for _ in 0..10 {
            clock.advance(Duration::from_secs(20));
            within(&here, guarded_write(&table, 1)).await.unwrap();
        }
        within(&there, row(&table, 1)).await;
        sleep(ms(100)).await;
        let read = explained(&here, row(&table, 1)).await;
        assert_eq!(
            read.source,
            Source::Redis,
            "200 s after a process died ({dies}): {read}"
        );
    }
}

#[derive(Debug)]
struct Made {
    id: u64,
}

#[invalidates(result.as_event(), guarded)]
async fn guarded_create(table: &Table) -> Result<Made, Denied> {
    table.0.fetch_add(1, SeqCst);
    Ok(Made { id: 1 })
}

impl Made {
    fn as_event(&self) -> RowChanged {
        RowChanged { id: self.id }
    }
}

#[tokio::test]
async fn a_guarded_mutation_is_refused_where_the_others_cannot_be_told() {
    let redis = FakeRedis::new();
    let (cache, table) = (on(&redis, ms(400)).await, Table::default());
    redis.fail();
    let refused = within(&cache, guarded_write(&table, 1)).await;
    assert!(refused.is_err(), "as it should");
    let refused = within(&cache, guarded_create(&table)).await;
    assert!(
        refused.is_err(),
        "it ran, and nobody had been told: {refused:?}"
    );
}

#[invalidates(result)]
async fn create_and_hang(table: Table, id: u64) -> RowChanged {
    table.0.fetch_add(1, SeqCst);
    if id == 1 {
        pending::<()>().await;
    }
    RowChanged { id }
}

#[tokio::test]
async fn a_mutation_that_is_dropped_emits_what_its_result_would_have_said() {
    let (cache, table) = (alone().await, Table::default());
    within(&cache, row(&table, 1)).await;
    let _ = within(&cache, create_and_hang(table.clone(), 1)).now_or_never();
    assert_eq!(within(&cache, row(&table, 1)).await, 1);
}

// ---- unknown outcomes, dropped callers, runtimes

// ---- several caches in one process

static SMALL: std::sync::LazyLock<Cache> = std::sync::LazyLock::new(|| {
    let build = Cache::builder().namespace("small").build();
    build.now_or_never().unwrap().unwrap()
});

#[cached(ttl = 1h, skip(table), cache = SMALL, invalidate_on = RowChanged { id })]
async fn in_small(table: &Table, id: u64) -> u64 {
    table.value()
}

#[tokio::test]
async fn a_mutation_reaches_every_cache_of_its_process() {
    let (cache, table) = (alone().await, Table::default());
    within(&cache, in_small(&table, 1)).await;
    within(&cache, write(&table, 1)).await;
    assert_eq!(within(&cache, in_small(&table, 1)).await, 1);
}

#[tokio::test]
async fn a_mutation_without_a_cache_is_told_to_those_who_have_one() {
    let redis = FakeRedis::new();
    let (cache, table) = (on(&redis, ms(400)).await, Table::default());
    within(&cache, row(&table, 1)).await;
    within(&Cache::disabled(), write(&table, 1)).await;
    sleep(ms(600)).await;
    assert_eq!(within(&cache, row(&table, 1)).await, 1);
}

// ---- names

struct Renamed {
    id: u64,
}

impl Event for Renamed {
    const NAME: &'static str = "row renamed";
    const FIELDS: &'static [&'static str] = &["id"];

    fn write_fields(&self, count: usize, key: &mut cache_core::KeyWriter) {
        if count > 0 {
            cache_core::CacheKey::write(&self.id, key);
        }
    }
}

#[cached(ttl = 1h, skip(table), invalidate_on = |_| [Renamed { id: 1 }])]
async fn named(table: &Table) -> u64 {
    table.value()
}

#[tokio::test]
async fn an_event_of_any_name_is_heard() {
    let redis = FakeRedis::new();
    let (here, there) = (on(&redis, ms(400)).await, on(&redis, ms(400)).await);
    let table = Table::default();
    within(&there, named(&table)).await;
    sleep(ms(50)).await;
    within(&there, named(&table)).await;
    table.set(1);
    here.emit(Renamed { id: 1 }).await.unwrap();
    sleep(ms(1_000)).await;
    assert_eq!(within(&there, named(&table)).await, 1);
}

// ---- size
