//! Questions about types that method resolution answers: which shape, which error.
//!
//! An inherent method cannot ask "is this a `Result`?". Method resolution can: it tries the impls for
//! more references first, so `(&&&probe).__cached_shape()` picks the most specific impl that fits.

use std::{any::Any, convert::Infallible, marker::PhantomData};

use super::{
    Sharing, another_type,
    shape::{Fallible, FallibleOptional, Optional, Plain, Shape},
};
use crate::{
    batch::{Each, Output},
    error::TimedOut,
};

/// Asks for the shape of `R`.
#[derive(Debug)]
pub struct Probe<R>(PhantomData<fn() -> R>);

impl<R> Probe<R> {
    /// The probe of what a function returns that is never called.
    #[inline]
    pub fn of(_never: impl Fn() -> R) -> Self {
        Self(PhantomData)
    }
}

/// The probe of what there is for each key, of what a function of many keys returns.
#[inline]
pub fn each<O: Output>(_never: impl Fn() -> O) -> Probe<Each<O>> {
    Probe(PhantomData)
}

/// The most specific answer of [`Probe`].
pub trait ProbeFallibleOptional {
    /// The shape found.
    type Shape;
    /// The shape of the probed type.
    fn __cached_shape(&self) -> Self::Shape;
}

impl<T, E> ProbeFallibleOptional for &&Probe<Result<Option<T>, E>> {
    type Shape = FallibleOptional<T, E>;
    #[inline]
    fn __cached_shape(&self) -> Self::Shape {
        FallibleOptional::NEW
    }
}

/// The answers of [`Probe`] for one layer.
pub trait ProbeLayer {
    /// The shape found.
    type Shape;
    /// The shape of the probed type.
    fn __cached_shape(&self) -> Self::Shape;
}

impl<T, E> ProbeLayer for &Probe<Result<T, E>> {
    type Shape = Fallible<T, E>;
    #[inline]
    fn __cached_shape(&self) -> Self::Shape {
        Fallible::NEW
    }
}

impl<T> ProbeLayer for &Probe<Option<T>> {
    type Shape = Optional<T>;
    #[inline]
    fn __cached_shape(&self) -> Self::Shape {
        Optional::NEW
    }
}

/// The answer of [`Probe`] for everything else.
pub trait ProbePlain {
    /// The shape found.
    type Shape;
    /// The shape of the probed type.
    fn __cached_shape(&self) -> Self::Shape;
}

impl<T> ProbePlain for Probe<T> {
    type Shape = Plain<T>;
    #[inline]
    fn __cached_shape(&self) -> Self::Shape {
        Plain::NEW
    }
}

/// Asks whether callers can share an error: `(&&ErrorProbe::of(&shape)).__cached_sharing()`.
#[derive(Debug)]
pub struct ErrorProbe<E>(PhantomData<fn() -> E>);

impl<E: 'static> ErrorProbe<E> {
    /// The probe of the error in a shape.
    #[inline]
    pub fn of<S: Shape<Error = E>>(_shape: &S) -> Self {
        Self(PhantomData)
    }
}

/// The error is `Clone + Send + Sync`: callers share it.
#[derive(Clone, Copy, Debug)]
pub struct Shared;

/// The error cannot be copied: it belongs to the caller whose load failed.
#[derive(Clone, Copy, Debug)]
pub struct Unshared;

impl<E: Clone + Send + Sync + 'static> Sharing<E> for Shared {
    type Held = E;
    fn hold<K>(split: Result<K, E>) -> Result<Result<K, E>, E> {
        Ok(split)
    }
    fn release(held: E) -> E {
        held
    }
    fn own(error: Box<dyn Any + Send>) -> E {
        nobody_has(error)
    }
}

impl<E: 'static> Sharing<E> for Unshared {
    type Held = Infallible;
    fn hold<K>(split: Result<K, E>) -> Result<Result<K, Infallible>, E> {
        split.map(Ok)
    }
    fn release(held: Infallible) -> E {
        match held {}
    }
    fn own(error: Box<dyn Any + Send>) -> E {
        match error.downcast::<E>() {
            Ok(error) => *error,
            Err(error) => nobody_has(error),
        }
    }
}

/// # Panics
///
/// Always: a function has one error type, of which each error is shared, or none is.
#[cold]
#[inline(never)]
fn nobody_has(_error: Box<dyn Any + Send>) -> ! {
    another_type()
}

/// [`ErrorProbe`] for errors that can be shared.
pub trait ProbeShared {
    /// Yes.
    #[inline]
    fn __cached_sharing(&self) -> Shared {
        Shared
    }
}

impl<E: Clone + Send + Sync + 'static> ProbeShared for &ErrorProbe<E> {}

/// [`ErrorProbe`] for errors that cannot.
pub trait ProbeUnshared {
    /// No.
    #[inline]
    fn __cached_sharing(&self) -> Unshared {
        Unshared
    }
}

impl<E> ProbeUnshared for ErrorProbe<E> {}

/// Return types with an error that `err_ttl` can keep.
#[diagnostic::on_unimplemented(
    message = "`err_ttl` needs a function that returns a `Result` whose error is `Clone + Send + Sync`",
    label = "`{Self}` has no error that can be kept",
    note = "derive `Clone` for the error, put what is not `Clone` behind an `Arc`, or remove the option"
)]
pub trait KeepsErrors {}

// Else the compiler would report the bounds, and not why they are asked for.
#[diagnostic::do_not_recommend]
impl<T, E: Clone + Send + Sync + 'static> KeepsErrors for Result<T, E> {}

/// Return types with an error that a stale value can stand in for.
#[diagnostic::on_unimplemented(
    message = "`stale_if_error` needs a function that returns a `Result`",
    label = "`{Self}` has no error: remove the strategy"
)]
pub trait CanFail {}

impl<T, E> CanFail for Result<T, E> {}

/// Return types with an error for a load that takes too long.
#[diagnostic::on_unimplemented(
    message = "`timeout` needs a function that returns a `Result` whose error can be made of `cache_core::TimedOut`",
    label = "`{Self}` has no error for a load that takes too long",
    note = "write `impl From<cache_core::TimedOut> for` the error, or remove the option"
)]
pub trait TimesOut {
    /// The error.
    type Error;
    /// The error of a load that took too long.
    fn timed_out(timed_out: TimedOut) -> Self::Error;
}

// Else the compiler would report the bound, and not why it is asked for.
#[diagnostic::do_not_recommend]
impl<T, E: From<TimedOut>> TimesOut for Result<T, E> {
    type Error = E;
    fn timed_out(timed_out: TimedOut) -> E {
        timed_out.into()
    }
}
