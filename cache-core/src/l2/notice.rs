//! What the other caches are told of one entry that was changed by hand: of those that heard it, each forgets the
//! entry in memory. Nothing depends on it: the promise belongs to events.

use std::{fmt, sync::Arc};

use super::{Change, EntryKey, L2, Posted};

/// A message, and the channel that it is for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) channel: Arc<str>,
    pub(crate) text: Arc<str>,
}

/// Without its text: a key may be part of it.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Message").field(&self.channel).finish()
    }
}

/// A message that is to be sent once its entry is changed.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub(crate) teller: Arc<dyn Teller>,
    pub(crate) message: Message,
}

impl Notice {
    /// Sends it on its own: there is no entry to be changed before.
    pub(crate) fn post(&self) -> Posted {
        Arc::clone(&self.teller).tell(self.message.clone())
    }
}

/// Who sends messages. A table: programs without a shared tier hold nothing of it.
pub(crate) trait Teller: fmt::Debug + Send + Sync {
    fn tell(self: Arc<Self>, message: Message) -> Posted;
}

impl Teller for L2 {
    fn tell(self: Arc<Self>, message: Message) -> Posted {
        let place = EntryKey {
            name: message.text.to_string(),
            full: None,
            check: 0,
        };
        Box::new(self.post(place, Change::Nothing, Some(message)))
    }
}
