//! Where the keys of many callers meet that are to be loaded together.
//!
//! A key waits here from when its turn to load has come until somebody takes it: a caller of its own, another one, or what
//! was left by its caller. That load then runs in a task of its own. What it does not load waits again.

use std::{
    collections::{HashSet, VecDeque},
    future::Future,
    hash::Hash,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use crate::{
    call::Leaving,
    clock::Nanos,
    context,
    flight::Load,
    lock::Mutex,
    slot::Slot,
    watchdog::{self, Watched},
};

/// The keys of one function that wait to be loaded.
#[derive(Debug)]
pub(super) struct Gathering<K, R> {
    waiting: Mutex<VecDeque<Arc<Request<K, R>>>>,
}

impl<K, R> Default for Gathering<K, R> {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
        }
    }
}

/// A key that waits to be loaded, or is being loaded.
#[derive(Debug)]
pub(super) struct Request<K, R> {
    pub(super) key: K,
    state: Mutex<Requested<R>>,
}

#[derive(Debug)]
struct Requested<R> {
    answer: Option<R>,
    /// The load that it is the body of.
    load: Option<Arc<Load>>,
    waker: Option<Waker>,
    /// Nobody waits for it any more.
    is_gone: bool,
    /// Whose slot it is that it is loaded in now.
    taken: Option<u64>,
    /// A load of it has ended without an answer.
    was_taken: bool,
}

impl<R> Requested<R> {
    fn is_wanted(&self) -> bool {
        !self.is_gone && self.answer.is_none()
    }
}

impl<K, R> Request<K, R> {
    fn new(key: K) -> Arc<Self> {
        Arc::new(Self {
            key,
            state: Mutex::new(Requested {
                answer: None,
                load: None,
                waker: None,
                is_gone: false,
                taken: None,
                was_taken: false,
            }),
        })
    }

    /// The load that it is the body of.
    pub(super) fn load(&self) -> Option<Arc<Load>> {
        self.state.lock().load.clone()
    }

    /// Answers it; not where it was taken back.
    fn answer(&self, slot: &Slot, answer: R) {
        let mut state = self.state.lock();
        if state.taken != Some(slot.id()) {
            drop(state);
            return drop(answer);
        }
        let before = state.answer.replace(answer);
        let waker = state.waker.take();
        drop(state);
        drop(before);
        watchdog::wake(waker.into_iter().collect());
    }

    fn is_wanted(&self) -> bool {
        self.state.lock().is_wanted()
    }

    fn wake(&self) {
        let waker = self.state.lock().waker.clone();
        watchdog::wake(waker.into_iter().collect());
    }
}

impl<K, R> Gathering<K, R> {
    /// The load of one key: it ends when somebody has loaded it.
    pub(super) fn load(self: &Arc<Self>, key: K, apart: Option<Apart>) -> Asking<K, R> {
        Asking {
            gathering: Arc::clone(self),
            request: Request::new(key),
            is_queued: false,
            apart,
        }
    }

    /// Whether a key waits.
    pub(super) fn has_waiting(&self) -> bool {
        let mut gone = Vec::new();
        let mut waiting = self.waiting.lock();
        while waiting.front().is_some_and(|request| !request.is_wanted()) {
            gone.extend(waiting.pop_front());
        }
        let has_some = !waiting.is_empty();
        drop(waiting);
        // Not before: a key's own `Drop` may do anything.
        drop(gone);
        has_some
    }

    /// Takes up to so many keys that wait, each once: who asks for one again does so as it has changed, or as nobody
    /// keeps it.
    pub(super) fn take(self: &Arc<Self>, most: usize) -> Taken<K, R>
    where
        K: Clone + Eq + Hash,
    {
        let taken = Taken(Arc::new(Loading {
            gathering: Arc::clone(self),
            slot: Slot::new(true),
            requests: Mutex::default(),
        }));
        let (slot, requests) = (&taken.0.slot, &taken.0.requests);
        let mut doubles = Doubles(self, VecDeque::new());
        let mut keys = HashSet::new();
        // What a key does when it is looked at, it does not do under the lock, and what was taken is given back should it
        // panic.
        while keys.len() < most
            && let Some(request) = self.pop(slot)
        {
            requests.lock().push(Arc::clone(&request));
            if !keys.insert(request.key.clone()) {
                requests.lock().pop();
                doubles.1.push_back(request);
            }
        }
        drop(doubles);
        taken
    }

    /// The first that is wanted, for whoever loads in this slot.
    fn pop(&self, slot: &Slot) -> Option<Arc<Request<K, R>>> {
        loop {
            let first = self.waiting.lock().pop_front();
            let request = first?;
            let mut state = request.state.lock();
            if state.is_wanted() {
                state.taken = Some(slot.id());
                drop(state);
                return Some(request);
            }
        }
    }
}

/// What is asked for twice: the first in the queue, once the others are taken.
struct Doubles<'a, K, R>(&'a Gathering<K, R>, VecDeque<Arc<Request<K, R>>>);

impl<K, R> Drop for Doubles<'_, K, R> {
    fn drop(&mut self) {
        for request in &self.1 {
            request.state.lock().taken = None;
        }
        let mut waiting = self.0.waiting.lock();
        self.1.append(&mut waiting);
        std::mem::swap(&mut *waiting, &mut self.1);
    }
}

/// Keys that are being loaded in one go. What is not answered in the end waits again.
#[derive(Debug)]
pub(super) struct Taken<K, R>(Arc<Loading<K, R>>);

#[derive(Debug)]
struct Loading<K, R> {
    gathering: Arc<Gathering<K, R>>,
    /// In which the load runs.
    slot: Arc<Slot>,
    requests: Mutex<Vec<Arc<Request<K, R>>>>,
}

impl<K, R> Taken<K, R> {
    pub(super) fn slot(&self) -> &Arc<Slot> {
        &self.0.slot
    }

    pub(super) fn requests(&self) -> Vec<Arc<Request<K, R>>> {
        self.0.requests.lock().clone()
    }

    /// Whether anybody still waits.
    pub(super) fn is_wanted(&self) -> bool {
        self.0.is_wanted()
    }

    /// Gives each its answer.
    pub(super) fn answer(&self, mut answer: impl FnMut(&K) -> R) {
        for request in self.requests() {
            request.answer(&self.0.slot, answer(&request.key));
        }
    }
}

impl<K, R> Taken<K, R>
where
    K: Send + Sync + 'static,
    R: Send + 'static,
{
    /// Has the keys taken back where the load is not polled any more: others wait for them.
    pub(super) fn watch(&self) {
        let loading: Arc<dyn Watched> = Arc::clone(&self.0) as _;
        watchdog::watch(&loading);
    }
}

impl<K, R> Loading<K, R> {
    fn is_wanted(&self) -> bool {
        let is_own = |request: &Arc<Request<K, R>>| {
            let state = request.state.lock();
            state.is_wanted() && state.taken == Some(self.slot.id())
        };
        self.requests.lock().iter().any(is_own)
    }

    fn give_back(&self, has_ended: bool) {
        let requests = std::mem::take(&mut *self.requests.lock());
        let again = requests.into_iter().filter(|request| {
            let mut state = request.state.lock();
            let is_own = state.is_wanted() && state.taken == Some(self.slot.id());
            if is_own {
                state.taken = None;
                state.was_taken |= has_ended;
            }
            is_own
        });
        let again: Vec<_> = again.collect();
        if again.is_empty() {
            return;
        }
        self.gathering.waiting.lock().extend(again.iter().cloned());
        // Each belongs to a caller who can load it.
        for request in again {
            request.wake();
        }
    }
}

impl<K, R> Drop for Taken<K, R> {
    fn drop(&mut self) {
        self.0.give_back(true);
    }
}

impl<K, R> Watched for Loading<K, R>
where
    K: Send + Sync + 'static,
    R: Send + 'static,
{
    fn check(&self, now: Nanos) -> bool {
        if self.slot.is_gone(now) {
            self.give_back(false);
        }
        self.is_wanted()
    }
}

/// The load of one key.
pub(super) struct Asking<K, R> {
    gathering: Arc<Gathering<K, R>>,
    request: Arc<Request<K, R>>,
    is_queued: bool,
    apart: Option<Apart>,
}

/// What becomes of a key whose caller may go before it is loaded.
pub(super) struct Apart {
    pub(super) leaving: Arc<Leaving>,
    /// Loads what waits.
    pub(super) drive: Arc<dyn Fn() + Send + Sync>,
}

impl<K, R> Asking<K, R> {
    /// Loads what waits, where that has left its caller and nothing else of it is to come.
    ///
    /// # Panics
    ///
    /// Where that was done, and there was no answer: the load panicked, and the next would too.
    fn drive(&self) {
        let Some(Apart { leaving, drive }) =
            self.apart.as_ref().filter(|apart| apart.leaving.is_apart())
        else {
            return;
        };
        leaving.arrive();
        let state = self.request.state.lock();
        let was_taken = state.taken.is_none() && state.was_taken;
        drop(state);
        if was_taken {
            std::panic::resume_unwind(Box::new("the load of several keys panicked"));
        }
        if !leaving.are_others_coming() {
            drive();
        }
    }
}

impl<K, R> Future for Asking<K, R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let mut state = self.request.state.lock();
        if let Some(answer) = state.answer.take() {
            return Poll::Ready(answer);
        }
        let before = state.waker.replace(cx.waker().clone());
        if !self.is_queued {
            state.load = context::load();
        }
        drop(state);
        drop(before);
        if !std::mem::replace(&mut self.is_queued, true) {
            let request = Arc::clone(&self.request);
            self.gathering.waiting.lock().push_back(request);
        }
        self.drive();
        Poll::Pending
    }
}

impl<K, R> Unpin for Asking<K, R> {}

impl<K, R> Drop for Asking<K, R> {
    fn drop(&mut self) {
        if let Some(apart) = &self.apart
            && apart.leaving.arrive()
        {
            // Those that are there wait for nobody else.
            (apart.drive)();
        }
        let mut state = self.request.state.lock();
        state.is_gone = true;
        let left = (state.waker.take(), state.answer.take(), state.load.take());
        drop(state);
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        hash::Hasher,
        panic::{AssertUnwindSafe, catch_unwind},
    };

    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Key {
        id: u64,
        panics: bool,
    }

    impl Hash for Key {
        fn hash<H: Hasher>(&self, hasher: &mut H) {
            assert!(!self.panics, "of the key");
            self.id.hash(hasher);
        }
    }

    fn polled(asking: &mut Asking<Key, u64>) -> Poll<u64> {
        Pin::new(asking).poll(&mut Context::from_waker(Waker::noop()))
    }

    fn asking(gathering: &Arc<Gathering<Key, u64>>, id: u64, panics: bool) -> Asking<Key, u64> {
        let mut asking = gathering.load(Key { id, panics }, None);
        assert_eq!(polled(&mut asking), Poll::Pending);
        asking
    }

    #[test]
    fn who_asks_for_the_same_key_waits_for_the_next_load_at_the_head_of_the_queue() {
        let gathering = Arc::default();
        let _all = [1, 1, 2, 1, 3].map(|id| asking(&gathering, id, false));
        let ids = |taken: &Taken<Key, u64>| -> Vec<u64> {
            taken
                .requests()
                .iter()
                .map(|request| request.key.id)
                .collect()
        };
        let first = gathering.take(2);
        assert_eq!(ids(&first), [1, 2]);
        let second = gathering.take(2);
        assert_eq!(ids(&second), [1, 3]);
        assert_eq!(ids(&gathering.take(2)), [1]);
    }

    #[test]
    fn a_key_that_panics_where_it_is_looked_at_takes_no_other_along() {
        let gathering = Arc::default();
        let good = [1, 1, 2].map(|id| asking(&gathering, id, false));
        let bad = asking(&gathering, 3, true);
        catch_unwind(AssertUnwindSafe(|| gathering.take(10))).unwrap_err();
        drop(bad);
        assert!(gathering.has_waiting());
        for _ in 0..2 {
            gathering.take(10).answer(|_| 7);
        }
        for mut asking in good {
            assert_eq!(polled(&mut asking), Poll::Ready(7));
        }
    }
}
