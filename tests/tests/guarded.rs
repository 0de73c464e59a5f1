//! What a `guarded` mutation promises to others, and what becomes of its mark.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{future::pending, sync::Arc, thread::JoinHandle, time::Duration};

use cache_core::{
    Source, invalidates,
    testing::{FakeRedis, Fault, ManualClock, Operation},
};
use tests::{
    process,
    rows::{Denied, RowChanged, Table, explained, ms, row, row_here, within},
    spawn_in,
};
use tokio::{
    runtime::Builder,
    sync::Semaphore,
    time::{sleep, timeout},
};

#[invalidates(RowChanged { id }, guarded)]
async fn write(table: &Table, id: u64) -> Result<(), Denied> {
    table.change();
    Ok(())
}

#[invalidates(RowChanged { id }, guarded)]
async fn write_and_die(table: Table, id: u64, steps: Arc<Steps>) -> Result<(), Denied> {
    steps.begun.add_permits(1);
    steps.go.acquire().await.unwrap().forget();
    table.change();
    steps.committed.add_permits(1);
    pending().await
}

/// How far a mutation is that never ends.
struct Steps {
    begun: Semaphore,
    go: Semaphore,
    committed: Semaphore,
}

/// A process that dies between its commit, which comes when it may go on, and its event: nobody drives it again, and
/// nothing of it is dropped.
fn doomed(redis: &FakeRedis, table: &Table) -> (Arc<Steps>, JoinHandle<()>) {
    let none = || Semaphore::new(0);
    let steps = Arc::new(Steps {
        begun: none(),
        go: none(),
        committed: none(),
    });
    let (redis, table, dying) = (redis.clone(), table.clone(), Arc::clone(&steps));
    let process = std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let cache = process(&redis).await;
            let mutation = write_and_die(table, 1, Arc::clone(&dying));
            std::mem::forget(spawn_in(&cache, mutation));
            dying.committed.acquire().await.unwrap().forget();
            std::mem::forget(cache);
        });
        std::mem::forget(runtime);
    });
    (steps, process)
}

/// One that has died so.
fn die(redis: &FakeRedis, table: &Table) {
    let (steps, process) = doomed(redis, table);
    steps.go.add_permits(1);
    process.join().unwrap();
}

#[tokio::test]
async fn what_was_loaded_while_it_ran_does_not_outlive_its_process() {
    let clock = ManualClock::new();
    let redis = FakeRedis::on(&clock);
    let (there, table) = (process(&redis).await, Table::default());
    let (steps, process) = doomed(&redis, &table);
    steps.begun.acquire().await.unwrap().forget();
    // It is marked now, and not yet written.
    let before = explained(&there, row(&table, 1)).await;
    assert_eq!((before.value, before.source), (0, Source::Load));
    steps.go.add_permits(1);
    process.join().unwrap();
    clock.advance(Duration::from_mins(1));
    let read = explained(&there, row(&table, 1)).await;
    assert_eq!(
        read.value, 1,
        "nothing was to be kept under the mark: {read}"
    );
}

#[tokio::test]
async fn the_mark_of_a_dead_process_ends_though_others_go_on_marking() {
    for dies in [false, true] {
        let clock = ManualClock::new();
        let redis = FakeRedis::on(&clock);
        let (here, there) = (process(&redis).await, process(&redis).await);
        let table = Table::default();
        if dies {
            die(&redis, &table);
        }
        for _ in 0..3 {
            clock.advance(Duration::from_secs(20));
            within(&here, write(&table, 1)).await.unwrap();
        }
        within(&there, row(&table, 1)).await;
        redis.until(|redis| redis.keys().len() == 1).await;
        let read = explained(&here, row(&table, 1)).await;
        assert_eq!(
            read.source,
            Source::Redis,
            "a minute after a process died ({dies}): {read}"
        );
    }
}

#[tokio::test]
async fn it_is_refused_where_the_others_cannot_be_told_and_says_what_to_do() {
    let redis = FakeRedis::new();
    let (cache, table) = (process(&redis).await, Table::default());
    redis.fail();
    let Denied(refused) = within(&cache, write(&table, 1)).await.unwrap_err();
    assert_eq!(table.value(), 0, "it did not run");
    assert!(refused.to_string().contains("try again"), "{refused}");
    redis.recover();
    within(&cache, write(&table, 1)).await.unwrap();
}

#[tokio::test]
async fn it_is_known_to_a_process_that_starts_while_it_runs_and_reads_versions() {
    let clock = ManualClock::new();
    let redis = FakeRedis::on(&clock);
    let table = Table::default();
    let (steps, dying) = doomed(&redis, &table);
    steps.begun.acquire().await.unwrap().forget();
    let there = process(&redis).await;
    assert_eq!(within(&there, row(&table, 1)).await, 0);
    steps.go.add_permits(1);
    dying.join().unwrap();
    clock.advance(Duration::from_mins(1));
    let read = explained(&there, row(&table, 1)).await;
    assert_eq!(read.value, 1, "{read}");
}

#[tokio::test]
async fn one_that_was_given_up_keeps_nobody_from_keeping_values_for_longer_than_its_mark() {
    let clock = ManualClock::new();
    let redis = FakeRedis::on(&clock);
    let (here, there, table) = (
        process(&redis).await,
        process(&redis).await,
        Table::default(),
    );
    within(&there, row_here(&table, 2)).await;
    redis.inject(Operation::Write, Fault::Delay(ms(40)));
    let _ = timeout(ms(10), within(&here, write(&table, 1))).await;
    sleep(ms(200)).await;
    redis.recover();
    clock.advance(Duration::from_secs(31));
    sleep(ms(100)).await;
    within(&there, row_here(&table, 1)).await;
    let read = explained(&there, row_here(&table, 1)).await;
    assert_eq!(read.source, Source::Memory, "{read}");
}

#[tokio::test]
async fn it_is_known_to_a_process_that_starts_while_it_runs() {
    let clock = ManualClock::new();
    let redis = FakeRedis::on(&clock);
    let table = Table::default();
    let (steps, dying) = doomed(&redis, &table);
    steps.begun.acquire().await.unwrap().forget();
    let there = process(&redis).await;
    assert_eq!(within(&there, row_here(&table, 1)).await, 0);
    steps.go.add_permits(1);
    dying.join().unwrap();
    // The mark has ended.
    clock.advance(Duration::from_mins(1));
    sleep(Duration::from_millis(2_500)).await;
    let read = explained(&there, row_here(&table, 1)).await;
    assert_eq!(read.value, 1, "{read}");
}

#[tokio::test]
async fn it_is_known_to_a_process_that_was_disconnected_when_it_began() {
    let clock = ManualClock::new();
    let redis = FakeRedis::on(&clock);
    let table = Table::default();
    let there = process(&redis).await;
    within(&there, row_here(&table, 2)).await;
    redis.inject(Operation::Message, Fault::Fail);
    let (steps, dying) = doomed(&redis, &table);
    steps.begun.acquire().await.unwrap().forget();
    redis.recover();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(within(&there, row_here(&table, 1)).await, 0);
    steps.go.add_permits(1);
    dying.join().unwrap();
    clock.advance(Duration::from_mins(1));
    sleep(Duration::from_millis(2_500)).await;
    let read = explained(&there, row_here(&table, 1)).await;
    assert_eq!(read.value, 1, "{read}");
}
