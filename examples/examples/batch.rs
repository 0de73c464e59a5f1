//! Many keys in one call: one load for those that are missing, also where callers ask for one each.
//!
//! `cargo run -p examples --example batch`

use std::{collections::HashMap, mem, sync::Mutex};

use cache_core::{Cache, Event, cached, invalidates};
use tokio::task::JoinSet;

/// A user is another one.
#[derive(Debug, Event)]
pub struct UserChanged {
    /// Who.
    pub id: u64,
}

/// What the database was asked for.
static QUERIES: Mutex<Vec<Vec<u64>>> = Mutex::new(Vec::new());

#[cached(ttl = 5m, none_ttl = 10s, batch(id in ids, max = 100), invalidate_on = UserChanged { id })]
async fn users(ids: &[u64]) -> Result<HashMap<u64, String>, String> {
    QUERIES.lock().expect("nobody panics").push(ids.to_vec());
    let known = ids.iter().filter(|id| **id < 100);
    Ok(known.map(|id| (*id, format!("user {id}"))).collect())
}

#[invalidates(UserChanged { id })]
async fn rename(id: u64, name: &str) {
    println!("user {id} is {name} now");
}

/// The queries since the last time, each in order.
fn queries() -> Vec<Vec<u64>> {
    let mut queries = mem::take(&mut *QUERIES.lock().expect("nobody panics"));
    for query in &mut queries {
        query.sort_unstable();
    }
    queries
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), String> {
    let found = users(&[1, 2, 300]).await?;
    assert_eq!((found.len(), &*found[&2]), (2, "user 2"), "300 is nobody");
    assert_eq!(queries(), [[1, 2, 300]], "one query for all");

    users(&[1, 2, 3, 300]).await?;
    assert_eq!(
        queries(),
        [[3]],
        "what is missing; that 300 is nobody is known"
    );

    rename(2, "Ada").await;
    users(&[1, 2, 3]).await?;
    assert_eq!(queries(), [[2]], "an event is that of its key");

    let mut callers = JoinSet::new();
    for id in 10..18 {
        callers.spawn(async move { users(&[id]).await });
    }
    for user in callers.join_all().await {
        user?;
    }
    assert_eq!(
        queries().len(),
        1,
        "eight callers with one each share a query"
    );
    println!("{}", Cache::current().stats());
    Ok(())
}
