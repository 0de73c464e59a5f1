//! Calls with many keys, in many orders of their threads.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use shuttle::{
    future::yield_now,
    rand::{Rng, thread_rng},
};

use crate::{
    cached,
    coherence::mutant::Mutant,
    shuttled::{cache, called, called_for, in_orders, is_noticed, threads},
};

/// How often each key was loaded.
type Loads = Arc<[AtomicUsize; 3]>;

#[cached(ttl = 1h, tiers = memory, skip(loads), batch(id in ids))]
async fn many(loads: Loads, ids: &[usize]) -> BTreeMap<usize, usize> {
    yield_now().await;
    for id in ids {
        loads[*id].fetch_add(1, Relaxed);
    }
    ids.iter().map(|id| (*id, *id)).collect()
}

#[cached(ttl = 1h, tiers = memory, skip(loads), max_concurrent_loads = 1, batch(id in ids))]
async fn few_at_once(loads: Loads, ids: &[usize]) -> BTreeMap<usize, usize> {
    yield_now().await;
    for id in ids {
        loads[*id].fetch_add(1, Relaxed);
    }
    ids.iter().map(|id| (*id, *id)).collect()
}

/// Two of three keys, others in each thread.
fn keys_of(number: usize) -> [usize; 2] {
    [number % 3, (number + 1) % 3]
}

fn overlapping_calls() {
    let (cache, loads) = (cache(), Loads::default());
    let loaded = Arc::clone(&loads);
    threads(3, move |number| {
        let ids = keys_of(number);
        let answers = called(&cache, many(Arc::clone(&loads), &ids));
        assert_eq!(answers, ids.map(|id| (id, id)).into());
    });
    for loads in &*loaded {
        assert_eq!(loads.load(Relaxed), 1, "each key is loaded once");
    }
}

#[test]
fn keys_of_calls_that_overlap_are_loaded_once_and_answered_to_all() {
    in_orders(overlapping_calls);
}

#[test]
fn keys_that_wait_for_a_slot_are_loaded_once_and_answered_to_all() {
    in_orders(|| {
        let (cache, loads) = (cache(), Loads::default());
        let loaded = Arc::clone(&loads);
        threads(3, move |number| {
            let ids = keys_of(number);
            let answers = called(&cache, few_at_once(Arc::clone(&loads), &ids));
            assert_eq!(answers, ids.map(|id| (id, id)).into());
        });
        for loads in &*loaded {
            assert_eq!(loads.load(Relaxed), 1, "each key is loaded once");
        }
    });
}

#[test]
fn calls_that_go_half_way_leave_their_keys_to_the_others() {
    in_orders(|| {
        let (cache, loads) = (cache(), Loads::default());
        threads(3, move |number| {
            let ids = keys_of(number);
            let call = many(Arc::clone(&loads), &ids);
            if number == 0 {
                assert_eq!(called(&cache, call), ids.map(|id| (id, id)).into());
            } else {
                called_for(thread_rng().gen_range(1..6), &cache, call);
            }
        });
    });
}

#[test]
fn keys_that_are_taken_by_two_are_noticed() {
    is_noticed(Mutant::S4, "loaded once", overlapping_calls);
}
