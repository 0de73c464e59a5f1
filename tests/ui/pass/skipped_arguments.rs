//! Arguments that are no part of the key: clients, `dyn` traits, function pointers, closures.
#![deny(warnings, clippy::pedantic)]

use std::{fmt::Display, sync::Arc};

use cache_core::cached;
use tests::Runs;

static RUNS: Runs = Runs::new();

#[derive(Clone)]
struct Db;

/// Has no copy that could outlive the call.
struct Pool;

#[cached(ttl = 1h, skip(db))]
async fn of_db(db: &Db, id: u64) -> u64 {
    let Db = db;
    RUNS.add();
    id
}

#[cached(ttl = 1h, skip(pool))]
async fn of_pool(pool: &Pool, id: u64) -> u64 {
    let Pool = pool;
    RUNS.add();
    id
}

#[cached(ttl = 1h, skip(db, pool))]
async fn of_both(db: Db, pool: Arc<Pool>, id: u64) -> u64 {
    let (Db, Pool) = (db, &*pool);
    RUNS.add();
    id
}

#[cached(ttl = 1h, skip(shown))]
async fn behind_reference(shown: &(dyn Display + Sync), id: u64) -> String {
    RUNS.add();
    format!("{shown}{id}")
}

#[cached(ttl = 1h, skip(shown))]
async fn behind_box(shown: Box<dyn Display + Send>, id: u64) -> String {
    RUNS.add();
    format!("{shown}{id}")
}

#[cached(ttl = 1h, skip(shown))]
async fn behind_arc(shown: Arc<dyn Display + Send + Sync>, id: u64) -> String {
    RUNS.add();
    format!("{shown}{id}")
}

#[cached(ttl = 1h, skip(load))]
async fn by_pointer(load: fn(u64) -> u64, id: u64) -> u64 {
    RUNS.add();
    load(id)
}

#[cached(ttl = 1h, skip(load))]
async fn by_pointer_to_text(load: for<'a> fn(&'a str) -> &'a str, text: &str) -> String {
    RUNS.add();
    load(text).to_owned()
}

#[cached(ttl = 1h, skip(load))]
async fn by_closure<F>(load: F, id: u64) -> u64
where
    F: Fn(u64) -> u64 + Send,
{
    RUNS.add();
    load(id)
}

#[cached(ttl = 1h, skip(load))]
async fn by_later<F: Future<Output = u64> + Send>(
    load: impl FnOnce(u64) -> F + Send,
    id: u64,
) -> u64 {
    RUNS.add();
    load(id).await
}

#[cached(ttl = 1h, skip(load))]
async fn by_dyn_closure(load: &(dyn Fn(u64) -> u64 + Send + Sync), id: u64) -> u64 {
    RUNS.add();
    load(id)
}

#[tokio::main]
pub(crate) async fn main() {
    for _ in 0..2 {
        assert_eq!(of_db(&Db, 7).await, 7);
        assert_eq!(of_pool(&Pool, 7).await, 7);
        assert_eq!(of_both(Db, Arc::new(Pool), 7).await, 7);
        assert_eq!(behind_reference(&"a", 7).await, "a7");
        assert_eq!(behind_box(Box::new("a"), 7).await, "a7");
        assert_eq!(behind_arc(Arc::new("a"), 7).await, "a7");
        assert_eq!(by_pointer(|id| id + 1, 7).await, 8);
        assert_eq!(by_pointer_to_text(str::trim, " Ada").await, "Ada");
        assert_eq!(by_closure(|id| id + 1, 7).await, 8);
        assert_eq!(by_later(|id| async move { id + 1 }, 7).await, 8);
        assert_eq!(by_dyn_closure(&|id| id + 1, 7).await, 8);
    }
    assert_eq!(RUNS.take(), 11);
    assert_eq!(
        by_pointer(|id| id + 2, 7).await,
        8,
        "pointers have one type"
    );
    assert_eq!(
        by_closure(|id| id + 2, 7).await,
        9,
        "each closure has its own"
    );
    assert_eq!(RUNS.take(), 1);
}
