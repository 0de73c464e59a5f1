//! What the program prints: counts, shares and percentiles of latencies.

use std::{fmt, time::Duration};

use cache_core::Source;

use crate::traffic::Sample;

/// One line of the table.
#[derive(Debug)]
struct Row {
    label: &'static str,
    calls: usize,
    of: usize,
    median: Duration,
    p99: Duration,
}

/// Where answers came from, and how long they took.
#[derive(Debug)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    /// A line per source of answers, and one for all.
    pub(crate) fn by_source(samples: &[Sample]) -> Self {
        let lines = [
            ("memory", Some(Source::Memory)),
            ("Redis", Some(Source::Redis)),
            ("another caller's load", Some(Source::SharedLoad)),
            ("a load of its own", Some(Source::Load)),
            ("all", None),
        ];
        let rows = lines.map(|(label, source)| Row::new(label, samples, source));
        Self(rows.into_iter().filter(|row| row.calls > 0).collect())
    }

    /// One line for all.
    pub(crate) fn of_all(samples: &[Sample]) -> Self {
        Self(vec![Row::new("the database", samples, None)])
    }
}

impl Row {
    fn new(label: &'static str, samples: &[Sample], source: Option<Source>) -> Self {
        let mut latencies: Vec<_> = samples
            .iter()
            .filter(|sample| source.is_none_or(|source| sample.source == source))
            .map(|sample| sample.latency)
            .collect();
        latencies.sort_unstable();
        Self {
            label,
            calls: latencies.len(),
            of: samples.len(),
            median: percentile(&latencies, 50),
            p99: percentile(&latencies, 99),
        }
    }
}

/// The latency that `percent` of all do not exceed; zero where there are none.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  {:<24}{:>8}{:>10}{:>12}{:>12}",
            "answered by", "calls", "share", "p50", "p99"
        )?;
        for row in &self.0 {
            writeln!(
                f,
                "  {:<24}{:>8}{:>8} %{:>12.1?}{:>12.1?}",
                row.label,
                thousands(row.calls),
                tenths((row.calls * 2000 + row.of) / (row.of * 2).max(1)),
                row.median,
                row.p99
            )?;
        }
        Ok(())
    }
}

/// 1234567 as "1,234,567".
pub(crate) fn thousands(number: usize) -> String {
    if number < 1000 {
        return number.to_string();
    }
    format!("{},{:03}", thousands(number / 1000), number % 1000)
}

/// 123 as "12.3".
fn tenths(number: usize) -> String {
    format!("{}.{}", number / 10, number % 10)
}
