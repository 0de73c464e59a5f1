//! What can travel.

use std::{
    borrow::Cow,
    cell::RefCell,
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, LinkedList, VecDeque},
    ffi::{CString, OsString},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::{NonZeroU32, Wrapping},
    ops::{Bound, Range, RangeInclusive},
    path::PathBuf,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    super::{Codec, Postcard},
    Value, encode, for_each_codec,
    types::*,
};

#[track_caller]
fn comes_back<C: Codec<T>, T: Value>(value: &T) {
    let bytes = encode::<C, T>(value).unwrap();
    match C::decode(&bytes) {
        Ok(read) => assert_eq!(read, *value, "in {}", C::NAME),
        Err(error) => panic!(
            "{} does not read {value:?} from {bytes:?}: {error}",
            C::NAME
        ),
    }
}

macro_rules! come_back {
    ($($ty:ty: $($value:expr),+;)+) => {$($(
        for_each_codec!(comes_back::<$ty>(&$value));
    )+)+};
}

#[test]
fn types_of_std_come_back() {
    come_back! {
        bool: true, false;
        u8: 0, 255; u16: 0, 65_535; u32: 0, u32::MAX; u64: 0, u64::MAX; u128: 0, u128::MAX;
        i8: 0, -128; i16: -1, i16::MIN; i32: -1, i32::MIN; i64: -1, i64::MIN; i128: -1, i128::MIN;
        usize: 0, usize::MAX; isize: -1, isize::MIN;
        f32: 0.0, -1.5; f64: 0.1, f64::MIN_POSITIVE;
        char: 'a', '\0', '🦀';
        (): ();
        String: String::new(), "ä".repeat(300);
        Box<str>: "text".into();
        Cow<'static, str>: Cow::Borrowed("text");
        Vec<u8>: vec![], vec![7; 300];
        Vec<Vec<u64>>: vec![vec![], vec![1, 2]];
        [u16; 3]: [1, 2, 3];
        [u8; 0]: [];
        (u8, String, (i8,)): (1, "a".into(), (-1,));
        Option<String>: None, Some("a".into());
        Result<u8, String>: Ok(1), Err("no".into());
        VecDeque<u8>: VecDeque::from([1, 2]);
        LinkedList<i8>: LinkedList::from([-1]);
        BTreeSet<String>: BTreeSet::from(["a".to_owned()]);
        BTreeMap<u32, Vec<bool>>: BTreeMap::from([(1, vec![true]), (2, vec![])]);
        HashMap<String, Option<u8>>: (0..50).map(|n| (n.to_string(), (n % 2 == 0).then_some(n))).collect();
        HashSet<u64>: (0..50).collect();
        HashSet<Option<String>>: (0..50_u8).map(|n| (n > 0).then(|| n.to_string())).collect();
        HashMap<u8, HashSet<Result<u8, i8>>>: (0..50).map(|n| (n, [Ok(n), Err(-1)].into())).collect();
        HashMap<IpAddr, SocketAddr>: (0..50).map(|n| (Ipv4Addr::from_bits(n).into(), (Ipv6Addr::LOCALHOST, 1).into())).collect();
        Duration: Duration::new(3, 999_999_999);
        SystemTime: SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 1);
        IpAddr: Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into();
        SocketAddr: (Ipv4Addr::LOCALHOST, 80).into(), (Ipv6Addr::LOCALHOST, 1).into();
        Range<u8>: 1..2;
        RangeInclusive<i64>: -1..=1;
        Bound<u8>: Bound::Unbounded, Bound::Included(1);
        NonZeroU32: NonZeroU32::MIN;
        Wrapping<i16>: Wrapping(-3);
        Reverse<u8>: Reverse(3);
        PathBuf: PathBuf::from("/tmp/a");
        CString: c"bytes".to_owned();
        Arc<[u16]>: Arc::from([1, 2]);
        Arc<str>: Arc::from("text");
        Rc<Box<u8>>: Rc::new(Box::new(1));
        RefCell<u8>: RefCell::new(1);
        std::marker::PhantomData<u8>: std::marker::PhantomData;
    }
    #[cfg(unix)]
    come_back!(OsString: OsString::from("name"););
}

#[test]
fn what_json_cannot_tell_apart_comes_back_from_postcard() {
    comes_back::<Postcard, Option<Option<u8>>>(&Some(None));
    comes_back::<Postcard, Option<()>>(&Some(()));
    comes_back::<Postcard, f64>(&f64::INFINITY);
    comes_back::<Postcard, Hollow>(&Hollow(Some(Box::new(Hollow(None)))));
}

#[test]
fn types_of_other_crates_come_back() {
    let time = chrono::DateTime::from_timestamp(1_700_000_000, 5).unwrap();
    come_back! {
        uuid::Uuid: uuid::Uuid::nil(), uuid::Uuid::max();
        chrono::DateTime<chrono::Utc>: time;
        chrono::DateTime<chrono::FixedOffset>: time.fixed_offset();
        chrono::NaiveDateTime: time.naive_utc();
        chrono::NaiveDate: time.date_naive();
        chrono::NaiveTime: time.time();
        chrono::Weekday: chrono::Weekday::Sun;
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Newtype<T>(T);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pair(u8, String);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Transparent {
    inner: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Other", rename_all = "SCREAMING-KEBAB-CASE", default)]
struct Attributes {
    first_field: u8,
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip)]
    cached: u32,
    #[serde(default = "seven")]
    seven: u8,
    #[serde(with = "as_text")]
    number: u128,
    #[serde(
        serialize_with = "as_text::serialize",
        deserialize_with = "as_text::deserialize"
    )]
    other: u128,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            first_field: 1,
            kind: "k".into(),
            cached: 5,
            seven: 6,
            number: 1 << 40,
            other: 0,
        }
    }
}

fn seven() -> u8 {
    7
}

mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        number: &u128,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<u128, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "(f32, f32)", from = "(f32, f32)")]
struct Point {
    x: f32,
    y: f32,
}

impl From<Point> for (f32, f32) {
    fn from(point: Point) -> Self {
        (point.x, point.y)
    }
}

impl From<(f32, f32)> for Point {
    fn from((x, y): (f32, f32)) -> Self {
        Self { x, y }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
struct Even(u8);

impl From<Even> for u8 {
    fn from(even: Even) -> Self {
        even.0
    }
}

impl TryFrom<u8> for Even {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        match number % 2 {
            0 => Ok(Self(number)),
            _ => Err("odd".into()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Generic<T, const N: usize>
where
    [T; N]: Serialize + serde::de::DeserializeOwned,
{
    items: [T; N],
}

#[test]
fn derived_types_come_back() {
    come_back! {
        Unit: Unit;
        Newtype<Unit>: Newtype(Unit);
        Newtype<Option<Newtype<u8>>>: Newtype(Some(Newtype(1)));
        Pair: Pair(1, "a".into());
        Transparent: Transparent { inner: vec![1] };
        Attributes: Attributes { cached: 5, ..Attributes::default() };
        Point: Point { x: 1.0, y: -1.0 };
        Even: Even(4);
        Generic<String, 2>: Generic { items: ["a".into(), "b".into()] };
        State: State::Open, State::Paid(1), State::Returned(1, "a".into());
        Vec<State>: vec![State::Sent { by: "a".into(), weight: Some(1) }, State::Open];
        Chain: Chain { next: Some(Box::new(Chain { next: None })) };
        Hollow: Hollow(None);
    }
}

/// Entries outlive programs. Who changes these bytes changes the seed of the shape too.
#[test]
fn an_encoding_looks_as_it_always_did() {
    let value = vec![
        State::Sent {
            by: "Ada".into(),
            weight: Some(300),
        },
        State::Open,
    ];
    let bytes = encode::<Postcard, _>(&(value, [-1_i64], Unit)).unwrap();
    let shape = [106, 159, 244, 192, 229, 137, 18, 76];
    let expected = [
        &[2, 2, 164, 40, 3, b'A', b'd', b'a', 1, 172, 2, 0, 18, 186, 1][..],
        &shape,
    ];
    assert_eq!(bytes, expected.concat());
}

/// Who changes the shape of values changes its seed too.
#[cfg(all(feature = "json", feature = "msgpack"))]
#[test]
fn a_shape_looks_as_it_always_did() {
    use super::super::{Json, Msgpack};

    let state = State::Sent {
        by: "Ada".into(),
        weight: Some(300),
    };
    let states = BTreeMap::from([("a".to_owned(), state)]);
    let value = (states, [-1_i64], Ipv4Addr::LOCALHOST);
    let shape = |bytes: Vec<u8>| u64::from_le_bytes(*bytes.first_chunk().unwrap());
    let by_json = encode::<Json, _>(&value).unwrap();
    let text = br#"[{"a":{"Sent":{"by":"Ada","weight":300}}},[-1],"127.0.0.1"]"#;
    assert_eq!(by_json[8..], text[..]);
    assert_eq!(shape(by_json), 12_703_918_138_475_451_955);
    assert_eq!(
        shape(encode::<Msgpack, _>(&value).unwrap()),
        18_224_372_443_221_474_436
    );
}

/// Shapes that differ inside a hash map do so in another order each time.
#[test]
fn aliases_beside_a_hash_map_come_back() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Both {
        #[serde(alias = "a")]
        number: u8,
        states: HashMap<u8, State>,
        #[serde(alias = "b")]
        other: Option<Box<Both>>,
    }
    let states = || {
        (0..50).map(|n| {
            (
                n,
                if n % 2 == 0 {
                    State::Open
                } else {
                    State::Paid(1)
                },
            )
        })
    };
    let inner = Both {
        number: 1,
        states: states().collect(),
        other: None,
    };
    let both = Both {
        number: 2,
        states: states().collect(),
        other: Some(Box::new(inner)),
    };
    for_each_codec!(comes_back::<Both>(&both));
}

/// Plain postcard numbers variants in writing and in reading differently where one is skipped.
#[test]
fn variants_behind_a_skipped_one_come_back() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Skipping {
        #[serde(alias = "A", alias = "Z")]
        First,
        #[serde(skip)]
        #[allow(dead_code, reason = "it is there to be skipped")]
        Second,
        Third,
        Fourth,
    }
    come_back!(Vec<Skipping>: vec![Skipping::Fourth, Skipping::First, Skipping::Third];);
}

proptest! {
    #[test]
    fn an_order_comes_back(value in order()) {
        for_each_codec!(comes_back::<Order>(&value));
    }

    #[test]
    fn a_list_comes_back(value in list()) {
        for_each_codec!(comes_back::<List>(&value));
    }

    #[test]
    fn a_tree_comes_back(value in tree()) {
        for_each_codec!(comes_back::<Tree>(&value));
    }

    #[test]
    fn a_type_with_aliases_comes_back(value in aliased()) {
        for_each_codec!(comes_back::<Aliased>(&value));
    }
}
