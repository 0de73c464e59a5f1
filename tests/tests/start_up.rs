//! What is said when a cache has found its Redis.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    fmt::{self, Write as _},
    sync::Mutex,
};

use cache_core::Cache;
use tests::server::Server;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    layer::{Context, Layer, SubscriberExt},
    registry::Registry,
};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps what is for whoever runs the program.
struct Keep;

impl<S: Subscriber> Layer<S> for Keep {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if *event.metadata().level() <= Level::INFO {
            let mut line = Line(String::new());
            event.record(&mut line);
            LINES.lock().unwrap().push(line.0);
        }
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, "{}={value:?} ", field.name());
    }
}

async fn lines_of_a_cache_on(url: String) -> Vec<String> {
    LINES.lock().unwrap().clear();
    let builder = Cache::builder().namespace("shop").redis(url);
    let cache = builder.require_redis().build().await.unwrap();
    drop(cache);
    std::mem::take(&mut LINES.lock().unwrap())
}

/// One test, because a process has one subscriber for all its threads.
#[tokio::test]
async fn one_line_says_what_invalidations_can_rely_on_with_this_redis() {
    tracing::subscriber::set_global_default(Registry::default().with(Keep)).unwrap();
    let server = Server::start();
    let lines = lines_of_a_cache_on(server.url()).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("bound=2s"), "{lines:?}");
    assert!(lines[0].contains("also across failovers"), "{lines:?}");

    server.command(&[
        "ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "+@all", "-info",
    ]);
    let url = server.url().replacen("redis://", "redis://app:pw@", 1);
    let lines = lines_of_a_cache_on(url).await;
    // It is a warning, and what to do about it.
    let warned = lines
        .iter()
        .filter(|line| line.contains("`INFO replication`"));
    assert_eq!(warned.count(), 1, "{lines:?}");
    let promised = lines.iter().filter(|line| line.contains("bound=2s"));
    assert_eq!(promised.count(), 1, "{lines:?}");
    assert!(
        lines.iter().any(|line| line.contains("but for a failover")),
        "{lines:?}"
    );
}
