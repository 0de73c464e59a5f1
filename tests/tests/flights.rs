//! One load per key, whatever becomes of the callers. Every claim on both runtimes; the loads run in
//! a task of their own (`detached`) and in the task of a caller (`inline`).
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use cache_core::{CachedCall, Source, cached};
use futures::{FutureExt, future::join_all};
use tests::{Runs, on_both_runtimes, spawn_in, until, until_loads};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

const SHORT: Duration = Duration::from_millis(20);

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
        until_loads(&cache, 1).await;
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
        until_loads(&cache, 1).await;
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
        until_loads(&cache, 2).await;
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
        until_loads(&cache, 1).await;
        cache.clear();
        GATE.notify_one();
        assert_eq!(before.await.unwrap(), 1);
        assert_eq!(gated(1).peek().await, None);
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
fn a_key_whose_arguments_could_not_be_copied_loads_once_they_can() {
    static IS_CLOSED: AtomicBool = AtomicBool::new(false);
    struct Pool;
    impl Clone for Pool {
        fn clone(&self) -> Self {
            assert!(!IS_CLOSED.load(Ordering::SeqCst), "the pool is closed");
            Self
        }
    }
    #[cached(ttl = 1h, skip(pool))]
    async fn row(pool: &Pool, id: u64) -> u64 {
        let _ = pool;
        id
    }
    on_both_runtimes(|_| async {
        IS_CLOSED.store(true, Ordering::SeqCst);
        let closed = AssertUnwindSafe(row(&Pool, 1)).catch_unwind().await;
        assert!(closed.is_err());
        IS_CLOSED.store(false, Ordering::SeqCst);
        // At once, not after the second in which a load that nobody polls is given up.
        let in_time = timeout(Duration::from_millis(500), row(&Pool, 1)).await;
        assert_eq!(in_time, Ok(1));
    });
}

#[test]
fn waiters_dropped_in_any_order_leave_the_others_their_answer() {
    const CALLERS: usize = 2_000;
    #[cached(ttl = 1h, max_concurrent_loads = 1)]
    async fn detached(id: u64) -> u64 {
        sleep(SHORT).await;
        id
    }
    #[cached(ttl = 1h, inline, max_concurrent_loads = 1)]
    async fn inline(id: u64) -> u64 {
        sleep(SHORT).await;
        id
    }
    on_both_runtimes(|cache| async move {
        for id in 0..6 {
            let call = move || async move {
                if id % 2 == 0 {
                    detached(id).await
                } else {
                    inline(id).await
                }
            };
            let calls: Vec<_> = (0..CALLERS).map(|_| spawn_in(&cache, call())).collect();
            sleep(Duration::from_millis(5)).await;
            // A step that shares no factor with their number meets each of them once.
            let mut order = (0..CALLERS).map(|nth| &calls[(nth * 1_237 + 71) % CALLERS]);
            for (nth, call) in order.by_ref().take(CALLERS - 5).enumerate() {
                call.abort();
                if nth % 100 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            drop(order);
            for ended in join_all(calls).await {
                assert!(ended.map_or_else(|error| error.is_cancelled(), |value| value == id));
            }
        }
    });
}
