//! Of all cached functions that this program has, advice names those that nobody calls, and no others.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{collections::HashMap, fmt::Debug, sync::Arc};

use async_trait::async_trait;
use cache_core::{Advice, Cache, CacheKey, Symptom, cached};

#[cached(ttl = 1m)]
async fn free(id: u64) -> u64 {
    id
}

#[cached(ttl = 1m, name = "renamed", version = 3)]
async fn named(id: u64) -> u64 {
    id
}

#[cached(ttl = 1m, version = 2)]
async fn generic<K: CacheKey + Debug + Send + Sync>(key: K) -> String {
    format!("{key:?}")
}

#[cached(ttl = 1m, batch(id in ids))]
async fn many(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[derive(Clone)]
struct Store<T>(T);

impl<T: Clone + Send + Sync + 'static> Store<T> {
    #[cached(ttl = 1m, skip(self))]
    async fn size(self: Arc<Self>, id: u64) -> usize {
        let _ = (id, &self.0);
        size_of::<T>()
    }
}

#[async_trait]
trait Shop {
    async fn price(&self, id: u64) -> u64;
}

#[async_trait]
impl<T: Clone + Send + Sync + 'static> Shop for Store<T> {
    #[cached(ttl = 1m, skip(self), inline)]
    async fn price(&self, id: u64) -> u64 {
        id
    }
}

#[allow(dead_code, reason = "so that it can be told of")]
#[cached(ttl = 1m)]
async fn forgotten(id: u64) -> u64 {
    id
}

fn never_called(cache: &Cache) -> Option<Advice> {
    let mut advice = cache.advice().into_iter();
    advice.find(|advice| advice.symptom == Symptom::NeverCalled)
}

#[tokio::test]
async fn advice_names_the_functions_that_nobody_calls() {
    #[cached(ttl = 1m)]
    async fn within(id: u64) -> u64 {
        id
    }
    let cache = Cache::builder().build().await.unwrap();
    Cache::scope(cache.clone(), async {
        for id in 0..1_000 {
            free(id).await;
        }
    })
    .await;
    let said = never_called(&cache).unwrap().evidence;
    assert_eq!(
        said,
        "5 cached functions were never called: `never_called::advice_names_the_functions_that_nobody_calls::within`, \
         `never_called::forgotten`, `never_called::generic`, `never_called::many`, `renamed`"
    );
    Cache::scope(cache.clone(), async {
        let store = Arc::new(Store(7_u8));
        within(1).await;
        named(1).await;
        generic("key").await;
        many(&[1, 2]).await;
        Arc::clone(&store).size(1).await;
        store.price(1).await;
    })
    .await;
    let said = never_called(&cache).unwrap().evidence;
    assert_eq!(
        said,
        "1 cached function was never called: `never_called::forgotten`"
    );
    Cache::scope(cache.clone(), forgotten(1)).await;
    assert_eq!(never_called(&cache), None);
}
