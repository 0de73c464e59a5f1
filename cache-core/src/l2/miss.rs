//! Why the shared tier did not answer.

use std::fmt;

use crate::stats::Reason;

/// Why Redis did not answer a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RedisMiss {
    /// It has no entry under this key.
    Absent,
    /// The entry is older than its lifetime.
    Expired,
    /// An event that the entry depends on was emitted since it was loaded, or nothing proves that none was.
    Invalidated,
    /// It was not asked: Redis has not yet acknowledged an event that the entry depends on.
    Pending,
    /// The bytes under the key are not a complete entry: they are damaged, or another program wrote them.
    Damaged,
    /// The entry was written for another key, another type, or by a newer version of this library.
    Foreign,
    /// The value is larger than this cache takes.
    TooLarge,
    /// There is no connection, or it failed so often that calls skip it for a while.
    Unavailable,
    /// It did not answer within the budget.
    Late,
    /// The function's values cannot travel: the log says what to write.
    CannotTravel,
}

impl Reason for RedisMiss {
    const ALL: &'static [Self] = &[
        Self::Absent,
        Self::Expired,
        Self::Invalidated,
        Self::Pending,
        Self::Damaged,
        Self::Foreign,
        Self::TooLarge,
        Self::Unavailable,
        Self::Late,
        Self::CannotTravel,
    ];

    fn number(self) -> usize {
        self as usize
    }
}

impl RedisMiss {
    /// Whether there was something, though nothing that could be used.
    pub(crate) fn is_unusable(self) -> bool {
        matches!(self, Self::Damaged | Self::Foreign | Self::TooLarge)
    }

    /// Whether Redis gave no answer at all.
    pub(crate) fn is_fault(self) -> bool {
        matches!(self, Self::Unavailable | Self::Late)
    }
}

impl fmt::Display for RedisMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "had no entry",
            Self::Expired => "had an entry that had expired",
            Self::Invalidated => "had an entry that is no longer valid",
            Self::Pending => "was not asked, as a change is still on its way there",
            Self::Damaged => "had something damaged under the key",
            Self::Foreign => "had an entry of another key, type or format",
            Self::TooLarge => "had an entry that is too large",
            Self::Unavailable => "is unavailable",
            Self::Late => "did not answer in time",
            Self::CannotTravel => "cannot carry the value",
        })
    }
}
