//! The deserializer: each value comes from postcard, and what was asked goes into the [`Shape`], such
//! that an implementation which mirrors what [`Writer`](super::writer::Writer) was told has the same.
//!
//! The bytes may be anything.

mod access;
mod variant;

use serde::de::{Deserialize, Deserializer, Visitor};

use access::{Elements, Given};
use variant::Enum;

use super::{
    limits::Limits,
    names::Names,
    refused::Refused,
    shape::{Kind, Name, Shape},
};

pub(super) struct Reader<'de> {
    rest: &'de [u8],
    shape: Shape,
    limits: Limits,
    names: &'de Names,
    is_unsure: bool,
    /// What a struct's fields are called, and as one: elements of a sequence follow each other.
    last: (&'de [&'static str], Name),
}

/// What reading has shown.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) shape: [u8; 8],
    /// A struct has more names than fields, or a variant is elsewhere among its names than its index says:
    /// which names are meant is not known.
    pub(super) is_unsure: bool,
}

impl<'de> Reader<'de> {
    pub(super) fn new(bytes: &'de [u8], names: &'de Names) -> Self {
        Self {
            rest: bytes,
            shape: Shape::new(),
            limits: Limits::default(),
            names,
            is_unsure: false,
            last: (&[], Name::of_all(&[])),
        }
    }

    pub(super) fn finish(self) -> Result<Reading, Refused> {
        self.limits.finish()?;
        if !self.rest.is_empty() {
            return Err(Refused::new(format_args!(
                "{} bytes are left over: the value was written by another shape of this type",
                self.rest.len()
            )));
        }
        Ok(Reading {
            shape: self.shape.finish(),
            is_unsure: self.is_unsure,
        })
    }

    /// The next value, as postcard reads it.
    #[inline]
    fn take<T: Deserialize<'de>>(&mut self) -> Result<T, Refused> {
        match postcard::take_from_bytes(self.rest) {
            Ok((value, rest)) => {
                self.rest = rest;
                Ok(value)
            }
            Err(error) => Err(self.limits.fail(Refused::from(error))),
        }
    }

    /// How many elements or entries follow.
    #[inline]
    fn take_length(&mut self, kind: Kind) -> Result<usize, Refused> {
        let len = self.take()?;
        self.limits.announce(len, self.rest.len())?;
        self.shape.counted(kind, len);
        Ok(len)
    }

    #[inline]
    fn elements<V: Visitor<'de>>(
        &mut self,
        len: usize,
        given: Given,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.nested(|reader| {
            let mut elements = Elements::new(reader, len, given);
            let value = visitor.visit_seq(&mut elements)?;
            elements.finish().map(|()| value)
        })
    }

    #[inline]
    fn fields<V: Visitor<'de>>(
        &mut self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.nested(|reader| {
            let fields = reader.names.fields(name, fields).unwrap_or(fields);
            let mut elements = Elements::new(reader, fields.len(), Given::ByType);
            let value = visitor.visit_seq(&mut elements)?;
            // More names than were asked for: some are aliases.
            reader.is_unsure |= elements.left() > 0;
            let fields = reader.name(fields);
            reader.shape.end(fields);
            Ok(value)
        })
    }

    #[inline]
    fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        self.limits.enter()?;
        let value = read(self)?;
        self.limits.leave();
        Ok(value)
    }

    /// The names of fields as one.
    #[inline]
    fn name(&mut self, fields: &'de [&'static str]) -> Name {
        let (last, mut name) = self.last;
        if !std::ptr::eq(last, fields) {
            name = Name::of_all(fields);
            self.last = (fields, name);
        }
        name
    }

    #[cold]
    fn undescribed(&mut self) -> Refused {
        self.limits.fail(
            "postcard does not say what a value is, which `serde_json::Value` and \
             `#[serde(untagged)]`, `tag` or `flatten` ask for: write `codec = json`",
        )
    }
}

macro_rules! primitive {
    ($($method:ident $kind:ident $visit:ident)+) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
            self.shape.kind(Kind::$kind);
            visitor.$visit(self.take()?)
        }
    )+};
}

macro_rules! undescribed {
    ($($method:ident)+) => {$(
        #[cold]
        fn $method<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Refused> {
            Err(self.undescribed())
        }
    )+};
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Refused;

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    undescribed!(deserialize_any deserialize_ignored_any deserialize_identifier);

    primitive! {
        deserialize_bool Bool visit_bool
        deserialize_i8 I8 visit_i8
        deserialize_i16 I16 visit_i16
        deserialize_i32 I32 visit_i32
        deserialize_i64 I64 visit_i64
        deserialize_i128 I128 visit_i128
        deserialize_u8 U8 visit_u8
        deserialize_u16 U16 visit_u16
        deserialize_u32 U32 visit_u32
        deserialize_u64 U64 visit_u64
        deserialize_u128 U128 visit_u128
        deserialize_f32 F32 visit_f32
        deserialize_f64 F64 visit_f64
        deserialize_char Char visit_char
        deserialize_str Str visit_borrowed_str
        deserialize_string Str visit_borrowed_str
        deserialize_bytes Bytes visit_borrowed_bytes
        deserialize_byte_buf Bytes visit_borrowed_bytes
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        if self.take::<Option<()>>()?.is_none() {
            self.shape.kind(Kind::None);
            return visitor.visit_none();
        }
        self.shape.kind(Kind::Some);
        self.nested(|reader| visitor.visit_some(reader))
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.shape.kind(Kind::Unit);
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.shape.named(Kind::UnitStruct, Name::of(name));
        self.shape.kind(Kind::Unit);
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.shape.named(Kind::NewtypeStruct, Name::of(name));
        self.nested(|reader| visitor.visit_newtype_struct(reader))
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let len = self.take_length(Kind::Seq)?;
        self.elements(len, Given::ByBytes, visitor)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.shape.counted(Kind::Tuple, len);
        self.elements(len, Given::ByType, visitor)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.shape.named(Kind::TupleStruct, Name::of(name));
        self.deserialize_tuple(len, visitor)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let len = self.take_length(Kind::Map)?;
        self.nested(|reader| {
            let mut entries = Elements::new(reader, len, Given::ByBytes);
            let value = visitor.visit_map(&mut entries)?;
            entries.finish().map(|()| value)
        })
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.shape.named(Kind::Struct, Name::of(name));
        self.fields(name, fields, visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let chosen = Enum::take(self, name, variants)?;
        visitor.visit_enum(chosen.of(self))
    }
}
