//! The one error type of building and installing a cache. A cached call never returns it.

use std::fmt;

/// Why a [`Cache`](crate::Cache) could not be built or installed.
///
/// A cached function never returns this error: a tier that fails is a miss.
#[derive(Debug, thiserror::Error)]
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
    /// Redis answered and refuses: the user or password, the database, or because it is too old.
    Refused,
    /// Redis does not answer, and the cache was to require it.
    Unreachable,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl fmt::Display) -> Self {
        Self {
            kind,
            message: message.to_string(),
        }
    }

    /// What went wrong, for programs that act on it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}
