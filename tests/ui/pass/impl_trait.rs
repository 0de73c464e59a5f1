//! `impl Trait` arguments as part of a key and beside one, and opaque types around a call.
#![deny(warnings, clippy::pedantic)]

use std::fmt::Display;

use cache_core::{CacheKey, cached};
use tests::Runs;

static RUNS: Runs = Runs::new();

#[cached(ttl = 1h)]
async fn owned(value: impl CacheKey + Display + Send + Sync) -> String {
    RUNS.add();
    format!("{value}")
}

#[cached(ttl = 1h)]
async fn referred(value: &(impl CacheKey + Display + Sync + ?Sized)) -> String {
    RUNS.add();
    format!("{value}")
}

#[cached(ttl = 1h)]
async fn several(
    values: &[impl CacheKey + Display + Sync],
    last: Option<impl CacheKey + Display + Send + Sync>,
) -> usize {
    RUNS.add();
    values.len() + usize::from(last.is_some())
}

#[cached(ttl = 1h, key = name.as_ref())]
async fn by_expression(name: impl AsRef<str> + Send) -> usize {
    RUNS.add();
    name.as_ref().len()
}

#[cached(ttl = 1h, key = id)]
async fn beside_the_key(id: u64, name: impl Into<String> + Send) -> String {
    RUNS.add();
    let name: String = name.into();
    format!("{name}{id}")
}

#[cached(ttl = 1h, key = id)]
async fn iterated(
    id: u64,
    values: impl IntoIterator<Item = impl Display, IntoIter: Send> + Send,
) -> String {
    RUNS.add();
    let mut text = id.to_string();
    for value in values {
        text += &value.to_string();
    }
    text
}

fn captures_nothing(n: u64) -> impl Future<Output = String> + Send + use<> {
    owned(n)
}

fn captures_all(text: &str) -> impl Future<Output = String> + Send {
    referred(text)
}

#[tokio::main]
pub(crate) async fn main() {
    for runs in [10, 0] {
        assert_eq!(owned(7_u8).await, "7");
        assert_eq!(owned("7").await, "7");
        assert_eq!(referred("7").await, "7");
        assert_eq!(several(&[1, 2], Some("a")).await, 3);
        assert_eq!(by_expression("Ada").await, 3);
        assert_eq!(by_expression("Ada".to_owned()).await, 3);
        assert_eq!(beside_the_key(1, "a").await, "a1");
        assert_eq!(beside_the_key(1, 'b').await, "b1");
        assert_eq!(iterated(1, [2, 3]).await, "123");
        assert_eq!(captures_nothing(8).await, "8");
        let text = String::from("7");
        assert_eq!(captures_all(&text).await, "7");
        assert_eq!(RUNS.take(), runs);
    }
}
