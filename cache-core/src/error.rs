//! The error of building and installing a cache and of emitting events, which a cached call never returns; and
//! `TimedOut`, which becomes the user's own error if a load takes too long.

use std::{fmt, time::Duration};

/// Why a [`Cache`](crate::Cache) could not be built or installed, or an event was not acknowledged.
///
/// A cached function never returns this error: a tier that fails is a miss.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An option of the builder has a value that cannot work.
    Configuration,
    /// A cache is already installed in this process.
    AlreadyInstalled,
    /// Redis refuses the user, the password or the database, or is too old.
    Refused,
    /// Redis does not answer: while building a cache that requires it, or when asked to acknowledge an event.
    Unreachable,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl fmt::Display) -> Self {
        Self {
            kind,
            message: message.to_string(),
        }
    }

    /// Of what a user has written.
    #[cfg(feature = "redis")]
    pub(crate) fn configuration(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Configuration, message)
    }

    /// What went wrong, for programs that act on it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// A load took longer than its function's `timeout`, and no stale value could stand in for it. The function's own error
/// is made from it by `From`.
///
/// ```
/// use cache_core::{TimedOut, cached};
///
/// #[derive(Clone, Debug)]
/// enum PriceError {
///     Late(TimedOut),
/// }
///
/// impl From<TimedOut> for PriceError {
///     fn from(late: TimedOut) -> Self {
///         Self::Late(late)
///     }
/// }
///
/// #[cached(ttl = 1m, timeout = 2s)]
/// async fn price(product: u64) -> Result<u64, PriceError> {
///     Ok(product * 100) // asks somebody who may never answer
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # assert_eq!(price(3).await.unwrap(), 300);
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the load took longer than {after:?}")]
#[non_exhaustive]
pub struct TimedOut {
    /// How long the caller waited.
    pub after: Duration,
}
