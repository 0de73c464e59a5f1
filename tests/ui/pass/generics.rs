//! Type parameters, constants and where clauses; each instantiation has entries of its own.
#![deny(warnings, clippy::pedantic)]

use std::{fmt::Display, marker::PhantomData};

use cache_core::{CacheKey, cached};
use serde::{Serialize, de::DeserializeOwned};
use tests::Runs;

static RUNS: Runs = Runs::new();

#[cached(ttl = 1h)]
async fn shown<T: CacheKey + Display + Send + Sync>(value: T) -> String {
    RUNS.add();
    value.to_string()
}

#[cached(ttl = 1h)]
async fn first<T, const N: usize>(items: [T; N]) -> Option<T>
where
    T: CacheKey + Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    RUNS.add();
    items.into_iter().next()
}

#[cached(ttl = 1h)]
async fn count<const N: usize>(_items: &[u8; N]) -> usize {
    RUNS.add();
    N
}

#[cached(ttl = 1h)]
async fn same_key<const N: usize, const IS_NEGATIVE: bool, const C: char>(n: i64) -> String {
    RUNS.add();
    let sign = if IS_NEGATIVE { "-" } else { "" };
    format!("{sign}{N}{C}{n}")
}

#[cached(ttl = 1h, tiers = memory)]
async fn made<T: Default + Clone + Send + Sync + 'static>() -> T {
    RUNS.add();
    T::default()
}

#[cached(ttl = 1h)]
async fn collected<T, U>(items: &[T]) -> U
where
    T: CacheKey + Clone + Sync,
    U: FromIterator<T> + Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    RUNS.add();
    items.iter().cloned().collect()
}

#[cached(ttl = 1h)]
async fn projected<I>(ids: I) -> Vec<I::Item>
where
    I: IntoIterator<Item: Clone + Serialize + DeserializeOwned + Send + Sync + 'static>
        + CacheKey
        + Send
        + Sync,
{
    RUNS.add();
    ids.into_iter().collect()
}

struct Store<T>(T);

impl<T> Store<T>
where
    T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    #[cached(ttl = 1h, skip(self))]
    async fn get<U: CacheKey + Send + Sync>(&self, id: U) -> (T, u64) {
        RUNS.add();
        drop(id);
        (self.0.clone(), 1)
    }

    #[cached(ttl = 1h)]
    async fn len(values: Vec<u64>) -> usize {
        RUNS.add();
        size_of::<T>() + values.len()
    }
}

struct Typed<K>(PhantomData<K>);

impl<K: Default + Display> Typed<K> {
    #[cached(ttl = 1h)]
    async fn named(n: u64) -> String {
        RUNS.add();
        format!("{}{n}", K::default())
    }
}

async fn call_functions() {
    assert_eq!(shown(7_u8).await, "7");
    assert_eq!(shown(7_u16).await, "7");
    assert_eq!(shown("7").await, "7");
    assert_eq!(shown(&"7").await, "7");
    assert_eq!(first([1_u8, 2]).await, Some(1));
    assert_eq!(first([1_u16, 2]).await, Some(1));
    assert_eq!(first::<u8, 0>([]).await, None);
    assert_eq!(count(&[0; 3]).await, 3);
    assert_eq!(count(&[0; 4]).await, 4);
    assert_eq!(same_key::<1, true, 'a'>(7).await, "-1a7");
    assert_eq!(same_key::<2, true, 'a'>(7).await, "-2a7");
    assert_eq!(same_key::<1, false, 'a'>(7).await, "1a7");
    assert_eq!(same_key::<1, false, 'b'>(7).await, "1b7");
    assert_eq!(made::<u8>().await, 0);
    assert_eq!(made::<String>().await, "");
    assert_eq!(collected::<_, Vec<_>>(&[2, 1]).await, [2, 1]);
    assert_eq!(
        collected::<_, std::collections::BTreeSet<_>>(&[2, 1])
            .await
            .len(),
        2
    );
    assert_eq!(projected([1, 2]).await, [1, 2]);
    assert_eq!(projected(vec![1, 2]).await, [1, 2]);
}

async fn call_methods() {
    assert_eq!(Store(1_u8).get(7_u64).await, (1, 1));
    assert_eq!(Store(1_u8).get(7_u32).await, (1, 1));
    assert_eq!(Store("a".to_owned()).get(7_u64).await, ("a".to_owned(), 1));
    assert_eq!(Store::<u8>::len(vec![1]).await, 2);
    assert_eq!(Store::<u64>::len(vec![1]).await, 9);
    assert_eq!(Typed::<u8>::named(1).await, "01");
    assert_eq!(Typed::<bool>::named(1).await, "false1");
}

#[tokio::main]
pub(crate) async fn main() {
    for (functions, methods) in [(19, 7), (0, 0)] {
        call_functions().await;
        assert_eq!(RUNS.take(), functions);
        call_methods().await;
        assert_eq!(RUNS.take(), methods);
    }
}
