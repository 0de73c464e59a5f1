//! Keys as they are in memory and in Redis today. A line that has to change abandons the entries of everyone who
//! has such keys, so it never changes.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt::Write,
    marker::PhantomData,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    num::NonZero,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use cache_macros::CacheKey;

use super::{bytes, text};
use crate::key::{CacheKey, KeyWriter};

#[track_caller]
fn golden(value: &(impl CacheKey + ?Sized), expected_hex: &str, expected_text: &str) {
    let hex = bytes(value).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    });
    assert_eq!(
        (hex.as_str(), text(value).as_str()),
        (expected_hex, expected_text)
    );
}

#[test]
fn integers() {
    golden(&0x12_u8, "12", "18");
    golden(&0x1234_u16, "3412", "4660");
    golden(&0x1234_5678_u32, "78563412", "305419896");
    golden(&u64::MAX, "ffffffffffffffff", "18446744073709551615");
    golden(&1_u128, "01000000000000000000000000000000", "1");
    golden(&2_usize, "0200000000000000", "2");
    golden(&-1_i8, "ff", "-1");
    golden(&-2_i16, "feff", "-2");
    golden(&-3_i32, "fdffffff", "-3");
    golden(&i64::MIN, "0000000000000080", "-9223372036854775808");
    golden(&-4_i128, "fcffffffffffffffffffffffffffffff", "-4");
    golden(&-5_isize, "fbffffffffffffff", "-5");
}

#[test]
fn non_zero_integers() {
    macro_rules! sevens {
        ($($integer:ty: $hex:literal)*) => {
            $(golden(&NonZero::<$integer>::new(7).unwrap(), $hex, "7");)*
        };
    }
    sevens! {
        u8: "07" u16: "0700" u32: "07000000" u64: "0700000000000000" usize: "0700000000000000"
        i8: "07" i16: "0700" i32: "07000000" i64: "0700000000000000" isize: "0700000000000000"
        u128: "07000000000000000000000000000000" i128: "07000000000000000000000000000000"
    }
}

#[test]
fn booleans_and_characters() {
    golden(&false, "00", "false");
    golden(&true, "01", "true");
    golden(&'a', "61000000", "a");
    golden(&':', "3a000000", "%3A");
    golden(&'\u{1F980}', "80f90100", "%F0%9F%A6%80");
}

#[test]
fn texts() {
    golden("", "00", "");
    golden("Ada", "03416461", "Ada");
    golden("az AZ09_.-", "0a617a20415a30395f2e2d", "az%20AZ09_.-");
    golden("a:b/%\u{e9}", "07613a622f25c3a9", "a%3Ab%2F%25%C3%A9");
    golden(
        "()[]{},=+~",
        "0a28295b5d7b7d2c3d2b7e",
        "%28%29%5B%5D%7B%7D%2C%3D%2B%7E",
    );
    golden(&String::from("Ada"), "03416461", "Ada");
}

#[test]
fn counts_are_leb128() {
    assert_eq!(bytes(&"a".repeat(127))[..2], [0x7F, b'a']);
    assert_eq!(bytes(&"a".repeat(128))[..3], [0x80, 0x01, b'a']);
    assert_eq!(bytes(&"a".repeat(300))[..3], [0xAC, 0x02, b'a']);
    assert_eq!(bytes(&"a".repeat(16_384))[..4], [0x80, 0x80, 0x01, b'a']);
    assert_eq!(bytes(&"a".repeat(300)).len(), 302);
}

#[test]
fn byte_strings() {
    golden(&[0_u8, 0xAB][..], "0200ab", "00ab");
    golden(&Vec::<u8>::new(), "00", "");
    golden(&[0_u8, 0xAB], "00ab", "00ab");
    golden(&[(); 0], "", "()");
    golden(&[0_u8; 0], "", "");
}

#[test]
fn options() {
    golden(&None::<u8>, "00", "~");
    golden(&Some(5_u8), "0105", "+5");
    golden(&Some(""), "0100", "+");
    golden(&Some(None::<u8>), "0100", "+~");
    golden(&Some(Some(5_u8)), "010105", "++5");
    golden(
        &(None::<u8>, Some(5_u8), None::<u8>),
        "00010500",
        "(~,+5,~)",
    );
}

#[test]
fn sequences() {
    golden(&Vec::<u16>::new(), "00", "[]");
    golden(&vec![""], "0100", "[,]");
    golden(&vec![1_u16, 2], "0201000200", "[1,2,]");
    golden(&[1_u16, 2][..], "0201000200", "[1,2,]");
    golden(&VecDeque::from([1_u8, 2]), "020102", "[1,2,]");
    golden(&BTreeSet::from([2_u8, 1]), "020102", "[1,2,]");
    golden(&vec![vec!["a"], vec![]], "0201016100", "[[a,],[],]");
}

#[test]
fn maps() {
    golden(&BTreeMap::<u8, u8>::new(), "00", "{}");
    golden(
        &BTreeMap::from([("b", 2_u8), ("a", 1)]),
        "02016101016202",
        "{a=1,b=2,}",
    );
}

#[test]
fn tuples_and_arrays() {
    golden(&(), "", "()");
    golden(&PhantomData::<f64>, "", "()");
    golden(&(1_u8,), "01", "(1)");
    golden(&(1_u8, "a"), "010161", "(1,a)");
    golden(&("", "", ((), 1_u8)), "000001", "(,,((),1))");
    golden(&[1_u16, 2], "01000200", "(1,2)");
    golden(
        &(
            1_u8, 2_u8, 3_u8, 4_u8, 5_u8, 6_u8, 7_u8, 8_u8, 9_u8, 10_u8, 11_u8, 12_u8,
        ),
        "0102030405060708090a0b0c",
        "(1,2,3,4,5,6,7,8,9,10,11,12)",
    );
}

#[test]
fn pointers_are_what_they_point_to() {
    golden(&"a", "0161", "a");
    golden(&&mut 1_u8, "01", "1");
    golden(&Box::<str>::from("a"), "0161", "a");
    golden(&Rc::<str>::from("a"), "0161", "a");
    golden(&Arc::<[u16]>::from([1]), "010100", "[1,]");
    golden(&Cow::Borrowed("a"), "0161", "a");
    golden(&Cow::<[u8]>::Owned(vec![1]), "0101", "01");
    golden(&Box::new(1_u8) as &dyn CacheKey, "01", "1");
}

#[test]
fn durations() {
    golden(&Duration::from_secs(90), "5a0000000000000000000000", "90s");
    golden(
        &Duration::from_millis(1500),
        "01000000000000000065cd1d",
        "1.500000000s",
    );
}

#[test]
fn system_times() {
    let epoch = SystemTime::UNIX_EPOCH;
    golden(&epoch, "01000000000000000000000000", "1970-01-01T000000Z");
    golden(
        &(epoch + Duration::new(1_772_323_199, 500_000_000)),
        "017f81a369000000000065cd1d",
        "2026-02-28T235959.500000000Z",
    );
    golden(
        &(epoch - Duration::from_millis(1500)),
        "0001000000000000000065cd1d",
        "1969-12-31T235958.500000000Z",
    );
    golden(
        &(epoch - Duration::from_secs(1)),
        "00010000000000000000000000",
        "1969-12-31T235959Z",
    );
}

#[test]
fn addresses() {
    let (v4, v6) = (
        Ipv4Addr::new(10, 0, 0, 1),
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
    );
    let (v4_hex, v6_hex) = ("0a000001", "20010db8000000000000000000000001");
    let (v4_text, v6_text) = ("10.0.0.1", "2001-db8-0-0-0-0-0-1");
    golden(&v4, v4_hex, v4_text);
    golden(&v6, v6_hex, v6_text);
    golden(&IpAddr::from(v4), &format!("04{v4_hex}"), v4_text);
    golden(&IpAddr::from(v6), &format!("06{v6_hex}"), v6_text);
    golden(
        &(1_u8, IpAddr::from(v4), 2_u8),
        &format!("0104{v4_hex}02"),
        "(1,10.0.0.1,2)",
    );

    let (v4, v6) = (SocketAddrV4::new(v4, 80), SocketAddrV6::new(v6, 80, 1, 2));
    let (v4_hex, v6_hex) = (
        format!("{v4_hex}5000"),
        format!("{v6_hex}50000100000002000000"),
    );
    let (v4_text, v6_text) = ("(10.0.0.1,80)", "(2001-db8-0-0-0-0-0-1,80,1,2)");
    golden(&v4, &v4_hex, v4_text);
    golden(&v6, &v6_hex, v6_text);
    golden(&SocketAddr::from(v4), &format!("04{v4_hex}"), v4_text);
    golden(&SocketAddr::from(v6), &format!("06{v6_hex}"), v6_text);
}

#[derive(CacheKey)]
#[cache_key(crate = crate)]
struct Named<T> {
    tenant: T,
    r#type: &'static str,
}

#[derive(CacheKey)]
#[cache_key(crate = crate)]
struct Newtype(u64);

#[derive(CacheKey)]
#[cache_key(crate = crate)]
struct Tuple(u8, Newtype);

#[derive(CacheKey)]
#[cache_key(crate = crate)]
struct Unit;

#[derive(CacheKey)]
#[cache_key(crate = crate)]
enum Page {
    All,
    Numbered(u8),
    Between { from: u8, to: Option<u8> },
    Titled(&'static str),
    Größe,
    r#Type(),
}

#[test]
fn derived_structs() {
    golden(
        &Named {
            tenant: 1_u8,
            r#type: "a",
        },
        "010161",
        "(1,a)",
    );
    golden(&Newtype(7), "0700000000000000", "7");
    golden(&Tuple(1, Newtype(7)), "010700000000000000", "(1,7)");
    golden(&Unit, "", "()");
}

#[test]
fn derived_enums() {
    golden(&Page::All, "03416c6c", "All");
    golden(&Page::Numbered(3), "084e756d626572656403", "Numbered(3)");
    golden(
        &Page::Between { from: 1, to: None },
        "074265747765656e0100",
        "Between(1,~)",
    );
    golden(&Page::Titled(""), "065469746c656400", "Titled()");
    golden(&Page::Größe, "074772c3b6c39f65", "Gr%C3%B6%C3%9Fe");
    golden(&Page::r#Type(), "0454797065", "Type");
    golden(
        &vec![Page::All, Page::Numbered(3)],
        "0203416c6c084e756d626572656403",
        "[All,Numbered(3),]",
    );
    golden(
        &(Page::All, (1_u8, Page::All)),
        "03416c6c0103416c6c",
        "(All,(1,All))",
    );
}

#[test]
fn parts_with_text_between() {
    fn write(mut key: KeyWriter) -> KeyWriter {
        key.literal("user:");
        "a:b".write(&mut key);
        key.literal(":");
        7_u8.write(&mut key);
        key
    }
    assert_eq!(write(KeyWriter::for_text()).into_text(), "user:a%3Ab:7");
    assert_eq!(write(KeyWriter::for_bytes()).as_bytes(), b"\x03a:b\x07");
}

#[test]
fn parts_with_nothing_between_stay_apart() {
    let mut key = KeyWriter::for_text();
    for part in ["a", "", "b"] {
        part.write(&mut key);
    }
    assert_eq!(key.into_text(), "a,,b");
}

#[cfg(feature = "uuid")]
#[test]
fn uuids() {
    let id = uuid::Uuid::from_u128(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8);
    golden(
        &id,
        "67e5504410b1426f9247bb680e5fe0c8",
        "67e55044-10b1-426f-9247-bb680e5fe0c8",
    );
}

#[cfg(feature = "url")]
#[test]
fn urls() {
    let url = url::Url::parse("HTTP://a.b:80/?c").unwrap();
    golden(
        &url,
        "0d687474703a2f2f612e622f3f63",
        "http%3A%2F%2Fa.b%2F%3Fc",
    );
}

#[cfg(feature = "chrono")]
mod of_chrono {
    use chrono::{DateTime, FixedOffset, NaiveDate, Utc};
    use proptest::prelude::*;

    use super::{golden, text};

    const YEAR_0: i64 = -62_167_219_200;
    const MOMENT: (&str, &str) = ("7f81a3690000000000000000", "2026-02-28T235959Z");

    #[test]
    fn moments() {
        let utc: DateTime<Utc> = "2026-02-28T23:59:59Z".parse().unwrap();
        let elsewhere: DateTime<FixedOffset> = "2026-03-01T05:29:59+05:30".parse().unwrap();
        golden(&utc, MOMENT.0, MOMENT.1);
        golden(&elsewhere, MOMENT.0, MOMENT.1);
        golden(&utc.naive_utc(), MOMENT.0, "2026-02-28T235959");
    }

    #[test]
    fn a_leap_second_is_a_moment_of_its_own() {
        let leap = NaiveDate::from_ymd_opt(2016, 12, 31)
            .unwrap()
            .and_hms_milli_opt(23, 59, 59, 1500);
        golden(
            &leap.unwrap(),
            "7f46685800000000002f6859",
            "2016-12-31T235959.1500000000",
        );
    }

    #[test]
    fn dates() {
        let date = |year, month, day| NaiveDate::from_ymd_opt(year, month, day).unwrap();
        golden(&date(1970, 1, 1), "00000000", "1970-01-01");
        golden(&date(2024, 2, 29), "464d0000", "2024-02-29");
        golden(&date(-1, 12, 31), "5705f5ff", "-001-12-31");
    }

    proptest! {
        #[test]
        fn moments_are_those_of_the_calendar(second in 0..315_569_520_000_i64) {
            let time = DateTime::from_timestamp(second + YEAR_0, 0).unwrap().naive_utc();
            prop_assert_eq!(text(&time.date()), format!("{:?}", time.date()));
            prop_assert_eq!(text(&time), format!("{time:?}").replace(':', ""));
        }
    }
}

#[cfg(feature = "time")]
#[test]
fn dates_and_moments_of_time() {
    use time::{Date, Month, OffsetDateTime, UtcOffset};

    let utc = OffsetDateTime::from_unix_timestamp(1_772_323_199).unwrap();
    let elsewhere = utc.to_offset(UtcOffset::from_hms(5, 30, 0).unwrap());
    for moment in [utc, elsewhere] {
        golden(&moment, "7f81a3690000000000000000", "2026-02-28T235959Z");
    }
    let before = OffsetDateTime::from_unix_timestamp_nanos(-1_500_000_000).unwrap();
    golden(
        &before,
        "feffffffffffffff0065cd1d",
        "1969-12-31T235958.500000000Z",
    );

    let date = Date::from_calendar_date(2024, Month::February, 29).unwrap();
    golden(&date, "464d0000", "2024-02-29");

    // In UTC this is before the first moment that the crate can name.
    let first = Date::MIN
        .midnight()
        .assume_offset(UtcOffset::from_hms(23, 0, 0).unwrap());
    assert_eq!(text(&first), "-10000-12-31T010000Z");
}
