//! `settle` where the versions of tags are younger than the events: Redis has forgotten the tags meanwhile.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Instant;

use cache_core::{Cache, cached};
use tests::{
    loads,
    rows::{RowChanged, Table, ms, on, within},
    server::Server,
};
use tokio::time::sleep;

/// `replica` is what the replica shows, which lags by less than two seconds.
#[cached(ttl = 1h, skip(replica), settle = 2s, invalidate_on = RowChanged { id })]
async fn lagging(replica: &Table, id: u64) -> u64 {
    replica.value()
}

#[cached(ttl = 1h, skip(replica), settle = 2s, tiers = memory, invalidate_on = RowChanged { id })]
async fn lagging_here(replica: &Table, id: u64) -> u64 {
    replica.value()
}

/// Two processes that have listened, and called, for longer than it takes to settle. Gives when each of them is last served
/// what was before, behind the event; of both functions.
async fn last_served(forgets: impl FnOnce(&Server)) -> [[u128; 2]; 2] {
    let (server, replica) = (Server::start(), Table::default());
    let here = on(server.url(), ms(2_000)).await;
    let there = on(server.other_url(), ms(2_000)).await;
    let both = async |cache: &Cache, replica: &Table| {
        [
            within(cache, lagging(replica, 1)).await,
            within(cache, lagging_here(replica, 1)).await,
        ]
    };
    for cache in [&here, &there] {
        assert_eq!(both(cache, &replica).await, [0; 2]);
    }
    sleep(ms(2_300)).await;
    // It is committed at the primary, and Redis has it.
    here.emit(RowChanged { id: 1 }).await.unwrap();
    let emitted = Instant::now();
    sleep(ms(1_500)).await;
    forgets(&server);
    sleep(ms(1_700).saturating_sub(emitted.elapsed())).await;
    for cache in [&there, &here] {
        assert_eq!(both(cache, &replica).await, [0; 2], "the replica lags");
    }
    sleep(ms(100)).await;
    replica.set(1);
    let mut last = [[0; 2]; 2];
    while emitted.elapsed() < ms(5_000) {
        for (last, cache) in last.iter_mut().zip([&here, &there]) {
            let since = emitted.elapsed().as_millis();
            let values = both(cache, &replica).await;
            for (last, value) in last.iter_mut().zip(values) {
                if value == 0 {
                    *last = since;
                }
            }
        }
        sleep(ms(10)).await;
    }
    eprintln!("last served what was before, behind the event: {last:?} ms");
    last
}

fn is_in_time(last: [[u128; 2]; 2]) {
    assert!(last.iter().flatten().all(|last| *last < 2_050), "{last:?}");
}

#[tokio::test]
async fn control_what_has_not_settled_is_kept_no_longer_than_that() {
    is_in_time(last_served(|_| ()).await);
}

/// As a Redis with `maxmemory-policy allkeys-lru` does, which the guide to servers says to write.
#[tokio::test]
async fn what_has_not_settled_is_kept_no_longer_than_that_where_the_tag_was_evicted() {
    let last = last_served(|server| {
        let script = "return redis.call('UNLINK', unpack(redis.call('KEYS', 'test:t:*')))";
        server.command(&["EVAL", script, "0"]);
    });
    is_in_time(last.await);
}

#[tokio::test]
async fn what_has_not_settled_is_kept_no_longer_than_that_where_redis_was_emptied() {
    is_in_time(last_served(|server| drop(server.command(&["FLUSHALL"]))).await);
}

/// The event finds Redis full: it removes the tag.
#[tokio::test]
async fn what_has_not_settled_is_kept_no_longer_than_that_where_the_tag_was_given_up() {
    let (server, replica) = (Server::start(), Table::default());
    let here = on(server.url(), ms(2_000)).await;
    assert_eq!(within(&here, lagging(&replica, 1)).await, 0);
    sleep(ms(2_300)).await;
    server.command(&["CONFIG", "SET", "maxmemory", "1000"]);
    here.emit(RowChanged { id: 1 }).await.unwrap();
    let emitted = Instant::now();
    sleep(ms(500)).await;
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    sleep(ms(500)).await;
    let there = on(server.other_url(), ms(2_000)).await;
    // It has called such a function for long enough by then, as far as this event goes.
    assert_eq!(within(&there, lagging(&replica, 2)).await, 0);
    sleep(ms(1_700).saturating_sub(emitted.elapsed())).await;
    assert_eq!(
        within(&there, lagging(&replica, 1)).await,
        0,
        "the replica lags"
    );
    replica.set(1);
    let mut last = 0;
    while emitted.elapsed() < ms(5_000) {
        let since = emitted.elapsed().as_millis();
        if within(&there, lagging(&replica, 1)).await == 0 {
            last = since;
        }
        sleep(ms(10)).await;
    }
    eprintln!("last served what was before, behind the event: {last} ms");
    assert!(last < 2_050, "{last}");
}

/// "A process that cannot tell how long ago the last event was, as until `settle` has passed since its first call of such a
/// function, .. keeps nothing of what it loads there."
#[tokio::test]
async fn nothing_is_kept_until_it_has_settled_since_the_first_call() {
    let (server, replica) = (Server::start(), Table::default());
    let here = on(server.url(), ms(2_000)).await;
    let mut begun = vec![loads(&here)];
    for _ in 0..4 {
        within(&here, lagging(&replica, 1)).await;
        within(&here, lagging_here(&replica, 1)).await;
        begun.push(loads(&here));
        sleep(ms(100)).await;
    }
    eprintln!("loads: {begun:?}");
    assert_eq!(begun, [0, 2, 4, 6, 8]);
}

/// The same of a row that nobody has asked for before: Redis has no tag of it, and gives it one now.
#[tokio::test]
async fn nothing_is_kept_of_another_row_until_it_has_settled_since_the_first_call() {
    let (server, replica) = (Server::start(), Table::default());
    let here = on(server.url(), ms(2_000)).await;
    within(&here, lagging(&replica, 1)).await;
    sleep(ms(500)).await;
    let mut begun = vec![loads(&here)];
    for _ in 0..3 {
        within(&here, lagging(&replica, 2)).await;
        begun.push(loads(&here));
        sleep(ms(100)).await;
    }
    eprintln!("loads: {begun:?}");
    assert_eq!(begun, [1, 2, 3, 4]);
}
