//! What a program that traces sees.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use cache_core::cached;
use futures::future::BoxFuture;
use tests::{Runs, on_both_runtimes};
use tracing::{Event, Instrument, Level, Subscriber, info_span};
use tracing_subscriber::{
    filter::LevelFilter,
    layer::{Context, Layer, SubscriberExt},
    registry::Registry,
};

static WARNINGS: Runs = Runs::new();

struct CountWarnings;

impl<S: Subscriber> Layer<S> for CountWarnings {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if *event.metadata().level() == Level::WARN {
            WARNINGS.add();
        }
    }
}

#[cached(ttl = 1h)]
async fn span_of_the_load(id: u64) -> Option<String> {
    tokio::task::yield_now().await;
    tracing::Span::current()
        .metadata()
        .map(|span| format!("{} {id}", span.name()))
}

#[cached(ttl = 1h)]
async fn recursive(id: u64) -> u64 {
    if id < 3 { again(id).await } else { id }
}

fn again(id: u64) -> BoxFuture<'static, u64> {
    static DEPTH: Runs = Runs::new();
    let depth = DEPTH.add();
    Box::pin(async move {
        if depth % 3 == 2 {
            0
        } else {
            recursive(id).await
        }
    })
}

/// One test, because a process has one subscriber for all its threads.
#[test]
fn the_span_of_the_leader_goes_along_and_recursion_is_warned_of_once() {
    tracing::subscriber::set_global_default(
        Registry::default()
            .with(LevelFilter::INFO)
            .with(CountWarnings),
    )
    .unwrap();
    on_both_runtimes(|_| async {
        let call = span_of_the_load(1).instrument(info_span!("request"));
        assert_eq!(call.await.as_deref(), Some("request 1"));
        WARNINGS.take();
        for id in 0..3 {
            recursive(id).await;
        }
        assert_eq!(WARNINGS.take(), 1);
    });
}
