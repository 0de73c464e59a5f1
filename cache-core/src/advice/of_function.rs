//! Rules about one cached function.

use super::{Advice, OfFunction, Symptom, is_much};
use crate::{
    explain::{Miss, Stale},
    stats::FunctionStats,
};

pub(super) const RULES: [OfFunction; 15] = [
    unusable_entries,
    failing_loads,
    too_little_memory,
    too_heavy_values,
    too_large_values,
    invalidation_storm,
    too_broad_event,
    short_ttl,
    waits_at_expiry,
    hardly_asked_again,
    slow_redis,
    dear_codec,
    hot_key,
    crowded_background,
    often_late,
];

fn unusable_entries(row: &FunctionStats) -> Option<Advice> {
    let unusable = row.redis_unusable;
    let all = unusable + row.redis_hits + row.redis_misses;
    is_much(unusable, 5, all, 100).then(|| {
        Advice::new(
            Symptom::UnusableEntries,
            format!("{unusable} of {all} reads of Redis found an unusable entry"),
            "do programs with two versions of its value run side by side, or does another program write under `namespace`? \
             A new `version` keeps them apart",
        )
    })
}

fn failing_loads(row: &FunctionStats) -> Option<Advice> {
    let (failures, loads) = (row.failures, row.loads);
    let stood_in = row
        .stale_by
        .iter()
        .find(|(stale, _)| *stale == Stale::Failed);
    let stood_in = stood_in.map_or(0, |(_, count)| *count);
    (is_much(failures, 10, loads, 100) && stood_in * 2 < failures).then(|| {
        Advice::new(
            Symptom::FailingLoads,
            format!("{failures} of {loads} loads failed"),
            "`strategy = stale_if_error(1h)` serves the old value meanwhile; `err_ttl = 5s` spares the source if the \
             error is an answer",
        )
    })
}

fn too_little_memory(row: &FunctionStats) -> Option<Advice> {
    let again = row.missed(Miss::Evicted);
    let all: u64 = row.missed.iter().map(|(_, count)| count).sum();
    let enough = row.ghosts.steps().find(|(_, spared)| spared * 2 >= again);
    let is_told = is_much(again, 20, all, 500);
    if is_told && row.unweighed * 2 > row.entries {
        return Some(Advice::new(
            Symptom::TooLittleMemory,
            format!(
                "{again} of {all} misses were of entries evicted a short while before, because memory holds {} whose weight \
                 the cache cannot know",
                row.unweighed
            ),
            "say what a value weighs with `weight = ..`, or raise `unweighed_limit`",
        ));
    }
    is_told.then(|| {
        let more = match enough {
            Some((percent, spared)) => format!(
                "with {percent} % more memory about {} % of those would have been hits",
                100 * spared / again
            ),
            None => "four times the memory would not have kept most of them".to_owned(),
        };
        let fix = match enough {
            Some(_) => "raise `memory_limit`, or give values that are large and cheap to load a `tiers = redis`",
            None => "give values that are large and cheap to load a `tiers = redis`: too much is asked for again to fit into memory",
        };
        Advice::new(
            Symptom::TooLittleMemory,
            format!("{again} of {all} misses were of entries evicted a short while before; {more}"),
            fix,
        )
    })
}

fn too_heavy_values(row: &FunctionStats) -> Option<Advice> {
    let (rejected, loads) = (row.rejected, row.loads);
    is_much(rejected, 5, loads, 20).then(|| {
        Advice::new(
            Symptom::TooHeavyValues,
            format!("{rejected} values were too heavy for memory"),
            "raise `memory_limit`, correct its `weight`, or cut the value into several functions",
        )
    })
}

fn too_large_values(row: &FunctionStats) -> Option<Advice> {
    let too_large = row.redis_too_large;
    is_much(too_large, 5, row.redis_fills + too_large, 20).then(|| {
        Advice::new(
            Symptom::TooLargeValues,
            format!("{too_large} values were larger than this cache writes to Redis, so each process loads them"),
            "`compress = 4KiB` makes them smaller, `redis_value_limit` lets them through, `tiers = memory` spares the attempt",
        )
    })
}

fn invalidation_storm(row: &FunctionStats) -> Option<Advice> {
    // Callers that wait for one load found one entry.
    let (void, used) = (row.missed(Miss::Invalidated).min(row.loads), row.hits);
    let by = row.invalidated_by.iter().max_by_key(|(_, count)| count)?;
    (void >= 200 && void > used).then(|| {
        Advice::new(
            Symptom::InvalidationStorm,
            format!(
                "entries were invalidated {void} times and used {used} times, mostly by `{}`",
                by.0
            ),
            "name the event with more of its fields, or take what changes often out of the value; \
             `strategy = stale_if_invalidated(1s)` if a second is soon enough",
        )
    })
}

/// Values that were loaded again were the same, for one reason more than for the other.
fn same_again(row: &FunctionStats, why: Miss, other: Miss) -> Option<String> {
    let (same, all) = (row.reloads_same, row.reloads_compared);
    // What is loaded again by hand had not expired.
    let is_why = row.missed(why) > row.missed(other) && row.missed(why) * 4 >= row.loads;
    let is_so = is_much(same, 90, all, 50) && is_why;
    is_so.then(|| format!("{same} of {all} reloads gave the same value as before"))
}

fn too_broad_event(row: &FunctionStats) -> Option<Advice> {
    let evidence = same_again(row, Miss::Invalidated, Miss::Expired)?;
    let by = row.invalidated_by.iter().max_by_key(|(_, count)| count)?;
    Some(Advice::new(
        Symptom::TooBroadEvent,
        format!(
            "{evidence}, though an event had invalidated it, mostly `{}`",
            by.0
        ),
        "emit it only where something did change, and name it with more of its fields",
    ))
}

fn short_ttl(row: &FunctionStats) -> Option<Advice> {
    let evidence = same_again(row, Miss::Expired, Miss::Invalidated)?;
    Some(Advice::new(
        Symptom::ShortTtl,
        evidence,
        "a longer `ttl`, with `invalidate_on` for what does change",
    ))
}

fn waits_at_expiry(row: &FunctionStats) -> Option<Advice> {
    let expired = row.missed(Miss::Expired);
    // Else it hardly matters.
    let is_in_use = expired >= 50 && (20..=400).contains(&(row.hits / expired));
    let load = row.load_times.mean();
    (is_in_use && row.refreshes == 0 && load.as_millis() >= 5).then(|| {
        Advice::new(
            Symptom::WaitsAtExpiry,
            format!(
                "{expired} calls found an entry that had expired while it was in use, and waited for a load of {load:.0?}"
            ),
            "`strategy = refresh_ahead(0.8)` loads it before, `stale_while_revalidate(1m)` meanwhile",
        )
    })
}

fn hardly_asked_again(row: &FunctionStats) -> Option<Advice> {
    let saved = row.answered();
    // What fails, or runs past the cache, could not have been asked for again.
    let all = saved + row.loads.saturating_sub(row.bypassed + row.failures);
    let gone = [Miss::Invalidated, Miss::Evicted, Miss::Expired].map(|miss| row.missed(miss));
    let is_gone = gone.iter().sum::<u64>() > all / 2;
    (all >= 1_000 && saved * 100 < all * 5 && !is_gone).then(|| {
        Advice::new(
            Symptom::RarelyReused,
            format!("{saved} of {all} calls were answered without a load"),
            "does its key hold something that differs each time, as a time or a request's number? `key = ..` says what \
             counts; if nothing is asked for twice, remove `#[cached]`",
        )
    })
}

fn slow_redis(row: &FunctionStats) -> Option<Advice> {
    // The mean would be that of a few that hung.
    let (read, load) = (row.redis_times.quantile(0.5), row.load_times.quantile(0.5));
    let is_known = row.redis_times.count() >= 100 && row.load_times.count() >= 20;
    (is_known && read > load).then(|| {
        Advice::new(
            Symptom::SlowRedis,
            format!("Redis takes {read:.1?} to answer, and a load {load:.1?}"),
            "`tiers = memory`",
        )
    })
}

fn dear_codec(row: &FunctionStats) -> Option<Advice> {
    let travel = row.decode_times.mean() + row.encode_times.mean();
    let load = row.load_times.mean();
    let is_known = row.decode_times.count() >= 20 && row.load_times.count() >= 20;
    (is_known && travel > load).then(|| {
        Advice::new(
            Symptom::SlowCodec,
            format!("encoding and decoding a value takes {travel:.1?}, loading it {load:.1?}"),
            "`codec = postcard` without `compress` is the quickest; `tiers = memory` needs none",
        )
    })
}

fn hot_key(row: &FunctionStats) -> Option<Advice> {
    let hot = row.hot_keys.first()?;
    (hot.percent >= 25 && row.hits >= 100_000 && row.refreshes == 0).then(|| {
        Advice::new(
            Symptom::HotKey,
            format!("about {} % of the hits are for the key `{}`", hot.percent, hot.key),
            "in memory that costs nothing, but when it expires all wait for one load: write `strategy = refresh_ahead(0.8)`, \
             and with several processes `fleet`",
        )
    })
}

fn crowded_background(row: &FunctionStats) -> Option<Advice> {
    let (skipped, begun) = (row.skipped, row.refreshes);
    is_much(skipped, 20, skipped + begun, 100).then(|| {
        Advice::new(
            Symptom::CrowdedBackground,
            format!("{skipped} background loads found no room, {begun} did"),
            "raise `background_limit`, or see why loads take so long",
        )
    })
}

fn often_late(row: &FunctionStats) -> Option<Advice> {
    let (late, loads) = (row.timeouts, row.loads);
    let calls = row.answered() + loads;
    (is_much(late, 10, loads, 100) && is_much(late, 1, calls, 100)).then(|| {
        Advice::new(
            Symptom::FrequentTimeouts,
            format!("{late} calls timed out, with {loads} loads"),
            format!(
                "loads take {}: allow them more time, or serve the old value with `soft_timeout` and a stale strategy",
                row.load_times
            ),
        )
    })
}
