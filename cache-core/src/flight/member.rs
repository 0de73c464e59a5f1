//! The two parts a caller can play in a flight: to wait in it, and to load for it.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
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
    pub(super) has_waited: bool,
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
        let was_woken = self.has_waited && !state.waiting.contains_key(&self.ticket);
        let stuck = if was_woken {
            state.stop_stuck(system_now())
        } else {
            Vec::new()
        };
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
            })));
        }
        // A waker may drop a whole task: never under the lock.
        let waker = state.waiting.insert(self.ticket, cx.waker().clone());
        self.has_waited = true;
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

    /// The answer that another load gave while this one waits for its slot, as it `has_waited` before.
    pub(crate) fn poll_answer(
        &self,
        cx: &mut Context<'_>,
        has_waited: bool,
    ) -> Option<Arc<dyn Stored>> {
        let mut state = lock(&self.flight.state);
        if state.answer.is_some() {
            return state.answer.clone();
        }
        let was_woken = has_waited && !state.queued.contains_key(&self.ticket);
        let waker = state.queued.insert(self.ticket, cx.waker().clone());
        drop(state);
        drop(waker);
        if was_woken {
            self.flight.site.slots.free_stuck(system_now());
        }
        // The slots may be held by loads that are no longer polled.
        self.flight.watch();
        None
    }

    /// The load has its slot and begins.
    pub(crate) fn begin(&self) {
        let waker = lock(&self.flight.state).queued.remove(&self.ticket);
        drop(waker);
    }

    /// Waits for the slot that was lent to a call inside this load.
    pub(crate) async fn take_back(&self, lent: Lent) {
        let mut taken = pin!(lent.take_back(&self.flight.site.slots));
        let mut has_waited = false;
        std::future::poll_fn(|cx| {
            let polled = taken.as_mut().poll(cx);
            if polled.is_pending() {
                self.poll_answer(cx, has_waited);
                has_waited = true;
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
