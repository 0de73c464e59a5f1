//! What visitors are handed to read the parts of a value: elements, pairs, fields, variants.

use serde::de::{
    DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::{
    record::{Form, Names, Position},
    tracer::{Refused, Tracer},
};

/// The elements of a sequence, all in one slot.
pub(super) struct Elements<'t> {
    tracer: &'t mut Tracer,
    definition: usize,
    left: usize,
}

impl<'t> Elements<'t> {
    pub(super) fn new(tracer: &'t mut Tracer, definition: usize, len: usize) -> Self {
        Self {
            tracer,
            definition,
            left: len,
        }
    }
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Refused;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        self.tracer.step()?;
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        let element = Position::new(self.definition, 0, 0);
        self.tracer.read(element, seed).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// One pair of a map, or none.
pub(super) struct Pairs<'t> {
    tracer: &'t mut Tracer,
    definition: usize,
    has_next: bool,
}

impl<'t> Pairs<'t> {
    pub(super) fn new(tracer: &'t mut Tracer, definition: usize, has_pair: bool) -> Self {
        Self {
            tracer,
            definition,
            has_next: has_pair,
        }
    }
}

impl<'de> MapAccess<'de> for Pairs<'_> {
    type Error = Refused;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        self.tracer.step()?;
        if !std::mem::take(&mut self.has_next) {
            return Ok(None);
        }
        let key = Position::new(self.definition, 0, 0);
        self.tracer.read(key, seed).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refused> {
        let value = Position::new(self.definition, 0, 1);
        self.tracer.read(value, seed)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.has_next.into())
    }
}

/// Places one after the other, with names where they are the fields of a struct.
pub(super) struct Fields<'t> {
    tracer: &'t mut Tracer,
    first: Position,
    names: Names,
    len: usize,
    next: usize,
    /// The variant of the enum in the first of two fields.
    pub(super) tag: Option<(usize, usize)>,
}

impl<'t> Fields<'t> {
    pub(super) fn new(tracer: &'t mut Tracer, first: Position, names: Names, len: usize) -> Self {
        Self {
            tracer,
            first,
            names,
            len,
            next: 0,
            tag: None,
        }
    }

    fn read<'de, S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refused> {
        let position = match self.tag {
            Some((tag, branch)) => Position::new(tag, branch, 0),
            None => Position {
                slot: self.first.slot + self.next,
                ..self.first
            },
        };
        self.next += 1;
        let value = self.tracer.read(position, seed)?;
        let tag = self.tracer.run.tag.take();
        if let Some((_, id, branch)) = tag.filter(|(lies_at, ..)| *lies_at == position) {
            self.tag = Some((id, branch));
        }
        Ok(value)
    }
}

impl<'de> SeqAccess<'de> for Fields<'_> {
    type Error = Refused;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        self.tracer.step()?;
        if self.next == self.len {
            return Ok(None);
        }
        self.read(seed).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.len - self.next)
    }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Refused;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        self.tracer.step()?;
        let Some(name) = self.names.get(self.next) else {
            return Ok(None);
        };
        seed.deserialize(name.into_deserializer()).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refused> {
        self.read(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.len - self.next)
    }
}

/// One variant of an enum, by its name.
pub(super) struct Variant<'t> {
    tracer: &'t mut Tracer,
    definition: usize,
    branch: usize,
    name: &'static str,
}

impl<'t> Variant<'t> {
    pub(super) fn new(
        tracer: &'t mut Tracer,
        definition: usize,
        branch: usize,
        name: &'static str,
    ) -> Self {
        Self {
            tracer,
            definition,
            branch,
            name,
        }
    }

    /// Notes the form. Where the content begins: what follows an enum comes before it.
    fn content(&mut self, form: Form) -> Position {
        self.tracer
            .record
            .see_form(self.definition, self.branch, form);
        Position::new(self.definition, self.branch, 1)
    }
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Refused;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Refused> {
        let variant = seed.deserialize(self.name.into_deserializer())?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Refused;

    fn unit_variant(mut self) -> Result<(), Refused> {
        self.content(Form::Unit);
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        mut self,
        seed: S,
    ) -> Result<S::Value, Refused> {
        let content = self.content(Form::Newtype);
        self.tracer.read(content, seed)
    }

    fn tuple_variant<V: Visitor<'de>>(
        mut self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let content = self.content(Form::Tuple(len));
        visitor.visit_seq(Fields::new(self.tracer, content, &[], len))
    }

    fn struct_variant<V: Visitor<'de>>(
        mut self,
        fields: Names,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let content = self.content(Form::Struct(fields));
        visitor.visit_seq(Fields::new(self.tracer, content, fields, fields.len()))
    }
}
