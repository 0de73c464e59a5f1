//! What can be a part of a key, and what `derive(CacheKey)` takes.
#![deny(warnings, clippy::pedantic)]

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    marker::PhantomData,
    sync::Arc,
};

use cache_core::{CacheKey, cached};

#[derive(CacheKey)]
struct Order<'a, T: Copy, const N: usize> {
    tenant: &'a str,
    items: [T; N],
    kind: PhantomData<u8>,
}

#[derive(Clone, CacheKey)]
struct UserId(u64);

#[derive(CacheKey)]
struct Unit;

#[derive(Clone, CacheKey)]
enum Page {
    All,
    Number(u32),
    Between { from: u32, r#to: u32 },
}

#[derive(CacheKey)]
enum Never {}

#[cached(ttl = 1h)]
async fn order(order: &Order<'_, u64, 2>) -> String {
    format!("{}{:?}{:?}", order.tenant, order.items, order.kind)
}

#[cached(ttl = 1h)]
async fn page(user: UserId, page: &Page, _unit: Unit) -> u64 {
    match page {
        Page::All => user.0,
        Page::Number(number) => u64::from(*number),
        Page::Between { from, to } => u64::from(from * to),
    }
}

#[cached(ttl = 1h)]
async fn standard(
    map: BTreeMap<String, Vec<u8>>,
    set: &BTreeSet<char>,
    texts: (Arc<str>, Box<str>, Cow<'static, str>),
    never: Option<Never>,
) -> usize {
    map.len()
        + set.len()
        + texts.0.len()
        + texts.1.len()
        + texts.2.len()
        + usize::from(never.is_some())
}

async fn calls(n: u64) {
    let items = Order {
        tenant: "a",
        items: [n, 2],
        kind: PhantomData,
    };
    assert_eq!(order(&items).await, format!("a[{n}, 2]PhantomData<u8>"));
    assert_eq!(page(UserId(n), &Page::All, Unit).await, n);
    assert_eq!(page(UserId(n), &Page::Number(3), Unit).await, 3);
    let between = Page::Between { from: 3, to: 4 };
    assert_eq!(page(UserId(n), &between, Unit).await, 12);
    let map = BTreeMap::from([(n.to_string(), Vec::new())]);
    let texts = ("a".into(), "b".into(), "c".into());
    assert_eq!(standard(map, &BTreeSet::new(), texts, None).await, 4);
}

#[tokio::main]
pub(crate) async fn main() {
    assert_eq!(tests::loads_by_key(calls).await, [5, 0, 5]);
}
