//! What the shared tier asks of whatever holds its bytes.

use std::{fmt, future::Future, pin::Pin, time::Duration};

/// A future of a store.
pub(crate) type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where the bytes of entries are kept for all processes.
///
/// # Cancel safety
///
/// Every future can be dropped half way. A write may then have happened or not.
pub(crate) trait Store: fmt::Debug + Send + Sync {
    /// Whether an operation begun now would find a connection, and a runtime with a timer to keep to its
    /// time by. Cheap: every miss asks.
    fn is_ready(&self) -> bool;

    /// What the store's clock shows now; nothing before it was heard of.
    fn time(&self) -> Option<StoreTime>;

    /// The bytes under a key, after `within` at the latest. `expected` is about how many they will be.
    fn get<'a>(
        &'a self,
        key: &'a str,
        expected: usize,
        within: Duration,
    ) -> Pending<'a, Result<Option<Vec<u8>>, StoreError>>;

    /// Writes in this order, in one round trip, after `within` at the latest; a result for each.
    fn write(
        &self,
        writes: Vec<Write>,
        within: Duration,
    ) -> Pending<'_, Vec<Result<(), StoreError>>>;
}

/// One change of a store.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Write {
    /// Replaces what is under the key, of whatever type, for so many milliseconds.
    Set {
        key: String,
        bytes: Vec<u8>,
        milliseconds: u64,
    },
    Delete {
        key: String,
    },
}

/// What is known of the time on the store's clock, in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreTime {
    pub(crate) earliest: u64,
    pub(crate) latest: u64,
}

impl StoreError {
    /// Whether the same may succeed later.
    pub(crate) fn may_pass(&self) -> bool {
        !matches!(self, Self::Refused(_) | Self::OtherType)
    }
}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(
    not(any(feature = "redis", feature = "testing")),
    expect(dead_code, reason = "there is no store then")
)]
pub(crate) enum StoreError {
    #[error("there is no connection, or the server cannot answer yet")]
    Unavailable,
    #[error("no answer in time")]
    Late,
    #[error("too many operations wait")]
    Busy,
    /// It is full, or not to be written to. In its words.
    #[error("the server takes no writes: {0}")]
    ReadOnly(String),
    #[error("under the key is something of another type")]
    OtherType,
    /// In the server's words.
    #[error("the server refuses: {0}")]
    Refused(String),
}
