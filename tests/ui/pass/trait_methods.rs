//! Native async functions of traits: implemented, provided, associated, generic; each implementor has
//! entries of its own.
#![deny(warnings, clippy::pedantic)]

use std::{fmt::Display, ops::Deref, sync::Arc};

use cache_core::{CacheKey, cached};
use serde::{Serialize, de::DeserializeOwned};
use tests::Runs;

static RUNS: Runs = Runs::new();

#[derive(Clone)]
struct Users {
    tenant: u64,
}

struct Wrapped<T>(T);

trait Find {
    type Key;
    type Found;

    async fn find(&self, id: Self::Key) -> Self::Found;

    fn find_later(&self, id: Self::Key) -> impl Future<Output = Self::Found> + Send;
}

impl Find for Users {
    type Key = u64;
    type Found = Option<String>;

    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn find(&self, id: u64) -> Option<String> {
        RUNS.add();
        Some(format!("{}:{id}", self.tenant))
    }

    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn find_later(&self, id: Self::Key) -> Self::Found {
        RUNS.add();
        Some(format!("{}:{id}", self.tenant))
    }
}

impl<T: Display + Send + Sync> Find for Wrapped<T> {
    type Key = String;
    type Found = String;

    #[cached(ttl = 1h, skip(self))]
    async fn find(&self, id: Self::Key) -> Self::Found {
        RUNS.add();
        format!("{id} of {}", self.0)
    }

    #[cached(ttl = 1h, skip(self))]
    async fn find_later(&self, id: String) -> String {
        RUNS.add();
        format!("{id} of {}", self.0)
    }
}

trait Greet: Sync {
    const GREETING: &str;

    #[cached(ttl = 1h, skip(self))]
    async fn greet(&self, name: &str) -> String {
        RUNS.add();
        format!("{} {name}", Self::GREETING)
    }
}

impl Greet for Users {
    const GREETING: &str = "hello";
}

impl Greet for u64 {
    const GREETING: &str = "goodbye";
}

trait Registry {
    const NAME: &str;

    #[cached(ttl = 1h)]
    async fn lookup(id: u64) -> String {
        RUNS.add();
        format!("{}{id}", Self::NAME)
    }

    #[cached(ttl = 1h, key = self.name())]
    async fn own(self) -> String
    where
        Self: Sized + Send,
    {
        RUNS.add();
        self.name().to_owned()
    }

    fn name(&self) -> &str {
        Self::NAME
    }

    async fn all<T: CacheKey + Send + Sync>(ids: &[T]) -> usize;
}

impl Registry for Users {
    const NAME: &str = "users";

    #[cached(ttl = 1h)]
    async fn all<T: CacheKey + Send + Sync>(ids: &[T]) -> usize {
        RUNS.add();
        ids.len()
    }
}

impl Registry for u64 {
    const NAME: &str = "numbers";

    #[cached(ttl = 1h, name = "numbers")]
    async fn all<T: CacheKey + Send + Sync>(ids: &[T]) -> usize {
        RUNS.add();
        ids.len() + 1
    }
}

trait Load<K>: Sync {
    async fn load(&self, key: K) -> K;
}

impl<K, S> Load<K> for S
where
    K: CacheKey + Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
    S: Deref<Target = Users> + Sync,
{
    #[cached(ttl = 1h, key = (self.tenant, key))]
    async fn load(&self, key: K) -> K {
        RUNS.add();
        key
    }
}

trait Length {
    async fn length(&self) -> usize;
}

impl Length for str {
    #[cached(ttl = 1h, key = self)]
    async fn length(&self) -> usize {
        RUNS.add();
        self.len()
    }
}

impl<T: CacheKey + Sync> Length for [T] {
    #[cached(ttl = 1h, key = self)]
    async fn length(&self) -> usize {
        RUNS.add();
        self.len()
    }
}

impl Length for (u64, &str) {
    #[cached(ttl = 1h, key = self)]
    async fn length(&self) -> usize {
        RUNS.add();
        self.1.len()
    }
}

impl Length for dyn Display + Sync {
    #[cached(ttl = 1h, key = self.to_string())]
    async fn length(&self) -> usize {
        RUNS.add();
        self.to_string().len()
    }
}

impl Length for fn() -> usize {
    #[cached(ttl = 1h, key = ())]
    async fn length(&self) -> usize {
        RUNS.add();
        self()
    }
}

async fn call_on_types_without_a_name() {
    assert_eq!("Ada".length().await, 3);
    assert_eq!([1, 2][..].length().await, 2);
    assert_eq!(["a", "b"][..].length().await, 2);
    assert_eq!((1, "a").length().await, 1);
    let shown: &(dyn Display + Sync) = &7;
    assert_eq!(shown.length().await, 1);
    let seven: fn() -> usize = || 7;
    assert_eq!(seven.length().await, 7);
}

impl Users {
    #[cached(ttl = 1h)]
    async fn made(tenant: u64) -> Result<Arc<Self>, String>
    where
        Self: Sized,
    {
        RUNS.add();
        Ok(Arc::new(Self { tenant }))
    }
}

impl Serialize for Users {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.tenant.serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Users {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(|tenant| Self { tenant })
    }
}

#[tokio::main]
pub(crate) async fn main() {
    let users = Users { tenant: 1 };
    for runs in [17, 0] {
        assert_eq!(users.find(7).await.as_deref(), Some("1:7"));
        assert_eq!(users.find_later(7).await.as_deref(), Some("1:7"));
        assert_eq!(Wrapped(1).find("7".to_owned()).await, "7 of 1");
        assert_eq!(Wrapped("a").find("7".to_owned()).await, "7 of a");
        assert_eq!(Wrapped("a").find_later("7".to_owned()).await, "7 of a");
        assert_eq!(users.greet("Ada").await, "hello Ada");
        assert_eq!(1.greet("Ada").await, "goodbye Ada");
        assert_eq!(Users::lookup(7).await, "users7");
        assert_eq!(u64::lookup(7).await, "numbers7");
        assert_eq!(7.own().await, "numbers");
        assert_eq!(users.clone().own().await, "users");
        assert_eq!(Users::all(&[1_u8, 2]).await, 2);
        assert_eq!(u64::all(&[1_u8, 2]).await, 3);
        assert_eq!(u64::all(&[1_u16, 2]).await, 3);
        assert_eq!(Box::new(users.clone()).load(7).await, 7);
        assert_eq!(Arc::new(users.clone()).load(7).await, 7);
        assert!(Users::made(7).await.is_ok_and(|users| users.tenant == 7));
        assert_eq!(RUNS.take(), runs);
        call_on_types_without_a_name().await;
        assert_eq!(RUNS.take(), runs.min(6));
    }
}
