//! The numbers of a cache for the facade `metrics`, and whatever recorder is installed behind it.

use metrics::{Key, Label, Level, Metadata, Recorder, Unit as Named, with_recorder};

use super::table::{Kind, Labels, Row, Scrape, Unit, metrics as all};
use crate::cache::Cache;

const METADATA: Metadata<'static> = Metadata::new("cache_core", Level::INFO, Some("cache_core"));

impl Cache {
    /// Hands what this cache did and holds to the recorder of the `metrics` facade, under names such as `cache.hits`:
    /// counters as absolute values, everything else as gauges.
    ///
    /// The cache publishes nothing by itself, so a hit costs nothing more. Call this before each scrape, or from a task
    /// as often as the recorder is read:
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use cache_core::Cache;
    /// # async fn start() {
    /// tokio::spawn(async {
    ///     loop {
    ///         Cache::current().publish_metrics();
    ///         tokio::time::sleep(Duration::from_secs(10)).await;
    ///     }
    /// });
    /// # }
    /// ```
    pub fn publish_metrics(&self) {
        let taken = Scrape::of(self);
        with_recorder(|recorder| {
            for rows in all() {
                describe(recorder, &rows[0]);
                for row in rows {
                    taken.each(row, |labels, number| publish(recorder, row, labels, number));
                }
            }
        });
    }
}

fn describe(recorder: &dyn Recorder, row: &Row) {
    let unit = match row.unit {
        Unit::Of(_) | Unit::Flag => None,
        Unit::Bytes => Some(Named::Bytes),
        Unit::Seconds => Some(Named::Seconds),
    };
    let (name, description) = (row.name.into(), row.description.into());
    if row.kind == Kind::Counter {
        recorder.describe_counter(name, unit, description);
    } else {
        recorder.describe_gauge(name, unit, description);
    }
}

fn publish(recorder: &dyn Recorder, row: &Row, labels: Labels<'_>, number: u64) {
    let labels = labels.iter();
    let labels: Vec<_> = labels
        .map(|(key, value)| Label::new(key, value.to_owned()))
        .collect();
    let key = Key::from_parts(row.name, labels);
    if row.kind == Kind::Counter {
        recorder.register_counter(&key, &METADATA).absolute(number);
    } else {
        let number = row.unit.of_number(number);
        recorder.register_gauge(&key, &METADATA).set(number);
    }
}
