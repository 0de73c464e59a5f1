//! What becomes of what is heard of others, by whichever store.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use super::peer_caches::{self, PeerCaches};
use crate::{
    clock::{Nanos, system_now},
    coherence::{Coherence, Lineage},
    l2::Listener,
};

#[derive(Debug)]
pub(super) struct Ear {
    coherence: Arc<Coherence>,
    pub(super) peer_caches: PeerCaches,
    /// It was said what this Redis can promise.
    has_told: AtomicBool,
    /// Somebody listens, as far as was said.
    is_heard: AtomicBool,
}

impl Ear {
    pub(super) fn new(coherence: &Arc<Coherence>) -> Arc<Self> {
        Arc::new(Self {
            coherence: Arc::clone(coherence),
            peer_caches: PeerCaches::default(),
            has_told: AtomicBool::new(false),
            is_heard: AtomicBool::new(false),
        })
    }

    /// What was published before may have been missed.
    fn tell_connected(&self, lineage: Lineage) {
        let is_first = !self.has_told.swap(true, Relaxed);
        let was_heard = self.is_heard.swap(true, Relaxed);
        if is_first {
            self.tell_promise(lineage);
        } else if was_heard {
            tracing::info!(
                "another connection listens for invalidations by other processes: the cache asks about what it may have missed"
            );
        } else {
            tracing::info!(
                "other processes are heard again: the cache asks about what it may have missed meanwhile"
            );
        }
    }

    /// Nobody is left who would want to know that others are not heard.
    pub(super) fn leave(&self) {
        self.is_heard.store(false, Relaxed);
    }

    fn hear(&self, message: &[u8], of_events: fn(&Coherence, &[u8], Nanos)) {
        if peer_caches::is_of_entry(message) {
            self.peer_caches.heard(message, self.coherence.origin());
        } else {
            of_events(&self.coherence, message, system_now());
        }
    }

    fn tell_lost(&self) {
        if self.is_heard.swap(false, Relaxed) {
            let bound = self.coherence.bounds().staleness;
            tracing::info!(
                ?bound,
                "other processes are not heard any more: memory serves what can change no longer than the bound"
            );
        }
    }

    fn tell_promise(&self, lineage: Lineage) {
        let bound = self.coherence.bounds().staleness;
        if lineage == Lineage::UNKNOWN {
            tracing::info!(
                ?bound,
                "listening for invalidations by other processes: this one serves what they change no longer than the bound, \
                 but after a failover for the `ttl`, because this Redis does not tell its history"
            );
        } else {
            tracing::info!(
                ?bound,
                "listening for invalidations by other processes: this one serves what they change no longer than the bound, \
                 also across failovers of Redis"
            );
        }
    }
}

/// An ear as one store knows it, which listens for as long as this is there.
pub(super) struct ByOneStore(Arc<dyn Listener>);

impl ByOneStore {
    pub(super) fn of(ear: &Arc<Ear>) -> Self {
        Self(Arc::new(Hearing(Arc::clone(ear))))
    }

    pub(super) fn listener(&self) -> Arc<dyn Listener> {
        Arc::clone(&self.0)
    }
}

impl fmt::Debug for ByOneStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByOneStore")
    }
}

struct Hearing(Arc<Ear>);

impl Listener for Hearing {
    fn heard(&self, message: &[u8]) {
        self.0.hear(message, Coherence::heard);
    }

    fn overheard(&self, message: &[u8]) {
        self.0.hear(message, Coherence::overheard);
    }

    fn connected(&self, lineage: Lineage) {
        self.0.tell_connected(lineage);
        self.0.coherence.connected(lineage, system_now());
    }

    fn fenced(&self, sent: Nanos, lineage: Lineage) {
        self.0.coherence.fenced(sent, lineage);
    }

    fn lost(&self) {
        self.0.coherence.lost();
        self.0.tell_lost();
    }

    fn reached(&self) {
        self.0.coherence.hurry(false);
    }

    fn misled(&self) {
        self.0.coherence.tear(system_now());
        tracing::info!(
            "a server had been replaced unnoticed: the cache asks about what it may have missed"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        coherence::{Ack, Bounds, Emitted, Emitter, Outcome},
        event::Tag,
    };

    #[test]
    fn what_was_not_told_is_tried_as_soon_as_a_server_can_be_asked_again() {
        let coherence = Coherence::new("shop", Bounds::default(), Some("here"));
        let by_store = ByOneStore::of(&Ear::new(&coherence));
        let tags = [Tag::from_name("ItemChanged:7")];
        let emitted = Emitted::here(Emitter::here(), 1);
        coherence.emit(&tags, Outcome::Written, Ack::default(), emitted);
        let handed_out = || coherence.next_batch(1);
        for _ in 0..5 {
            handed_out().expect("it is to be told").failed(1);
            assert!(handed_out().is_none(), "it waits for longer and longer");
            by_store.listener().reached();
        }
        assert!(handed_out().is_some());
    }
}
