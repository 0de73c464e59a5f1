//! Two namespaces on one Redis share nothing, and whoever is foreign to one reaches nothing of the other through it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Duration;

use cache_core::{Cache, Source};
use futures::future::join_all;
use tests::{
    Random, SOON, loads,
    rows::{RowChanged, Table, explained, ms, row, within},
    server::Server,
};

const COUNT: u64 = 1_000;

async fn process(namespace: &str, url: String) -> Cache {
    let builder = Cache::builder().namespace(namespace).redis(url);
    let builder = builder.redis_budget(Duration::from_secs(5));
    builder.require_redis().build().await.unwrap()
}

async fn read_all(cache: &Cache, table: &Table) {
    let ids: Vec<u64> = (0..COUNT).collect();
    for some in ids.chunks(100) {
        let found = join_all(some.iter().map(|id| within(cache, row(table, *id)))).await;
        assert!(found.iter().all(|value| *value == table.value()));
    }
}

async fn all_are_in_memory(cache: &Cache, table: &Table) {
    for id in 0..COUNT {
        let found = explained(cache, row(table, id)).await;
        assert_eq!(
            (found.value, found.source),
            (table.value(), Source::Memory),
            "{id}"
        );
    }
}

/// Each begins as others do.
const NAMES: [&str; 5] = ["shop", "shop2", "sho", "shop-e", "SHOP"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn namespaces_on_one_server_share_nothing() {
    let server = Server::start();
    let mut all = Vec::new();
    for (number, name) in (1..).zip(NAMES) {
        let table = Table::default();
        table.set(number);
        let cache = process(name, server.url()).await;
        read_all(&cache, &table).await;
        assert_eq!(loads(&cache), COUNT, "nothing of another one is found");
        all.push((cache, table));
    }
    for (cache, _) in &all {
        tests::until("all of it is written", || {
            let stats = cache.stats();
            stats
                .function("row")
                .is_some_and(|it| it.redis_fills >= COUNT)
        })
        .await;
    }
    let own = server.command(&["EVAL", "return #redis.call('KEYS', 'shop:e:*')", "0"]);
    assert_eq!(own, COUNT.to_string());
    for (name, (_, table)) in NAMES.iter().zip(&all) {
        let there = process(name, server.other_url()).await;
        read_all(&there, table).await;
        assert_eq!(loads(&there), 0, "all of its own is found");
    }
    // What changes in one is nothing to the others.
    let (changed, table) = &all[0];
    table.set(100);
    for id in 0..50 {
        within(changed, changed.emit(RowChanged { id }))
            .await
            .unwrap();
    }
    assert_eq!(within(changed, row(table, 7)).await, 100);
    for (cache, table) in &all[1..] {
        assert_eq!(cache.stats().events.heard, 0);
        all_are_in_memory(cache, table).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_client_reaches_nothing_but_what_it_names_in_the_channel_that_it_speaks_in() {
    let server = Server::start();
    let (shop, table) = (process("shop", server.url()).await, Table::default());
    let (other, of_other) = (process("shop2", server.url()).await, Table::default());
    table.set(1);
    of_other.set(2);
    read_all(&shop, &table).await;
    read_all(&other, &of_other).await;
    // What an entry that is changed by hand is told as, as whoever listens sees it.
    let random = Random::of_seed(7);
    let names = [
        "shop2:t:RowChanged:7",
        "shop2:e:tests::rows::row:7",
        "shop2",
        "RowChanged2:7",
        "rowchanged:7",
        "*",
        "",
    ];
    let ends = [
        "5 there x",
        "! there x",
        "!7 a,b there",
        "99999999999999999999 there x",
        "",
        "0 0 0 0 0",
    ];
    for _ in 0..2_000 {
        let channel = random.one_of(&[
            "shop:b",
            "shop",
            "shop2",
            "shop:b:3",
            "shop2:b:{17}",
            "shop2:B",
        ]);
        let text = format!("{} {}", random.one_of(&names), random.one_of(&ends));
        server.command(&["PUBLISH", channel, &text]);
        let text = format!(
            ":{} there 00 {}",
            random.below(9),
            random.one_of(&["tests::rows::row", "row", "shop2"])
        );
        server.command(&["PUBLISH", channel, &text]);
    }
    tokio::time::sleep(ms(300)).await;
    assert_eq!(other.stats().events.heard, 0);
    all_are_in_memory(&shop, &table).await;
    all_are_in_memory(&other, &of_other).await;

    // What it names there is asked for again, and that alone.
    let heard = shop.stats().events.heard;
    server.command(&["PUBLISH", "shop:b", "RowChanged:7 5 there x"]);
    tests::until("it is heard", || shop.stats().events.heard > heard).await;
    let found = explained(&shop, row(&table, 7)).await;
    // Nor is the server believed for a while, which says far more of it than that.
    assert_eq!((found.value, found.source), (1, Source::Load));
    all_are_in_memory(&shop, &table).await;
    all_are_in_memory(&other, &of_other).await;
    assert_eq!(shop.close(SOON).await.fills, 0);
}
