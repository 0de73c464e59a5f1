//! What an event makes void, in one process: from which moment on, for whom, and what it leaves alone.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    panic::AssertUnwindSafe,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
};

use cache_core::{Cache, CachedCall, Event, Miss, Source, cached, event, invalidates};
use futures::{FutureExt, future::join};
use tests::{
    Runs, on_both_runtimes,
    rows::{RowChanged, Table, alone, row, within},
    until,
};
use tokio::sync::Semaphore;

#[derive(Event)]
#[event(used_elsewhere)]
struct UserChanged {
    id: u64,
}

#[derive(Event)]
#[event(used_elsewhere)]
struct OrderChanged {
    tenant: String,
    id: u64,
}

#[cached(ttl = 1h, invalidate_on = UserChanged { id })]
async fn user(id: u64) -> u64 {
    id
}

#[cached(ttl = 1h, invalidate_on = OrderChanged { tenant: tenant.to_owned(), id })]
async fn order(tenant: &str, id: u64) -> u64 {
    tenant.len() as u64 + id
}

#[cached(ttl = 1h, invalidate_on = OrderChanged { tenant: tenant.to_owned(), .. })]
async fn orders(tenant: &str) -> usize {
    tenant.len()
}

#[cached(ttl = 1h, invalidate_on = [UserChanged { id }, OrderChanged { .. }])]
async fn report(id: u64) -> u64 {
    id
}

/// What is still there of what was loaded.
async fn kept() -> [bool; 6] {
    [
        user(1).peek().await.is_some(),
        user(2).peek().await.is_some(),
        order("a", 1).peek().await.is_some(),
        order("b", 1).peek().await.is_some(),
        orders("a").peek().await.is_some(),
        report(1).peek().await.is_some(),
    ]
}

async fn load_all() {
    user(1).await;
    user(2).await;
    order("a", 1).await;
    order("b", 1).await;
    orders("a").await;
    report(1).await;
    assert_eq!(kept().await, [true; 6]);
}

#[test]
fn an_event_makes_void_what_depends_on_it_and_nothing_else() {
    on_both_runtimes(|cache| async move {
        let tenant = || "a".to_owned();
        load_all().await;
        cache.emit(UserChanged { id: 1 }).await.unwrap();
        assert_eq!(kept().await, [false, true, true, true, true, false]);
        load_all().await;
        cache.emit(event!(UserChanged { .. })).await.unwrap();
        assert_eq!(kept().await, [false, false, true, true, true, false]);
        load_all().await;
        let whole = OrderChanged {
            tenant: tenant(),
            id: 1,
        };
        cache.emit(whole).await.unwrap();
        assert_eq!(kept().await, [true, true, false, true, false, false]);
        load_all().await;
        let other = OrderChanged {
            tenant: tenant(),
            id: 2,
        };
        cache.emit(other).await.unwrap();
        assert_eq!(kept().await, [true, true, true, true, false, false]);
        load_all().await;
        cache
            .emit(event!(OrderChanged {
                tenant: tenant(),
                ..
            }))
            .await
            .unwrap();
        assert_eq!(kept().await, [true, true, false, true, false, false]);
        load_all().await;
        cache
            .emit((
                Some(UserChanged { id: 2 }),
                vec![event!(OrderChanged { .. })],
            ))
            .await
            .unwrap();
        assert_eq!(kept().await, [true, false, false, false, false, false]);
        load_all().await;
        cache.emit(None::<UserChanged>).await.unwrap();
        assert_eq!(kept().await, [true; 6]);
    });
}

#[test]
fn it_is_said_that_an_event_made_an_entry_void() {
    on_both_runtimes(|cache| async move {
        user(1).await;
        cache.emit(UserChanged { id: 1 }).await.unwrap();
        let explained = user(1).explain().await.unwrap();
        assert_eq!(
            (explained.source, explained.miss),
            (Source::Load, Some(Miss::Invalidated))
        );
        let tags: Vec<_> = explained.stamps.iter().map(|stamp| &*stamp.tag).collect();
        assert_eq!(tags, ["UserChanged:1", "UserChanged/"]);
        assert_eq!(cache.stats().events.tags, 2);
    });
}

static GATE: Semaphore = Semaphore::const_new(0);
static GATED: Runs = Runs::new();

#[cached(ttl = 1h, invalidate_on = UserChanged { id })]
async fn gated(id: u64) -> usize {
    let before = GATED.add();
    GATE.acquire().await.unwrap().forget();
    before
}

#[test]
fn a_load_that_an_event_overtakes_answers_its_callers_and_nobody_after_them() {
    on_both_runtimes(|cache| async move {
        GATED.take();
        let mut early = pin!(gated(7));
        assert!(early.as_mut().now_or_never().is_none());
        until("the load has begun", || GATED.peek() == 1).await;
        cache.emit(UserChanged { id: 7 }).await.unwrap();
        let late = gated(7);
        GATE.add_permits(2);
        let (early, late) = join(early, late).await;
        assert_eq!(
            (early, late),
            (0, 1),
            "who comes after the event has a load of its own"
        );
        assert_eq!(gated(7).await, 1, "and that is kept");
        assert_eq!(GATED.peek(), 2);
    });
}

#[invalidates(UserChanged { id })]
async fn write(id: u64, ending: &str) -> Result<(), String> {
    match ending {
        "fails" => return Err(ending.to_owned()),
        "panics" => panic!("of the body"),
        "hangs" => std::future::pending().await,
        _ => {}
    }
    Ok(())
}

#[invalidates(UserChanged { id }, on_ok)]
async fn write_or_not(id: u64, fails: bool) -> Result<(), String> {
    if fails { Err(id.to_string()) } else { Ok(()) }
}

#[test]
fn a_mutation_invalidates_however_it_ends() {
    on_both_runtimes(|_| async move {
        for ending in ["returns", "fails", "panics", "hangs"] {
            user(1).await;
            user(2).await;
            let mut call = pin!(AssertUnwindSafe(write(1, ending)).catch_unwind());
            let ended = call.as_mut().now_or_never();
            assert_eq!(ended.is_none(), ending == "hangs", "{ending}");
            if ending == "hangs" {
                assert!(user(1).peek().await.is_some(), "it has not ended");
                continue;
            }
            assert_eq!(user(1).peek().await, None, "{ending}");
            assert_eq!(user(2).peek().await, Some(2), "{ending}");
        }
        assert_eq!(user(1).peek().await, None, "dropped half way");
    });
}

#[test]
fn a_mutation_that_is_never_polled_invalidates_nothing() {
    on_both_runtimes(|_| async move {
        user(1).await;
        drop(write(1, "returns"));
        assert_eq!(user(1).peek().await, Some(1));
    });
}

#[test]
fn an_author_who_knows_that_nothing_was_written_says_so() {
    on_both_runtimes(|_| async move {
        user(1).await;
        write_or_not(1, true).await.unwrap_err();
        assert_eq!(user(1).peek().await, Some(1));
        write_or_not(1, false).await.unwrap();
        assert_eq!(user(1).peek().await, None);
    });
}

struct Order {
    id: u64,
}

#[invalidates(OrderChanged { tenant: tenant.to_owned(), id: result.id })]
async fn try_create(tenant: &str, id: u64) -> Result<Order, u64> {
    if id == 0 {
        Err(tenant.len() as u64)
    } else {
        Ok(Order { id })
    }
}

#[test]
fn what_only_the_result_says_ends_the_event_where_there_is_none() {
    on_both_runtimes(|_| async move {
        load_all().await;
        order("a", 2).await;
        assert!(try_create("a", 2).await.is_ok());
        assert_eq!(order("a", 1).peek().await, Some(2), "another order");
        assert_eq!(order("a", 2).peek().await, None);
        assert_eq!(orders("a").peek().await, None);
        load_all().await;
        assert!(try_create("a", 0).await.is_err());
        assert_eq!(kept().await, [true, true, false, true, false, false]);
    });
}

#[test]
fn while_a_change_is_held_nothing_is_kept_and_a_cancelled_one_changed_nothing() {
    on_both_runtimes(|cache| async move {
        user(1).await;
        let hold = cache.hold(UserChanged { id: 1 });
        assert_eq!(user(1).peek().await, Some(1), "nothing has changed yet");
        user(1).refresh().await.unwrap();
        cache.emit(UserChanged { id: 1 }).await.unwrap();
        user(1).await;
        assert_eq!(user(1).peek().await, None, "not kept");
        hold.release().await.unwrap();
        user(1).await;
        assert_eq!(user(1).peek().await, Some(1));
        cache.hold(UserChanged { id: 1 }).cancel();
        assert_eq!(user(1).peek().await, Some(1));
        drop(cache.hold(UserChanged { id: 1 }));
        assert_eq!(user(1).peek().await, None, "it may have been committed");
    });
}

#[tokio::test]
async fn a_put_under_a_hold_is_not_kept_and_a_late_release_makes_void_what_was_loaded() {
    let (cache, table) = (alone().await, Table::default());
    let held = cache.hold(RowChanged { id: 1 });
    within(&cache, row(&table, 1).put(0)).await.unwrap();
    assert_eq!(within(&cache, row(&table, 1)).await, 0);
    table.set(1);
    assert_eq!(within(&cache, row(&table, 1)).await, 1, "nothing was kept");
    held.cancel();
    let held = cache.hold(RowChanged { id: 1 });
    table.set(2);
    drop(held);
    assert_eq!(within(&cache, row(&table, 1)).await, 2);
}

struct Article {
    author: u64,
}

#[cached(ttl = 1h, tiers = memory, invalidate_on = |article| UserChanged { id: article.author })]
async fn article(id: u64) -> std::sync::Arc<Article> {
    std::sync::Arc::new(Article { author: id / 10 })
}

#[test]
fn what_only_the_value_says_it_depends_on_makes_it_void() {
    on_both_runtimes(|cache| async move {
        // Nothing is known of the time before the first one.
        article(70).await;
        article(71).await;
        article(80).await;
        assert!(article(71).peek().await.is_some());
        cache.emit(UserChanged { id: 7 }).await.unwrap();
        assert!(article(71).peek().await.is_none());
        assert!(article(80).peek().await.is_some());
        assert_eq!(article(71).await.author, 7);
    });
}

static EMITS: AtomicBool = AtomicBool::new(false);

#[cached(ttl = 1h, tiers = memory, inline, invalidate_on = |author| UserChanged { id: *author })]
async fn overtaken(id: u64) -> u64 {
    if EMITS.load(SeqCst) {
        Cache::current().emit(UserChanged { id }).await.unwrap();
    }
    id
}

#[test]
fn an_event_during_the_load_makes_void_what_only_the_value_says() {
    on_both_runtimes(|_| async move {
        EMITS.store(false, SeqCst);
        overtaken(1).await;
        overtaken(2).await;
        assert_eq!(overtaken(2).peek().await, Some(2));
        EMITS.store(true, SeqCst);
        overtaken(3).await;
        assert_eq!(overtaken(3).peek().await, None);
    });
}

#[cached(ttl = 1h, inherits)]
async fn page(id: u64) -> u64 {
    user(id).await + order("a", id).await
}

#[test]
fn a_function_inherits_the_events_of_those_it_calls() {
    on_both_runtimes(|cache| async move {
        for warm in [false, true] {
            if warm {
                user(1).await;
                order("a", 1).await;
            }
            page(1).await;
            assert!(page(1).peek().await.is_some());
            cache.emit(UserChanged { id: 2 }).await.unwrap();
            assert!(page(1).peek().await.is_some());
            cache.emit(UserChanged { id: 1 }).await.unwrap();
            assert!(page(1).peek().await.is_none(), "warm: {warm}");
            page(1).await;
            cache.emit(event!(OrderChanged { .. })).await.unwrap();
            assert!(page(1).peek().await.is_none(), "warm: {warm}");
        }
    });
}

#[test]
fn what_nothing_depends_on_takes_no_memory() {
    on_both_runtimes(|cache| async move {
        for id in 0..1_000 {
            user(id).await;
        }
        assert_eq!(cache.stats().events.tags, 1_001);
        for id in 0..10_000 {
            cache.emit(UserChanged { id }).await.unwrap();
        }
        cache.clear();
        assert_eq!(cache.stats().events.tags, 0);
    });
}
