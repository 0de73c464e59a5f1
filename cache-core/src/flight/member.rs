//! The two parts a caller can play in a flight: to wait in it, and to load for it.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use super::{Flight, Flights, lock};
use crate::{
    clock::{Nanos, system_now},
    key::Key,
    l1::Stored,
    site::SiteState,
    slot::{Lent, Slot},
    value::Fate,
};

/// What a member of a flight is to do.
pub(crate) enum Turn {
    /// Another caller's load answers.
    Answer(Arc<dyn Stored>),
    /// Run the body.
    Load(Arc<Load>),
}

/// A caller's place in a flight.
#[derive(Debug)]
pub(crate) struct Member {
    pub(super) flight: Arc<Flight>,
    pub(super) ticket: u64,
    pub(super) patience: Patience,
}

/// What a sleeper makes of being woken with nothing to show for it: somebody else may be stuck.
///
/// The watchdog wakes from outside the runtime, and such a wake can overtake tasks that have waited
/// longer. So the sleeper first goes to the back of the queue once, behind a leader that is only late.
#[derive(Debug, Default)]
pub(super) struct Patience {
    has_slept: bool,
    has_yielded: bool,
}

/// What a sleeper does next.
enum Next {
    Sleep,
    Yield,
    Act,
}

impl Patience {
    /// Called with whether the sleeper's waker is still where it left it.
    fn next(&mut self, is_undisturbed: bool) -> Next {
        if !self.has_slept || is_undisturbed {
            Next::Sleep
        } else if std::mem::replace(&mut self.has_yielded, true) {
            Next::Act
        } else {
            Next::Yield
        }
    }

    fn sleep(&mut self) {
        *self = Self {
            has_slept: true,
            has_yielded: false,
        };
    }
}

impl Member {
    pub(crate) fn flight_id(&self) -> u64 {
        self.flight.id
    }

    /// Waits for the answer, or for the turn to load.
    ///
    /// # Cancel safety
    ///
    /// A turn that was offered and not taken goes to the next waiter when the member is dropped.
    pub(crate) async fn turn(&mut self, outer: Option<&Arc<Load>>, is_detached: bool) -> Turn {
        std::future::poll_fn(|cx| self.poll_turn(cx, outer, is_detached)).await
    }

    fn poll_turn(
        &mut self,
        cx: &mut Context<'_>,
        outer: Option<&Arc<Load>>,
        is_detached: bool,
    ) -> Poll<Turn> {
        let mut state = lock(&self.flight.state);
        if let Some(node) = &state.answer {
            return Poll::Ready(Turn::Answer(Arc::clone(node)));
        }
        let mut stuck = Vec::new();
        if !state.is_open() {
            match self.patience.next(state.waiting.contains_key(&self.ticket)) {
                Next::Sleep => {}
                Next::Yield => {
                    drop(state);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Next::Act => stuck = state.stop_stuck(system_now()),
            }
        }
        if state.is_open() {
            state.is_offered = false;
            let waker = state.waiting.remove(&self.ticket);
            let slot = if is_detached {
                Slot::detached()
            } else {
                Slot::inline()
            };
            state.loading.push(Arc::clone(&slot));
            drop(state);
            drop(waker);
            for slot in stuck {
                slot.free();
            }
            return Poll::Ready(Turn::Load(Arc::new(Load {
                flight: Arc::clone(&self.flight),
                slot,
                outer: outer.cloned(),
                ticket: self.ticket,
                patience: Mutex::default(),
            })));
        }
        // A waker may drop a whole task: never under the lock.
        let waker = state.waiting.insert(self.ticket, cx.waker().clone());
        self.patience.sleep();
        let has_inline = state.loading.iter().any(|slot| slot.is_inline());
        drop(state);
        drop(waker);
        if has_inline {
            self.flight.watch();
        }
        Poll::Pending
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = lock(&self.flight.state);
        state.members -= 1;
        let waker = state.waiting.remove(&self.ticket);
        let invited = state.invite();
        drop(state);
        drop(waker);
        invited.into_iter().for_each(Waker::wake);
        self.flight.leave_if_idle();
    }
}

/// One run of a body on behalf of a flight.
#[derive(Debug)]
pub(crate) struct Load {
    pub(super) flight: Arc<Flight>,
    pub(crate) slot: Arc<Slot>,
    /// The load that this one was called from.
    outer: Option<Arc<Load>>,
    ticket: u64,
    patience: Mutex<Patience>,
}

impl Load {
    pub(crate) fn site(&self) -> &Arc<SiteState> {
        &self.flight.site
    }

    /// This load and the loads it was called from, inside out.
    pub(super) fn chain(&self) -> impl Iterator<Item = &Load> {
        std::iter::successors(Some(self), |load| load.outer.as_deref())
    }

    /// Whether this load, or one it was called from, is for `key` of the same cache.
    pub(crate) fn is_for(&self, key: &Key, flights: &Arc<Flights>) -> bool {
        self.chain()
            .any(|load| load.flight.key == *key && Arc::ptr_eq(&load.flight.flights, flights))
    }

    /// The answer that another load gave while this one waits for its slot.
    pub(crate) fn poll_answer(&self, cx: &mut Context<'_>) -> Poll<Arc<dyn Stored>> {
        let mut state = lock(&self.flight.state);
        if let Some(answer) = &state.answer {
            return Poll::Ready(Arc::clone(answer));
        }
        let mut patience = lock(&self.patience);
        let next = patience.next(state.queued.contains_key(&self.ticket));
        if matches!(next, Next::Yield) {
            drop((state, patience));
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let waker = state.queued.insert(self.ticket, cx.waker().clone());
        patience.sleep();
        drop((state, patience));
        drop(waker);
        if matches!(next, Next::Act) {
            self.flight.site.slots.free_stuck(system_now());
        }
        // The slots may be held by loads that are no longer polled.
        self.flight.watch();
        Poll::Pending
    }

    /// The load has its slot and begins.
    pub(crate) fn begin(&self) {
        let waker = lock(&self.flight.state).queued.remove(&self.ticket);
        drop(waker);
    }

    /// Waits for the slot that was lent to a call inside this load.
    pub(crate) async fn take_back(&self, lent: Lent) {
        let mut taken = pin!(lent.take_back(&self.flight.site.slots));
        std::future::poll_fn(|cx| {
            let polled = taken.as_mut().poll(cx);
            if polled.is_pending() {
                let _ = self.poll_answer(cx);
            }
            polled
        })
        .await;
        self.begin();
    }

    pub(crate) fn complete(&self, node: &Arc<dyn Stored>, fate: Fate, now: Nanos) {
        self.slot.free();
        self.flight.complete(&self.slot, node, fate, now);
    }

    /// The body failed or panicked: the waiters load for themselves.
    pub(crate) fn fail(&self) {
        self.flight.stop(&self.slot, true);
    }

    /// The run was dropped half way: the next waiter takes over.
    pub(crate) fn vanish(&self) {
        self.flight.stop(&self.slot, false);
    }
}
