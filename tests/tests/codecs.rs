//! Values on their way to the shared tier and back, under each codec, compressed or not.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{collections::HashMap, error::Error, fmt, time::Duration};

use cache_core::{Cache, CachedCall, Codec, RedisMiss, Source, cached, testing::FakeRedis};
use serde::{Deserialize, Serialize};
use tests::{SOON, process};

type Failure = Box<dyn Error + Send + Sync>;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
    lines: Vec<(String, u32)>,
    notes: HashMap<String, Option<f64>>,
    state: State,
    wait: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum State {
    Open,
    Paid { cents: i64 },
    Sent(String, bool),
}

fn order(id: u64) -> Order {
    Order {
        id,
        lines: vec![("book".into(), 1), ("pen".into(), 3)],
        notes: HashMap::from([("weight".into(), Some(1.25)), ("size".into(), None)]),
        state: match id % 3 {
            0 => State::Open,
            1 => State::Paid { cents: -5 },
            _ => State::Sent("home".into(), true),
        },
        wait: Duration::from_millis(id),
    }
}

#[cached(ttl = 1h)]
async fn by_postcard(id: u64) -> Order {
    order(id)
}

#[cached(ttl = 1h, codec = json)]
async fn by_json(id: u64) -> Order {
    order(id)
}

#[cached(ttl = 1h, codec = msgpack)]
async fn by_msgpack(id: u64) -> Order {
    order(id)
}

/// Calls in one process, and asks in another where the value comes from.
async fn there_after<C, O>(redis: &FakeRedis, call: impl Fn() -> C) -> cache_core::Explained<O>
where
    C: CachedCall<Output = O>,
    O: PartialEq + fmt::Debug + 'static,
{
    let (here, there) = (process(redis).await, process(redis).await);
    let loaded = Cache::scope(here.clone(), call()).await;
    assert_eq!(here.close(SOON).await.fills, 0);
    let answer = Cache::scope(there, call().explain()).await.unwrap();
    assert_eq!(answer.value, loaded);
    answer
}

#[tokio::test]
async fn values_come_back_by_every_codec() {
    let redis = FakeRedis::new();
    for id in 0..6 {
        for source in [
            there_after(&redis, || by_postcard(id)).await.source,
            there_after(&redis, || by_json(id)).await.source,
            there_after(&redis, || by_msgpack(id)).await.source,
        ] {
            assert_eq!(source, Source::Redis);
        }
    }
}

/// Of a crate that knows nothing of serde.
#[derive(Clone, Debug, PartialEq)]
struct Point(i32, i32);

struct Csv;

impl Codec<Option<Point>> for Csv {
    const NAME: &'static str = "csv";

    fn encode(point: &Option<Point>, bytes: &mut Vec<u8>) -> Result<(), Failure> {
        // It may do to the bytes what it likes.
        bytes.clear();
        if let Some(Point(x, y)) = point {
            bytes.extend(format!("{x},{y}").as_bytes());
        }
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<Option<Point>, Failure> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let (x, y) = std::str::from_utf8(bytes)?
            .split_once(',')
            .ok_or("no comma")?;
        Ok(Some(Point(x.parse()?, y.parse()?)))
    }
}

#[cached(ttl = 1h, codec = Csv)]
async fn point(n: i32) -> Option<Point> {
    (n != 0).then(|| Point(n, -n))
}

#[tokio::test]
async fn a_codec_of_ones_own_carries_what_serde_does_not() {
    let redis = FakeRedis::new();
    for n in [0, 1, -7] {
        let answer = there_after(&redis, || point(n)).await;
        assert_eq!(answer.source, Source::Redis, "{answer:?}");
    }
}

#[cached(ttl = 1h, compress = 1KiB)]
async fn repeated(length: usize) -> String {
    "all work and no play "
        .chars()
        .cycle()
        .take(length)
        .collect()
}

#[cached(ttl = 1h)]
async fn plain(length: usize) -> String {
    "all work and no play "
        .chars()
        .cycle()
        .take(length)
        .collect()
}

#[tokio::test]
async fn a_large_value_is_compressed_where_asked() {
    for (length, is_smaller) in [(500, false), (5_000, true), (200_000, true)] {
        let (asked, not_asked) = (FakeRedis::new(), FakeRedis::new());
        let answer = there_after(&asked, || repeated(length)).await;
        assert_eq!(answer.source, Source::Redis);
        there_after(&not_asked, || plain(length)).await;
        assert_eq!(
            asked.bytes() * 2 < not_asked.bytes(),
            is_smaller,
            "{length}"
        );
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u64),
    Text(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Flattened {
    id: u64,
    #[serde(flatten)]
    more: HashMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Small { n: u64 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Skipping {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    id: u64,
}

/// Two functions of one value: by postcard and by JSON.
macro_rules! both_ways {
    ($($by_postcard:ident $by_json:ident: $type:ty = $value:expr;)+) => {$(
        #[cached(ttl = 1h)]
        async fn $by_postcard() -> $type {
            $value
        }

        #[cached(ttl = 1h, codec = json)]
        async fn $by_json() -> $type {
            $value
        }
    )+};
}

both_ways! {
    untagged untagged_json: Untagged = Untagged::Text("x".into());
    flattened flattened_json: Flattened = Flattened { id: 7, more: HashMap::from([("a".into(), "b".into())]) };
    tagged tagged_json: Tagged = Tagged::Small { n: 1 };
    free free_json: serde_json::Value = serde_json::json!({"a": [1, null]});
    skipping skipping_json: Skipping = Skipping { name: None, id: 7 };
}

#[tokio::test]
async fn what_postcard_cannot_carry_is_refused_and_travels_as_json() {
    let redis = FakeRedis::new();
    macro_rules! check {
        ($by_postcard:ident, $by_json:ident, $miss:expr) => {{
            let refused = there_after(&redis, $by_postcard).await;
            assert_eq!((refused.source, refused.redis), (Source::Load, Some($miss)));
            assert_eq!(redis.keys(), [""; 0], stringify!($by_postcard));
            let carried = there_after(&redis, $by_json).await;
            assert_eq!(carried.source, Source::Redis, stringify!($by_json));
            assert_eq!(
                Cache::scope(process(&redis).await, $by_json().evict()).await,
                Ok(())
            );
        }};
    }
    check!(untagged, untagged_json, RedisMiss::CannotTravel);
    check!(flattened, flattened_json, RedisMiss::CannotTravel);
    check!(tagged, tagged_json, RedisMiss::CannotTravel);
    check!(free, free_json, RedisMiss::CannotTravel);
    // The type travels, this value does not.
    check!(skipping, skipping_json, RedisMiss::Absent);
}

#[cached(ttl = 1h, codec = json)]
async fn nested() -> Option<Option<u8>> {
    Some(None)
}

#[tokio::test]
async fn what_json_would_misread_is_refused() {
    let redis = FakeRedis::new();
    let refused = there_after(&redis, nested).await;
    assert_eq!(
        (refused.source, refused.redis),
        (Source::Load, Some(RedisMiss::CannotTravel))
    );
    assert_eq!(refused.value, Some(None));
}

/// One function before and after a deployment, with a value whose fields no trace of the type sees.
macro_rules! deployments {
    ($test:ident: $codec:ident, $name:literal) => {
        #[tokio::test]
        async fn $test() {
            let redis = FakeRedis::new();
            {
                #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
                struct Terms {
                    discount: Option<u64>,
                }
                #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
                struct Price {
                    id: u64,
                    #[serde(flatten)]
                    terms: Terms,
                }
                #[cached(ttl = 1h, name = $name, codec = $codec)]
                async fn price(id: u64) -> Price {
                    let discount = Some(5);
                    Price {
                        id,
                        terms: Terms { discount },
                    }
                }
                assert_eq!(there_after(&redis, || price(1)).await.source, Source::Redis);
            }
            let before = redis.keys();
            {
                #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
                struct Terms {
                    rebate: Option<u64>,
                }
                #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
                struct Price {
                    id: u64,
                    #[serde(flatten)]
                    terms: Terms,
                }
                #[cached(ttl = 1h, name = $name, codec = $codec)]
                async fn price(id: u64) -> Price {
                    let rebate = Some(6);
                    Price {
                        id,
                        terms: Terms { rebate },
                    }
                }
                let call = price(1).explain();
                let answer = Cache::scope(process(&redis).await, call).await.unwrap();
                assert_eq!(answer.source, Source::Load, "{answer:?}");
                assert_eq!(answer.value.terms.rebate, Some(6));
            }
            // It was the same entry all along: the key does not tell the types apart.
            assert_eq!(redis.keys(), before);
        }
    };
}

deployments!(a_field_renamed_behind_flatten_is_a_miss_in_json: json, "shop::price_json");
deployments!(a_field_renamed_behind_flatten_is_a_miss_in_msgpack: msgpack, "shop::price_msgpack");

#[cached(ttl = 1h, codec = json)]
async fn free_or_none(id: u64) -> Option<serde_json::Value> {
    match id {
        1 => Some(serde_json::Value::Null),
        _ => Some(serde_json::json!({"id": id})),
    }
}

#[cached(ttl = 1h, codec = msgpack)]
async fn packed_or_none(id: u64) -> Option<serde_json::Value> {
    (id != 1)
        .then(|| id.into())
        .or(Some(serde_json::Value::Null))
}

#[tokio::test]
async fn some_null_is_never_served_as_none() {
    let redis = FakeRedis::new();
    // The function is known to write what can be read before it comes to the null, and after it.
    for id in [2, 1, 3, 1] {
        for answer in [
            there_after(&redis, || free_or_none(id)).await,
            there_after(&redis, || packed_or_none(id)).await,
        ] {
            assert!(answer.value.is_some(), "{answer:?}");
            assert_eq!(answer.source == Source::Redis, id != 1, "{answer:?}");
        }
    }
}
