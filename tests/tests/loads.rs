//! How loads get their slots and their runtimes, and that those which wait for each other go on.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{sync::Arc, thread, time::Duration};

use cache_core::{Cache, CachedCall, cached};
use futures::future::join_all;
use tests::{Runs, on_both_runtimes, spawn_in, until};
use tokio::{
    sync::{Notify, Semaphore},
    time::{sleep, timeout},
};

const SHORT: Duration = Duration::from_millis(20);

/// A future that calls its own function needs a name for its type.
type Recursive<T> = futures::future::BoxFuture<'static, T>;

/// What waiters cannot share.
#[derive(Debug)]
struct Unshared;

#[test]
fn a_stuck_load_does_not_keep_the_slot_that_others_need() {
    #[cached(ttl = 1h, inline, max_concurrent_loads = 1)]
    async fn slow(id: u64) -> u64 {
        sleep(SHORT).await;
        id
    }
    on_both_runtimes(|cache| async move {
        let mut stuck = Box::pin(slow(1));
        assert!(futures::poll!(&mut stuck).is_pending());
        assert_eq!(spawn_in(&cache, slow(2)).await.unwrap(), 2);
        assert_eq!(stuck.await, 1);
    });
}

#[test]
fn no_more_loads_run_at_once_than_the_function_allows() {
    static RUNNING: Runs = Runs::new();
    static MOST: std::sync::Mutex<usize> = std::sync::Mutex::new(0);
    #[cached(ttl = 1h, max_concurrent_loads = 3)]
    async fn capped(id: u64) -> u64 {
        let running = RUNNING.add() + 1;
        {
            let mut most = MOST.lock().unwrap();
            *most = running.max(*most);
        }
        sleep(Duration::from_millis(5)).await;
        RUNNING.sub();
        id
    }
    on_both_runtimes(|cache| async move {
        let calls: Vec<_> = (0..40).map(|id| spawn_in(&cache, capped(id))).collect();
        for call in calls {
            call.await.unwrap();
        }
        assert_eq!(*MOST.lock().unwrap(), 3);
    });
}

#[test]
fn a_load_that_reaches_its_own_key_runs_its_body_uncached() {
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1h)]
    async fn detached(id: u64) -> u64 {
        if RUNS.add() == 0 {
            again(id, false).await + 1
        } else {
            id
        }
    }
    #[cached(ttl = 1h, inline)]
    async fn inline(id: u64) -> u64 {
        if RUNS.add() == 0 {
            again(id, true).await + 1
        } else {
            id
        }
    }
    fn again(id: u64, is_inline: bool) -> Recursive<u64> {
        if is_inline {
            Box::pin(inline(id))
        } else {
            Box::pin(detached(id))
        }
    }
    on_both_runtimes(|_| async {
        assert_eq!(detached(1).await, 2);
        assert_eq!(RUNS.take(), 2);
        assert_eq!(inline(1).await, 2);
        assert_eq!(RUNS.take(), 2);
        assert_eq!(
            (detached(1).await, inline(1).await),
            (2, 2),
            "the outer value is kept"
        );
    });
}

#[test]
fn loads_that_wait_for_each_other_in_a_circle_do_not_deadlock() {
    static ROUNDS: Runs = Runs::new();
    #[cached(ttl = 1h)]
    async fn left() -> u64 {
        sleep(SHORT).await;
        if ROUNDS.add() < 10 {
            to_right().await + 1
        } else {
            1
        }
    }
    #[cached(ttl = 1h)]
    async fn right() -> u64 {
        sleep(SHORT).await;
        if ROUNDS.add() < 10 {
            to_left().await + 1
        } else {
            1
        }
    }
    fn to_left() -> Recursive<u64> {
        Box::pin(left())
    }
    fn to_right() -> Recursive<u64> {
        Box::pin(right())
    }
    on_both_runtimes(|cache| async move {
        // Both loads begin, then each calls the key that the other is loading.
        let (left, right) = (spawn_in(&cache, left()), spawn_in(&cache, right()));
        assert!(left.await.unwrap() > 0 && right.await.unwrap() > 0);
        ROUNDS.take();
    });
}

#[test]
fn a_recursive_function_goes_deeper_than_its_slots() {
    #[cached(ttl = 1h, max_concurrent_loads = 1)]
    async fn fibonacci(n: u64) -> u64 {
        if n < 2 {
            return n;
        }
        let (a, b) = tokio::join!(before(n - 1), before(n - 2));
        a + b
    }
    fn before(n: u64) -> Recursive<u64> {
        Box::pin(fibonacci(n))
    }
    on_both_runtimes(|cache| async move {
        assert_eq!(fibonacci(60).await, 1_548_008_755_920);
        assert_eq!(cache.stats().function("fibonacci").unwrap().loads, 61);
    });
}

#[test]
fn loads_of_two_functions_that_need_each_others_slots_go_on() {
    #[cached(ttl = 1h, max_concurrent_loads = 1)]
    async fn page(id: u64) -> u64 {
        sleep(Duration::from_millis(2)).await;
        if id == 0 {
            0
        } else {
            to_config(id - 1).await + 1
        }
    }
    #[cached(ttl = 1h, max_concurrent_loads = 1)]
    async fn config(id: u64) -> u64 {
        sleep(Duration::from_millis(2)).await;
        if id == 0 {
            0
        } else {
            to_page(id - 1).await + 1
        }
    }
    fn to_page(id: u64) -> Recursive<u64> {
        Box::pin(page(id))
    }
    fn to_config(id: u64) -> Recursive<u64> {
        Box::pin(config(id))
    }
    on_both_runtimes(|cache| async move {
        let calls: Vec<_> = (0..30)
            .flat_map(|id| [spawn_in(&cache, page(id)), spawn_in(&cache, config(id))])
            .collect();
        for (at, call) in calls.into_iter().enumerate() {
            assert_eq!(call.await.unwrap(), at as u64 / 2);
        }
    });
}

#[test]
fn a_call_outside_any_runtime_loads_inline() {
    #[cached(ttl = 1h)]
    async fn ready(id: u64) -> u64 {
        id
    }
    let cache = futures::executor::block_on(Cache::builder().build()).unwrap();
    let twice = async { (ready(3).await, ready(3).await) };
    assert_eq!(
        futures::executor::block_on(Cache::scope(cache.clone(), twice)),
        (3, 3)
    );
    assert_eq!(cache.stats().function("ready").unwrap().loads, 1);
}

#[test]
fn a_runtime_that_ends_under_a_load_leaves_no_waiter_behind() {
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1h)]
    async fn slow(id: u64) -> u64 {
        if RUNS.add() == 0 {
            sleep(Duration::from_mins(1)).await;
        }
        id
    }
    let cache = futures::executor::block_on(Cache::builder().build()).unwrap();
    let doomed = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    drop(doomed.spawn(Cache::scope(cache.clone(), slow(1))));
    let waiting = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    waiting.block_on(async {
        until("the load runs", || RUNS.peek() == 1).await;
        let waiter = spawn_in(&cache, slow(1));
        tokio::task::yield_now().await;
        doomed.shutdown_background();
        assert_eq!(timeout(tests::SOON, waiter).await.unwrap().unwrap(), 1);
    });
}

#[test]
fn the_scope_of_a_caller_goes_along_with_its_load() {
    #[cached(ttl = 1h)]
    async fn inner(id: u64) -> u64 {
        id
    }
    #[cached(ttl = 1h)]
    async fn outer(id: u64) -> u64 {
        inner(id).await
    }
    on_both_runtimes(|cache| async move {
        outer(1).await;
        assert_eq!(cache.stats().entries, 2);
        assert!(
            Arc::new(Cache::current())
                .stats()
                .function("inner")
                .is_some()
        );
    });
}

#[test]
fn a_body_that_holds_a_connection_over_a_nested_call_does_not_deadlock() {
    static POOL: Semaphore = Semaphore::const_new(2);
    #[cached(ttl = 1h)]
    async fn config(id: u64) -> u64 {
        sleep(SHORT).await;
        id
    }
    #[cached(ttl = 1h, max_concurrent_loads = 2)]
    async fn page(id: u64) -> u64 {
        let _connection = POOL.acquire().await.unwrap();
        config(id).await
    }
    on_both_runtimes(|cache| async move {
        let calls: Vec<_> = (0..10).map(|id| spawn_in(&cache, page(id))).collect();
        for (id, call) in (0..).zip(calls) {
            assert_eq!(call.await.unwrap(), id);
        }
    });
}

#[test]
fn a_join_of_nested_calls_does_not_deadlock_on_its_own_slot() {
    static GATE: Notify = Notify::const_new();
    #[cached(ttl = 1h)]
    async fn part(millis: u64) -> u64 {
        sleep(Duration::from_millis(millis)).await;
        millis
    }
    #[cached(ttl = 1h, max_concurrent_loads = 1)]
    async fn whole(id: u64) -> u64 {
        let late = async {
            part(20).await;
            sleep(Duration::from_millis(60)).await;
            to_whole(2).await
        };
        match id {
            0 => {
                let (early, late) = tokio::join!(part(50), late);
                early + late
            }
            1 => {
                GATE.notified().await;
                1
            }
            _ => id,
        }
    }
    fn to_whole(id: u64) -> Recursive<u64> {
        Box::pin(whole(id))
    }
    on_both_runtimes(|cache| async move {
        let joining = spawn_in(&cache, whole(0));
        sleep(Duration::from_millis(10)).await;
        let queued = spawn_in(&cache, whole(1));
        sleep(Duration::from_millis(150)).await;
        GATE.notify_one();
        assert_eq!((joining.await.unwrap(), queued.await.unwrap()), (52, 1));
    });
}

#[test]
fn a_caller_left_behind_in_the_queue_for_a_slot_keeps_none() {
    #[cached(ttl = 1h, inline, max_concurrent_loads = 1)]
    async fn slow(id: u64) -> u64 {
        sleep(Duration::from_millis(50)).await;
        id
    }
    on_both_runtimes(|cache| async move {
        let first = spawn_in(&cache, slow(1));
        until("the first load runs", || {
            cache.stats().function("slow").is_some_and(|f| f.loads == 1)
        })
        .await;
        let mut left_behind = Box::pin(slow(2));
        assert!(futures::poll!(&mut left_behind).is_pending());
        assert_eq!(first.await.unwrap(), 1);
        assert_eq!(spawn_in(&cache, slow(3)).await.unwrap(), 3);
        assert_eq!(left_behind.await, 2);
    });
}

#[test]
fn a_queued_load_takes_the_answer_instead() {
    static GATE: Notify = Notify::const_new();
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1h, max_concurrent_loads = 2)]
    async fn recovering(id: u64) -> Result<u64, Unshared> {
        if id == 0 {
            GATE.notified().await;
            return Ok(0);
        }
        let run = RUNS.add();
        sleep(SHORT).await;
        if run == 0 { Err(Unshared) } else { Ok(id) }
    }
    on_both_runtimes(|cache| async move {
        let other = spawn_in(&cache, recovering(0));
        until("one slot is taken", || {
            cache
                .stats()
                .function("recovering")
                .is_some_and(|f| f.loads == 1)
        })
        .await;
        let calls: Vec<_> = (0..5).map(|_| spawn_in(&cache, recovering(1))).collect();
        let mut failures = 0;
        for call in calls {
            failures += usize::from(call.await.unwrap().is_err());
        }
        GATE.notify_one();
        other.await.unwrap().unwrap();
        assert_eq!((failures, RUNS.take()), (1, 2), "one failed, one answered");
    });
}

#[test]
fn loads_of_one_key_that_run_side_by_side_keep_to_the_slots() {
    static RUNNING: Runs = Runs::new();
    static MOST: std::sync::Mutex<usize> = std::sync::Mutex::new(0);
    #[cached(ttl = 1h, max_concurrent_loads = 2)]
    async fn failing(id: u64) -> Result<u64, Unshared> {
        let running = RUNNING.add() + 1;
        {
            let mut most = MOST.lock().unwrap();
            *most = running.max(*most);
        }
        sleep(SHORT).await;
        RUNNING.sub();
        Err(Unshared)
    }
    on_both_runtimes(|cache| async move {
        let calls: Vec<_> = (0..20)
            .map(|at| spawn_in(&cache, failing(at % 2)))
            .collect();
        for call in calls {
            assert!(call.await.unwrap().is_err());
        }
        assert_eq!(*MOST.lock().unwrap(), 2);
    });
}

#[test]
fn a_refresh_inside_its_own_load_runs_uncached_and_the_value_is_kept() {
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1h)]
    async fn own(id: u64) -> u64 {
        if RUNS.add() == 0 {
            refreshed(id).await + 1
        } else {
            id
        }
    }
    fn refreshed(id: u64) -> Recursive<u64> {
        Box::pin(async move { own(id).refresh().await.unwrap() })
    }
    on_both_runtimes(|_| async {
        assert_eq!(own(1).await, 2);
        assert_eq!(own(1).peek().await, Some(2));
        assert_eq!(RUNS.take(), 2);
    });
}

#[test]
fn a_waiter_moved_out_of_its_runtime_goes_on() {
    static GATE: Notify = Notify::const_new();
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1h)]
    async fn recovering(id: u64) -> Result<u64, Unshared> {
        if RUNS.add() == 0 {
            GATE.notified().await;
            return Err(Unshared);
        }
        Ok(id)
    }
    on_both_runtimes(|cache| async move {
        let mut leader = Box::pin(recovering(1));
        assert!(futures::poll!(&mut leader).is_pending());
        let mut waiter = Box::pin(Cache::scope(cache, recovering(1)));
        assert!(futures::poll!(&mut waiter).is_pending());
        GATE.notify_one();
        assert!(leader.await.is_err());
        let moved = thread::spawn(move || futures::executor::block_on(waiter));
        until("the waiter is answered", || moved.is_finished()).await;
        assert_eq!(moved.join().unwrap().unwrap(), 1);
        RUNS.take();
    });
}

#[test]
fn a_queued_load_that_nobody_waits_for_any_more_does_not_begin() {
    static GATE: Notify = Notify::const_new();
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1h, max_concurrent_loads = 1)]
    async fn gated(id: u64) -> u64 {
        RUNS.add();
        if id == 0 {
            GATE.notified().await;
        }
        id
    }
    on_both_runtimes(|cache| async move {
        let first = spawn_in(&cache, gated(0));
        until("the slot is taken", || RUNS.peek() == 1).await;
        let given_up = (1..50).map(|id| timeout(Duration::from_millis(5), gated(id)));
        assert!(join_all(given_up).await.iter().all(Result::is_err));
        let waiting = spawn_in(&cache, gated(50));
        gated(51).prefetch().await.unwrap();
        GATE.notify_one();
        assert_eq!((first.await.unwrap(), waiting.await.unwrap()), (0, 50));
        until("the prefetch is kept", || cache.stats().entries == 3).await;
        assert_eq!(
            RUNS.take(),
            3,
            "the first, the one that is waited for, the prefetch"
        );
    });
}

#[test]
fn a_load_that_calls_its_own_function_widely_keeps_to_the_slots() {
    static RUNNING: Runs = Runs::new();
    static MOST: std::sync::Mutex<usize> = std::sync::Mutex::new(0);
    #[cached(ttl = 1h, max_concurrent_loads = 4)]
    async fn folder(id: u64) -> u64 {
        if id == 0 {
            return join_all((1..=100).map(inside)).await.into_iter().sum();
        }
        let running = RUNNING.add() + 1;
        {
            let mut most = MOST.lock().unwrap();
            *most = running.max(*most);
        }
        sleep(Duration::from_millis(2)).await;
        RUNNING.sub();
        1
    }
    fn inside(id: u64) -> Recursive<u64> {
        Box::pin(folder(id))
    }
    on_both_runtimes(|_| async {
        assert_eq!(folder(0).await, 100);
        let most = *MOST.lock().unwrap();
        assert!(most <= 4, "{most} at once");
    });
}

#[test]
fn a_prefetch_neither_waits_for_the_load_of_another_nor_is_lost_with_it() {
    static GATE: Notify = Notify::const_new();
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1h, max_concurrent_loads = 1)]
    async fn gated(id: u64) -> u64 {
        RUNS.add();
        if id == 0 {
            GATE.notified().await;
        }
        id
    }
    on_both_runtimes(|cache| async move {
        let first = spawn_in(&cache, gated(0));
        until("the slot is taken", || RUNS.peek() == 1).await;
        let mut queued = Box::pin(gated(1));
        assert!(futures::poll!(&mut queued).is_pending());
        let prefetch = timeout(Duration::from_secs(5), gated(1).prefetch()).await;
        prefetch.expect("a prefetch does not wait").unwrap();
        drop(queued);
        GATE.notify_one();
        first.await.unwrap();
        until("the prefetch is kept", || cache.stats().entries == 2).await;
        assert_eq!(RUNS.take(), 2);
    });
}
