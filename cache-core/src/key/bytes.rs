//! What the bytes of a key are written to: they are hashed, then compared with those of an entry that may be the one, and
//! kept only where none is, or its thread is to have it at hand.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::{FoldHasher, RandomState};
use smallvec::SmallVec;

/// What takes the bytes of a key, in pieces.
pub(super) trait Bytes {
    /// Bytes of which the compiler knows how many.
    fn fixed<const N: usize>(&mut self, bytes: [u8; N]);

    /// Any others.
    fn some(&mut self, bytes: &[u8]);

    /// `bytes` after how many they are.
    #[inline]
    fn counted(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.some(bytes);
    }

    /// LEB128, in the fewest bytes.
    #[inline]
    fn count(&mut self, count: usize) {
        match u8::try_from(count) {
            Ok(short @ ..0x80) => self.fixed([short]),
            _ => self.long_count(count),
        }
    }

    #[cold]
    #[inline(never)]
    fn long_count(&mut self, mut count: usize) {
        while count >= 0x80 {
            self.fixed([count.to_le_bytes()[0] | 0x80]);
            count >>= 7;
        }
        self.fixed([count.to_le_bytes()[0]]);
    }
}

/// One seed for the process, so that a key is hashed before its cache is known.
static SEED: std::sync::LazyLock<RandomState> = std::sync::LazyLock::new(RandomState::default);

/// The hash of what is written, piece by piece: the same bytes in other pieces have another one.
pub(super) struct Hashing(FoldHasher<'static>);

impl Hashing {
    #[inline]
    pub(super) fn new() -> Self {
        Self(SEED.build_hasher())
    }

    #[inline]
    pub(super) fn hash(&self) -> u64 {
        self.0.finish()
    }

    #[inline]
    fn word(&mut self, bytes: &[u8]) {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        // As 128 bits: those are mixed in at once, narrower numbers wait in the hasher for others.
        self.0.write_u128(u64::from_le_bytes(word).into());
    }
}

impl Bytes for Hashing {
    #[inline]
    fn fixed<const N: usize>(&mut self, bytes: [u8; N]) {
        if N > 8 {
            self.some(&bytes);
        } else {
            self.word(&bytes);
        }
    }

    #[inline]
    fn some(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }
}

/// Whether what is written is what is there: what is left of that, or nothing once there was a difference.
pub(super) struct Comparing<'a>(Option<&'a [u8]>);

impl<'a> Comparing<'a> {
    #[inline]
    pub(super) fn with(bytes: &'a [u8]) -> Self {
        Self(Some(bytes))
    }

    #[inline]
    pub(super) fn is_same(&self) -> bool {
        self.0.is_some_and(<[u8]>::is_empty)
    }
}

impl Bytes for Comparing<'_> {
    #[inline]
    fn fixed<const N: usize>(&mut self, bytes: [u8; N]) {
        self.0 = match self.0.and_then(<[u8]>::split_first_chunk) {
            Some((first, rest)) if *first == bytes => Some(rest),
            _ => None,
        };
    }

    #[inline]
    fn some(&mut self, bytes: &[u8]) {
        self.0 = self.0.and_then(|rest| rest.strip_prefix(bytes));
    }
}

/// The bytes themselves, with their hash where that is wanted.
pub(super) struct Kept {
    bytes: SmallVec<[u8; 128]>,
    hashing: Option<Hashing>,
    /// Whether the pieces can be told apart again: before each is how long it is, times two, and one more for a word.
    is_record: bool,
}

impl Kept {
    pub(super) fn new(is_record: bool) -> Self {
        Self {
            bytes: SmallVec::new(),
            hashing: Some(Hashing::new()),
            is_record,
        }
    }

    /// Of a key whose hash is known.
    pub(super) fn alone() -> Self {
        Self {
            hashing: None,
            ..Self::new(false)
        }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn into_bytes(self) -> SmallVec<[u8; 128]> {
        self.bytes
    }

    pub(super) fn hash(&self) -> u64 {
        self.hashing.as_ref().map_or(0, Hashing::hash)
    }

    /// A value of so many bytes.
    pub(super) fn value(&mut self, bytes: &[u8]) {
        self.piece(bytes, bytes.len() <= 8);
    }

    fn piece(&mut self, bytes: &[u8], is_word: bool) {
        if self.is_record {
            let mut length = Self::new(false);
            length.count(2 * bytes.len() + usize::from(is_word));
            self.bytes.extend_from_slice(&length.bytes);
        }
        self.bytes.extend_from_slice(bytes);
        match &mut self.hashing {
            None => {}
            Some(hashing) if is_word => hashing.word(bytes),
            Some(hashing) => hashing.some(bytes),
        }
    }

    /// Writes the first piece of what was recorded as it was written then. Gives the others; nothing where it is none.
    pub(super) fn replay<'a>(&mut self, record: &'a [u8]) -> Option<&'a [u8]> {
        let digits = 1 + record.iter().position(|byte| byte & 0x80 == 0)?;
        let (count, rest) = record.split_at_checked(digits)?;
        let count = count.iter().rev().try_fold(0_usize, |count, digit| {
            Some(count.checked_mul(0x80)? | usize::from(digit & 0x7F))
        })?;
        let (bytes, rest) = rest.split_at_checked(count / 2)?;
        let is_word = count % 2 == 1;
        if is_word && bytes.len() > 8 {
            return None;
        }
        self.piece(bytes, is_word);
        Some(rest)
    }
}

impl Bytes for Kept {
    fn fixed<const N: usize>(&mut self, bytes: [u8; N]) {
        self.value(&bytes);
    }

    fn some(&mut self, bytes: &[u8]) {
        self.piece(bytes, false);
    }
}
