//! About how many bytes of memory a value takes, as far as serde shows it: a serializer that counts.
//!
//! An encoding would be the wrong measure: it is made to be smaller than what it encodes, a vector of
//! small numbers eight times.

use std::{fmt, mem::size_of_val};

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// The size of what `value` holds, itself included; nothing where it refuses to be serialized.
pub(super) fn size<T: Serialize>(value: &T) -> Option<usize> {
    let mut bytes = Bytes(0);
    value.serialize(&mut bytes).ok()?;
    Some(bytes.0.max(size_of::<T>()))
}

struct Bytes(usize);

#[expect(
    clippy::unnecessary_wraps,
    reason = "it is what a serializer's methods return"
)]
impl Bytes {
    fn add(&mut self, bytes: usize) -> Result<(), Refused> {
        self.0 = self.0.saturating_add(bytes);
        Ok(())
    }

    /// The pointer, the length and the capacity of something on the heap.
    fn add_heap(&mut self, bytes: usize) -> Result<(), Refused> {
        self.add(bytes.saturating_add(size_of::<Vec<u8>>()))
    }
}

/// A value's own reason not to be serialized. Nobody reads it: the value is then not weighed.
#[derive(Debug)]
struct Refused;

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
    ($($method:ident($ty:ty))+) => {$(
        fn $method(self, value: $ty) -> Result<(), Refused> {
            self.add(size_of_val(&value))
        }
    )+};
}

/// Values that consist of others.
macro_rules! compound {
    ($($kind:ident::$method:ident $(($name:ident))?)+) => {$(
        impl $kind for &mut Bytes {
            type Ok = ();
            type Error = Refused;

            fn $method<T: Serialize + ?Sized>(&mut self, $($name: &'static str,)? value: &T) -> Result<(), Refused> {
                $(let _ = $name;)?
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), Refused> {
                Ok(())
            }
        }
    )+};
}

compound! {
    SerializeSeq::serialize_element
    SerializeTuple::serialize_element
    SerializeTupleStruct::serialize_field
    SerializeTupleVariant::serialize_field
    SerializeStruct::serialize_field(_name)
    SerializeStructVariant::serialize_field(_name)
}

impl SerializeMap for &mut Bytes {
    type Ok = ();
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Refused> {
        Ok(())
    }
}

impl Serializer for &mut Bytes {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    /// As numbers rather than texts, where a type can be both.
    fn is_human_readable(&self) -> bool {
        false
    }

    sized! {
        serialize_bool(bool) serialize_char(char)
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64) serialize_i128(i128)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64) serialize_u128(u128)
        serialize_f32(f32) serialize_f64(f64)
    }

    fn serialize_str(self, value: &str) -> Result<(), Refused> {
        self.add_heap(value.len())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Refused> {
        self.add_heap(value.len())
    }

    /// What a value would have been is not told: it takes its room all the same, a word or more.
    fn serialize_none(self) -> Result<(), Refused> {
        self.add(size_of::<Option<u64>>())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Refused> {
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Refused> {
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
    ) -> Result<(), Refused> {
        self.add(size_of::<u8>())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        self.add(size_of::<usize>())?;
        value.serialize(self)
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Self, Refused> {
        self.add_heap(0)?;
        Ok(self)
    }

    fn serialize_tuple(self, _len: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _len: usize,
    ) -> Result<Self, Refused> {
        self.add(size_of::<usize>())?;
        Ok(self)
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Self, Refused> {
        self.add_heap(0)?;
        Ok(self)
    }

    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _len: usize,
    ) -> Result<Self, Refused> {
        self.add(size_of::<usize>())?;
        Ok(self)
    }

    /// Without the text that types which know nothing better would write.
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Refused> {
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
    use std::collections::BTreeMap;

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
