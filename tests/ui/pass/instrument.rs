//! `#[tracing::instrument]` above `#[cached]` is a span for each load, below it one for each call.
#![deny(warnings, clippy::pedantic)]

use std::sync::{Arc, Mutex, PoisonError};

use cache_core::{CachedCall, cached};
use tracing::{Id, Level, Subscriber, instrument, span::Attributes, subscriber};
use tracing_subscriber::{
    layer::{Context, Layer, SubscriberExt},
    registry::{LookupSpan, Registry, Scope},
};

/// Spans of the cache itself.
const OURS: &str = "cache_core::spans";

/// The spans of the program that began: the names from the outermost on.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<String>>>);

impl Spans {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().target() == OURS {
            return;
        }
        let spans = context.span_scope(id).into_iter();
        let names = spans
            .flat_map(Scope::from_root)
            .filter(|span| span.metadata().target() != OURS);
        let path = names.map(|span| span.name()).collect::<Vec<_>>().join("/");
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(path);
    }
}

#[instrument(level = "debug", ret, err)]
#[cached(ttl = 1h)]
async fn above(id: u64) -> Result<u64, String> {
    inside(id).await
}

#[cached(ttl = 1h)]
#[instrument(level = Level::DEBUG, ret, err(Debug))]
async fn below(id: u64) -> Result<u64, String> {
    inside(id).await
}

#[instrument]
async fn inside(id: u64) -> Result<u64, String> {
    tokio::task::yield_now().await;
    if id == 0 {
        Err("zero".to_owned())
    } else {
        Ok(id)
    }
}

#[derive(Clone)]
struct Users;

impl Users {
    #[instrument(skip(self), fields(kind = "user", id = id + 1))]
    #[cached(ttl = 1h, skip(self))]
    async fn method_above(&self, id: u64, name: &str) -> String {
        format!("{id}{name}")
    }

    #[cached(ttl = 1h, skip(self))]
    #[instrument(skip_all, fields(id))]
    async fn method_below(&self, id: u64, name: &str) -> String {
        format!("{id}{name}")
    }

    #[instrument(skip(self))]
    #[cached(ttl = 1h, skip(self), detached)]
    async fn detached_above(&self, (a, _): (u64, u64), name: &str) -> String {
        format!("{a}{name}")
    }
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() {
    let spans = Spans::default();
    let _traced = subscriber::set_default(Registry::default().with(spans.clone()));
    assert_eq!(above(1).await, Ok(1));
    assert_eq!(spans.take(), ["above", "above/inside"]);
    assert_eq!(above(1).await, Ok(1));
    assert!(spans.take().is_empty(), "a hit has no span");

    assert_eq!(below(1).await, Ok(1));
    assert_eq!(
        spans.take(),
        ["below", "below/inside"],
        "a load is in the span of its call"
    );
    assert_eq!(below(1).await, Ok(1));
    assert_eq!(spans.take(), ["below"], "a hit has one too");
    assert!(below(0).await.is_err() && above(0).await.is_err());
    assert_eq!(spans.take().len(), 4);

    assert_eq!(above(2).peek().await, None);
    assert_eq!(below(2).peek().await, None);
    assert_eq!(spans.take(), ["below"]);

    for (above, below) in [(1, 1), (0, 1)] {
        assert_eq!(Users.method_above(1, "a").await, "1a");
        assert_eq!(Users.detached_above((1, 2), "a").await, "1a");
        assert_eq!(spans.take().len(), 2 * above);
        assert_eq!(Users.method_below(1, "a").await, "1a");
        assert_eq!(spans.take().len(), below);
    }
}
