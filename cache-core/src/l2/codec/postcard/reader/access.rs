//! The parts of sequences, tuples, structs and maps, one after another.

use serde::de::{DeserializeSeed, MapAccess, SeqAccess};

use super::{super::refused::Refused, Reader};

/// Where the number of elements comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    ByType,
    ByBytes,
}

/// Elements of a sequence or a tuple, fields of a struct, or entries of a map.
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

    /// How many were not asked for.
    #[inline]
    pub(super) fn left(self) -> usize {
        self.left
    }

    #[inline]
    fn take(&mut self) -> bool {
        let Some(left) = self.left.checked_sub(1) else {
            return false;
        };
        self.left = left;
        if self.given == Given::ByBytes {
            self.reader.limits.begin();
        }
        true
    }

    /// Room to reserve: for elements that take no bytes, none.
    #[inline]
    fn hint(&self) -> usize {
        self.left.min(self.reader.rest.len())
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
        Some(self.hint())
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
        Some(self.hint())
    }
}
