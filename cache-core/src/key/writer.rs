//! The one visitor of keys. Concrete, with the rendering chosen at run time, so that a type writes its key once and
//! the engine is not generic over the rendering.

use std::fmt::{self, Debug, Display};

use super::{
    CacheKey,
    bytes::{Bytes, Comparing, Hashing, Kept},
    rendering::{Rendering, RenderingHolder},
    text::Text,
};

/// The writer to which [`CacheKey::write`] describes a value.
///
/// The same calls make the bytes of a key, for memory, and a readable text, for Redis. Every method ends its value by
/// itself: values that follow one another need nothing between them.
pub struct KeyWriter<'a>(Way<'a>);

/// What becomes of a key that is written. A hit does no more than the first two.
enum Way<'a> {
    Hashed(Hashing),
    Compared(Comparing<'a>),
    Rendered(RenderingHolder<'a>),
}

/// Writes what a hit needs here, and the rest out of line.
macro_rules! write_to {
    ($writer:ident, $bytes:ident => $as_bytes:expr, $rendering:ident => $rendered:expr) => {
        match &mut $writer.0 {
            Way::Hashed($bytes) => $as_bytes,
            Way::Compared($bytes) => $as_bytes,
            Way::Rendered($rendering) => $rendered,
        }
    };
}

impl KeyWriter<'static> {
    #[inline]
    pub(crate) fn for_hash() -> Self {
        Self(Way::Hashed(Hashing::new()))
    }

    pub(crate) fn for_bytes() -> Self {
        Self::kept(Kept::new(false))
    }

    pub(super) fn kept(kept: Kept) -> Self {
        Self(Way::Rendered(RenderingHolder::Heap(Box::new(
            Rendering::Bytes(kept),
        ))))
    }

    pub(crate) fn for_text() -> Self {
        Self(Way::Rendered(RenderingHolder::Heap(Box::new(
            Rendering::Text(Text::new()),
        ))))
    }
}

#[allow(
    clippy::inline_always,
    reason = "a hit writes its key twice, and each way is a few instructions"
)]
impl<'a> KeyWriter<'a> {
    #[inline]
    pub(crate) fn to_compare_with(bytes: &'a [u8]) -> Self {
        Self(Way::Compared(Comparing::with(bytes)))
    }

    /// Writes it there.
    pub(super) fn keeping(rendering: &'a mut Rendering) -> Self {
        Self(Way::Rendered(RenderingHolder::There(rendering)))
    }

    /// Whether exactly the bytes were written that it was to be compared with.
    #[inline]
    pub(crate) fn is_same(&self) -> bool {
        match &self.0 {
            Way::Compared(comparing) => comparing.is_same(),
            _ => false,
        }
    }

    /// Empty unless the writer keeps bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.kept_bytes().map_or(&[], Kept::as_slice)
    }

    /// The hash of the bytes; of one that compares, or writes text, there is none.
    #[inline]
    pub(crate) fn hash(&self) -> u64 {
        match &self.0 {
            Way::Hashed(hashing) => hashing.hash(),
            _ => self.kept_bytes().map_or(0, Kept::hash),
        }
    }

    /// Empty unless the writer is one for text.
    pub(crate) fn into_text(self) -> String {
        match self.0 {
            Way::Rendered(RenderingHolder::Heap(rendering)) => match *rendering {
                Rendering::Text(text) => text.finish(),
                Rendering::Bytes(_) => String::new(),
            },
            _ => String::new(),
        }
    }

    fn kept_bytes(&self) -> Option<&Kept> {
        match &self.0 {
            Way::Rendered(rendering) => match &**rendering {
                Rendering::Bytes(kept) => Some(kept),
                Rendering::Text(_) => None,
            },
            _ => None,
        }
    }

    /// Where there is a text: its structure, of which bytes have none.
    #[inline]
    fn with_text(&mut self, write: impl FnOnce(&mut Text)) {
        if let Way::Rendered(rendering) = &mut self.0
            && let Rendering::Text(text) = &mut **rendering
        {
            write(text);
        }
    }

    /// A value of `N` bytes. Its text is `text`, escaped; different `bytes` need a different `text`.
    #[inline(always)]
    pub fn fixed<const N: usize>(&mut self, bytes: [u8; N], text: &dyn Display) {
        write_to!(self, out => out.fixed(bytes), out => out.fixed(&bytes, text));
    }

    /// A text of any length, which may hold any character.
    #[inline(always)]
    pub fn text(&mut self, text: &str) {
        write_to!(self, out => out.counted(text.as_bytes()), out => out.text(text));
    }

    /// A byte string of any length; as text it is hex.
    #[inline(always)]
    pub fn bytes(&mut self, bytes: &[u8]) {
        write_to!(self, out => out.counted(bytes), out => out.bytes(bytes));
    }

    /// Any number of values, in an order that equal collections share.
    #[inline]
    pub fn sequence<I>(&mut self, items: I)
    where
        I: IntoIterator<Item: CacheKey, IntoIter: ExactSizeIterator>,
    {
        let items = items.into_iter();
        self.open_counted(items.len(), "[");
        for item in items {
            item.write(self);
            self.literal(",");
        }
        self.close(']');
    }

    /// Any number of names with a value each, in an order that equal collections share.
    #[inline]
    pub fn entries<K, V, I>(&mut self, entries: I)
    where
        K: CacheKey,
        V: CacheKey,
        I: IntoIterator<Item = (K, V), IntoIter: ExactSizeIterator>,
    {
        let entries = entries.into_iter();
        self.open_counted(entries.len(), "{");
        for (name, value) in entries {
            name.write(self);
            self.literal("=");
            value.write(self);
            self.literal(",");
        }
        self.close('}');
    }

    /// One value of several parts, which `parts` writes one after the other.
    #[inline]
    pub fn group(&mut self, parts: impl FnOnce(&mut Self)) {
        self.with_text(|out| out.open("("));
        parts(self);
        self.close(')');
    }

    /// One of several alternatives, told apart by `name`; `fields` writes what this one holds, which may be nothing.
    ///
    /// ```
    /// # use cache_core::{CacheKey, KeyWriter};
    /// enum Page { All, Numbered(u32) }
    ///
    /// impl CacheKey for Page {
    ///     fn write(&self, key: &mut KeyWriter<'_>) {
    ///         match self {
    ///             Page::All => key.variant("All", |_| ()),
    ///             Page::Numbered(page) => key.variant("Numbered", |key| page.write(key)),
    ///         }
    ///     }
    /// }
    /// ```
    #[inline]
    pub fn variant(&mut self, name: &str, fields: impl FnOnce(&mut Self)) {
        write_to!(self, out => out.counted(name.as_bytes()), out => out.variant(name));
        fields(self);
        self.with_text(Text::close_variant);
    }

    /// Text between values, as it is; nothing in bytes. Expansions put the fixed pieces of a key here.
    #[doc(hidden)]
    #[inline]
    pub fn literal(&mut self, text: &'static str) {
        self.with_text(|out| out.literal(text));
    }

    /// Tells alternatives apart by one byte; in text by `mark`, which is structure and stands before what follows.
    #[inline]
    pub(super) fn tag(&mut self, tag: u8, mark: &'static str) {
        write_to!(self, out => out.fixed([tag]), out => out.tag(tag, mark));
    }

    /// The alternative that holds nothing.
    #[inline]
    pub(super) fn none(&mut self) {
        write_to!(self, out => out.fixed([0]), out => out.none());
    }

    /// Bytes of which the type knows how many there are; as text they are hex.
    #[inline]
    pub(super) fn uncounted(&mut self, bytes: &[u8]) {
        write_to!(self, out => out.some(bytes), out => out.uncounted(bytes));
    }

    #[inline]
    fn open_counted(&mut self, count: usize, mark: &'static str) {
        write_to!(self, out => out.count(count), out => out.open_counted(count, mark));
    }

    #[inline]
    fn close(&mut self, mark: char) {
        self.with_text(|out| out.close(mark));
    }
}

/// Without the key: it may hold what belongs in no log.
impl Debug for KeyWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyWriter").finish_non_exhaustive()
    }
}
