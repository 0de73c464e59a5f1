//! Under which versions of its tags a value may go to Redis: those that were read before its load began, and no others.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{pin::pin, time::Duration};

use cache_core::{
    cached,
    testing::{FakeRedis, Fault, Operation},
};
use futures::FutureExt;
use tests::{
    process,
    rows::{RowChanged, Table, ms, within, write},
    spawn_in, until,
};
use tokio::sync::Semaphore;

static GATE: Semaphore = Semaphore::const_new(0);

/// Reads its row, and then takes long.
#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn slow_row(table: &Table, id: u64) -> u64 {
    let value = table.value();
    GATE.acquire().await.unwrap().forget();
    value
}

/// Longer than a caller may wait for Redis.
const OVER_BUDGET: Duration = ms(200);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_that_are_read_behind_the_beginning_of_a_load_are_not_those_of_its_value() {
    let redis = FakeRedis::new();
    let (here, there) = (process(&redis).await, process(&redis).await);
    let table = Table::default();
    // This process has not yet heard of the change when its value arrives: all that keeps others from it are its stamps.
    redis.inject(Operation::Message, Fault::Delay(ms(700)));
    redis.inject_next(1, Operation::Read, Fault::Delay(ms(20)));

    let mut reader = pin!(within(&here, slow_row(&table, 1)));
    assert!(reader.as_mut().now_or_never().is_none(), "it asks Redis");
    tokio::time::sleep(OVER_BUDGET).await;
    let late = table.clone();
    let loader = spawn_in(&here, async move { slow_row(&late, 1).await });
    until("it has the turn, and reads its row", || {
        tests::loads(&here) == 1
    })
    .await;
    within(&there, write(&table, 1)).await;
    // The answer of Redis comes to who asked, with the versions behind the change.
    assert!(reader.as_mut().now_or_never().is_none());
    tokio::time::sleep(ms(20)).await;
    assert!(reader.as_mut().now_or_never().is_none());
    GATE.add_permits(2);
    assert_eq!(
        loader.await.unwrap(),
        0,
        "who called before the change may have what was"
    );
    reader.await;
    tokio::time::sleep(ms(50)).await;

    let elsewhere = process(&redis).await;
    GATE.add_permits(1);
    assert_eq!(within(&elsewhere, slow_row(&table, 1)).await, 1);
}
