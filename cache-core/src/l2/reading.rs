//! Reads of the shared tier: an entry alone, or with the tags that it depends on; or many of them together.

mod batch;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use smallvec::SmallVec;
use tracing::Instrument;

use super::{
    Age, Entries, EntryKey, L2, Receive, RedisMiss,
    breaker::Admission,
    envelope::{self, Damage, Header},
    outbox::Latest,
    store::{ReadRequest, StoreError, Tagged},
};
use crate::{
    clock::{Clock, Nanos, after, before, system_now},
    coherence::{Coherence, Snapshot, Stamps, Verdict, Version, mutant, mutant::Mutant},
    l1::Node,
    spans,
    stats::Counters,
};

/// One read, and what it is for.
pub(crate) struct Reading<'a> {
    pub(crate) clock: &'a Clock,
    pub(crate) within: Duration,
    pub(crate) receive: Receive<'a>,
    pub(crate) coherence: &'a Coherence,
    /// Captured before.
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) purpose: Purpose,
}

/// What a read is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The entry, and nothing else.
    Peek,
    /// The entry; without it the versions that a load is made under.
    Load,
    /// The versions that a load is made under.
    Renew,
    /// The versions as they are.
    Revalidate,
}

impl Purpose {
    fn wants_entry(self) -> bool {
        matches!(self, Self::Peek | Self::Load)
    }

    /// A load follows, and what it gives is to be stamped.
    fn precedes_load(self) -> bool {
        matches!(self, Self::Load | Self::Renew)
    }
}

/// What a read gave.
pub(crate) struct Read {
    pub(crate) found: Result<Arc<Node>, RedisMiss>,
    /// The versions of the tags, and when they were asked for.
    pub(crate) stamps: Option<(Stamps, Nanos)>,
    /// It was on its way there, from whenever it was loaded.
    pub(crate) is_unsent: bool,
}

impl Read {
    pub(crate) fn without(miss: RedisMiss) -> Self {
        Self {
            found: Err(miss),
            stamps: None,
            is_unsent: false,
        }
    }
}

/// An entry that is to be read.
pub(crate) struct One<'a> {
    pub(crate) entries: &'a Arc<Entries>,
    pub(crate) key: &'a EntryKey,
    pub(crate) reading: Reading<'a>,
}

impl One<'_> {
    /// What it asked for was answered after so long, or was not.
    fn waited(&self, time: Duration) {
        if self.reading.purpose.wants_entry() {
            self.entries.counters.redis_times.add(time);
        }
    }

    /// Counts how the read went, and gives a word for it.
    fn count(&self, read: &Read) -> &'static str {
        if !self.reading.purpose.wants_entry() {
            return "versions";
        }
        let counters = &self.entries.counters;
        match read.found {
            Ok(_) => {
                Counters::add(&counters.redis_hits);
                "hit"
            }
            Err(miss) => {
                counters.redis_missed.add(miss);
                match miss {
                    _ if miss.is_fault() => "fault",
                    _ if miss.is_unusable() => "unusable",
                    _ => "miss",
                }
            }
        }
    }
}

/// A read as far as this process gets by itself.
enum Begun<'a> {
    Known(Read),
    Asks {
        entry: Option<&'a str>,
        tags: SmallVec<[&'a str; 4]>,
    },
}

/// A read with what the store answered.
pub(crate) struct ReadOutcome {
    pub(crate) read: Read,
    /// Set where its tags are to have versions, under which a load is made: when they were asked for.
    wants_versions: Option<Nanos>,
}

impl ReadOutcome {
    pub(crate) fn wants_versions(&self) -> bool {
        self.wants_versions.is_some()
    }
}

impl From<Read> for ReadOutcome {
    fn from(read: Read) -> Self {
        Self {
            read,
            wants_versions: None,
        }
    }
}

impl L2 {
    /// Reads an entry, and the versions of what it depends on, after the time of the reading at the latest.
    pub(crate) async fn read(self: &Arc<Self>, one: &One<'_>) -> Read {
        let (entry, tags) = match self.begin(one) {
            Begun::Known(read) => {
                one.count(&read);
                return read;
            }
            Begun::Asks { entry, tags } => (entry, tags),
        };
        let span = spans::redis_read(one.entries.function());
        let read = async {
            match entry.filter(|_| tags.is_empty()) {
                Some(name) => self.read_plain(one, name).await,
                None => self.read_guarded(one, entry, &tags).await,
            }
        };
        let asked = tokio::time::Instant::now();
        let read = read.instrument(span.clone()).await;
        one.waited(asked.elapsed());
        span.record("outcome", one.count(&read));
        read
    }

    fn begin<'a>(self: &Arc<Self>, one: &One<'a>) -> Begun<'a> {
        let (snapshot, purpose) = (one.reading.snapshot, one.reading.purpose);
        if snapshot.is_pending() {
            return Begun::Known(Read::without(RedisMiss::Pending));
        }
        let latest = self.outbox().latest(one.key);
        if let Some(latest) = &latest {
            // What has not arrived there is known here.
            self.start_sending();
            let known = purpose.wants_entry().then(|| known(latest, one)).flatten();
            if let Some(node) = known {
                return Begun::Known(Read {
                    found: Ok(node),
                    stamps: None,
                    is_unsent: !snapshot.is_empty(),
                });
            }
            if snapshot.is_empty() {
                return Begun::Known(Read::without(RedisMiss::Absent));
            }
        }
        let is_asked = snapshot.is_empty() || purpose.wants_entry() && latest.is_none();
        Begun::Asks {
            entry: is_asked.then_some(&*one.key.name),
            tags: snapshot.cells().map(|cell| &**cell.key()).collect(),
        }
    }

    async fn read_plain(&self, one: &One<'_>, name: &str) -> Read {
        let within = one.reading.within;
        let got = self.store().get(name, one.entries.expected(), within).await;
        let found = self
            .judge_get(got, within)
            .and_then(|bytes| bytes.ok_or(RedisMiss::Absent))
            .and_then(|bytes| self.accept(one, &bytes, None));
        Read {
            found,
            stamps: None,
            is_unsent: false,
        }
    }

    async fn read_guarded(&self, one: &One<'_>, entry: Option<&str>, tags: &[&str]) -> Read {
        let within = one.reading.within;
        let until = after(system_now(), within);
        let asked = ReadRequest {
            entry,
            expected: entry.map_or(0, |_| one.entries.expected()),
            tags,
        };
        let tagged = self.store().get_tagged(asked, within).await;
        let tagged = match self.judge_get(tagged, within) {
            Ok(tagged) => tagged,
            Err(miss) => return Read::without(miss),
        };
        let ReadOutcome {
            mut read,
            wants_versions,
        } = self.end(one, &tagged);
        if let Some(sent) = wants_versions {
            // Before the load, as all that it is made under.
            let left = Duration::from_nanos(until.saturating_sub(system_now()));
            let ensured = self.store().ensure(tags, TAG_LIFE, left).await;
            if let Ok(ensured) = self.judge_ensured(ensured, left) {
                let stamps = self.stamp(&ensured, &one.reading);
                read.stamps = stamps.map(|stamps| (stamps, sent));
            }
        }
        read
    }

    /// What an answer makes of a read.
    fn end(&self, one: &One<'_>, tagged: &Tagged) -> ReadOutcome {
        let (snapshot, purpose) = (one.reading.snapshot, one.reading.purpose);
        if snapshot.is_empty() {
            let bytes = tagged.entry.as_ref().ok_or(RedisMiss::Absent);
            return ReadOutcome::from(Read {
                found: bytes.and_then(|bytes| self.accept(one, bytes, None)),
                stamps: None,
                is_unsent: false,
            });
        }
        let stamps = self.stamp(tagged, &one.reading);
        // Where that server was to be told something, it is not yet to be believed.
        if snapshot.is_pending() {
            return ReadOutcome::from(Read::without(RedisMiss::Pending));
        }
        let found = match (&tagged.entry, &stamps) {
            (None, _) => Err(RedisMiss::Absent),
            (Some(_), None) => Err(RedisMiss::Invalidated),
            (Some(bytes), Some(stamps)) => self.accept(one, bytes, Some((stamps, tagged.sent))),
        };
        let is_marked = tagged.versions.contains(&Version::Marked);
        let wants_versions = found.is_err()
            && stamps.is_none()
            && !is_marked
            && purpose.precedes_load()
            && !mutant::is(Mutant::B5);
        ReadOutcome {
            wants_versions: wants_versions.then_some(tagged.sent),
            read: Read {
                found,
                stamps: stamps.map(|stamps| (stamps, tagged.sent)),
                is_unsent: false,
            },
        }
    }

    /// The stamps of what was read with these versions, or is read after them; none from a server that is not listened to.
    fn stamp(&self, tagged: &Tagged, reading: &Reading<'_>) -> Option<Stamps> {
        let (coherence, now) = (reading.coherence, system_now());
        if let Some(lineage) = coherence.listens_elsewhere(tagged.lineage) {
            self.store().follow(lineage);
            return None;
        }
        coherence.observe(tagged.lineage, tagged.sent);
        coherence.note_versions(reading.snapshot, &tagged.versions, now);
        if coherence.has_forgotten(reading.snapshot, &tagged.versions, tagged.lineage, now) {
            return None;
        }
        Stamps::of(reading.snapshot, &tagged.versions, tagged.lineage)
    }

    /// As `judge_get`, for versions that were to be made: a server that takes no writes refuses those.
    fn judge_ensured<T>(
        &self,
        ensured: Result<T, StoreError>,
        within: Duration,
    ) -> Result<T, RedisMiss> {
        self.count_ensured(&ensured);
        self.judge_get(ensured, within)
    }

    /// What an answer says of the store, and to whoever asked.
    fn judge_get<T>(&self, got: Result<T, StoreError>, within: Duration) -> Result<T, RedisMiss> {
        // The rest of a budget that others have used up says nothing of the server.
        if within >= self.limits.budget / 2 || !matches!(got, Err(StoreError::Late)) {
            self.count_read(Admission::Yes, &got);
        }
        got.map_err(|error| match error {
            StoreError::OtherType => RedisMiss::Damaged,
            StoreError::Late => RedisMiss::Late,
            _ => RedisMiss::Unavailable,
        })
    }

    /// Makes an entry of bytes that were found. Where it depends on tags, `guarded` is what they are, and when
    /// that was asked.
    fn accept(
        &self,
        one: &One<'_>,
        bytes: &[u8],
        guarded: Option<(&Stamps, Nanos)>,
    ) -> Result<Arc<Node>, RedisMiss> {
        let One {
            entries,
            key,
            reading,
        } = one;
        entries.learn(bytes.len());
        let began = Instant::now();
        let opened = envelope::open(bytes, self.limits.value).map_err(|damage| match damage {
            Damage::NotOurs | Damage::Damaged => RedisMiss::Damaged,
            Damage::OtherFormat | Damage::CannotDecompress => RedisMiss::Foreign,
            Damage::TooLarge => RedisMiss::TooLarge,
        })?;
        let header = &opened.header;
        if header.is_outliving {
            entries.outlives.set();
        }
        if header.key_check != key.check || opened.full_key != key.full.as_deref() {
            return Err(RedisMiss::Foreign);
        }
        // The latest it can be there: an entry must not live longer here.
        let now = self.store().time().ok_or(RedisMiss::Unavailable)?.latest;
        let span = |from: u64, to: u64| Duration::from_micros(to.saturating_sub(from));
        let age = Age {
            since_load: span(header.created, now),
            // From its creation where that is yet to come: the clock was set back.
            fresh: span(now.max(header.created), header.soft),
            stale_for: span(header.soft, now),
            left: span(now.max(header.created), header.hard),
            load_time: Duration::from_micros(header.load_time.into()),
        };
        if age.left.is_zero() {
            return Err(RedisMiss::Expired);
        }
        let created = before(system_now(), age.since_load);
        if self.outbox().may_have_lost(created) {
            return Err(RedisMiss::Invalidated);
        }
        let receive = || {
            let mut node = (reading.receive)(&opened.payload, age)?;
            entries.counters.decode_times.add(began.elapsed());
            let own = Arc::get_mut(&mut node).ok_or(RedisMiss::Foreign)?;
            if header.is_unsettled {
                let entry = own.entry_mut();
                entry.settle_at(entry.kept_until());
            }
            Ok(node)
        };
        let Some((read, sent)) = guarded else {
            return receive();
        };
        let own = stamps_in(header).ok_or(RedisMiss::Invalidated)?;
        let now = system_now();
        let verdict = reading
            .coherence
            .judge(&own, read, before(now, age.since_load), now);
        let Verdict::Valid(stamps) = verdict else {
            return Err(RedisMiss::Invalidated);
        };
        let mut node = receive()?;
        let guard = reading
            .coherence
            .guard(reading.snapshot, sent, Some(stamps));
        let own = Arc::get_mut(&mut node).ok_or(RedisMiss::Foreign)?;
        own.entry_mut().guard_by(guard);
        Ok(node)
    }
}

/// What a change that has not arrived makes of an entry, where it is one that answers.
fn known(latest: &Latest, one: &One<'_>) -> Option<Arc<Node>> {
    let One {
        entries,
        key,
        reading,
    } = one;
    let Latest::Entry(known) = latest else {
        return None;
    };
    let entry = known.node.entry();
    let is_of_now = |guard: &crate::coherence::Guard| guard.is_of(reading.snapshot);
    let answers = Arc::ptr_eq(&known.entries, entries)
        && known.check == key.check
        && entry.is_usable(reading.clock)
        && entry.guard().is_none_or(is_of_now);
    answers.then(|| Arc::clone(&known.node))
}

/// How long a tag lives that nobody asks for.
pub(crate) const TAG_LIFE: Duration = Duration::from_hours(24);

/// The stamps of an entry as its envelope has them: first the hash of the names.
pub(super) fn stamps_of(stamps: &Stamps) -> SmallVec<[u64; 4]> {
    let names = std::iter::once(stamps.names);
    names.chain(stamps.versions.iter().copied()).collect()
}

fn stamps_in(header: &Header) -> Option<Stamps> {
    let (names, versions) = header.stamps.split_first()?;
    Some(Stamps {
        names: *names,
        versions: versions.into(),
        lineage: crate::coherence::Lineage(header.lineage),
    })
}
