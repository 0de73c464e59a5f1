//! What the primaries of a cluster are heard to say, as of one server: all is heard where each of them is, and it is proven
//! as long ago as it is for the one that was asked first.
//!
//! Its history is that of all: the lineage of a cluster is another one when that of any bucket of tags is.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use xxhash_rust::xxh3::xxh3_64;

use super::slots::BUCKETS;
use crate::{
    clock::Nanos,
    l2::{Lineage, Listener},
    lock::Mutex,
};

/// The history of a cluster in which the primary of each bucket has this one.
pub(super) fn lineage_of(buckets: &[Lineage]) -> Lineage {
    if buckets.contains(&Lineage::UNKNOWN) {
        return Lineage::UNKNOWN;
    }
    let bytes: Vec<u8> = buckets.iter().flat_map(|it| it.0.to_le_bytes()).collect();
    Lineage(xxh3_64(&bytes).max(1))
}

/// All primaries that have tags, towards one listener.
pub(super) struct Choir {
    /// It may well hold the store.
    listener: Weak<dyn Listener>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    parts: HashMap<u64, Part>,
    last: u64,
    /// All of them are heard, and the listener knows.
    is_whole: bool,
    /// Nobody else had a bucket when this was asked.
    confirmed: Nanos,
}

/// One of them.
struct Part {
    buckets: Vec<u16>,
    /// While it is heard.
    lineage: Option<Lineage>,
    fenced: Nanos,
}

impl Choir {
    pub(super) fn new(listener: &Arc<dyn Listener>) -> Arc<Self> {
        Arc::new(Self {
            listener: Arc::downgrade(listener),
            state: Mutex::default(),
        })
    }

    /// One more, which has these buckets: what is to be told of it. It is part of the whole as soon as [`is_of`](Self::is_of)
    /// names it.
    pub(super) fn voice(self: &Arc<Self>, buckets: &[u16]) -> Arc<Voice> {
        let mut state = self.state.lock();
        state.last += 1;
        let part = state.last;
        let buckets = buckets.to_vec();
        state.parts.insert(
            part,
            Part {
                buckets,
                lineage: None,
                fenced: 0,
            },
        );
        Arc::new(Voice {
            choir: Arc::clone(self),
            part,
        })
    }

    /// The whole is these from here on.
    pub(super) fn is_of<'a>(&self, voices: impl Iterator<Item = &'a Voice>) {
        let parts: Vec<u64> = voices.map(|voice| voice.part).collect();
        let mut state = self.state.lock();
        state.parts.retain(|part, _| parts.contains(part));
        state.is_whole = false;
        self.tell(|listener| listener.lost());
        self.tell_if_whole(&mut state);
    }

    /// Nobody else had any of the buckets when this was asked.
    pub(super) fn confirm(&self, sent: Nanos) {
        let mut state = self.state.lock();
        state.confirmed = state.confirmed.max(sent);
        self.tell_fence(&state);
    }

    fn tell_if_whole(&self, state: &mut State) {
        if let Some(lineage) = state.lineage() {
            state.is_whole = true;
            self.tell(|listener| listener.connected(lineage));
        }
    }

    fn tell_fence(&self, state: &State) {
        let (true, Some(lineage)) = (state.is_whole, state.lineage()) else {
            return;
        };
        let fences = state.parts.values().map(|part| part.fenced);
        let fence = fences.min().unwrap_or(0).min(state.confirmed);
        if fence > 0 {
            self.tell(|listener| listener.fenced(fence, lineage));
        }
    }

    fn tell(&self, what: impl FnOnce(&dyn Listener)) {
        if let Some(listener) = self.listener.upgrade() {
            what(&*listener);
        }
    }
}

impl State {
    /// Of the whole; nothing where it is none.
    fn lineage(&self) -> Option<Lineage> {
        let mut buckets = vec![None; usize::from(BUCKETS)];
        for part in self.parts.values() {
            for bucket in &part.buckets {
                buckets[usize::from(*bucket)] = Some(part.lineage?);
            }
        }
        let buckets: Option<Vec<Lineage>> = buckets.into_iter().collect();
        Some(lineage_of(&buckets?))
    }
}

/// What is heard of one primary.
pub(super) struct Voice {
    choir: Arc<Choir>,
    part: u64,
}

impl Listener for Voice {
    fn heard(&self, message: &[u8]) {
        self.choir.tell(|listener| listener.heard(message));
    }

    fn connected(&self, lineage: Lineage) {
        let mut state = self.choir.state.lock();
        let Some(part) = state.parts.get_mut(&self.part) else {
            return;
        };
        (part.lineage, part.fenced) = (Some(lineage), 0);
        self.choir.tell_if_whole(&mut state);
    }

    fn fenced(&self, sent: Nanos, lineage: Lineage) {
        let mut state = self.choir.state.lock();
        let Some(part) = state.parts.get_mut(&self.part) else {
            return;
        };
        (part.lineage, part.fenced) = (Some(lineage), part.fenced.max(sent));
        self.choir.tell_fence(&state);
    }

    fn lost(&self) {
        let mut state = self.choir.state.lock();
        let Some(part) = state.parts.get_mut(&self.part) else {
            return;
        };
        part.lineage = None;
        if std::mem::take(&mut state.is_whole) {
            self.choir.tell(|listener| listener.lost());
        }
    }

    fn misled(&self) {
        self.choir.tell(|listener| listener.misled());
    }
}
