//! The stand-in for Redis, as a tester of cached code uses it.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Duration;

use cache_core::{
    Cache, CachedCall, RedisMiss, Source, cached,
    testing::{FakeRedis, Fault, ManualClock, Operation},
};
use tests::{
    process,
    rows::{RowChanged, Table, explained, row, within},
};

#[cached(ttl = 1h)]
async fn double(n: u64) -> u64 {
    n * 2
}

async fn explain(cache: &Cache, n: u64) -> (Source, Option<RedisMiss>) {
    let call = double(n).explain();
    let explained = Cache::scope(cache.clone(), call).await.unwrap();
    (explained.source, explained.redis)
}

#[tokio::test(start_paused = true)]
async fn injected_faults_are_met_one_after_the_other_and_then_no_more() {
    use RedisMiss::{Absent, Late, Unavailable};
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    redis.inject_next(2, Operation::Read, Fault::Fail);
    redis.inject_next(0, Operation::Read, Fault::Fail);
    redis.inject_next(1, Operation::Read, Fault::Hang);
    redis.inject_next(1, Operation::Read, Fault::Delay(Duration::from_millis(90)));
    let mut misses = Vec::new();
    for n in 0..5 {
        misses.push(explain(&cache, n).await.1.unwrap());
    }
    assert_eq!(misses, [Unavailable, Unavailable, Late, Absent, Absent]);
}

#[tokio::test(start_paused = true)]
async fn of_what_it_is_told_the_last_word_counts() {
    use RedisMiss::{Absent, Late, Unavailable};
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    let soon = Duration::from_millis(1);
    let words: [(&dyn Fn(), RedisMiss); 7] = [
        (&|| redis.hang(), Late),
        (&|| redis.delay(soon), Absent),
        (&|| redis.fail(), Unavailable),
        (
            &|| redis.inject(Operation::Read, Fault::Delay(soon)),
            Absent,
        ),
        (&|| redis.delay(Duration::from_hours(1)), Late),
        (&|| redis.fail(), Unavailable),
        (&|| redis.fill_up(), Absent),
    ];
    for (n, (say, miss)) in (0..).zip(words) {
        say();
        assert_eq!(explain(&cache, n).await.1, Some(miss), "word {n}");
    }
}

#[tokio::test(start_paused = true)]
async fn reads_can_be_at_fault_while_writes_are_not() {
    let redis = FakeRedis::new();
    let (here, there) = (process(&redis).await, process(&redis).await);
    redis.inject(Operation::Read, Fault::Fail);
    explain(&here, 1).await;
    redis.until(|redis| redis.keys().len() == 1).await;
    let failed = (Source::Load, Some(RedisMiss::Unavailable));
    assert_eq!(explain(&there, 1).await, failed);
    redis.recover();
    assert_eq!(explain(&process(&redis).await, 1).await.0, Source::Redis);
}

#[tokio::test(start_paused = true)]
async fn writes_can_be_at_fault_while_reads_are_not() {
    let redis = FakeRedis::new();
    let (here, there) = (process(&redis).await, process(&redis).await);
    explain(&here, 1).await;
    redis.until(|redis| redis.keys().len() == 1).await;
    redis.inject(Operation::Write, Fault::Hang);
    explain(&here, 2).await;
    redis.until(|redis| redis.writes() == 2).await;
    assert_eq!(explain(&there, 1).await.0, Source::Redis);
    assert_eq!(redis.keys().len(), 1);
    // After a second nobody waits for the write any more.
    redis.recover();
    explain(&here, 3).await;
    redis.until(|redis| redis.keys().len() == 2).await;
    let row = here.stats().function("double").cloned();
    assert_eq!(row.map(|row| row.redis_fills_lost), Some(1));
}

#[tokio::test]
async fn entries_that_were_cleared_or_have_expired_are_not_shown() {
    let clock = ManualClock::new();
    let redis = FakeRedis::on(&clock);
    let builder = Cache::builder().fake_redis(&redis).clock(clock.clock());
    let cache = builder.build().await.unwrap();
    explain(&cache, 1).await;
    redis.until(|redis| redis.keys().len() == 1).await;
    assert!(redis.bytes() > 0);
    clock.advance(Duration::from_hours(1));
    assert_eq!((redis.keys(), redis.bytes()), (vec![], 0));

    explain(&cache, 1).await;
    redis.until(|redis| redis.keys().len() == 1).await;
    redis.clear();
    assert!(redis.keys().is_empty());
    let there = process(&redis).await;
    let absent = (Source::Load, Some(RedisMiss::Absent));
    assert_eq!(explain(&there, 1).await, absent);
}

#[tokio::test]
async fn what_is_written_after_the_clock_was_moved_is_believed_by_who_emitted_its_event_before() {
    let (clock, table) = (ManualClock::new(), Table::default());
    let redis = FakeRedis::on(&clock);
    let builder = || Cache::builder().fake_redis(&redis).clock(clock.clock());
    let here = builder().build().await.unwrap();
    within(&here, here.emit(RowChanged { id: 1 }))
        .await
        .unwrap();
    clock.advance(Duration::from_secs(20));
    redis.clear();
    let there = builder().build().await.unwrap();
    within(&there, row(&table, 1)).await;
    redis.until(|redis| redis.keys().len() == 1).await;
    let found = explained(&here, row(&table, 1)).await;
    assert_eq!(found.source, Source::Redis);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "tests/fake_redis.rs")]
async fn waiting_in_vain_for_redis_names_the_line_that_waits() {
    FakeRedis::new().until(|redis| redis.writes() > 0).await;
}
