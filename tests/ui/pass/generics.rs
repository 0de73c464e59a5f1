//! Type parameters, constants, where clauses, lifetimes and `impl Trait`.
#![deny(warnings)]

use std::{borrow::Cow, fmt::Display};

use cache_core::{CacheKey, cached};
use serde::{Serialize, de::DeserializeOwned};

#[cached(ttl = 1h)]
async fn shown<T: CacheKey + Display + Send + Sync>(value: T) -> String {
    value.to_string()
}

#[cached(ttl = 1h)]
async fn first<T, const N: usize>(items: [T; N]) -> Option<T>
where
    T: CacheKey + Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    items.into_iter().next()
}

#[cached(ttl = 1h)]
async fn count<const N: usize>(_items: &[u8; N]) -> usize {
    N
}

#[cached(ttl = 1h, tiers = memory)]
async fn made<T: Default + Clone + Send + Sync + 'static>() -> T {
    T::default()
}

#[cached(ttl = 1h)]
async fn joined<'a, 'b: 'a>(one: &'a str, other: &'b str, third: Cow<'a, str>) -> String {
    format!("{one}{other}{third}")
}

#[cached(ttl = 1h)]
async fn implied(value: impl CacheKey + Display + Send + Sync) -> String {
    format!("{value}")
}

#[cached(ttl = 1h)]
async fn referred(value: &(impl CacheKey + Display + Sync + ?Sized)) -> String {
    format!("{value}")
}

struct Store<'a, T> {
    name: &'a str,
    value: T,
}

impl<'a, T> Store<'a, T>
where
    T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    #[cached(ttl = 1h, key = (self.name, id))]
    async fn get<U: CacheKey + Send + Sync>(&self, id: U) -> (T, String) {
        drop(id);
        (self.value.clone(), self.name.to_owned())
    }
}

#[tokio::main]
async fn main() {
    for _ in 0..2 {
        assert_eq!(shown(7_u8).await, "7");
        assert_eq!(shown("7").await, "7");
        assert_eq!(first([1_u8, 2]).await, Some(1));
        assert_eq!(first([1_u16, 2]).await, Some(1));
        assert_eq!(first::<u8, 0>([]).await, None);
        assert_eq!(count(&[0; 3]).await, 3);
        assert_eq!(count(&[0; 4]).await, 4);
        assert_eq!(made::<u8>().await, 0);
        assert_eq!(made::<String>().await, "");
        assert_eq!(joined("a", "b", "c".into()).await, "abc");
        assert_eq!(implied(7_u8).await, "7");
        assert_eq!(implied("7").await, "7");
        assert_eq!(referred("7").await, "7");
        let store = Store { name: "shop", value: 1_u8 };
        assert_eq!(store.get(7_u64).await, (1, "shop".to_owned()));
        let store = Store { name: "shop", value: "a".to_owned() };
        assert_eq!(store.get("b").await, ("a".to_owned(), "shop".to_owned()));
    }
}
