//! Where the keys of many callers meet that are to be loaded together.
//!
//! A key waits here from when its turn to load has come until somebody takes it: a caller of its own, another one, or what
//! was left by its caller. That load then runs in a task of its own; where it has to wait for a slot, the next one that
//! has a slot takes its keys along. What it does not load waits again, and is then loaded with other keys of its own call
//! only: a key that panics is the panic of those who asked for it.

#[cfg(test)]
mod tests;

use std::{
    any::Any,
    collections::{HashMap, HashSet, VecDeque},
    future::Future,
    hash::Hash,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use crate::{
    call::Leaving,
    clock::Nanos,
    coherence::{mutant, mutant::Mutant},
    context,
    flight::Load,
    lock::{Mutex, MutexGuard},
    slot::Slot,
    watchdog::{self, Unwanted, Watched},
};

/// The keys of one function that wait to be loaded.
#[derive(Debug)]
pub(super) struct Gathering<K, R> {
    waiting: Mutex<VecDeque<Arc<Request<K, R>>>>,
    /// Those that were taken already, by loads that wait for a slot.
    queued: Mutex<Vec<Arc<Loading<K, R>>>>,
}

impl<K, R> Default for Gathering<K, R> {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            queued: Mutex::default(),
        }
    }
}

/// Tells calls apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CallId(u64);

impl CallId {
    pub(super) fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Relaxed))
    }
}

/// A key that waits to be loaded, or is being loaded.
#[derive(Debug)]
pub(super) struct Request<K, R> {
    pub(super) key: K,
    call: CallId,
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
    /// Who waited for it has given up.
    is_given_up: bool,
    /// The slot that it is loaded in now.
    taken: Option<Arc<Slot>>,
    /// A load of it has ended without an answer.
    was_taken: bool,
    /// How one of its own call alone panicked.
    panic: Option<String>,
}

impl<R> Requested<R> {
    fn is_wanted(&self) -> bool {
        !self.is_gone && self.answer.is_none()
    }

    fn is_taken_by(&self, slot: &Slot) -> bool {
        let taken = self.taken.as_ref();
        taken.is_some_and(|taken| taken.id() == slot.id())
    }
}

impl<K, R> Request<K, R> {
    fn new(key: K, call: CallId) -> Arc<Self> {
        Arc::new(Self {
            key,
            call,
            state: Mutex::new(Requested {
                answer: None,
                load: None,
                waker: None,
                is_gone: false,
                is_given_up: false,
                taken: None,
                was_taken: false,
                panic: None,
            }),
        })
    }

    /// The load that it is the body of.
    pub(super) fn load(&self) -> Option<Arc<Load>> {
        self.state.lock().load.clone()
    }

    /// Answers it; not where it was taken back, and is loaded by somebody else.
    fn answer(&self, slot: &Slot, answer: R) {
        let mut state = self.state.lock();
        if state.taken.is_some() && !state.is_taken_by(slot) {
            drop(state);
            return drop(answer);
        }
        let before = state.answer.replace(answer);
        let waker = state.waker.take();
        drop(state);
        drop(before);
        watchdog::wake(waker.into_iter().collect());
    }

    /// Whether somebody waits for it still.
    pub(super) fn is_wanted(&self) -> bool {
        self.state.lock().is_wanted()
    }

    /// Whether a call may load it.
    fn is_for(&self, call: CallId) -> bool {
        let state = self.state.lock();
        state.is_wanted() && (!state.was_taken || self.call == call)
    }

    fn wake(&self) {
        let waker = self.state.lock().waker.clone();
        watchdog::wake(waker.into_iter().collect());
    }
}

impl<K, R> Gathering<K, R> {
    /// The load of one key: it ends when somebody has loaded it.
    pub(super) fn load(
        self: &Arc<Self>,
        key: K,
        call: CallId,
        apart: Option<Apart>,
    ) -> Asking<K, R> {
        Asking {
            gathering: Arc::clone(self),
            request: Request::new(key, call),
            is_queued: false,
            apart,
        }
    }

    /// Whether a key waits that this call may load.
    pub(super) fn has_waiting(&self, call: CallId) -> bool {
        let (waiting, gone) = self.wanted();
        let has_some = waiting.iter().any(|request| request.is_for(call));
        drop(waiting);
        drop(gone);
        has_some
    }

    /// Those that wait, without the first that nobody wants; these are to be dropped where the lock is not held, as a
    /// key's own `Drop` may do anything.
    fn wanted(&self) -> (Waiting<'_, K, R>, Requests<K, R>) {
        let mut waiting = self.waiting.lock();
        let is_gone = |request: &Arc<Request<K, R>>| !request.state.lock().is_wanted();
        let mut gone = Vec::new();
        while waiting.front().is_some_and(is_gone) {
            gone.extend(waiting.pop_front());
        }
        (waiting, gone)
    }

    /// Takes all keys that a call may load, in loads of up to so many, each once in a load: who asks for one again does so
    /// as it has changed, or as nobody keeps it. What was taken before goes apart from what was not.
    pub(super) fn take_all(self: &Arc<Self>, most: usize, call: CallId) -> Vec<LoadingKeys<K, R>>
    where
        K: Clone + Eq + Hash,
    {
        // What a key does when it is looked at, it does not do under the lock, and all is given back should it panic.
        let held = self.hold(call);
        let mut taken: Vec<LoadingKeys<K, R>> = Vec::new();
        let (mut times, mut open) = (HashMap::new(), HashMap::new());
        for request in held.requests() {
            let time = held.heard(|| {
                let time = times.entry(request.key.clone()).or_insert(0_usize);
                *time += 1;
                *time
            });
            let kind = (time, request.state.lock().was_taken);
            let place = open.get(&kind).copied();
            let place = place.filter(|place: &usize| taken[*place].len() < most);
            let place = place.unwrap_or_else(|| {
                taken.push(LoadingKeys::new(self));
                open.insert(kind, taken.len() - 1);
                taken.len() - 1
            });
            taken[place].add(request);
        }
        taken
    }

    /// Everything that a call may load.
    fn hold(self: &Arc<Self>, call: CallId) -> LoadingKeys<K, R> {
        let held = LoadingKeys::new(self);
        let (mut waiting, mut gone) = self.wanted();
        if mutant::is(Mutant::S4) {
            let seen = waiting.clone();
            drop(waiting);
            waiting = self.waiting.lock();
            *waiting = seen;
        }
        for request in std::mem::take(&mut *waiting) {
            if request.is_for(call) {
                held.add(request);
            } else if request.is_wanted() {
                waiting.push_back(request);
            } else {
                gone.push(request);
            }
        }
        drop(waiting);
        drop(gone);
        held
    }
}

impl<K, R> Gathering<K, R> {
    /// Up to so many of those that wait for a slot. Loads that are left with nothing are over.
    fn hold_queued(self: &Arc<Self>, most: usize) -> LoadingKeys<K, R> {
        let held = LoadingKeys::new(self);
        let mut idle: Vec<Waker> = Vec::new();
        let queued = self.queued.lock();
        for loading in &*queued {
            let mut requests = loading.requests.lock();
            requests.retain(|request| {
                let is_held = held.len() < most && held.add_from(request, &loading.slot);
                !is_held
            });
            if !requests.iter().any(|request| request.is_wanted()) {
                idle.push(Arc::clone(&loading.slot).into());
            }
        }
        drop(queued);
        watchdog::wake(idle);
        held
    }
}

/// A load that waits for a slot, while it does.
pub(super) struct Queued<'a, K, R>(&'a Arc<Loading<K, R>>);

impl<K, R> Drop for Queued<'_, K, R> {
    fn drop(&mut self) {
        let mut queued = self.0.gathering.queued.lock();
        let place = queued
            .iter()
            .position(|loading| Arc::ptr_eq(loading, self.0));
        let loading = place.map(|place| queued.remove(place));
        drop(queued);
        drop(loading);
    }
}

type Requests<K, R> = Vec<Arc<Request<K, R>>>;

/// Those that wait.
type Waiting<'a, K, R> = MutexGuard<'a, VecDeque<Arc<Request<K, R>>>>;

/// Keys that are being loaded in one go. What is not answered in the end waits again.
#[derive(Debug)]
pub(super) struct LoadingKeys<K, R>(Arc<Loading<K, R>>);

#[derive(Debug)]
struct Loading<K, R> {
    gathering: Arc<Gathering<K, R>>,
    /// In which the load runs.
    slot: Arc<Slot>,
    requests: Mutex<Requests<K, R>>,
    /// How it panicked.
    panic: Mutex<Option<String>>,
    unwanted: Unwanted,
}

impl<K, R> LoadingKeys<K, R> {
    fn new(gathering: &Arc<Gathering<K, R>>) -> Self {
        Self(Arc::new(Loading {
            gathering: Arc::clone(gathering),
            slot: Slot::new(true),
            requests: Mutex::default(),
            panic: Mutex::default(),
            unwanted: Unwanted::default(),
        }))
    }

    fn len(&self) -> usize {
        self.0.requests.lock().len()
    }

    fn add(&self, request: Arc<Request<K, R>>) {
        request.state.lock().taken = Some(Arc::clone(&self.0.slot));
        self.0.requests.lock().push(request);
    }

    /// Adds what another load has, unless that has been in a load before, or is not wanted.
    fn add_from(&self, request: &Arc<Request<K, R>>, other: &Slot) -> bool {
        let mut state = request.state.lock();
        let is_there = state.is_wanted() && !state.was_taken && state.is_taken_by(other);
        if is_there {
            state.taken = Some(Arc::clone(&self.0.slot));
            drop(state);
            self.0.requests.lock().push(Arc::clone(request));
        }
        is_there
    }

    pub(super) fn slot(&self) -> &Arc<Slot> {
        &self.0.slot
    }

    /// Has others take these keys along, until it is dropped: they wait for a slot.
    pub(super) fn queue(&self) -> Queued<'_, K, R> {
        self.0.gathering.queued.lock().push(Arc::clone(&self.0));
        Queued(&self.0)
    }

    /// Takes along what waits for a slot, up to so many in all, each key once: it may run now. Not what has been in a load
    /// before, nor together with that.
    ///
    /// # Panics
    ///
    /// As keys do that are looked at. Those are given back.
    pub(super) fn fill_up(&self, most: usize)
    where
        K: Clone + Eq + Hash,
    {
        let was_taken = |request: &Arc<Request<K, R>>| request.state.lock().was_taken;
        let own = self.requests();
        if own.len() >= most || own.iter().any(was_taken) {
            return;
        }
        // What a key does when it is looked at, it does not do under a lock, and all is given back should it panic.
        let keys = own.iter().map(|request| request.key.clone());
        let mut keys: HashSet<K> = keys.collect();
        let held = self.0.gathering.hold_queued(most - own.len());
        for request in held.requests() {
            if held.heard(|| keys.insert(request.key.clone())) {
                self.add(request);
            }
        }
        // The others are asked for anew, and go with the next.
        held.0.give_back(false);
    }

    pub(super) fn requests(&self) -> Requests<K, R> {
        self.0.requests.lock().clone()
    }

    /// Whether anybody still waits.
    pub(super) fn is_wanted(&self) -> bool {
        self.0.is_wanted()
    }

    /// For how long nobody was to wait for it at most, where nobody has for longer.
    pub(super) fn overdue(&self) -> Option<Duration> {
        self.0.unwanted.overdue()
    }

    /// Whether nobody waits any more, and some have given up.
    pub(super) fn is_given_up(&self) -> bool {
        let has_given_up = |request: &Arc<Request<K, R>>| request.state.lock().is_given_up;
        !self.is_wanted() && self.0.requests.lock().iter().any(has_given_up)
    }

    /// Whether all keys are of one call, and which.
    pub(super) fn call(&self) -> Option<CallId> {
        self.0.call()
    }

    /// Runs a part of the load.
    ///
    /// # Panics
    ///
    /// As that does. Those whose keys are given back then hear how.
    pub(super) fn heard<T>(&self, run: impl FnOnce() -> T) -> T {
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
            self.panicked(&*panic);
            resume_unwind(panic)
        })
    }

    fn panicked(&self, panic: &(dyn Any + Send)) {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        let text = text.unwrap_or_else(|| "the load of several keys panicked".into());
        *self.0.panic.lock() = Some(text);
    }

    /// Gives each its answer.
    pub(super) fn answer(&self, mut answer: impl FnMut(&K) -> R) {
        for request in self.requests() {
            request.answer(&self.0.slot, answer(&request.key));
        }
    }
}

impl<K, R> LoadingKeys<K, R>
where
    K: Send + Sync + 'static,
    R: Send + 'static,
{
    /// Has the keys taken back where the load is not polled any more: others wait for them.
    pub(super) fn watch(&self, deadline: Duration) {
        self.0.unwanted.limit(deadline);
        let loading: Arc<dyn Watched> = Arc::clone(&self.0) as _;
        watchdog::watch(&loading);
    }
}

impl<K, R> Loading<K, R> {
    fn is_wanted(&self) -> bool {
        let is_own = |request: &Arc<Request<K, R>>| {
            let state = request.state.lock();
            state.is_wanted() && state.is_taken_by(&self.slot)
        };
        self.requests.lock().iter().any(is_own)
    }

    fn call(&self) -> Option<CallId> {
        let requests = self.requests.lock();
        let call = requests.first()?.call;
        requests
            .iter()
            .all(|request| request.call == call)
            .then_some(call)
    }

    fn give_back(&self, has_ended: bool) {
        let panic = self.panic.lock().take().filter(|_| self.call().is_some());
        let requests = self.requests.lock().clone();
        let again = requests.into_iter().filter(|request| {
            let mut state = request.state.lock();
            let is_own = state.is_wanted() && state.is_taken_by(&self.slot);
            if is_own {
                state.taken = None;
                state.was_taken |= has_ended;
                state.panic.clone_from(&panic);
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

impl<K, R> Drop for LoadingKeys<K, R> {
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
        let is_overdue = self.unwanted.note(self.is_wanted(), now).is_some();
        if is_overdue {
            watchdog::wake(vec![Arc::clone(&self.slot).into()]);
        }
        !is_overdue
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
    /// As the load of it panicked, where that was one of its own call.
    fn drive(&self) {
        let Some(Apart { leaving, drive }) =
            self.apart.as_ref().filter(|apart| apart.leaving.is_apart())
        else {
            return;
        };
        leaving.arrive();
        let panic = self.request.state.lock().panic.take();
        if let Some(panic) = panic {
            resume_unwind(Box::new(panic));
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
        let is_apart = |apart: &Apart| apart.leaving.is_apart();
        let is_given_up = self.apart.as_ref().is_some_and(is_apart);
        let mut state = self.request.state.lock();
        state.is_gone = true;
        state.is_given_up = is_given_up && state.answer.is_none();
        let loading = state.taken.clone().filter(|_| state.is_given_up);
        let left = (state.waker.take(), state.answer.take(), state.load.take());
        drop(state);
        drop(left);
        if let Some(loading) = loading {
            watchdog::wake(vec![loading.into()]);
        }
    }
}
