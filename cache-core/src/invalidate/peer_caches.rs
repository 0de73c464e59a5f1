//! What is changed by hand in one cache, as word of it goes through the channel, and who hears it: the other caches,
//! of this process too, which forget the entry in memory.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::{key::KeyWriter, lock::Mutex};

/// What no line about a tag begins with: the name of an event has none.
const MARK: char = ':';

/// A cache that may have an entry of that key.
pub(crate) trait PeerCache: Send + Sync {
    fn forget(&self, function: &str, key: &KeyWriter);

    /// Whether it has not been closed.
    fn is_open(&self) -> bool;
}

/// The caches of this process that share entries.
#[derive(Default)]
pub(crate) struct PeerCaches {
    caches: Mutex<Vec<(u64, Weak<dyn PeerCache>)>>,
    last: AtomicU64,
}

impl fmt::Debug for PeerCaches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PeerCaches").finish()
    }
}

/// What is told of an entry: which process, and which of its caches, changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told<'a> {
    cache: u64,
    origin: &'a str,
    record: &'a str,
    function: &'a str,
}

impl<'a> Told<'a> {
    fn read(message: &'a [u8]) -> Option<Self> {
        let text = str::from_utf8(message).ok()?.strip_prefix(MARK)?;
        // The name comes last, as spaces may be part of it.
        let mut words = text.splitn(4, ' ');
        Some(Self {
            cache: words.next()?.parse().ok()?,
            origin: words.next()?,
            record: words.next()?,
            function: words.next()?,
        })
    }
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cache,
            origin,
            record,
            function,
        } = self;
        write!(f, "{MARK}{cache} {origin} {record} {function}")
    }
}

/// Whether a message is about one entry.
pub(super) fn is_of_entry(message: &[u8]) -> bool {
    message.starts_with(&[MARK as u8])
}

/// What the others are told of an entry that this cache of this process changed.
pub(super) fn message((cache, origin): (u64, &str), function: &str, record: &str) -> String {
    let told = Told {
        cache,
        origin,
        record,
        function,
    };
    told.to_string()
}

impl PeerCaches {
    /// A number for a cache, which tells its own messages from those of others.
    pub(crate) fn next_number(&self) -> u64 {
        self.last.fetch_add(1, Relaxed)
    }

    pub(crate) fn add(&self, number: u64, cache: Weak<dyn PeerCache>) {
        let mut caches = self.caches.lock();
        caches.retain(|(_, cache)| cache.strong_count() > 0);
        caches.push((number, cache));
    }

    /// Whether another one than this has not been closed.
    pub(crate) fn has_others(&self, number: u64) -> bool {
        let caches = self.caches.lock().clone();
        let mut others = caches.into_iter().filter(|(other, _)| *other != number);
        others.any(|(_, cache)| cache.upgrade().is_some_and(|cache| cache.is_open()))
    }

    /// Somebody told something of an entry. Whatever it is, it is no harm.
    pub(super) fn heard(&self, message: &[u8], own: &str) {
        let Some(told) = Told::read(message) else {
            return;
        };
        let Some(key) = KeyWriter::replayed(told.record) else {
            return;
        };
        let caches = self.caches.lock().clone();
        for (number, cache) in caches {
            let is_own = told.origin == own && told.cache == number;
            if !is_own && let Some(cache) = cache.upgrade() {
                let forget = AssertUnwindSafe(|| cache.forget(told.function, &key));
                // A value's own `Drop` may panic, which is not to end the connection that is read here.
                let _ = catch_unwind(forget);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::corpus::saved;

    proptest! {
        #[test]
        fn what_is_told_is_read_again(cache: u64, origin in "[0-9a-f]{32}", record in "([0-9a-f]{2}){0,40}", function in ".{1,40}") {
            let told = message((cache, &origin), &function, &record);
            prop_assert!(is_of_entry(told.as_bytes()));
            let read = Told { cache, origin: &origin, record: &record, function: &function };
            prop_assert_eq!(Told::read(told.as_bytes()), Some(read));
        }

        #[test]
        fn whatever_is_heard_is_no_harm(bytes in vec(any::<u8>(), 0..64), words in ":[0-9a-f ]{0,64}") {
            PeerCaches::default().heard(&bytes, "origin");
            PeerCaches::default().heard(words.as_bytes(), "origin");
        }
    }

    #[derive(Default)]
    struct Forgetful(AtomicU64);

    impl PeerCache for Forgetful {
        fn forget(&self, _function: &str, _key: &KeyWriter) {
            self.0.fetch_add(1, Relaxed);
        }

        fn is_open(&self) -> bool {
            true
        }
    }

    #[test]
    fn of_each_saved_message_nothing_is_forgotten_unless_its_name_says_so() {
        for (name, bytes) in saved("message") {
            let (peer_caches, cache) = (PeerCaches::default(), Arc::new(Forgetful::default()));
            let peer: Weak<dyn PeerCache> = Arc::downgrade(&cache) as _;
            peer_caches.add(0, peer);
            peer_caches.heard(&bytes, "here");
            let is_told = name.starts_with("0-entry-");
            assert_eq!(cache.0.load(Relaxed), u64::from(is_told), "{name}");
        }
    }
}
