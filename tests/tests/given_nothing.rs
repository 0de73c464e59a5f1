//! What is made, through functions in between without events, of what names nothing, and of what was put.
#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail")]

use std::{collections::HashMap, sync::Arc};

use cache_core::{CacheKey, CachedCall, Event, cached};
use serde::{Deserialize, Serialize};
use tests::{
    rows::{RowChanged, Table, alone, explained, filled, ms, on, row, within, write},
    server::Server,
};
use tokio::time::{sleep, timeout};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    id: u64,
    name: u64,
}

// ---- What was put ----

#[cached(ttl = 1s, skip(table))]
async fn over_row(table: Table, id: u64) -> u64 {
    row(&table, id).await
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page(table: Table, id: u64) -> u64 {
    over_row(table, id).await
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn listed(table: Table, id: u64) -> u64 {
    over_row(table, id).await
}

/// As `given_through`, but the one in between was put, and never loaded.
#[tokio::test]
async fn a_page_inherits_through_one_that_was_put() {
    let (cache, table) = (alone().await, Table::default());
    let value = within(&cache, row(&table, 1)).await;
    within(&cache, over_row(table.clone(), 1).put(value))
        .await
        .unwrap();
    assert_eq!(within(&cache, page(table.clone(), 1)).await, 0);
    within(&cache, write(&table, 1)).await;
    sleep(ms(2_000)).await;
    assert_eq!(within(&cache, over_row(table.clone(), 1)).await, 1);
    assert_eq!(within(&cache, page(table.clone(), 1)).await, 1);
}

#[tokio::test]
async fn what_lists_the_event_over_one_that_was_put_elsewhere() {
    let (server, table) = (Server::start(), Table::default());
    let here = on(server.url(), ms(2_000)).await;
    let there = on(server.other_url(), ms(2_000)).await;
    let value = within(&here, row(&table, 1)).await;
    within(&here, over_row(table.clone(), 1).put(value))
        .await
        .unwrap();
    filled(&here, "over_row").await;
    within(&here, write(&table, 1)).await;
    // Within the second that the author of `over_row` accepts.
    within(&there, listed(table.clone(), 1)).await;
    sleep(ms(3_000)).await;
    assert_eq!(within(&there, over_row(table.clone(), 1)).await, 1);
    let read = explained(&here, listed(table.clone(), 1)).await;
    let own = within(&there, listed(table.clone(), 1)).await;
    assert_eq!((read.value, own), (1, 1), "{read}");
}

// ---- What named nothing, through a function in between ----

#[cached(ttl = 1h, none_ttl = 1s, skip(table), tiers = memory, invalidate_on = |found| RowChanged { id: found.id })]
async fn found(table: Table, id: u64) -> Option<User> {
    let name = table.value();
    (name > 0).then_some(User { id, name })
}

/// Kept for a second, whatever happens: its author accepts that.
#[cached(ttl = 1s, skip(table))]
async fn over_found(table: Table, id: u64) -> u64 {
    found(table, id).await.map_or(0, |it| it.name)
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_over_found(table: Table, id: u64) -> u64 {
    over_found(table, id).await
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn listed_over_found(table: Table, id: u64) -> u64 {
    over_found(table, id).await
}

async fn over_nothing(is_in_memory: bool, lists: bool) -> u64 {
    let (cache, table) = (alone().await, Table::default());
    if is_in_memory {
        within(&cache, over_found(table.clone(), 1)).await;
    }
    if lists {
        within(&cache, write(&table, 1)).await;
        within(&cache, listed_over_found(table.clone(), 1)).await;
    } else {
        assert_eq!(within(&cache, page_over_found(table.clone(), 1)).await, 0);
        within(&cache, write(&table, 1)).await;
    }
    sleep(ms(2_500)).await;
    assert_eq!(within(&cache, over_found(table.clone(), 1)).await, 1);
    if lists {
        within(&cache, listed_over_found(table.clone(), 1)).await
    } else {
        within(&cache, page_over_found(table.clone(), 1)).await
    }
}

#[tokio::test]
async fn control_a_page_inherits_from_what_was_not_there() {
    assert_eq!(over_nothing(false, false).await, 1);
}

/// "a `None` .. live for their `none_ttl`, whatever happens, and what other cached functions with events make of them no
/// longer."
#[tokio::test]
async fn a_page_inherits_through_one_that_found_nothing() {
    assert_eq!(over_nothing(true, false).await, 1);
}

#[tokio::test]
async fn control_what_lists_the_event_over_what_was_not_there() {
    assert_eq!(over_nothing(false, true).await, 1);
}

#[tokio::test]
async fn what_lists_the_event_over_one_that_found_nothing() {
    assert_eq!(over_nothing(true, true).await, 1);
}

async fn shared_over_nothing(is_in_memory: bool) -> u64 {
    let (server, table) = (Server::start(), Table::default());
    let here = on(server.url(), ms(2_000)).await;
    let there = on(server.other_url(), ms(2_000)).await;
    if is_in_memory {
        within(&there, over_found(table.clone(), 1)).await;
    }
    within(&here, write(&table, 1)).await;
    sleep(ms(100)).await;
    // Within the second that the author of `over_found` accepts.
    within(&there, listed_over_found(table.clone(), 1)).await;
    sleep(ms(4_000)).await;
    assert_eq!(within(&there, over_found(table.clone(), 1)).await, 1);
    let read = explained(&here, listed_over_found(table.clone(), 1)).await;
    eprintln!("4 s later, in the process that wrote: {read}");
    read.value
}

#[tokio::test]
async fn control_what_lists_the_event_is_shared_over_what_was_not_there() {
    assert_eq!(shared_over_nothing(false).await, 1);
}

#[tokio::test]
async fn what_lists_the_event_is_shared_over_one_that_found_nothing() {
    assert_eq!(shared_over_nothing(true).await, 1);
}

// ---- The same for what else names nothing ----

/// How the row is looked for by the one in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, CacheKey)]
enum By {
    Nothing,
    Error,
    LeftOut,
    Peek,
    EmptyPage,
    GivenUp,
}

#[cached(ttl = 1h, err_ttl = 1s, skip(table), tiers = memory, invalidate_on = |found| RowChanged { id: found.id })]
async fn found_or_error(table: Table, id: u64) -> Result<User, Arc<str>> {
    let name = table.value();
    if name > 0 {
        Ok(User { id, name })
    } else {
        Err("none".into())
    }
}

#[cached(ttl = 1h, none_ttl = 1s, skip(table), tiers = memory, batch(id in ids), invalidate_on = |found| RowChanged { id: found.id })]
async fn found_together(table: Table, ids: &[u64]) -> HashMap<u64, User> {
    let name = table.value();
    let all = ids.iter().filter(|_| name > 0);
    all.map(|id| (*id, User { id: *id, name })).collect()
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_of_found(table: Table, id: u64) -> u64 {
    found(table, id).await.map_or(0, |it| it.name)
}

#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = |found| RowChanged { id: found.id })]
async fn found_slowly(table: Table, id: u64) -> User {
    let name = table.value();
    if name == 0 {
        sleep(ms(300)).await;
    }
    User { id, name }
}

/// Kept for a second, whatever happens: its author accepts that.
#[cached(ttl = 1s, skip(table))]
async fn between(table: Table, id: u64, by: By) -> u64 {
    match by {
        By::Nothing => found(table, id).await.map_or(0, |it| it.name),
        By::Error => found_or_error(table, id).await.map_or(0, |it| it.name),
        By::LeftOut => found_together(table, &[id])
            .await
            .get(&id)
            .map_or(0, |it| it.name),
        By::Peek => match found(table.clone(), id).peek().await {
            Some(found) => found.map_or(0, |it| it.name),
            None => table.value(),
        },
        By::EmptyPage => page_of_found(table, id).await,
        By::GivenUp => {
            let found = timeout(ms(50), found_slowly(table, id)).await;
            found.map_or(0, |it| it.name)
        }
    }
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn page_over_between(table: Table, id: u64, by: By) -> u64 {
    between(table, id, by).await
}

#[tokio::test]
async fn extent_of_what_names_nothing() {
    let mut stale = Vec::new();
    for by in [
        By::Nothing,
        By::Error,
        By::LeftOut,
        By::Peek,
        By::EmptyPage,
        By::GivenUp,
    ] {
        for is_in_memory in [false, true] {
            let (cache, table) = (alone().await, Table::default());
            if is_in_memory {
                within(&cache, between(table.clone(), 1, by)).await;
            }
            assert_eq!(
                within(&cache, page_over_between(table.clone(), 1, by)).await,
                0
            );
            within(&cache, write(&table, 1)).await;
            sleep(ms(2_500)).await;
            assert_eq!(
                within(&cache, between(table.clone(), 1, by)).await,
                1,
                "{by:?}"
            );
            if within(&cache, page_over_between(table.clone(), 1, by)).await != 1 {
                stale.push((by, is_in_memory));
            }
        }
    }
    assert!(stale.is_empty(), "{stale:?}");
}

// ---- What named nothing, in a function that lists other events ----

#[derive(Event)]
#[event(used_elsewhere)]
struct ShopChanged;

/// Only the value tells what it depends on; an error is not kept, and tells nothing.
#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = |order| RowChanged { id: order.id })]
async fn order(table: Table, id: u64) -> Result<User, String> {
    let name = table.value();
    if name == 0 {
        return Err("there is none".to_owned());
    }
    Ok(User { id, name })
}

/// Nobody can share it.
#[derive(Debug)]
struct Missing;

#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = |order| RowChanged { id: order.id })]
async fn order_or_missing(table: Table, id: u64) -> Result<User, Missing> {
    let name = table.value();
    if name == 0 {
        return Err(Missing);
    }
    Ok(User { id, name })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, CacheKey)]
enum Asks {
    Simply,
    PastTheCache,
    ForWhatNobodyCanShare,
    ForSoLong,
    ForWhatIsThere,
}

/// Does not list what the order depends on.
#[cached(ttl = 1h, skip(table), invalidate_on = ShopChanged)]
async fn shop(table: Table, id: u64, asks: Asks) -> u64 {
    let order = match asks {
        Asks::Simply => order(table, id).await.ok(),
        Asks::PastTheCache => order(table, id).bypass().await.unwrap().ok(),
        Asks::ForWhatNobodyCanShare => order_or_missing(table, id).await.ok(),
        Asks::ForSoLong => timeout(ms(50), found_slowly(table, id)).await.ok(),
        Asks::ForWhatIsThere => order(table, id).peek().await.and_then(Result::ok),
    };
    order.map_or(0, |order| order.name)
}

/// Lists all.
#[cached(ttl = 1h, skip(table), invalidate_on = [ShopChanged, RowChanged { id }])]
async fn page_of_shop(table: Table, id: u64, asks: Asks) -> u64 {
    shop(table, id, asks).await
}

#[tokio::test]
async fn what_named_nothing_in_a_function_that_lists_less_is_asked_for_anew() {
    let mut stale = Vec::new();
    for asks in [
        Asks::Simply,
        Asks::PastTheCache,
        Asks::ForWhatNobodyCanShare,
        Asks::ForSoLong,
        Asks::ForWhatIsThere,
    ] {
        let (cache, table) = (alone().await, Table::default());
        assert_eq!(
            within(&cache, page_of_shop(table.clone(), 1, asks)).await,
            0
        );
        table.set(2);
        within(&cache, write(&table, 1)).await;
        // Who looks for what is there finds it.
        within(&cache, order(table.clone(), 1)).await.unwrap();
        within(&cache, cache.emit(RowChanged { id: 1 }))
            .await
            .unwrap();
        within(&cache, order(table.clone(), 1)).await.unwrap();
        // Longer than a slow load.
        sleep(ms(500)).await;
        if within(&cache, page_of_shop(table.clone(), 1, asks)).await != table.value() {
            stale.push(asks);
        }
    }
    assert_eq!(stale, []);
}
