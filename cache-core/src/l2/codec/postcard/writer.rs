//! The serializer: each value goes to postcard, and what was asked goes into the [`Shape`].
//!
//! It refuses what [`Reader`](super::reader::Reader) could not read again, by the same counts.

mod parts;

use parts::{Compound, Fields};
use serde::ser::{Serialize, Serializer};

use super::{
    limits::Limits,
    names::{Names, Tape},
    refused::Refused,
    shape::{Kind, Name, Shape},
};

type Done = Result<(), Refused>;

pub(super) struct Writer<'a> {
    postcard: postcard::Serializer<Bytes<'a>>,
    shape: Shape,
    limits: Limits,
    /// What fields are called, where somebody wants to know.
    tape: Option<Tape>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self {
            postcard: postcard::Serializer {
                output: Bytes(bytes),
            },
            shape: Shape::new(),
            limits: Limits::default(),
            tape: None,
        }
    }

    pub(super) fn noting_names(bytes: &'a mut Vec<u8>) -> Self {
        Self {
            tape: Some(Tape::default()),
            ..Self::new(bytes)
        }
    }

    /// Appends the shape.
    pub(super) fn finish(self) -> Result<(), Refused> {
        self.limits.finish()?;
        self.postcard.output.0.extend(self.shape.finish());
        Ok(())
    }

    pub(super) fn into_names(self) -> Result<Names, Refused> {
        self.limits.finish()?;
        Ok(self.tape.map(Tape::into_names).unwrap_or_default())
    }

    #[inline]
    fn written(&self) -> usize {
        self.postcard.output.0.len()
    }

    #[inline]
    fn compound<'w>(&'w mut self, kind: Kind, len: usize) -> Result<Compound<'w, 'a>, Refused> {
        self.shape.counted(kind, len);
        self.limits.enter()?;
        Ok(Compound::new(self, len))
    }

    #[inline]
    fn fields<'w>(&'w mut self, name: &'static str) -> Result<Fields<'w, 'a>, Refused> {
        self.limits.enter()?;
        if let Some(tape) = &mut self.tape {
            tape.begin(name);
        }
        Ok(Fields::new(self))
    }

    #[inline]
    fn nested<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.limits.enter()?;
        value.serialize(&mut *self)?;
        self.limits.leave();
        Ok(())
    }

    /// The index as postcard writes it, and enough of the name: with aliases or skipped variants, a
    /// reader cannot tell from the index which of its names is meant.
    #[inline]
    fn variant(&mut self, name: &'static str, index: u32, variant: &'static str) -> Done {
        if let Some(tape) = &mut self.tape {
            tape.variant(name, index, variant);
        }
        let variant = Name::of(variant);
        self.shape.named(Kind::Enum, Name::of(name));
        self.shape.variant(index, variant);
        self.postcard.serialize_u32(index)?;
        self.postcard.output.0.extend(variant.short());
        Ok(())
    }

    #[cold]
    fn without_length(&mut self, what: &str) -> Refused {
        self.limits.fail(format_args!(
            "a {what} of unknown length cannot be written in postcard, which is also what becomes of \
             `#[serde(flatten)]`: write `codec = json`"
        ))
    }

    #[cold]
    fn skipped(&mut self, field: &'static str) -> Refused {
        self.limits.fail(format_args!(
            "the field `{field}` was skipped: in postcard it would be missed when reading. Remove \
             `skip_serializing_if`, or write `codec = json`"
        ))
    }
}

macro_rules! primitive {
    ($($method:ident($ty:ty) $kind:ident)+) => {$(
        #[inline]
        fn $method(self, value: $ty) -> Done {
            self.shape.kind(Kind::$kind);
            Ok(self.postcard.$method(value)?)
        }
    )+};
}

impl<'w, 'a> Serializer for &'w mut Writer<'a> {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Compound<'w, 'a>;
    type SerializeTuple = Compound<'w, 'a>;
    type SerializeTupleStruct = Compound<'w, 'a>;
    type SerializeTupleVariant = Compound<'w, 'a>;
    type SerializeMap = Compound<'w, 'a>;
    type SerializeStruct = Fields<'w, 'a>;
    type SerializeStructVariant = Fields<'w, 'a>;

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    primitive! {
        serialize_bool(bool) Bool
        serialize_i8(i8) I8
        serialize_i16(i16) I16
        serialize_i32(i32) I32
        serialize_i64(i64) I64
        serialize_i128(i128) I128
        serialize_u8(u8) U8
        serialize_u16(u16) U16
        serialize_u32(u32) U32
        serialize_u64(u64) U64
        serialize_u128(u128) U128
        serialize_f32(f32) F32
        serialize_f64(f64) F64
        serialize_char(char) Char
        serialize_str(&str) Str
        serialize_bytes(&[u8]) Bytes
    }

    #[inline]
    fn serialize_none(self) -> Done {
        self.shape.kind(Kind::None);
        Ok(self.postcard.serialize_none()?)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        self.shape.kind(Kind::Some);
        // Nothing but the mark: the value comes through here.
        self.postcard.serialize_some(&())?;
        self.nested(value)
    }

    #[inline]
    fn serialize_unit(self) -> Done {
        self.shape.kind(Kind::Unit);
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, name: &'static str) -> Done {
        self.shape.named(Kind::UnitStruct, Name::of(name));
        self.shape.kind(Kind::Unit);
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(self, name: &'static str, index: u32, variant: &'static str) -> Done {
        self.variant(name, index, variant)?;
        self.shape.kind(Kind::UnitVariant);
        Ok(())
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Done {
        self.shape.named(Kind::NewtypeStruct, Name::of(name));
        self.nested(value)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Done {
        self.variant(name, index, variant)?;
        self.shape.kind(Kind::NewtypeVariant);
        self.nested(value)
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Compound<'w, 'a>, Refused> {
        let Some(len) = len else {
            return Err(self.without_length("sequence"));
        };
        self.postcard.serialize_seq(Some(len))?;
        self.compound(Kind::Seq, len)
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Compound<'w, 'a>, Refused> {
        self.compound(Kind::Tuple, len)
    }

    #[inline]
    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Compound<'w, 'a>, Refused> {
        self.shape.named(Kind::TupleStruct, Name::of(name));
        self.compound(Kind::Tuple, len)
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Compound<'w, 'a>, Refused> {
        self.variant(name, index, variant)?;
        self.compound(Kind::TupleVariant, len)
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Compound<'w, 'a>, Refused> {
        let Some(len) = len else {
            return Err(self.without_length("map"));
        };
        self.postcard.serialize_map(Some(len))?;
        self.compound(Kind::Map, len)
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, _len: usize) -> Result<Fields<'w, 'a>, Refused> {
        self.shape.named(Kind::Struct, Name::of(name));
        self.fields(name)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Fields<'w, 'a>, Refused> {
        self.variant(name, index, variant)?;
        self.shape.kind(Kind::StructVariant);
        self.fields(variant)
    }
}

/// The caller's vector, as postcard wants it.
struct Bytes<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Bytes<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
