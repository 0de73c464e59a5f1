//! The one visitor of keys. Concrete, with the rendering chosen at run time, so that a type writes its key once and
//! the engine is not generic over the rendering.

use std::fmt::{self, Debug, Display};

use super::{CacheKey, buffer::Buffer, text::Text};

/// What [`CacheKey::write`] describes a value to.
///
/// The same calls make bytes (for memory, without allocation up to 128 of them) or readable text (for Redis). Every
/// method ends its value by itself: values that follow one another need nothing between them.
pub struct KeyWriter {
    pub(super) bytes: Buffer,
    text: Option<Box<Text>>,
}

impl KeyWriter {
    #[inline]
    pub(crate) fn for_bytes() -> Self {
        Self {
            bytes: Buffer::new(),
            text: None,
        }
    }

    pub(crate) fn for_text() -> Self {
        Self {
            bytes: Buffer::new(),
            text: Some(Box::new(Text::new())),
        }
    }

    /// Empty unless the writer is one for bytes.
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    /// The hash of the bytes.
    #[inline]
    pub(crate) fn hash(&self) -> u64 {
        self.bytes.hash()
    }

    /// Empty unless the writer is one for text.
    pub(crate) fn into_text(self) -> String {
        self.text.map(|text| text.finish()).unwrap_or_default()
    }

    /// A value of `N` bytes. Its text is `text`, escaped, which must be another one when `bytes` are others.
    #[inline]
    pub fn fixed<const N: usize>(&mut self, bytes: [u8; N], text: &dyn Display) {
        match &mut self.text {
            None => self.bytes.push_fixed(bytes),
            Some(out) => out.escaped(text),
        }
    }

    /// A text of any length, which may hold any character.
    #[inline]
    pub fn text(&mut self, text: &str) {
        match &mut self.text {
            None => self.bytes.push_counted(text.as_bytes()),
            Some(out) => out.escaped(&text),
        }
    }

    /// A byte string of any length; as text it is hex.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        match &mut self.text {
            None => self.bytes.push_counted(bytes),
            Some(out) => out.hex(bytes),
        }
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
        if let Some(out) = &mut self.text {
            out.open("(");
        }
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
    ///     fn write(&self, key: &mut KeyWriter) {
    ///         match self {
    ///             Page::All => key.variant("All", |_| ()),
    ///             Page::Numbered(page) => key.variant("Numbered", |key| page.write(key)),
    ///         }
    ///     }
    /// }
    /// ```
    #[inline]
    pub fn variant(&mut self, name: &str, fields: impl FnOnce(&mut Self)) {
        match &mut self.text {
            None => self.bytes.push_counted(name.as_bytes()),
            Some(out) => out.open_variant(name),
        }
        fields(self);
        if let Some(out) = &mut self.text {
            out.close_variant();
        }
    }

    /// Text between values, as it is; nothing in bytes. Expansions put the fixed pieces of a key here.
    #[doc(hidden)]
    #[inline]
    pub fn literal(&mut self, text: &'static str) {
        if let Some(out) = &mut self.text {
            out.literal(text);
        }
    }

    /// Tells alternatives apart by one byte; in text by `mark`, which is structure and stands before what follows.
    #[inline]
    pub(super) fn tag(&mut self, tag: u8, mark: &'static str) {
        match &mut self.text {
            None => self.bytes.push_fixed([tag]),
            Some(out) => out.open(mark),
        }
    }

    /// The alternative that holds nothing.
    #[inline]
    pub(super) fn none(&mut self) {
        match &mut self.text {
            None => self.bytes.push_fixed([0]),
            Some(out) => {
                out.open("");
                out.close('~');
            }
        }
    }

    /// Bytes of which the type knows how many there are; as text they are hex.
    #[inline]
    pub(super) fn uncounted(&mut self, bytes: &[u8]) {
        match &mut self.text {
            None => self.bytes.push(bytes),
            Some(out) => out.hex(bytes),
        }
    }

    #[inline]
    fn open_counted(&mut self, count: usize, mark: &'static str) {
        match &mut self.text {
            None => self.bytes.push_count(count),
            Some(out) => out.open(mark),
        }
    }

    #[inline]
    fn close(&mut self, mark: char) {
        if let Some(out) = &mut self.text {
            out.close(mark);
        }
    }
}

/// Without the key: it may hold what belongs in no log.
impl Debug for KeyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyWriter").finish_non_exhaustive()
    }
}
