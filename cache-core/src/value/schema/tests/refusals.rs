use std::{
    collections::HashMap,
    fmt,
    marker::PhantomData,
    time::{Duration, Instant},
};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, SeqAccess, Visitor},
};

use super::{State, assert_complete, assert_differ, shapes, trace};

#[derive(Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u64),
    Pair { a: u8, b: u8 },
}

#[derive(Deserialize)]
#[serde(tag = "kind")]
enum Internal {
    Plain,
    Order(Flat),
}

#[derive(Deserialize)]
struct Flat {
    id: u64,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Deserialize)]
struct Rest {
    note: String,
}

#[derive(Deserialize)]
struct Asking<T> {
    id: u64,
    payload: T,
    count: u32,
}

/// It asks, at this path, and is not called incomplete for that.
#[track_caller]
fn assert_asks<T: DeserializeOwned>(path: &str) {
    for is_readable in [false, true] {
        let schema = trace::<T>(is_readable);
        assert_eq!(
            schema.asks.as_deref(),
            Some(path),
            "readable: {is_readable}"
        );
        assert_eq!(schema.incomplete, None, "readable: {is_readable}");
    }
}

#[test]
fn asking_what_comes_next_is_reported() {
    assert_asks::<serde_json::Value>("`Value`");
    assert_asks::<Asking<serde_json::Value>>("`Asking<Value>.payload`");
    assert_asks::<Asking<Vec<Untagged>>>("`Asking<Vec<Untagged>>.payload[]`");
    assert_asks::<Asking<Untagged>>("`Asking<Untagged>.payload`");
    assert_asks::<Asking<Internal>>("`Asking<Internal>.payload`");
    assert_asks::<Asking<serde::de::IgnoredAny>>("`Asking<IgnoredAny>.payload`");
    assert_asks::<Asking<HashMap<String, serde_json::Value>>>(
        "`Asking<HashMap<String, Value>>.payload[value]`",
    );
    assert_asks::<Asking<Flat>>("`Asking<Flat>.payload[key]`");
}

#[test]
fn what_is_beside_a_question_is_covered() {
    assert_differ(
        shapes!(A: struct A { x: serde_json::Value, y: Vec<Untagged>, z: u8 }),
        shapes!(A: struct A { x: serde_json::Value, y: Vec<Untagged>, z: u16 }),
    );
    assert_differ(
        shapes!(A: enum A { X(Internal), Y(u8) }),
        shapes!(A: enum A { X(Internal), Y(u16) }),
    );
    assert_differ(
        shapes!(A: struct A { x: u8 }),
        shapes!(A: struct A { x: serde_json::Value }),
    );
}

#[derive(Deserialize)]
#[serde(tag = "kind", content = "of")]
enum Adjacent {
    Number(u64),
    State(State),
}

/// As a sequence, which is how compact formats hold structs, its tag is an identifier.
#[test]
fn an_adjacently_tagged_enum_asks_where_structs_have_no_names() {
    let compact = trace::<Adjacent>(false);
    assert_eq!(compact.asks.as_deref(), Some("`Adjacent.kind`"));
    assert_eq!(compact.incomplete, None);
    assert!(postcard::from_bytes::<Adjacent>(&[0, 1]).is_err());
    assert_eq!(trace::<Adjacent>(true).asks, None);
}

/// What serde derives reads the content that a unit variant could have as anything.
#[test]
fn an_adjacently_tagged_unit_asks() {
    #[derive(Deserialize)]
    #[serde(tag = "kind", content = "of")]
    enum Tagged {
        Unit,
        Number(u64),
    }
    let schema = trace::<Tagged>(true);
    assert_eq!(schema.asks.as_deref(), Some("`Tagged.of`"));
    assert_eq!(schema.incomplete, None);
}

#[test]
fn an_option_directly_in_an_option_is_reported() {
    #[derive(Deserialize)]
    struct Note<T> {
        text: T,
    }
    #[derive(Deserialize)]
    struct New<T>(T);
    #[derive(Deserialize)]
    struct Unit;

    let path = |schema: super::Schema| schema.hides_none;
    assert_eq!(
        path(trace::<Note<Option<Option<u8>>>>(true)).as_deref(),
        Some("`Note<Option<Option<u8>>>.text`")
    );
    assert!(path(trace::<Option<()>>(false)).is_some());
    assert!(path(trace::<Option<Unit>>(true)).is_some());
    assert!(path(trace::<Option<PhantomData<u8>>>(true)).is_some());
    assert!(path(trace::<Option<Box<Option<u8>>>>(true)).is_some());
    assert!(path(trace::<(New<Option<u8>>, Option<New<Option<u8>>>)>(true)).is_some());
    assert!(path(trace::<Vec<Result<Option<Option<u8>>, u8>>>(true)).is_some());

    assert_eq!(path(trace::<Option<Vec<Option<u8>>>>(true)), None);
    assert_eq!(path(trace::<Option<Note<Option<u8>>>>(true)), None);
    assert_eq!(path(trace::<Option<(Option<u8>,)>>(true)), None);
    assert_eq!(path(trace::<(Option<u8>, ())>(true)), None);
}

#[test]
fn a_panic_is_no_more_than_incomplete() {
    struct Panics;

    impl<'de> Deserialize<'de> for Panics {
        fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("by the test")
        }
    }

    let incomplete = trace::<Vec<(u8, Panics)>>(false).incomplete;
    assert_eq!(
        incomplete.as_deref(),
        Some("`Vec<(u8, Panics)>[].1`: its `Deserialize` panicked")
    );
}

#[test]
fn a_type_without_end_is_incomplete() {
    #[derive(Deserialize)]
    struct Endless(Box<Endless>);
    #[derive(Deserialize)]
    enum EndlessToo {
        Once(Box<EndlessToo>),
        Twice(Box<EndlessToo>, Box<EndlessToo>),
    }
    #[derive(Deserialize)]
    enum Never {}

    let small_stack = std::thread::Builder::new().stack_size(512 * 1024);
    let traces = small_stack.spawn(|| {
        assert!(trace::<Endless>(false).incomplete.is_some());
        assert!(trace::<Vec<EndlessToo>>(true).incomplete.is_some());
    });
    traces.unwrap().join().unwrap();
    let incomplete = trace::<Result<u8, Never>>(true).incomplete;
    assert_eq!(
        incomplete.as_deref(),
        Some("`Result<u8, Never>::Err`: the enum names no variants")
    );
}

/// Asks for elements until it is refused one.
struct Greedy;

impl<'de> Deserialize<'de> for Greedy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Greedy;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("no end")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Greedy, A::Error> {
                loop {
                    seq.next_element::<u8>()?;
                }
            }
        }

        deserializer.deserialize_seq(Read)
    }
}

#[test]
fn a_trace_has_an_end() {
    let begin = Instant::now();
    let incomplete = trace::<Greedy>(false).incomplete;
    assert_eq!(
        incomplete.as_deref(),
        Some("`Greedy`: it takes too many steps to trace")
    );
    assert!(begin.elapsed() < Duration::from_secs(10));
}

/// A struct written by hand, for formats that know names only.
struct ByName {
    x: u8,
}

impl<'de> Deserialize<'de> for ByName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = ByName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ByName, A::Error> {
                let mut x = 0;
                while map.next_key::<String>()?.is_some() {
                    x = map.next_value()?;
                }
                Ok(ByName { x })
            }
        }

        deserializer.deserialize_struct("ByName", &["x"], Read)
    }
}

#[test]
fn a_struct_that_takes_only_names_is_complete() {
    assert_complete::<Vec<(u8, ByName)>>();
}

/// A sequence of elements of different types, the second of which refuses most texts.
struct Mixed(f64, url::Url);

impl<'de> Deserialize<'de> for Mixed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Mixed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number and a text")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Mixed, A::Error> {
                let missing = |n| serde::de::Error::invalid_length(n, &self);
                let number = seq.next_element()?.ok_or_else(|| missing(0))?;
                let text = seq.next_element()?.ok_or_else(|| missing(1))?;
                Ok(Mixed(number, text))
            }
        }

        deserializer.deserialize_seq(Read)
    }
}

#[test]
fn a_sequence_of_different_elements_is_complete() {
    assert_complete::<Mixed>();
    assert_differ(shapes::<Mixed>(), shapes::<Vec<u8>>());
}
