//! Many entries that are read together, with the tags that they depend on: all in one command, but where they are very
//! many, or large.

use std::{collections::HashMap, future::poll_fn, sync::Arc, task::Poll, time::Duration};

use foldhash::fast::RandomState;
use smallvec::SmallVec;
use tracing::{Instrument, Span};

use super::{Begun, One, Read, ReadOutcome, TAG_LIFE};
use crate::{
    l2::{
        AskedTogether, L2, Lineage, RedisMiss, Tagged, TaggedTogether, Version, Versions,
        store::Pending,
    },
    spans,
};

/// Keys that go in one command.
const MOST_KEYS: usize = 4_096;
/// Bytes that one command is expected to bring.
const MOST_BYTES: usize = 256 * 1024;
/// Tags of one script, which holds up the server for longer.
const MOST_ENSURED: usize = 512;

/// What goes in one command.
#[derive(Default)]
struct Part<'a> {
    entries: Vec<&'a str>,
    /// Bytes of the entries.
    expected: usize,
    tags: Tags<'a>,
    asks: Vec<Ask>,
}

/// What one of them asks for: places in the part.
struct Ask {
    /// Which of all it is.
    place: usize,
    entry: Option<usize>,
    tags: SmallVec<[usize; 4]>,
}

/// What became of all of them.
#[derive(Default)]
struct Outcome {
    hits: usize,
    has_faults: bool,
}

impl Outcome {
    fn add(&mut self, one: &str) {
        self.hits += usize::from(one == "hit");
        self.has_faults |= one == "fault";
    }

    fn record(&self, span: &Span, keys: usize) {
        span.record("keys", keys).record("hits", self.hits);
        let outcome = match self.hits {
            _ if self.has_faults => "fault",
            hits if hits == keys => "hit",
            _ => "miss",
        };
        span.record("outcome", outcome);
    }
}

/// Tags, each once.
#[derive(Default)]
struct Tags<'a> {
    names: Vec<&'a str>,
    places: HashMap<&'a str, usize, RandomState>,
}

impl<'a> Tags<'a> {
    fn add(&mut self, tag: &'a str) -> usize {
        *self.places.entry(tag).or_insert_with(|| {
            self.names.push(tag);
            self.names.len() - 1
        })
    }
}

impl<'a> Part<'a> {
    fn is_full(&self) -> bool {
        self.expected >= MOST_BYTES || self.entries.len() + self.tags.names.len() >= MOST_KEYS
    }

    fn add(
        &mut self,
        place: usize,
        (entry, expected): (Option<&'a str>, usize),
        tags: SmallVec<[&'a str; 4]>,
    ) {
        let entry = entry.map(|name| {
            self.expected = self.expected.saturating_add(expected);
            self.entries.push(name);
            self.entries.len() - 1
        });
        let tags = tags.into_iter().map(|tag| self.tags.add(tag)).collect();
        self.asks.push(Ask { place, entry, tags });
    }
}

impl L2 {
    /// Reads all of these, after `within` at the latest; a result for each. Those that want versions have none before
    /// [`ensure_all`](Self::ensure_all).
    pub(crate) async fn read_all(
        self: &Arc<Self>,
        ones: &[One<'_>],
        within: Duration,
    ) -> Vec<ReadOutcome> {
        let mut reads: Vec<Option<ReadOutcome>> = Vec::new();
        reads.resize_with(ones.len(), || None);
        let mut parts = vec![Part::default()];
        for (place, one) in ones.iter().enumerate() {
            match self.begin(one) {
                Begun::Known(read) => reads[place] = Some(ReadOutcome::from(read)),
                Begun::Asks { entry, tags } => {
                    if parts.last().is_none_or(Part::is_full) {
                        parts.push(Part::default());
                    }
                    if let Some(part) = parts.last_mut() {
                        part.add(place, (entry, one.entries.expected()), tags);
                    }
                }
            }
        }
        let parts = parts.into_iter().filter(|part| !part.asks.is_empty());
        let parts =
            parts.map(|part| -> Pending<'_, _> { Box::pin(self.read_part(ones, part, within)) });
        let span = spans::redis_read(ones.first().map_or("", |one| one.entries.function()));
        let asked = tokio::time::Instant::now();
        let read = all(parts.collect()).instrument(span.clone()).await;
        for (place, ended) in read.into_iter().flatten() {
            ones[place].waited(asked.elapsed());
            reads[place] = Some(ended);
        }
        let mut outcome = Outcome::default();
        let reads = reads.into_iter().zip(ones).map(|(ended, one)| {
            let ended = ended.unwrap_or_else(|| Read::without(RedisMiss::Unavailable).into());
            outcome.add(one.count(&ended.read));
            ended
        });
        let reads = reads.collect();
        outcome.record(&span, ones.len());
        reads
    }

    /// Reads what goes in one command; tells whose it is.
    async fn read_part(
        &self,
        ones: &[One<'_>],
        part: Part<'_>,
        within: Duration,
    ) -> Vec<(usize, ReadOutcome)> {
        let asked = AskedTogether {
            entries: &part.entries,
            expected: part.expected,
            tags: &part.tags.names,
        };
        let got = self.store().get_together(asked, within).await;
        let got = self.judge_get(got, within);
        let Ok(TaggedTogether {
            mut entries,
            versions,
            lineage,
            sent,
        }) = got
        else {
            let miss = got.err().unwrap_or(RedisMiss::Unavailable);
            let asks = part.asks.iter();
            return asks
                .map(|ask| (ask.place, Read::without(miss).into()))
                .collect();
        };
        let asks = part.asks.into_iter().map(|ask| {
            let tagged = Tagged {
                entry: ask.entry.and_then(|entry| entries.get_mut(entry)?.take()),
                versions: ask.tags.iter().map(|tag| versions[*tag]).collect(),
                lineage,
                sent,
            };
            (ask.place, self.end(&ones[ask.place], &tagged))
        });
        asks.collect()
    }

    /// Gives versions to the tags of these that have none, before a load of what depends on them.
    pub(crate) async fn ensure_all(
        &self,
        ones: &[One<'_>],
        reads: &mut [ReadOutcome],
        within: Duration,
    ) {
        let mut tags = Tags::default();
        let own: Vec<SmallVec<[usize; 4]>> = ones
            .iter()
            .map(|one| {
                let cells = one.reading.snapshot.cells();
                cells.map(|cell| tags.add(cell.key())).collect()
            })
            .collect();
        let parts = tags.names.chunks(MOST_ENSURED);
        let store = self.store();
        let ensured = all(parts
            .map(|part| store.ensure(part, TAG_LIFE, within))
            .collect());
        let mut versions = Vec::with_capacity(tags.names.len());
        for (part, ensured) in tags.names.chunks(MOST_ENSURED).zip(ensured.await) {
            match self.judge_ensured(ensured, within) {
                Ok(ensured) => versions.extend(
                    ensured
                        .versions
                        .iter()
                        .map(|version| Some((*version, ensured.lineage))),
                ),
                Err(_) => versions.extend(part.iter().map(|_| None)),
            }
        }
        for ((one, ended), own) in ones.iter().zip(reads).zip(own) {
            let own = own.iter().map(|tag| versions.get(*tag).copied().flatten());
            if let Some(sent) = ended.wants_versions
                && let Some((versions, lineage)) = of_one_server(own)
            {
                let tagged = Tagged {
                    entry: None,
                    versions,
                    lineage,
                    sent,
                };
                let stamps = self.stamp(&tagged, &one.reading);
                ended.read.stamps = stamps.map(|stamps| (stamps, sent));
            }
        }
    }
}

/// Versions that all are of one history.
fn of_one_server(
    versions: impl Iterator<Item = Option<(Version, Lineage)>>,
) -> Option<(Versions, Lineage)> {
    let versions: SmallVec<[(Version, Lineage); 4]> = versions.collect::<Option<_>>()?;
    let (_, lineage) = *versions.first()?;
    let is_one = versions.iter().all(|(_, other)| *other == lineage);
    is_one.then(|| {
        (
            versions.iter().map(|(version, _)| *version).collect(),
            lineage,
        )
    })
}

/// Waits for all, at once.
async fn all<T>(futures: Vec<Pending<'_, T>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.into_iter().map(Err).collect();
    poll_fn(|cx| {
        for place in &mut waiting {
            if let Err(future) = place
                && let Poll::Ready(output) = future.as_mut().poll(cx)
            {
                *place = Ok(output);
            }
        }
        if waiting.iter().all(Result::is_ok) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    waiting.into_iter().filter_map(Result::ok).collect()
}
