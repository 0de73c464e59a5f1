//! The protocol's rules, each of which can be broken in test builds to see that the tests notice.

/// A rule that is broken. Numbered as in the list of broken variants that tests must catch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "rules are only broken in tests")
)]
pub(crate) enum Mutant {
    /// Stamps are captured when the value is written.
    B1 = 1,
    /// Nothing is invalidated here after the acknowledgement.
    B2,
    /// Callers join any flight.
    B3,
    /// Generations are captured when the value is kept.
    B4,
    /// A missing tag is created when the value is written, instead of before the load.
    B5,
    /// Lineages are not compared.
    B6,
    /// Versions are plain counters, which come back after an eviction.
    B7,
    /// After a bump that failed the shared tier is asked as ever.
    B8,
    /// A reply counts for the lineage of the connection that is there when it is used.
    B9,
    /// Another lineage is not told of recent bumps.
    B10,
    /// A suspect is revalidated although a generation moved.
    B11,
    /// The fence is looked at last.
    B12,
    /// The lineage is that of the handshake for as long as the connection lives.
    B13,
    /// The shared tier is believed at once after an outage.
    B14,
    /// What is put counts as loaded when it is written.
    B15,
    /// A suspect from before an outage is asked about right after it.
    B16,
    /// A load that read no versions is kept although a mark is known to stand.
    B17,
    /// A server is believed that is not the one that is listened to.
    B18,
    /// What was loaded without versions is believed for as long as others, though a mark may not have been heard of.
    B19,
    /// An old value is served though an event has made it void, or nobody knows whether one has.
    B20,
    /// What was found unchanged is taken for that until after what changed while it was looked at.
    B21,
    /// A server is believed that says less than it has acknowledged.
    B22,
    /// A version is newer where it is larger.
    B23,
    /// Of two versions that a server has said the larger one is the later one.
    B24,
    /// What a process heard too late counts as void from then.
    B25,
    /// A cluster is proven to be heard as lately as the primary that proved it last.
    C1,
    /// A cluster is proven to be heard though nobody has said that it has no other primaries.
    C2,
    /// The history of a cluster is that of one of its primaries.
    C3,
    /// What changes in several buckets of a cluster is changed once.
    C4,
    /// What changes where a slot is moved to is told to nobody.
    C5,
    // Only orders of threads show these.
    /// Who waits in a flight lies down a while after it has looked for an answer.
    S1,
    /// Who leaves a flight takes it away though somebody may have come since.
    S2,
    /// Who waits for a slot lies down a while after it has looked for one.
    S3,
    /// Keys that wait to be loaded are taken a while after it was looked which there are.
    S4,
    /// Whether an event is being applied is looked at before what it may have changed.
    S5,
    /// A cell takes the one along that has its place by now.
    S6,
    /// Of those who find nobody in charge, each takes over.
    S7,
    /// That a load waits is recorded a while after it was looked whether that closes a circle.
    S8,
    /// What was loaded is kept though its flight has lost its place.
    S9,
    /// What was there before stays where its renewal has lost its place.
    S10,
}

/// Whether a rule is broken: never, outside tests.
#[cfg(not(test))]
#[inline]
pub(crate) const fn is(_mutant: Mutant) -> bool {
    false
}

#[cfg(test)]
pub(crate) use in_tests::{Preempting, is, preempt, with};

#[cfg(test)]
mod in_tests {
    use std::cell::{Cell, RefCell};

    use super::Mutant;

    type Others = Box<dyn FnMut()>;

    thread_local! {
        static OTHERS: RefCell<Option<Others>> = const { RefCell::new(None) };
        static BROKEN: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Where other threads may run in between: whatever was said to run then runs.
    pub(crate) fn preempt() {
        let Some(mut others) = OTHERS.take() else {
            return;
        };
        others();
        OTHERS.set(Some(others));
    }

    /// What runs on other threads, until this is dropped.
    pub(crate) struct Preempting(());

    impl Preempting {
        pub(crate) fn by(others: impl FnMut() + 'static) -> Self {
            OTHERS.set(Some(Box::new(others)));
            Self(())
        }
    }

    impl Drop for Preempting {
        fn drop(&mut self) {
            drop(OTHERS.take());
        }
    }

    /// What was broken before, to be so again also behind a panic.
    struct Broken(Option<Mutant>);

    impl Drop for Broken {
        fn drop(&mut self) {
            BROKEN.set(self.0);
        }
    }

    /// Whether this thread breaks a rule.
    pub(crate) fn is(mutant: Mutant) -> bool {
        BROKEN.get() == Some(mutant)
    }

    /// Runs something on this thread that breaks a rule.
    pub(crate) fn with<R>(mutant: Option<Mutant>, run: impl FnOnce() -> R) -> R {
        let _restored = Broken(BROKEN.replace(mutant));
        run()
    }
}
