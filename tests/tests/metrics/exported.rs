//! What an exporter of OpenTelemetry is handed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use opentelemetry::KeyValue;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{
        Temporality,
        data::{AggregatedMetrics, Metric, MetricData, ResourceMetrics},
        exporter::PushMetricExporter,
    },
};

use super::scraped::Series;

/// The last export: each number under the name that a collector would give it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exported(Arc<Mutex<BTreeMap<Series, f64>>>);

impl Exported {
    pub(crate) fn all(&self) -> BTreeMap<Series, f64> {
        self.0.lock().unwrap().clone()
    }

    fn keep(&self, metric: &Metric) {
        let unit = match metric.unit() {
            "By" => "_bytes",
            "s" => "_seconds",
            unit => {
                assert!(unit.is_empty() || unit.starts_with('{'), "{unit}");
                ""
            }
        };
        let name = format!("{}{unit}", metric.name().replace('.', "_"));
        let mut keep = |suffix: &str, attributes: Vec<(String, String)>, number: f64| {
            let labels = attributes.into_iter();
            let labels = labels.map(|(key, value)| (key.replace('.', "_"), value));
            let series = (format!("{name}{suffix}"), labels.collect());
            assert_eq!(self.0.lock().unwrap().insert(series, number), None);
        };
        match metric.data() {
            AggregatedMetrics::F64(data) => points(data, |number| number, &mut keep),
            #[expect(clippy::cast_precision_loss, reason = "they are small")]
            AggregatedMetrics::U64(data) => points(data, |number| number as f64, &mut keep),
            #[expect(clippy::cast_precision_loss, reason = "they are small")]
            AggregatedMetrics::I64(data) => points(data, |number| number as f64, &mut keep),
        }
    }
}

/// Keeps a number with what is behind its name, and its attributes.
type Keep<'a> = dyn FnMut(&str, Vec<(String, String)>, f64) + 'a;

fn points<T: Copy>(data: &MetricData<T>, as_float: fn(T) -> f64, keep: &mut Keep<'_>) {
    let text = |attribute: &KeyValue| (attribute.key.to_string(), attribute.value.to_string());
    match data {
        MetricData::Sum(sum) => {
            let suffix = if sum.is_monotonic() { "_total" } else { "" };
            for point in sum.data_points() {
                let attributes = point.attributes().map(text).collect();
                keep(suffix, attributes, as_float(point.value()));
            }
        }
        MetricData::Gauge(gauge) => {
            for point in gauge.data_points() {
                let attributes = point.attributes().map(text).collect();
                keep("", attributes, as_float(point.value()));
            }
        }
        _ => panic!("no instrument makes a histogram"),
    }
}

impl PushMetricExporter for Exported {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.0.lock().unwrap().clear();
        for scope in metrics.scope_metrics() {
            scope.metrics().for_each(|metric| self.keep(metric));
        }
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}
