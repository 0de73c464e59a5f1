//! Many keys in one call: one load for those that are missing, also where callers ask for one each.
//!
//! `cargo run -p examples --example batch`

use std::collections::HashMap;

use cache_core::{Cache, Event, cached, invalidates};

/// A user is another one.
#[derive(Debug, Event)]
pub struct UserChanged {
    /// Who.
    pub id: u64,
}

#[cached(ttl = 5m, none_ttl = 10s, batch(id in ids, max = 100), invalidate_on = UserChanged { id })]
async fn users(ids: &[u64]) -> Result<HashMap<u64, String>, String> {
    println!("  asking for {ids:?}");
    let known = ids.iter().filter(|id| **id < 100);
    Ok(known.map(|id| (*id, format!("user {id}"))).collect())
}

#[invalidates(UserChanged { id })]
async fn rename(id: u64, name: &str) {
    println!("  user {id} is {name} now");
}

#[tokio::main]
async fn main() -> Result<(), String> {
    println!("three, of whom one is nobody:");
    println!("  {:?}", users(&[1, 2, 300]).await?);
    println!("the same and another one:");
    println!("  {:?}", users(&[1, 2, 3, 300]).await?);
    println!("one has changed:");
    rename(2, "Ada").await;
    println!("  {:?}", users(&[1, 2, 3]).await?);
    println!("eight callers with one each:");
    let calls = (10..18).map(|id| tokio::spawn(async move { users(&[id]).await }));
    for call in calls.collect::<Vec<_>>() {
        call.await.map_err(|error| error.to_string())??;
    }
    println!("\n{}", Cache::current().stats());
    Ok(())
}
