//! What leaves the process: the text for Prometheus and the dashboard that shows it, the facade `metrics`, OpenTelemetry.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[path = "metrics/exported.rs"]
mod exported;
#[path = "metrics/queries.rs"]
mod queries;
#[path = "metrics/scraped.rs"]
mod scraped;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cache_core::{Cache, CachedCall, Event, cached, event, testing::FakeRedis};
use metrics_exporter_prometheus::PrometheusBuilder;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use serde_json::Value;

use self::{
    exported::Exported,
    queries::asked_for,
    scraped::{Series, scraped, series_in},
};

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
        cache.emit(event!(PriceChanged { id: 1 })).await.unwrap();
        price(1).await;
        price(2).evict().await.unwrap();
    };
    Cache::scope(cache.clone(), calls).await;
    (cache, redis)
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
fn steady(all: &BTreeMap<Series, f64>) -> BTreeMap<Series, f64> {
    let mut all = all.clone();
    all.retain(|(name, _), _| {
        name != "cache_events_unheard_seconds" && name != "cache_redis_unsent"
    });
    all
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
    assert_eq!(steady(&published), steady(&own));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn opentelemetry_observes_the_same_numbers_under_the_same_names() {
    let (cache, _redis) = worked().await;
    let exported = Exported::default();
    let reader = PeriodicReader::builder(exported.clone()).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).build();
    cache.register_metrics(&provider.meter("shop"));
    let names = |all: &BTreeMap<Series, f64>| all.keys().cloned().collect::<BTreeSet<_>>();
    // What is written to Redis in between is counted in one of them only.
    for attempt in 1.. {
        provider.force_flush().unwrap();
        let own = scraped(&cache.prometheus());
        let observed = exported.all();
        assert_eq!(names(&observed), names(&own));
        if steady(&observed) == steady(&own) {
            return;
        }
        assert!(attempt < 20, "{observed:?}\n{own:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[cached(ttl = 1h, tiers = memory)]
async fn token() -> Arc<()> {
    Arc::default()
}

#[tokio::test]
async fn instruments_keep_no_cache_alive() {
    let cache = Cache::builder().build().await.unwrap();
    let provider = SdkMeterProvider::default();
    cache.register_metrics(&provider.meter("shop"));
    let kept = Cache::scope(cache.clone(), token()).await;
    assert_eq!(Arc::strong_count(&kept), 2);
    drop(cache);
    assert_eq!(Arc::strong_count(&kept), 1);
}
