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
    coherence::{mutant, mutant::Mutant},
    l2::{Lineage, Listener},
    lock::Mutex,
};

/// The history of a bucket that nobody has who is alive.
pub(super) const ABSENT: Lineage = Lineage(1);

/// The history of a cluster in which the primary of each bucket has this one.
pub(super) fn lineage_of(buckets: &[Lineage]) -> Lineage {
    if buckets.contains(&Lineage::UNKNOWN) {
        return Lineage::UNKNOWN;
    }
    let buckets = if mutant::is(Mutant::C3) {
        &buckets[..1]
    } else {
        buckets
    };
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
    is_of_whole: bool,
}

impl Choir {
    pub(super) fn new(listener: &Arc<dyn Listener>) -> Arc<Self> {
        Arc::new(Self {
            listener: Arc::downgrade(listener),
            state: Mutex::default(),
        })
    }

    /// One more, which has these buckets: what is to be told of it. It is part of the whole as soon as
    /// [`set_whole`](Self::set_whole) names it.
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
                is_of_whole: false,
            },
        );
        Arc::new(Voice {
            choir: Arc::clone(self),
            part,
        })
    }

    /// The whole is these from here on.
    pub(super) fn set_whole<'a>(&self, voices: impl Iterator<Item = &'a Voice>) {
        let parts: Vec<u64> = voices.map(|voice| voice.part).collect();
        let mut state = self.state.lock();
        for (part, known) in &mut state.parts {
            known.is_of_whole = parts.contains(part);
        }
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
        let whole = state.parts.values().filter(|part| part.is_of_whole);
        let proven = whole.map(|part| part.fenced);
        let oldest = if mutant::is(Mutant::C1) {
            proven.max()
        } else {
            proven.min()
        };
        let mut fence = oldest.unwrap_or(0);
        if !mutant::is(Mutant::C2) {
            fence = fence.min(state.confirmed);
        }
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
        if !self.parts.values().any(|part| part.is_of_whole) {
            return None;
        }
        let mut buckets = vec![ABSENT; usize::from(BUCKETS)];
        for part in self.parts.values().filter(|part| part.is_of_whole) {
            for bucket in &part.buckets {
                buckets[usize::from(*bucket)] = part.lineage?;
            }
        }
        Some(lineage_of(&buckets))
    }
}

/// What is heard of one primary.
pub(super) struct Voice {
    choir: Arc<Choir>,
    part: u64,
}

impl Listener for Voice {
    /// What a primary has sent before it was another one's turn may arrive behind what that one says.
    fn heard(&self, message: &[u8]) {
        let state = self.choir.state.lock();
        let part = state.parts.get(&self.part);
        let is_of_whole = part.is_some_and(|part| part.is_of_whole);
        drop(state);
        self.choir.tell(|listener| {
            if is_of_whole {
                listener.heard(message);
            } else {
                listener.overheard(message);
            }
        });
    }

    fn connected(&self, lineage: Lineage) {
        let mut state = self.choir.state.lock();
        let Some(part) = state.parts.get_mut(&self.part) else {
            return;
        };
        (part.lineage, part.fenced) = (Some(lineage), 0);
        if part.is_of_whole {
            self.choir.tell_if_whole(&mut state);
        }
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
        if part.is_of_whole && std::mem::take(&mut state.is_whole) {
            self.choir.tell(|listener| listener.lost());
        }
    }

    fn reached(&self) {
        self.choir.tell(|listener| listener.reached());
    }

    fn misled(&self) {
        self.choir.tell(|listener| listener.misled());
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        self.choir.state.lock().parts.remove(&self.part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::l2::notes::{
        Notes,
        Told::{self, Connected, Fenced, Heard, Lost, Overheard},
    };

    /// Two that have half of the buckets each.
    fn duet() -> (Arc<Notes>, Arc<Choir>, [Arc<Voice>; 2]) {
        let notes = Arc::<Notes>::default();
        let listener: Arc<dyn Listener> = notes.clone();
        let choir = Choir::new(&listener);
        let buckets: Vec<u16> = (0..BUCKETS).collect();
        let (low, high) = buckets.split_at(buckets.len() / 2);
        let voices = [choir.voice(low), choir.voice(high)];
        choir.set_whole(voices.iter().map(|voice| &**voice));
        (notes, choir, voices)
    }

    fn lineage(low: u64, high: u64) -> Lineage {
        let half = usize::from(BUCKETS / 2);
        lineage_of(&[vec![Lineage(low); half], vec![Lineage(high); half]].concat())
    }

    fn told(notes: &Notes) -> Vec<Told> {
        let mut told = notes.all();
        told.drain(..1);
        told
    }

    #[test]
    fn all_is_heard_when_each_is() {
        let (notes, _, [low, high]) = duet();
        low.connected(Lineage(1));
        assert_eq!(told(&notes), []);
        high.connected(Lineage(2));
        assert_eq!(told(&notes), [Connected(lineage(1, 2))]);
        low.lost();
        high.lost();
        assert_eq!(told(&notes), [Connected(lineage(1, 2)), Lost]);
    }

    #[test]
    fn it_is_proven_as_long_ago_as_for_any_and_as_nobody_else_had_a_bucket() {
        let (notes, choir, [low, high]) = duet();
        low.connected(Lineage(1));
        high.connected(Lineage(2));
        choir.confirm(50);
        low.fenced(20, Lineage(1));
        assert_eq!(notes.fence(), 0, "the other one has proven nothing");
        high.fenced(30, Lineage(2));
        assert_eq!(notes.fence(), 20);
        low.fenced(70, Lineage(1));
        high.fenced(80, Lineage(2));
        assert_eq!(notes.fence(), 50);
        choir.confirm(75);
        assert_eq!(notes.fence(), 70);
    }

    #[test]
    fn what_one_had_proven_before_it_was_lost_counts_no_more() {
        let (notes, choir, [low, high]) = duet();
        choir.confirm(90);
        for voice in [&low, &high] {
            voice.connected(Lineage(1));
            voice.fenced(10, Lineage(1));
        }
        low.lost();
        high.fenced(40, Lineage(1));
        low.connected(Lineage(1));
        high.fenced(41, Lineage(1));
        assert_eq!(notes.fence(), 10);
        low.fenced(42, Lineage(1));
        assert_eq!(notes.fence(), 41);
    }

    #[test]
    fn that_one_can_be_asked_again_is_told_though_not_all_are_heard() {
        let (notes, _, [low, _high]) = duet();
        low.reached();
        assert_eq!((notes.times_reached(), told(&notes)), (1, vec![]));
    }

    #[test]
    fn another_history_of_one_is_another_history() {
        let (notes, choir, [low, high]) = duet();
        choir.confirm(90);
        for voice in [&low, &high] {
            voice.connected(Lineage(1));
            voice.fenced(10, Lineage(1));
        }
        high.fenced(20, Lineage(2));
        let last = notes.all().pop();
        assert_eq!(last, Some(Fenced(10, lineage(1, 2))));
        assert_ne!(lineage(1, 2), lineage(2, 1));
        low.fenced(20, Lineage::UNKNOWN);
        assert_eq!(
            notes.all().pop(),
            Some(Fenced(20, Lineage::UNKNOWN)),
            "where one does not say, nobody knows"
        );
    }

    #[test]
    fn who_has_left_is_not_waited_for_and_not_heard_as_part() {
        let (notes, choir, [low, high]) = duet();
        low.connected(Lineage(1));
        high.connected(Lineage(2));
        let all: Vec<u16> = (0..BUCKETS).collect();
        let only = choir.voice(&all);
        choir.set_whole([&*only].into_iter());
        low.heard(b"late");
        only.heard(b"new");
        let heard = [Overheard("late".into()), Heard("new".into())];
        assert_eq!(notes.all().split_off(notes.all().len() - 2), heard);
        let before = notes.changes().len();
        low.connected(Lineage(3));
        high.lost();
        assert_eq!(notes.changes().len(), before);
        drop((low, high));
        only.connected(Lineage(4));
        let whole = lineage(4, 4);
        assert_eq!(notes.changes().pop(), Some(Connected(whole)));
    }
}
