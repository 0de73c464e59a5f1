//! Types that postcard cannot carry are refused in words that say what to do, and other codecs carry them.

use std::{cell::Cell, collections::BTreeMap};

use proptest::prelude::*;
use serde::{
    Deserialize, Serialize, Serializer,
    ser::{SerializeSeq, SerializeTuple},
};

use super::{
    super::{Codec, Postcard},
    Value, encode,
};

#[track_caller]
fn is_refused<T: Value>(value: &T) -> String {
    let read = match encode::<Postcard, T>(value) {
        Ok(bytes) => Postcard::decode(&bytes),
        Err(error) => Err(error),
    };
    let error = read
        .map(|read: T| format!("{read:?}"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("codec = json"), "{error}");
    #[cfg(feature = "json")]
    comes_back::<super::super::Json, T>(value);
    #[cfg(feature = "msgpack")]
    comes_back::<super::super::Msgpack, T>(value);
    error
}

#[cfg(any(feature = "json", feature = "msgpack"))]
#[track_caller]
fn comes_back<C: Codec<T>, T: Value>(value: &T) {
    let bytes = encode::<C, T>(value).unwrap();
    assert_eq!(C::decode(&bytes).unwrap(), *value, "in {}", C::NAME);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u8),
    Text(String),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Tagged {
    Unit,
    Number { n: u8 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "content")]
enum Adjacent {
    Unit,
    Number(u8),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Flattened {
    id: u8,
    #[serde(flatten)]
    rest: BTreeMap<String, String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Skipping {
    id: u8,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
}

#[test]
fn types_that_ask_what_the_bytes_are_are_refused() {
    is_refused(&Untagged::Number(1));
    is_refused(&Untagged::Text("a".into()));
    is_refused(&vec![Some(Untagged::Number(1))]);
    is_refused(&Tagged::Unit);
    is_refused(&Tagged::Number { n: 1 });
    is_refused(&Adjacent::Unit);
    is_refused(&Adjacent::Number(1));
    is_refused(&Flattened {
        id: 1,
        rest: BTreeMap::from([("a".into(), "b".into())]),
    });
    is_refused(&vec![Tagged::Number { n: 1 }, Tagged::Unit, Tagged::Unit]);
    is_refused(&serde_json::json!({ "a": [1, -1, 1.0, -0.0, 1e300, u64::MAX, i64::MIN] }));
    is_refused(&serde_json::json!({ "a": [1, 2.5, null, "b"] }));
    is_refused(&serde_json::Value::Null);
}

/// Nothing says in which order a hash map is gone through, before and after.
#[cfg(feature = "json")]
#[test]
fn types_that_ask_beside_hash_maps_come_back() {
    use std::{
        borrow::Cow,
        collections::{HashMap, HashSet},
        net::{IpAddr, Ipv4Addr},
    };

    use super::super::Json;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Nested {
        #[serde(flatten)]
        choice: Adjacent,
        #[serde(flatten)]
        rest: HashMap<String, serde_json::Value>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Kind {
        Flags {
            flags: HashSet<u32>,
            by: HashMap<IpAddr, Cow<'static, str>>,
        },
    }

    let rest = (0..100).map(|n| (n.to_string(), serde_json::json!([n, null, {"a": n}])));
    comes_back::<Json, _>(&Nested {
        choice: Adjacent::Number(1),
        rest: rest.collect(),
    });
    let by = (0..100).map(|n| (Ipv4Addr::from_bits(n).into(), Cow::Borrowed("a")));
    comes_back::<Json, _>(&Kind::Flags {
        flags: (0..100).collect(),
        by: by.collect(),
    });
}

#[test]
fn a_skipped_field_is_named() {
    let error = is_refused(&Skipping {
        id: 1,
        tags: Vec::new(),
    });
    assert!(error.contains("`tags`"), "{error}");
    let whole = Skipping {
        id: 1,
        tags: vec!["a".into()],
    };
    let bytes = encode::<Postcard, _>(&whole).unwrap();
    assert_eq!(
        <Postcard as Codec<Skipping>>::decode(&bytes).unwrap(),
        whole
    );
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        ".{0,4}".prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Into::into),
            proptest::collection::vec((".{0,3}", inner), 0..3)
                .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_value_of_json_is_misread(value in json()) {
        is_refused(&value);
    }

    #[test]
    fn no_flattened_or_untagged_value_is_misread(
        rest in proptest::collection::btree_map(".{0,4}", ".{0,4}", 0..4),
        text in ".{0,8}",
    ) {
        is_refused(&Flattened { id: 1, rest: rest.into_iter().filter(|(key, _)| key != "id").collect() });
        is_refused(&Untagged::Text(text));
    }
}

/// Writes what it is told to, whatever it said before.
struct Liar {
    said: Option<usize>,
    written: usize,
}

impl Serialize for Liar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut elements = serializer.serialize_seq(self.said)?;
        (0..self.written).try_for_each(|_| elements.serialize_element(&1_u8))?;
        elements.end()
    }
}

impl<'de> Deserialize<'de> for Liar {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Vec::<u8>::deserialize(deserializer)?.len();
        Ok(Self {
            said: Some(written),
            written,
        })
    }
}

#[test]
fn a_sequence_has_the_length_it_said() {
    let encode = |said, written| encode::<Postcard, _>(&Liar { said, written });
    assert!(encode(Some(2), 2).is_ok());
    assert!(encode(Some(2), 1).is_err());
    assert!(encode(Some(2), 3).is_err());
    let error = encode(None, 2).unwrap_err().to_string();
    assert!(error.contains("unknown length"), "{error}");
}

thread_local! {
    static FAILS: Cell<bool> = const { Cell::new(false) };
}

/// Swallows errors of its parts, in writing and in reading.
#[derive(Debug, Default, PartialEq)]
struct Lenient(Vec<Picky>);

#[derive(Debug, Default, PartialEq)]
struct Picky(u8);

impl Serialize for Picky {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if FAILS.get() {
            return Err(serde::ser::Error::custom("picky"));
        }
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Picky {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if FAILS.get() {
            return Err(serde::de::Error::custom("picky"));
        }
        u8::deserialize(deserializer).map(Self)
    }
}

impl Serialize for Lenient {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut elements = serializer.serialize_tuple(2)?;
        // One that fails half way, then one that stands for it.
        let _ = elements.serialize_element(&self.0);
        elements.serialize_element(&0_u8)?;
        elements.end()
    }
}

impl<'de> Deserialize<'de> for Lenient {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <(Skip, u8)>::deserialize(deserializer).map(|(Skip(items), _)| Self(items))
    }
}

struct Skip(Vec<Picky>);

impl<'de> Deserialize<'de> for Skip {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Vec::deserialize(deserializer).unwrap_or_default()))
    }
}

#[test]
fn an_error_that_is_swallowed_half_way_is_one_all_the_same() {
    let value = Lenient(vec![Picky(1), Picky(2)]);
    let bytes = encode::<Postcard, _>(&value).unwrap();
    let read = || <Postcard as Codec<Lenient>>::decode(&bytes);
    assert_eq!(read().unwrap(), value);
    FAILS.set(true);
    assert!(encode::<Postcard, _>(&value).is_err());
    assert!(read().is_err());
    FAILS.set(false);
}
