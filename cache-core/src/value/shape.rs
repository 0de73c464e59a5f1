//! The four shapes of a return type: plain, `Option`, `Result`, `Result<Option>`.

use std::{convert::Infallible, marker::PhantomData};

/// How a return type splits into what is kept and what is an error.
pub trait Shape: Copy + Send + Sync + 'static {
    /// The return type.
    type Output: 'static;
    /// What an entry holds: the output, or the `Ok` of it.
    type Kept: 'static;
    /// The error type, `Infallible` where there is none.
    type Error: 'static;
    /// What closures in options see: the kept value, or the `Some` of it.
    type Inner: 'static;

    /// Looks at an output as it would be taken apart.
    fn look(output: &Self::Output) -> Result<&Self::Kept, &Self::Error>;
    /// Takes an output apart.
    fn split(output: Self::Output) -> Result<Self::Kept, Self::Error>;
    /// The output of a kept value.
    fn kept(kept: Self::Kept) -> Self::Output;
    /// The output of an error.
    fn failed(error: Self::Error) -> Self::Output;
    /// What closures in options see of a kept value; nothing for `None`.
    fn inner(kept: &Self::Kept) -> Option<&Self::Inner>;
}

/// Return types that have a `None` to keep apart.
#[diagnostic::on_unimplemented(
    message = "`none_ttl` needs a function that returns an `Option`, or a `Result` of one",
    label = "`{Self}` has no `None`: remove the option",
    note = "for errors write `err_ttl = ..`, for values `ttl = ..`"
)]
pub trait HasNone {}

impl<T> HasNone for Option<T> {}
impl<T, E> HasNone for Result<Option<T>, E> {}

/// One shape: its parameters, then what is kept of which output, and how closures see it.
macro_rules! shape {
    (
        $(#[$doc:meta])* $name:ident<$($param:ident),+>: $output:ty,
        kept $kept:ty, error $error:ty, inner $inner:ty,
        $look:expr, $split:expr, $keep:expr, $fail:expr, $see:expr
    ) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<$($param),+>(PhantomData<fn() -> ($($param,)+)>);

        impl<$($param),+> $name<$($param),+> {
            pub(super) const NEW: Self = Self(PhantomData);
        }

        impl<$($param),+> Clone for $name<$($param),+> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<$($param),+> Copy for $name<$($param),+> {}

        impl<$($param: 'static),+> Shape for $name<$($param),+> {
            type Output = $output;
            type Kept = $kept;
            type Error = $error;
            type Inner = $inner;

            #[inline]
            fn look(output: &$output) -> Result<&$kept, &$error> {
                $look(output)
            }
            #[inline]
            fn split(output: $output) -> Result<$kept, $error> {
                $split(output)
            }
            #[inline]
            fn kept(kept: $kept) -> $output {
                $keep(kept)
            }
            #[inline]
            fn failed(error: $error) -> $output {
                $fail(error)
            }
            #[inline]
            fn inner(kept: &$kept) -> Option<&$inner> {
                $see(kept)
            }
        }
    };
}

shape!(
    /// A value that is kept as it is.
    Plain<T>: T, kept T, error Infallible, inner T,
    Ok, Ok, std::convert::identity, |never| match never {}, Some
);
shape!(
    /// `Option<T>`: `None` is kept too.
    Optional<T>: Option<T>, kept Option<T>, error Infallible, inner T,
    Ok, Ok, std::convert::identity, |never| match never {}, Option::as_ref
);
shape!(
    /// `Result<T, E>`: the `Ok` is kept.
    Fallible<T, E>: Result<T, E>, kept T, error E, inner T,
    Result::as_ref, std::convert::identity, Ok, Err, Some
);
shape!(
    /// `Result<Option<T>, E>`.
    FallibleOptional<T, E>: Result<Option<T>, E>, kept Option<T>, error E, inner T,
    Result::as_ref, std::convert::identity, Ok, Err, Option::as_ref
);
