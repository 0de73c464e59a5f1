//! What the shared tier knows of the entries of one function: their place, how they travel, how large
//! they are. Made at the function's first miss.

use std::{
    fmt::Display,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

use super::envelope;
use crate::{
    site::Outlives,
    stats::Counters,
    value::{Refusal, Wire},
};

/// A longer text is cut and completed with a hash: keys stay readable, and Redis stays small.
const LONGEST_TEXT: usize = 200;
const CUT_TEXT: usize = 168;

/// The entries of one function in the shared tier.
#[derive(Debug)]
pub(crate) struct Entries {
    function: String,
    prefix: String,
    pub(crate) wire: Wire,
    pub(crate) compress_from: Option<usize>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) outlives: Arc<Outlives>,
    /// About how many bytes an entry has.
    expected: AtomicUsize,
    /// A value was seen to come back as it was written.
    is_proven: AtomicBool,
    has_warned: AtomicBool,
}

/// What tells the entries of one function from all others.
#[derive(Debug)]
pub(crate) struct Described<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) function: &'a str,
    /// Names and types of what makes its key.
    pub(crate) key_shape: &'a str,
}

impl Entries {
    /// # Errors
    ///
    /// Why values of the function cannot travel.
    pub(crate) fn new(
        described: &Described<'_>,
        wire: Wire,
        compress_from: Option<usize>,
        (counters, outlives): (Arc<Counters>, Arc<Outlives>),
    ) -> Result<Self, String> {
        let traveller = wire.describe()?;
        if let Some(place) = &traveller.ends_at {
            let function = described.function;
            tracing::debug!(
                function,
                "the fingerprint of its keys does not cover {place}"
            );
        }
        let mut fingerprint = Xxh3Default::new();
        for part in [traveller.codec, traveller.type_name, described.key_shape] {
            fingerprint.update(part.as_bytes());
            fingerprint.update(&[0xFF]);
        }
        fingerprint.update(&[envelope::FORMAT]);
        fingerprint.update(&traveller.schema.unwrap_or(0).to_le_bytes());
        // Between braces Redis Cluster would look for what decides the node: all entries on one.
        let function = described.function.replace(['{', '}'], "_");
        Ok(Self {
            prefix: format!(
                "{}:e:{function}:{:016x}:",
                described.namespace,
                fingerprint.digest()
            ),
            function: described.function.to_owned(),
            wire,
            compress_from,
            counters,
            outlives,
            expected: AtomicUsize::new(0),
            is_proven: AtomicBool::new(false),
            has_warned: AtomicBool::new(false),
        })
    }

    pub(crate) fn function(&self) -> &str {
        &self.function
    }

    /// The place of one entry. `check` is a hash of the key's other rendering.
    pub(crate) fn key(&self, text: &str, check: u64) -> EntryKey {
        let prefix = &self.prefix;
        if text.len() <= LONGEST_TEXT {
            return EntryKey {
                name: [prefix, text].concat(),
                full: None,
                check,
            };
        }
        let cut = &text[..text.floor_char_boundary(CUT_TEXT)];
        let hash = xxh3_128(text.as_bytes());
        EntryKey {
            name: format!("{prefix}{cut}#{hash:032x}"),
            full: Some(text.into()),
            check,
        }
    }

    pub(crate) fn expected(&self) -> usize {
        self.expected.load(Relaxed)
    }

    /// Learns the size of an entry: large ones at once, small ones by and by, since a large one that is
    /// taken for small holds up others.
    pub(crate) fn learn(&self, bytes: usize) {
        let before = self.expected.load(Relaxed);
        let learnt = bytes.max(before - before / 8);
        if learnt != before {
            self.expected.store(learnt, Relaxed);
        }
    }

    /// Whether what the codec wrote can be read again; asked until it is so once. A value that does not
    /// come back is written in vain at every load.
    pub(crate) fn proves(&self, bytes: &[u8]) -> bool {
        if self.is_proven.load(Relaxed) {
            return true;
        }
        let is_proven = self.wire.check(bytes).is_ok();
        self.is_proven.store(is_proven, Relaxed);
        if !is_proven {
            // Not in the words of the refusal: they may quote the value.
            self.warn(&"what was written cannot be read again: its `Serialize` and `Deserialize` do not mirror each other");
        }
        is_proven
    }

    /// Says that the codec refuses a value. Only our own says why in words that cannot quote the value.
    pub(crate) fn warn_of_refusal(&self, refusal: &Refusal) {
        if self.wire.is_postcard() {
            self.warn(refusal);
        } else {
            self.warn(&"its codec refuses to write it");
        }
    }

    /// Says once per function that a value does not travel.
    pub(crate) fn warn(&self, reason: &dyn Display) {
        if !self.has_warned.swap(true, Relaxed) {
            tracing::warn!(
                function = self.function,
                "a value is not kept in Redis: {reason}"
            );
        }
    }
}

/// The place of one entry.
#[derive(Clone, Debug)]
pub(crate) struct EntryKey {
    pub(crate) name: String,
    /// The whole text where the name has only a part of it.
    pub(crate) full: Option<Box<str>>,
    pub(crate) check: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{l2::codec::Postcard, value::Transport};

    fn entries(function: &str) -> Entries {
        let described = Described {
            namespace: "shop",
            function,
            key_shape: "id:u64",
        };
        let wire = Transport::<u64>::traced::<Postcard>().wire();
        Entries::new(&described, wire, None, Default::default()).unwrap()
    }

    #[test]
    fn a_long_text_is_cut_and_told_apart_by_its_hash() {
        let entries = entries("user");
        let short = entries.key(&"a".repeat(200), 0);
        assert_eq!(
            (short.name.len() - entries.prefix.len(), short.full),
            (200, None)
        );
        let texts = ["a".repeat(201), "a".repeat(202), "é".repeat(150)];
        let keys = texts.each_ref().map(|text| entries.key(text, 0));
        for (key, text) in keys.iter().zip(&texts) {
            assert_eq!(key.full.as_deref(), Some(&**text));
            assert!(key.name.len() <= entries.prefix.len() + 201);
        }
        assert_ne!(keys[0].name, keys[1].name);
    }

    #[test]
    fn a_name_has_no_braces_to_choose_a_node_by() {
        let key = entries("main::{{closure}}::user").key("7", 0);
        assert!(
            key.name.starts_with("shop:e:main::__closure__::user:"),
            "{}",
            key.name
        );
        assert!(key.name.ends_with(":7"), "{}", key.name);
    }

    #[test]
    fn a_large_entry_is_expected_until_small_ones_have_come_for_a_while() {
        let entries = entries("user");
        entries.learn(100_000);
        assert_eq!(entries.expected(), 100_000);
        for _ in 0..20 {
            entries.learn(1_000);
        }
        assert!(entries.expected() < 64 << 10);
        assert!(entries.expected() >= 1_000);
    }
}
