//! Arguments that the body takes over: moved, changed, large, or none.
#![deny(warnings, clippy::pedantic)]

use std::sync::Arc;

use cache_core::cached;
use tests::Runs;

static RUNS: Runs = Runs::new();

#[cached(ttl = 1h)]
async fn moved(tenant: String, ids: Vec<u64>) -> (String, Vec<u64>) {
    RUNS.add();
    let (kept, given) = (tenant, ids);
    (kept, given)
}

#[cached(ttl = 1h)]
async fn moved_into_a_task(text: String) -> usize {
    RUNS.add();
    tokio::spawn(async move { text.len() })
        .await
        .unwrap_or_default()
}

#[cached(ttl = 1h)]
async fn changed(mut text: String, mut n: u64) -> String {
    RUNS.add();
    n += 1;
    text.push_str(&n.to_string());
    text
}

#[cached(ttl = 1h)]
async fn boxed(text: Box<str>, list: Arc<[u64]>) -> usize {
    RUNS.add();
    text.into_string().len() + list.len()
}

#[cached(ttl = 1h)]
#[expect(clippy::large_types_passed_by_value)]
async fn large_argument(bytes: [u8; 4096]) -> usize {
    RUNS.add();
    tokio::task::yield_now().await;
    bytes.iter().map(|byte| usize::from(*byte)).sum()
}

#[cached(ttl = 1h, tiers = memory)]
async fn large_value(byte: u8) -> [u8; 8192] {
    RUNS.add();
    [byte; 8192]
}

#[cached(ttl = 1h)]
async fn large_on_the_heap(len: usize) -> Vec<u8> {
    RUNS.add();
    vec![7; len]
}

#[cached(ttl = 1h)]
async fn nothing() -> Arc<str> {
    RUNS.add();
    "nothing".into()
}

#[cached(ttl = 1h, tiers = memory)]
async fn constant(id: u64) -> &'static str {
    RUNS.add();
    if id == 7 { "Ada" } else { "Grace" }
}

#[tokio::main]
pub(crate) async fn main() {
    for _ in 0..2 {
        assert_eq!(
            moved("a".to_owned(), vec![7]).await,
            ("a".to_owned(), vec![7])
        );
        assert_eq!(moved_into_a_task("Ada".to_owned()).await, 3);
        assert_eq!(changed("a".to_owned(), 7).await, "a8");
        assert_eq!(boxed("Ada".into(), [1, 2].into()).await, 5);
        assert_eq!(large_argument([1; 4096]).await, 4096);
        assert_eq!(large_value(7).await, [7; 8192]);
        assert_eq!(large_on_the_heap(1 << 20).await.len(), 1 << 20);
        assert_eq!(&*nothing().await, "nothing");
        assert_eq!(constant(7).await, "Ada");
    }
    assert_eq!(RUNS.take(), 9);
}
