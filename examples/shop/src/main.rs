//! A shop: catalogue, prices, carts and orders, in `SQLite` and over HTTP. Reads are `#[cached]`, writes `#[invalidates]`,
//! and as many processes as like share one database and one Redis.
//!
//! `cargo run --release -p shop`, with these in its environment:
//!
//! | variable | what it says | else |
//! |---|---|---|
//! | `LISTEN` | address and port; port 0 for one that is free | `127.0.0.1:3000` |
//! | `DATABASE` | the file of the database | `shop.db` in the folder for temporary files |
//! | `REDIS_URL` | the Redis that all replicas share | memory alone: one replica |
//! | `CACHE` | `off` runs every query | `on` |
//! | `STALENESS_BOUND_MS` | for how long a replica may serve what another one has changed, at most | 2,000 |
//! | `CONNECTIONS` | connections to the database | 4 |
//! | `QUERY_LATENCY_MS` | what each query takes beyond what `SQLite` does | 0 |

mod cart;
mod catalogue;
mod db;
mod orders;
mod schema;
mod settings;
mod web;

use std::{error::Error, time::Duration};

use cache_core::Cache;
use tokio::net::TcpListener;

use crate::{db::Db, settings::Settings};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_environment()?;
    settings.cache().await?.install()?;
    let db = Db::open(&settings.database, settings.connections, settings.latency)?;
    let listener = TcpListener::bind(&settings.listen).await?;
    println!("{}", listener.local_addr()?);
    axum::serve(listener, web::app(db))
        .with_graceful_shutdown(ended())
        .await?;

    // What has changed and was not told yet is told now, as far as Redis can be reached.
    let left = Cache::current().close(Duration::from_secs(1)).await;
    if left.events > 0 {
        eprintln!("{} changes were told to nobody", left.events);
    }
    Ok(())
}

async fn ended() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a signal there is no end but that of the process.
        std::future::pending::<()>().await;
    }
}
