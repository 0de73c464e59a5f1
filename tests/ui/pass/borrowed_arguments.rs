//! Arguments that borrow: text, slices, slices of text, options of text, `Cow`, and `&mut`.
#![deny(warnings, clippy::pedantic)]

use std::{borrow::Cow, path::Path, sync::Arc};

use cache_core::cached;
use tests::Runs;

static RUNS: Runs = Runs::new();

#[cached(ttl = 1h)]
async fn text(text: &str) -> usize {
    RUNS.add();
    text.len()
}

#[cached(ttl = 1h)]
async fn slice(items: &[u64]) -> u64 {
    RUNS.add();
    items.iter().sum()
}

#[cached(ttl = 1h)]
async fn array(items: &[u8; 2]) -> u8 {
    RUNS.add();
    let [first, second] = items;
    first + second
}

#[cached(ttl = 1h)]
async fn maybe(text: Option<&str>) -> Option<usize> {
    RUNS.add();
    text.map(str::len)
}

#[cached(ttl = 1h)]
async fn maybe_list(list: Option<&[String]>) -> usize {
    RUNS.add();
    list.map_or(0, <[_]>::len)
}

#[cached(ttl = 1h)]
async fn texts(texts: &[&str], more: (&str, &[u8])) -> usize {
    RUNS.add();
    texts.len() + more.0.len() + more.1.len()
}

#[cached(ttl = 1h)]
async fn cow(text: Cow<'_, str>) -> String {
    RUNS.add();
    text.into_owned()
}

#[cached(ttl = 1h)]
async fn cow_of_slice(items: Cow<'_, [u64]>) -> Vec<u64> {
    RUNS.add();
    let mut items = items.into_owned();
    items.sort_unstable();
    items
}

#[cached(ttl = 1h)]
async fn shared(text: &Arc<str>, list: &Vec<String>, other: &&str) -> usize {
    RUNS.add();
    text.len() + list.len() + other.len()
}

#[cached(ttl = 1h, key = path.to_string_lossy())]
async fn path(path: &Path) -> bool {
    RUNS.add();
    path.is_absolute()
}

#[cached(ttl = 1h)]
async fn mutable(n: &mut u64) -> u64 {
    RUNS.add();
    *n += 1;
    *n
}

#[tokio::main]
pub(crate) async fn main() {
    for _ in 0..2 {
        assert_eq!(text("Ada").await, 3);
        assert_eq!(slice(&[1, 2, 3]).await, 6);
        assert_eq!(array(&[1, 2]).await, 3);
        assert_eq!(maybe(Some("Ada")).await, Some(3));
        assert_eq!(maybe(None).await, None);
        assert_eq!(maybe_list(Some(&["Ada".to_owned()])).await, 1);
        assert_eq!(texts(&["a", "b"], ("c", b"d")).await, 4);
        assert_eq!(cow(Cow::Borrowed("Ada")).await, "Ada");
        assert_eq!(cow(Cow::Owned("Ada".to_owned())).await, "Ada");
        assert_eq!(cow_of_slice(Cow::Borrowed(&[2, 1])).await, [1, 2]);
        assert_eq!(shared(&"Ada".into(), &vec!["a".to_owned()], &"b").await, 5);
        assert!(!path(Path::new("a")).await);
        assert_eq!(mutable(&mut 1).await, 2);
    }
    assert_eq!(
        RUNS.take(),
        12,
        "what is borrowed and what is owned is one key"
    );
}
