//! Runs tests in many orders of their threads, by `shuttle`: `cargo xtask interleavings`.
//!
//! Time stands still and nobody looks after those who are not polled: who is not woken sleeps for ever, which is found. What
//! a thread wrote, all others see at once; where they may see it in another order is tried by `loom`.
//!
//! A rule that is broken shows that a wrong order is found.

use std::{
    any::Any,
    env,
    hash::{BuildHasher, RandomState},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
};

use shuttle::{
    Config, Runner,
    future::{block_on, yield_now},
    scheduler::{PctScheduler, RandomScheduler, Scheduler},
    thread,
};

use crate::{
    Cache,
    coherence::mutant::{self, Mutant},
};

/// Orders of each kind that are tried.
const ORDERS: usize = 2_000;

/// The same where a rule is broken: most take less than a hundred, the rarest about a thousand.
const ORDERS_AT_MOST: usize = 10 * ORDERS;

/// How often threads are interrupted by others, where that is rare: most of what can go wrong needs one or two (Burckhardt
/// and others, "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", 2010).
const INTERRUPTIONS: usize = 2;

/// A call in a debug build takes more than the usual 60 KiB.
const STACK: usize = 512 << 10;

/// Tries orders in which threads are interrupted by others at few places, and random ones.
pub(crate) fn in_orders(test: fn()) {
    if let Err((found, _)) = search(ORDERS, test) {
        resume_unwind(found);
    }
}

/// A rule that is broken must show, by a panic that says `why`.
pub(crate) fn is_noticed(broken: Mutant, why: &str, test: fn()) {
    let searched = mutant::with(Some(broken), || search(ORDERS_AT_MOST, test));
    let Err((found, orders)) = searched else {
        panic!("{broken:?} passed");
    };
    let found = found.downcast_ref::<String>().map_or_else(
        || found.downcast_ref::<&str>().copied().unwrap_or_default(),
        String::as_str,
    );
    assert!(found.contains(why), "{broken:?}: {found}");
    println!("{broken:?} after {orders} orders: {found}");
}

type Found = (Box<dyn Any + Send>, usize);

/// What is found in so many orders of each kind, and after how many.
fn search(most: usize, test: fn()) -> Result<(), Found> {
    let seed = env::var("SHUTTLE_RANDOM_SEED").ok();
    let seed = seed.and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(0));
    let orders = Arc::default();
    let rarely = PctScheduler::new_from_seed(seed, INTERRUPTIONS + 1, most);
    let tried = try_with(rarely, &orders, test).and_then(|()| {
        let at_random = RandomScheduler::new_from_seed(seed, most);
        try_with(at_random, &orders, test)
    });
    tried.map_err(|found| {
        println!("by SHUTTLE_RANDOM_SEED={seed}");
        (found, orders.load(Relaxed))
    })
}

fn try_with(
    scheduler: impl Scheduler + 'static,
    orders: &Arc<AtomicUsize>,
    test: fn(),
) -> Result<(), Box<dyn Any + Send>> {
    let mut config = Config::new();
    config.stack_size = STACK;
    config.silence_warnings = true;
    let orders = Arc::clone(orders);
    let run = || {
        Runner::new(scheduler, config).run(move || {
            orders.fetch_add(1, Relaxed);
            test();
        });
    };
    catch_unwind(AssertUnwindSafe(run))
}

/// Runs something in so many threads, each of which has a number.
pub(crate) fn threads<T: Send + 'static>(
    count: usize,
    run: impl Fn(usize) -> T + Send + Sync + 'static,
) -> Vec<T> {
    let run = Arc::new(run);
    let threads = (0..count).map(|number| {
        let run = Arc::clone(&run);
        thread::spawn(move || run(number))
    });
    let threads: Vec<_> = threads.collect();
    let join = |thread: thread::JoinHandle<T>| thread.join().expect("it does not panic");
    threads.into_iter().map(join).collect()
}

/// A cache of its own, with nothing behind it.
pub(crate) fn cache() -> Cache {
    let built = Cache::builder().memory_limit(1 << 16).build();
    block_on(built).expect("there is nothing that it could lack")
}

/// What a call in this cache gives.
pub(crate) fn called<T>(cache: &Cache, call: impl Future<Output = T>) -> T {
    block_on(Cache::scope(cache.clone(), call))
}

/// The same, of a caller who goes after so many polls.
pub(crate) fn called_for<T>(
    polls: usize,
    cache: &Cache,
    call: impl Future<Output = T>,
) -> Option<T> {
    let mut call = pin!(Cache::scope(cache.clone(), call));
    block_on(async {
        for _ in 0..polls {
            let polled = std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await;
            if let Poll::Ready(value) = polled {
                return Some(value);
            }
            yield_now().await;
        }
        None
    })
}
