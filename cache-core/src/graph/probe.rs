//! Asks of a literal whether it is an event, where another place is to report that it is none.

use std::fmt;

use crate::event::{Described, Event, describe};

/// Asks of what a literal makes: `(&&KnownProbe::of(|| UserChanged { .. })).__cached_known()`.
pub struct KnownProbe<E>(fn() -> E);

impl<E> KnownProbe<E> {
    /// Asks of this literal, which never runs.
    pub fn of(never: fn() -> E) -> Self {
        Self(never)
    }
}

impl<E> fmt::Debug for KnownProbe<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnownProbe")
    }
}

/// The answer for an event.
pub trait ProbeKnown {
    /// What it is called.
    fn __cached_known(&self) -> Option<Described>;
}

impl<E: Event> ProbeKnown for &KnownProbe<E> {
    fn __cached_known(&self) -> Option<Described> {
        Some(describe(self.0))
    }
}

/// The answer for everything else.
pub trait ProbeUnknown {
    /// Nothing.
    fn __cached_known(&self) -> Option<Described> {
        None
    }
}

impl<E> ProbeUnknown for KnownProbe<E> {}
