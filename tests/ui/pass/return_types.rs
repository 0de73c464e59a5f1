//! Aliases and nests of `Result` and `Option`, `()`, and errors of every kind.
#![deny(warnings)]

use std::sync::atomic::{AtomicUsize, Ordering};

use cache_core::cached;

static RUNS: AtomicUsize = AtomicUsize::new(0);

type Answer<T> = Result<T, std::io::Error>;
type Found = Answer<Option<String>>;
type Maybe<T> = Option<T>;

/// A run, by the number it has.
fn run() -> usize {
    RUNS.fetch_add(1, Ordering::SeqCst)
}

#[cached(ttl = 1h)]
async fn alias(id: u64) -> Answer<u64> {
    run();
    if id == 0 { Err(std::io::Error::other("zero")) } else { Ok(id) }
}

#[cached(ttl = 1h, none_ttl = 1m)]
async fn alias_of_both(id: u64) -> Found {
    run();
    Ok((id != 0).then(|| id.to_string()))
}

#[cached(ttl = 1h, none_ttl = 1m)]
async fn alias_of_option(id: u64) -> Maybe<u64> {
    run();
    (id != 0).then_some(id)
}

#[cached(ttl = 1h, err_ttl = 1m)]
async fn nested(id: u64) -> Result<Option<Option<u64>>, Result<String, u8>> {
    run();
    match id {
        0 => Err(Ok("zero".to_owned())),
        1 => Ok(None),
        2 => Ok(Some(None)),
        _ => Ok(Some(Some(id))),
    }
}

#[cached(ttl = 1h)]
async fn unit(id: u64) {
    run();
    assert_eq!(id, 7);
}

#[cached(ttl = 1h)]
async fn fallible_unit(id: u64) -> Result<(), String> {
    run();
    if id == 7 { Ok(()) } else { Err(id.to_string()) }
}

#[cached(ttl = 1h)]
async fn boxed(id: &str) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    run();
    Ok(id.parse()?)
}

/// Runs a call twice, and gives how often its body ran.
async fn runs<T, F: Future<Output = T>>(call: impl Fn() -> F, is_right: impl Fn(&T) -> bool) -> usize {
    let before = RUNS.load(Ordering::SeqCst);
    for _ in 0..2 {
        assert!(is_right(&call().await));
    }
    RUNS.load(Ordering::SeqCst) - before
}

#[tokio::main]
async fn main() {
    assert_eq!(runs(|| alias(7), |answer| matches!(answer, Ok(7))).await, 1);
    assert_eq!(runs(|| alias(0), Result::is_err).await, 2);
    assert_eq!(runs(|| alias_of_both(7), |found| matches!(found, Ok(Some(text)) if text == "7")).await, 1);
    assert_eq!(runs(|| alias_of_both(0), |found| matches!(found, Ok(None))).await, 1);
    assert_eq!(runs(|| alias_of_option(0), Option::is_none).await, 1);
    assert_eq!(runs(|| nested(0), |value| *value == Err(Ok("zero".to_owned()))).await, 1);
    assert_eq!(runs(|| nested(1), |value| *value == Ok(None)).await, 1);
    assert_eq!(runs(|| nested(2), |value| *value == Ok(Some(None))).await, 1);
    assert_eq!(runs(|| nested(3), |value| *value == Ok(Some(Some(3)))).await, 1);
    assert_eq!(runs(|| unit(7), |()| true).await, 1);
    assert_eq!(runs(|| fallible_unit(7), Result::is_ok).await, 1);
    assert_eq!(runs(|| fallible_unit(8), Result::is_err).await, 2);
    assert_eq!(runs(|| boxed("7"), |value| matches!(value, Ok(7))).await, 1);
    assert_eq!(runs(|| boxed("x"), Result::is_err).await, 2);
}
