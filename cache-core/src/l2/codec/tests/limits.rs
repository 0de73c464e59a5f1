//! How deep and how many. What is written can be read, up to the last level and the last element.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};

use super::{
    super::{Codec, MOST_NESTED, Postcard},
    Value, encode, for_each_codec,
    types::*,
};

fn list_of(items: usize) -> List {
    (0..items).fold(List::End, |list, _| List::Item(1, Box::new(list)))
}

fn tree_of(levels: usize) -> Tree {
    (0..levels).fold(Tree(vec![]), |tree, _| Tree(vec![tree]))
}

fn chain_of(links: usize) -> Chain {
    (0..links).fold(Chain { next: None }, |chain, _| Chain {
        next: Some(Box::new(chain)),
    })
}

fn hollow_of(levels: usize) -> Hollow {
    (0..levels).fold(Hollow(None), |hollow, _| Hollow(Some(Box::new(hollow))))
}

/// Values of growing depth: all up to some depth come back, and none deeper is written.
#[track_caller]
fn ends_in_writing<T: Value>(count: usize, of: impl Fn(usize) -> T) {
    let mut deepest = 0;
    for levels in 0..2 * MOST_NESTED {
        let value = of(levels);
        match encode::<Postcard, T>(&value) {
            Ok(bytes) => {
                let read: T = Postcard::decode(&bytes).unwrap();
                assert_eq!(read, value, "at {levels} levels");
                assert_eq!(levels, deepest, "a deeper one was refused before");
                deepest += 1;
            }
            Err(error) => assert!(error.to_string().contains("128 levels"), "{error}"),
        }
    }
    assert_eq!(deepest, count);
}

#[test]
fn values_are_written_as_deep_as_they_are_read() {
    ends_in_writing(1 + MOST_NESTED, list_of);
    ends_in_writing(MOST_NESTED / 2, tree_of);
    ends_in_writing(MOST_NESTED / 2, chain_of);
    ends_in_writing(MOST_NESTED / 2, hollow_of);
}

/// Refuses what lies behind a shape, before it comes to the shape.
#[cfg(any(feature = "json", feature = "msgpack"))]
#[track_caller]
fn ends<C: Codec<T>, T: Value>(bytes: &[u8]) {
    let error = C::decode(&behind_a_shape(bytes)).unwrap_err().to_string();
    assert!(!error.contains("not what was written"), "{error}");
}

#[cfg(any(feature = "json", feature = "msgpack"))]
fn behind_a_shape(bytes: &[u8]) -> Vec<u8> {
    [&[0; 8], bytes].concat()
}

/// The bytes of values that nobody holds: only they say how deep it goes.
#[test]
fn no_bytes_take_a_reader_deeper_than_the_stack() {
    let deep = 1_000_000;
    assert!(<Postcard as Codec<Hollow>>::decode(&vec![1; deep]).is_err());
    assert!(<Postcard as Codec<Tree>>::decode(&vec![1; deep]).is_err());
    #[cfg(feature = "json")]
    {
        use super::super::Json;
        ends::<Json, Hollow>(b"1");
        ends::<Json, Tree>(&vec![b'['; deep]);
        ends::<Json, serde_json::Value>(&vec![b'['; deep]);
        ends::<Json, List>(r#"{"Item":[1,"#.repeat(deep).as_bytes());
        let ignored = format!(r#"{{"next":null,"other":{}"#, "[".repeat(deep));
        ends::<Json, Chain>(ignored.as_bytes());
    }
    #[cfg(feature = "msgpack")]
    {
        use super::super::Msgpack;
        ends::<Msgpack, Hollow>(&[1]);
        ends::<Msgpack, Tree>(&vec![0x91; deep]);
        ends::<Msgpack, serde_json::Value>(&vec![0x91; deep]);
        ends::<Msgpack, Wrapped>(&b"\x81\xa2In".repeat(deep));
        ends::<Msgpack, Chain>(&[b"\x82\xa1x".as_slice(), &vec![0x91; deep]].concat());
    }
}

/// An enum in itself, of which `rmp-serde` does not count the levels.
#[cfg(feature = "msgpack")]
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Wrapped {
    In(Box<Wrapped>),
    Out,
}

/// The number of elements that take no bytes is all that a length of them says.
#[track_caller]
fn is_bounded<T: Value>(of: impl Fn(usize) -> T) {
    let value = of(4_096);
    let bytes = encode::<Postcard, T>(&value).unwrap();
    assert_eq!(<Postcard as Codec<T>>::decode(&bytes).unwrap(), value);
    let error = encode::<Postcard, T>(&of(4_097)).unwrap_err().to_string();
    assert!(error.contains("4096 elements"), "{error}");
}

#[test]
fn elements_that_take_no_bytes_are_counted_in_writing() {
    is_bounded(|len| vec![(); len]);
    is_bounded(|len| vec![[(); 3]; len]);
    is_bounded(|len| BTreeMap::from([(1_u8, vec![(); 96]), (2, vec![(); len - 96])]));
}

fn is_refused<C: Codec<T>, T: Value>(bytes: &[u8]) {
    let read = C::decode(bytes);
    assert!(read.is_err(), "{} read {bytes:?}", C::NAME);
}

/// Each would keep a reader busy for ever, or take all memory.
#[test]
#[expect(clippy::zero_sized_map_values, reason = "an entry that takes no bytes")]
fn a_length_is_not_believed() {
    let endless = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let with = |rest: &[u8]| [&endless, rest, &[0; 8]].concat();
    is_refused::<Postcard, Vec<()>>(&with(&[]));
    is_refused::<Postcard, Vec<u64>>(&with(&[1; 100]));
    is_refused::<Postcard, BTreeMap<(), ()>>(&with(&[]));
    is_refused::<Postcard, String>(&with(&[1; 100]));
    is_refused::<Postcard, Vec<Vec<String>>>(&with(&[1; 100]));
    #[cfg(feature = "msgpack")]
    {
        use super::super::Msgpack;
        ends::<Msgpack, Vec<u64>>(&[0xdd, 0xff, 0xff, 0xff, 0xff, 1, 1, 1]);
        ends::<Msgpack, String>(&[0xdb, 0xff, 0xff, 0xff, 0xff, 1, 1, 1]);
        ends::<Msgpack, Vec<u8>>(&[0xc6, 0xff, 0xff, 0xff, 0xff, 1, 1, 1]);
        ends::<Msgpack, BTreeMap<u8, u8>>(&[0xdf, 0xff, 0xff, 0xff, 0xff, 1, 1, 1]);
    }
}

/// No length is more than the bytes that follow, yet all of them together are.
#[test]
#[expect(clippy::zero_sized_map_values, reason = "an entry that takes no bytes")]
fn elements_that_take_no_bytes_are_counted_over_all_sequences() {
    let each = [0xff, 0xff, 0x03];
    let bytes = [&each.repeat(65_536)[..], &[0; 8]].concat();
    let error = <Postcard as Codec<Vec<Vec<()>>>>::decode(&bytes).unwrap_err();
    assert!(error.to_string().contains("4096 elements"), "{error}");
    let error = <Postcard as Codec<Vec<BTreeMap<(), [u8; 0]>>>>::decode(&bytes).unwrap_err();
    assert!(error.to_string().contains("4096 elements"), "{error}");
}

/// A type that nests could otherwise reserve the whole once for each level.
#[test]
fn sequences_share_the_bytes_with_those_around_them() {
    let five_thousand = [0x88, 0x27];
    let bytes = five_thousand.repeat(5_000);
    let error = <Postcard as Codec<Tree>>::decode(&bytes).unwrap_err();
    assert!(error.to_string().contains("announced"), "{error}");
}

/// Some visitors reserve what the hint says, whatever that is.
#[derive(Debug)]
struct Hinted(usize);

impl<'de> Deserialize<'de> for Hinted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reserving;
        impl<'de> Visitor<'de> for Reserving {
            type Value = Hinted;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sequence")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Hinted, A::Error> {
                Err(A::Error::custom(format_args!("hint {:?}", seq.size_hint())))
            }
        }
        deserializer.deserialize_seq(Reserving)
    }
}

impl Serialize for Hinted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        vec![(); self.0].serialize(serializer)
    }
}

#[test]
fn a_hint_is_no_more_than_the_bytes() {
    let bytes = encode::<Postcard, _>(&Hinted(4_000)).unwrap();
    let error = <Postcard as Codec<Hinted>>::decode(&bytes).unwrap_err();
    assert_eq!(error.to_string(), "hint Some(0)");
    #[cfg(feature = "msgpack")]
    {
        let bytes = behind_a_shape(&[0xdd, 0xff, 0xff, 0xff, 0xff, 1, 1, 1]);
        let error = <super::super::Msgpack as Codec<Hinted>>::decode(&bytes).unwrap_err();
        assert_eq!(error.to_string(), "hint Some(4)");
    }
}

#[test]
fn bytes_left_over_are_refused() {
    fn is_whole<C: Codec<T>, T: Value>(value: &T) {
        let bytes = encode::<C, T>(value).unwrap();
        assert!(C::decode(&bytes).is_ok());
        for bytes in [
            &[&bytes[..], &bytes].concat(),
            &[&[7], &bytes[..]].concat(),
            &bytes[1..],
            &[],
        ] {
            assert!(C::decode(bytes).is_err(), "{} reads {bytes:?}", C::NAME);
        }
    }
    for_each_codec!(is_whole::<Vec<u32>>(&vec![7]));
    #[cfg(feature = "json")]
    {
        use super::super::Json;
        let shape = encode::<Json, u32>(&1).unwrap()[..8].to_vec();
        let spaced = [&shape, &b" 7\n"[..]].concat();
        assert_eq!(<Json as Codec<u32>>::decode(&spaced).unwrap(), 7);
    }
}
