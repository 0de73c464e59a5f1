//! Where the bytes of a key gather: on the stack as long as they fit.
//!
//! They are hashed as they come. Hashing them afterwards would read back in other pieces what was just
//! written, which stalls the processor: 4 of 27 ns for a number and a text.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::{FoldHasher, RandomState};

/// Keys up to this many bytes need no heap. More would be more to clear for every key.
const INLINE: usize = 128;
const ON_HEAP: usize = INLINE + 1;
/// As `ON_HEAP`, and what is there tells the pieces of the key apart: before each how long it is, times two, and one
/// more for a word.
const RECORDED: usize = INLINE + 2;

pub(super) struct Buffer {
    inline: [u8; INLINE],
    /// How much of `inline` is in use, or `ON_HEAP` or `RECORDED`: out of its bounds, so that one check finds all ends.
    len: usize,
    heap: Vec<u8>,
    hasher: FoldHasher<'static>,
}

/// One seed for the process, so that a key is hashed before its cache is known.
static SEED: std::sync::LazyLock<RandomState> = std::sync::LazyLock::new(RandomState::default);

impl Buffer {
    #[inline]
    pub(super) fn new() -> Self {
        // First, as the seed may have to be made: what is cleared before that is copied afterwards.
        let hasher = SEED.build_hasher();
        Self {
            inline: [0; INLINE],
            len: 0,
            heap: Vec::new(),
            hasher,
        }
    }

    #[inline]
    pub(super) fn as_slice(&self) -> &[u8] {
        self.inline.get(..self.len).unwrap_or(&self.heap)
    }

    /// The hash of the bytes so far.
    #[inline]
    pub(super) fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    /// As [`push`](Self::push), for few bytes of which the compiler knows how many: hashed in a register.
    #[inline]
    pub(super) fn push_fixed<const N: usize>(&mut self, bytes: [u8; N]) {
        if N > 8 {
            return self.push(&bytes);
        }
        self.hash_word(&bytes);
        self.store(&bytes, true);
    }

    #[inline]
    fn hash_word(&mut self, bytes: &[u8]) {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        // As 128 bits: those are mixed in at once, narrower numbers wait in the hasher for others.
        self.hasher.write_u128(u64::from_le_bytes(word).into());
    }

    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.hasher.write(bytes);
        self.store(bytes, false);
    }

    #[inline]
    fn store(&mut self, bytes: &[u8], is_word: bool) {
        let end = self.len.wrapping_add(bytes.len());
        match self.inline.get_mut(self.len..end) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.len = end;
            }
            None => self.store_on_heap(bytes, is_word),
        }
    }

    #[cold]
    #[inline(never)]
    fn store_on_heap(&mut self, bytes: &[u8], is_word: bool) {
        if self.len == RECORDED {
            let mut piece = Self::new();
            piece.push_count(2 * bytes.len() + usize::from(is_word));
            self.heap.extend_from_slice(piece.as_slice());
        } else if let Some(inline) = self.inline.get(..self.len) {
            self.heap.reserve(2 * INLINE + bytes.len());
            self.heap.extend_from_slice(inline);
            self.len = ON_HEAP;
        }
        self.heap.extend_from_slice(bytes);
    }

    /// Keeps apart what is written from here on.
    pub(super) fn record(&mut self) {
        self.len = RECORDED;
    }

    /// Writes the first piece of what was recorded as it was written then. Gives the others; nothing where it is none.
    pub(super) fn replay<'a>(&mut self, record: &'a [u8]) -> Option<&'a [u8]> {
        let digits = 1 + record.iter().position(|byte| byte & 0x80 == 0)?;
        let (count, rest) = record.split_at_checked(digits)?;
        let count = count.iter().rev().try_fold(0_usize, |count, digit| {
            Some(count.checked_mul(0x80)? | usize::from(digit & 0x7F))
        })?;
        let (bytes, rest) = rest.split_at_checked(count / 2)?;
        match count % 2 {
            0 => self.push(bytes),
            _ if bytes.len() > 8 => return None,
            _ => {
                self.hash_word(bytes);
                self.store(bytes, true);
            }
        }
        Some(rest)
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
            Ok(short @ ..0x80) => self.push_fixed([short]),
            _ => self.push_long_count(count),
        }
    }

    #[cold]
    #[inline(never)]
    fn push_long_count(&mut self, mut count: usize) {
        while count >= 0x80 {
            self.push_fixed([count.to_le_bytes()[0] | 0x80]);
            count >>= 7;
        }
        self.push_fixed([count.to_le_bytes()[0]]);
    }
}
