//! Lifetimes that are named, bounded, several, anonymous, higher-ranked, or of the type around a method.
#![deny(warnings, clippy::pedantic)]

use std::borrow::Cow;

use cache_core::{CacheKey, CachedCall, cached};
use tests::Runs;

static RUNS: Runs = Runs::new();

#[cached(ttl = 1h)]
async fn two<'a, 'b: 'a>(one: &'a str, other: &'b str, third: Cow<'a, str>) -> String {
    RUNS.add();
    let longer: &'a str = if other.len() > one.len() { other } else { one };
    format!("{longer}{third}")
}

#[cached(ttl = 1h)]
async fn outlived<'a, T>(value: &'a T) -> String
where
    T: CacheKey + AsRef<[&'a str]> + Sync + 'a,
{
    RUNS.add();
    value.as_ref().concat()
}

#[derive(Clone, Copy, CacheKey)]
struct Name<'a>(&'a str);

#[cached(ttl = 1h)]
async fn anonymous(name: Name<'_>, names: &[Name<'_>]) -> usize {
    RUNS.add();
    name.0.len() + names.len()
}

#[cached(ttl = 1h, skip(find))]
async fn higher_ranked<F>(find: F, text: &str) -> String
where
    F: for<'a> Fn(&'a str) -> &'a str + Send,
{
    RUNS.add();
    find(text).to_owned()
}

#[cached(ttl = 1h)]
async fn always(text: &'static str, list: &'static [u64], id: u64) -> String {
    RUNS.add();
    let kept: (&'static str, &'static [u64]) = (text, list);
    format!("{}{}{id}", kept.0, kept.1.len())
}

struct Store<'a, 'b> {
    name: &'a str,
    names: &'b [&'a str],
}

impl<'a> Store<'a, '_> {
    #[cached(ttl = 1h, key = (self.name, id))]
    async fn first(&self, id: u64) -> String {
        RUNS.add();
        let names: [&'a str; 2] = [self.name, self.names.first().copied().unwrap_or_default()];
        format!("{}{id}", names.concat())
    }

    #[cached(ttl = 1h, key = (self.name, other))]
    async fn joined<'s, 'o>(&'s self, other: &'o str) -> String
    where
        'o: 's,
    {
        RUNS.add();
        format!("{}{other}", self.name)
    }
}

async fn of_local() -> (String, Option<String>) {
    let text = String::from("c");
    let called = two("a", &text, "d".into()).await;
    (called, two("a", &text, "d".into()).peek().await)
}

#[tokio::main]
pub(crate) async fn main() {
    let text = String::from("bb");
    for _ in 0..2 {
        assert_eq!(two("a", &text, "c".into()).await, "bbc");
        assert_eq!(of_local().await, ("ad".to_owned(), Some("ad".to_owned())));
        assert_eq!(outlived(&["a", &text]).await, "abb");
        assert_eq!(anonymous(Name(&text), &[Name("a")]).await, 3);
        assert_eq!(higher_ranked(str::trim, " a ").await, "a");
        assert_eq!(always("a", &[1], 1).await, "a11");
        let store = Store {
            name: "shop",
            names: &[&text],
        };
        assert_eq!(store.first(1).await, "shopbb1");
        assert_eq!(store.joined(&text).await, "shopbb");
    }
    assert_eq!(RUNS.take(), 8);
}
