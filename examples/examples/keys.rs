//! What identifies a cached value? All arguments, unless `skip` or `key` says otherwise.

use cache_core::{CacheKey, CachedCall, cached};

/// A type of your own becomes a key part with a derive.
#[derive(Clone, Copy, CacheKey)]
enum Language {
    English,
    German,
}

#[derive(CacheKey)]
struct Page {
    language: Language,
    number: u32,
}

/// The default: every argument is in the key.
#[cached(ttl = 5m)]
async fn headline(page: &Page, edition: u16) -> String {
    match page.language {
        Language::English => format!("news {} of {edition}", page.number),
        Language::German => format!("Neues {} von {edition}", page.number),
    }
}

/// A client is how to ask, not what is asked: it stays out of the key and needs no `CacheKey`.
#[cached(ttl = 5m, skip(client))]
async fn weather(client: &Client, city: &str) -> String {
    format!("{} says that it rains in {city}", client.agent)
}

#[derive(Clone)]
struct Client {
    agent: &'static str,
}

/// `key` takes any expression of the arguments: here addresses that differ in case are one.
#[cached(ttl = 5m, key = (tenant, address.to_lowercase()))]
async fn user(tenant: u32, address: &str) -> String {
    format!("the user of {tenant} at {address}")
}

/// The text form reads best in logs. Text that could mean two keys does not compile.
#[cached(ttl = 5m, key = "tile:{x}:{y}")]
async fn tile(x: u32, y: u32, scale: f64) -> String {
    format!("tile {x} {y} at {scale}")
}

#[tokio::main]
async fn main() -> Result<(), cache_core::NotCached> {
    let page = |language| Page {
        language,
        number: 1,
    };
    let (english, german) = (page(Language::English), page(Language::German));
    let news = headline(&english, 9).await;
    assert_ne!(headline(&german, 9).await, news, "the language counts");

    let (one, other) = (Client { agent: "one" }, Client { agent: "other" });
    let rain = weather(&one, "Bergen").await;
    assert_eq!(weather(&other, "Bergen").await, rain, "the client does not");

    let ada = user(7, "Ada@example.org").await;
    assert_eq!(user(7, "ada@example.org").await, ada, "nor does the case");
    assert_ne!(user(8, "ada@example.org").await, ada, "but the tenant does");

    let coarse = tile(1, 2, 0.5).await;
    assert_eq!(tile(1, 2, 4.0).await, coarse, "the scale is left out");

    // `explain` shows the key of a call.
    println!("{}", headline(&german, 9).explain().await?);
    println!("{}", weather(&one, "Bergen").explain().await?);
    println!("{}", user(7, "ADA@example.org").explain().await?);
    println!("{}", tile(1, 2, 1.0).explain().await?);
    Ok(())
}
