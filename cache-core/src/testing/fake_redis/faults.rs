//! What a stand-in for Redis was told to do with its next operations.

use std::{collections::VecDeque, time::Duration};

/// A kind of operation of a [`FakeRedis`](super::FakeRedis).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// The read of one entry, and of what it depends on.
    Read,
    /// A round trip that takes, removes or invalidates entries, however many.
    Write,
    /// The message that tells all caches of an invalidation, and the proof that none was missed. If it fails, the
    /// message is lost, and so are the connections over which caches would have heard it; if it hangs, the message is
    /// lost silently.
    Message,
}

impl Operation {
    pub(super) const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Message];
}

/// What is wrong with an operation of a [`FakeRedis`](super::FakeRedis).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It fails at once, as without a connection.
    Fail,
    /// It is never answered: the caller gives up when its time is over.
    Hang,
    /// It is answered after this delay.
    Delay(Duration),
}

impl Fault {
    pub(super) const NONE: Self = Self::Delay(Duration::ZERO);
}

/// The faults of one kind of operation.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Those of the next operations, and of how many.
    next: VecDeque<(u64, Fault)>,
    /// That of all behind those.
    standing: Option<Fault>,
}

impl Faults {
    /// From here on, in place of the one that was set before.
    pub(super) fn set(&mut self, fault: Fault) {
        self.standing = Some(fault);
    }

    /// For the next `times` operations that no other fault is meant for.
    pub(super) fn add(&mut self, times: u64, fault: Fault) {
        self.next.push_back((times, fault));
    }

    /// That of the operation which begins now.
    pub(super) fn take(&mut self) -> Fault {
        while let Some((left, fault)) = self.next.front_mut() {
            if *left == 0 {
                self.next.pop_front();
                continue;
            }
            *left -= 1;
            return *fault;
        }
        self.standing()
    }

    /// That of all operations which no other fault is meant for.
    pub(super) fn standing(&self) -> Fault {
        self.standing.unwrap_or(Fault::Delay(Duration::ZERO))
    }

    /// None but a delay.
    pub(super) fn answer(&mut self) {
        self.next.clear();
        let standing = self.standing.take();
        self.standing = standing.filter(|fault| matches!(fault, Fault::Delay(_)));
    }
}
