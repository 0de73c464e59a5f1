//! What happens when 1,000 callers miss at once? One load runs, and it outlives the caller who
//! started it.

use std::time::Duration;

use cache_core::{Cache, cached};
use tokio::{task::JoinSet, time::sleep};

#[cached(ttl = 5m)]
async fn report(month: u32) -> String {
    sleep(Duration::from_millis(100)).await;
    format!("the report of month {month}")
}

#[tokio::main]
async fn main() {
    let first = tokio::spawn(report(1));
    sleep(Duration::from_millis(20)).await;

    let mut callers = JoinSet::new();
    for _ in 0..1000 {
        callers.spawn(report(1));
    }
    sleep(Duration::from_millis(20)).await;
    // The first caller hangs up; the 1,000 others lose nothing.
    first.abort();

    for answer in callers.join_all().await {
        assert_eq!(answer, "the report of month 1");
    }
    let stats = Cache::current().stats();
    let report = stats.function("report").expect("it was called");
    assert_eq!(report.loads, 1, "1,001 calls, one load");
    assert_eq!(report.shared_loads, 1000, "whose answer all others got");
    println!("{stats}");
}
