//! Calls of inline functions, in many orders of their threads.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use shuttle::{
    future::yield_now,
    rand::{Rng, thread_rng},
};

use crate::{
    Cache, CachedCall as _, Event, cached,
    coherence::mutant::Mutant,
    shuttled::{cache, called, called_for, in_orders, is_noticed, threads},
};

#[derive(Event)]
#[event(used_elsewhere)]
struct Changed {
    id: u64,
}

/// What loads read, and how many there were.
#[derive(Default)]
struct Source {
    value: AtomicU64,
    loads: AtomicUsize,
    /// By key.
    loading: [AtomicUsize; 3],
    panics: AtomicBool,
}

/// A load while it runs.
struct Loading<'a>(&'a AtomicUsize);

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Source {
    /// The value, after a while in which nothing else loads the same.
    async fn load(&self, place: usize) -> u64 {
        let loading = &self.loading[place];
        assert_eq!(loading.fetch_add(1, Relaxed), 0, "one load at a time");
        let _loading = Loading(loading);
        self.loads.fetch_add(1, Relaxed);
        self.read().await
    }

    async fn read(&self) -> u64 {
        let value = self.value.load(Relaxed);
        yield_now().await;
        value
    }

    /// The same, by loads of which the first panics.
    async fn load_again(&self) -> u64 {
        yield_now().await;
        if !self.panics.swap(true, Relaxed) {
            resume_unwind(Box::new("the first load"));
        }
        self.loads.fetch_add(1, Relaxed);
        self.value.load(Relaxed)
    }
}

#[cached(ttl = 1h, inline, tiers = memory, skip(source))]
async fn plain(source: &Source, id: usize) -> u64 {
    source.load(id).await
}

#[cached(ttl = 1h, inline, tiers = memory, skip(source))]
async fn panicking(source: &Source) -> u64 {
    source.load_again().await
}

#[cached(ttl = 1h, inline, tiers = memory, skip(source), max_concurrent_loads = 1)]
async fn in_one_slot(source: &Source, id: u64) -> u64 {
    source.load(0).await + id
}

#[cached(ttl = 1h, inline, tiers = memory, skip(source))]
async fn unguarded(source: &Source) -> u64 {
    source.read().await
}

#[cached(ttl = 1h, inline, tiers = memory, skip(source))]
async fn one_of_many(source: &Source, _id: u64) -> u64 {
    source.read().await
}

#[cached(ttl = 1h, inline, tiers = memory, skip(source), invalidate_on = Changed { id: 1 })]
async fn guarded(source: &Source) -> u64 {
    source.read().await
}

#[cached(ttl = 1h, inline, tiers = memory, skip(source), invalidate_on = |_| Changed { id: 1 })]
async fn named_by_its_value(source: &Source) -> u64 {
    source.read().await
}

type Recursive = Pin<Box<dyn Future<Output = usize> + Send>>;

/// Two that call each other, as deep as it goes.
#[cached(ttl = 1h, inline, tiers = memory, skip(depth))]
async fn ping(depth: usize) -> usize {
    yield_now().await;
    if depth < 3 {
        to_pong(depth + 1).await
    } else {
        depth
    }
}

#[cached(ttl = 1h, inline, tiers = memory, skip(depth))]
async fn pong(depth: usize) -> usize {
    yield_now().await;
    if depth < 3 {
        to_ping(depth + 1).await
    } else {
        depth
    }
}

fn to_ping(depth: usize) -> Recursive {
    Box::pin(ping(depth))
}

fn to_pong(depth: usize) -> Recursive {
    Box::pin(pong(depth))
}

/// A cache and a source, for the threads of a test.
fn world() -> (Cache, Arc<Source>) {
    (cache(), Arc::default())
}

fn callers_of_two_keys() {
    let (cache, source) = world();
    let loads = Arc::clone(&source);
    threads(4, move |number| called(&cache, plain(&source, number % 2)));
    assert_eq!(loads.loads.load(Relaxed), 2, "one load for each key");
}

#[test]
fn callers_of_a_key_share_one_load_and_none_sleeps_on() {
    in_orders(callers_of_two_keys);
}

#[test]
fn a_waiter_that_lies_down_late_is_noticed() {
    is_noticed(Mutant::S1, "deadlock", callers_of_two_keys);
}

/// Who has gone comes again.
fn callers_that_go() {
    let (cache, source) = world();
    threads(3, move |_| {
        called_for(thread_rng().gen_range(1..4), &cache, plain(&source, 0));
        called(&cache, plain(&source, 0));
    });
}

#[test]
fn who_goes_half_way_leaves_one_load_at_a_time_and_nobody_asleep() {
    in_orders(callers_that_go);
}

#[test]
fn a_flight_that_is_taken_away_from_who_has_come_is_noticed() {
    is_noticed(Mutant::S2, "one load at a time", callers_that_go);
}

#[test]
fn a_load_that_panics_takes_along_its_own_caller_only() {
    in_orders(|| {
        let (cache, source) = world();
        let answered = threads(3, move |_| {
            let call = || called(&cache, panicking(&source));
            catch_unwind(AssertUnwindSafe(call)).is_ok()
        });
        let answered = answered.into_iter().filter(|is_answered| *is_answered);
        assert_eq!(answered.count(), 2);
    });
}

fn callers_of_one_slot() {
    let (cache, source) = world();
    threads(3, move |number| {
        let id = number as u64;
        if number < 2 {
            assert_eq!(called(&cache, in_one_slot(&source, id)), id);
        } else {
            let polls = thread_rng().gen_range(1..5);
            called_for(polls, &cache, in_one_slot(&source, id));
        }
    });
}

#[test]
fn loads_that_wait_for_one_slot_get_it_whoever_goes() {
    in_orders(callers_of_one_slot);
}

#[test]
fn a_load_that_lies_down_late_for_its_slot_is_noticed() {
    is_noticed(Mutant::S3, "deadlock", callers_of_one_slot);
}

fn callers_of_a_circle() {
    let cache = cache();
    threads(2, move |number| {
        let call = [to_ping, to_pong][number](0);
        assert_eq!(called(&cache, call), 3);
    });
}

#[test]
fn loads_that_call_each_other_close_no_circle() {
    in_orders(callers_of_a_circle);
}

#[test]
fn a_wait_that_is_recorded_late_is_noticed() {
    is_noticed(Mutant::S8, "deadlock", callers_of_a_circle);
}

/// Of two callers one may have come before the source changes; who comes after that was told sees the new value.
fn a_change<F: Future<Output = u64> + 'static>(
    call: fn(&'static Source) -> F,
    tell: fn(&Cache, &'static Source),
) {
    // It lives as long as the program: a hundred bytes.
    let source: &'static Source = Box::leak(Box::default());
    let (cache, is_told) = (cache(), AtomicBool::new(false));
    threads(3, move |number| {
        if number == 0 {
            source.value.store(1, Relaxed);
            tell(&cache, source);
            is_told.store(true, Relaxed);
            assert_eq!(called(&cache, call(source)), 1, "{BEHIND}");
        } else {
            let comes_behind = is_told.load(Relaxed);
            let value = called(&cache, call(source));
            assert!(value == 1 || !comes_behind, "{BEHIND}");
        }
    });
}

/// Who sees the value of before.
const BEHIND: &str = "behind the change";

fn by_event(cache: &Cache, _: &'static Source) {
    let told = called(cache, cache.emit(Changed { id: 1 }));
    told.expect("nobody else is to be told");
}

fn by_eviction(cache: &Cache, source: &'static Source) {
    let evicted = called(cache, unguarded(source).evict());
    evicted.expect("it is a cached function");
}

#[test]
fn who_comes_behind_an_event_sees_what_changed() {
    in_orders(|| a_change(guarded, by_event));
    in_orders(|| a_change(named_by_its_value, by_event));
}

#[test]
fn callers_that_join_any_flight_are_noticed() {
    is_noticed(Mutant::B3, BEHIND, || a_change(guarded, by_event));
}

#[test]
fn a_state_captured_when_the_value_is_kept_is_noticed() {
    is_noticed(Mutant::B4, BEHIND, || a_change(guarded, by_event));
}

#[test]
fn who_comes_behind_an_eviction_sees_what_changed() {
    in_orders(|| a_change(unguarded, by_eviction));
    in_orders(|| a_change(unguarded, |cache, _| cache.clear()));
}

#[test]
fn a_value_that_is_kept_behind_an_eviction_is_noticed() {
    is_noticed(Mutant::S9, BEHIND, || a_change(unguarded, by_eviction));
}

/// One refreshes values while another one clears the cache: of several keys, as it is not interrupted behind the last shard.
fn a_refresh_beside_a_clear() {
    let source: &'static Source = Box::leak(Box::default());
    let cache = cache();
    for id in 0..4 {
        called(&cache, one_of_many(source, id));
    }
    source.value.store(1, Relaxed);
    threads(2, move |number| {
        if number == 0 {
            cache.clear();
            return;
        }
        for id in 0..4 {
            let refreshed = called(&cache, one_of_many(source, id).refresh());
            assert_eq!(refreshed.expect("it is a cached function"), 1);
            assert_eq!(called(&cache, one_of_many(source, id)), 1, "{BEHIND}");
        }
    });
}

#[test]
fn who_has_refreshed_a_value_sees_no_older_one_while_the_cache_is_cleared() {
    in_orders(a_refresh_beside_a_clear);
}

#[test]
fn a_refresh_that_leaves_what_was_before_is_noticed() {
    is_noticed(Mutant::S10, BEHIND, a_refresh_beside_a_clear);
}
