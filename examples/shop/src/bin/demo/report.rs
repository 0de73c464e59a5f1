//! What is printed after an act.

use std::time::{Duration, Instant};

use crate::samples::{Sample, Seen};

/// An act that is over.
#[derive(Debug)]
pub(crate) struct Act {
    pub(crate) name: &'static str,
    what: String,
    pub(crate) from: Instant,
    pub(crate) to: Instant,
    /// With the cache, and without it.
    pub(crate) rows: [Row; 2],
    notes: Vec<String>,
    held: Vec<String>,
    pub(crate) broken: Vec<String>,
}

/// What one side has seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) seen: Seen,
    pub(crate) queries: u64,
}

impl Row {
    pub(crate) fn of(name: &'static str, samples: &[Sample], queries: u64) -> Self {
        Self {
            name,
            seen: Seen::of(samples),
            queries,
        }
    }
}

impl Act {
    pub(crate) fn new(
        name: &'static str,
        what: String,
        (from, to): (Instant, Instant),
        rows: [Row; 2],
    ) -> Self {
        Self {
            name,
            what,
            from,
            to,
            rows,
            notes: Vec::new(),
            held: Vec::new(),
            broken: Vec::new(),
        }
    }

    pub(crate) fn holds(&mut self, claim: &str, is_so: bool) {
        let claims = if is_so {
            &mut self.held
        } else {
            &mut self.broken
        };
        claims.push(claim.to_owned());
    }

    /// With the cache there is less than one query for so many without it.
    pub(crate) fn fewer_queries(&mut self, times: u64) {
        let [with, without] = self.rows.map(|row| row.queries);
        let claim = match times {
            1 => "fewer queries with the cache".to_owned(),
            times => format!("{times} times fewer queries with the cache"),
        };
        self.holds(&claim, with * times < without);
    }

    pub(crate) fn say(&mut self, note: String) {
        self.notes.push(note);
    }
}

pub(crate) fn print(number: usize, act: &Act) {
    println!("\n{number}. {}: {}", act.name, act.what);
    println!("              requests       p50       p99   queries  failed  stale");
    for Row {
        name,
        seen,
        queries,
    } in &act.rows
    {
        println!(
            "   {name:<9} {:>10} {:>9} {:>9} {:>9} {:>7} {:>6}",
            thousands(seen.requests as u64),
            milliseconds(seen.p50),
            milliseconds(seen.p99),
            thousands(*queries),
            seen.failures,
            seen.stale,
        );
    }
    print_late(&act.rows[0].seen);
    for note in &act.notes {
        println!("   {note}");
    }
    println!("   held: {}", act.held.join("; "));
    for claim in &act.broken {
        println!("   BROKEN: {claim}");
    }
}

fn print_late(seen: &Seen) {
    if seen.late > 0 {
        let allowed = if seen.stale == 0 {
            ": within the bound"
        } else {
            ""
        };
        println!(
            "   missed a change that was acknowledged before they were asked for: {} answers, by up to {}{allowed}",
            thousands(seen.late as u64),
            milliseconds(seen.latest),
        );
    }
    if seen.untold > 0 {
        println!(
            "   {} of them by more than the bound: Redis, which is back, had not been told of the change for so long",
            thousands(seen.untold as u64)
        );
    }
}

pub(crate) fn milliseconds(span: Duration) -> String {
    let milliseconds = span.as_secs_f64() * 1_000.0;
    if milliseconds < 100.0 {
        format!("{milliseconds:.1} ms")
    } else {
        format!("{milliseconds:.0} ms")
    }
}

pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_that_does_not_hold_is_broken() {
        let row = |name, queries| Row {
            name,
            seen: Seen::default(),
            queries,
        };
        let now = Instant::now();
        let rows = [row("with", 10), row("without", 20)];
        let mut act = Act::new("an act", String::new(), (now, now), rows);
        act.fewer_queries(1);
        assert!(act.broken.is_empty());
        act.fewer_queries(2);
        assert_eq!(act.broken.len(), 1);
    }

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(123), "123");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(milliseconds(Duration::from_micros(1_250)), "1.2 ms");
        assert_eq!(milliseconds(Duration::from_millis(1_250)), "1250 ms");
    }
}
