//! How much a value may ask for. Writer and reader count alike: what was written can be read.

use std::fmt;

use super::{super::MOST_NESTED, refused::Refused};

/// So many elements of sequences and maps may take no bytes. A length is a promise of work, and only
/// bytes that are there show that somebody kept it.
pub(super) const MOST_EMPTY: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Limits {
    nested: usize,
    empty: usize,
    /// Elements that were announced and have not begun, of all sequences that are open.
    announced: usize,
    /// Something went wrong that serde implementations can hide: what they do next makes no sense.
    is_broken: bool,
}

impl Limits {
    #[inline]
    pub(super) fn enter(&mut self) -> Result<(), Refused> {
        if self.nested == MOST_NESTED {
            return Err(self.fail(format_args!(
                "the value is nested deeper than {MOST_NESTED} levels: keep a flatter one"
            )));
        }
        self.nested += 1;
        Ok(())
    }

    #[inline]
    pub(super) fn leave(&mut self) {
        self.nested = self.nested.saturating_sub(1);
    }

    /// An element that took so many bytes.
    #[inline]
    pub(super) fn count(&mut self, bytes: usize) -> Result<(), Refused> {
        if bytes == 0 {
            if self.empty == MOST_EMPTY {
                return Err(self.fail(format_args!(
                    "more than {MOST_EMPTY} elements take no bytes: keep their number instead"
                )));
            }
            self.empty += 1;
        }
        Ok(())
    }

    /// A reader comes to so many elements, with so many bytes left. They share these with all elements
    /// announced before: however sequences are nested, room for them is a multiple of the bytes.
    #[inline]
    pub(super) fn announce(&mut self, elements: usize, bytes: usize) -> Result<(), Refused> {
        let announced = self.announced.saturating_add(elements);
        if announced > bytes.saturating_add(MOST_EMPTY - self.empty) {
            return Err(self.fail(format_args!(
                "{elements} elements are announced, with {bytes} bytes left"
            )));
        }
        self.announced = announced;
        Ok(())
    }

    /// One that was announced begins.
    #[inline]
    pub(super) fn begin(&mut self) {
        self.announced = self.announced.saturating_sub(1);
    }

    #[cold]
    pub(super) fn fail(&mut self, reason: impl fmt::Display) -> Refused {
        self.is_broken = true;
        Refused::new(reason)
    }

    /// An error inside a compound that did not end the whole leaves it entered.
    pub(super) fn finish(&self) -> Result<(), Refused> {
        if self.is_broken || self.nested > 0 {
            return Err(Refused::new(
                "a part of the value failed, and its serde implementation went on: let it return the \
                 error",
            ));
        }
        Ok(())
    }
}
