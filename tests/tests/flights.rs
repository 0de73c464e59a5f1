//! One load per key, whatever becomes of the callers. Every claim on both runtimes; the loads run in
//! a task of their own (`detached`) and in the task of a caller (`inline`).
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use cache_core::{Cache, CachedCall, Source, cached};
use futures::{FutureExt, future::join_all};
use tests::{Runs, on_both_runtimes, spawn_in, until};
use tokio::{sync::Notify, time::sleep};

const SHORT: Duration = Duration::from_millis(20);

/// A future that calls its own function needs a name for its type.
type Recursive<T> = futures::future::BoxFuture<'static, T>;

#[derive(Clone, Debug, PartialEq)]
struct Shared(&'static str);

#[derive(Debug, PartialEq)]
struct Unshared(usize);

#[test]
fn ten_thousand_waiters_share_one_load() {
    static RUNS: Runs = Runs::new();
    static GATE: Notify = Notify::const_new();
    #[cached(ttl = 1h)]
    async fn detached(id: u64) -> u64 {
        RUNS.add();
        GATE.notified().await;
        id * 2
    }
    #[cached(ttl = 1h, inline)]
    async fn inline(id: u64) -> u64 {
        RUNS.add();
        GATE.notified().await;
        id * 2
    }
    on_both_runtimes(|cache| async move {
        for is_inline in [false, true] {
            let come = Arc::new(Runs::new());
            let calls: Vec<_> = (0..10_000)
                .map(|_| {
                    let come = Arc::clone(&come);
                    spawn_in(&cache, async move {
                        come.add();
                        if is_inline {
                            inline(7).await
                        } else {
                            detached(7).await
                        }
                    })
                })
                .collect();
            until("all have come", || come.peek() == 10_000).await;
            GATE.notify_one();
            for call in calls {
                assert_eq!(call.await.unwrap(), 14);
            }
            assert_eq!(RUNS.take(), 1);
        }
    });
}

#[test]
fn a_detached_load_outlives_its_leader() {
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1h)]
    async fn slow(id: u64) -> u64 {
        RUNS.add();
        sleep(SHORT).await;
        id
    }
    on_both_runtimes(|cache| async move {
        let leader = spawn_in(&cache, slow(1));
        until("the load runs", || {
            cache
                .stats()
                .functions
                .first()
                .is_some_and(|f| f.loads == 1)
        })
        .await;
        let waiter = spawn_in(&cache, slow(1));
        leader.abort();
        assert_eq!(waiter.await.unwrap(), 1);
        assert_eq!(RUNS.take(), 1);
        assert_eq!(slow(1).explain().await.unwrap().source, Source::Memory);
    });
}

#[test]
fn a_dropped_inline_leader_hands_over_to_the_next_waiter() {
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1h, inline)]
    async fn slow(id: u64) -> u64 {
        RUNS.add();
        sleep(SHORT).await;
        id
    }
    on_both_runtimes(|cache| async move {
        let leader = spawn_in(&cache, slow(1));
        until("the load runs", || {
            cache
                .stats()
                .functions
                .first()
                .is_some_and(|f| f.loads == 1)
        })
        .await;
        let waiters: Vec<_> = (0..50).map(|_| spawn_in(&cache, slow(1))).collect();
        tokio::task::yield_now().await;
        leader.abort();
        for waiter in waiters {
            assert_eq!(waiter.await.unwrap(), 1);
        }
        assert_eq!(RUNS.take(), 2);
    });
}

#[test]
fn a_thousand_aborted_leaders_leave_the_key_whole() {
    #[cached(ttl = 1h, inline)]
    async fn inline(id: u64) -> u64 {
        sleep(SHORT).await;
        id
    }
    #[cached(ttl = 1h)]
    async fn detached(id: u64) -> u64 {
        sleep(SHORT).await;
        id
    }
    on_both_runtimes(|cache| async move {
        for _ in 0..1_000 {
            let mut first = Box::pin(inline(1));
            assert!(futures::poll!(&mut first).is_pending());
            drop(first);
            let mut second = Box::pin(detached(1));
            let _ = futures::poll!(&mut second);
            drop(second);
        }
        assert_eq!((inline(1).await, detached(1).await), (1, 1));
        assert_eq!(cache.stats().entries, 2);
    });
}

#[test]
fn a_panic_reaches_the_leader_and_waiters_load_for_themselves() {
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1h)]
    async fn detached(id: u64) -> u64 {
        let run = RUNS.add();
        sleep(SHORT).await;
        assert!(run != 0, "the first run panics");
        id
    }
    #[cached(ttl = 1h, inline)]
    async fn inline(id: u64) -> u64 {
        let run = RUNS.add();
        sleep(SHORT).await;
        assert!(run != 0, "the first run panics");
        id
    }
    on_both_runtimes(|cache| async move {
        for is_inline in [false, true] {
            let call = move || async move {
                if is_inline {
                    inline(1).await
                } else {
                    detached(1).await
                }
            };
            let leader = spawn_in(&cache, call());
            until("the load runs", || RUNS.peek() == 1).await;
            let waiters: Vec<_> = (0..10).map(|_| spawn_in(&cache, call())).collect();
            let panic = leader.await.unwrap_err().into_panic();
            assert_eq!(panic.downcast_ref::<&str>(), Some(&"the first run panics"));
            for waiter in waiters {
                assert_eq!(waiter.await.unwrap(), 1);
            }
            assert!(RUNS.take() <= 11);
        }
    });
}

#[test]
fn a_leader_left_behind_in_a_select_stalls_nobody() {
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1h, inline)]
    async fn slow(id: u64) -> u64 {
        RUNS.add();
        sleep(SHORT).await;
        id
    }
    on_both_runtimes(|cache| async move {
        let mut stuck = Box::pin(slow(1));
        assert!(futures::poll!(&mut stuck).is_pending());
        let waiters: Vec<_> = (0..10).map(|_| spawn_in(&cache, slow(1))).collect();
        for waiter in waiters {
            assert_eq!(waiter.await.unwrap(), 1);
        }
        assert_eq!(stuck.await, 1);
        assert_eq!(RUNS.take(), 2);
    });
}

#[test]
fn a_detached_load_does_not_need_its_leader_to_be_polled() {
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1h)]
    async fn slow(id: u64) -> u64 {
        RUNS.add();
        sleep(SHORT).await;
        id
    }
    on_both_runtimes(|cache| async move {
        let mut stuck = Box::pin(slow(1));
        assert!(futures::poll!(&mut stuck).is_pending());
        assert_eq!(spawn_in(&cache, slow(1)).await.unwrap(), 1);
        assert_eq!(stuck.await, 1);
        assert_eq!(RUNS.take(), 1);
    });
}

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
fn a_slow_load_that_nobody_woke_is_not_taken_for_stuck() {
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1h, inline)]
    async fn slow(id: u64) -> u64 {
        RUNS.add();
        sleep(Duration::from_millis(400)).await;
        id
    }
    on_both_runtimes(|cache| async move {
        let calls: Vec<_> = (0..10).map(|_| spawn_in(&cache, slow(1))).collect();
        for call in calls {
            assert_eq!(call.await.unwrap(), 1);
        }
        assert_eq!(RUNS.take(), 1);
    });
}

#[test]
fn waiters_share_an_error_that_can_be_cloned() {
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1h)]
    async fn failing(id: u64) -> Result<u64, Shared> {
        RUNS.add();
        sleep(SHORT).await;
        Err(Shared("no row"))
    }
    on_both_runtimes(|cache| async move {
        let calls: Vec<_> = (0..20).map(|_| spawn_in(&cache, failing(1))).collect();
        for call in calls {
            assert_eq!(call.await.unwrap(), Err(Shared("no row")));
        }
        assert_eq!(RUNS.take(), 1);
        assert_eq!(failing(1).await, Err(Shared("no row")));
        assert_eq!(RUNS.take(), 1, "an error is not kept");
    });
}

#[test]
fn waiters_of_an_error_that_cannot_be_cloned_load_side_by_side() {
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1h, max_concurrent_loads = 4)]
    async fn failing(id: u64) -> Result<u64, Unshared> {
        let run = RUNS.add();
        sleep(Duration::from_millis(100)).await;
        Err(Unshared(run))
    }
    on_both_runtimes(|cache| async move {
        let begin = tokio::time::Instant::now();
        let calls: Vec<_> = (0..9).map(|_| spawn_in(&cache, failing(1))).collect();
        let mut errors = Vec::new();
        for call in calls {
            errors.push(call.await.unwrap().unwrap_err().0);
        }
        errors.sort_unstable();
        assert_eq!(
            errors,
            (0..9).collect::<Vec<_>>(),
            "each caller has an error of its own"
        );
        assert_eq!(RUNS.take(), 9);
        // One alone, then two rounds of four: not nine rounds.
        assert!(
            begin.elapsed() < Duration::from_millis(850),
            "{:?}",
            begin.elapsed()
        );
    });
}

#[test]
fn the_first_success_answers_all_who_still_wait() {
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1h, max_concurrent_loads = 2)]
    async fn recovering(id: u64) -> Result<u64, Unshared> {
        let run = RUNS.add();
        sleep(SHORT).await;
        if run == 0 { Err(Unshared(run)) } else { Ok(id) }
    }
    on_both_runtimes(|cache| async move {
        let calls: Vec<_> = (0..100).map(|_| spawn_in(&cache, recovering(1))).collect();
        let mut failures = 0;
        for call in calls {
            failures += usize::from(call.await.unwrap().is_err());
        }
        assert_eq!(failures, 1);
        assert!(RUNS.take() <= 3, "the first, and two at once");
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
fn a_slow_load_holds_up_no_other_key() {
    #[cached(ttl = 1h)]
    async fn load(id: u64) -> u64 {
        if id == 0 {
            sleep(Duration::from_mins(1)).await;
        }
        id
    }
    on_both_runtimes(|cache| async move {
        load(1).await;
        let slow = spawn_in(&cache, load(0));
        until("the slow load runs", || {
            cache.stats().functions[0].loads == 2
        })
        .await;
        // More keys than any table of locks has buckets.
        join_all((1..2_000).map(load)).await;
        assert!(!slow.is_finished());
        slow.abort();
    });
}

#[test]
fn a_load_begun_before_an_eviction_is_not_kept() {
    static GATE: Notify = Notify::const_new();
    static RUNS: Runs = Runs::new();
    #[cached(ttl = 1h)]
    async fn gated(id: u64) -> usize {
        let run = RUNS.add();
        if run == 0 {
            GATE.notified().await;
        }
        run
    }
    on_both_runtimes(|cache| async move {
        let before = spawn_in(&cache, gated(1));
        until("the load runs", || RUNS.peek() == 1).await;
        gated(1).evict().await.unwrap();
        assert_eq!(
            gated(1).await,
            1,
            "a caller that came after the eviction does not join"
        );
        GATE.notify_one();
        assert_eq!(before.await.unwrap(), 0);
        assert_eq!(
            gated(1).peek().await,
            Some(1),
            "the older load did not replace the newer"
        );
        RUNS.take();
    });
}

#[test]
fn a_load_begun_before_a_clear_is_not_kept() {
    static GATE: Notify = Notify::const_new();
    #[cached(ttl = 1h)]
    async fn gated(id: u64) -> u64 {
        GATE.notified().await;
        id
    }
    on_both_runtimes(|cache| async move {
        let before = spawn_in(&cache, gated(1));
        until("the load runs", || {
            cache
                .stats()
                .functions
                .first()
                .is_some_and(|f| f.loads == 1)
        })
        .await;
        cache.clear();
        GATE.notify_one();
        assert_eq!(before.await.unwrap(), 1);
        assert_eq!(gated(1).peek().await, None);
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
        assert_eq!(
            tokio::time::timeout(tests::SOON, waiter)
                .await
                .unwrap()
                .unwrap(),
            1
        );
    });
}

#[test]
fn a_panicking_closure_of_an_option_is_a_panicking_load() {
    #[cached(ttl = 1h, keep_if = |value| *value < 10 || panic!("no such number"))]
    async fn picky(id: u64) -> u64 {
        id
    }
    on_both_runtimes(|_| async {
        assert_eq!(picky(1).await, 1);
        assert!(AssertUnwindSafe(picky(11)).catch_unwind().await.is_err());
        assert_eq!(picky(1).await, 1);
    });
}

#[test]
fn a_panic_while_arguments_are_copied_stalls_nobody() {
    #[derive(cache_core::CacheKey)]
    struct Fragile(u64);
    impl Clone for Fragile {
        fn clone(&self) -> Self {
            panic!("not to be copied")
        }
    }
    #[cached(ttl = 1h)]
    async fn fragile(argument: &Fragile) -> u64 {
        argument.0
    }
    on_both_runtimes(|_| async {
        for _ in 0..3 {
            assert!(
                AssertUnwindSafe(fragile(&Fragile(1)))
                    .catch_unwind()
                    .await
                    .is_err()
            );
        }
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
