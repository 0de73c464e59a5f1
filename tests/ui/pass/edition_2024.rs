//! What the edition of 2024 changed: captures, temporaries of tails and conditions, `gen`, async closures.
#![deny(warnings, clippy::pedantic)]

use std::sync::{Mutex, PoisonError};

use cache_core::{CacheKey, cached};
use tests::Runs;

static RUNS: Runs = Runs::new();
static NAMES: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[cached(ttl = 1h)]
async fn temporary_in_the_tail(n: usize) -> usize {
    RUNS.add();
    let names = Mutex::new(vec![n; n]);
    names.lock().unwrap_or_else(PoisonError::into_inner).len()
}

#[cached(ttl = 1h)]
async fn temporary_in_a_condition(name: &str) -> usize {
    RUNS.add();
    if let Some(found) = NAMES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
        .position(|it| it == name)
    {
        found
    } else {
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        names.push(name.to_owned());
        names.len() - 1
    }
}

#[cached(ttl = 1h)]
async fn r#gen(r#gen: u64) -> u64 {
    RUNS.add();
    r#gen
}

#[cached(ttl = 1h)]
async fn async_closure(names: &[&str]) -> usize {
    RUNS.add();
    let length = async |name: &str| {
        tokio::task::yield_now().await;
        name.len()
    };
    let mut sum = 0;
    for name in names {
        sum += length(name).await;
    }
    sum
}

#[cached(ttl = 1h)]
async fn chained(text: Option<&str>) -> Option<u64> {
    RUNS.add();
    if let Some(text) = text
        && let Ok(number) = text.parse::<u64>()
        && number > 0
    {
        return Some(number);
    }
    None
}

#[cached(ttl = 1h)]
async fn iterated(n: u64) -> u64 {
    RUNS.add();
    let boxed: Box<[u64]> = vec![n; 2].into_boxed_slice();
    boxed.into_iter().map(|it: u64| it + 1).sum()
}

#[derive(Clone, CacheKey)]
struct Point {
    x: u64,
    y: u64,
}

#[cached(ttl = 1h, key = (a % 10, b))]
async fn reference_below_a_tuple((&a, mut b): (&u64, u64)) -> u64 {
    RUNS.add();
    b += 1;
    a + b
}

#[cached(ttl = 1h, key = (x % 10, *y, z))]
async fn references(&Point { x, ref y }: &Point, &(&z, _): &(&u64, &str)) -> u64 {
    RUNS.add();
    x + *y + z
}

enum Id {
    Number(u64),
    Other(u64),
}

#[cached(ttl = 1h, key = (id, *other))]
async fn references_in_alternatives((&Id::Number(id) | &Id::Other(id), other): (&Id, &u64)) -> u64 {
    RUNS.add();
    id + other
}

fn captures<'a>(text: &'a str, list: &[&'a str]) -> impl Future<Output = usize> + Send + use<'a> {
    let length = list.len();
    async move { async_closure(&[text]).await + length }
}

#[tokio::main]
pub(crate) async fn main() {
    for runs in [10, 0] {
        assert_eq!(temporary_in_the_tail(3).await, 3);
        assert_eq!(temporary_in_a_condition("Ada").await, 0);
        assert_eq!(r#gen(7).await, 7);
        assert_eq!(async_closure(&["Ada", "Eve"]).await, 6);
        assert_eq!(chained(Some("7")).await, Some(7));
        assert_eq!(iterated(1).await, 4);
        assert_eq!(captures("Ada", &["a"]).await, 4);
        assert_eq!(reference_below_a_tuple((&1, 2)).await, 4);
        assert_eq!(references(&Point { x: 1, y: 2 }, &(&3, "")).await, 6);
        assert_eq!(references_in_alternatives((&Id::Number(1), &2)).await, 3);
        assert_eq!(references_in_alternatives((&Id::Other(1), &2)).await, 3);
        assert_eq!(RUNS.take(), runs);
    }
}
