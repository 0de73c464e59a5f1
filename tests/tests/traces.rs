//! What `tracing` is told of: a span for each load, round trip and bump, with its outcome, and none for a hit.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{collections::HashMap, panic::AssertUnwindSafe};

use cache_core::{
    Cache, CachedCall, Event, cached, event,
    testing::{FakeRedis, Fault, Operation},
};
use futures::FutureExt;
use tests::{process, spans::Spans, until};
use tracing::{Instrument, info_span, subscriber::DefaultGuard};
use tracing_subscriber::{layer::SubscriberExt, registry::Registry};

#[derive(Event)]
struct NameChanged {
    id: String,
}

#[cached(ttl = 1h, name = "name", invalidate_on = NameChanged { id })]
async fn name(id: String) -> String {
    id
}

#[cached(ttl = 1h, name = "odd", tiers = memory)]
async fn odd(id: u64) -> Result<u64, String> {
    assert!(id != 3, "of the body");
    if id.is_multiple_of(2) {
        Err("even".into())
    } else {
        Ok(id)
    }
}

#[cached(ttl = 1h, name = "slow", inline, tiers = memory)]
async fn slow(id: u64) -> u64 {
    std::future::pending::<()>().await;
    id
}

#[cached(ttl = 1h, name = "names", batch(id in ids))]
async fn names(ids: Vec<u64>) -> HashMap<u64, u64> {
    ids.into_iter().map(|id| (id, id)).collect()
}

/// Of a runtime of one thread.
fn watching() -> (Spans, DefaultGuard) {
    let spans = Spans::default();
    let subscriber = Registry::default().with(spans.clone());
    (spans, tracing::subscriber::set_default(subscriber))
}

async fn alone() -> Cache {
    Cache::builder().build().await.unwrap()
}

#[tokio::test]
async fn a_load_is_a_span_below_that_of_its_leader_and_a_hit_is_none() {
    let (spans, _guard) = watching();
    let calls = async {
        for id in [1, 1, 2] {
            let _ = odd(id).await;
        }
        let _ = odd(5).bypass().await;
    };
    Cache::scope(alone().await, calls.instrument(info_span!("request"))).await;
    assert_eq!(
        spans.take("cache_"),
        [
            r#"cache_load function="odd" outcome="ok" in request"#,
            r#"cache_load function="odd" outcome="error" in request"#,
            r#"cache_load function="odd" outcome="ok" in request"#,
        ]
    );
}

#[tokio::test]
async fn a_load_that_panics_or_is_dropped_has_that_outcome() {
    let (spans, _guard) = watching();
    let cache = alone().await;
    let panics = Cache::scope(cache.clone(), odd(3));
    let panicked = AssertUnwindSafe(panics).catch_unwind().await;
    assert!(panicked.is_err());
    assert!(Cache::scope(cache, slow(1)).now_or_never().is_none());
    assert_eq!(
        spans.take("cache_"),
        [
            r#"cache_load function="odd" outcome="panic" in nothing"#,
            r#"cache_load function="slow" outcome="dropped" in nothing"#,
        ]
    );
}

#[tokio::test]
async fn a_span_that_nobody_wants_leaves_the_callers_as_it_is() {
    #[cached(ttl = 1h, tiers = memory)]
    async fn current() -> Option<&'static str> {
        tracing::Span::current()
            .metadata()
            .map(tracing::Metadata::name)
    }
    let call = || async {
        let call = current().instrument(info_span!("request"));
        Cache::scope(alone().await, call).await
    };
    let (_spans, guard) = watching();
    assert_eq!(call().await, Some("cache_load"));
    drop(guard);
    let filter = tracing_subscriber::filter::LevelFilter::INFO;
    let _guard = tracing::subscriber::set_default(Registry::default().with(filter));
    assert_eq!(call().await, Some("request"));
}

/// No key is in any of them.
#[tokio::test]
async fn round_trips_and_bumps_are_spans_with_their_outcomes() {
    let (spans, _guard) = watching();
    let redis = FakeRedis::new();
    let (here, there) = (process(&redis).await, process(&redis).await);
    Cache::scope(here.clone(), name("Ada".into())).await;
    until("it is written", || redis.keys().len() == 1).await;
    Cache::scope(there.clone(), name("Ada".into())).await;
    let reads = spans.take("cache_redis_read");
    assert_eq!(
        reads,
        [
            r#"cache_redis_read function="name" outcome="miss" in nothing"#,
            r#"cache_redis_read function="name" outcome="hit" in nothing"#,
        ]
    );
    until("its span ends", || spans.count("cache_redis_write") > 0).await;
    let writes = spans.take("cache_redis_write");
    assert_eq!(
        writes,
        [r#"cache_redis_write changes=1 failed=0 outcome="ok" in nothing"#]
    );

    redis.inject_next(1, Operation::Write, Fault::Fail);
    let event = event!(NameChanged {
        id: "Ada".to_owned()
    });
    let _ = here.emit(event).await;
    until("it arrives", || here.stats().events.pending == 0).await;
    until("its span ends", || spans.count("cache_bump") > 1).await;
    let bumps = spans.take("cache_bump");
    assert!(bumps[0].contains("outcome=\"failed\""), "{bumps:?}");
    assert!(bumps[1].contains("outcome=\"acknowledged\""), "{bumps:?}");

    redis.fail();
    Cache::scope(here.clone(), name("Bob".into())).await;
    let failed = r#"cache_redis_read function="name" outcome="fault" in nothing"#;
    assert_eq!(spans.take("cache_redis_read"), [failed]);
    let rest = spans.take("");
    assert!(
        !rest
            .iter()
            .any(|line| line.contains("Ada") || line.contains("Bob")),
        "{rest:?}"
    );
}

#[tokio::test]
async fn a_batch_is_one_load_and_one_read() {
    let (spans, _guard) = watching();
    let redis = FakeRedis::new();
    let cache = process(&redis).await;
    Cache::scope(cache, names(vec![1, 2, 3])).await;
    let read = r#"cache_redis_read function="names" keys=3 hits=0 outcome="miss" in nothing"#;
    assert_eq!(spans.take("cache_redis_read"), [read]);
    let load = r#"cache_load function="names" keys=3 outcome="ok" in nothing"#;
    assert_eq!(spans.take("cache_load"), [load]);
}
