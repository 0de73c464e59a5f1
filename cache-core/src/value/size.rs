//! What serde shows of a value: about how many bytes of memory it takes, and which names and kinds of
//! values it consists of. One serializer walks it for both, and writes nothing.
//!
//! An encoding would be the wrong measure of memory: it is made to be smaller than what it encodes, a
//! vector of small numbers eight times.

use std::{fmt, mem::size_of_val};

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// A value whose size serde shows. Not `Serialize`, of which there is no table.
pub(super) trait Measured {
    fn walk(&self, walk: &mut Walk<false>) -> Result<(), Refused>;
}

impl<T: Serialize> Measured for T {
    fn walk(&self, walk: &mut Walk<false>) -> Result<(), Refused> {
        self.serialize(walk)
    }
}

/// The size of what `value` holds, itself included; nothing where it refuses to be serialized.
pub(super) fn size(value: &dyn Measured) -> Option<usize> {
    // As numbers rather than texts, where a type can be both.
    let mut walk = Walk::<false>::new(false);
    value.walk(&mut walk).ok()?;
    Some(walk.bytes.max(size_of_val(value)))
}

/// What `value` consists of, as one number; nothing where it refuses to be serialized.
///
/// Names of fields, keys of maps, variants, what is there and what is not, and how it is nested: all but
/// the numbers and the texts themselves, and the order, which a hash map does not keep. The number is
/// part of what is kept: it depends on neither process nor platform.
#[cfg(any(feature = "json", feature = "msgpack", test))]
pub(crate) fn shape<T: Serialize>(value: &T, is_human_readable: bool) -> Option<u64> {
    let mut walk = Walk::<true>::new(is_human_readable);
    value.serialize(&mut walk).ok()?;
    Some(walk.shape)
}

/// One kind of thing that a value consists of. Which number each has is kept, so new ones go to the end.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
enum Kind {
    Bool = 1,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    F32,
    F64,
    Char,
    Str,
    Bytes,
    None,
    Some,
    Unit,
    UnitStruct,
    NewtypeStruct,
    TupleStruct,
    Struct,
    Field,
    Tuple,
    Seq,
    Map,
    Key,
    Value,
    UnitVariant,
    NewtypeVariant,
    TupleVariant,
    StructVariant,
}

/// Changed whenever a value gets another shape than before: then no older one is taken for it.
const SEED: u64 = 0x6361_6368_6564_1001;
/// Odd and without a pattern: digits of pi.
const MIX: u64 = 0x243F_6A88_85A3_08D3;

fn mix(a: u64, b: u64) -> u64 {
    let (low, high) = (a ^ b).carrying_mul(MIX, 0);
    low ^ high
}

/// The shape costs more than the size, so it is computed only where it is wanted.
pub(super) struct Walk<const HAS_SHAPE: bool> {
    bytes: usize,
    /// The sum of all that was noted, each together with the place that it was noted at.
    shape: u64,
    /// The names of all that the walk is in.
    place: u64,
    /// Whether it is in the key of a map. `flatten` and `tag` write there what they read as names.
    is_key: bool,
    /// What the last key of a map added to the shape: the place of its value.
    key: u64,
    is_human_readable: bool,
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it is what a serializer's methods return"
)]
impl<const HAS_SHAPE: bool> Walk<HAS_SHAPE> {
    fn new(is_human_readable: bool) -> Self {
        Self {
            bytes: 0,
            shape: 0,
            place: SEED,
            is_key: false,
            key: 0,
            is_human_readable,
        }
    }

    fn add(&mut self, bytes: usize) -> Result<(), Refused> {
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// The pointer, the length and the capacity of something on the heap.
    fn add_heap(&mut self, bytes: usize) -> Result<(), Refused> {
        self.add(bytes.saturating_add(size_of::<Vec<u8>>()))
    }

    fn note(&mut self, kind: Kind) {
        self.note_hash(kind, 0);
    }

    fn note_name(&mut self, kind: Kind, name: &str) {
        if HAS_SHAPE {
            self.note_hash(kind, xxh3_64(name.as_bytes()));
        }
    }

    fn note_variant(&mut self, kind: Kind, name: &str, variant: &str) {
        if HAS_SHAPE {
            let name = xxh3_64(name.as_bytes());
            self.note_hash(kind, xxh3_64_with_seed(variant.as_bytes(), name));
        }
    }

    fn note_hash(&mut self, kind: Kind, hash: u64) {
        if HAS_SHAPE {
            let noted = mix(mix(self.place, kind as u64), hash);
            self.shape = self.shape.wrapping_add(noted);
        }
    }

    /// Walks a part of the value, whose place is told from that of other parts by `hash`.
    fn part<T: Serialize + ?Sized>(
        &mut self,
        kind: Kind,
        hash: u64,
        part: &T,
    ) -> Result<(), Refused> {
        if !HAS_SHAPE {
            return part.serialize(self);
        }
        let (place, is_key) = (self.place, self.is_key);
        self.place = mix(mix(place, kind as u64), hash);
        self.is_key = matches!(kind, Kind::Key);
        let result = part.serialize(&mut *self);
        (self.place, self.is_key) = (place, is_key);
        result
    }

    fn field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        if !HAS_SHAPE {
            return value.serialize(self);
        }
        let hash = xxh3_64(name.as_bytes());
        self.note_hash(Kind::Field, hash);
        self.part(Kind::Field, hash, value)
    }
}

/// A value's own reason not to be serialized. Nobody reads it: the value is then not weighed.
#[derive(Debug)]
pub(super) struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value cannot be serialized")
    }
}

impl std::error::Error for Refused {}

impl Error for Refused {
    fn custom<T: fmt::Display>(_reason: T) -> Self {
        Self
    }
}

/// Values whose size is that of their type.
macro_rules! sized {
    ($($method:ident($ty:ty) $kind:ident)+) => {$(
        fn $method(self, value: $ty) -> Result<(), Refused> {
            self.note(Kind::$kind);
            self.add(size_of_val(&value))
        }
    )+};
}

/// Values that consist of others without names.
macro_rules! compound {
    ($($trait:ident::$method:ident $kind:ident)+) => {$(
        impl<const HAS_SHAPE: bool> $trait for &mut Walk<HAS_SHAPE> {
            type Ok = ();
            type Error = Refused;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
                self.part(Kind::$kind, 0, value)
            }

            fn end(self) -> Result<(), Refused> {
                Ok(())
            }
        }
    )+};
}

/// Values that consist of others with names. A field that is skipped is not part of the value.
macro_rules! named {
    ($($trait:ident)+) => {$(
        impl<const HAS_SHAPE: bool> $trait for &mut Walk<HAS_SHAPE> {
            type Ok = ();
            type Error = Refused;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Refused> {
                self.field(name, value)
            }

            fn end(self) -> Result<(), Refused> {
                Ok(())
            }
        }
    )+};
}

compound! {
    SerializeSeq::serialize_element Seq
    SerializeTuple::serialize_element Tuple
    SerializeTupleStruct::serialize_field TupleStruct
    SerializeTupleVariant::serialize_field TupleVariant
}
named!(SerializeStruct SerializeStructVariant);

impl<const HAS_SHAPE: bool> SerializeMap for &mut Walk<HAS_SHAPE> {
    type Ok = ();
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        let before = self.shape;
        self.part(Kind::Key, 0, key)?;
        self.key = self.shape.wrapping_sub(before);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        self.part(Kind::Value, self.key, value)
    }

    fn end(self) -> Result<(), Refused> {
        Ok(())
    }
}

impl<const HAS_SHAPE: bool> Serializer for &mut Walk<HAS_SHAPE> {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    fn is_human_readable(&self) -> bool {
        self.is_human_readable
    }

    sized! {
        serialize_bool(bool) Bool serialize_char(char) Char
        serialize_i8(i8) I8 serialize_i16(i16) I16 serialize_i32(i32) I32 serialize_i64(i64) I64
        serialize_u8(u8) U8 serialize_u16(u16) U16 serialize_u32(u32) U32 serialize_u64(u64) U64
        serialize_i128(i128) I128 serialize_u128(u128) U128
        serialize_f32(f32) F32 serialize_f64(f64) F64
    }

    fn serialize_str(self, value: &str) -> Result<(), Refused> {
        if self.is_key {
            self.note_name(Kind::Str, value);
        } else {
            self.note(Kind::Str);
        }
        self.add_heap(value.len())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Refused> {
        self.note(Kind::Bytes);
        self.add_heap(value.len())
    }

    /// What a value would have been is not told: it takes its room all the same, a word or more.
    fn serialize_none(self) -> Result<(), Refused> {
        self.note(Kind::None);
        self.add(size_of::<Option<u64>>())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        self.note(Kind::Some);
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Refused> {
        self.note(Kind::Unit);
        Ok(())
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<(), Refused> {
        self.note_name(Kind::UnitStruct, name);
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), Refused> {
        self.note_variant(Kind::UnitVariant, name, variant);
        self.add(size_of::<u8>())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        self.note_name(Kind::NewtypeStruct, name);
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        self.note_variant(Kind::NewtypeVariant, name, variant);
        self.add(size_of::<usize>())?;
        value.serialize(self)
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Self, Refused> {
        self.note(Kind::Seq);
        self.add_heap(0)?;
        Ok(self)
    }

    fn serialize_tuple(self, len: usize) -> Result<Self, Refused> {
        self.note_hash(Kind::Tuple, len as u64);
        Ok(self)
    }

    fn serialize_tuple_struct(self, name: &'static str, _len: usize) -> Result<Self, Refused> {
        self.note_name(Kind::TupleStruct, name);
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Self, Refused> {
        self.note_variant(Kind::TupleVariant, name, variant);
        self.add(size_of::<usize>())?;
        Ok(self)
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Self, Refused> {
        self.note(Kind::Map);
        self.add_heap(0)?;
        Ok(self)
    }

    fn serialize_struct(self, name: &'static str, _len: usize) -> Result<Self, Refused> {
        self.note_name(Kind::Struct, name);
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Self, Refused> {
        self.note_variant(Kind::StructVariant, name, variant);
        self.add(size_of::<usize>())?;
        Ok(self)
    }

    /// Without the text that types which know nothing better would write, but for keys.
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Refused> {
        if HAS_SHAPE && self.is_key {
            let mut text = String::new();
            fmt::write(&mut text, format_args!("{value}")).map_err(|_| Refused)?;
            return self.serialize_str(&text);
        }
        self.note(Kind::Str);
        let mut length = Length(0);
        fmt::write(&mut length, format_args!("{value}")).map_err(|_| Refused)?;
        self.add_heap(length.0)
    }
}

/// Counts a text that nobody keeps.
struct Length(usize);

impl fmt::Write for Length {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use super::*;

    #[derive(serde::Serialize)]
    struct Order {
        id: u64,
        lines: Vec<u32>,
        note: Option<String>,
        state: State,
    }

    #[derive(serde::Serialize)]
    enum State {
        Open,
        Paid { cents: i64 },
    }

    #[test]
    fn a_shape_says_what_is_there_and_where() {
        use serde_json::json;

        let shape = |value: serde_json::Value| shape(&value, true);
        assert_eq!(
            shape(json!({"a": 1, "b": "x"})),
            shape(json!({"b": "y", "a": 2}))
        );
        for (one, other) in [
            (json!({"a": 1}), json!({"b": 1})),
            (json!({"a": 1, "b": "x"}), json!({"a": "x", "b": 1})),
            (json!({"a": 1, "b": {}}), json!({"b": {"a": 1}})),
            (json!([[], [1]]), json!([[], [1, 1]])),
            (json!([[[]], []]), json!([[], [], []])),
            (json!(null), json!([])),
            (json!(1), json!(-1)),
        ] {
            assert_ne!(
                shape(one.clone()),
                shape(other.clone()),
                "{one} and {other}"
            );
        }
    }

    #[test]
    fn a_shape_has_no_order() {
        let keys = || (0..100_u32).map(|n| (n.to_string(), Some(n).filter(|n| n % 3 > 0)));
        let maps: [HashMap<_, _>; 2] = [keys().collect(), keys().rev().collect()];
        let walked = maps.each_ref().map(|map| shape(map, true));
        assert_eq!(walked[0], walked[1]);
        assert_eq!(walked[0], shape(&keys().collect::<BTreeMap<_, _>>(), true));
    }

    #[test]
    fn a_value_weighs_what_it_takes_in_memory() {
        let vector = size_of::<Vec<u8>>();
        assert_eq!(size(&7_u64), Some(8));
        assert_eq!(size(&vec![1_u64; 1_000]), Some(8_000 + vector));
        assert_eq!(size(&"x".repeat(100)), Some(100 + vector));
        assert_eq!(
            size(&vec!["ab".to_owned(); 10]),
            Some(10 * (2 + vector) + vector)
        );
        assert_eq!(size(&[0_u8; 32]), Some(32));
        assert_eq!(size(&BTreeMap::from([(1_u64, 2_u64)])), Some(16 + vector));
        assert_eq!(size(&Some(std::sync::Arc::new([1_u16; 4]))), Some(8));
        let order = |state| Order {
            id: 1,
            lines: vec![1, 2],
            note: Some("hi".into()),
            state,
        };
        let rest = 8 + 8 + vector + 2 + vector;
        assert_eq!(
            size(&order(State::Open)),
            Some((rest + 1).max(size_of::<Order>()))
        );
        assert_eq!(size(&order(State::Paid { cents: 1 })), Some(rest + 16));
    }
}
