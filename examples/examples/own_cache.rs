//! How do I use several caches in one program? Name one with `cache = ..`; the functions without it
//! use the installed one.

use cache_core::{Cache, Error, Eviction, cached};

/// Sessions must not push the catalog out of memory, so they have a cache of their own.
struct App {
    sessions: Cache,
}

impl App {
    #[cached(ttl = 30m, key = token, cache = self.sessions)]
    async fn session(&self, token: u64) -> String {
        format!("the session of {token}")
    }
}

#[cached(ttl = 5m)]
async fn product(id: u64) -> String {
    format!("product {id}")
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let catalog = Cache::builder().namespace("catalog").build().await?;
    catalog.install()?;
    let sessions = Cache::builder()
        .namespace("sessions")
        .memory_limit(1 << 20)
        .eviction(Eviction::Lru)
        .build()
        .await?;
    let app = App { sessions };

    product(1).await;
    for token in 0..100_000 {
        app.session(token).await;
    }

    let (catalog, sessions) = (Cache::current().stats(), app.sessions.stats());
    assert!(catalog.function("session").is_none() && sessions.function("product").is_none());
    assert!(sessions.bytes <= 1 << 20, "the limit holds");
    assert_eq!(catalog.entries, 1, "and the product is still there");
    println!("catalog\n{catalog}\n\nsessions\n{sessions}");
    Ok(())
}
