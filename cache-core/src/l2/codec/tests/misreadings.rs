//! Pairs of types of which plain postcard reads one as the other: ours refuses each.

use serde::{Deserialize, Serialize, Serializer, de::DeserializeOwned, ser::SerializeStruct};

use super::{
    super::{Codec, Postcard},
    encode,
};

/// An encoding by another shape of a type. Each case first shows that plain postcard misreads it.
#[track_caller]
fn is_refused<Old, New>(old: &Old)
where
    Old: Serialize + DeserializeOwned,
    New: Serialize + DeserializeOwned,
{
    let plain = postcard::to_allocvec(old).unwrap();
    let misread = postcard::take_from_bytes::<New>(&plain);
    assert!(misread.is_ok(), "plain postcard refuses it too");
    let bytes = encode::<Postcard, Old>(old).unwrap();
    let read: Result<New, _> = Postcard::decode(&bytes);
    assert!(read.is_err(), "it was misread");
}

/// Both shapes carry the name that a type keeps when it changes.
macro_rules! change {
    ($test:ident: $(#[$old_attribute:meta])* { $($old:tt)* } => $(#[$new_attribute:meta])* { $($new:tt)* }, $value:expr) => {
        #[test]
        fn $test() {
            mod old {
                #[derive(serde::Serialize, serde::Deserialize)]
                $(#[$old_attribute])*
                pub(super) struct Value { $($old)* }
            }
            mod new {
                #[derive(serde::Serialize, serde::Deserialize)]
                $(#[$new_attribute])*
                pub(super) struct Value { $($new)* }
            }
            use old::Value;
            is_refused::<old::Value, new::Value>(&$value);
        }
    };
}

change!(a_swapped_pair_of_fields: { pub width: u32, pub height: u32 } => { pub height: u32, pub width: u32 },
    Value { width: 1, height: 2 });
change!(a_widened_integer: { pub a: u32 } => { pub a: u64 }, Value { a: 300 });
change!(an_integer_that_became_signed: { pub a: u32 } => { pub a: i32 }, Value { a: 300 });
change!(a_renamed_field: { pub a: u8 } => { pub b: u8 }, Value { a: 1 });
change!(a_removed_last_field: { pub a: u8, pub b: u8 } => { pub a: u8 }, Value { a: 1, b: 2 });
change!(a_field_that_takes_no_bytes: { pub a: u8 } => { pub a: u8, pub b: () }, Value { a: 1 });
change!(a_field_that_lends_its_bytes: { pub a: u16, pub c: [u8; 2] } => { pub a: u16, pub b: u8, pub c: [u8; 1] },
    Value { a: 1, c: [2, 3] });
change!(a_renamed_struct: { pub a: u8 } => #[serde(rename = "Other")] { pub a: u8 }, Value { a: 1 });
change!(text_that_became_bytes: { pub a: String } => { pub a: Vec<u8> }, Value { a: "ab".into() });
change!(a_flag_that_became_an_option: { pub a: bool } => { pub a: Option<()> }, Value { a: true });
change!(a_set_that_became_a_map: { pub a: Vec<(u8, u8)> } => { pub a: std::collections::BTreeMap<u8, u8> },
    Value { a: vec![(1, 2)] });
change!(a_tuple_that_became_longer: { pub a: (u8, u8), pub b: u8 } => { pub a: (u8, u8, u8), pub b: () },
    Value { a: (1, 2), b: 3 });
change!(a_newtype_that_was_none: { pub a: u8 } => { pub a: super::Wrapped }, Value { a: 1 });
change!(a_field_that_moved_inwards: { pub inner: super::Short, pub b: u8 } => { pub inner: super::Long },
    Value { inner: Short { a: 1 }, b: 2 });
change!(a_swapped_pair_of_fields_with_aliases: { pub a: u8, pub b: u8 } => { #[serde(alias = "x")] pub b: u8, #[serde(alias = "y")] pub a: u8 },
    Value { a: 1, b: 2 });
change!(an_old_name_that_became_an_alias: { pub a: u8 } => { #[serde(alias = "a")] pub b: u8 }, Value { a: 1 });

change!(a_field_that_took_the_name_of_the_next: { pub a: u8, pub b: u8 } => { #[serde(alias = "a")] pub b: u8, pub c: u8 },
    Value { a: 1, b: 2 });

#[derive(Serialize, Deserialize)]
struct Wrapped(u8);

#[derive(Serialize, Deserialize)]
#[serde(rename = "Inner")]
struct Short {
    a: u8,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Inner")]
struct Long {
    a: u8,
    b: u8,
}

macro_rules! change_enum {
    ($test:ident: { $($old:tt)* } => { $($new:tt)* }, $value:expr) => {
        #[test]
        fn $test() {
            mod old {
                #[derive(serde::Serialize, serde::Deserialize)]
                #[allow(dead_code, reason = "a variant has to be there, not to be made")]
                pub(super) enum Value { $($old)* }
            }
            mod new {
                #[derive(serde::Serialize, serde::Deserialize)]
                #[allow(dead_code, reason = "a variant has to be there, not to be made")]
                pub(super) enum Value { $($new)* }
            }
            use old::Value;
            is_refused::<old::Value, new::Value>(&$value);
        }
    };
}

change_enum!(an_inserted_variant: { A, C } => { A, B, C }, Value::C);
change_enum!(a_renamed_variant: { A, B } => { A, C }, Value::B);
change_enum!(swapped_variants: { A, B } => { B, A }, Value::A);
change_enum!(a_variant_of_another_form: { A(u8) } => { A { a: u8 } }, Value::A(1));
change_enum!(a_variant_that_lost_its_value: { A(()) } => { A }, Value::A(()));
change_enum!(a_renamed_field_of_a_variant: { A { a: u8 } } => { A { b: u8 } }, Value::A { a: 1 });

/// The type itself is at fault: what it writes, it does not read.
#[track_caller]
fn is_no_mirror<T: Serialize + DeserializeOwned + PartialEq>(value: &T) {
    let plain = postcard::to_allocvec(value).unwrap();
    assert!(
        postcard::from_bytes::<T>(&plain).is_ok_and(|read| read != *value),
        "plain postcard does not misread it"
    );
    if let Ok(bytes) = encode::<Postcard, T>(value) {
        let read: Result<T, _> = Postcard::decode(&bytes);
        assert!(read.is_err(), "it was misread");
    }
}

#[test]
fn a_field_that_is_only_read() {
    #[derive(PartialEq, Serialize, Deserialize)]
    struct Value {
        #[serde(skip_serializing)]
        secret: u8,
        a: Vec<u8>,
    }
    is_no_mirror(&Value {
        secret: 1,
        a: vec![0],
    });
}

#[test]
fn a_field_that_is_skipped_when_it_is_none() {
    #[derive(PartialEq, Serialize, Deserialize)]
    struct Value {
        #[serde(skip_serializing_if = "Option::is_none")]
        a: Option<u8>,
        b: Vec<u8>,
        c: Vec<Vec<u8>>,
    }
    let value = Value {
        a: None,
        b: vec![7],
        c: vec![vec![0]],
    };
    is_no_mirror(&value);
    let error = encode::<Postcard, Value>(&value).unwrap_err().to_string();
    assert!(
        error.contains("`a`") && error.contains("codec = json"),
        "{error}"
    );
}

#[test]
fn fields_that_are_written_in_another_order_than_they_are_read() {
    #[derive(PartialEq, Deserialize)]
    struct Value {
        a: u8,
        b: u8,
    }
    impl Serialize for Value {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut fields = serializer.serialize_struct("Value", 2)?;
            fields.serialize_field("b", &self.b)?;
            fields.serialize_field("a", &self.a)?;
            fields.end()
        }
    }
    is_no_mirror(&Value { a: 1, b: 2 });
}

/// Writing such a value again gives the names that were written, which says nothing of reading.
#[test]
fn fields_that_are_read_in_another_order_beside_an_alias() {
    #[derive(PartialEq, Deserialize)]
    struct Value {
        a: u8,
        #[serde(alias = "c")]
        b: u8,
    }
    impl Serialize for Value {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut fields = serializer.serialize_struct("Value", 2)?;
            fields.serialize_field("b", &self.b)?;
            fields.serialize_field("a", &self.a)?;
            fields.end()
        }
    }
    is_no_mirror(&Value { a: 1, b: 2 });
}

#[test]
fn numbers_that_are_read_as_another_kind() {
    mod wide {
        use serde::{Deserialize, Deserializer, Serialize, Serializer};

        pub(super) fn serialize<S: Serializer>(n: &u128, serializer: S) -> Result<S::Ok, S::Error> {
            i128::try_from(*n).unwrap().serialize(serializer)
        }

        pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u128, D::Error> {
            u128::deserialize(d)
        }
    }
    #[derive(PartialEq, Serialize, Deserialize)]
    struct Value {
        #[serde(with = "wide")]
        a: u128,
    }
    is_no_mirror(&Value { a: 1 });
}

/// Formats with names misread less, and what is read by looking at the bytes first, they misread all the
/// same. Each case first shows that the plain format does.
#[cfg(all(feature = "json", feature = "msgpack"))]
mod by_names {
    use std::{collections::BTreeMap, fmt::Debug};

    use serde::{Deserialize, Serialize, de::DeserializeOwned};

    use super::super::{
        super::{Codec, Json, Msgpack},
        encode,
    };

    trait Kept: Serialize + DeserializeOwned + Debug {}

    impl<T: Serialize + DeserializeOwned + Debug> Kept for T {}

    fn by<C: Codec<Old> + Codec<New>, Old: Kept, New: Kept>(old: &Old) {
        let bytes = encode::<C, Old>(old).unwrap();
        let read: Result<New, _> = C::decode(&bytes);
        let error = read.unwrap_err().to_string();
        assert!(error.contains("not what was written"), "{error}");
    }

    #[track_caller]
    fn is_refused_by_json<Old: Kept, New: Kept>(old: &Old) {
        let plain = serde_json::to_vec(old).unwrap();
        serde_json::from_slice::<New>(&plain).expect("plain JSON misreads it");
        by::<Json, Old, New>(old);
    }

    #[track_caller]
    fn is_refused<Old: Kept, New: Kept>(old: &Old) {
        is_refused_by_json::<Old, New>(old);
        let plain = rmp_serde::to_vec_named(old).unwrap();
        rmp_serde::from_slice::<New>(&plain).expect("plain MessagePack misreads it");
        by::<Msgpack, Old, New>(old);
    }

    /// All carry one name, so that only what is in them tells them apart.
    macro_rules! types {
        ($($name:ident { $($(#[$attribute:meta])* $field:ident: $ty:ty),* })+) => {$(
            #[derive(Debug, Serialize, Deserialize)]
            #[serde(rename = "Value")]
            struct $name { $($(#[$attribute])* $field: $ty),* }
        )+};
    }

    types! {
        Discount { discount: Option<u64> }
        Rebate { rebate: Option<u64> }
        Price { price: u64 }
        Cents { #[serde(default)] cents: u64 }
        Nothing {}
        Outer { price: u64, inner: Nothing }
        Inner { #[serde(default)] price: u64 }
        Moved { inner: Inner }
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct Around<T> {
        id: u8,
        #[serde(flatten)]
        more: T,
    }

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged<T> {
        A(T),
    }

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged<T> {
        A(T),
    }

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(tag = "kind", content = "of")]
    enum Adjacent<T> {
        A(T),
    }

    #[test]
    fn a_field_that_was_renamed_behind_what_looks_first() {
        let discount = || Discount { discount: Some(7) };
        is_refused::<_, Around<Rebate>>(&Around {
            id: 1,
            more: discount(),
        });
        is_refused::<_, Tagged<Rebate>>(&Tagged::A(discount()));
        is_refused::<_, Untagged<Rebate>>(&Untagged::A(discount()));
        is_refused::<_, Adjacent<Rebate>>(&Adjacent::A(discount()));
        is_refused::<_, Rebate>(&discount());
        let price = || Price { price: 7 };
        is_refused::<_, Around<Cents>>(&Around {
            id: 1,
            more: price(),
        });
        is_refused::<_, Tagged<Cents>>(&Tagged::A(price()));
        is_refused::<_, Untagged<Cents>>(&Untagged::A(price()));
        is_refused::<_, Adjacent<Cents>>(&Adjacent::A(price()));
        is_refused::<_, Cents>(&price());
        // Nothing is there in either, yet not under the same name.
        is_refused::<_, Around<Rebate>>(&Around {
            id: 1,
            more: Discount { discount: None },
        });
    }

    #[test]
    fn a_field_that_moved_inwards() {
        is_refused::<_, Around<Moved>>(&Around {
            id: 1,
            more: Outer {
                price: 7,
                inner: Nothing {},
            },
        });
    }

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Unit {
        Nothing,
        Number(u8),
    }

    #[test]
    fn what_is_null_inside_an_option() {
        is_refused::<_, Option<serde_json::Value>>(&Some(serde_json::Value::Null));
        is_refused::<_, Option<Unit>>(&Some(Unit::Nothing));
        is_refused::<_, Option<()>>(&Some(()));
        is_refused::<_, Option<Option<u8>>>(&Some(None::<u8>));
        is_refused::<_, Option<Option<Option<u8>>>>(&Some(Some(None::<u8>)));
        is_refused::<_, Vec<Option<Unit>>>(&vec![Some(Unit::Nothing), None, Some(Unit::Number(1))]);
        is_refused_by_json::<_, Option<f64>>(&Some(f64::NAN));
        is_refused_by_json::<_, BTreeMap<u8, Option<f32>>>(&BTreeMap::from([(
            1,
            Some(f32::INFINITY),
        )]));
    }

    #[test]
    fn an_untagged_variant_that_another_reads() {
        #[derive(Debug, Serialize, Deserialize)]
        #[serde(untagged)]
        enum Either {
            Small(u8),
            Large(u64),
            Open { note: Option<String> },
            Closed { note: Option<String>, by: u8 },
            Text(String),
            Time(std::time::Duration),
            Absent(Option<u8>),
        }
        is_refused::<_, Either>(&Either::Large(7));
        is_refused::<_, Either>(&Either::Closed { note: None, by: 1 });
        is_refused::<_, Either>(&Either::Time(std::time::Duration::ZERO));
        for fine in [
            Either::Small(7),
            Either::Large(700),
            Either::Text("a".into()),
            Either::Absent(None),
        ] {
            let bytes = encode::<Json, Either>(&fine).unwrap();
            <Json as Codec<Either>>::decode(&bytes).unwrap();
            let bytes = encode::<Msgpack, Either>(&fine).unwrap();
            <Msgpack as Codec<Either>>::decode(&bytes).unwrap();
        }
    }
}
