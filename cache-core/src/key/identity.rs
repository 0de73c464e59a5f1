//! What tells one entry from all others in a process: the function and the bytes of its key, with
//! their hash.

use std::{
    any::TypeId,
    hash::{BuildHasherDefault, Hash, Hasher},
};

use quick_cache::Equivalent;
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;

use super::KeyWriter;

/// The byte key of an entry, with the function it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    hash: u64,
    function: TypeId,
    bytes: SmallVec<[u8; 40]>,
}

/// A borrowed [`Key`]: what a hit looks up without an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyRef<'a> {
    hash: u64,
    pub(crate) function: TypeId,
    bytes: &'a [u8],
}

impl<'a> KeyRef<'a> {
    #[inline]
    pub(crate) fn new(function: TypeId, key: &'a KeyWriter) -> Self {
        let mut mixed = Passed(0);
        function.hash(&mut mixed);
        Self {
            hash: key.hash() ^ mixed.0,
            function,
            bytes: key.as_bytes(),
        }
    }

    pub(crate) fn to_key(self) -> Key {
        Key {
            hash: self.hash,
            function: self.function,
            bytes: SmallVec::from_slice(self.bytes),
        }
    }
}

impl Key {
    /// Bytes of the key that lie outside of it.
    pub(crate) fn heap_bytes(&self) -> usize {
        if self.bytes.spilled() {
            self.bytes.len()
        } else {
            0
        }
    }

    /// A hash of the bytes that is the same in every process.
    pub(crate) fn digest(&self) -> u64 {
        xxh3_64(&self.bytes)
    }

    /// Bits by which this process differs from others.
    pub(crate) fn spread(&self) -> u64 {
        self.hash
    }

    pub(crate) fn as_ref(&self) -> KeyRef<'_> {
        KeyRef {
            hash: self.hash,
            function: self.function,
            bytes: &self.bytes,
        }
    }
}

impl Hash for KeyRef<'_> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Hash for Key {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    #[inline]
    fn equivalent(&self, key: &Key) -> bool {
        self.hash == key.hash && self.function == key.function && self.bytes == &*key.bytes
    }
}

/// The hasher of maps whose keys bring a hash with them: of byte keys, and of `TypeId`s, which are
/// hashes. Passes it on.
pub(crate) type KeyHasher = BuildHasherDefault<Passed>;

/// A hash on its way from a key to a map.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Passed(u64);

impl Hasher for Passed {
    #[inline]
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
