use std::collections::BTreeMap;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error},
};

use super::{assert_complete, assert_differ, shapes, trace};

/// A type that is read as another and then checked, as by `#[serde(try_from = "..")]`.
struct Checked<C: Check>(C::Of);

trait Check {
    type Of: DeserializeOwned;
    fn accepts(raw: &Self::Of) -> bool;
}

impl<'de, C: Check> Deserialize<'de> for Checked<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = C::Of::deserialize(deserializer)?;
        if C::accepts(&raw) {
            Ok(Self(raw))
        } else {
            Err(D::Error::custom("not that one"))
        }
    }
}

macro_rules! check {
    ($($name:ident: $of:ty = $accepts:expr;)+) => {$(
        struct $name;

        impl Check for $name {
            type Of = $of;

            fn accepts(raw: &$of) -> bool {
                let accepts: fn(&$of) -> bool = $accepts;
                accepts(raw)
            }
        }
    )+};
}

/// Complete, alone and among others, and of the shape of what is checked.
#[track_caller]
fn assert_found<C: Check>() {
    assert_complete::<Checked<C>>();
    assert_eq!(shapes::<Checked<C>>(), shapes::<C::Of>());
    assert_complete::<(C::Of, Checked<C>, C::Of)>();
    assert_complete::<BTreeMap<u8, Vec<(Checked<C>, C::Of, Checked<C>)>>>();
}

#[derive(Deserialize)]
enum Color {
    Red,
    Green,
    Blue(u8),
}

#[derive(Deserialize)]
struct Range {
    id: uuid::Uuid,
    from: u32,
    unit: String,
    to: u32,
    color: Color,
}

check! {
    Positive: i64 = |n| *n > 0;
    Negative: i8 = |n| *n < 0;
    Year: u16 = |n| (1900..2100).contains(n);
    Share: f64 = |x| *x > 0.0 && *x < 1.0;
    Yes: bool = |is| *is;
    Digit: char = char::is_ascii_digit;
    Email: String = |text| text.contains('@');
    Code: String = |text| text.len() == 3 && text.chars().all(char::is_uppercase);
    NotEmpty: Vec<u8> = |list| !list.is_empty();
    Empty: Vec<String> = Vec::is_empty;
    Two: Vec<Option<u8>> = |list| list.len() == 2;
    Some1: Option<u8> = Option::is_some;
    None1: Option<String> = Option::is_none;
    Filled: BTreeMap<u8, u8> = |map| !map.is_empty();
    Cleared: BTreeMap<u8, u8> = BTreeMap::is_empty;
    OnlyGreen: Color = |color| matches!(color, Color::Green);
    OnlyBlue: Color = |color| matches!(color, Color::Blue(_));
    Named: (String, u8) = |(name, _)| !name.is_empty();
    BothNamed: (String, String) = |(one, two)| !one.is_empty() && !two.is_empty();
    Rising: Range = |range| range.from < range.to;
    Measured: Range = |range| !range.unit.is_empty();
    Reddish: Range = |range| matches!(range.color, Color::Blue(_));
    Inner: Vec<Checked<Rising>> = |list| list.iter().all(|range| range.0.to > 0);
}

#[test]
fn a_place_that_refuses_is_given_something_else() {
    assert_found::<Positive>();
    assert_found::<Negative>();
    assert_found::<Year>();
    assert_found::<Share>();
    assert_found::<Yes>();
    assert_found::<Digit>();
    assert_found::<Email>();
    assert_found::<Code>();
}

#[test]
fn a_container_that_refuses_is_filled_or_emptied() {
    assert_found::<NotEmpty>();
    assert_found::<Empty>();
    assert_found::<Two>();
    assert_found::<Some1>();
    assert_found::<None1>();
    assert_found::<Filled>();
    assert_found::<Cleared>();
}

#[test]
fn an_enum_that_is_refused_is_another_variant() {
    assert_found::<OnlyGreen>();
    assert_found::<OnlyBlue>();
    assert_found::<Reddish>();
}

#[test]
fn a_value_that_refuses_is_given_other_parts() {
    assert_found::<Named>();
    assert_found::<BothNamed>();
    assert_found::<Rising>();
    assert_found::<Measured>();
    assert_found::<Inner>();
}

check! {
    Password: String = |text| text.len() == 47;
    Magic: u64 = |n| *n == 0xCAFE;
    Nothing: Range = |_| false;
}

#[derive(Deserialize)]
struct Login {
    user: String,
    secret: Checked<Password>,
    after: u8,
}

#[test]
fn a_place_that_takes_nothing_is_named() {
    let schema = trace::<Vec<Login>>(false);
    assert_eq!(
        schema.incomplete.as_deref(),
        Some("`Vec<Login>[].secret`: it takes none of the texts tried (not that one)")
    );
    let incomplete = trace::<(u8, Checked<Magic>)>(true).incomplete;
    assert_eq!(
        incomplete.as_deref(),
        Some("`(u8, Checked<Magic>).1`: it takes none of the numbers tried (not that one)")
    );
    let incomplete = trace::<Option<Checked<Nothing>>>(true).incomplete;
    assert_eq!(
        incomplete.as_deref(),
        Some("`Option<Checked<Nothing>>`: it takes none of the values tried (not that one)")
    );
}

#[test]
fn a_place_beside_a_tag_is_named() {
    #[derive(Deserialize)]
    #[serde(tag = "kind", content = "of")]
    enum Secret {
        Number(u8),
        Login(Vec<Login>),
    }
    let incomplete = trace::<Secret>(true).incomplete;
    assert_eq!(
        incomplete.as_deref(),
        Some("`Secret.of[].secret`: it takes none of the texts tried (not that one)")
    );
}

/// A default in place of what cannot be read.
struct Lenient<T>(T);

impl<'de, T: DeserializeOwned + Default> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(T::deserialize(deserializer).unwrap_or_default()))
    }
}

#[test]
fn a_refusal_that_does_not_show_hides_nothing() {
    macro_rules! lenient {
        ($last:ty) => {
            shapes! { (u8, Lenient<A>):
                #[derive(Default)]
                struct A { id: uuid::Uuid, last: $last }
            }
        };
    }
    assert_differ(lenient!(u8), lenient!(u16));
    let incomplete = trace::<Lenient<Option<Checked<Password>>>>(true).incomplete;
    assert!(incomplete.is_some_and(|reason| reason.contains("none of the texts")));
}

#[test]
fn what_lies_beside_a_place_that_takes_nothing_is_covered() {
    macro_rules! fingerprint {
        ($last:ty) => {{
            #[derive(Deserialize)]
            struct A {
                secrets: Vec<Login>,
                sealed: B,
                last: $last,
            }
            #[derive(Deserialize)]
            enum B {
                Secret(Checked<Password>),
                Open(u8),
            }
            let tracer = super::traced::<A>(false);
            assert!(tracer.incomplete.is_some());
            [
                tracer.fingerprint(""),
                super::traced::<A>(true).fingerprint(""),
            ]
        }};
    }
    assert_differ(fingerprint!(u8), fingerprint!(u16));
}
