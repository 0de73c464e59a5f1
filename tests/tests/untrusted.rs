//! Bytes that somebody else put into the shared tier: no call allocates for them beyond the limit.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{collections::BTreeMap, fs, path::Path};

use allocation_counter::measure;
use cache_core::{Cache, CachedCall, Codec, Json, Msgpack, Postcard, cached, testing::FakeRedis};
use serde::{Deserialize, Serialize};
use tests::{Random, SOON};

const LIMIT: usize = 64 << 10;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Mixed {
    id: u64,
    name: String,
    parts: Vec<Mixed>,
    by_name: BTreeMap<String, Option<Kind>>,
    nothing: Vec<()>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Plain,
    Pair(u8, i64),
    Named { text: String },
    Deep(Box<Mixed>),
}

fn mixed(depth: u64) -> Mixed {
    let deep = (depth > 0).then(|| Kind::Deep(Box::new(mixed(depth - 1))));
    Mixed {
        id: depth,
        name: "x".repeat(20),
        parts: (0..depth.min(2)).map(|_| mixed(0)).collect(),
        by_name: BTreeMap::from([
            ("a".into(), deep),
            ("b".into(), Some(Kind::Pair(1, -1))),
            ("c".into(), Some(Kind::Named { text: "y".into() })),
            ("d".into(), Some(Kind::Plain)),
            ("e".into(), None),
        ]),
        nothing: vec![(); 3],
    }
}

/// All files under a folder of the corpus.
fn corpus(folder: &str) -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cache-core/tests/corpus");
    let mut folders = vec![root.join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((path.display().to_string(), fs::read(&path).unwrap()));
            }
        }
    }
    assert!(!files.is_empty(), "{folder}");
    files
}

/// A copy that has been tampered with.
fn mutated(bytes: &[u8], random: &Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len().max(1));
        match random.below(5) {
            0 => bytes.truncate(at),
            1 => bytes.extend([0xFF; 9]),
            2 => bytes.splice(at..at, [0xFF; 9]).for_each(drop),
            _ if bytes.is_empty() => {}
            3 => bytes[at] ^= 1 << random.below(8),
            _ => bytes[at] = 0xFF,
        }
    }
    bytes
}

fn check<C: Codec<Mixed>>(name: &str) {
    let decode = |what: &str, bytes: &[u8]| {
        let used = measure(|| drop(C::decode(bytes))).bytes_max;
        // A byte may be an element, and a list of them grows by doubling; no length is taken on trust.
        let most = (4 * size_of::<Mixed>() * bytes.len() + (64 << 10)) as u64;
        assert!(
            used <= most,
            "{name}, {what}: {used} bytes for {}",
            bytes.len()
        );
    };
    for (file, bytes) in corpus("codec") {
        decode(&file, &bytes);
    }
    let random = Random::of_seed(7);
    let mut whole = Vec::new();
    C::encode(&mixed(3), &mut whole).unwrap();
    assert_eq!(C::decode(&whole).unwrap(), mixed(3));
    for round in 0..5_000 {
        let bytes = mutated(&whole, &random);
        decode(&format!("round {round}"), &bytes);
        let length = random.below(200);
        let noise: Vec<u8> = (0..length)
            .map(|_| u8::try_from(random.below(256)).unwrap())
            .collect();
        decode(&format!("noise {round}"), &noise);
    }
}

#[test]
fn no_codec_takes_a_length_on_trust() {
    check::<Postcard>("postcard");
    check::<Json>("json");
    check::<Msgpack>("msgpack");
}

#[cached(ttl = 1h, compress = 1KiB)]
async fn text(length: usize) -> String {
    "x".repeat(length)
}

async fn process(redis: &FakeRedis) -> Cache {
    let builder = Cache::builder().fake_redis(redis).redis_value_limit(LIMIT);
    builder.build().await.unwrap()
}

#[test]
fn no_call_allocates_for_an_entry_beyond_the_limit() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.unwrap();
    let redis = FakeRedis::new();
    let whole = runtime.block_on(async {
        let here = process(&redis).await;
        Cache::scope(here.clone(), text(50_000)).await;
        assert_eq!(here.close(SOON).await.fills, 0);
        redis.bytes()
    });
    assert!(whole < 5_000, "it is compressed: {whole} bytes");
    let random = Random::of_seed(7);
    let mut entries = corpus("envelope");
    let sealed = std::sync::Mutex::new(Vec::new());
    redis.damage(|bytes| sealed.lock().unwrap().clone_from(bytes));
    let sealed = sealed.into_inner().unwrap();
    entries.extend((0..500).map(|n| (format!("round {n}"), mutated(&sealed, &random))));
    for (what, entry) in entries {
        redis.damage(|bytes| bytes.clone_from(&entry));
        let used = measure(|| {
            runtime.block_on(async {
                let there = process(&redis).await;
                // Whatever was there, nothing was taken for a value that it is not.
                let peeked = Cache::scope(there, text(50_000).peek()).await;
                assert!(peeked.is_none_or(|text| text.len() == 50_000), "{what}");
            });
        });
        let most = (4 * LIMIT + (1 << 20)) as u64;
        assert!(used.bytes_max <= most, "{what}: {} bytes", used.bytes_max);
    }
}
