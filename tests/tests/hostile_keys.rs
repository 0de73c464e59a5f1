//! Keys made of text that an attacker chose, end to end on a real Redis: whatever they are, each keeps its own value in both
//! tiers, and each tag its own entries.
#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail")]

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
    time::{Duration, Instant},
};

use cache_core::{Cache, CachedCall, Event, Source, cached};
use futures::future::join_all;
use tests::{Random, SOON, loads, server::Server};

type Pair = (String, String);

#[derive(Debug, Event)]
pub struct Named {
    pub name: String,
    pub other: String,
}

#[cached(ttl = 1h)]
async fn pair(left: String, right: String) -> Pair {
    (left, right)
}

#[cached(ttl = 1h, key = "{left}:{right}")]
async fn by_text(left: String, right: String) -> Pair {
    (left, right)
}

#[cached(ttl = 1h)]
async fn list(words: Vec<String>) -> Vec<String> {
    words
}

#[cached(ttl = 1h, invalidate_on = Named { name, other })]
async fn named(name: String, other: String) -> Pair {
    (name, other)
}

#[cached(ttl = 1h)]
async fn large(left: String, right: String) -> u64 {
    digest(&(left, right))
}

fn digest(pair: &Pair) -> u64 {
    let mut hasher = DefaultHasher::new();
    pair.hash(&mut hasher);
    hasher.finish()
}

/// Separators of keys, tags, messages and channels, escapes as we write them, what looks like something else, and plain text
/// between.
const PIECES: [&str; 44] = [
    "a",
    "b",
    "c",
    "1",
    "-1",
    "true",
    ":",
    "::",
    "/",
    "%",
    "%3A",
    "%253A",
    "%2F",
    "%00",
    ",",
    ";",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "{}",
    "{17}",
    "=",
    "+",
    "~",
    "!",
    "\0",
    "\\0",
    "\r\n",
    "\n",
    " ",
    "\"",
    "'",
    "*",
    "?",
    "None",
    "Some(",
    "hostile:e:",
    "hostile:t:Named:",
    "\u{feff}",
    "\u{202e}",
    "\u{fffd}",
];

/// Texts that look alike and are not the same.
const ALIKE: [&str; 12] = [
    "é", "e\u{301}", "а", "a", "ａ", "ª", "ﬁ", "fi", "K", "\u{212a}", "ß", "ss",
];

/// Some thousands, near each other: many of them are alike once they are put together.
fn pairs() -> Vec<Pair> {
    let random = Random::of_seed(7);
    let mut pairs = BTreeSet::new();
    for _ in 0..400 {
        let count = 1 + random.below(5);
        let words: Vec<_> = (0..count).map(|_| random.one_of(&PIECES)).collect();
        for cut in 0..=count {
            let (left, right) = words.split_at(cut);
            pairs.insert((left.concat(), right.concat()));
            // As if the separator had been part of either.
            pairs.insert((left.concat() + ":", right.concat()));
            pairs.insert((left.concat(), ":".to_owned() + &right.concat()));
        }
    }
    for left in ALIKE {
        for right in ALIKE {
            pairs.insert((left.into(), right.into()));
        }
    }
    // Names in Redis are cut where they are long.
    for length in [
        39, 40, 41, 127, 128, 129, 159, 160, 161, 199, 200, 201, 300, 5_000,
    ] {
        let long = "x".repeat(length);
        for end in ["", "y", ":", "%", "\0", "é"] {
            pairs.insert((long.clone() + end, String::new()));
            pairs.insert((String::new(), long.clone() + end));
            pairs.insert((end.to_owned() + &long, long.clone()));
        }
    }
    pairs.into_iter().collect()
}

/// A megabyte each.
fn large_pairs() -> Vec<Pair> {
    let long = "x".repeat(1 << 20);
    let ends = ["", "y", "z", "\0", ":"];
    let behind = ends.iter().map(|end| (long.clone() + end, String::new()));
    let before = ends
        .iter()
        .map(|end| (String::new(), (*end).to_owned() + &long));
    behind
        .chain(before)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

async fn process(url: String) -> Cache {
    let builder = Cache::builder().namespace("hostile").redis(url);
    let builder = builder.redis_budget(SOON).memory_limit(1 << 30);
    builder.require_redis().build().await.unwrap()
}

/// Every call gives what belongs to its key, and it comes from there.
async fn all_are_right(cache: &Cache, pairs: &[Pair], from: Source) {
    Cache::scope(cache.clone(), async {
        for some in pairs.chunks(100) {
            join_all(some.iter().map(async |it| is_right(it, from).await)).await;
        }
        for it in &large_pairs() {
            let (left, right) = it.clone();
            let found = large(left, right).explain().await.unwrap();
            assert_eq!((found.value, found.source), (digest(it), from));
        }
    })
    .await;
}

async fn is_right(it: &Pair, from: Source) {
    let (left, right) = it.clone();
    let found = pair(left.clone(), right.clone()).explain().await.unwrap();
    assert_eq!((&found.value, found.source), (it, from));
    let found = by_text(left.clone(), right.clone())
        .explain()
        .await
        .unwrap();
    assert_eq!((&found.value, found.source), (it, from));
    let found = named(left.clone(), right.clone()).explain().await.unwrap();
    assert_eq!((&found.value, found.source), (it, from));
    let words = vec![left, right];
    let found = list(words.clone()).explain().await.unwrap();
    assert_eq!((found.value, found.source), (words, from));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_keys_are_made_of_each_keeps_its_own_value_in_both_tiers() {
    let server = Server::start();
    let pairs = pairs();
    assert!(pairs.len() > 2_000, "{}", pairs.len());
    let one = process(server.url()).await;
    all_are_right(&one, &pairs, Source::Load).await;
    all_are_right(&one, &pairs, Source::Memory).await;
    assert_eq!(one.close(SOON).await.fills, 0);
    let entries = server.command(&["EVAL", "return #redis.call('KEYS', 'hostile:e:*')", "0"]);
    let expected = 4 * pairs.len() + large_pairs().len();
    assert_eq!(entries, expected.to_string(), "no two have one name");

    let other = process(server.other_url()).await;
    all_are_right(&other, &pairs, Source::Redis).await;
    assert_eq!(loads(&other), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_an_event_is_about_nothing_else_is_void_for_it() {
    let server = Server::start();
    let pairs: Vec<_> = pairs().into_iter().step_by(7).collect();
    let (one, other) = (
        process(server.url()).await,
        process(server.other_url()).await,
    );
    let read = async |cache: &Cache| {
        Cache::scope(cache.clone(), async {
            let calls = pairs
                .iter()
                .map(|(left, right)| named(left.clone(), right.clone()));
            let found = join_all(calls).await;
            assert!(found.iter().eq(&pairs));
        })
        .await;
    };
    read(&one).await;
    read(&other).await;
    let before = (loads(&one), loads(&other));
    let changed: Vec<_> = pairs.iter().step_by(10).cloned().collect();
    for (name, other) in changed.iter().cloned() {
        one.emit(Named { name, other }).await.unwrap();
    }
    let (begun, expected) = (Instant::now(), changed.len() as u64);
    while other.stats().events.heard < 3 * expected {
        assert!(begun.elapsed() < SOON, "{:?}", other.stats().events);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    read(&one).await;
    read(&other).await;
    // Whoever comes second may find what the first has loaded.
    let after = (loads(&one), loads(&other));
    assert_eq!(after.0 - before.0, expected, "{:?}", one.stats().events);
    assert!(after.1 - before.1 <= expected);
}

#[tokio::test]
async fn an_entry_that_was_copied_to_the_name_of_another_key_is_not_its_value() {
    let server = Server::start();
    let one = process(server.url()).await;
    for key in ["a", "b"] {
        Cache::scope(one.clone(), pair(key.into(), String::new())).await;
    }
    assert_eq!(one.close(SOON).await.fills, 0);
    let keys = server.command(&["KEYS", "hostile:e:*"]);
    let names: Vec<_> = keys.lines().collect();
    let [from, to] = names.as_slice() else {
        panic!("{keys}");
    };
    assert_eq!(server.command(&["COPY", from, to, "REPLACE"]), "1");
    let other = process(server.other_url()).await;
    for key in ["a", "b"] {
        let found = Cache::scope(other.clone(), pair(key.into(), String::new())).await;
        assert_eq!(found.0, key);
    }
    assert_eq!(loads(&other), 1, "what is under its own name is taken");
}
