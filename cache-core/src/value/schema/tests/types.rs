use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    marker::PhantomData,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::{NonZeroI8, NonZeroU32, NonZeroU128},
    ops::Range,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::Deserialize;

use super::{Order, assert_complete, shapes, trace};

#[test]
fn types_of_std_are_complete() {
    assert_complete::<()>();
    assert_complete::<bool>();
    assert_complete::<char>();
    assert_complete::<u128>();
    assert_complete::<i128>();
    assert_complete::<f32>();
    assert_complete::<f64>();
    assert_complete::<String>();
    assert_complete::<Box<str>>();
    assert_complete::<Cow<'static, str>>();
    assert_complete::<PathBuf>();
    assert_complete::<Vec<u8>>();
    assert_complete::<VecDeque<String>>();
    assert_complete::<[u8; 32]>();
    assert_complete::<(u8, String, Option<char>)>();
    assert_complete::<HashMap<String, Vec<u32>>>();
    assert_complete::<HashSet<(u8, u8)>>();
    assert_complete::<BTreeMap<u8, BTreeSet<String>>>();
    assert_complete::<Arc<Order>>();
    assert_complete::<Arc<[Order]>>();
    assert_complete::<PhantomData<Order>>();
    assert_complete::<Result<Result<u8, String>, Option<()>>>();
    assert_complete::<Range<u32>>();
    assert_complete::<NonZeroU32>();
    assert_complete::<NonZeroI8>();
    assert_complete::<Vec<Option<NonZeroU128>>>();
    assert_complete::<IpAddr>();
    assert_complete::<Ipv4Addr>();
    assert_complete::<Ipv6Addr>();
    assert_complete::<SocketAddr>();
    assert_complete::<Duration>();
    assert_complete::<SystemTime>();
}

#[test]
fn types_of_other_crates_are_complete() {
    assert_complete::<uuid::Uuid>();
    assert_complete::<url::Url>();
    assert_complete::<chrono::DateTime<chrono::Utc>>();
    assert_complete::<chrono::NaiveDate>();
    assert_complete::<chrono::NaiveTime>();
    assert_complete::<chrono::NaiveDateTime>();
    assert_complete::<chrono::Weekday>();
    assert_complete::<chrono::Month>();
    assert_complete::<chrono::TimeDelta>();
    assert_complete::<time::Date>();
    assert_complete::<time::OffsetDateTime>();
    assert_complete::<time::Duration>();
    assert_complete::<time::Weekday>();
    assert_complete::<time::Month>();
}

#[derive(Deserialize)]
struct Account {
    id: uuid::Uuid,
    home: Option<url::Url>,
    seen: HashMap<IpAddr, chrono::DateTime<chrono::Utc>>,
    level: NonZeroU32,
    name: Name,
    born: chrono::NaiveDate,
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Name(String);

impl TryFrom<String> for Name {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_name = text.starts_with(char::is_alphabetic);
        if is_name {
            Ok(Self(text))
        } else {
            Err("not a name")
        }
    }
}

#[test]
fn what_refuses_placeholders_is_complete_among_others() {
    assert_complete::<Account>();
    assert_complete::<Vec<(Account, Account)>>();
}

#[derive(Deserialize)]
enum All {
    Unit,
    Newtype(Account),
    Tuple(u8, Name),
    Struct { at: SystemTime, by: Name },
    EmptyTuple(),
    EmptyStruct {},
}

#[derive(Deserialize)]
#[serde(tag = "kind", content = "content")]
enum Adjacent {
    Account(Account),
    Pair(Name, u8),
    Lines(Vec<All>),
}

#[test]
fn enums_of_all_kinds_of_variants_are_complete() {
    assert_complete::<All>();
    let schema = trace::<Adjacent>(true);
    assert_eq!((schema.asks, schema.incomplete), (None, None));
}

#[derive(Deserialize)]
struct Hinted {
    #[serde(default)]
    count: u8,
    #[serde(skip)]
    cached: Option<Order>,
    #[serde(alias = "nom", alias = "nombre")]
    name: Name,
    #[serde(with = "seconds")]
    age: Duration,
    #[serde(rename = "type")]
    kind: Kind,
    last: u8,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[serde(alias = "first")]
    One,
    #[serde(skip)]
    Never(Unreadable),
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Transparent {
    inner: Vec<Hinted>,
}

struct Unreadable;

mod seconds {
    use super::Duration;

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        d: D,
    ) -> Result<Duration, D::Error> {
        serde::Deserialize::deserialize(d).map(Duration::from_secs)
    }
}

#[test]
fn the_attributes_of_serde_are_understood() {
    assert_complete::<Hinted>();
    assert_complete::<Transparent>();
    assert_eq!(shapes::<Transparent>(), shapes::<Vec<Hinted>>());
}

/// Read by name, its aliases are the same field twice.
#[derive(Deserialize)]
#[rustfmt::skip]
struct Aliased {
    a: u8, b: u8, c: u8, d: u8, e: u8, f: u8,
    #[serde(alias = "gg")]
    g: u8,
    h: uuid::Uuid, i: Name, j: u8, k: NonZeroU32, l: u8,
}

#[test]
fn a_long_struct_with_an_alias_is_complete() {
    assert_complete::<Option<Aliased>>();
}
