//! What comes in: what other processes publish, and what is known of whoever it comes from.

use std::{
    sync::atomic::Ordering::{Relaxed, Release},
    time::Duration,
};

use super::{
    Coherence, DRAIN, Emitted, GUARD, MARKED,
    guard::Snapshot,
    queue::Job,
    rules::{self, Doubted},
    version::{Lineage, Version},
};
use crate::{
    clock::{Nanos, after},
    event::Tag,
};

impl Coherence {
    /// The server that is listened to, where that is another than the one of this lineage, which answered. What that one
    /// says is not believed.
    pub(crate) fn listens_elsewhere(&self, answered: Lineage) -> Option<Lineage> {
        let mut state = self.state.lock();
        let minds = state.listens_to.or(state.speaks_to);
        let elsewhere = minds.filter(|_| rules::is_elsewhere(minds, answered))?;
        if state.listens_to.is_none() {
            state.stray = Some(answered);
        }
        Some(elsewhere)
    }

    /// The server that is told of changes has this lineage.
    pub(crate) fn speaks_to(&self, lineage: Lineage) {
        self.state.lock().speaks_to = Some(lineage);
    }

    /// Another server than that answered, while none is listened to: nobody knows which of both is the right one.
    pub(crate) fn take_stray(&self) -> Option<Lineage> {
        self.state.lock().stray.take()
    }

    /// Whether a server that says this of what was captured has forgotten what it told this process.
    pub(crate) fn has_forgotten(
        &self,
        snapshot: &Snapshot,
        versions: &[Version],
        lineage: Lineage,
        now: Nanos,
    ) -> bool {
        let mut says = snapshot.cells().zip(versions);
        says.any(|(cell, version)| {
            let tag = cell.tag();
            self.said.is_contradicted_by(tag, *version, lineage, now)
        })
    }

    /// A server that was `asked` then answered, or was heard. One of another lineage than the one before may not know what
    /// was acknowledged by that: it is told again.
    pub(crate) fn observe(&self, lineage: Lineage, asked: Nanos) {
        let mut state = self.state.lock();
        let before = state.lineage.replace(lineage);
        if !rules::is_replaced(before, lineage) {
            state.ledger.answered(asked);
            return;
        }
        self.counters.lineages.fetch_add(1, Relaxed);
        let tags = state.ledger.unknown_to(lineage, asked);
        if !tags.is_empty() {
            let mut job = Job::of(tags.iter().map(|tag| self.registry.get_or_create(tag)));
            // Until then this process would believe of that server what it knows better.
            job.expect_ack();
            state.queue.push(job, &self.registry);
        }
        drop(state);
        if !tags.is_empty() {
            self.work.notify_one();
        }
        tracing::info!(
            told_again = tags.len(),
            "Redis is another one than before, restarted or replaced: the cache does not use its older entries"
        );
    }

    /// A connection hears what is published from here on.
    pub(crate) fn connected(&self, lineage: Lineage, now: Nanos) {
        if self.is_alone() {
            return;
        }
        let (beat, bound) = (&self.beat, self.bounds.staleness);
        if let Some(doubted) = Doubted::after_outage(beat.fence(), now, bound, DRAIN) {
            self.doubted_before.store(doubted.created_before, Relaxed);
            self.doubts_until.store(doubted.until, Relaxed);
        }
        // Before anything is captured that is to live longer.
        self.blind_until.store(after(now, GUARD), Release);
        beat.tear();
        self.tear_notes(now);
        self.counters.gaps.fetch_add(1, Relaxed);
        let mut state = self.state.lock();
        (state.listens_to, state.listens_since) = (Some(lineage), now);
        drop(state);
        self.observe(lineage, now);
        self.state.lock().queue.retry_now();
        self.work.notify_one();
        self.listening.notify_waiters();
    }

    /// Waits until a connection hears what is published for the first time: what is loaded before is not kept.
    pub(crate) async fn listening(&self) {
        loop {
            let listening = self.listening.notified();
            if self.is_alone() || self.beat.gap() > 0 {
                return;
            }
            listening.await;
        }
    }

    /// All that was published before `sent` has been heard.
    pub(crate) fn fenced(&self, sent: Nanos, lineage: Lineage) {
        if self.is_alone() {
            return;
        }
        let mut state = self.state.lock();
        if state.listens_to.replace(lineage) != Some(lineage) {
            // What it acknowledged did not count.
            state.queue.retry_now();
            self.work.notify_one();
        }
        drop(state);
        self.observe(lineage, sent);
        self.beat.advance(sent);
    }

    /// For how long it has not been known whether all was heard; nothing before anybody listened.
    pub(crate) fn unheard_for(&self, now: Nanos) -> Option<Duration> {
        let known = self.beat.fence().max(self.state.lock().listens_since);
        (known > 0).then(|| Duration::from_nanos(now.saturating_sub(known)))
    }

    /// Nothing that is published arrives from here on.
    pub(crate) fn lost(&self) {
        self.state.lock().listens_to = None;
    }

    /// Something may have been missed.
    pub(crate) fn tear(&self, now: Nanos) {
        if !self.is_alone() {
            self.beat.tear();
            self.tear_notes(now);
            self.counters.gaps.fetch_add(1, Relaxed);
        }
    }

    /// What another process published: a line for each tag, `name version origin site`. Whatever it is, it is
    /// no harm.
    pub(crate) fn heard(&self, message: &[u8], now: Nanos) {
        let listens_to = self.state.lock().listens_to;
        self.hear(message, listens_to, now);
    }

    /// The same by a server that may have been replaced by then: its versions are not the last ones.
    pub(crate) fn overheard(&self, message: &[u8], now: Nanos) {
        self.hear(message, None, now);
    }

    /// A message by the server of this lineage; none where its versions say nothing.
    fn hear(&self, message: &[u8], said_by: Option<Lineage>, now: Nanos) {
        let Ok(text) = str::from_utf8(message) else {
            return;
        };
        let lines: Vec<_> = text.lines().filter_map(Line::read).collect();
        // What was published before that has been heard.
        let since = self.beat.fence();
        for line in &lines {
            if let Some(lineage) = said_by {
                let version = Version::read(line.version.as_bytes());
                self.said
                    .add_heard(&line.tag, version, lineage, (since, now));
            }
        }
        // Around the invalidation: who captures what comes behind a mark finds it, and who read one before it was
        // gone finds that something came.
        for line in lines.iter().filter(|line| line.is_mark()) {
            self.marks.add(&line.tag, self.beat.gap(), now, || true);
        }
        let is_news = |line: &&Line<'_>| {
            if line.origin != &*self.origin {
                return true;
            }
            // Its acknowledgement is late. Else that has done it: again would be the end of loads begun since.
            let cell = self.registry.get(&line.tag);
            cell.is_some_and(|cell| cell.is_pending())
        };
        let foreign = lines.iter().filter(|line| line.origin != &*self.origin);
        let heard = &self.counters.bumps_heard;
        heard.fetch_add(foreign.count() as u64, Relaxed);
        let news: Vec<_> = lines.iter().filter(is_news).collect();
        let emitted = || self.emitted(&news, now);
        // All at once: whoever begins in between would know of some of it.
        if !news.is_empty() {
            self.invalidate(news.iter().map(|line| &line.tag), emitted, now);
        }
        for line in lines.iter().filter(|line| !line.is_mark()) {
            self.marks.remove(&line.tag);
        }
    }

    /// Who emitted all of this. Nothing where that is not one process, or this one, which knows better.
    fn emitted(&self, lines: &[&Line<'_>], now: Nanos) -> Option<Emitted> {
        let (first, others) = lines.split_first()?;
        let is_alike = |line: &&Line<'_>| line.origin == first.origin && line.site == first.site;
        let is_one = first.origin != &*self.origin && others.iter().all(is_alike);
        is_one.then(|| Emitted::elsewhere(first.origin, first.site, now))?
    }
}

/// What is said of one tag.
struct Line<'a> {
    tag: Tag,
    version: &'a str,
    origin: &'a str,
    /// Who emitted it; nothing where that is not said.
    site: &'a str,
}

impl<'a> Line<'a> {
    fn read(line: &'a str) -> Option<Self> {
        // Who it was comes last, as spaces may be part of it.
        let mut words = line.splitn(4, ' ');
        Some(Self {
            tag: Tag::from_name(words.next()?),
            version: words.next()?,
            origin: words.next()?,
            site: words.next().unwrap_or_default(),
        })
    }

    fn is_mark(&self) -> bool {
        self.version == MARKED
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::{prelude::*, sample::Index};

    use super::*;
    use crate::{
        coherence::{Bounds, Guard},
        corpus::each_is_what_its_name_says,
    };

    /// With an entry that depends on `A:1`.
    fn with_entry() -> (Arc<Coherence>, Guard) {
        let coherence = Coherence::new("shop", Bounds::default(), Some("here"));
        let captured = coherence.capture(&[Tag::from_name("A:1")], 1);
        let guard = coherence.guard(&captured, 1, None).unwrap();
        (coherence, guard)
    }

    /// Who made that entry void, by a message, as `process` and names.
    fn cause_of(message: &str) -> Option<(String, Vec<String>)> {
        let (coherence, guard) = with_entry();
        coherence.heard(message.as_bytes(), 7);
        assert!(guard.is_void(), "{message}");
        let (tag, emitted) = coherence.cause_of(&guard)?;
        assert_eq!((tag.as_str(), emitted.at), ("A:1", 7));
        let names = emitted.by.iter().map(ToString::to_string).collect();
        Some((emitted.process.unwrap().into(), names))
    }

    fn heard_of(message: &str) -> (Arc<Coherence>, u64) {
        let coherence = Coherence::new("shop", Bounds::default(), Some("here"));
        let before = coherence.invalidations.load(Relaxed);
        coherence.heard(message.as_bytes(), 1);
        let after = coherence.invalidations.load(Relaxed);
        (coherence, after - before)
    }

    proptest! {
        #[test]
        fn whatever_bytes_are_heard_are_no_harm(bytes: Vec<u8>, at in any::<Index>()) {
            let coherence = Coherence::new("shop", Bounds::default(), Some("here"));
            coherence.connected(Lineage(1), 1);
            let mut lines = b"A:1 5 there x\nB:1 ! there x\n!7 a,b".to_vec();
            let at = at.index(lines.len());
            lines.splice(at..at, bytes.iter().copied());
            coherence.heard(&bytes, 2);
            coherence.heard(&lines, 3);
            prop_assert_eq!(coherence.stats().tags, 0, "nothing is kept of what nobody here has");
        }

        #[test]
        fn whoever_is_told_to_have_emitted_something_is_no_harm(origin: String, site: String) {
            let (coherence, guard) = with_entry();
            coherence.heard(format!("A:1 5 {origin} {site}").as_bytes(), 2);
            if let Some((_, emitted)) = coherence.cause_of(&guard) {
                let names: String = emitted.by.iter().map(ToString::to_string).collect();
                prop_assert!(names.len() <= 200 && !names.contains(char::is_control));
            }
        }
    }

    #[test]
    fn a_message_says_who_emitted_an_event_and_where() {
        let there = |names: &[&str]| {
            let names = names.iter().map(ToString::to_string).collect();
            Some(("there".to_owned(), names))
        };
        for (site, names) in [
            ("shop::rename", &["shop::rename"][..]),
            ("<a::B as c::D>::e", &["<a::B as c::D>::e"]),
            ("a::<u8, u16>|b c/d.rs:7", &["a::<u8, u16>", "b c/d.rs:7"]),
            ("-", &[]),
        ] {
            assert_eq!(cause_of(&format!("A:1 5 there {site}")), there(names));
            let marked = format!("B:1 ! there {site}\nA:1 ! there {site}");
            assert_eq!(cause_of(&marked), there(names));
        }
        // Older than that there was a fourth word.
        assert_eq!(cause_of("A:1 5 there"), there(&[]));
    }

    #[test]
    fn of_what_several_tell_in_one_message_or_nobody_can_be_called_nothing_is_said() {
        for message in [
            "B:1 5 elsewhere a\nA:1 5 there a",
            "B:1 5 there b\nA:1 5 there a",
            "A:1 5  a",
            "A:1 5 th\u{1b}[2Jere a",
        ] {
            assert_eq!(cause_of(message), None, "{message}");
        }
    }

    #[test]
    fn what_nothing_depends_on_is_not_noted() {
        let (coherence, guard) = with_entry();
        coherence.heard(b"A:1 5 there a", 2);
        for id in 0..100_000 {
            coherence.heard(format!("B:{id} 5 there b").as_bytes(), 3);
        }
        let cause = coherence.cause_of(&guard);
        assert_eq!(cause.map(|(_, emitted)| emitted.at), Some(2));
    }

    #[test]
    fn what_is_heard_of_nobody_knows_whom_is_not_taken_for_what_came_before() {
        let (coherence, guard) = with_entry();
        coherence.heard(b"A:1 5 there a", 2);
        coherence.heard(b"A:1 6  a", 3);
        assert!(coherence.cause_of(&guard).is_none());
    }

    #[test]
    fn each_saved_message_is_heard_as_so_many_events_as_its_name_says() {
        each_is_what_its_name_says("message", |name, bytes| {
            let coherence = Coherence::new("shop", Bounds::default(), Some("here"));
            // Those of entries are not for it.
            if !name.contains("entry") {
                coherence.heard(bytes, 1);
            }
            coherence.stats().heard.to_string()
        });
    }

    #[test]
    fn what_was_emitted_together_is_heard_as_one_change() {
        let (coherence, changes) = heard_of("A:1 5 there x\nB:1 5 there x\nC:1 ! there x");
        assert_eq!(changes, 1, "whoever begins in between would know of some");
        assert_eq!(coherence.stats().heard, 3);
    }

    #[test]
    fn what_is_overheard_has_changed_and_is_not_the_last_word() {
        let (coherence, guard) = with_entry();
        coherence.connected(Lineage(1), 1);
        coherence.heard(b"A:1 9 there x", 2);
        coherence.fenced(3, Lineage(1));
        coherence.overheard(b"A:1 5 there x", 5);
        let tag = Tag::from_name("A:1");
        let is_contradicted = |version| {
            let version = Version::Number(version);
            coherence
                .said
                .is_contradicted_by(&tag, version, Lineage(1), 6)
        };
        assert!(is_contradicted(5) && !is_contradicted(9));
        assert_eq!(coherence.stats().heard, 2);
        assert!(guard.is_void());
    }

    #[test]
    fn what_is_no_line_is_no_harm_to_those_that_are() {
        for odd in ["", "\n\n", "A", "A 5", " ", "\u{0} \u{0}"] {
            let (coherence, changes) = heard_of(&format!("{odd}\nB:1 5 there x\n{odd}"));
            assert_eq!((coherence.stats().heard, changes), (1, 1), "{odd:?}");
        }
        let (coherence, changes) = heard_of("A:1 5 here x");
        assert_eq!((coherence.stats().heard, changes), (0, 0), "it is our own");
        let cell = coherence.registry.get_or_create(&Tag::from_name("A:1"));
        cell.expect_ack();
        coherence.heard(b"A:1 5 here x", 2);
        assert_eq!(coherence.invalidations.load(Relaxed), 1, "it is late");
        cell.acknowledged();
    }
}
