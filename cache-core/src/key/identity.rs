//! What tells one entry from all others in a process: the function and the bytes of its key, with
//! their hash.

use std::{
    any::TypeId,
    hash::{BuildHasherDefault, Hash, Hasher},
};

use quick_cache::Equivalent;
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;

use super::{KeyWriter, rendering::Rendering};

/// The byte key of an entry, with the function it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    hash: u64,
    function: TypeId,
    bytes: SmallVec<[u8; 40]>,
}

/// A key as it is looked for.
pub(crate) type WrittenKey = SmallVec<[u8; 128]>;

/// What writes the key of a call, each time in the same pieces. Not `Fn`, whose table would hold each closure three times.
pub trait WriteKey {
    /// Writes it.
    fn write(&self, key: &mut KeyWriter<'_>);
}

/// A key is written to its end.
#[derive(Clone, Copy, Debug)]
pub struct Written;

impl<F: Fn(&mut KeyWriter<'_>) -> Written> WriteKey for F {
    #[inline]
    fn write(&self, key: &mut KeyWriter<'_>) {
        let Written = self(key);
    }
}

/// Whether it writes these bytes.
#[inline]
pub(crate) fn is_written(write: &(impl WriteKey + ?Sized), bytes: &[u8]) -> bool {
    let mut key = KeyWriter::to_compare_with(bytes);
    write.write(&mut key);
    key.is_same()
}

/// The readable text of what it writes.
pub(crate) fn text_of(write: &dyn WriteKey) -> String {
    let mut text = KeyWriter::for_text();
    write.write(&mut text);
    text.into_text()
}

/// A key that is looked for.
#[derive(Clone, Copy)]
pub(crate) struct KeyRef<'a> {
    hash: u64,
    pub(crate) function: TypeId,
    sought: Sought<'a>,
}

/// The bytes of a key.
#[derive(Clone, Copy)]
enum Sought<'a> {
    There(&'a [u8]),
    /// They are nowhere, and can be written.
    Written(&'a dyn WriteKey),
}

#[inline]
fn hash(function: TypeId, key: &KeyWriter<'_>) -> u64 {
    let mut mixed = Passed(0);
    function.hash(&mut mixed);
    key.hash() ^ mixed.0
}

impl<'a> KeyRef<'a> {
    #[inline]
    pub(crate) fn of(function: TypeId, write: &'a impl WriteKey) -> Self {
        let mut key = KeyWriter::for_hash();
        write.write(&mut key);
        Self {
            hash: hash(function, &key),
            function,
            sought: Sought::Written(write),
        }
    }

    /// The same key, whose bytes are these.
    pub(crate) fn with_bytes<'b>(&self, bytes: &'b [u8]) -> KeyRef<'b> {
        KeyRef {
            hash: self.hash,
            function: self.function,
            sought: Sought::There(bytes),
        }
    }

    /// The hash.
    #[inline]
    pub(crate) fn bits(&self) -> u64 {
        self.hash
    }

    /// Its bytes, of which the usual ones are nowhere on the heap.
    pub(crate) fn bytes(&self) -> WrittenKey {
        match self.sought {
            Sought::There(bytes) => SmallVec::from_slice(bytes),
            Sought::Written(write) => {
                let mut kept = Rendering::bytes_alone();
                write.write(&mut KeyWriter::keeping(&mut kept));
                kept.into_bytes()
            }
        }
    }

    pub(crate) fn to_key(self) -> Key {
        let bytes = match self.sought {
            Sought::There(bytes) => SmallVec::from_slice(bytes),
            Sought::Written(_) => SmallVec::from_slice(&self.bytes()),
        };
        Key {
            hash: self.hash,
            function: self.function,
            bytes,
        }
    }
}

impl Key {
    /// The one whose bytes were written.
    pub(crate) fn new(function: TypeId, key: &KeyWriter<'_>) -> Self {
        Self {
            hash: hash(function, key),
            function,
            bytes: SmallVec::from_slice(key.as_bytes()),
        }
    }

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
            sought: Sought::There(&self.bytes),
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
        self.hash == key.hash
            && self.function == key.function
            && match self.sought {
                Sought::There(bytes) => bytes == &*key.bytes,
                Sought::Written(write) => is_written(write, &key.bytes),
            }
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
