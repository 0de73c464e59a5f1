//! What it costs to be made of a value that depends on another event: a question, and no load.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use cache_core::{Event, Source, cached};
use tests::{
    rows::{explained, filled, ms, on, within},
    server::Server,
    spawn_in,
};
use tokio::time::sleep;

#[derive(Event)]
#[event(used_elsewhere)]
struct SettingsChanged;

#[derive(Event)]
#[event(used_elsewhere)]
struct PageChanged {
    id: u64,
}

/// Settings of so many bytes, whose load takes so many milliseconds, and pages that are made of them.
macro_rules! pages {
    ($module:ident, $size:expr, $pause:expr, [$($listed:tt)*]) => {
        mod $module {
            use super::*;

            pub(super) static LOADS: AtomicU64 = AtomicU64::new(0);

            #[cached(ttl = 1h, invalidate_on = SettingsChanged)]
            pub(super) async fn settings() -> Vec<u8> {
                LOADS.fetch_add(1, SeqCst);
                sleep(ms($pause)).await;
                vec![7; $size]
            }

            #[cached(ttl = 1h, invalidate_on = [PageChanged { id } $($listed)*])]
            pub(super) async fn page(id: u64) -> u64 {
                id + u64::try_from(settings().await.len()).unwrap()
            }
        }
    };
}

pages!(cold, 100, 50, []);
pages!(cold_listed, 100, 50, [, SettingsChanged]);
// More than Redis is given.
pages!(large, 2_000_000, 1, []);
pages!(shared, 100, 1, [, SettingsChanged]);

/// How often settings are loaded for pages that come one millisecond after the other, of which none is there.
macro_rules! loads_of_a_cold_start {
    ($module:ident) => {{
        let server = Server::start();
        let cache = on(server.url(), ms(2_000)).await;
        sleep(ms(100)).await;
        let mut pages = Vec::new();
        for id in 0..60 {
            pages.push(spawn_in(&cache, $module::page(id)));
            sleep(ms(1)).await;
        }
        for page in pages {
            page.await.unwrap();
        }
        $module::LOADS.load(SeqCst)
    }};
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cold_start_loads_once_what_all_are_made_of() {
    assert_eq!(loads_of_a_cold_start!(cold_listed), 1);
    assert_eq!(loads_of_a_cold_start!(cold), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_memory_has_is_not_loaded_though_redis_does_not_have_it() {
    let server = Server::start();
    let cache = on(server.url(), ms(2_000)).await;
    within(&cache, large::settings()).await;
    for id in 0..50 {
        within(&cache, large::page(id)).await;
    }
    assert_eq!(large::LOADS.load(SeqCst), 1);
}

#[tokio::test]
async fn a_page_that_lists_all_that_it_is_made_of_is_shared() {
    let server = Server::start();
    let here = on(server.url(), ms(2_000)).await;
    let there = on(server.other_url(), ms(2_000)).await;
    for id in 0..3 {
        within(&here, shared::page(id)).await;
    }
    filled(&here, "shared::page").await;
    sleep(ms(200)).await;
    for id in 0..3 {
        let read = explained(&there, shared::page(id)).await;
        assert_eq!(read.source, Source::Redis, "{read}");
    }
}
