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

// ---- joins

static GATE: Semaphore = Semaphore::const_new(0);

#[derive(Clone)]
struct Noted {
    id: u64,
    value: u64,
}

#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = |noted| RowChanged { id: noted.id })]
async fn slow_noted(table: &Table, id: u64) -> Noted {
    let value = table.value();
    GATE.acquire().await.unwrap().forget();
    Noted { id, value }
}

#[tokio::test]
async fn after_a_mutation_no_call_joins_a_load_that_only_its_value_says_it_made_void() {
    let (cache, table) = (alone().await, Table::default());
    let early = {
        let table = table.clone();
        spawn_in(&cache, async move { slow_noted(&table, 1).await.value })
    };
    sleep(ms(20)).await;
    within(&cache, write(&table, 1)).await;
    let late = {
        let table = table.clone();
        spawn_in(&cache, async move { slow_noted(&table, 1).await.value })
    };
    sleep(ms(20)).await;
    GATE.add_permits(2);
    assert_eq!(early.await.unwrap(), 0, "it called before");
    assert_eq!(
        late.await.unwrap(),
        1,
        "it called after the mutation had returned"
    );
}

static INHERITED_GATE: Semaphore = Semaphore::const_new(0);

#[cached(ttl = 1h, skip(table), inherits)]
async fn slow_page(table: &Table, id: u64) -> u64 {
    let value = row(table, id).await;
    INHERITED_GATE.acquire().await.unwrap().forget();
    value
}

#[tokio::test]
async fn after_a_mutation_no_call_joins_a_load_that_inherits_what_was_made_void() {
    let (cache, table) = (alone().await, Table::default());
    let call = || {
        let table = table.clone();
        spawn_in(&cache, async move { slow_page(&table, 1).await })
    };
    let early = call();
    sleep(ms(20)).await;
    within(&cache, write(&table, 1)).await;
    let late = call();
    sleep(ms(20)).await;
    INHERITED_GATE.add_permits(2);
    assert_eq!(early.await.unwrap(), 0, "it called before");
    assert_eq!(
        late.await.unwrap(),
        1,
        "it called after the mutation had returned"
    );
}

// ---- inherits

static INNER_GATE: Semaphore = Semaphore::const_new(0);

#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = |noted| RowChanged { id: noted.id })]
async fn inner_noted(table: &Table, id: u64) -> Noted {
    let value = table.value();
    INNER_GATE.acquire().await.unwrap().forget();
    Noted { id, value }
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn outer_of_noted(table: &Table, id: u64) -> u64 {
    inner_noted(table, id).await.value
}

#[tokio::test]
async fn what_is_made_of_an_overtaken_value_is_not_kept() {
    let (cache, table) = (alone().await, Table::default());
    INNER_GATE.add_permits(1);
    // Notes are taken from the first on.
    within(&cache, outer_of_noted(&table, 2)).await;
    let early = {
        let table = table.clone();
        spawn_in(&cache, async move { outer_of_noted(&table, 1).await })
    };
    sleep(ms(20)).await;
    within(&cache, write(&table, 1)).await;
    INNER_GATE.add_permits(10);
    assert_eq!(early.await.unwrap(), 0, "it called before");
    assert_eq!(within(&cache, outer_of_noted(&table, 1)).await, 1);
}

#[derive(Clone, Debug)]
struct MissingForAll;

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn existing_for_all(table: &Table, id: u64) -> Result<u64, MissingForAll> {
    Some(table.value())
        .filter(|value| *value > 0)
        .ok_or(MissingForAll)
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn shown_or_none_for_all(table: &Table, id: u64) -> String {
    existing_for_all(table, id)
        .await
        .map_or("none".into(), |value| value.to_string())
}

#[tokio::test]
async fn what_is_made_of_an_error_that_can_be_cloned_inherits_too() {
    let (cache, table) = (alone().await, Table::default());
    assert_eq!(
        within(&cache, shown_or_none_for_all(&table, 1)).await,
        "none"
    );
    within(&cache, write(&table, 1)).await;
    assert_eq!(within(&cache, shown_or_none_for_all(&table, 1)).await, "1");
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn shown_peeked(table: &Table, id: u64) -> u64 {
    row(table, id).peek().await.unwrap_or(100)
}

#[tokio::test]
async fn what_is_made_of_a_peeked_value_inherits_its_events() {
    let (cache, table) = (alone().await, Table::default());
    within(&cache, row(&table, 1)).await;
    assert_eq!(within(&cache, shown_peeked(&table, 1)).await, 0);
    within(&cache, write(&table, 1)).await;
    within(&cache, row(&table, 1)).await;
    assert_eq!(within(&cache, shown_peeked(&table, 1)).await, 1);
}

#[derive(Debug)]
struct Missing;

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn existing(table: &Table, id: u64) -> Result<u64, Missing> {
    Some(table.value())
        .filter(|value| *value > 0)
        .ok_or(Missing)
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn shown_or_none(table: &Table, id: u64) -> String {
    existing(table, id)
        .await
        .map_or("none".into(), |value| value.to_string())
}

#[tokio::test]
async fn what_is_made_of_an_error_inherits_the_events_of_who_returned_it() {
    let (cache, table) = (alone().await, Table::default());
    assert_eq!(within(&cache, shown_or_none(&table, 1)).await, "none");
    within(&cache, write(&table, 1)).await;
    assert_eq!(within(&cache, shown_or_none(&table, 1)).await, "1");
}

// ---- loads made of older values, which are then taken for new ones

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn peeking(table: &Table, id: u64) -> u64 {
    match row(table, id).peek().await {
        Some(value) => value,
        None => row(table, id).await,
    }
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn spawning(table: &Table, id: u64) -> u64 {
    let (table, cache) = (table.clone(), Cache::current());
    let task = async move { row(&table, id).await };
    tokio::spawn(Cache::scope(cache, task)).await.unwrap()
}

/// One message is lost, and the process that missed it makes a value of what it has.
async fn made_of_old<C, F>(call: C)
where
    C: Fn(Table) -> F,
    F: Future<Output = u64>,
{
    let redis = FakeRedis::new();
    let (here, deaf) = (on(&redis, ms(2_000)).await, on(&redis, LONG).await);
    let table = Table::default();
    within(&deaf, row(&table, 1)).await;
    redis.until(|redis| redis.keys().len() == 1).await;
    redis.inject_next(1, Operation::Message, Fault::Hang);
    within(&here, write(&table, 1)).await;
    within(&deaf, call(table.clone())).await;
    let _ = timeout(ms(300), redis.until(|redis| redis.keys().len() == 2)).await;
    assert_eq!(
        within(&here, call(table.clone())).await,
        1,
        "in the process whose mutation has returned"
    );
}

#[tokio::test]
async fn what_is_made_of_a_peeked_value_is_not_taken_for_newer_than_that() {
    made_of_old(|table| async move { peeking(&table, 1).await }).await;
}

#[tokio::test]
async fn what_is_made_in_a_spawned_task_is_not_taken_for_newer_than_that() {
    made_of_old(|table| async move { spawning(&table, 1).await }).await;
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { .. })]
async fn report(table: &Table) -> u64 {
    row(table, 1).await
}

#[tokio::test]
async fn what_is_made_of_parts_is_not_taken_for_newer_than_those() {
    made_of_old(|table| async move { report(&table).await }).await;
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { .. })]
async fn all(table: &Table) -> u64 {
    table.value()
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn place_among_all(table: &Table, id: u64) -> u64 {
    all(table).await
}

#[tokio::test]
async fn what_is_made_of_a_whole_is_not_taken_for_newer_than_that() {
    let redis = FakeRedis::new();
    let (here, deaf) = (on(&redis, ms(2_000)).await, on(&redis, LONG).await);
    let table = Table::default();
    within(&deaf, all(&table)).await;
    redis.until(|redis| redis.keys().len() == 1).await;
    redis.inject_next(1, Operation::Message, Fault::Hang);
    within(&here, write(&table, 1)).await;
    within(&deaf, place_among_all(&table, 1)).await;
    let _ = timeout(ms(300), redis.until(|redis| redis.keys().len() == 2)).await;
    assert_eq!(within(&here, place_among_all(&table, 1)).await, 1);
}

/// The same without any fault: the message is on its way for 3 ms, as over a long line.
#[tokio::test]
async fn what_is_made_of_parts_while_a_message_is_on_its_way_is_not_taken_for_newer_than_those() {
    let redis = FakeRedis::new();
    let (here, there) = (on(&redis, ms(2_000)).await, on(&redis, ms(2_000)).await);
    let table = Table::default();
    within(&there, row(&table, 1)).await;
    redis.until(|redis| redis.keys().len() == 1).await;
    redis.inject(Operation::Message, Fault::Delay(ms(3)));
    within(&here, write(&table, 1)).await;
    within(&there, report(&table)).await;
    sleep(ms(2_500)).await;
    let read = explained(&here, report(&table)).await;
    assert_eq!(
        read.value, 1,
        "2.5 s later, in the process that wrote: {read}"
    );
}

#[cached(ttl = 1h, skip(table), tiers = redis, invalidate_on = RowChanged { id })]
async fn far(table: &Table, id: u64) -> u64 {
    table.value()
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn made_of_far(table: &Table, id: u64) -> u64 {
    far(table, id).await
}

#[tokio::test]
async fn what_is_made_of_a_value_on_its_way_is_not_taken_for_newer_than_that() {
    let redis = FakeRedis::new();
    let (here, deaf) = (on(&redis, ms(2_000)).await, on(&redis, LONG).await);
    let table = Table::default();
    // The tags are made, and then the value takes its time.
    redis.inject_next(1, Operation::Write, Fault::Delay(Duration::ZERO));
    redis.inject_next(1, Operation::Write, Fault::Delay(ms(600)));
    within(&deaf, far(&table, 1)).await;
    redis.until(|redis| redis.writes() == 1).await;
    sleep(ms(20)).await;
    redis.inject_next(1, Operation::Message, Fault::Hang);
    within(&here, write(&table, 1)).await;
    within(&deaf, made_of_far(&table, 1)).await;
    let _ = timeout(ms(1_500), redis.until(|redis| redis.keys().len() == 2)).await;
    assert_eq!(within(&here, made_of_far(&table, 1)).await, 1);
}

static DEAF: std::sync::OnceLock<Cache> = std::sync::OnceLock::new();

#[cached(ttl = 1h, skip(table), cache = DEAF.get().unwrap(), invalidate_on = RowChanged { id })]
async fn deaf_row(table: &Table, id: u64) -> u64 {
    table.value()
}

#[cached(ttl = 1h, skip(table), cache = DEAF.get().unwrap(), tiers = memory, invalidate_on = |_| RowChanged { id: 1 })]
async fn deaf_noted(table: &Table, id: u64) -> u64 {
    deaf_row(table, id).await
}

/// Outside of a scope, where functions find their cache as most programs have it: installed, or named.
#[tokio::test]
async fn two_functions_on_one_another_do_not_double_the_bound() {
    let redis = FakeRedis::new();
    let here = on(&redis, LONG).await;
    DEAF.set(on(&redis, ms(1_000)).await).unwrap();
    let table = Table::default();
    // Notes are taken from the first on.
    deaf_noted(&table, 2).await;
    sleep(ms(50)).await;
    assert_eq!(deaf_row(&table, 1).await, 0);
    redis.inject(Operation::Message, Fault::Hang);
    within(&here, write(&table, 1)).await;
    let acknowledged = Instant::now();
    sleep(ms(600)).await;
    assert_eq!(deaf_noted(&table, 1).await, 0, "within the bound");
    sleep(ms(700)).await;
    let (served, late) = (deaf_noted(&table, 1).await, acknowledged.elapsed());
    assert_eq!(
        served, 1,
        "{late:?} after it was acknowledged, with a bound of 1 s"
    );
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

// ---- settle

#[cached(ttl = 1h, skip(table), settle = 300ms, invalidate_on = RowChanged { id })]
async fn lagging(table: &Table, id: u64) -> u64 {
    let value = table.value();
    sleep(ms(400)).await;
    value
}

#[tokio::test]
async fn what_was_read_from_a_replica_before_it_settled_is_not_kept_for_longer() {
    let (cache, table) = (alone().await, Table::default());
    within(&cache, lagging(&table, 2)).await;
    within(&cache, cache.emit(RowChanged { id: 1 }))
        .await
        .unwrap();
    let call = {
        let table = table.clone();
        spawn_in(&cache, async move { lagging(&table, 1).await })
    };
    sleep(ms(200)).await;
    // The replica has caught up, well within the time to settle.
    table.set(1);
    assert_eq!(call.await.unwrap(), 0);
    sleep(ms(500)).await;
    assert_eq!(within(&cache, lagging(&table, 1)).await, 1);
}

// ---- unknown outcomes, dropped callers, runtimes

// ---- several caches in one process

#[cached(ttl = 1h, skip(table), inherits, inline)]
async fn page_here(table: &Table, id: u64) -> u64 {
    row_there(table, id).await
}

tokio::task_local! {
    static THERE: Cache;
}

#[cached(ttl = 1h, skip(table), cache = THERE.get(), invalidate_on = RowChanged { id })]
async fn row_there(table: &Table, id: u64) -> u64 {
    table.value()
}

#[tokio::test]
async fn what_is_inherited_from_another_cache_is_believed_no_longer_than_there() {
    let redis = FakeRedis::new();
    let (other, there) = (on(&redis, ms(400)).await, on(&redis, ms(400)).await);
    let (here, table) = (alone().await, Table::default());
    THERE
        .scope(there.clone(), async {
            within(&here, page_here(&table, 1)).await;
            redis.inject(Operation::Message, Fault::Hang);
            within(&other, write(&table, 1)).await;
            sleep(ms(1_000)).await;
            assert_eq!(within(&here, row_there(&table, 1)).await, 1);
            assert_eq!(within(&here, page_here(&table, 1)).await, 1);
        })
        .await;
}
