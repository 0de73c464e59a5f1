//! What leaves the process: the text for Prometheus and the dashboard that shows it, the facade `metrics`, OpenTelemetry.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use cache_core::{Cache, CachedCall, Event, cached, testing::FakeRedis};
use metrics_exporter_prometheus::PrometheusBuilder;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{
        PeriodicReader, SdkMeterProvider, Temporality,
        data::{AggregatedMetrics, Metric, MetricData, ResourceMetrics},
        exporter::PushMetricExporter,
    },
};
use serde_json::Value;

#[derive(Event)]
struct PriceChanged {
    id: u64,
}

#[cached(ttl = 1h, invalidate_on = PriceChanged { id })]
async fn price(id: u64) -> u64 {
    id * 10
}

#[cached(ttl = 1h)]
async fn failing(id: u64) -> Result<u64, String> {
    Err(format!("there is no {id}"))
}

/// One that has done a bit of everything.
async fn worked() -> (Cache, FakeRedis) {
    let redis = FakeRedis::new();
    let builder = Cache::builder().namespace("shop").fake_redis(&redis);
    let cache = builder.build().await.unwrap();
    let calls = async {
        for id in [1, 1, 2] {
            price(id).await;
        }
        let _ = failing(1).await;
        cache.emit(PriceChanged { id: 1 }).await.unwrap();
        price(1).await;
        price(2).evict().await.unwrap();
    };
    Cache::scope(cache.clone(), calls).await;
    (cache, redis)
}

/// A series: its metric and its labels.
type Series = (String, BTreeMap<String, String>);

fn series_in(line: &str) -> (Series, f64) {
    let (name, rest) = line.split_once('{').unwrap();
    let (labels, number) = rest.rsplit_once("} ").unwrap();
    let labels = labels.split("\",").map(|label| {
        let (key, value) = label.split_once("=\"").unwrap();
        (key.to_owned(), value.trim_end_matches('"').to_owned())
    });
    ((name.to_owned(), labels.collect()), number.parse().unwrap())
}

/// The series of a text, which is as Prometheus wants it.
fn scraped(text: &str) -> BTreeMap<Series, f64> {
    let (mut all, mut metrics) = (BTreeMap::new(), BTreeSet::new());
    let mut metric = ("", "");
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, description) = help.split_once(' ').unwrap();
            assert!(metrics.insert(name), "{name} is there twice");
            assert!(!description.is_empty(), "{name}");
            metric = (name, "");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!((name, ""), metric, "behind its help, and once");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
            metric = (name, kind);
        } else {
            let (series, number) = series_in(line);
            assert_eq!(series.0, metric.0, "below its type");
            let is_plain = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(series.0.chars().all(is_plain), "{line}");
            assert_eq!(all.insert(series, number), None, "twice: {line}");
        }
    }
    all
}

#[tokio::test]
async fn a_scrape_has_what_the_cache_did() {
    let (cache, _redis) = worked().await;
    let all = scraped(&cache.prometheus());
    let of = |name: &str, function: &str| {
        let is_it = |(series, labels): &&Series| {
            let of_function = labels.get("cache_function");
            series == name && of_function.is_none_or(|it| it.ends_with(function))
        };
        let found = all.iter().filter(|(series, _)| is_it(series));
        found.map(|(_, number)| *number).collect::<Vec<_>>()
    };
    assert_eq!(of("cache_hits_total", "::price"), [1.0]);
    assert_eq!(of("cache_loads_total", "::price"), [3.0]);
    assert_eq!(of("cache_failures_total", "::failing"), [1.0]);
    assert_eq!(of("cache_memory_limit_bytes", ""), [67_108_864.0]);
    assert_eq!(of("cache_events_acknowledged_total", ""), [1.0]);
    assert_eq!(of("cache_redis_connected", ""), [1.0]);
    assert_eq!(of("cache_ready", ""), [1.0]);
    let is_of_shop = |(_, labels): &Series| labels["cache_namespace"] == "shop";
    assert!(all.keys().all(is_of_shop));
}

/// The names in a query, and its labels: those of selectors and of what is summed by.
fn asked_for(query: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut names, mut labels) = (BTreeSet::new(), BTreeSet::new());
    let (mut word, mut in_braces, mut in_by, mut in_text) = (String::new(), false, false, false);
    for c in query.chars().chain([' ']) {
        if c == '"' {
            in_text = !in_text;
        } else if !in_text && (c.is_ascii_alphanumeric() || c == '_') {
            word.push(c);
            continue;
        }
        let ended = std::mem::take(&mut word);
        if ended.starts_with("cache_") || in_braces && !ended.is_empty() || ended == "instance" {
            let kind = if in_braces || in_by {
                &mut labels
            } else {
                &mut names
            };
            kind.insert(ended.clone());
        }
        match c {
            '(' => in_by = ended == "by" || query.contains(" by (") && in_by,
            ')' => in_by = false,
            '{' if !in_text => in_braces = true,
            '}' if !in_text => in_braces = false,
            ' ' if ended == "by" => in_by = true,
            _ => {}
        }
    }
    (names, labels)
}

#[test]
fn names_and_labels_of_a_query_are_told_apart() {
    let query = r#"sum by (cache_function) (rate(cache_a_total{cache_b=~"$x", cache_c="d"}[5m])) / sum(cache_e)"#;
    let set = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    let labels = set(&["cache_b", "cache_c", "cache_function"]);
    assert_eq!(
        asked_for(query),
        (set(&["cache_a_total", "cache_e"]), labels)
    );
}

fn dashboard() -> Value {
    serde_json::from_str(include_str!("../../cache-core/docs/grafana.json")).unwrap()
}

#[tokio::test]
async fn the_dashboard_asks_for_what_is_there_and_shows_all_of_it() {
    let (cache, _redis) = worked().await;
    let all = scraped(&cache.prometheus());
    let there: BTreeSet<String> = all.keys().map(|(name, _)| name.clone()).collect();
    let labels = all.keys().flat_map(|(_, labels)| labels.keys().cloned());
    // Whoever scrapes adds it.
    let labels: BTreeSet<String> = labels.chain(["instance".to_owned()]).collect();

    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let (mut shown, mut queries) = (BTreeSet::new(), 0);
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert_eq!(panel["datasource"]["uid"], "${datasource}");
        for target in panel["targets"].as_array().unwrap() {
            let query = target["expr"].as_str().unwrap();
            let (names, by) = asked_for(query);
            assert!(!names.is_empty() && names.is_subset(&there), "{query}");
            assert!(by.is_subset(&labels), "{query}");
            shown.extend(names);
            queries += 1;
        }
    }
    assert!(queries > panels.len());
    let unseen: Vec<_> = there.difference(&shown).collect();
    assert!(unseen.is_empty(), "no panel shows {unseen:?}");
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let Some(query) = variable["definition"].as_str() else {
            assert_eq!(variable["type"], "datasource");
            continue;
        };
        let words = query.split(['(', ',', '{', ')']);
        let words: Vec<_> = words.map(str::trim).filter(|it| !it.is_empty()).collect();
        assert!(there.contains(words[1]), "{query}");
        assert!(labels.contains(*words.last().unwrap()), "{query}");
    }
}

/// What does not change by itself.
fn is_steady((name, _): &Series) -> bool {
    name != "cache_events_unheard_seconds" && name != "cache_redis_unsent"
}

#[tokio::test]
async fn the_facade_is_handed_the_same_numbers_under_the_same_names() {
    let (cache, _redis) = worked().await;
    let recorder = PrometheusBuilder::new()
        .with_recommended_naming(true)
        .build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        cache.publish_metrics();
        cache.publish_metrics();
    });
    let (published, own) = (handle.render(), scraped(&cache.prometheus()));
    assert!(published.contains("# HELP cache_hits_total Calls answered from memory"));
    let lines = published
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let published: BTreeMap<Series, f64> = lines.map(series_in).collect();
    let names = |all: &BTreeMap<Series, f64>| all.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&published), names(&own));
    for (series, number) in own.iter().filter(|(series, _)| is_steady(series)) {
        assert_eq!(published[series], *number, "{series:?}");
    }
}

/// The last export: each number under the name that a collector would give it.
#[derive(Clone, Debug, Default)]
struct Exported(Arc<Mutex<BTreeMap<Series, f64>>>);

impl Exported {
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

fn points<T: Copy>(
    data: &MetricData<T>,
    as_float: fn(T) -> f64,
    keep: &mut dyn FnMut(&str, Vec<(String, String)>, f64),
) {
    let text = |attribute: &opentelemetry::KeyValue| {
        (attribute.key.to_string(), attribute.value.to_string())
    };
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

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn opentelemetry_observes_the_same_numbers_under_the_same_names() {
    let (cache, _redis) = worked().await;
    let exported = Exported::default();
    let reader = PeriodicReader::builder(exported.clone()).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).build();
    cache.register_metrics(&provider.meter("shop"));
    provider.force_flush().unwrap();
    let own = scraped(&cache.prometheus());
    let observed = exported.0.lock().unwrap().clone();
    let names = |all: &BTreeMap<Series, f64>| all.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&observed), names(&own));
    for (series, number) in own.iter().filter(|(series, _)| is_steady(series)) {
        assert_eq!(observed[series], *number, "{series:?}");
    }
    drop(cache);
    provider.force_flush().unwrap();
    let ready = exported
        .0
        .lock()
        .unwrap()
        .keys()
        .any(|(name, _)| name == "cache_ready");
    assert!(!ready, "instruments keep no cache alive");
}
