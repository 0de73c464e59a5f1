//! Functions by what they take.

use std::{
    borrow::Cow,
    fmt::{Debug, Display},
};

use cache_core::{CacheKey, CachedCall, cached};
use serde::{Serialize, de::DeserializeOwned};
use tests::on_both_runtimes;

use super::answers_every_handle;

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
    async fn shape(
        text: &str,
        list: &[&str],
        maybe: Option<&str>,
        cow: Cow<'_, str>,
        numbers: &[u64],
    ) -> String {
        format!("{text}{list:?}{maybe:?}{cow}{numbers:?}")
    }
    let text = String::from("a");
    let list = [text.as_str(), "b"];
    answers_every_handle(
        || shape(&text, &list, Some(&text), Cow::Borrowed(&text), &[1]),
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
