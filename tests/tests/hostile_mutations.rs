//! Attacks by many threads, and by mutations that are given up at any moment.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::pedantic,
    missing_docs,
    reason = "a test may fail"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cache_core::{Cache, CachedCall, Source};
use tests::{
    rows::{RowChanged, Table, alone, explained, ms, on, row, row_here, within},
    server::Server,
    until,
};
use tokio::{
    runtime::{Builder, Runtime},
    time::sleep,
};

const BOUND: Duration = Duration::from_secs(2);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// `coherence.md`: what was loaded before is not served from the moment in which the change returns.
#[test]
fn no_reader_that_begins_behind_an_invalidation_is_served_what_was_before() {
    let cache = runtime().block_on(alone());
    let tables: Vec<Table> = (0..4).map(|_| Table::default()).collect();
    let floors: Arc<Vec<AtomicU64>> = Arc::new((0..4).map(|_| AtomicU64::new(0)).collect());
    let over = Arc::new(AtomicBool::new(false));
    let hits = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                runtime().block_on(within(&cache, async {
                    while !over.load(SeqCst) {
                        for id in 0..4_u64 {
                            let floor = floors[id as usize].load(SeqCst);
                            let value = row_here(&tables[id as usize], id).await;
                            assert!(value >= floor, "{value} < {floor}");
                            hits.fetch_add(1, SeqCst);
                        }
                    }
                }));
            });
        }
        for id in 0..3_u64 {
            let (cache, floors, over, tables) = (cache.clone(), &floors, &over, &tables);
            scope.spawn(move || {
                runtime().block_on(async {
                    while !over.load(SeqCst) {
                        let value = tables[id as usize].change();
                        cache.emit(RowChanged { id }).await.unwrap();
                        floors[id as usize].store(value, SeqCst);
                        if id == 1 {
                            std::thread::yield_now();
                        }
                    }
                });
            });
        }
        std::thread::sleep(ms(4_000));
        over.store(true, SeqCst);
    });
}

mod given_up {
    use cache_core::invalidates;
    use tests::rows::{Denied, RowChanged};

    use super::*;

    async fn body(table: &Table, id: u64) -> u64 {
        tokio::task::yield_now().await;
        table.change();
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        id
    }

    #[invalidates(Some(RowChanged { id }))]
    pub(super) async fn optional(table: &Table, id: u64) -> u64 {
        body(table, id).await
    }

    #[invalidates(vec![RowChanged { id: id + 100 }, RowChanged { id }])]
    pub(super) async fn many(table: &Table, id: u64) -> u64 {
        body(table, id).await
    }

    #[invalidates((RowChanged { id: id + 100 }, RowChanged { id }))]
    pub(super) async fn tuple(table: &Table, id: u64) -> u64 {
        body(table, id).await
    }

    #[invalidates(RowChanged { id: *result }, RowChanged { .. })]
    pub(super) async fn resulting(table: &Table, id: u64) -> u64 {
        body(table, id).await
    }

    #[invalidates(RowChanged { id }, guarded)]
    pub(super) async fn guarded(table: &Table, id: u64) -> Result<u64, Denied> {
        Ok(body(table, id).await)
    }

    #[invalidates(RowChanged { id })]
    pub(super) async fn panics(table: &Table, id: u64) -> u64 {
        body(table, id).await;
        panic!("on purpose");
    }
}

async fn is_seen(kind: usize, polls: usize, here: &Cache, there: Option<&Cache>, id: u64) {
    use std::{future::Future, pin::Pin};
    let table = Table::default();
    within(here, row(&table, id)).await;
    within(here, row_here(&table, id)).await;
    if let Some(there) = there {
        within(there, row(&table, id)).await;
    }
    let own = table.clone();
    let mutation: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
        match kind {
            0 => drop(given_up::optional(&own, id).await),
            1 => drop(given_up::many(&own, id).await),
            2 => drop(given_up::tuple(&own, id).await),
            3 => drop(given_up::guarded(&own, id).await),
            4 => _ = given_up::resulting(&own, id).await,
            _ => drop(given_up::panics(&own, id).await),
        }
    });
    let mut mutation = Box::pin(Cache::scope(here.clone(), mutation));
    for _ in 0..polls {
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let waker = std::task::Waker::noop();
            mutation
                .as_mut()
                .poll(&mut std::task::Context::from_waker(waker))
                .is_ready()
        }));
        if !matches!(polled, Ok(false)) {
            break;
        }
        sleep(ms(3)).await;
    }
    drop(mutation);
    let value = table.value();
    assert_eq!(within(here, row(&table, id)).await, value, "{kind} {polls}");
    assert_eq!(
        within(here, row_here(&table, id)).await,
        value,
        "{kind} {polls}"
    );
    if let Some(there) = there {
        let begin = Instant::now();
        while within(there, row(&table, id)).await != value {
            assert!(begin.elapsed() < BOUND, "{kind} {polls}");
            sleep(ms(10)).await;
        }
    }
}

#[tokio::test]
async fn what_a_mutation_wrote_that_was_given_up_anywhere_is_seen_at_once() {
    std::panic::set_hook(Box::new(|info| {
        if !info.to_string().contains("on purpose") {
            eprintln!("{info}");
        }
    }));
    let server = Server::start();
    let cache = alone().await;
    let (here, there) = (
        on(server.url(), BOUND).await,
        on(server.other_url(), BOUND).await,
    );
    let mut id = 0;
    for kind in 0..6 {
        for polls in 0..9 {
            id += 1;
            is_seen(kind, polls, &cache, None, id).await;
            is_seen(kind, polls, &here, Some(&there), id).await;
        }
    }
    until("all is told", || here.stats().events.pending == 0).await;
    // No mark is left.
    sleep(ms(300)).await;
    let tags = server.command(&["KEYS", "test:t:*"]);
    for tag in tags.lines() {
        assert!(!server.command(&["GET", tag]).starts_with('!'), "{tag}");
    }
}

/// A hold that is leaked has this process load for ever what depends on it, and nothing else.
#[tokio::test]
async fn a_hold_that_is_leaked_is_no_harm_to_anybody_else() {
    let server = Server::start();
    let (here, there) = (
        on(server.url(), BOUND).await,
        on(server.other_url(), BOUND).await,
    );
    let table = Table::default();
    for _ in 0..1_000 {
        std::mem::forget(here.hold(RowChanged { id: 1 }));
    }
    for _ in 0..20 {
        let value = table.change();
        assert_eq!(within(&here, row(&table, 1)).await, value);
        here.emit(RowChanged { id: 1 }).await.unwrap();
        until("it is heard", || there.stats().events.heard > 0).await;
    }
    within(&here, row(&table, 2)).await;
    assert_eq!(
        explained(&here, row(&table, 2)).await.source,
        Source::Memory
    );
    sleep(BOUND).await;
    assert_eq!(within(&there, row(&table, 1)).await, table.value());
    assert_eq!(here.stats().events.pending, 0);
}

/// What is put counts as loaded then: before an event it is void behind it.
#[test]
fn what_was_put_before_an_event_is_not_served_behind_it() {
    let server = Server::start();
    for is_alone in [true, false] {
        let main = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let cache = main.block_on(async {
            if is_alone {
                alone().await
            } else {
                on(server.url(), BOUND).await
            }
        });
        let table = Table::default();
        let (lock, floor) = (std::sync::RwLock::new(()), AtomicU64::new(0));
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    main.block_on(within(&cache, async {
                        while !over.load(SeqCst) {
                            let putting = lock.read().unwrap();
                            let value = table.value();
                            // The value is put before the source changes again.
                            _ = futures::FutureExt::now_or_never(row(&table, 1).put(value));
                            drop(putting);
                            tokio::task::yield_now().await;
                        }
                    }));
                });
                scope.spawn(|| {
                    main.block_on(within(&cache, async {
                        while !over.load(SeqCst) {
                            let least = floor.load(SeqCst);
                            let value = row(&table, 1).await;
                            assert!(value >= least, "{value} < {least}");
                        }
                    }));
                });
            }
            scope.spawn(|| {
                main.block_on(async {
                    while !over.load(SeqCst) {
                        let value = {
                            let _changing = lock.write().unwrap();
                            table.change()
                        };
                        drop(cache.emit(RowChanged { id: 1 }).await);
                        floor.store(value, SeqCst);
                    }
                });
            });
            std::thread::sleep(ms(2_000));
            over.store(true, SeqCst);
        });
    }
}
