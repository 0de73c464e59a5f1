//! How a mutation ended, by what its function returned: found by the type, so that aliases of `Result` count as one.

use super::Refused;

/// What a function returned.
#[derive(Debug)]
pub struct OkProbe<'a, R>(&'a R);

impl<'a, R> OkProbe<'a, R> {
    /// Asks of this output: `(&&OkProbe::of(&output)).__cached_ok()`.
    pub fn of(output: &'a R) -> Self {
        Self(output)
    }
}

/// The answer of [`OkProbe`] for a `Result`.
pub trait ProbeResult {
    /// What there is on success.
    type Ok;
    /// The `Ok`; nothing for an `Err`.
    fn __cached_ok(&self) -> Option<Self::Ok>;
}

impl<'a, T, E> ProbeResult for &OkProbe<'a, Result<T, E>> {
    type Ok = &'a T;
    fn __cached_ok(&self) -> Option<&'a T> {
        self.0.as_ref().ok()
    }
}

/// The answer of [`OkProbe`] for everything else.
pub trait ProbeAny {
    /// What there is on success.
    type Ok;
    /// The output.
    fn __cached_ok(&self) -> Option<Self::Ok>;
}

impl<'a, R> ProbeAny for OkProbe<'a, R> {
    type Ok = &'a R;
    fn __cached_ok(&self) -> Option<&'a R> {
        Some(self.0)
    }
}

/// Return types that can say that a call failed.
#[diagnostic::on_unimplemented(
    message = "`on_ok` needs a function that returns a `Result`",
    label = "`{Self}` has no `Err`: remove the flag"
)]
pub trait CanFail {}

impl<T, E> CanFail for Result<T, E> {}

/// Asserts that an output can say that the call failed.
pub fn assert_can_fail(_output: &impl CanFail) {}

/// Return types that can say that a mutation was refused.
#[diagnostic::on_unimplemented(
    message = "`guarded` needs a function that returns `Result<_, E>` with `E: From<cache_core::Refused>`",
    label = "`{Self}` cannot say that the mutation was refused",
    note = "return a `Result`, and write `impl From<cache_core::Refused>` for its error"
)]
pub trait Refusable {
    /// The output of a mutation that did not begin.
    fn refused(refused: Refused) -> Self;
}

// Else the compiler would report the bound, and not why it is asked for.
#[diagnostic::do_not_recommend]
impl<T, E: From<Refused>> Refusable for Result<T, E> {
    fn refused(refused: Refused) -> Self {
        Err(refused.into())
    }
}
