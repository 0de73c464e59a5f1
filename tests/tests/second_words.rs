//! When a change that failed is said once more, where many wait or Redis refuses.
#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail")]

use std::time::Instant;

use cache_core::{Cache, invalidates};
use tests::{
    rows::{RowChanged, Table, least, ms, on, row, row_here, within},
    server::Server,
};
use tokio::time::sleep;

#[derive(Debug)]
struct Failed;

/// Its outcome is not known: it may be committed later.
#[invalidates(RowChanged { id })]
async fn fails(id: u64) -> Result<(), Failed> {
    Err(Failed)
}

/// Gives what is served long after the second word of a change that was committed late, though before that was due; with how
/// many other changes failed.
async fn committed_late(others: u64) -> u64 {
    let builder = Cache::builder().unknown_outcome(ms(5_000));
    let (cache, table) = (builder.build().await.unwrap(), Table::default());
    let begun = Instant::now();
    within(&cache, fails(0)).await.unwrap_err();
    sleep(ms(3_000)).await;
    let failed = Instant::now();
    for id in 1..=others {
        within(&cache, fails(id)).await.unwrap_err();
    }
    assert!(begun.elapsed() < ms(4_800), "{:?}", begun.elapsed());
    sleep(ms(5_200).saturating_sub(begun.elapsed())).await;
    assert_eq!(within(&cache, row_here(&table, 1)).await, 0);
    // Committed well within `unknown_outcome`.
    table.set(1);
    assert!(failed.elapsed() < ms(4_000), "{:?}", failed.elapsed());
    sleep(ms(11_000).saturating_sub(begun.elapsed())).await;
    least("11 s behind the first", async || {
        within(&cache, row_here(&table, 1)).await
    })
    .await
}

#[tokio::test]
async fn control_what_was_committed_late_is_seen_behind_the_second_word() {
    assert_eq!(committed_late(100).await, 1);
}

/// `guide::coherence`: "the event is emitted all the same, and once more after `unknown_outcome`".
#[tokio::test]
async fn second_words_are_not_said_too_early_where_many_wait() {
    assert_eq!(committed_late(3_600).await, 1);
}

/// In the process that made the change, whether Redis could be reached or not.
async fn second_word_where(refuses: bool) -> u64 {
    let server = Server::start();
    let rules = ["ACL", "SETUSER", "u", "on", ">p", "~test:*", "+@all"];
    server.command(&rules);
    if !refuses {
        server.command(&["ACL", "SETUSER", "u", "&*"]);
    }
    let url = format!("redis://u:p@127.0.0.1:{}/", server.port());
    let builder = Cache::builder().namespace("test").redis(url);
    let builder = builder.unknown_outcome(ms(4_000)).redis_budget(ms(500));
    let (cache, table) = (builder.build().await.unwrap(), Table::default());
    let begun = Instant::now();
    within(&cache, fails(1)).await.unwrap_err();
    sleep(ms(3_300).saturating_sub(begun.elapsed())).await;
    assert_eq!(within(&cache, row_here(&table, 1)).await, 0);
    table.set(1);
    // The second word is due 4 s behind the first.
    sleep(ms(5_200).saturating_sub(begun.elapsed())).await;
    within(&cache, row_here(&table, 1)).await
}

#[tokio::test]
async fn control_the_second_word_is_said_in_time() {
    assert_eq!(second_word_where(false).await, 1);
}

#[tokio::test]
async fn the_second_word_is_said_in_time_in_its_own_process_though_redis_refuses_it() {
    assert_eq!(second_word_where(true).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crowds_of_one_emission_are_heard_within_the_bound() {
    let server = Server::start();
    let (here, there) = (
        on(server.url(), ms(2_000)).await,
        on(server.other_url(), ms(2_000)).await,
    );
    let table = Table::default();
    for (version, count) in [(1, 4_000_u64), (2, 12_000), (3, 24_000), (4, 30_000)] {
        assert_eq!(within(&there, row(&table, 5)).await, version - 1);
        assert_eq!(within(&here, row(&table, 5)).await, version - 1);
        table.set(version);
        let begun = Instant::now();
        let events: Vec<_> = (0..count).map(|id| RowChanged { id }).collect();
        let emitted = here.emit(events).await;
        let took = begun.elapsed();
        assert_eq!(within(&here, row(&table, 5)).await, version, "{count}");
        let mut heard = None;
        while begun.elapsed() < ms(6_000) {
            if within(&there, row(&table, 5)).await == version {
                heard = Some(begun.elapsed());
                break;
            }
            sleep(ms(5)).await;
        }
        eprintln!(
            "{count}: {:?} in {took:?}, heard after {heard:?}",
            emitted.is_ok()
        );
        assert!(
            heard.is_some_and(|it| it < took + ms(2_000)),
            "{count}: {heard:?}"
        );
    }
}
