//! The numbers of a cache as observable instruments of OpenTelemetry: read when a reader collects, and never before.

use opentelemetry::{
    KeyValue,
    metrics::{AsyncInstrument, AsyncInstrumentBuilder, Meter},
};

use super::table::{Kind, Row, Scrape, Unit, metrics};
use crate::cache::{Cache, Distant};

impl Cache {
    /// Makes an observable instrument of `meter` for each metric of this cache: a collector then reads what the cache
    /// did and holds. Call it once for each cache and meter.
    ///
    /// The instruments do not keep the cache alive: once it is gone, they observe nothing.
    ///
    /// ```
    /// use cache_core::Cache;
    ///
    /// // With an SDK that was installed before; without one nothing collects.
    /// let meter = opentelemetry::global::meter("shop");
    /// Cache::current().register_metrics(&meter);
    /// ```
    pub fn register_metrics(&self, meter: &Meter) {
        for rows in metrics() {
            register(meter, rows, self.distant());
        }
    }
}

fn register(meter: &Meter, rows: &'static [Row], cache: Distant) {
    let (name, unit) = (rows[0].name, rows[0].unit);
    // What a builder makes need not be kept: the meter keeps the callback.
    match (rows[0].kind, unit) {
        (Kind::Counter, _) => {
            let builder = meter.u64_observable_counter(name);
            let _ = watching(builder, rows, cache, |_, number| number).build();
        }
        (Kind::UpDown, Unit::Seconds) => {
            let builder = meter.f64_observable_up_down_counter(name);
            let _ = watching(builder, rows, cache, Unit::of_number).build();
        }
        (Kind::UpDown, _) => {
            let builder = meter.i64_observable_up_down_counter(name);
            let _ = watching(builder, rows, cache, |_, number| number.cast_signed()).build();
        }
        (Kind::Gauge, _) => {
            let builder = meter.f64_observable_gauge(name);
            let _ = watching(builder, rows, cache, Unit::of_number).build();
        }
    }
}

fn watching<'a, I, M: 'static>(
    builder: AsyncInstrumentBuilder<'a, I, M>,
    rows: &'static [Row],
    cache: Distant,
    as_measured: fn(Unit, u64) -> M,
) -> AsyncInstrumentBuilder<'a, I, M> {
    let observe = move |observer: &dyn AsyncInstrument<M>| {
        let Some(cache) = cache.upgrade() else {
            return;
        };
        let taken = Scrape::of(&cache);
        for row in rows {
            taken.each(row, |labels, number| {
                let labels = labels.iter();
                let labels: Vec<_> = labels
                    .map(|(key, value)| KeyValue::new(key, value.to_owned()))
                    .collect();
                observer.observe(as_measured(row.unit, number), &labels);
            });
        }
    };
    builder
        .with_unit(rows[0].unit.name())
        .with_description(rows[0].description)
        .with_callback(observe)
}
