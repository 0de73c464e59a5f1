//! Rules about a cache as a whole.

use super::{Advice, OfCache, Symptom, is_much};
use crate::stats::Stats;

pub(super) const RULES: [OfCache; 4] = [
    redis_fails,
    hearing_is_lost,
    unheeded_events,
    policies_of_nothing,
];

fn redis_fails(stats: &Stats) -> Vec<Advice> {
    let total = stats.total();
    let faults = total.redis_faults + total.redis_unasked;
    let all = faults + total.redis_hits + total.redis_misses + total.redis_unusable;
    let is_so = is_much(faults, 2, all, 50) && faults >= 20;
    let fix = "look at `cache.health()`, at the server and the network; while it is so, memory serves what it has up to the \
               `staleness_bound`, and every miss loads";
    let advice = || {
        let evidence = format!(
            "of {all} calls that asked Redis {} had no answer in time, and {} did not ask, as it had failed before",
            total.redis_faults, total.redis_unasked
        );
        Advice::new(Symptom::RedisFails, evidence, fix)
    };
    is_so.then(advice).into_iter().collect()
}

fn hearing_is_lost(stats: &Stats) -> Vec<Advice> {
    let (gaps, suspects) = (stats.events.gaps, stats.events.suspects);
    let is_so = gaps >= 10 && suspects >= 100;
    let fix = "see who ends the connection that hears of it: `timeout` and `client-output-buffer-limit pubsub` of the server, a proxy that closes what is \
               idle, or a primary that is replaced again and again";
    let advice = || {
        let evidence = format!(
            "{gaps} times something may have been missed of what others changed, and {suspects} entries had to be asked about"
        );
        Advice::new(Symptom::HearingIsLost, evidence, fix)
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
            "{count} of {} times that it was emitted nothing in this process depended on it",
            emitted(name)
        );
        let fix = "does a function lack it in `invalidate_on`, or name it with other fields? Where it is for other processes, \
                   all is well";
        Advice::new(Symptom::UnheededEvent, evidence, fix).about(name)
    };
    unheeded.map(advice).collect()
}

fn policies_of_nothing(stats: &Stats) -> Vec<Advice> {
    let has_calls = stats.total().loads >= 1_000;
    let unused = stats.unused_policies.iter().filter(|_| has_calls);
    let advice = |name: &String| {
        let evidence = "no function of this name was called".to_owned();
        let fix = "is it misspelt? `cache.stats()` has the names";
        Advice::new(Symptom::PolicyOfNothing, evidence, fix).about(name)
    };
    unused.map(advice).collect()
}
