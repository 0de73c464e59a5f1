//! Owned arguments, borrowed ones, and those that are left out of the key.
#![deny(warnings)]

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use cache_core::cached;

static RUNS: AtomicUsize = AtomicUsize::new(0);

#[derive(Clone)]
struct Db;

/// Has no copy that could outlive the call.
struct Pool;

#[cached(ttl = 1h)]
async fn owned(tenant: String, id: u64) -> String {
    RUNS.fetch_add(1, Ordering::SeqCst);
    format!("{tenant}{id}")
}

#[cached(ttl = 1h, skip(db))]
async fn skipped(db: &Db, id: u64) -> u64 {
    let Db = db;
    RUNS.fetch_add(1, Ordering::SeqCst);
    id
}

#[cached(ttl = 1h, skip(pool))]
async fn pooled(pool: &Pool, id: u64) -> u64 {
    let Pool = pool;
    RUNS.fetch_add(1, Ordering::SeqCst);
    id
}

#[cached(ttl = 1h)]
async fn text(text: &str) -> usize {
    RUNS.fetch_add(1, Ordering::SeqCst);
    text.len()
}

#[cached(ttl = 1h)]
async fn slice(items: &[u64]) -> u64 {
    RUNS.fetch_add(1, Ordering::SeqCst);
    items.iter().sum()
}

#[cached(ttl = 1h)]
async fn maybe(text: Option<&str>) -> Option<usize> {
    RUNS.fetch_add(1, Ordering::SeqCst);
    text.map(str::len)
}

#[cached(ttl = 1h)]
async fn cow(text: Cow<'_, str>) -> String {
    RUNS.fetch_add(1, Ordering::SeqCst);
    text.into_owned()
}

#[cached(ttl = 1h)]
async fn texts(texts: &[&str], more: (&str, &[u8])) -> usize {
    RUNS.fetch_add(1, Ordering::SeqCst);
    texts.len() + more.0.len() + more.1.len()
}

#[cached(ttl = 1h)]
async fn mutable(n: &mut u64) -> u64 {
    RUNS.fetch_add(1, Ordering::SeqCst);
    *n += 1;
    *n
}

#[cached(ttl = 1h)]
async fn nothing() -> Arc<str> {
    RUNS.fetch_add(1, Ordering::SeqCst);
    "nothing".into()
}

#[cached(ttl = 1h, tiers = memory)]
async fn constant(id: u64) -> &'static str {
    RUNS.fetch_add(1, Ordering::SeqCst);
    if id == 7 { "Ada" } else { "Grace" }
}

#[tokio::main]
async fn main() {
    for _ in 0..2 {
        assert_eq!(owned("a".to_owned(), 7).await, "a7");
        assert_eq!(skipped(&Db, 7).await, 7);
        assert_eq!(pooled(&Pool, 7).await, 7);
        assert_eq!(text("Ada").await, 3);
        assert_eq!(slice(&[1, 2, 3]).await, 6);
        assert_eq!(maybe(Some("Ada")).await, Some(3));
        assert_eq!(maybe(None).await, None);
        assert_eq!(cow(Cow::Borrowed("Ada")).await, "Ada");
        assert_eq!(cow(Cow::Owned("Ada".to_owned())).await, "Ada");
        assert_eq!(texts(&["a", "b"], ("c", b"d")).await, 4);
        assert_eq!(mutable(&mut 1).await, 2);
        assert_eq!(&*nothing().await, "nothing");
        assert_eq!(constant(7).await, "Ada");
    }
    assert_eq!(RUNS.load(Ordering::SeqCst), 12);
}
