//! What is made of a value through a function that does not list what that depends on.
#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail")]

use cache_core::{Cache, CachedCall, cached};
use tests::{
    rows::{RowChanged, Table, alone, explained, filled, least, ms, on, row, within, write},
    server::Server,
    spawn_in,
};
use tokio::time::sleep;

#[cached(ttl = 1h, skip(table), keep_if = |_| false)]
async fn between(table: Table, id: u64) -> u64 {
    let value = row(&table, id).await;
    sleep(ms(200)).await;
    value
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_over_two(table: Table, id: u64) -> u64 {
    between(table, id).await
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn listed_over_two(table: Table, id: u64) -> u64 {
    between(table, id).await
}

async fn inherited(joins: bool) -> u64 {
    let (cache, table) = (alone().await, Table::default());
    if joins {
        spawn_in(&cache, between(table.clone(), 1));
        sleep(ms(50)).await;
    }
    assert_eq!(within(&cache, page_over_two(table.clone(), 1)).await, 0);
    within(&cache, write(&table, 1)).await;
    sleep(ms(500)).await;
    least("inherits", async || {
        within(&cache, page_over_two(table.clone(), 1)).await
    })
    .await
}

#[tokio::test]
async fn control_events_are_inherited_over_two_levels() {
    assert_eq!(inherited(false).await, 1);
}

#[tokio::test]
async fn events_are_inherited_over_two_levels_also_where_another_call_loads_the_one_between() {
    assert_eq!(inherited(true).await, 1);
}

async fn listed(joins: bool) -> (u64, u64) {
    let (cache, table) = (alone().await, Table::default());
    if joins {
        spawn_in(&cache, between(table.clone(), 1));
        sleep(ms(50)).await;
    }
    within(&cache, write(&table, 1)).await;
    let behind = within(&cache, listed_over_two(table.clone(), 1)).await;
    sleep(ms(1_000)).await;
    let call = async || within(&cache, listed_over_two(table.clone(), 1)).await;
    (behind, least("lists it", call).await)
}

#[tokio::test]
async fn control_who_lists_the_event_sees_it() {
    assert_eq!(listed(false).await, (1, 1));
}

#[tokio::test]
async fn who_lists_the_event_sees_it_also_where_another_call_loads_the_one_between() {
    assert_eq!(listed(true).await, (1, 1));
}

/// Without any fault: in the process that changed it, from the other one, for as long as it lives.
#[tokio::test]
async fn nor_is_it_stamped_as_new_for_all_processes() {
    let (server, table) = (Server::start(), Table::default());
    let (here, there) = (
        on(server.url(), ms(2_000)).await,
        on(server.other_url(), ms(2_000)).await,
    );
    spawn_in(&there, between(table.clone(), 1));
    sleep(ms(50)).await;
    within(&here, write(&table, 1)).await;
    // It has been heard of by then.
    sleep(ms(60)).await;
    within(&there, listed_over_two(table.clone(), 1)).await;
    filled(&there, "listed_over_two").await;
    sleep(ms(4_000)).await;
    least("here, 4 s later", async || {
        Cache::scope(here.clone(), listed_over_two(table.clone(), 1).peek())
            .await
            .unwrap_or(0)
    })
    .await;
    let read = explained(&here, listed_over_two(table.clone(), 1)).await;
    assert_eq!(
        read.value, 1,
        "4 s later, in the process that wrote: {read}"
    );
}

/// Kept for a second, whatever happens: its author accepts that.
#[cached(ttl = 1s, skip(table))]
async fn micro(table: Table, id: u64) -> u64 {
    row(&table, id).await
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_over_micro(table: Table, id: u64) -> u64 {
    micro(table, id).await
}

async fn over_micro(is_in_memory: bool) -> u64 {
    let (cache, table) = (alone().await, Table::default());
    if is_in_memory {
        within(&cache, micro(table.clone(), 1)).await;
    }
    assert_eq!(within(&cache, page_over_micro(table.clone(), 1)).await, 0);
    within(&cache, write(&table, 1)).await;
    sleep(ms(2_000)).await;
    assert_eq!(within(&cache, micro(table.clone(), 1)).await, 1);
    within(&cache, page_over_micro(table.clone(), 1)).await
}

#[tokio::test]
async fn control_a_page_inherits_through_one_without_events_that_it_loads() {
    assert_eq!(over_micro(false).await, 1);
}

/// README: "`inherits` adds the events of the cached functions that this one calls".
#[tokio::test]
async fn a_page_inherits_through_one_without_events_that_was_in_memory() {
    assert_eq!(over_micro(true).await, 1);
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn listed_over_micro(table: Table, id: u64) -> u64 {
    micro(table, id).await
}

/// `guide::coherence`: "Where the value cannot be asked about, what is made of it stays in memory too."
#[tokio::test]
async fn what_lists_the_event_and_is_made_of_what_cannot_be_asked_about_is_not_shared() {
    let (server, table) = (Server::start(), Table::default());
    let (here, there) = (
        on(server.url(), ms(2_000)).await,
        on(server.other_url(), ms(2_000)).await,
    );
    within(&there, micro(table.clone(), 1)).await;
    within(&here, write(&table, 1)).await;
    sleep(ms(100)).await;
    // Within the second that its author accepts.
    within(&there, listed_over_micro(table.clone(), 1)).await;
    sleep(ms(3_000)).await;
    assert_eq!(within(&there, micro(table.clone(), 1)).await, 1);
    let read = explained(&here, listed_over_micro(table.clone(), 1)).await;
    assert_eq!(
        read.value, 1,
        "3 s later, in the process that wrote: {read}"
    );
}

/// `CachedCall::refresh`: "replaces the entry in both and gives the value".
#[tokio::test]
async fn what_was_refreshed_under_a_hold_is_not_followed_by_what_was_before() {
    let (cache, table) = (alone().await, Table::default());
    assert_eq!(within(&cache, row(&table, 1)).await, 0);
    let hold = cache.hold(RowChanged { id: 1 });
    // By hand.
    table.set(1);
    assert_eq!(within(&cache, row(&table, 1).refresh()).await.unwrap(), 1);
    let seen = within(&cache, row(&table, 1)).await;
    hold.cancel();
    assert_eq!((seen, within(&cache, row(&table, 1)).await), (1, 1));
}
