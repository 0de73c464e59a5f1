//! The call as its own handle, on a function of each shape.
#![allow(
    clippy::unwrap_used,
    reason = "a call that is no handle is a test that fails"
)]

use std::{
    borrow::Cow,
    error::Error,
    fmt::{Debug, Display},
    pin::Pin,
    sync::Arc,
};

use cache_core::{Cache, CacheKey, CachedCall, Miss, Source, cached};
use futures::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};
use tests::{on_both_runtimes, until, until_loads};
use tracing::instrument;

/// Asks a call everything, in a cache that has nothing of it. `put` makes another output than the body.
fn answers_every_handle<T, F>(call: impl Fn() -> F, put: impl Fn() -> T)
where
    T: Debug + Send + 'static,
    F: Future<Output = T>,
{
    on_both_runtimes(|cache| answers_in(cache, &call, &put));
}

async fn answers_in<T, F>(cache: Cache, call: &impl Fn() -> F, put: &impl Fn() -> T)
where
    T: Debug + Send + 'static,
    F: Future<Output = T>,
{
    assert!(call().peek().await.is_none(), "nothing was kept");
    let loaded = said(&call().bypass().await.unwrap());
    assert!(call().peek().await.is_none(), "a bypass keeps nothing");
    until_loads(&cache, 1).await;

    call().put(put()).await.unwrap();
    assert_eq!(call().peek().await.map(|it| said(&it)), Some(said(&put())));
    assert_eq!(said(&call().await), said(&put()));

    assert_eq!(said(&call().refresh().await.unwrap()), loaded);
    assert_eq!(
        call().peek().await.map(|it| said(&it)),
        Some(loaded.clone())
    );
    until_loads(&cache, 2).await;

    call().evict().await.unwrap();
    assert!(call().peek().await.is_none(), "it was evicted");
    call().prefetch().await.unwrap();
    until("the prefetch is kept", || cache.stats().entries == 1).await;
    assert_eq!(said(&call().await), loaded);
    call().prefetch().await.unwrap();
    until_loads(&cache, 3).await;

    explains_in(&cache, call, &loaded).await;
}

async fn explains_in<T, F>(cache: &Cache, call: &impl Fn() -> F, loaded: &str)
where
    T: Debug + 'static,
    F: Future<Output = T>,
{
    let memory = call().explain().await.unwrap();
    assert_eq!((memory.source, memory.miss), (Source::Memory, None));
    assert_eq!(said(&memory.value), loaded);
    assert!(memory.time_left.is_some());
    call().evict().await.unwrap();
    let load = call().explain().await.unwrap();
    assert_eq!((load.source, load.miss), (Source::Load, Some(Miss::Absent)));
    assert_eq!((load.function, load.key), (memory.function, memory.key));
    until_loads(cache, 4).await;
}

/// Some outputs can be shown and not compared.
fn said(output: &impl Debug) -> String {
    format!("{output:?}")
}

#[test]
fn a_call_with_owned_arguments_is_a_handle() {
    #[cached(ttl = 1h)]
    async fn shape(text: String, mut n: u64) -> String {
        n += 1;
        text + &n.to_string()
    }
    answers_every_handle(|| shape("a".to_owned(), 1), || "put".to_owned());
}

#[test]
fn a_call_with_borrowed_arguments_is_a_handle() {
    #[cached(ttl = 1h)]
    async fn shape(text: &str, list: &[&str], maybe: Option<&str>, cow: Cow<'_, str>) -> String {
        format!("{text}{list:?}{maybe:?}{cow}")
    }
    let text = String::from("a");
    let list = [text.as_str(), "b"];
    answers_every_handle(
        || shape(&text, &list, Some(&text), Cow::Borrowed(&text)),
        || "put".to_owned(),
    );
}

#[test]
fn a_call_with_skipped_arguments_is_a_handle() {
    #[cached(ttl = 1h, skip(shown, load))]
    async fn shape(shown: &(dyn Display + Sync), load: fn(u64) -> u64, id: u64) -> String {
        format!("{shown}{}", load(id))
    }
    answers_every_handle(|| shape(&"a", |id| id + 1, 1), || "put".to_owned());
}

#[test]
fn a_call_with_patterns_for_arguments_is_a_handle() {
    #[cached(ttl = 1h)]
    async fn shape((a, _): (u64, u64), [b, ..]: [u64; 2], _unused: &str) -> u64 {
        a + b
    }
    answers_every_handle(|| shape((1, 2), [3, 4], "a"), || 70);
}

#[test]
fn a_call_with_opaque_arguments_is_a_handle() {
    #[cached(ttl = 1h, key = (name.as_ref(), id))]
    async fn shape(
        name: impl AsRef<str> + Send,
        id: impl CacheKey + Display + Send + Sync,
    ) -> String {
        format!("{}{id}", name.as_ref())
    }
    answers_every_handle(|| shape("a", 1), || "put".to_owned());
}

#[test]
fn a_call_with_named_lifetimes_is_a_handle() {
    #[cached(ttl = 1h)]
    async fn shape<'a, 'b: 'a>(one: &'a str, other: &'b str) -> String {
        let longer: &'a str = if other.len() > one.len() { other } else { one };
        longer.to_owned()
    }
    let text = String::from("ab");
    answers_every_handle(|| shape("a", &text), || "put".to_owned());
}

#[cached(ttl = 1h)]
async fn generic<T, const N: usize>(items: [T; N]) -> Vec<T>
where
    T: CacheKey + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    items.into()
}

#[test]
fn a_call_of_a_generic_function_is_a_handle() {
    answers_every_handle(|| generic([1_u8, 2]), Vec::new);
    answers_every_handle(|| generic(["a".to_owned()]), Vec::new);
}

#[test]
fn a_handle_of_one_instantiation_leaves_the_others_alone() {
    on_both_runtimes(|_| async {
        generic([1_u8]).put(vec![7]).await.unwrap();
        assert_eq!(generic([1_u16]).peek().await, None);
        assert_eq!(generic([1_u8, 1]).peek().await, None);
        generic([1_u16]).evict().await.unwrap();
        assert_eq!(generic([1_u8]).peek().await, Some(vec![7]));
    });
}

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

#[test]
fn a_call_is_a_handle_whatever_layers_it_returns() {
    #[cached(ttl = 1h)]
    async fn nothing(_id: u64) {}
    #[cached(ttl = 1h)]
    async fn optional(id: u64) -> Option<u64> {
        (id > 0).then_some(id)
    }
    #[cached(ttl = 1h)]
    async fn fallible(id: u64) -> Result<Option<u64>, String> {
        Ok((id > 0).then_some(id))
    }
    #[cached(ttl = 1h)]
    async fn turned_round(id: u64) -> Option<Result<u64, String>> {
        (id > 0).then_some(Err("no".to_owned()))
    }
    answers_every_handle(|| nothing(1), || ());
    answers_every_handle(|| optional(0), || Some(70));
    answers_every_handle(|| optional(1), || None);
    answers_every_handle(|| fallible(1), || Ok(Some(70)));
    answers_every_handle(|| fallible(1), || Ok(None));
    answers_every_handle(|| turned_round(1), || Some(Ok(70)));
}

#[test]
fn a_call_is_a_handle_whatever_its_error_is() {
    #[cached(ttl = 1h)]
    async fn boxed(text: &str) -> Result<u64, Box<dyn Error + Send + Sync>> {
        Ok(text.parse()?)
    }
    #[cached(ttl = 1h)]
    async fn by_anyhow(text: &str) -> anyhow::Result<u64> {
        Ok(text.parse()?)
    }
    answers_every_handle(|| boxed("1"), || Ok(70));
    answers_every_handle(|| by_anyhow("1"), || Ok(70));
    on_both_runtimes(|_| async {
        by_anyhow("1").put(Ok(70)).await.unwrap();
        by_anyhow("1")
            .put(Err(anyhow::anyhow!("no")))
            .await
            .unwrap();
        assert_eq!(by_anyhow("1").await.unwrap(), 70, "no error is kept");
        assert!(by_anyhow("x").refresh().await.unwrap().is_err());
        assert!(by_anyhow("x").peek().await.is_none());
    });
}

#[test]
fn a_call_is_a_handle_where_its_value_stays_in_memory() {
    #[derive(Clone, Debug)]
    struct Opaque(#[expect(dead_code, reason = "it is shown")] u64);

    #[cached(ttl = |_| std::time::Duration::from_hours(1), tiers = memory, key = ())]
    async fn shape(id: u64) -> Opaque {
        Opaque(id)
    }
    answers_every_handle(|| shape(1), || Opaque(70));
}

#[test]
fn a_call_of_what_a_macro_wrote_is_a_handle() {
    macro_rules! getter {
        ($name:ident($argument:ident: $ty:ty) -> $output:ty, $ttl:tt, $body:block) => {
            #[cached(ttl = $ttl)]
            async fn $name($argument: $ty) -> $output $body
        };
    }
    getter!(shape(text: &str) -> usize, 1h, { text.len() });
    answers_every_handle(|| shape("a"), || 70);
}

#[test]
fn a_call_of_a_function_inside_another_is_a_handle() {
    async fn outer(id: u64) -> u64 {
        #[cached(ttl = 1h)]
        async fn shape(id: u64) -> u64 {
            id
        }
        shape(id).await
    }
    answers_every_handle(|| outer(1), || 70);
}

#[test]
fn a_call_of_a_function_that_calls_itself_is_a_handle() {
    #[cached(ttl = 1h)]
    async fn shape(is_first: bool) -> u64 {
        fn again() -> BoxFuture<'static, u64> {
            Box::pin(shape(true))
        }
        if is_first {
            1
        } else {
            1 + again().bypass().await.unwrap()
        }
    }
    answers_every_handle(|| shape(true), || 70);
    on_both_runtimes(|_| async {
        assert_eq!(shape(false).refresh().await.unwrap(), 2);
        assert_eq!(shape(true).peek().await, None);
    });
}

#[test]
fn a_call_in_a_span_of_its_own_is_a_handle() {
    #[instrument]
    #[cached(ttl = 1h)]
    async fn above(id: u64) -> u64 {
        id
    }
    #[cached(ttl = 1h)]
    #[instrument(skip_all, fields(id))]
    async fn below(id: u64) -> u64 {
        id
    }
    answers_every_handle(|| above(1), || 70);
    answers_every_handle(|| below(1), || 70);
}

#[test]
fn a_call_that_is_boxed_or_passed_on_is_a_handle() {
    #[cached(ttl = 1h)]
    async fn shape(id: u64) -> u64 {
        id
    }
    async fn passes_on(id: u64) -> u64 {
        shape(id).await
    }
    fn boxed(id: u64) -> BoxFuture<'static, u64> {
        Box::pin(shape(id))
    }
    answers_every_handle(|| passes_on(1), || 70);
    answers_every_handle(|| boxed(2), || 70);
    answers_every_handle(|| async { boxed(3).await }, || 70);
}
