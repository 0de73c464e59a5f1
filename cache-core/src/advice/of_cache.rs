//! Rules about a cache as a whole.

use super::{Advice, OfCache, Symptom, is_much};
use crate::stats::Stats;

pub(super) const RULES: &[OfCache] = &[
    redis_fails,
    hearing_is_lost,
    unheeded_events,
    policies_of_nothing,
    #[cfg(feature = "graph")]
    never_called,
];

/// From so many loads on it says something that a function was not called.
const LEAST_LOADS: u64 = 1_000;

fn redis_fails(stats: &Stats) -> Vec<Advice> {
    let total = stats.total();
    let faults = total.redis_faults + total.redis_unasked;
    let all = faults + total.redis_hits + total.redis_misses + total.redis_unusable;
    let is_so = is_much(faults, 2, all, 50) && faults >= 20;
    let fix = "look at `cache.health()`, the server and the network; until it recovers, memory serves what it has up to the \
               `staleness_bound`, and every miss loads";
    let advice = || {
        let evidence = format!(
            "of {all} reads of Redis, {} had no answer in time, and {} were skipped, because it had failed before",
            total.redis_faults, total.redis_unasked
        );
        Advice::new(Symptom::RedisFails, evidence, fix)
    };
    is_so.then(advice).into_iter().collect()
}

fn hearing_is_lost(stats: &Stats) -> Vec<Advice> {
    let (gaps, suspects) = (stats.events.gaps, stats.events.suspects);
    let is_so = gaps >= 10 && suspects >= 100;
    let fix = "find out what ends the listening connection: `timeout` or `client-output-buffer-limit pubsub` of the server, a \
               proxy that closes idle connections, or a primary that is replaced again and again";
    let advice = || {
        let evidence = format!(
            "this process may have missed changes by others {gaps} times, and asked about {suspects} entries"
        );
        Advice::new(Symptom::UnstableSubscription, evidence, fix)
    };
    is_so.then(advice).into_iter().collect()
}

fn unheeded_events(stats: &Stats) -> Vec<Advice> {
    let emitted = |name: &str| {
        let found = stats.events.emitted.iter().find(|(known, _)| known == name);
        found.map_or(0, |(_, count)| *count)
    };
    let unheeded = stats.events.unheeded.iter();
    let unheeded = unheeded.filter(|(name, count)| is_much(*count, 99, emitted(name), 200));
    let advice = |(name, count): &(String, u64)| {
        let evidence = format!(
            "{count} of {} times that it was emitted, nothing in this process depended on it",
            emitted(name)
        );
        let fix = "does a function lack it in `invalidate_on`, or name it with other fields? If it is for other processes, all is \
                   well";
        Advice::new(Symptom::EventWithoutListeners, evidence, fix).about(name)
    };
    unheeded.map(advice).collect()
}

fn policies_of_nothing(stats: &Stats) -> Vec<Advice> {
    let has_calls = stats.total().loads >= LEAST_LOADS;
    let unused = stats.unused_policies.iter().filter(|_| has_calls);
    let advice = |name: &String| {
        let evidence = "no function of this name was called".to_owned();
        let fix = "is it misspelt? `cache.stats()` has the names";
        Advice::new(Symptom::UnusedPolicy, evidence, fix).about(name)
    };
    unused.map(advice).collect()
}

#[cfg(feature = "graph")]
fn never_called(stats: &Stats) -> Vec<Advice> {
    /// More are counted.
    const NAMED: usize = 8;
    if stats.total().loads < LEAST_LOADS {
        return Vec::new();
    }
    let never = crate::graph::never_called(&stats.functions);
    let named: Vec<_> = never
        .iter()
        .take(NAMED)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = match never.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let were = match never.len() {
        1 => "1 cached function was".to_owned(),
        count => format!("{count} cached functions were"),
    };
    let advice = Advice::new(
        Symptom::NeverCalled,
        format!("{were} never called: {}{more}", named.join(", ")),
        "has another function replaced them, or are they unused? If another program or another cache calls them, all is well",
    );
    (!never.is_empty()).then_some(advice).into_iter().collect()
}
