//! How the compiler learns that an event is emitted, or listened to. `#[derive(Event)]` makes a method for each, and
//! expansions call it: of an event that only its own crate can see, the one that is never called is reported.

use super::rest;

/// Answers for everything that has no such methods of its own.
pub trait Unmarked {
    /// Called where the event is emitted.
    fn nobody_emits_this(&self) {}
    /// Called where it is listened to.
    fn nobody_listens_to_this(&self) {}
}

impl<T: ?Sized> Unmarked for T {}

/// Asks for the event in what holds some: `(&&EventIn::of(&events)).__cached_event()`, which never runs.
#[derive(Debug)]
pub struct EventIn<'a, T: ?Sized>(&'a T);

impl<'a, T: ?Sized> EventIn<'a, T> {
    /// Asks of these events.
    pub fn of(events: &'a T) -> Self {
        Self(events)
    }
}

/// The answer of [`EventIn`] for what holds some of one type.
pub trait ProbeEvents {
    /// The event.
    type Event;
    /// The event, for its type.
    fn __cached_event(&self) -> Self::Event {
        rest()
    }
}

impl<E> ProbeEvents for &EventIn<'_, Option<E>> {
    type Event = E;
}

impl<E> ProbeEvents for &EventIn<'_, Vec<E>> {
    type Event = E;
}

/// The answer of [`EventIn`] for everything else.
pub trait ProbeOther {
    /// What was asked of.
    type Event: ?Sized;
    /// What was asked of.
    fn __cached_event(&self) -> &Self::Event;
}

impl<T: ?Sized> ProbeOther for EventIn<'_, T> {
    type Event = T;
    fn __cached_event(&self) -> &T {
        self.0
    }
}
