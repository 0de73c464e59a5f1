//! A function that calls itself, or another that calls it back, through a function that boxes the call.
#![deny(warnings, clippy::pedantic)]

use std::pin::Pin;

use cache_core::cached;
use tests::Runs;

static RUNS: Runs = Runs::new();

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[cached(ttl = 1h)]
async fn factorial(n: u64) -> u64 {
    fn again(n: u64) -> Boxed<'static, u64> {
        Box::pin(factorial(n))
    }

    RUNS.add();
    if n == 0 { 1 } else { n * again(n - 1).await }
}

#[cached(ttl = 1h)]
async fn fibonacci(n: u64) -> Result<u64, String> {
    fn again(n: u64) -> Boxed<'static, Result<u64, String>> {
        Box::pin(fibonacci(n))
    }

    RUNS.add();
    Ok(match n {
        0 | 1 => n,
        _ => again(n - 1).await? + again(n - 2).await?,
    })
}

#[cached(ttl = 1h)]
async fn is_even(n: u64) -> bool {
    fn odd(n: u64) -> Boxed<'static, bool> {
        Box::pin(is_odd(n))
    }

    RUNS.add();
    n == 0 || odd(n - 1).await
}

#[cached(ttl = 1h)]
async fn is_odd(n: u64) -> bool {
    RUNS.add();
    n != 0 && is_even(n - 1).await
}

#[cached(ttl = 1h)]
async fn of_text(text: &str) -> usize {
    fn again(text: &str) -> Boxed<'_, usize> {
        Box::pin(of_text(text))
    }

    RUNS.add();
    match text.split_at_checked(1) {
        Some((_, rest)) => 1 + again(rest).await,
        None => 0,
    }
}

struct Tree {
    children: Vec<Tree>,
    id: u64,
}

impl Tree {
    fn boxed(&self) -> Boxed<'_, u64> {
        Box::pin(self.sum())
    }

    #[cached(ttl = 1h, key = self.id)]
    async fn sum(&self) -> u64 {
        RUNS.add();
        let mut sum = self.id;
        for child in &self.children {
            sum += child.boxed().await;
        }
        sum
    }
}

#[tokio::main]
pub(crate) async fn main() {
    for _ in 0..2 {
        assert_eq!(factorial(5).await, 120);
        assert_eq!(fibonacci(50).await, Ok(12_586_269_025));
        assert!(is_even(6).await);
        assert_eq!(of_text("Ada").await, 3);
        let leaves = [1, 2].map(|id| Tree {
            children: Vec::new(),
            id,
        });
        assert_eq!(
            Tree {
                children: leaves.into(),
                id: 3
            }
            .sum()
            .await,
            6
        );
    }
    assert_eq!(RUNS.take(), 6 + 51 + 7 + 4 + 3);
}
