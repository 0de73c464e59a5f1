//! How long it takes from the moment in which a new primary takes writes until all members have all that they had before.

use std::{
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

/// What one that stands still may take of the time that others are asked in.
const REPLY: Duration = Duration::from_millis(50);

/// Writes to servers all the time, until one takes it.
#[derive(Debug)]
pub(super) struct Watch {
    is_over: Arc<AtomicBool>,
    asking: JoinHandle<Option<Nanos>>,
}

impl Watch {
    /// Of those that take no writes of this key yet.
    pub(super) fn begin(candidates: Vec<Asker>, key: String) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let is_ended = Arc::clone(&is_over);
        let asking = thread::spawn(move || {
            loop {
                // Who is asked after that has become a primary by then.
                let is_last = is_ended.load(Relaxed);
                for candidate in &candidates {
                    let at = now();
                    let reply = candidate.ask(&["SET", &key, "1"], REPLY);
                    if reply.is_ok_and(|reply| reply == "OK") {
                        return Some(at);
                    }
                }
                if is_last {
                    return None;
                }
                thread::sleep(EVERY);
            }
        });
        Self { is_over, asking }
    }

    /// When one took it, if one did.
    pub(super) fn end(self) -> Option<Nanos> {
        self.is_over.store(true, Relaxed);
        self.asking.join().expect("it does not panic")
    }
}

/// How long after `since` the last of these lives had an event acknowledged that it emitted after that, and had read from
/// Redis what another one had loaded. Nothing where one of them never did.
pub(super) fn full_after(
    since: Nanos,
    lives: &[Life],
    evidence: &Evidence,
    served: &[Served],
) -> Option<Nanos> {
    let full = lives.iter().map(|&life| {
        let shared = served.iter().filter(|it| {
            it.life == life && it.began >= since && it.source == "redis" && it.is_of_another()
        });
        let is_told = evidence.acknowledged_again(life, since)?;
        let is_shared = shared.map(|it| it.ended).min()?;
        Some(is_told.max(is_shared) - since)
    });
    full.collect::<Option<Vec<_>>>()?.into_iter().max()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{journal::Line, value::Loaded},
        *,
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
        let full = |evidence: &Evidence, served| full_after(100, &[1], evidence, &[served]);
        let shared = read(1, 2, "redis", 120);
        assert_eq!(full(&evidence, shared.clone()), None);
        evidence.hear(1, Line::Acknowledged { write, at: 115 });
        assert_eq!(full(&evidence, shared), Some(25));
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
        assert_eq!(full_after(100, &[1], &evidence, &[shared]), None);
    }
}
