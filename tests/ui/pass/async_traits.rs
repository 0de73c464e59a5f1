//! Implementations and provided methods under `#[async_trait]`, called through trait objects.
#![deny(warnings, clippy::pedantic)]

use std::sync::Arc;

use async_trait::async_trait;
use cache_core::{CachedCall, NotCached, cached};
use tests::Runs;

static RUNS: Runs = Runs::new();

#[derive(Clone, Debug, PartialEq)]
struct NotFound;

#[async_trait]
trait Users: Send + Sync {
    async fn name(&self, id: u64) -> Result<Option<String>, NotFound>;
    async fn joined(&self, one: &str, others: &[&str]) -> String;
    async fn owned(self: Arc<Self>, id: u64) -> u64;
    async fn detached(&self, name: &str) -> usize;
    async fn pair(&self, pair: (u64, u64), more: u64) -> u64;
    async fn in_the_key(&self, pair: (u64, u64), more: &u64) -> u64;
    async fn in_a_text_key(&self, pair: (u64, u64), more: u64) -> u64;
    async fn skipped(&self, pair: (u64, u64), more: u64) -> u64;
    async fn nothing(&self);

    #[cached(ttl = 1h, key = (self.tenant(), id))]
    async fn provided(&self, id: u64) -> u64 {
        RUNS.add();
        self.tenant() * 100 + id
    }

    fn tenant(&self) -> u64;
}

#[derive(Clone)]
struct Postgres {
    tenant: u64,
}

#[async_trait]
impl Users for Postgres {
    #[cached(ttl = 1h, key = (self.tenant, id), none_ttl = 1m)]
    async fn name(&self, id: u64) -> Result<Option<String>, NotFound> {
        RUNS.add();
        if id > 1000 {
            return Ok(None);
        }
        let id = checked(id)?;
        Ok((id < 10).then(|| format!("{}:{id}", self.tenant)))
    }

    #[cached(ttl = 1h, skip(self))]
    async fn joined(&self, one: &str, others: &[&str]) -> String {
        RUNS.add();
        one.to_owned() + &others.concat()
    }

    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn owned(self: Arc<Self>, id: u64) -> u64 {
        RUNS.add();
        self.tenant + id
    }

    #[cached(ttl = 1h, key = "{name}", detached)]
    async fn detached(&self, name: &str) -> usize {
        RUNS.add();
        tokio::task::yield_now().await;
        name.len() + usize::try_from(self.tenant).unwrap_or(0)
    }

    #[cached(ttl = 1h, skip(self))]
    async fn pair(&self, (a, mut b): (u64, u64), mut more: u64) -> u64 {
        RUNS.add();
        b += 1;
        more += 1;
        a + b + more
    }

    #[cached(ttl = 1h, key = (a % 10, c))]
    async fn in_the_key(&self, (a, mut b): (u64, u64), &c: &u64) -> u64 {
        RUNS.add();
        b += 1;
        a + b + c
    }

    #[cached(ttl = 1h, key = "{a}:{b}")]
    async fn in_a_text_key(&self, (a, b): (u64, u64), _: u64) -> u64 {
        RUNS.add();
        a + b
    }

    #[cached(ttl = 1h, skip(self, a, b))]
    async fn skipped(&self, (a, b): (u64, u64), more: u64) -> u64 {
        RUNS.add();
        a + b + more
    }

    #[cached(ttl = 1h, skip(self))]
    async fn nothing(&self) {
        RUNS.add();
    }

    fn tenant(&self) -> u64 {
        self.tenant
    }
}

fn checked(id: u64) -> Result<u64, NotFound> {
    if id == 0 { Err(NotFound) } else { Ok(id) }
}

#[async_trait]
trait Store<T>: Sync {
    async fn get(&self, id: u64) -> T;
    async fn make(id: u64) -> String
    where
        Self: Sized;
}

struct Memory<T>(T);

#[async_trait]
impl<T: Clone + ToString + Send + Sync + 'static> Store<T> for Memory<T> {
    #[cached(ttl = 1h, skip(self), tiers = memory)]
    async fn get(&self, id: u64) -> T {
        assert_eq!(id, 1);
        RUNS.add();
        self.0.clone()
    }

    #[cached(ttl = 1h)]
    async fn make(id: u64) -> String {
        RUNS.add();
        std::any::type_name::<T>().to_owned() + &id.to_string()
    }
}

async fn handles(users: &dyn Users) -> Result<(), NotCached> {
    assert_eq!(users.name(1).peek().await, None);
    users.name(1).put(Ok(Some("Ada".to_owned()))).await?;
    assert_eq!(users.name(1).await, Ok(Some("Ada".to_owned())));
    assert_eq!(users.name(1).refresh().await?, Ok(Some("1:1".to_owned())));
    users.name(1).evict().await?;
    assert_eq!(users.name(1).peek().await, None);
    assert_eq!(users.name(0).await, Err(NotFound));
    assert_eq!(users.name(0).peek().await, None);
    assert_eq!(users.name(11).bypass().await?, Ok(None));
    users.name(2).prefetch().await?;
    assert_eq!(
        users.name(2).explain().await?.value,
        Ok(Some("1:2".to_owned()))
    );
    Ok(())
}

#[tokio::main]
pub(crate) async fn main() {
    let shared: Arc<dyn Users> = Arc::new(Postgres { tenant: 1 });
    let users: &dyn Users = &*shared;
    handles(users).await.unwrap();
    RUNS.take();
    for _ in 0..2 {
        assert_eq!(users.name(7).await, Ok(Some("1:7".to_owned())));
        assert_eq!(users.joined("a", &["b", "c"]).await, "abc");
        assert_eq!(Arc::clone(&shared).owned(7).await, 8);
        assert_eq!(users.detached("Ada").await, 4);
        assert_eq!(users.pair((1, 2), 3).await, 8);
        assert_eq!(users.in_the_key((11, 2), &3).await, 17);
        assert_eq!(users.in_the_key((21, 2), &3).await, 17);
        assert_eq!(users.in_a_text_key((1, 2), 3).await, 3);
        assert_eq!(users.in_a_text_key((1, 2), 4).await, 3);
        assert_eq!(users.skipped((1, 2), 3).await, 6);
        assert_eq!(users.skipped((2, 2), 3).await, 6);
        users.nothing().await;
        assert_eq!(users.provided(7).await, 107);
        assert_eq!(Memory(7_u8).get(1).await, 7);
        assert_eq!(Memory("seven").get(1).await, "seven");
        assert_eq!(Memory::<u8>::make(1).await, "u81");
        assert_eq!(Memory::<u16>::make(1).await, "u161");
    }
    assert_eq!(RUNS.take(), 14);
    assert_eq!(
        Postgres { tenant: 2 }.name(7).await,
        Ok(Some("2:7".to_owned()))
    );
    assert_eq!(RUNS.take(), 1);
}
