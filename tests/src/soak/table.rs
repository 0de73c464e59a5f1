//! What was seen under each fault, as a table.

use std::{fmt, time::Duration};

use super::{Nanos, nanos, service::Full, size::Size, verdict::Violation};

/// What a call may take: the budget of Redis, and what goes beside it.
const BUDGET: Duration = Duration::from_millis(150);

/// What came of a soak: a row for each fault.
#[derive(Debug)]
pub struct Table {
    bound: Duration,
    rows: Vec<Row>,
    /// What the largest member held at the end of each fault, in their order, and at most.
    sizes: Vec<Size>,
    most: Size,
    /// Members that hold more and more.
    grown: Vec<String>,
}

/// What was seen under one fault, in all rounds.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) fault: &'static str,
    /// To what values are held.
    pub(super) stated: String,
    pub(super) reads: u64,
    /// Changes of one fact each, and how many of them were acknowledged.
    pub(super) writes: u64,
    pub(super) acknowledged: u64,
    /// For each value that missed something acknowledged, how long ago that was.
    pub(super) stale: Vec<Nanos>,
    /// For each value that missed something for longer than the bound that was not acknowledged for so long, how long
    /// ago that was written.
    pub(super) excused: Vec<Nanos>,
    pub(super) violations: Vec<Violation>,
    /// How long after the fault the last process had an event acknowledged again.
    pub(super) recovered: Nanos,
    /// How long it took until every member was served by a new primary.
    pub(super) full_service: Option<Full>,
    /// What panicked in members.
    pub(super) panics: Vec<String>,
    /// How late timers were at worst.
    pub(super) late: Nanos,
    /// How long calls took, less that.
    pub(super) took: Vec<Nanos>,
    /// Of the largest member, at most.
    pub(super) size: Size,
}

impl Table {
    pub(super) fn new(bound: Duration) -> Self {
        Self {
            bound,
            rows: Vec::new(),
            sizes: Vec::new(),
            most: Size::default(),
            grown: Vec::new(),
        }
    }

    /// What the largest member holds at the end of a fault.
    pub(super) fn add_size(&mut self, size: Size) {
        self.sizes.push(size);
    }

    /// A member holds more and more.
    pub(super) fn has_grown(&mut self, what: String) {
        self.grown.push(what);
    }

    /// Adds what was seen to what was seen before under the same fault.
    pub(super) fn add(&mut self, seen: Row) {
        self.most = self.most.max(seen.size);
        let Some(row) = self.rows.iter_mut().find(|row| row.fault == seen.fault) else {
            return self.rows.push(seen);
        };
        row.reads += seen.reads;
        row.writes += seen.writes;
        row.acknowledged += seen.acknowledged;
        row.stale.extend(seen.stale);
        row.excused.extend(seen.excused);
        row.violations.extend(seen.violations);
        row.recovered = row.recovered.max(seen.recovered);
        row.full_service = match (row.full_service, seen.full_service) {
            (Some(one), Some(other)) => Some(one.max(other)),
            (one, other) => one.or(other),
        };
        row.late = row.late.max(seen.late);
        row.panics.extend(seen.panics);
        row.took.extend(seen.took);
        row.size = row.size.max(seen.size);
    }

    /// What should not have been served, what panicked, and who holds more and more.
    pub fn violations(&self) -> impl Iterator<Item = String> + use<'_> {
        let under = |row: &Row, what: &dyn fmt::Display| format!("{}: {what}", row.fault);
        let rows = self.rows.iter();
        // First what is seldom: one fault can show in thousands of values.
        let panics = rows
            .clone()
            .flat_map(move |row| row.panics.iter().map(move |it| under(row, it)));
        let wrong = rows.flat_map(move |row| row.violations.iter().map(move |it| under(row, it)));
        panics.chain(self.grown.iter().cloned()).chain(wrong)
    }

    /// Faults under which nothing was read: of them the table says nothing.
    pub fn idle(&self) -> impl Iterator<Item = &'static str> + use<'_> {
        let idle = self.rows.iter().filter(|row| row.reads == 0);
        idle.map(|row| row.fault)
    }
}

/// Titles, the one on the left first.
const TITLES: [&str; 20] = [
    "fault",
    "reads",
    "writes",
    "acked",
    "stale",
    "p50",
    "p99",
    "max",
    "stated",
    "excused",
    "wrong",
    "panics",
    "well after",
    "full service after the new primary takes writes",
    "after others name it",
    "slow",
    "slowest",
    "memory",
    "files",
    "tasks",
];

impl Row {
    fn cells(&self) -> [String; TITLES.len()] {
        let mut stale = self.stale.clone();
        stale.sort_unstable();
        let budget = nanos(BUDGET);
        let slow = self.took.iter().filter(|took| **took > budget).count();
        let excused = self
            .excused
            .iter()
            .max()
            .map_or_else(String::new, |longest| {
                format!(" (to {})", milliseconds(Some(*longest)))
            });
        [
            self.fault.to_owned(),
            self.reads.to_string(),
            self.writes.to_string(),
            self.acknowledged.to_string(),
            stale.len().to_string(),
            milliseconds(percentile(&stale, 50)),
            milliseconds(percentile(&stale, 99)),
            milliseconds(stale.last().copied()),
            self.stated.clone(),
            format!("{}{excused}", self.excused.len()),
            self.violations.len().to_string(),
            self.panics.len().to_string(),
            milliseconds(Some(self.recovered)),
            self.full_service
                .map_or_else(|| "-".to_owned(), |full| full.to_string()),
            milliseconds(self.full_service.and_then(|full| full.since_it_is_named)),
            slow.to_string(),
            milliseconds(self.took.iter().max().copied()),
            format!("{} MB", self.size.kilobytes / 1_024),
            self.size.files.to_string(),
            self.size.tasks.to_string(),
        ]
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![TITLES.map(str::to_owned)];
        lines.extend(self.rows.iter().map(Row::cells));
        let width = |column: usize| {
            let lengths = lines.iter().map(|cells| cells[column].chars().count());
            lengths.max().unwrap_or(0)
        };
        let widths: [usize; TITLES.len()] = std::array::from_fn(width);
        for (number, cells) in lines.iter().enumerate() {
            let (first, rest) = (&cells[0], &cells[1..]);
            write!(f, "| {first:<0$} |", widths[0])?;
            for (cell, width) in rest.iter().zip(&widths[1..]) {
                write!(f, " {cell:>width$} |")?;
            }
            writeln!(f)?;
            if number == 0 {
                write!(f, "|:{}-|", "-".repeat(widths[0]))?;
                for width in &widths[1..] {
                    write!(f, "-{}:|", "-".repeat(*width))?;
                }
                writeln!(f)?;
            }
        }
        let late = self.rows.iter().map(|row| row.late).max();
        let (first, last) = (self.sizes.first(), self.sizes.last());
        let [first, last] = [first, last].map(|size| size.copied().unwrap_or_default());
        write!(
            f,
            "slow: calls that took longer than {BUDGET:?}, less what timers were late by\n\
             the bound is {:?}; timers of these processes were late by up to {}\n\
             the largest process held {first} after the first fault, {last} after the last, and {} at most",
            self.bound,
            milliseconds(late),
            self.most,
        )
    }
}

fn percentile(sorted: &[Nanos], percent: usize) -> Option<Nanos> {
    sorted.get(sorted.len() * percent / 100).copied()
}

fn milliseconds(span: Option<Nanos>) -> String {
    span.map_or_else(
        || "-".to_owned(),
        |span| format!("{:.1} ms", Duration::from_nanos(span).as_secs_f64() * 1e3),
    )
}
