//! Who looks late, or hears again meanwhile, or joins over a function in between.

use std::time::Instant;

use cache_core::{Cache, cached};
use futures::FutureExt as _;
use tests::{
    proxy::Proxy,
    rows::{RowChanged, Table, ms, row, within, write},
    server::Server,
    spawn_in,
};
use tokio::time::sleep;

use super::{at, doomed, on};

/// A process that was cut off before a change was acknowledged, and the way on which it is.
struct CutOff {
    _server: Server,
    proxy: Proxy,
    there: Cache,
    table: Table,
    begin: Instant,
}

impl CutOff {
    /// It has been connected for so long by then.
    async fn after(connected: u64) -> Self {
        let (server, table) = (Server::start(), Table::default());
        let proxy = Proxy::to(&server);
        let (here, there) = (on(server.url()).await, on(proxy.url()).await);
        within(&there, row(&table, 1)).await;
        sleep(ms(connected)).await;
        proxy.black_hole();
        within(&here, write(&table, 1)).await;
        assert_eq!(here.stats().events.pending, 0, "it is acknowledged");
        Self {
            _server: server,
            proxy,
            there,
            table,
            begin: Instant::now(),
        }
    }

    fn heal(&self) {
        self.proxy.pass();
        self.proxy.close_all();
    }
}

/// Lists all that it is made of, by the same tags.
#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = RowChanged { id })]
async fn listed(table: Table, id: u64) -> u64 {
    let value = row(&table, id).await;
    // There is more on it.
    sleep(ms(6_000)).await;
    value
}

#[cached(ttl = 1h, skip(table), inherits)]
async fn inherited(table: Table, id: u64) -> u64 {
    let value = row(&table, id).await;
    sleep(ms(6_000)).await;
    value
}

macro_rules! heard_again {
    ($page:ident) => {{
        let cut = CutOff::after(1_000).await;
        at(cut.begin, 800).await;
        let first = spawn_in(&cut.there, $page(cut.table.clone(), 1));
        at(cut.begin, 2_200).await;
        let second = spawn_in(&cut.there, $page(cut.table.clone(), 1));
        at(cut.begin, 2_600).await;
        cut.heal();
        let second = second.await.unwrap();
        first.await.unwrap();
        second
    }};
}

#[tokio::test]
async fn who_hears_again_while_it_waits_is_given_no_more_than_the_bound_allows() {
    assert_eq!(heard_again!(listed), 1);
}

#[tokio::test]
async fn who_hears_again_while_it_waits_for_what_inherits_is_given_no_more_than_the_bound_allows() {
    assert_eq!(heard_again!(inherited), 1);
}

/// As [`listed`], over sooner.
#[cached(ttl = 1h, skip(table), tiers = memory, invalidate_on = RowChanged { id })]
async fn brief(table: Table, id: u64) -> u64 {
    let value = row(&table, id).await;
    sleep(ms(2_000)).await;
    value
}

/// It is polled once, and then not before it hears again: as in a `buffer_unordered` whose consumer takes its time.
#[tokio::test]
async fn who_looks_late_and_hears_again_by_then_is_given_no_more_than_the_bound_allows() {
    // What is loaded without asking is believed for longer from 30 s behind a connection on.
    let cut = CutOff::after(33_000).await;
    at(cut.begin, 800).await;
    let first = spawn_in(&cut.there, brief(cut.table.clone(), 1));
    at(cut.begin, 2_200).await;
    let mut second = std::pin::pin!(within(&cut.there, brief(cut.table.clone(), 1)));
    assert_eq!((&mut second).now_or_never(), None);
    first.await.unwrap();
    cut.heal();
    at(cut.begin, 7_000).await;
    assert_eq!(second.await, 1);
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn inner(table: Table, id: u64) -> u64 {
    let value = table.value();
    sleep(ms(1_500)).await;
    value
}

#[cached(ttl = 1h, skip(table), invalidate_on = RowChanged { id })]
async fn middle(table: Table, id: u64) -> u64 {
    let value = inner(table, id).await;
    sleep(ms(2_000)).await;
    value
}

/// Two and a half seconds after the commit.
#[tokio::test]
async fn a_guarded_mutation_whose_process_died_is_seen_with_a_function_in_between() {
    let (server, table) = (Server::start(), Table::default());
    let there = on(server.other_url()).await;
    within(&there, row(&table, 1)).await;
    // As above.
    sleep(ms(33_000)).await;
    let steps = doomed(server.url(), table.clone()).await;
    let _first = spawn_in(&there, inner(table.clone(), 1));
    sleep(ms(50)).await;
    steps.commit(&table).await;
    let committed = Instant::now();
    at(committed, 1_200).await;
    // It joins the first, which is 1.25 s old.
    let _second = spawn_in(&there, middle(table.clone(), 1));
    at(committed, 2_500).await;
    assert_eq!(within(&there, middle(table.clone(), 1)).await, 1);
}
