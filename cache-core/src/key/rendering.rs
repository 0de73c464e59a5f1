//! Keys that are kept, or looked for where others look too: as bytes or as text. Cold: a hit that its thread has at hand
//! never comes here.

use std::{
    fmt::Display,
    ops::{Deref, DerefMut},
};

use smallvec::SmallVec;

use super::{
    bytes::{Bytes, Kept},
    text::Text,
};

/// A key that is being written to be kept.
pub(super) enum Rendering {
    Bytes(Kept),
    Text(Text),
}

/// Where it is.
pub(super) enum RenderingHolder<'a> {
    Heap(Box<Rendering>),
    /// With whoever writes it.
    There(&'a mut Rendering),
}

impl Deref for RenderingHolder<'_> {
    type Target = Rendering;

    fn deref(&self) -> &Rendering {
        match self {
            Self::Heap(rendering) => rendering,
            Self::There(rendering) => rendering,
        }
    }
}

impl DerefMut for RenderingHolder<'_> {
    fn deref_mut(&mut self) -> &mut Rendering {
        match self {
            Self::Heap(rendering) => rendering,
            Self::There(rendering) => rendering,
        }
    }
}

impl Rendering {
    /// Bytes without a hash.
    pub(super) fn bytes_alone() -> Self {
        Self::Bytes(Kept::alone())
    }

    /// None of a text.
    pub(super) fn into_bytes(self) -> SmallVec<[u8; 128]> {
        match self {
            Self::Bytes(kept) => kept.into_bytes(),
            Self::Text(_) => SmallVec::new(),
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn fixed(&mut self, bytes: &[u8], text: &dyn Display) {
        match self {
            Self::Bytes(out) => out.value(bytes),
            Self::Text(out) => out.escaped(text),
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn text(&mut self, text: &str) {
        match self {
            Self::Bytes(out) => out.counted(text.as_bytes()),
            Self::Text(out) => out.escaped(&text),
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        match self {
            Self::Bytes(out) => out.counted(bytes),
            Self::Text(out) => out.hex(bytes),
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn uncounted(&mut self, bytes: &[u8]) {
        match self {
            Self::Bytes(out) => out.some(bytes),
            Self::Text(out) => out.hex(bytes),
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn variant(&mut self, name: &str) {
        match self {
            Self::Bytes(out) => out.counted(name.as_bytes()),
            Self::Text(out) => out.open_variant(name),
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn tag(&mut self, tag: u8, mark: &str) {
        match self {
            Self::Bytes(out) => out.fixed([tag]),
            Self::Text(out) => out.open(mark),
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn none(&mut self) {
        match self {
            Self::Bytes(out) => out.fixed([0]),
            Self::Text(out) => {
                out.open("");
                out.close('~');
            }
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn open_counted(&mut self, count: usize, mark: &str) {
        match self {
            Self::Bytes(out) => out.count(count),
            Self::Text(out) => out.open(mark),
        }
    }
}
