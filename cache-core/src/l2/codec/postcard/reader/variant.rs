//! Which variant of an enum it is, and what is in it.

use serde::{
    de::{DeserializeSeed, Deserializer, EnumAccess, VariantAccess, Visitor},
    forward_to_deserialize_any,
};

use super::{
    super::{
        refused::Refused,
        shape::{Kind, Name},
    },
    Given, Reader,
};

/// The variant that the bytes name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Enum {
    index: u32,
    name: &'static str,
}

impl Enum {
    #[inline]
    pub(super) fn take(
        reader: &mut Reader<'_>,
        name: &'static str,
        variants: &'static [&'static str],
    ) -> Result<Self, Refused> {
        let index = reader.take()?;
        let short: [u8; 2] = reader.take()?;
        let is_meant = |variant: &&&'static str| Name::of(variant).short() == short;
        let first = usize::try_from(index)
            .ok()
            .and_then(|index| variants.get(index));
        let variant = if let Some(variant) = first.filter(is_meant) {
            variant
        } else if let Some(variant) = variants.iter().find(is_meant) {
            // The names may have aliases among them, and lack variants that are skipped.
            reader.is_unsure |= !reader.names.has_variant(name, index, variant);
            variant
        } else {
            return Err(reader.limits.fail(format_args!(
                "the enum `{name}` has no such variant: the value was written by another shape of this type"
            )));
        };
        reader.shape.named(Kind::Enum, Name::of(name));
        reader.shape.variant(index, Name::of(variant));
        Ok(Self {
            index,
            name: variant,
        })
    }

    #[inline]
    pub(super) fn of<'r, 'de>(self, reader: &'r mut Reader<'de>) -> Chosen<'r, 'de> {
        Chosen {
            reader,
            variant: self,
        }
    }
}

pub(super) struct Chosen<'r, 'de> {
    reader: &'r mut Reader<'de>,
    variant: Enum,
}

impl<'de> EnumAccess<'de> for Chosen<'_, 'de> {
    type Error = Refused;
    type Variant = Self;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Refused> {
        let variant = seed.deserialize(self.variant)?;
        Ok((variant, self))
    }
}

/// What is folded is what an implementation is told: the name. To derived ones an index would be one in
/// a list of their own.
impl<'de> Deserializer<'de> for Enum {
    type Error = Refused;

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_borrowed_str(self.name)
    }

    #[inline]
    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_u32(self.index)
    }

    #[inline]
    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_u64(self.index.into())
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> VariantAccess<'de> for Chosen<'_, 'de> {
    type Error = Refused;

    #[inline]
    fn unit_variant(self) -> Result<(), Refused> {
        self.reader.shape.kind(Kind::UnitVariant);
        Ok(())
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Refused> {
        self.reader.shape.kind(Kind::NewtypeVariant);
        self.reader.nested(|reader| seed.deserialize(reader))
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Refused> {
        self.reader.shape.counted(Kind::TupleVariant, len);
        self.reader.elements(len, Given::ByType, visitor)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.reader.shape.kind(Kind::StructVariant);
        self.reader.fields(self.variant.name, fields, visitor)
    }
}
