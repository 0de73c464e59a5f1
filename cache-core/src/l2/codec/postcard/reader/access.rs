//! The parts of sequences, tuples, maps and structs, one after another.

use serde::de::{DeserializeSeed, MapAccess, SeqAccess};

use super::{
    super::{
        refused::Refused,
        shape::{Kind, Name},
    },
    Reader,
};

/// Where the number of elements comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    ByType,
    ByBytes,
}

/// Elements of a sequence or a tuple, or entries of a map.
pub(super) struct Elements<'r, 'de> {
    reader: &'r mut Reader<'de>,
    left: usize,
    given: Given,
    /// Of a map: the bytes that were left before the entry whose value comes next.
    entry: Option<usize>,
}

impl<'r, 'de> Elements<'r, 'de> {
    #[inline]
    pub(super) fn new(reader: &'r mut Reader<'de>, len: usize, given: Given) -> Self {
        Self {
            reader,
            left: len,
            given,
            entry: None,
        }
    }

    #[inline]
    pub(super) fn finish(self) -> Result<(), Refused> {
        if self.left > 0 || self.entry.is_some() {
            return Err(self.reader.limits.fail(
                "a `Deserialize` left elements unread: the value was written by another shape of this type",
            ));
        }
        Ok(())
    }

    #[inline]
    fn take(&mut self) -> bool {
        let has_more = self.left > 0;
        self.left -= usize::from(has_more);
        has_more
    }
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Refused;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        if !self.take() {
            return Ok(None);
        }
        let before = self.reader.rest.len();
        let element = seed.deserialize(&mut *self.reader)?;
        if self.given == Given::ByBytes {
            let after = self.reader.rest.len();
            self.reader.limits.count(before - after)?;
        }
        Ok(Some(element))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for Elements<'_, 'de> {
    type Error = Refused;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        if self.entry.is_some() || !self.take() {
            return Ok(None);
        }
        self.entry = Some(self.reader.rest.len());
        seed.deserialize(&mut *self.reader).map(Some)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refused> {
        let Some(before) = self.entry.take() else {
            return Err(self
                .reader
                .limits
                .fail("a `Deserialize` asked for a value before its key"));
        };
        let value = seed.deserialize(&mut *self.reader)?;
        let after = self.reader.rest.len();
        self.reader.limits.count(before - after)?;
        Ok(value)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// Fields of a struct, each after its name.
pub(super) struct Fields<'r, 'de> {
    reader: &'r mut Reader<'de>,
    left: &'static [&'static str],
    /// Where `left` has aliases among the names, and it is known which are none: these.
    known: Option<&'de [&'static str]>,
}

impl<'r, 'de> Fields<'r, 'de> {
    #[inline]
    pub(super) fn new(
        reader: &'r mut Reader<'de>,
        name: &'static str,
        names: &'static [&'static str],
    ) -> Self {
        let known = reader.names.fields(name, names);
        Self {
            reader,
            left: names,
            known,
        }
    }

    #[inline]
    pub(super) fn finish(self) {
        // More names than were asked for: some are aliases.
        let left = self.known.unwrap_or(self.left);
        self.reader.is_unsure |= !left.is_empty();
        self.reader.shape.end();
    }
}

/// The compiler sees what names a derived implementation gives, and then their numbers too.
#[inline]
fn take(names: &mut &[&'static str]) -> Option<Name> {
    let (name, left) = names.split_first()?;
    *names = left;
    Some(Name::of(name))
}

impl<'de> SeqAccess<'de> for Fields<'_, 'de> {
    type Error = Refused;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        let name = match &mut self.known {
            None => take(&mut self.left),
            Some(known) => take(known),
        };
        let Some(name) = name else {
            return Ok(None);
        };
        self.reader.shape.named(Kind::Field, name);
        seed.deserialize(&mut *self.reader).map(Some)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.known.unwrap_or(self.left).len())
    }
}
