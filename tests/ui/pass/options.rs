//! Every option in every form.
#![deny(warnings, clippy::pedantic)]

use std::time::Duration;

use cache_core::{Cache, cached};

const LIFETIME: Duration = Duration::from_hours(1);

#[derive(Clone)]
struct Token {
    lifetime: Duration,
    text: String,
}

impl Token {
    fn is_long(&self) -> bool {
        self.text.len() > 2
    }

    fn size(&self) -> usize {
        self.text.len()
    }

    fn lifetime(&self) -> Duration {
        self.lifetime
    }
}

#[cached(ttl = |token| token.lifetime, tiers = memory, keep_if = Token::is_long, weight = Token::size)]
async fn token(id: u64) -> Token {
    Token {
        lifetime: LIFETIME,
        text: id.to_string(),
    }
}

#[cached(ttl = |token: &Token| token.lifetime(), none_ttl = LIFETIME, tiers = memory)]
async fn no_token(id: u64) -> Result<Option<Token>, String> {
    (id != 0).then_some(None).ok_or_else(|| "zero".to_owned())
}

#[cached(ttl = LIFETIME / 2, err_ttl = limit * 2, none_ttl = limit)]
async fn by_argument(limit: Duration, id: u64) -> Result<Option<u64>, String> {
    if limit.is_zero() {
        Err(id.to_string())
    } else {
        Ok(None)
    }
}

#[cached(
    ttl = 1d2h3m4s5ms6us,
    key = "user:{tenant}/{id}",
    strategy = read_through,
    tiers = both,
    keep_if = |name| !name.is_empty(),
    weight = |name| name.len() + 8,
    max_concurrent_loads = 4,
    version = 2,
    name = "tests::name",
    inline,
)]
async fn name(tenant: &str, id: u64) -> String {
    format!("{tenant}{id}")
}

#[cached(ttl = 1h, key = (id % 10, text.to_lowercase()))]
async fn expressions(id: u64, text: &str) -> String {
    format!("{id}{text}")
}

#[cached(ttl = 1h, key = ())]
async fn one_for_all(id: u64) -> u64 {
    id
}

struct Limits {
    ttl: Duration,
}

impl Limits {
    const TTL: Duration = LIFETIME;

    #[expect(clippy::trivially_copy_pass_by_ref)]
    fn is_kept(n: &u64) -> bool {
        *n > 0
    }

    #[cached(ttl = Self::TTL, none_ttl = Self::TTL / 2, key = (Self::TTL, id), keep_if = Self::is_kept)]
    async fn of_the_type(id: u64) -> Option<u64> {
        Some(id)
    }

    #[cached(ttl = self.ttl, skip(self))]
    async fn of_self(&self, id: u64) -> u64 {
        self.ttl.as_secs() + id
    }
}

struct Users {
    cache: Cache,
}

impl Users {
    fn cache(&self) -> Cache {
        self.cache.clone()
    }

    #[cached(ttl = 1h, skip(self), cache = self.cache)]
    async fn field(&self, id: u64) -> u64 {
        id
    }

    #[cached(ttl = 1h, skip(self), cache = self.cache())]
    async fn method(&self, id: u64) -> u64 {
        id
    }

    #[cached(ttl = 1h, skip(cache), cache = cache)]
    async fn argument(cache: &Cache, id: u64) -> u64 {
        let _ = cache;
        id
    }
}

async fn calls(id: u64) {
    assert_eq!(token(100 + id).await.text, (100 + id).to_string());
    assert!(no_token(id).await.unwrap().is_none());
    assert_eq!(by_argument(LIFETIME, id).await, Ok(None));
    assert_eq!(name("a", id).await, format!("a{id}"));
    assert_eq!(Limits::of_the_type(id).await, Some(id));
    assert_eq!(Limits { ttl: LIFETIME }.of_self(id).await, 3600 + id);
}

#[tokio::main]
pub(crate) async fn main() {
    assert_eq!(tests::loads_by_key(calls).await, [6, 0, 6]);
    assert_eq!(expressions(7, "Ada").await, "7Ada");
    assert_eq!(expressions(17, "ADA").await, "7Ada");
    assert_eq!(one_for_all(7).await, 7);
    assert_eq!(one_for_all(8).await, 7);
    let users = Users {
        cache: Cache::builder().build().await.unwrap(),
    };
    for _ in 0..2 {
        assert_eq!(users.field(7).await, 7);
        assert_eq!(users.method(7).await, 7);
        assert_eq!(Users::argument(&users.cache, 7).await, 7);
    }
    assert_eq!(
        users
            .cache
            .stats()
            .functions
            .iter()
            .map(|row| row.hits)
            .sum::<u64>(),
        3
    );
}
