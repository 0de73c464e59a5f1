//! A deserializer around another that counts how deep values are nested, and lets nobody reserve more
//! room for elements than there are bytes.
//!
//! `serde_json` and `rmp-serde` count less: in a type that is an option of itself, one byte that is not
//! null takes them down for ever.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::MOST_NESTED;

/// What around values has to know.
#[derive(Clone, Copy, Debug)]
struct Room {
    levels: usize,
    /// The most elements to reserve room for. Each level has half of what is around it, so that all
    /// together have no more than twice the first, however sequences are nested.
    elements: usize,
}

impl Room {
    /// The room within a value.
    fn within<E: Error>(self) -> Result<Self, E> {
        let Some(levels) = self.levels.checked_sub(1) else {
            return Err(E::custom(format_args!(
                "the value is nested deeper than {MOST_NESTED} levels"
            )));
        };
        Ok(Self {
            levels,
            elements: self.elements / 2,
        })
    }

    fn hint(self, elements: Option<usize>) -> Option<usize> {
        elements.map(|elements| elements.min(self.elements))
    }
}

/// Anything of serde's, in a room: deserializers, visitors, seeds, what gives access to parts.
pub(super) struct Nested<X> {
    inner: X,
    room: Room,
}

impl<X> Nested<X> {
    pub(super) fn new(inner: X, bytes: &[u8]) -> Self {
        let room = Room {
            levels: MOST_NESTED,
            elements: bytes.len(),
        };
        Self { inner, room }
    }
}

macro_rules! deserialize {
    ($($method:ident($($argument:ident: $ty:ty),*))+) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($argument: $ty,)* visitor: V) -> Result<V::Value, D::Error> {
            let Self { inner, room } = self;
            inner.$method($($argument,)* Nested { inner: visitor, room })
        }
    )+};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Nested<D> {
    type Error = D::Error;

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }

    deserialize! {
        deserialize_any() deserialize_bool() deserialize_char()
        deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64()
        deserialize_str() deserialize_string() deserialize_bytes() deserialize_byte_buf()
        deserialize_option() deserialize_unit() deserialize_seq() deserialize_map()
        deserialize_identifier() deserialize_ignored_any()
        deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str)
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }
}

macro_rules! visit {
    ($($method:ident($ty:ty))+) => {$(
        #[inline]
        fn $method<E: Error>(self, value: $ty) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )+};
}

macro_rules! visit_within {
    ($($method:ident($bound:ident))+) => {$(
        #[inline]
        fn $method<A: $bound<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
            let room = self.room.within()?;
            self.inner.$method(Nested { inner, room })
        }
    )+};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Nested<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    visit! {
        visit_bool(bool) visit_char(char)
        visit_i8(i8) visit_i16(i16) visit_i32(i32) visit_i64(i64) visit_i128(i128)
        visit_u8(u8) visit_u16(u16) visit_u32(u32) visit_u64(u64) visit_u128(u128)
        visit_f32(f32) visit_f64(f64)
        visit_str(&str) visit_borrowed_str(&'de str) visit_string(String)
        visit_bytes(&[u8]) visit_borrowed_bytes(&'de [u8]) visit_byte_buf(Vec<u8>)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    visit_within! {
        visit_some(Deserializer)
        visit_newtype_struct(Deserializer)
        visit_seq(SeqAccess)
        visit_map(MapAccess)
        visit_enum(EnumAccess)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Nested<S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        let room = self.room;
        self.inner.deserialize(Nested { inner, room })
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Nested<A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        inner: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let room = self.room;
        self.inner.next_element_seed(Nested { inner, room })
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.room.hint(self.inner.size_hint())
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Nested<A> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        inner: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let room = self.room;
        self.inner.next_key_seed(Nested { inner, room })
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, inner: S) -> Result<S::Value, A::Error> {
        let room = self.room;
        self.inner.next_value_seed(Nested { inner, room })
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.room.hint(self.inner.size_hint())
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Nested<A> {
    type Error = A::Error;
    type Variant = Nested<A::Variant>;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        inner: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let room = self.room;
        let (value, inner) = self.inner.variant_seed(Nested { inner, room })?;
        Ok((value, Nested { inner, room }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Nested<A> {
    type Error = A::Error;

    #[inline]
    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, inner: S) -> Result<S::Value, A::Error> {
        let Self {
            inner: access,
            room,
        } = self;
        access.newtype_variant_seed(Nested { inner, room })
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, inner: V) -> Result<V::Value, A::Error> {
        let Self {
            inner: access,
            room,
        } = self;
        access.tuple_variant(len, Nested { inner, room })
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        inner: V,
    ) -> Result<V::Value, A::Error> {
        let Self {
            inner: access,
            room,
        } = self;
        access.struct_variant(fields, Nested { inner, room })
    }
}
