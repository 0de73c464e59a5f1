//! How long it takes from the moment in which a new primary takes writes, and from the one in which others name it, until
//! all members have all that they had before.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{
    Life, Nanos,
    evidence::{Evidence, Served},
    now,
};
use crate::server::Asker;

const EVERY: Duration = Duration::from_millis(10);

/// The moments after which it is measured what is usual.
const MOMENTS: u64 = 11;
const APART: Nanos = 100_000_000;

/// What one that stands still may take of the time that others are asked in.
const REPLY: Duration = Duration::from_millis(50);

/// Since when there is a new primary.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promoted {
    /// It took a write for the first time.
    pub(super) takes_writes: Nanos,
    /// Those whom clients ask named it for the first time.
    pub(super) is_named: Option<Nanos>,
}

/// Those whom clients ask for the primary.
pub(super) struct Witnesses {
    pub(super) askers: Vec<Asker>,
    pub(super) question: &'static [&'static str],
    /// Whether this answer names the new one.
    pub(super) names_it: Box<dyn Fn(&str) -> bool + Send>,
    /// So many of them have to.
    pub(super) enough: usize,
}

impl Witnesses {
    fn name_it(&self) -> bool {
        let names_it = |asker: &&Asker| {
            let answer = asker.ask(self.question, REPLY);
            answer.is_ok_and(|answer| (self.names_it)(&answer))
        };
        self.askers.iter().filter(names_it).count() >= self.enough
    }
}

/// Writes to servers all the time, until one takes it, and asks others until they name it.
#[derive(Debug)]
pub(super) struct Watch {
    is_over: Arc<AtomicBool>,
    takes_writes: JoinHandle<Option<Nanos>>,
    is_named: JoinHandle<Option<Nanos>>,
}

impl Watch {
    /// Of those that take no writes of this key yet.
    pub(super) fn begin(candidates: Vec<Asker>, key: String, witnesses: Witnesses) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let takes_it = move || {
            let takes_it = |candidate: &Asker| {
                let reply = candidate.ask(&["SET", &key, "1"], REPLY);
                reply.is_ok_and(|reply| reply == "OK")
            };
            candidates.iter().any(takes_it)
        };
        Self {
            takes_writes: until(&is_over, takes_it),
            is_named: until(&is_over, move || witnesses.name_it()),
            is_over,
        }
    }

    /// Since when one took it, if one did.
    pub(super) fn end(self) -> Option<Promoted> {
        self.is_over.store(true, Relaxed);
        let at = |asking: JoinHandle<_>| asking.join().expect("it does not panic");
        let (takes_writes, is_named) = (at(self.takes_writes), at(self.is_named));
        Some(Promoted {
            takes_writes: takes_writes?,
            is_named,
        })
    }
}

/// Asks again and again, and once more when it is over: when something was so.
fn until(
    is_over: &Arc<AtomicBool>,
    is_so: impl Fn() -> bool + Send + 'static,
) -> JoinHandle<Option<Nanos>> {
    let is_over = Arc::clone(is_over);
    thread::spawn(move || {
        loop {
            let is_last = is_over.load(Relaxed);
            let at = now();
            if is_so() {
                return Some(at);
            }
            if is_last {
                return None;
            }
            thread::sleep(EVERY);
        }
    })
}

/// How long it took until all members were served in full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Full {
    pub(super) since_it_takes_writes: Nanos,
    /// Nothing where nobody was seen to name it.
    pub(super) since_it_is_named: Option<Nanos>,
    /// Of the first, until each had an event acknowledged, and until each had read from Redis.
    events: Nanos,
    reads: Nanos,
    /// What the same takes from any moment afterwards: members only see what they call.
    usual: Nanos,
}

impl Full {
    /// One of them never was.
    pub(super) const NEVER: Self = Self {
        since_it_takes_writes: Nanos::MAX,
        since_it_is_named: None,
        events: Nanos::MAX,
        reads: Nanos::MAX,
        usual: 0,
    };

    /// The longer of each.
    pub(super) fn max(self, other: Self) -> Self {
        let since_it_takes_writes = self.since_it_takes_writes.max(other.since_it_takes_writes);
        Self {
            since_it_takes_writes,
            since_it_is_named: self.since_it_is_named.max(other.since_it_is_named),
            events: self.events.max(other.events),
            reads: self.reads.max(other.reads),
            usual: self.usual.max(other.usual),
        }
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NEVER {
            return f.write_str("never");
        }
        let milliseconds = |span| Duration::from_nanos(span).as_secs_f64() * 1e3;
        let whole = milliseconds(self.since_it_takes_writes);
        let (events, reads) = (milliseconds(self.events), milliseconds(self.reads));
        let usual = milliseconds(self.usual);
        write!(
            f,
            "{whole:.0} ms (events {events:.0}, reads {reads:.0}; usual {usual:.0})"
        )
    }
}

/// How long after the new primary took writes the last of these lives had an event acknowledged that it emitted after that,
/// and had read from Redis what another one had loaded. Nothing where one of them never did.
pub(super) fn full_after(
    promoted: Promoted,
    lives: &[Life],
    evidence: &Evidence,
    served: &[Served],
) -> Option<Full> {
    let since = promoted.takes_writes;
    let full = lives.iter().map(|&life| {
        let shared = served.iter().filter(|it| {
            it.life == life && it.began >= since && it.source == "redis" && it.is_of_another()
        });
        let is_told = evidence.acknowledged_again(life, since)?;
        let is_shared = shared.map(|it| it.ended).min()?;
        let full_at = is_told.max(is_shared);
        let named_before = promoted.is_named.map(|at| full_at.saturating_sub(at));
        Some(Full {
            since_it_takes_writes: full_at - since,
            since_it_is_named: named_before,
            events: is_told - since,
            reads: is_shared - since,
            usual: 0,
        })
    });
    let full = full.collect::<Option<Vec<_>>>()?;
    full.into_iter().reduce(Full::max)
}

/// The same, and what it takes from other moments, of which there is the median.
pub(super) fn full_and_usual_after(
    promoted: Promoted,
    lives: &[Life],
    evidence: &Evidence,
    served: &[Served],
) -> Option<Full> {
    let full = full_after(promoted, lives, evidence, served)?;
    let moments = (1..=MOMENTS).map(|moment| Promoted {
        takes_writes: promoted.takes_writes + full.since_it_takes_writes + moment * APART,
        is_named: None,
    });
    let later = moments.filter_map(|moment| full_after(moment, lives, evidence, served));
    let mut later: Vec<_> = later.map(|full| full.since_it_takes_writes).collect();
    later.sort_unstable();
    Some(Full {
        usual: later.get(later.len() / 2).copied().unwrap_or(0),
        ..full
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{journal::Line, value::Loaded},
        *,
    };

    const PROMOTED: Promoted = Promoted {
        takes_writes: 100,
        is_named: Some(110),
    };

    fn read(life: Life, by: Life, source: &str, began: Nanos) -> Served {
        let loaded = Loaded {
            fact: 3,
            life: by,
            version: 0,
        };
        Served {
            life,
            function: "stored".to_owned(),
            source: source.to_owned(),
            began,
            ended: began + 5,
            first: 3,
            count: 1,
            values: vec![loaded.number()],
        }
    }

    #[test]
    fn service_is_full_when_events_arrive_and_entries_are_shared() {
        let mut evidence = Evidence::default();
        let write = 1 << 32;
        evidence.write(write, 3, 1, 110);
        let full = |evidence: &Evidence, served| full_after(PROMOTED, &[1], evidence, &[served]);
        let shared = read(1, 2, "redis", 120);
        assert_eq!(full(&evidence, shared.clone()), None);
        evidence.hear(1, Line::Acknowledged { write, at: 115 });
        let took = Full {
            since_it_takes_writes: 25,
            since_it_is_named: Some(15),
            events: 15,
            reads: 25,
            usual: 0,
        };
        assert_eq!(full(&evidence, shared), Some(took));
        for other in [
            read(1, 1, "redis", 120),
            read(1, 2, "memory", 120),
            read(1, 2, "redis", 99),
            read(2, 1, "redis", 120),
        ] {
            assert_eq!(full(&evidence, other), None);
        }
    }

    #[test]
    fn what_was_marked_before_is_no_event_that_arrived() {
        let mut evidence = Evidence::default();
        let write = 1 << 32;
        evidence.write(write, 3, 1, 110);
        evidence.guard(write, 110);
        let shared = read(1, 2, "redis", 120);
        assert_eq!(full_after(PROMOTED, &[1], &evidence, &[shared]), None);
    }
}
