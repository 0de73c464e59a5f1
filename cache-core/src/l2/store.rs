//! What the shared tier asks of whatever holds its bytes.

#[cfg(all(test, any(feature = "redis", feature = "testing")))]
pub(crate) mod notes;

use std::{any::Any, fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use smallvec::SmallVec;

use super::Message;
pub(crate) use crate::coherence::{Lineage, Version};
use crate::{clock::Nanos, coherence::Nonces};

/// A future of a store.
pub(crate) type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Reads of a store that are held back, until it is dropped.
pub(crate) type HeldBack = Box<dyn Any>;

/// Where the bytes of entries are kept for all processes.
///
/// # Cancel safety
///
/// Every future can be dropped half way. A write may then have happened or not.
pub(crate) trait Store: fmt::Debug + Send + Sync {
    /// Whether an operation begun now would find a connection, and a runtime with a timer to keep to its
    /// time by. Cheap: every miss asks.
    fn is_ready(&self) -> bool;

    /// Which of the databases of its server it is, whose keys are apart.
    fn database(&self) -> u32 {
        0
    }

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

    /// The bytes of an entry, where one is asked for, and the versions of tags, read at one moment.
    fn get_tagged<'a>(
        &'a self,
        asked: ReadRequest<'a>,
        within: Duration,
    ) -> Pending<'a, Result<Tagged, StoreError>>;

    /// The same for many entries, in one command.
    fn get_together<'a>(
        &'a self,
        asked: AskedTogether<'a>,
        within: Duration,
    ) -> Pending<'a, Result<TaggedTogether, StoreError>>;

    /// Gives each tag that is not there a version, the server's time, and lets all of them live for another
    /// `life` at least. Gives the versions that are there now.
    fn ensure<'a>(
        &'a self,
        tags: &'a [&'a str],
        life: Duration,
        within: Duration,
    ) -> Pending<'a, Result<Tagged, StoreError>>;

    /// Holds back what is read or ensured from here on, until what this gives is dropped: all that goes together then.
    /// To be held for one poll, as others who read wait for it too.
    fn hold_back(&self) -> Option<HeldBack> {
        None
    }

    /// Gives tags new versions and publishes that, in one round trip and as one change. A server that takes no
    /// writes because it is full loses the tags instead, which is as good. A tag that others have marked stays so, less
    /// the marks of its own nonces. Refused, it has changed nothing.
    fn bump(&self, batch: Batch, within: Duration) -> Pending<'_, Result<Tagged, StoreError>>;

    /// Marks each tag with its one nonce, for its life at least, and publishes that: a second call makes the marks last
    /// longer, and tells those who did not listen to the first. A tag may be there once for each of several nonces. Gives
    /// those as [`Version::Marked`] which it had marked, and all others as missing. Refused, it has changed nothing.
    fn mark(&self, batch: Batch, within: Duration) -> Pending<'_, Result<Tagged, StoreError>>;

    /// Listens to a channel for as long as the store and the listener live, and proves every `beat`, or every second
    /// where that is more often, that nothing was missed. Cheap to call again: where the runtime that listened is
    /// gone, another one takes over. What is listened to is what the first call said. It may call the listener
    /// before it returns.
    fn listen(&self, channel: &str, beat: Duration, listener: &Arc<dyn Listener>);

    /// Another server is listened to, of this lineage. Where that stays so for longer than it takes to find out that one
    /// server has another lineage now, the connections are made anew: they may lead elsewhere by then.
    fn follow(&self, _lineage: Lineage) {}

    /// The number of the connection that is asked with: another one where that was made anew.
    fn connection(&self) -> u64 {
        0
    }

    /// Whether it stops by itself to ask a server that keeps failing, as one of several.
    fn has_breakers(&self) -> bool {
        false
    }

    /// How its servers are, by what is known of them: nothing is asked, and there need be no runtime.
    fn condition(&self) -> Condition {
        Condition::of_one(self.is_ready())
    }

    /// Of the server that is asked, where that is known.
    fn lineage(&self) -> Option<Lineage> {
        None
    }
}

/// How the servers of a store are, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) servers: usize,
    pub(crate) connected: usize,
    pub(crate) reads_stopped: usize,
    pub(crate) writes_stopped: usize,
}

impl Condition {
    pub(crate) fn of_one(is_connected: bool) -> Self {
        Self {
            servers: 1,
            connected: is_connected.into(),
            reads_stopped: 0,
            writes_stopped: 0,
        }
    }
}

/// What a read asks for. All keys are whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadRequest<'a> {
    pub(crate) entry: Option<&'a str>,
    /// About how many bytes the entry has.
    pub(crate) expected: usize,
    pub(crate) tags: &'a [&'a str],
}

/// What many ask for together. All keys are whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AskedTogether<'a> {
    pub(crate) entries: &'a [&'a str],
    /// About how many bytes the entries have.
    pub(crate) expected: usize,
    pub(crate) tags: &'a [&'a str],
}

/// Entries, and the versions of tags, in the order in which they were asked for.
#[derive(Clone, Debug)]
pub(crate) struct TaggedTogether {
    pub(crate) entries: Vec<Option<Vec<u8>>>,
    pub(crate) versions: Vec<Version>,
    /// As of [`Tagged`].
    pub(crate) lineage: Lineage,
    pub(crate) sent: Nanos,
}

/// Versions of tags, and an entry that was read with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tagged {
    pub(crate) entry: Option<Vec<u8>>,
    /// In the order in which they were asked for.
    pub(crate) versions: Versions,
    /// Of the connection that answered, before and after.
    pub(crate) lineage: Lineage,
    /// When the question was sent, on this process's clock.
    pub(crate) sent: Nanos,
}

pub(crate) type Versions = SmallVec<[Version; 4]>;

/// Tags that get new versions together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) channel: Arc<str>,
    /// Behind each tag and version in what is published: `origin site`, of which the site may have spaces.
    pub(crate) tail: Arc<str>,
    pub(crate) bumps: Vec<Bump>,
}

/// One tag that gets a new version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bump {
    /// The whole key.
    pub(crate) key: Arc<str>,
    /// What is published of it.
    pub(crate) name: Arc<str>,
    /// How long the tag is to live without another word, at least.
    pub(crate) life: Duration,
    /// Those who mark it, or whose marks end.
    pub(crate) nonces: Nonces,
}

/// Whoever wants to know what is published. Called in the connection's read loop and under its locks: short, never
/// waiting, and asking nothing of the store.
///
/// What was heard may be told before [`connected`](Self::connected), and once more after it.
pub(crate) trait Listener: Send + Sync {
    /// What was published, a line for each tag: `name version origin site`, with version 0 where there is none, and
    /// [`MARKED`](crate::coherence::MARKED) where there is a mark.
    fn heard(&self, message: &[u8]);

    /// The same by a server that may have been replaced by then: it says what has changed, and not what is known last.
    fn overheard(&self, message: &[u8]) {
        self.heard(message);
    }

    /// A connection listens from here on. What was published before it did may have been lost.
    fn connected(&self, lineage: Lineage);

    /// All that was published before `sent` has been heard, from a server of this lineage that takes writes.
    fn fenced(&self, sent: Nanos, lineage: Lineage);

    /// The connection is gone.
    fn lost(&self);

    /// A server can be asked again, or another one in its place.
    fn reached(&self) {}

    /// A server that was asked had been replaced for a while, unnoticed: what it proved is not proven.
    fn misled(&self);
}

/// Who has taken a key: a random number, another one each time, and never [`NOBODY`].
pub(crate) type Holder = u64;

/// Holds a key that is free for all: whose holder had nothing to give.
pub(crate) const NOBODY: Holder = 0;

/// For so many milliseconds, which is several times as long as a process waits until it looks again.
pub(crate) const FREE_FOR: u64 = 1_000;

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
    /// Takes a key that is free for so many milliseconds; [`StoreError::Taken`] where it is not. One that is
    /// [`NOBODY`]'s is had by all who ask, and stays as it is.
    Claim {
        key: String,
        holder: Holder,
        milliseconds: u64,
    },
    /// Gives a key back, where it is still this holder's: to the next, or to [`NOBODY`] for [`FREE_FOR`].
    Release {
        key: String,
        holder: Holder,
        to_all: bool,
    },
    /// Publishes to whoever listens; it changes nothing.
    Tell(Message),
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

    /// Whether it may have been done, or may yet be.
    pub(crate) fn may_have_happened(&self) -> bool {
        matches!(self, Self::Unavailable | Self::Late)
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
    #[error("it keeps failing, and is not asked for a while")]
    Stopped,
    #[error("too many operations wait")]
    Busy,
    /// What was asked of is on its way to another server, and may be at either.
    #[error("its slot is being moved")]
    Moving,
    #[error("somebody else has it")]
    Taken,
    /// It is full, or not to be written to. In its words.
    #[error("the server takes no writes: {0}")]
    ReadOnly(String),
    #[error("under the key is something of another type")]
    OtherType,
    /// In the server's words.
    #[error("the server refuses: {0}")]
    Refused(String),
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn what_is_under_a_tag_is_a_number_a_mark_or_nothing(bytes in vec(any::<u8>(), 0..24)) {
            let is_number = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
            match Version::read(&bytes) {
                Version::Marked => prop_assert_eq!(bytes[0], b'!'),
                Version::Number(number) => {
                    prop_assert!(is_number);
                    let digits = String::from_utf8(bytes).unwrap();
                    prop_assert_eq!(digits.parse(), Ok(number));
                }
                Version::Missing => prop_assert!(bytes.first() != Some(&b'!')),
            }
        }

        #[test]
        fn every_number_is_read_as_it_was_written(number: u64) {
            prop_assert_eq!(Version::read(number.to_string().as_bytes()), Version::Number(number));
            prop_assert_eq!(Version::read(format!("!{number} a").as_bytes()), Version::Marked);
        }
    }

    #[test]
    fn what_is_no_number_is_nothing() {
        let twice_the_largest = "36893488147419103230";
        for text in ["", "+1", "-1", "1.0", " 1", "1\n", "0x1", twice_the_largest] {
            assert_eq!(Version::read(text.as_bytes()), Version::Missing, "{text:?}");
        }
    }
}
