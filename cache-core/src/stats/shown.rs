//! Statistics as people read them: a table, and under it why calls were not answered.

use std::fmt::{self, Display};

use super::{EventStats, FunctionStats, Stats};
use crate::{explain::Miss, function::path_in, l2::RedisMiss};

/// One column of the table: its title, and what it shows of a function.
type Column = (&'static str, fn(&FunctionStats) -> Number);

/// As it is shown: with as many digits as it takes.
#[derive(Clone, Copy, PartialEq)]
enum Number {
    Count(u64),
    Percent(Option<f64>),
    Time(std::time::Duration),
}

impl Number {
    fn says_something(self) -> bool {
        self != Self::Count(0)
    }
}

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Count(count) => return f.pad(&count.to_string()),
            Self::Percent(None) => "-".to_owned(),
            Self::Percent(Some(part)) => format!("{:.1} %", part * 100.0),
            Self::Time(time) if time.is_zero() => "-".to_owned(),
            Self::Time(time) => format!("{time:.1?}"),
        };
        f.pad(&text)
    }
}

const COLUMNS: [Column; 10] = [
    ("hits", |row| Number::Count(row.hits)),
    ("loads", |row| Number::Count(row.loads)),
    ("answered", |row| Number::Percent(row.hit_ratio())),
    ("failures", |row| Number::Count(row.failures)),
    ("shared", |row| Number::Count(row.shared_loads)),
    ("evictions", |row| Number::Count(row.evictions)),
    ("entries", |row| Number::Count(row.entries)),
    ("bytes", |row| Number::Count(row.bytes)),
    ("load", |row| Number::Time(row.load_times.mean())),
    ("saved", |row| Number::Time(row.time_saved())),
];

/// Shown where there is something to show.
const STRATEGY_COLUMNS: [Column; 5] = [
    ("stale", |row| Number::Count(row.stale)),
    ("unproven", |row| Number::Count(row.unproven)),
    ("refreshes", |row| Number::Count(row.refreshes)),
    ("timeouts", |row| Number::Count(row.timeouts)),
    ("skipped", |row| Number::Count(row.skipped)),
];

/// Shown where there is something to show.
const REDIS_COLUMNS: [Column; 8] = [
    ("redis-hits", |row| Number::Count(row.redis_hits)),
    ("misses", |row| Number::Count(row.redis_misses)),
    ("unusable", |row| Number::Count(row.redis_unusable)),
    ("faults", |row| Number::Count(row.redis_faults)),
    ("unasked", |row| Number::Count(row.redis_unasked)),
    ("fills", |row| Number::Count(row.redis_fills)),
    ("lost", |row| Number::Count(row.redis_fills_lost)),
    ("redis-read", |row| match row.redis_hits {
        0 => Number::Count(0),
        _ => Number::Time(row.redis_times.mean()),
    }),
];

impl Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total();
        let names = self.functions.iter().map(|row| row.name.chars().count());
        let width = names.max().unwrap_or(0).max("function".len());
        let shown = |columns: &'static [Column]| {
            let is_shown = columns.iter().any(|(_, of)| of(&total).says_something());
            if is_shown { columns } else { &[] }
        };
        let (of_strategies, of_redis) = (shown(&STRATEGY_COLUMNS), shown(&REDIS_COLUMNS));
        let columns = || COLUMNS.iter().chain(of_strategies).chain(of_redis);
        write!(f, "{:<width$}", "function")?;
        for (title, _) in columns() {
            write!(f, " {title:>10}")?;
        }
        writeln!(f)?;
        let in_all = FunctionStats {
            name: "in all".to_owned(),
            ..total
        };
        let is_several = self.functions.len() > 1;
        for row in self.functions.iter().chain(is_several.then_some(&in_all)) {
            write!(f, "{:<width$}", row.name)?;
            for (title, number) in columns() {
                // The mean of all loads is not that of each function.
                let number = match *title {
                    "saved" if row.name == in_all.name => Number::Time(self.time_saved()),
                    _ => number(row),
                };
                write!(f, " {number:>10}")?;
            }
            writeln!(f)?;
        }
        for row in &self.functions {
            write_reasons(f, row)?;
        }
        write!(
            f,
            "{} entries, {} of {} bytes",
            self.entries, self.bytes, self.memory_limit
        )?;
        if self.events != EventStats::default() {
            write!(f, "\n{}", self.events)?;
        }
        if !self.unused_policies.is_empty() {
            let names = self.unused_policies.join("`, `");
            write!(f, "\npolicies of no function called so far: `{names}`")?;
        }
        Ok(())
    }
}

/// Why calls of a function were not answered, where that is more than that they were the first ones.
fn write_reasons(f: &mut fmt::Formatter<'_>, row: &FunctionStats) -> fmt::Result {
    let of_memory = row.missed.iter().filter(|(miss, _)| *miss != Miss::Absent);
    let of_memory = of_memory.map(|(miss, count)| format!("{count} {}", in_a_word(*miss)));
    let of_events = row.invalidated_by.iter();
    let of_events = of_events.map(|(event, count)| format!("{count} by `{event}`"));
    let of_redis = row.redis_missed.iter();
    let of_redis = of_redis.filter(|(miss, _)| *miss != RedisMiss::Absent);
    let of_redis = of_redis.map(|(miss, count)| format!("Redis {miss}: {count}"));
    let reasons: Vec<_> = of_memory.chain(of_events).chain(of_redis).collect();
    if reasons.is_empty() {
        return Ok(());
    }
    writeln!(f, "{}: {}", path_in(&row.name), reasons.join(", "))
}

fn in_a_word(miss: Miss) -> &'static str {
    match miss {
        Miss::Absent => "absent",
        Miss::Evicted => "evicted",
        Miss::Expired => "expired",
        Miss::Invalidated => "invalidated",
        Miss::Unproven => "unproven",
        Miss::NotInMemory => "not in memory",
        Miss::Off => "off",
        Miss::Recursion => "recursive",
    }
}
