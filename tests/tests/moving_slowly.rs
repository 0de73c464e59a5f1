//! A slot of tags that is being moved: the tags of one event are changed one by one, and by two nodes. What a function makes
//! meanwhile of another one's value, of which one tag has changed and the other not yet, is not to outlive that.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Instant;

use cache_core::cached;
use tests::{
    clusters::Cluster,
    rows::{RowChanged, Table, ms, on, row, within},
    server::{behind_lines, forms_clusters},
    until,
};
use tokio::time::sleep;

const BOUND: u64 = 400;
/// To the node that is about to get the slot, in each direction, of the process that emits.
const FAR: u64 = 110;
const ROWS: u64 = 8;

/// Made of a row, by another tag of the same event.
#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { .. })]
async fn page(table: &Table, id: u64) -> u64 {
    sleep(ms(140)).await;
    row(table, id).await
}

/// What the two processes are served of each page behind an event that was acknowledged, the second one so long behind it
/// that all is promised; and what it was.
async fn served(is_moving: bool) -> Vec<(u64, [u64; 2], u64)> {
    let (cluster, table) = (behind_lines(Cluster::start), Table::default());
    let here = on(cluster.url(), ms(BOUND)).await;
    let there = on(cluster.other_url(), ms(BOUND)).await;
    for cache in [&here, &there] {
        for id in 0..ROWS {
            assert_eq!(within(cache, row(&table, id)).await, 0);
        }
    }
    assert_eq!(within(&there, page(&table, 0)).await, 0);
    let slot = cluster.slot_of_tags("RowChanged");
    let from = cluster.owner_of(slot);
    let to = (from + 1) % 3;
    let (source, target) = (&cluster.nodes[from], &cluster.nodes[to]);
    if is_moving {
        assert_eq!(cluster.open_slot(slot, to), from);
        let keys = source.command(&["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "1000"]);
        for key in keys
            .lines()
            .filter(|key| key.ends_with(|it: char| it.is_ascii_digit()))
        {
            let port = target.port().to_string();
            let moved = source.command(&["MIGRATE", "127.0.0.1", &port, key, "0", "1000"]);
            assert_eq!(moved, "OK", "{key}");
        }
    }
    // Only of the one that emits: what the other one has are those that are not there before it is built.
    let ports = target.clients("cache-core");
    drop(here);
    sleep(ms(300)).await;
    let here = on(cluster.url(), ms(BOUND)).await;
    let own: Vec<u16> = target
        .clients("cache-core")
        .into_iter()
        .filter(|it| !ports.contains(it))
        .collect();
    assert!(target.line().unwrap().slow_down_from(&own, ms(FAR)) > 0);
    sleep(ms(500)).await;
    let mut all = Vec::new();
    for id in 0..ROWS {
        // It is in memory, and valid: it was found to be before all this.
        assert!(within(&there, row(&table, id)).await <= id);
        let value = table.change();
        let heard = there.stats().events.heard;
        let begun = Instant::now();
        let emitting = tokio::spawn({
            let here = here.clone();
            async move { here.emit(RowChanged { id }).await.is_ok() }
        });
        until("a part is heard", || there.stats().events.heard > heard).await;
        let (heard, made) = (begun.elapsed(), within(&there, page(&table, id)).await);
        let made_at = begun.elapsed();
        let is_ok = emitting.await.unwrap();
        until("it is acknowledged", || here.stats().events.pending == 0).await;
        let acknowledged = begun.elapsed();
        // So that only what is there is asked for, and not what is being made.
        let own = within(&here, page(&table, id)).await;
        sleep(ms(BOUND + 100)).await;
        let others = within(&there, page(&table, id)).await;
        eprintln!(
            "row {id}: heard {heard:?}, made {made} {made_at:?}, acknowledged {acknowledged:?} ({is_ok}), served {own} and {others} of {value}"
        );
        all.push((value, [own, others], made));
    }
    all
}

async fn is_right(is_moving: bool) {
    if !forms_clusters() {
        return;
    }
    let served = served(is_moving).await;
    let late = served
        .iter()
        .filter(|(value, served, _)| served.iter().any(|it| it < value));
    assert_eq!(late.count(), 0, "{served:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_what_is_made_while_an_event_arrives_does_not_outlive_it() {
    is_right(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_made_while_an_event_arrives_does_not_outlive_it_where_its_slot_is_being_moved() {
    is_right(true).await;
}
