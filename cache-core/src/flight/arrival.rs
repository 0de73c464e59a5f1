//! What a load ended in, on its way to the entries of its key.

use std::{sync::Arc, time::Duration};

use crate::{
    clock::{Clock, Nanos},
    l1::Node,
    l2::{Lifetime, Message, Notice, Posted, Way},
    value::Fate,
};

/// What a load ended in, and what it means for the entries of its key.
#[derive(Clone, Copy)]
pub(crate) struct Arrival<'a> {
    pub(crate) node: &'a Arc<Node>,
    pub(crate) fate: Fate,
    pub(crate) clock: &'a Clock,
    /// The way to the entry in the shared tier, where that is to follow.
    pub(crate) route: Option<&'a dyn Way>,
    /// What others are told of it.
    pub(crate) notice: Option<&'a Notice>,
    pub(crate) load_time: Duration,
    /// It is to replace what there is: whoever asked for it does not want to see that again.
    pub(crate) replaces: bool,
    /// The shared tier was found to have no entry.
    pub(crate) is_absent: bool,
}

impl Arrival<'_> {
    /// Sends it where it is to follow, and tells others.
    pub(super) fn post(&self) -> Option<Posted> {
        let is_change = match self.fate {
            Fate::Keep => true,
            Fate::Forget => self.replaces || !self.is_absent,
            Fate::KeepUnlessFresh | Fate::Leave => false,
        };
        let route = match self.route {
            _ if !is_change => return None,
            None => return self.notice.map(Notice::post),
            Some(route) => route,
        };
        if self.fate == Fate::Forget {
            return self.post_removal();
        }
        let message = message_of(self.notice);
        let (entry, now) = (self.node.entry(), self.clock.now());
        let left = |until: Nanos| Duration::from_nanos(until.saturating_sub(now));
        let lifetime = Lifetime {
            fresh: left(entry.expires()),
            kept: left(entry.kept_until()),
            load_time: self.load_time,
        };
        route.fill(self.node, lifetime, self.replaces, message)
    }

    /// The entry is to go, wherever it is.
    pub(super) fn post_removal(&self) -> Option<Posted> {
        match self.route {
            Some(route) => Some(route.delete(None, message_of(self.notice))),
            None => self.notice.map(Notice::post),
        }
    }
}

pub(super) fn message_of(notice: Option<&Notice>) -> Option<Message> {
    Some(notice?.message.clone())
}
