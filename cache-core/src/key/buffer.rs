//! Where the bytes of a key gather: on the stack as long as they fit.

/// Keys up to this many bytes need no heap. More would be more to clear for every key.
const INLINE: usize = 256;
const ON_HEAP: usize = INLINE + 1;

pub(super) struct Buffer {
    inline: [u8; INLINE],
    /// How much of `inline` is in use, or `ON_HEAP`: out of its bounds, so that one check finds both ends.
    len: usize,
    heap: Vec<u8>,
}

impl Buffer {
    #[inline]
    pub(super) const fn new() -> Self {
        Self {
            inline: [0; INLINE],
            len: 0,
            heap: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn as_slice(&self) -> &[u8] {
        self.inline.get(..self.len).unwrap_or(&self.heap)
    }

    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let end = self.len.wrapping_add(bytes.len());
        match self.inline.get_mut(self.len..end) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.len = end;
            }
            None => self.push_on_heap(bytes),
        }
    }

    #[cold]
    #[inline(never)]
    fn push_on_heap(&mut self, bytes: &[u8]) {
        if let Some(inline) = self.inline.get(..self.len) {
            self.heap.reserve(2 * INLINE + bytes.len());
            self.heap.extend_from_slice(inline);
            self.len = ON_HEAP;
        }
        self.heap.extend_from_slice(bytes);
    }

    /// `bytes` after how many they are: LEB128, in the fewest bytes.
    #[inline]
    pub(super) fn push_counted(&mut self, bytes: &[u8]) {
        self.push_count(bytes.len());
        self.push(bytes);
    }

    #[inline]
    pub(super) fn push_count(&mut self, count: usize) {
        match u8::try_from(count) {
            Ok(short @ ..0x80) => self.push(&[short]),
            _ => self.push_long_count(count),
        }
    }

    #[cold]
    #[inline(never)]
    fn push_long_count(&mut self, mut count: usize) {
        while count >= 0x80 {
            self.push(&[count.to_le_bytes()[0] | 0x80]);
            count >>= 7;
        }
        self.push(&[count.to_le_bytes()[0]]);
    }
}
