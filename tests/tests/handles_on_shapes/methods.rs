//! Methods, and functions of traits: native, under `#[async_trait]`, through trait objects.

use std::{
    fmt::{Debug, Display},
    pin::Pin,
    sync::Arc,
};

use async_trait::async_trait;
use cache_core::{CachedCall, cached};
use serde::{Serialize, de::DeserializeOwned};
use tests::on_both_runtimes;

use super::answers_every_handle;

#[derive(Clone)]
struct Users {
    tenant: u64,
}

impl Users {
    #[cached(ttl = 1h)]
    async fn associated(id: u64) -> u64 {
        id
    }

    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn inline(&self, id: u64) -> u64 {
        self.tenant + id
    }

    #[cached(ttl = 1h, key = (self.tenant, id), detached)]
    async fn detached(&self, id: u64) -> u64 {
        self.tenant + id
    }

    #[cached(ttl = 1h, skip(self))]
    async fn by_value(self, id: u64) -> u64 {
        self.tenant + id
    }

    #[cached(ttl = 1h, skip(self))]
    async fn by_arc(self: Arc<Self>, id: u64) -> u64 {
        self.tenant + id
    }

    #[cached(ttl = 1h, skip(self))]
    async fn by_pin(self: Pin<&Self>, id: u64) -> u64 {
        self.tenant + id
    }
}

#[test]
fn a_call_of_a_method_is_a_handle() {
    let users = Users { tenant: 1 };
    let arc = Arc::new(users.clone());
    answers_every_handle(|| Users::associated(1), || 70);
    answers_every_handle(|| users.inline(1), || 70);
    answers_every_handle(|| users.detached(1), || 70);
    answers_every_handle(|| users.clone().by_value(1), || 70);
    answers_every_handle(|| Arc::clone(&arc).by_arc(1), || 70);
    answers_every_handle(|| Pin::new(&users).by_pin(1), || 70);
}

trait Find {
    async fn find(&self, id: u64) -> Option<String>;

    #[cached(ttl = 1h)]
    async fn provided(id: u64) -> u64 {
        id
    }
}

impl<T: Display + Sync> Find for [T] {
    #[cached(ttl = 1h, skip(self))]
    async fn find(&self, id: u64) -> Option<String> {
        let found = self.get(usize::try_from(id).ok()?)?;
        Some(found.to_string())
    }
}

impl Find for u64 {
    #[cached(ttl = 1h, key = (self, id), detached)]
    async fn find(&self, id: u64) -> Option<String> {
        Some(format!("{}{id}", *self))
    }
}

#[test]
fn a_call_of_a_method_of_a_trait_is_a_handle() {
    answers_every_handle(|| ["a", "b"].as_slice().find(1), || None);
    answers_every_handle(|| 7.find(1), || Some("put".to_owned()));
    answers_every_handle(|| <u64 as Find>::provided(1), || 70);
    answers_every_handle(|| <[u64] as Find>::provided(1), || 70);
}

#[derive(Clone)]
struct Store<T>(T);

impl<T> Store<T>
where
    T: Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    #[cached(ttl = 1h, skip(self))]
    async fn get(&self, id: u64) -> (T, u64) {
        (self.0.clone(), id)
    }

    #[cached(ttl = 1h)]
    async fn size(id: u64) -> usize {
        size_of::<T>() + usize::try_from(id).unwrap_or(0)
    }
}

#[test]
fn a_call_of_a_method_of_a_generic_type_is_a_handle() {
    let (number, text) = (Store(1_u8), Store("a".to_owned()));
    answers_every_handle(|| number.get(1), || (70, 70));
    answers_every_handle(|| text.get(1), || ("put".to_owned(), 70));
    answers_every_handle(|| Store::<u64>::size(1), || 70);
    on_both_runtimes(|_| async {
        Store::<u64>::size(1).put(70).await.unwrap();
        assert_eq!(Store::<u8>::size(1).peek().await, None);
    });
}

#[async_trait]
trait Shop: Send + Sync {
    async fn find(&self, id: u64) -> Result<Option<u64>, String>;
    async fn detached(&self, name: &str) -> usize;
    async fn by_arc(self: Arc<Self>, id: u64) -> u64;

    #[cached(ttl = 1h, skip(self))]
    async fn provided(&self, id: u64) -> u64 {
        id
    }
}

#[async_trait]
impl Shop for Users {
    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn find(&self, id: u64) -> Result<Option<u64>, String> {
        let found = id.checked_sub(self.tenant).ok_or("too small")?;
        Ok(Some(found))
    }

    #[cached(ttl = 1h, skip(self), detached)]
    async fn detached(&self, name: &str) -> usize {
        name.len()
    }

    #[cached(ttl = 1h, skip(self))]
    async fn by_arc(self: Arc<Self>, id: u64) -> u64 {
        self.tenant + id
    }
}

#[test]
fn a_call_through_a_trait_object_is_a_handle() {
    let shared: Arc<dyn Shop> = Arc::new(Users { tenant: 1 });
    let shop: &dyn Shop = &Users { tenant: 2 };
    answers_every_handle(|| shop.find(7), || Ok(None));
    answers_every_handle(|| shop.detached("a"), || 70);
    answers_every_handle(|| shop.provided(1), || 70);
    answers_every_handle(|| shared.find(7), || Ok(None));
    answers_every_handle(|| Arc::clone(&shared).by_arc(1), || 70);
    on_both_runtimes(|_| async {
        shared.find(7).put(Ok(Some(70))).await.unwrap();
        assert_eq!(shop.find(7).peek().await, None, "it is of another tenant");
        assert!(shop.find(0).refresh().await.unwrap().is_err());
        assert_eq!(shop.find(0).peek().await, None);
    });
}
