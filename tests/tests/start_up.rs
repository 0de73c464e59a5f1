//! What is said when a cache has found its Redis.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use cache_core::Cache;
use tests::{log::Said, server::Server};
use tracing::Level;
use tracing_subscriber::{layer::SubscriberExt, registry::Registry};

async fn lines_of_a_cache_on(url: String, said: &Said) -> Vec<String> {
    let _ = said.take();
    let builder = Cache::builder().namespace("shop").redis(url);
    let cache = builder.require_redis().build().await.unwrap();
    drop(cache);
    said.take()
}

/// One test, because a process has one subscriber for all its threads.
#[tokio::test]
async fn one_line_says_what_invalidations_can_rely_on_with_this_redis() {
    let said = Said::from(Level::INFO);
    tracing::subscriber::set_global_default(Registry::default().with(said.clone())).unwrap();
    let server = Server::start();
    let lines = lines_of_a_cache_on(server.url(), &said).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("bound=2s"), "{lines:?}");
    assert!(lines[0].contains("also across failovers"), "{lines:?}");

    server.command(&[
        "ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "+@all", "-info",
    ]);
    let url = server.url().replacen("redis://", "redis://app:pw@", 1);
    let lines = lines_of_a_cache_on(url, &said).await;
    // It is a warning, and what to do about it.
    let warned = lines
        .iter()
        .filter(|line| line.contains("`INFO replication`"));
    assert_eq!(warned.count(), 1, "{lines:?}");
    let promised = lines.iter().filter(|line| line.contains("bound=2s"));
    assert_eq!(promised.count(), 1, "{lines:?}");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("but after a failover")),
        "{lines:?}"
    );
}
