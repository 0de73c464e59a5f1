//! What is asked of everything that was served. It is what somebody has written, of the facts that were asked for; and
//! it may miss a write
//!
//! - not in the process that made it, once the mutation has returned;
//! - nowhere, once the bound is over after its event was acknowledged;
//! - where the event was never acknowledged, for no longer than the lifetime of the entry.

use std::{fmt, time::Duration};

use super::{
    Nanos, SHORT_LIFE,
    evidence::{Evidence, Missed, Served},
    nanos,
    value::Loaded,
};

/// The clock that caches read is coarse, and so is the one that this is held against.
const TICK: Duration = Duration::from_millis(10);

/// The name of the function whose entries live for [`SHORT_LIFE`].
pub(super) const SHORT_LIVED: &str = "brief";

/// Between the begin of a load and the begin of its entry's lifetime.
const LOAD: Duration = Duration::from_millis(100);

/// What is to be said of one call.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// How long ago that was acknowledged which it misses.
    pub(super) stale: Option<Nanos>,
    /// How long ago that was written, longer than the bound, which it misses and nobody had to know.
    pub(super) excused: Option<Nanos>,
    pub(super) violation: Option<Violation>,
    /// How long the call took beyond what timers of its process were late by.
    pub(super) took: Nanos,
}

/// A value that should not have been served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) rule: Rule,
    served: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// It is of another fact than was asked for, or of none.
    Foreign,
    /// It was written by nobody when the call had ended.
    Unwritten,
    /// It misses a mutation of its own process that had returned.
    Own,
    /// It misses an event that was acknowledged longer ago than the bound.
    Bound,
    /// It is older than its lifetime.
    Lifetime,
}

/// Judges one call by what was known when it began.
pub(super) fn judge(evidence: &Evidence, served: &Served, bound: Nanos) -> Verdict {
    let (began, ended) = (served.began, served.ended);
    let late = evidence.late(Some(served.life), began, ended);
    let mut verdict = Verdict {
        took: (ended - began).saturating_sub(late),
        ..Verdict::default()
    };
    if let Some((rule, what)) = unlike(evidence, served) {
        verdict.violation = Some(Violation { rule, served: what });
        return verdict;
    }
    for (fact, loaded) in served.facts() {
        let Some(Loaded { version, .. }) = loaded else {
            continue;
        };
        let missed = evidence.missed(fact, version, served.began);
        let ago = |at: Nanos| served.began - at;
        let stale = missed.acknowledged.map(ago);
        verdict.stale = verdict.stale.max(stale);
        let written = missed.committed.map(ago);
        if stale.is_none_or(|stale| stale <= bound) {
            let excused = written.filter(|written| *written > bound);
            verdict.excused = verdict.excused.max(excused);
        }
        if let Some(rule) = broken(evidence, served, bound, fact, version, missed) {
            verdict.violation.get_or_insert_with(|| Violation {
                rule,
                served: describe(served, fact, version, missed),
            });
        }
    }
    verdict
}

/// What makes it no value of what was asked for.
fn unlike(evidence: &Evidence, served: &Served) -> Option<(Rule, String)> {
    let say = |what: String| {
        let Served {
            function,
            life,
            source,
            ..
        } = served;
        format!("`{function}` in life {life} gave {what} ({source})")
    };
    let (count, values) = (served.count, served.values.len());
    if count != values {
        return Some((
            Rule::Foreign,
            say(format!("{values} values for {count} facts")),
        ));
    }
    served.facts().find_map(|(fact, loaded)| match loaded {
        Some(loaded) if loaded.fact != fact => {
            Some((Rule::Foreign, say(format!("{loaded:?} for fact {fact}"))))
        }
        None => Some((Rule::Foreign, say(format!("nothing for fact {fact}")))),
        Some(loaded) if !evidence.is_written(fact, loaded.version, served.ended) => {
            Some((Rule::Unwritten, say(format!("{loaded:?}"))))
        }
        Some(_) => None,
    })
}

fn broken(
    evidence: &Evidence,
    served: &Served,
    bound: Nanos,
    fact: usize,
    version: u32,
    missed: Missed,
) -> Option<Rule> {
    let began = served.began;
    if version < evidence.own(served.life, fact, began) {
        return Some(Rule::Own);
    }
    // However late its process was: what decides what is served looks at the time after the call began.
    if let Some(at) = missed.acknowledged
        && began - at > bound + nanos(TICK)
    {
        return Some(Rule::Bound);
    }
    let life = nanos(SHORT_LIFE) + nanos(LOAD);
    if let Some(at) = missed.committed
        && served.function == SHORT_LIVED
        && began - at > life
        && began - at > life + evidence.late(None, at, began)
    {
        return Some(Rule::Lifetime);
    }
    None
}

fn describe(served: &Served, fact: usize, version: u32, missed: Missed) -> String {
    let ago = |at: Option<Nanos>| {
        at.map_or_else(
            || "never".to_owned(),
            |at| format!("{:.1?} before", Duration::from_nanos(served.began - at)),
        )
    };
    format!(
        "`{}` in life {} gave version {version} of fact {fact} ({}); the next was committed {}, the first acknowledged \
         {}; the call began at {}",
        served.function,
        served.life,
        served.source,
        ago(missed.committed),
        ago(missed.acknowledged),
        served.began,
    )
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = match self.rule {
            Rule::Foreign => "is of something else",
            Rule::Unwritten => "was written by nobody",
            Rule::Own => "misses a mutation of its own process that had returned",
            Rule::Bound => "misses what was acknowledged longer ago than the bound",
            Rule::Lifetime => "is older than its lifetime",
        };
        write!(f, "{rule}: {}", self.served)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::journal::Line, *};

    const SECOND: Nanos = 1_000_000_000;
    const BOUND: Nanos = 2 * SECOND;
    /// A write of the first life.
    const WRITE: u64 = 1 << 32;

    /// The fact 5 is written at 10 s.
    fn written() -> Evidence {
        let mut evidence = Evidence::default();
        evidence.write(WRITE, 5, 1, 10 * SECOND);
        evidence
    }

    fn acknowledged() -> Evidence {
        let mut evidence = written();
        let at = 11 * SECOND;
        evidence.hear(1, Line::Acknowledged { write: WRITE, at });
        evidence
    }

    /// What is said of a call in the second life that is served the version before.
    fn verdict(evidence: &Evidence, function: &str, began: Nanos) -> Verdict {
        let served = Served {
            life: 2,
            function: function.to_owned(),
            source: "-".to_owned(),
            began,
            ended: began,
            first: 4,
            count: 2,
            values: vec![number(4, 0), number(5, 0)],
        };
        judge(evidence, &served, BOUND)
    }

    fn number(fact: usize, version: u32) -> u64 {
        let loaded = Loaded {
            fact,
            life: 1,
            version,
        };
        loaded.number()
    }

    /// What is said of a call for the facts 4 and 5, a second after the latter was written.
    fn of_values(values: &[u64]) -> Option<Rule> {
        let at = 11 * SECOND;
        let served = Served {
            life: 2,
            function: "shelf".to_owned(),
            source: "-".to_owned(),
            began: at,
            ended: at,
            first: 4,
            count: 2,
            values: values.to_vec(),
        };
        rule(&judge(&written(), &served, BOUND))
    }

    fn rule(verdict: &Verdict) -> Option<Rule> {
        verdict.violation.as_ref().map(|it| it.rule)
    }

    #[test]
    fn what_misses_an_acknowledged_write_is_held_to_the_bound() {
        let evidence = acknowledged();
        let within = verdict(&evidence, "item", 13 * SECOND);
        assert_eq!((within.stale, rule(&within)), (Some(BOUND), None));
        let beyond = verdict(&evidence, "item", 13 * SECOND + SECOND / 10);
        assert_eq!(rule(&beyond), Some(Rule::Bound));
    }

    #[test]
    fn a_call_that_began_before_the_write_misses_nothing() {
        let before = verdict(&acknowledged(), "item", 10 * SECOND - 1);
        assert_eq!((before.stale, before.excused), (None, None));
    }

    #[test]
    fn a_later_version_that_nobody_acknowledged_hides_no_earlier_one() {
        let mut evidence = acknowledged();
        evidence.write(WRITE + 1, 5, 1, 12 * SECOND);
        let beyond = verdict(&evidence, "item", 14 * SECOND);
        assert_eq!(rule(&beyond), Some(Rule::Bound));
    }

    #[test]
    fn the_acknowledgement_of_a_later_version_counts_for_the_earlier_ones() {
        let mut evidence = written();
        evidence.write(WRITE + 1, 5, 1, 10 * SECOND);
        let (write, at) = (WRITE + 1, 10 * SECOND);
        evidence.hear(1, Line::Acknowledged { write, at });
        let beyond = verdict(&evidence, "item", 14 * SECOND);
        assert_eq!(rule(&beyond), Some(Rule::Bound));
    }

    #[test]
    fn a_process_that_stalls_is_held_to_the_bound_as_well() {
        let mut evidence = acknowledged();
        let (from, to) = (12 * SECOND, 13 * SECOND);
        evidence.hear(2, Line::Late { from, to });
        let beyond = verdict(&evidence, "item", 14 * SECOND);
        assert_eq!(rule(&beyond), Some(Rule::Bound));
    }

    #[test]
    fn values_are_of_what_was_asked_for_and_were_written() {
        assert_eq!(of_values(&[number(4, 0), number(5, 1)]), None);
        for mixed_up in [
            &[number(5, 1), number(4, 0)][..],
            &[number(4, 0)],
            &[number(4, 0), 1],
            &[],
        ] {
            assert_eq!(of_values(mixed_up), Some(Rule::Foreign), "{mixed_up:?}");
        }
        let unwritten = [number(4, 0), number(5, 2)];
        assert_eq!(of_values(&unwritten), Some(Rule::Unwritten));
    }

    #[test]
    fn what_nobody_announced_is_held_to_the_lifetime() {
        let evidence = written();
        let excused = verdict(&evidence, "item", 20 * SECOND);
        assert_eq!((excused.excused, rule(&excused)), (Some(10 * SECOND), None));
        let expired = verdict(&evidence, SHORT_LIVED, 14 * SECOND);
        assert_eq!(rule(&expired), Some(Rule::Lifetime));
    }

    #[test]
    fn a_process_sees_its_own_mutation_from_its_return_on() {
        let mut evidence = written();
        let at = 10 * SECOND + 5;
        evidence.hear(
            2,
            Line::Returned {
                write: (2 << 32) | 1,
                at,
            },
        );
        assert_eq!(rule(&verdict(&evidence, "item", at + 1)), None);
        evidence.write((2 << 32) | 1, 5, 1, 10 * SECOND + 3);
        evidence.hear(
            2,
            Line::Returned {
                write: (2 << 32) | 1,
                at,
            },
        );
        assert_eq!(rule(&verdict(&evidence, "item", at)), None);
        assert_eq!(rule(&verdict(&evidence, "item", at + 1)), Some(Rule::Own));
    }

    #[test]
    fn what_is_written_after_its_event_was_acknowledged_is_announced_by_nobody() {
        let mut evidence = Evidence::default();
        let at = 9 * SECOND;
        evidence.hear(1, Line::Acknowledged { write: WRITE, at });
        evidence.write(WRITE, 5, 1, 10 * SECOND);
        assert_eq!(rule(&verdict(&evidence, "item", 20 * SECOND)), None);
        assert!(evidence.untold(1).is_none());
    }

    #[test]
    fn a_write_later_than_the_last_word_about_it_was_announced_by_nobody() {
        let mut evidence = Evidence::default();
        evidence.write(WRITE, 5, 1, 10 * SECOND);
        for line in [
            Line::Dropped {
                write: WRITE,
                at: 9 * SECOND,
            },
            Line::Acknowledged {
                write: WRITE,
                at: 10 * SECOND,
            },
        ] {
            evidence.hear(1, line);
        }
        assert_eq!(rule(&verdict(&evidence, "item", 20 * SECOND)), None);
    }
}
