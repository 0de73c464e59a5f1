//! Values of functions that `inherits`: they depend on all that they are made of, whatever way that came, and are known
//! to no other process.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use cache_core::{
    Cache, CachedCall, Event, cached,
    testing::{FakeRedis, Fault, Operation},
};
use futures::future::BoxFuture;
use tests::{
    process,
    rows::{Noted, RowChanged, Table, alone, explained, ms, noted, row, within, write},
    spawn_in,
};
use tokio::time::sleep;

#[cached(ttl = 1h, skip(table), inherits)]
async fn page(table: &Table, id: u64) -> u64 {
    row(table, id).await
}

#[tokio::test]
async fn what_was_put_in_place_of_what_inherits_is_void_after_its_events() {
    let (cache, table) = (alone().await, Table::default());
    assert_eq!(within(&cache, page(&table, 1)).await, 0);
    within(&cache, page(&table, 1).put(0)).await.unwrap();
    within(&cache, write(&table, 1)).await;
    assert_eq!(within(&cache, page(&table, 1)).await, 1);
}

#[tokio::test]
async fn what_was_put_in_place_of_what_inherits_reaches_no_other_process() {
    let redis = FakeRedis::new();
    let (here, there) = (process(&redis).await, process(&redis).await);
    let table = Table::default();
    within(&here, page(&table, 1).put(0)).await.unwrap();
    sleep(ms(300)).await;
    within(&here, write(&table, 1)).await;
    let read = explained(&there, page(&table, 1)).await;
    assert_eq!(read.value, 1, "{read}");
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_of_bypassed_row(table: &Table, id: u64) -> u64 {
    row(table, id).bypass().await.unwrap()
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_of_bypassed(table: &Table, id: u64) -> u64 {
    noted(table, id).bypass().await.unwrap().value
}

#[tokio::test]
async fn what_is_made_of_a_bypassed_value_inherits_the_events_that_it_names() {
    let (cache, table) = (alone().await, Table::default());
    // Notes are taken from the first on.
    within(&cache, noted(&table, 9)).await;
    within(&cache, page_of_bypassed_row(&table, 1)).await;
    within(&cache, page_of_bypassed(&table, 1)).await;
    within(&cache, write(&table, 1)).await;
    assert_eq!(within(&cache, page_of_bypassed_row(&table, 1)).await, 1);
    assert_eq!(within(&cache, page_of_bypassed(&table, 1)).await, 1);
}

/// All have one key.
#[cached(ttl = 1h, key = (), tiers = memory, inherits, invalidate_on = |noted| RowChanged { id: noted.id })]
async fn reached_from(table: &Table, id: u64) -> Noted {
    let value = if id > 1 {
        before(table, id).await.value
    } else {
        table.value()
    };
    Noted { id, value }
}

fn before(table: &Table, id: u64) -> BoxFuture<'_, Noted> {
    Box::pin(reached_from(table, id - 1))
}

#[tokio::test]
async fn what_is_made_of_a_value_of_its_own_key_inherits_the_events_that_it_names() {
    let (cache, table) = (alone().await, Table::default());
    // Notes are taken from the first on.
    within(&cache, noted(&table, 9)).await;
    assert_eq!(within(&cache, reached_from(&table, 2)).await.value, 0);
    within(&cache, write(&table, 1)).await;
    assert_eq!(within(&cache, reached_from(&table, 2)).await.value, 1);
}

#[derive(Event)]
#[event(used_elsewhere)]
struct ShopChanged;

#[cached(ttl = 1h, skip(table), inherits, invalidate_on = ShopChanged)]
async fn shop_page(table: &Table, id: u64) -> u64 {
    row(table, id).await
}

#[tokio::test]
async fn what_inherits_goes_no_further_than_its_process() {
    let redis = FakeRedis::new();
    let (here, there, table) = (
        process(&redis).await,
        process(&redis).await,
        Table::default(),
    );
    within(&here, shop_page(&table, 1)).await;
    sleep(ms(300)).await;
    within(&here, write(&table, 1)).await;
    let read = explained(&there, shop_page(&table, 1)).await;
    assert_eq!(read.value, 1, "{read}");
}

#[cached(ttl = 1h, skip(table), keep_if = |_| false)]
async fn between(table: &Table, id: u64) -> u64 {
    row(table, id).await
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_over_two(table: &Table, id: u64) -> u64 {
    between(table, id).await
}

#[tokio::test]
async fn events_are_inherited_over_two_levels_from_a_hit() {
    let (cache, table) = (alone().await, Table::default());
    within(&cache, row(&table, 1)).await;
    within(&cache, page_over_two(&table, 1)).await;
    within(&cache, write(&table, 1)).await;
    assert_eq!(within(&cache, page_over_two(&table, 1)).await, 1);
}

#[derive(Debug)]
struct Unshared;

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn found(table: &Table, id: u64) -> Result<u64, Unshared> {
    Some(table.value()).filter(|it| *it > 0).ok_or(Unshared)
}

#[cached(ttl = 1h, skip(table), keep_if = |_| false)]
async fn between_found(table: &Table, id: u64) -> u64 {
    found(table, id).await.unwrap_or(0)
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_over_found(table: &Table, id: u64) -> u64 {
    between_found(table, id).await
}

#[tokio::test]
async fn events_are_inherited_over_two_levels_from_an_error() {
    let (cache, table) = (alone().await, Table::default());
    within(&cache, page_over_found(&table, 1)).await;
    within(&cache, write(&table, 1)).await;
    assert_eq!(within(&cache, page_over_found(&table, 1)).await, 1);
}

/// Two parts, of which the first changes while the second is loaded.
#[cached(ttl = 1h, skip(table), inherits)]
async fn of_two_parts(table: &Table, id: u64) -> u64 {
    let (first, ()) = tokio::join!(row(table, id), sleep(ms(200)));
    first
}

#[tokio::test]
async fn a_part_that_another_process_changes_while_the_rest_is_loaded_is_not_kept() {
    let redis = FakeRedis::new();
    let (here, there, table) = (
        process(&redis).await,
        process(&redis).await,
        Table::default(),
    );
    let call = {
        let table = table.clone();
        spawn_in(&there, async move { of_two_parts(&table, 1).await })
    };
    sleep(ms(80)).await;
    within(&here, write(&table, 1)).await;
    assert_eq!(call.await.unwrap(), 0, "it called before");
    assert_eq!(within(&there, of_two_parts(&table, 1)).await, 1);
}

#[cached(ttl = 1h, skip(table), inherits, invalidate_on = RowChanged { id })]
async fn torn_page(table: &Table, id: u64) -> u64 {
    let value = table.value();
    sleep(ms(600)).await;
    row(table, id + 1_000).await;
    value
}

#[tokio::test]
async fn a_load_during_which_something_may_have_been_missed_is_not_kept_whatever_it_inherits() {
    let redis = FakeRedis::new();
    let (here, there, table) = (
        process(&redis).await,
        process(&redis).await,
        Table::default(),
    );
    let call = {
        let table = table.clone();
        spawn_in(&there, async move { torn_page(&table, 1).await })
    };
    sleep(ms(100)).await;
    redis.inject(Operation::Message, Fault::Fail);
    within(&here, write(&table, 1)).await;
    redis.recover();
    assert_eq!(call.await.unwrap(), 0, "it called before");
    let read = explained(&there, torn_page(&table, 1)).await;
    assert_eq!(read.value, 1, "{read}");
}

#[cached(ttl = 1h, skip(table), inherits, invalidate_on = RowChanged { id })]
async fn mixed_page(table: &Table, id: u64) -> u64 {
    let value = table.value();
    sleep(ms(300)).await;
    row(table, id).await;
    value
}

#[tokio::test]
async fn what_changed_before_a_part_was_loaded_makes_void_what_was_read_before_that() {
    let (cache, table) = (alone().await, Table::default());
    let call = {
        let table = table.clone();
        spawn_in(&cache, async move { mixed_page(&table, 1).await })
    };
    sleep(ms(100)).await;
    within(&cache, write(&table, 1)).await;
    assert_eq!(call.await.unwrap(), 0, "it called before");
    assert_eq!(within(&cache, mixed_page(&table, 1)).await, 1);
}

/// Reads the row itself, and then what depends on the same row: nothing says so before.
#[cached(ttl = 1h, skip(table), inherits)]
async fn own_page(table: &Table, id: u64) -> u64 {
    let value = table.value();
    sleep(ms(300)).await;
    value.min(row(table, id).await)
}

/// What is loaded before and behind a change that comes between both reads.
async fn around_a_change(cache: &Cache) -> [u64; 3] {
    let table = Table::default();
    let call = {
        let table = table.clone();
        spawn_in(cache, async move { own_page(&table, 1).await })
    };
    sleep(ms(100)).await;
    within(cache, write(&table, 1)).await;
    let behind = within(cache, own_page(&table, 1)).await;
    let before = call.await.unwrap();
    [before, behind, within(cache, own_page(&table, 1)).await]
}

#[tokio::test]
async fn what_changed_before_it_was_known_to_be_depended_on_makes_void_what_was_read_before() {
    let seen = around_a_change(&alone().await).await;
    assert_eq!(seen, [0, 1, 1], "who called before, behind it, and later");
    let shared = process(&FakeRedis::new()).await;
    assert_eq!(around_a_change(&shared).await, [0, 1, 1]);
}
