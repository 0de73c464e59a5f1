//! What does a cache tell of itself? Metrics for Prometheus, and its health for probes: here with `axum`.
//!
//! `cargo run -p examples --example metrics`

use std::{error::Error, future::IntoFuture, io, net::SocketAddr, time::Duration};

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use cache_core::{Cache, cached, testing::FakeRedis};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};

async fn metrics() -> impl IntoResponse {
    let text = Cache::current().prometheus();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}

async fn ready() -> impl IntoResponse {
    let health = Cache::current().health();
    let status = if health.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, health.to_string())
}

fn router() -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/ready", get(ready))
}

#[cached(ttl = 5m)]
async fn price(product: u32) -> u32 {
    product * 10
}

/// The answer of the server, as `curl -i` shows it.
async fn curl(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    println!("GET {path}\n{answer}\n");
    Ok(answer)
}

/// Calls until reads of Redis are stopped, as they all fail.
async fn until_degraded(cache: &Cache) {
    for product in 1_000.. {
        if cache.health().is_degraded() {
            return;
        }
        price(product).await;
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let redis = FakeRedis::new();
    let builder = Cache::builder().namespace("shop").fake_redis(&redis);
    builder.build().await?.install()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, router()).into_future());

    price(7).await;
    price(7).await;
    let scraped = curl(address, "/metrics").await?;
    for name in ["cache_loads_total", "cache_hits_total"] {
        let of = r#"{cache_namespace="shop",cache_function="metrics::price"} 1"#;
        assert!(scraped.contains(&format!("\n{name}{of}\n")), "{name}");
    }
    let answer = curl(address, "/ready").await?;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("ready: connected to Redis"));

    // Without Redis it works all the same. What is to be done about that is for an alert to say, and not for a probe.
    redis.fail();
    until_degraded(&Cache::current()).await;
    let answer = curl(address, "/ready").await?;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("ready, degraded"));
    let scraped = curl(address, "/metrics").await?;
    assert!(scraped.contains("\ncache_degraded{cache_namespace=\"shop\"} 1\n"));

    // What is on its way there does not arrive, and is given up.
    let _ = Cache::current().close(Duration::from_millis(50)).await;
    assert!(curl(address, "/ready").await?.starts_with("HTTP/1.1 503"));
    Ok(())
}
