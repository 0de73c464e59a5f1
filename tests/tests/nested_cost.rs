//! What it costs to be made of a value that depends on another event: a question, and no load.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use cache_core::{Event, Source, cached};
use tests::{
    proxy::Proxy,
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

/// Settings of so many bytes, whose load takes so many milliseconds, and pages that are made of them, of which as many load at
/// once as there are in a test.
macro_rules! pages {
    ($module:ident, $size:expr, $pause:expr, [$($listed:tt)*] $(, tiers = $tiers:ident)?) => {
        mod $module {
            use super::*;

            pub(super) static LOADS: AtomicU64 = AtomicU64::new(0);

            #[cached(
                ttl = 1h,
                $(tiers = $tiers,)?
                max_concurrent_loads = 100,
                invalidate_on = SettingsChanged,
            )]
            pub(super) async fn settings() -> Vec<u8> {
                LOADS.fetch_add(1, SeqCst);
                sleep(ms($pause)).await;
                vec![7; $size]
            }

            #[cached(
                ttl = 1h,
                max_concurrent_loads = 100,
                invalidate_on = [PageChanged { id } $($listed)*],
            )]
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

pages!(interrupted, 100, 400, []);
pages!(interrupted_listed, 100, 400, [, SettingsChanged]);

/// How often settings are loaded for pages that all wait for one load, and what happens meanwhile.
macro_rules! loads_while {
    ($module:ident, $cache:expr, $happens:expr) => {{
        // The first leads the load of the settings; the others begin behind that.
        let mut pages = vec![spawn_in(&$cache, $module::page(0))];
        sleep(ms(50)).await;
        pages.extend((1..60).map(|id| spawn_in(&$cache, $module::page(id))));
        sleep(ms(100)).await;
        $happens.await;
        for page in pages {
            page.await.unwrap();
        }
        $module::LOADS.load(SeqCst)
    }};
}

/// The same, while the channel is lost and made anew.
macro_rules! loads_behind_a_gap {
    ($module:ident) => {{
        let server = Server::start();
        let cache = on(server.url(), ms(2_000)).await;
        sleep(ms(100)).await;
        loads_while!($module, cache, async {
            server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        })
    }};
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_gap_what_all_are_made_of_is_loaded_once_more() {
    let listed = loads_behind_a_gap!(interrupted_listed);
    let not = loads_behind_a_gap!(interrupted);
    assert!(listed <= 2 && not <= 2, "{listed} loads, {not} loads");
}

pages!(torn_twice, 100, 600, []);

/// The first load is not good enough for any of them, as they began before the gap; nor is the second, behind the second gap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_two_gaps_what_all_are_made_of_is_loaded_twice_more() {
    let server = Server::start();
    let cache = on(server.url(), ms(2_000)).await;
    sleep(ms(100)).await;
    let loads = loads_while!(torn_twice, cache, async {
        server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        // In the middle of the second load.
        sleep(ms(750)).await;
        server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    });
    assert!(loads <= 4, "{loads} loads");
}

pages!(far, 100, 600, [], tiers = redis);

/// Without any fault: the first load began before they did. What reads Redis next is given the same value, which is still on
/// its way there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_on_its_way_to_redis_is_not_loaded_by_each_who_waits_for_it() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    proxy.delay(ms(20));
    let cache = on(proxy.url(), ms(2_000)).await;
    sleep(ms(300)).await;
    let loads = loads_while!(far, cache, async {});
    // Two, if all of them are as fast.
    assert!(loads <= 6, "{loads} loads");
}

pages!(killed, 100, 600, []);

/// The same where memory has the value: it cannot be revalidated, as nobody answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_gone_when_a_load_ends_has_it_loaded_once_more_at_most() {
    let mut server = Server::start();
    let cache = on(server.url(), ms(2_000)).await;
    sleep(ms(100)).await;
    let loads = loads_while!(killed, cache, async {
        server.kill();
    });
    assert!(loads <= 3, "{loads} loads");
}

mod late {
    use super::*;

    pub(super) static LOADS: AtomicU64 = AtomicU64::new(0);

    /// Each load but the first is over before others are polled.
    #[cached(ttl = 1h, max_concurrent_loads = 100, invalidate_on = SettingsChanged)]
    async fn settings() -> Vec<u8> {
        if LOADS.fetch_add(1, SeqCst) == 0 {
            sleep(ms(400)).await;
        } else {
            std::thread::sleep(ms(5));
        }
        vec![7; 100]
    }

    #[cached(ttl = 1h, max_concurrent_loads = 100, invalidate_on = PageChanged { id })]
    pub(super) async fn page(id: u64) -> u64 {
        id + u64::try_from(settings().await.len()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_late_for_a_second_load_finds_in_memory_what_it_left() {
    let loads = loads_behind_a_gap!(late);
    assert!(loads <= 4, "{loads} loads");
}
