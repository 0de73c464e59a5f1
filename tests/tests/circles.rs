//! Loads that wait for each other, behind an answer that is too old for one of them: none stands still.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{pin::Pin, time::Duration};

use cache_core::{
    cached,
    testing::{FakeRedis, Fault, Operation},
};
use tests::{
    process,
    rows::{RowChanged, Table, ms, within, write},
    spawn_in,
};
use tokio::time::{sleep, timeout};

type Recursive<'a> = Pin<Box<dyn Future<Output = u64> + Send + 'a>>;

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn whole(table: &Table, id: u64) -> u64 {
    part(table, id).await
}

/// Of the second row it needs the whole of the first.
#[cached(ttl = 1h, skip(table), max_concurrent_loads = 1, invalidate_on = RowChanged { id })]
async fn part(table: &Table, id: u64) -> u64 {
    let value = table.value();
    sleep(ms(200)).await;
    if id == 2 {
        to_whole(table).await
    } else {
        value
    }
}

fn to_whole(table: &Table) -> Recursive<'_> {
    Box::pin(whole(table, 1))
}

#[tokio::test]
async fn a_load_that_needs_a_newer_answer_waits_in_no_circle_for_it() {
    let redis = FakeRedis::new();
    let (here, there, table) = (
        process(&redis).await,
        process(&redis).await,
        Table::default(),
    );
    let call = |id: u64, is_whole: bool| {
        let table = table.clone();
        spawn_in(&there, async move {
            if is_whole {
                whole(&table, id).await
            } else {
                part(&table, id).await
            }
        })
    };
    let early = call(1, false);
    sleep(ms(50)).await;
    redis.inject(Operation::Message, Fault::Hang);
    within(&here, write(&table, 1)).await;
    // It joins the early load, which is too old for it, and then waits for the slot of the one behind that, which needs
    // it.
    let whole = call(1, true);
    let behind = call(2, false);
    sleep(ms(50)).await;
    redis.inject(Operation::Read, Fault::Delay(ms(20)));
    assert_eq!(early.await.unwrap(), 0, "it called before");
    let both = async { (whole.await.unwrap(), behind.await.unwrap()) };
    let both = timeout(Duration::from_secs(3), both).await;
    assert_eq!(both.expect("they wait for each other"), (1, 1));
}
