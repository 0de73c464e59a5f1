//! How many bytes a value counts for, and whether it can leave the process at all.

use std::{
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Keep, Returned,
    shape::Shape,
    size::{Measured, size},
    transport::Transport,
};
use crate::l2::codec::Postcard;

/// Asks what is known of a kept value: `(&&TravelProbe::of(&returned)).__cached_weigh()`.
#[derive(Debug)]
pub struct TravelProbe<T>(PhantomData<fn() -> T>);

impl<T: 'static> TravelProbe<T> {
    /// The probe of the kept value of a return type.
    #[inline]
    #[must_use]
    pub fn of<S: Shape<Kept = T>, X>(_returned: &Returned<S, X>) -> Self {
        Self(PhantomData)
    }
}

/// How many bytes a value counts for in memory, and how it leaves the process.
pub trait Weigh<T>: Sized {
    /// The weight in bytes; nothing where the heap behind the value cannot be seen.
    fn weigh(value: &T) -> Option<usize>;

    /// Adds how the value travels, unless the function says otherwise.
    #[inline]
    fn carry<S: Shape<Kept = T>, X: 'static>(self, keep: Keep<S, X>) -> Keep<S, X> {
        keep
    }
}

/// The value is `Serialize + DeserializeOwned`. Whoever found that out has made what needs it.
#[derive(Debug)]
pub struct Travel<T>(Transport<T>);

/// The value can be sent to another process, and not be read there.
#[derive(Clone, Copy, Debug)]
pub struct TravelOneWay;

/// The value cannot be sent to another process.
#[derive(Clone, Copy, Debug)]
pub struct CannotTravel;

impl<T: Serialize> Weigh<T> for Travel<T> {
    fn weigh(value: &T) -> Option<usize> {
        size_of_value(value)
    }

    #[inline]
    fn carry<S: Shape<Kept = T>, X: 'static>(self, keep: Keep<S, X>) -> Keep<S, X> {
        keep.carried_by(self.0)
    }
}

impl<T: Serialize> Weigh<T> for TravelOneWay {
    fn weigh(value: &T) -> Option<usize> {
        size_of_value(value)
    }
}

impl<T> Weigh<T> for CannotTravel {
    fn weigh(_value: &T) -> Option<usize> {
        None
    }
}

/// Nothing where the value refuses to be serialized, or its implementation panics: a value that cannot
/// be weighed must not become a call that fails.
fn size_of_value(value: &dyn Measured) -> Option<usize> {
    catch_unwind(AssertUnwindSafe(|| size(value)))
        .ok()
        .flatten()
}

/// What is said of values that can be sent to another process.
#[diagnostic::on_unimplemented(
    message = "the value of this function cannot travel to the shared tier",
    label = "this value needs `serde::Serialize` and `serde::de::DeserializeOwned`",
    note = "derive both for the value, or write `tiers = memory` to keep it in this process only"
)]
pub trait Travels {}

// Else the compiler would list what the user never wrote.
#[diagnostic::do_not_recommend]
impl<T> Travels for Travel<T> {}

/// Asserts that a value can travel.
#[inline]
pub fn travels<W: Travels>(weigh: W) -> W {
    weigh
}

/// [`TravelProbe`] for values that serde carries both ways.
pub trait ProbeTravel<T> {
    /// How the value is weighed.
    fn __cached_weigh(&self) -> Travel<T>;
}

impl<T: Serialize + DeserializeOwned + 'static> ProbeTravel<T> for &&TravelProbe<T> {
    #[inline]
    fn __cached_weigh(&self) -> Travel<T> {
        Travel(Transport::traced::<Postcard>())
    }
}

/// [`TravelProbe`] for values that serde can only write.
pub trait ProbeWeigh {
    /// How the value is weighed.
    #[inline]
    fn __cached_weigh(&self) -> TravelOneWay {
        TravelOneWay
    }
}

impl<T: Serialize> ProbeWeigh for &TravelProbe<T> {}

/// [`TravelProbe`] for everything else.
pub trait ProbeSize {
    /// How the value is weighed.
    #[inline]
    fn __cached_weigh(&self) -> CannotTravel {
        CannotTravel
    }
}

impl<T> ProbeSize for TravelProbe<T> {}
