//! The table of what is measured: a metric for each name, a row for each of its series. The ways out, the guide's table and
//! the check of the dashboard all come from here.

use crate::{
    cache::Cache,
    clock::nanos,
    explain::Miss,
    health::{Health, RedisHealth},
    stats::{FunctionStats, Stats},
};

/// Attributes that whole classes of rows have.
pub(super) const NAMESPACE: &str = "cache.namespace";
pub(super) const FUNCTION: &str = "cache.function";

/// What tells the rows of one metric apart.
const OUTCOME: &str = "cache.outcome";
const DIRECTION: &str = "cache.direction";
const REASON: &str = "cache.reason";

/// One series for each cache, or for each function of it.
#[derive(Debug)]
pub(crate) struct Row {
    /// By the conventions of OpenTelemetry. Rows of one name are one metric; they stand together, and differ in `attribute`.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) unit: Unit,
    /// In one line, without a dot at its end: of the metric, so that all its rows say the same.
    pub(super) description: &'static str,
    pub(super) attribute: Option<(&'static str, &'static str)>,
    pub(super) read: Read,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only grows, until the process ends.
    Counter,
    /// Goes up and down; those of several processes make a sum. Sums of seconds are here, too, though they only grow:
    /// counters of the facade are whole numbers.
    UpDown,
    /// Goes up and down; those of several processes make none.
    Gauge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// So many of these, in braces as OpenTelemetry annotates them.
    Of(&'static str),
    Bytes,
    /// Read in nanoseconds.
    Seconds,
    /// 0 or 1.
    Flag,
}

/// Where the number is.
#[derive(Debug)]
pub(super) enum Read {
    Function(fn(&FunctionStats) -> u64),
    /// Of a cache; nothing where it has no such thing.
    Cache(fn(&Scrape) -> Option<u64>),
}

const fn row(
    kind: Kind,
    name: &'static str,
    unit: Unit,
    description: &'static str,
    read: Read,
) -> Row {
    Row {
        name,
        kind,
        unit,
        description,
        attribute: None,
        read,
    }
}

impl Row {
    const fn with(mut self, key: &'static str, value: &'static str) -> Self {
        self.attribute = Some((key, value));
        self
    }
}

/// Of the shared tier of a cache, where it has one.
fn of_redis(taken: &Scrape, read: impl FnOnce(&RedisHealth) -> u64) -> Option<u64> {
    taken.health.redis.as_ref().map(read)
}

use Kind::{Counter, Gauge, UpDown};
use Read::{Cache as C, Function as F};
use Unit::{Bytes, Flag, Of, Seconds};

const READS: &str = "Reads of Redis, by what they found";
const MISSES: &str = "Calls that memory did not answer, by reason";
const FILLS: &str = "Values to be written to Redis, by outcome";
const STOPPED: &str =
    "Servers that the cache does not read, or not write to, because they keep failing";

/// A metric is added by a line here, and by its line in the guide.
#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    row(Counter, "cache.hits", Of("{call}"), "Calls answered from memory", F(|it| it.hits)),
    row(Counter, "cache.misses", Of("{call}"), MISSES, F(|it| it.missed(Miss::Absent))).with(REASON, "absent"),
    row(Counter, "cache.misses", Of("{call}"), MISSES, F(|it| it.missed(Miss::Evicted))).with(REASON, "evicted"),
    row(Counter, "cache.misses", Of("{call}"), MISSES, F(|it| it.missed(Miss::Expired))).with(REASON, "expired"),
    row(Counter, "cache.misses", Of("{call}"), MISSES, F(|it| it.missed(Miss::Invalidated))).with(REASON, "invalidated"),
    row(Counter, "cache.misses", Of("{call}"), MISSES, F(|it| it.missed(Miss::Unproven))).with(REASON, "unproven"),
    row(Counter, "cache.bypassed", Of("{call}"), "Calls that ran past the cache", F(|it| it.bypassed)),
    row(Counter, "cache.loads", Of("{load}"), "How often the function's body began to run", F(|it| it.loads)),
    row(UpDown, "cache.load.time", Seconds, "How long loads took, in all", F(|it| nanos(it.load_times.total()))),
    row(UpDown, "cache.wait.time", Seconds, "How long calls waited for the load of another one, in all", F(|it| nanos(it.wait_times.total()))),
    row(UpDown, "cache.time_saved", Seconds, "About how much longer callers would have waited without the cache, in all", F(|it| nanos(it.time_saved()))),
    row(Counter, "cache.failures", Of("{load}"), "Loads that ended in an error or a panic", F(|it| it.failures)),
    row(Counter, "cache.shared_loads", Of("{call}"), "Calls answered by the load or the read of another caller: stampedes prevented", F(|it| it.shared_loads)),
    row(Counter, "cache.stale", Of("{call}"), "Calls that got an expired or invalidated value, because a strategy allows it", F(|it| it.stale)),
    row(Counter, "cache.unproven", Of("{call}"), "Those of the stale ones that an event may have invalidated, without the cache knowing", F(|it| it.unproven)),
    row(Counter, "cache.refreshes", Of("{load}"), "Loads begun in the background for a value that was still served", F(|it| it.refreshes)),
    row(Counter, "cache.timeouts", Of("{call}"), "Calls whose load took longer than `soft_timeout` or `timeout`", F(|it| it.timeouts)),
    row(Counter, "cache.skipped", Of("{load}"), "Background loads that were not begun, because too many ran", F(|it| it.skipped)),
    row(Counter, "cache.evictions", Of("{entry}"), "Entries that left memory because there was no room", F(|it| it.evictions)),
    row(Counter, "cache.rejected", Of("{value}"), "Values that were too heavy for memory", F(|it| it.rejected)),
    row(UpDown, "cache.entries", Of("{entry}"), "Entries in memory", F(|it| it.entries)),
    row(UpDown, "cache.memory.usage", Bytes, "The weight of the entries in memory", F(|it| it.bytes)),
    row(UpDown, "cache.memory.limit", Bytes, "The bound on the weight of all entries in memory", C(|it| Some(it.stats.memory_limit))),

    row(Counter, "cache.redis.reads", Of("{read}"), READS, F(|it| it.redis_hits)).with(OUTCOME, "hit"),
    row(Counter, "cache.redis.reads", Of("{read}"), READS, F(|it| it.redis_misses)).with(OUTCOME, "miss"),
    row(Counter, "cache.redis.reads", Of("{read}"), READS, F(|it| it.redis_unusable)).with(OUTCOME, "unusable"),
    row(Counter, "cache.redis.reads", Of("{read}"), READS, F(|it| it.redis_faults)).with(OUTCOME, "fault"),
    row(Counter, "cache.redis.unasked", Of("{call}"), "Calls that skipped Redis, because it cannot be reached or has failed too often", F(|it| it.redis_unasked)),
    row(UpDown, "cache.redis.read.time", Seconds, "How long calls waited for Redis, in all", F(|it| nanos(it.redis_times.total()))),
    row(Counter, "cache.redis.fills", Of("{value}"), FILLS, F(|it| it.redis_fills)).with(OUTCOME, "written"),
    row(Counter, "cache.redis.fills", Of("{value}"), FILLS, F(|it| it.redis_fills_lost)).with(OUTCOME, "lost"),
    row(Counter, "cache.redis.too_large", Of("{value}"), "Lost fills that were larger than the limit for one value", F(|it| it.redis_too_large)),
    row(UpDown, "cache.redis.servers", Of("{server}"), "Servers of Redis that are known: the primaries of a cluster, else one", C(|it| of_redis(it, |redis| redis.servers))),
    row(UpDown, "cache.redis.connected", Of("{server}"), "Servers that are connected", C(|it| of_redis(it, |redis| redis.connected))),
    row(UpDown, "cache.redis.stopped", Of("{server}"), STOPPED, C(|it| of_redis(it, |redis| redis.reads_stopped))).with(DIRECTION, "reads"),
    row(UpDown, "cache.redis.stopped", Of("{server}"), STOPPED, C(|it| of_redis(it, |redis| redis.writes_stopped))).with(DIRECTION, "writes"),
    row(UpDown, "cache.redis.unsent", Of("{change}"), "Changes of entries that are on their way to Redis", C(|it| of_redis(it, |redis| redis.unsent))),

    row(Counter, "cache.events.acknowledged", Of("{emission}"), "Emissions that Redis has acknowledged", C(|it| Some(it.stats.events.acknowledged))),
    row(Counter, "cache.events.failed", Of("{attempt}"), "Attempts that Redis has not acknowledged; each is repeated", C(|it| Some(it.stats.events.failed))),
    row(UpDown, "cache.events.pending", Of("{emission}"), "Emissions that are not acknowledged yet", C(|it| Some(it.stats.events.pending))),
    row(Counter, "cache.events.heard", Of("{tag}"), "Changes heard from other processes, by tag", C(|it| Some(it.stats.events.heard))),
    row(Gauge, "cache.events.unheard", Seconds, "Time since this process last knew that it had heard all changes by others", C(Scrape::unheard)),
    row(Counter, "cache.events.gaps", Of("{gap}"), "How often this process may have missed a change", C(|it| Some(it.stats.events.gaps))),
    row(Counter, "cache.events.lineages", Of("{lineage}"), "How often Redis was another one than before", C(|it| Some(it.stats.events.lineages))),
    row(Counter, "cache.events.suspects", Of("{entry}"), "Entries that the cache had to ask Redis about, because they may have become invalid", C(|it| Some(it.stats.events.suspects))),
    row(Counter, "cache.events.revalidated", Of("{entry}"), "Suspects that were still valid", C(|it| Some(it.stats.events.revalidated))),
    row(UpDown, "cache.events.tags", Of("{tag}"), "Tags that something in memory depends on", C(|it| Some(it.stats.events.tags))),

    row(Gauge, "cache.degraded", Flag, "1 while the cache cannot reach its Redis, does not hear it, or sees it fail again and again", C(|it| Some(it.health.is_degraded().into()))),
    row(Gauge, "cache.ready", Flag, "1 until the cache is closed", C(|it| Some(it.health.is_ready().into()))),
];

/// The rows by metric.
pub(super) fn metrics() -> impl Iterator<Item = &'static [Row]> {
    ROWS.chunk_by(|one, next| one.name == next.name)
}

/// The numbers of one cache at one moment.
#[derive(Debug)]
pub(crate) struct Scrape {
    namespace: String,
    stats: Stats,
    health: Health,
}

impl Scrape {
    pub(super) fn of(cache: &Cache) -> Self {
        Self {
            namespace: cache.namespace().to_owned(),
            stats: cache.stats(),
            health: cache.health(),
        }
    }

    /// In nanoseconds.
    fn unheard(&self) -> Option<u64> {
        let unheard = self.health.redis.as_ref()?.unheard_for?;
        u64::try_from(unheard.as_nanos()).ok()
    }

    /// Hands out each number of a row with what it is of. Functions of one name are one series: two of them would be refused
    /// by whoever scrapes.
    pub(super) fn each<'a>(&'a self, row: &Row, mut take: impl FnMut(Labels<'a>, u64)) {
        let labels = Labels {
            namespace: &self.namespace,
            function: None,
            attribute: row.attribute,
        };
        match row.read {
            Read::Cache(read) => {
                if let Some(number) = read(self) {
                    take(labels, number);
                }
            }
            Read::Function(read) => {
                let of_one_name = |one: &FunctionStats, next: &FunctionStats| one.name == next.name;
                for functions in self.stats.functions.chunk_by(of_one_name) {
                    let labels = Labels {
                        function: Some(&functions[0].name),
                        ..labels
                    };
                    take(labels, functions.iter().map(read).sum());
                }
            }
        }
    }
}

/// What a number is of. Never a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Labels<'a> {
    namespace: &'a str,
    function: Option<&'a str>,
    attribute: Option<(&'static str, &'static str)>,
}

impl<'a> Labels<'a> {
    pub(super) fn iter(self) -> impl Iterator<Item = (&'static str, &'a str)> {
        let namespace = Some((NAMESPACE, self.namespace));
        let function = self.function.map(|name| (FUNCTION, name));
        [namespace, function, self.attribute].into_iter().flatten()
    }
}

impl Unit {
    /// As OpenTelemetry writes it.
    #[cfg(any(test, feature = "opentelemetry"))]
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Of(what) => what,
            Self::Bytes => "By",
            Self::Seconds => "s",
            Self::Flag => "",
        }
    }

    /// What a number of this unit is that is no integer.
    #[expect(
        clippy::cast_precision_loss,
        reason = "no backend keeps more than a float of it"
    )]
    pub(super) fn of_number(self, number: u64) -> f64 {
        match self {
            Self::Seconds => number as f64 / 1e9,
            Self::Of(_) | Self::Bytes | Self::Flag => number as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, fmt::Write};

    use super::*;

    #[test]
    fn rows_of_one_name_stand_together_and_are_of_one_metric() {
        let mut seen = HashSet::new();
        for rows in metrics() {
            let first = &rows[0];
            assert!(seen.insert(first.name), "{} is there twice", first.name);
            let mut attributes = HashSet::new();
            for row in rows {
                assert!(attributes.insert(row.attribute), "{}", row.name);
                let of = (row.kind, row.unit, row.description);
                assert_eq!(of, (first.kind, first.unit, first.description));
                assert!(!row.description.ends_with('.'), "{}", row.name);
            }
        }
    }

    /// OpenTelemetry would have no name be the beginning of another one.
    #[test]
    fn no_name_is_above_another_one() {
        for one in metrics() {
            let above = format!("{}.", one[0].name);
            let below = metrics().find(|other| other[0].name.starts_with(&above));
            assert!(below.is_none(), "{above}");
        }
    }

    fn attributes(rows: &[Row]) -> String {
        let function = matches!(rows[0].read, Read::Function(_)).then_some(FUNCTION);
        let mut all: Vec<String> = function
            .map(|name| format!("`{name}`"))
            .into_iter()
            .collect();
        if let Some((key, _)) = rows[0].attribute {
            let values = rows.iter().filter_map(|row| row.attribute);
            let values: Vec<_> = values.map(|(_, value)| value).collect();
            all.push(format!("`{key}`: {}", values.join(", ")));
        }
        all.join(", ")
    }

    fn in_the_guide() -> String {
        let mut lines = String::new();
        for rows in metrics() {
            let row = &rows[0];
            let kind = match row.kind {
                Counter => "counter",
                UpDown => "up-down counter",
                Gauge => "gauge",
            };
            let unit = match row.unit.name() {
                "" => String::new(),
                unit => format!(" of `{unit}`"),
            };
            let _ = writeln!(
                lines,
                "| `{}` | `{}` | {kind}{unit} | {} | {} |",
                row.name,
                row.prometheus_name(),
                attributes(rows),
                row.description,
            );
        }
        lines
    }

    #[test]
    fn the_guide_has_the_table_as_it_is() {
        let (guide, table) = (include_str!("../../docs/metrics.md"), in_the_guide());
        assert!(guide.contains(&table), "the guide is to have:\n{table}");
    }
}
