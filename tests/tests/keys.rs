//! What shares an entry and what never does.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{borrow::Cow, fmt, future::Future};

use cache_core::{Cache, CacheKey, CachedCall, cached};

/// Runs a test in a cache of its own.
fn alone(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { Cache::scope(Cache::builder().build().await.unwrap(), test).await });
}

mod users {
    #[cache_core::cached(ttl = 1h)]
    pub(crate) async fn get(id: u64) -> String {
        format!("user {id}")
    }
}

mod orders {
    #[cache_core::cached(ttl = 1h)]
    pub(crate) async fn get(id: u64) -> String {
        format!("order {id}")
    }
}

#[test]
fn functions_of_one_name_in_two_modules_share_nothing() {
    alone(async {
        assert_eq!(users::get(1).await, "user 1");
        assert_eq!(orders::get(1).await, "order 1");
        let stats = Cache::current().stats();
        assert!(
            stats
                .functions
                .iter()
                .any(|row| row.name == "keys::users::get"),
            "{stats}"
        );
        assert!(
            stats
                .functions
                .iter()
                .any(|row| row.name == "keys::orders::get"),
            "{stats}"
        );
    });
}

struct Shops;
struct Stores;

impl Shops {
    #[cached(ttl = 1h, skip(self))]
    async fn name(&self, id: u64) -> String {
        format!("shop {id}")
    }
}

impl Stores {
    #[cached(ttl = 1h, skip(self))]
    async fn name(&self, id: u64) -> String {
        format!("store {id}")
    }
}

#[test]
fn methods_of_one_name_on_two_types_share_nothing() {
    alone(async {
        assert_eq!(Shops.name(1).await, "shop 1");
        assert_eq!(Stores.name(1).await, "store 1");
    });
}

trait Named {
    fn title(&self, id: u64) -> impl Future<Output = String> + Send;
}

impl Named for Shops {
    #[cached(ttl = 1h, skip(self))]
    async fn title(&self, id: u64) -> String {
        format!("shop {id}")
    }
}

impl Named for Stores {
    #[cached(ttl = 1h, skip(self))]
    async fn title(&self, id: u64) -> String {
        format!("store {id}")
    }
}

#[test]
fn two_implementations_of_a_trait_share_nothing() {
    alone(async {
        assert_eq!(Shops.title(1).await, "shop 1");
        assert_eq!(Stores.title(1).await, "store 1");
    });
}

#[cached(ttl = 1h, tiers = memory)]
async fn type_name_of<T: CacheKey + Clone + Send + Sync + 'static>(value: T) -> &'static str {
    std::any::type_name::<T>()
}

struct Repository<T>(std::marker::PhantomData<fn() -> T>);

impl<T: 'static> Repository<T> {
    #[cached(ttl = 1h, tiers = memory)]
    async fn kind(id: u64) -> &'static str {
        std::any::type_name::<T>()
    }
}

#[cached(ttl = 1h)]
async fn length<const N: usize>(seed: u64) -> usize {
    N
}

#[test]
fn instantiations_of_generics_share_nothing() {
    alone(async {
        assert_eq!(type_name_of(1_u8).await, "u8");
        assert_eq!(type_name_of(1_u64).await, "u64");
        assert_eq!(Repository::<u8>::kind(1).await, "u8");
        assert_eq!(Repository::<String>::kind(1).await, "alloc::string::String");
        assert_eq!((length::<1>(7).await, length::<2>(7).await), (1, 2));
    });
}

#[cached(ttl = 1h)]
async fn joined(
    left: &str,
    right: String,
    list: &[&str],
    cow: Cow<'_, str>,
    maybe: Option<&str>,
) -> String {
    format!("{left}|{right}|{list:?}|{cow}|{maybe:?}")
}

#[test]
fn parts_that_read_alike_when_joined_share_nothing() {
    alone(async {
        type Arguments = (
            &'static str,
            &'static str,
            &'static [&'static str],
            &'static str,
            Option<&'static str>,
        );
        let calls: [Arguments; 8] = [
            ("a:b", "c", &[], "", None),
            ("a", "b:c", &[], "", None),
            ("a", "b", &["c"], "", None),
            ("a", "b", &[], "c", None),
            ("a", "b", &[], "", Some("c")),
            ("a", "b", &["c", "d"], "", None),
            ("a", "b", &["c,d"], "", None),
            ("a", "b", &[], "", Some("")),
        ];
        for (left, right, list, cow, maybe) in calls {
            let got = joined(left, right.to_owned(), list, Cow::Borrowed(cow), maybe).await;
            assert_eq!(got, format!("{left}|{right}|{list:?}|{cow}|{maybe:?}"));
        }
        assert_eq!(Cache::current().stats().entries, 8);
    });
}

/// Says nothing of whom it holds, as a type with a secret should.
#[derive(Clone, CacheKey)]
struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

#[cached(ttl = 1h)]
async fn owner(token: Token) -> String {
    token.0
}

#[test]
fn a_debug_that_hides_a_secret_merges_nobody() {
    alone(async {
        assert_eq!(owner(Token("ada".into())).await, "ada");
        assert_eq!(owner(Token("bob".into())).await, "bob");
    });
}

#[cached(ttl = 1h, key = "user:{tenant}:{id}")]
async fn by_text(tenant: &str, id: u64, trace: &str) -> String {
    format!("{tenant} {id} {trace}")
}

#[cached(ttl = 1h, key = (id, name.len()))]
async fn by_tuple(id: u64, name: String) -> String {
    format!("{id} {name}")
}

#[cached(ttl = 1h, key = id / 10)]
async fn by_expression(id: u64) -> u64 {
    id
}

#[cached(ttl = 1h, skip(log))]
async fn without_log(id: u64, log: &[f64]) -> usize {
    log.len()
}

#[test]
fn the_key_is_what_the_options_say() {
    alone(async {
        assert_eq!(by_text("a", 1, "first").await, "a 1 first");
        assert_eq!(by_text("a", 1, "second").await, "a 1 first");
        assert_eq!(
            by_text("a", 1, "third").explain().await.unwrap().key,
            "user:a:1"
        );
        assert_eq!(
            by_text("a:1", 1, "").explain().await.unwrap().key,
            "user:a%3A1:1"
        );
        assert_eq!(by_tuple(1, "ada".into()).await, "1 ada");
        assert_eq!(by_tuple(1, "bob".into()).await, "1 ada");
        assert_eq!(by_tuple(1, "jo".into()).explain().await.unwrap().key, "1:2");
        assert_eq!((by_expression(10).await, by_expression(19).await), (10, 10));
        assert_eq!(
            (without_log(1, &[]).await, without_log(1, &[0.5]).await),
            (0, 0)
        );
    });
}

#[cached(ttl = 1h, name = "shop::price", version = 3)]
async fn price(id: u64) -> u64 {
    id
}

#[test]
fn name_and_version_are_what_a_function_is_called() {
    alone(async {
        price(1).await;
        assert_eq!(Cache::current().stats().functions[0].name, "shop::price@3");
    });
}

#[cached(ttl = 1h)]
async fn returns_nothing(id: u64) {}

#[test]
fn a_function_without_a_value_is_cached_too() {
    alone(async {
        returns_nothing(1).await;
        returns_nothing(1).await;
        assert_eq!(Cache::current().stats().functions[0].hits, 1);
    });
}
