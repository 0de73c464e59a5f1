//! `?`, early returns, labelled breaks, items, shadowed names, macros and inner attributes.
#![deny(warnings)]

use std::num::ParseIntError;

use cache_core::cached;

#[cached(ttl = 1h)]
async fn asked(text: &str) -> Result<u64, ParseIntError> {
    let number: u64 = text.parse()?;
    Ok(number + 1)
}

#[cached(ttl = 1h)]
async fn asked_of_option(items: &[u64]) -> Option<u64> {
    let first = items.first()?;
    Some(first + 1)
}

#[cached(ttl = 1h)]
async fn early(n: u64) -> u64 {
    if n == 0 {
        return 100;
    }
    for m in 0.. {
        if m * m >= n {
            return m;
        }
    }
    unreachable!()
}

#[cached(ttl = 1h)]
async fn labelled(n: u64) -> u64 {
    let found = 'outer: loop {
        for a in 1.. {
            for b in 1..a {
                if a * b > n {
                    break 'outer a * 10 + b;
                }
            }
        }
    };
    'block: {
        if n > 100 {
            break 'block 0;
        }
        found
    }
}

#[cached(ttl = 1h)]
async fn items(n: u64) -> u64 {
    use std::collections::BTreeMap;

    const STEP: u64 = 2;

    #[derive(Default)]
    struct Sum {
        by_step: BTreeMap<u64, u64>,
    }

    impl Sum {
        fn add(&mut self, n: u64) {
            *self.by_step.entry(n % STEP).or_default() += n;
        }
    }

    fn total(sum: &Sum) -> u64 {
        sum.by_step.values().sum()
    }

    macro_rules! twice {
        ($n:expr) => {
            $n * 2
        };
    }

    let mut sum = Sum::default();
    for n in 0..n {
        sum.add(n);
    }
    twice!(total(&sum))
}

#[cached(ttl = 1h)]
async fn shadowed(n: u64) -> u64 {
    struct Result(u64);
    enum Option {
        Some(u64),
    }
    #[allow(non_snake_case)]
    fn Ok(n: u64) -> Option {
        Option::Some(n)
    }
    let Option::Some(m) = Ok(n);
    let core = Result(m + 1);
    core.0
}

#[cached(ttl = 1h)]
async fn awaited(n: u64) -> u64 {
    #![allow(clippy::let_and_return)]

    tokio::task::yield_now().await;
    let doubled = async { n * 2 }.await;
    doubled
}

#[cached(ttl = 1h)]
async fn empty() {}

#[cached(ttl = 1h)]
async fn diverges(n: u64) -> u64 {
    loop {
        if n > 0 {
            break n;
        }
        panic!("zero");
    }
}

#[cached(ttl = 1h)]
async fn unfinished(_n: u64) -> u64 {
    unimplemented!()
}

#[tokio::main]
async fn main() {
    for _ in 0..2 {
        assert_eq!(asked("7").await, Ok(8));
        assert!(asked("x").await.is_err());
        assert_eq!(asked_of_option(&[7]).await, Some(8));
        assert_eq!(asked_of_option(&[]).await, None);
        assert_eq!(early(0).await, 100);
        assert_eq!(early(9).await, 3);
        assert_eq!(labelled(5).await, 32);
        assert_eq!(items(4).await, 12);
        assert_eq!(shadowed(1).await, 2);
        assert_eq!(awaited(2).await, 4);
        empty().await;
        assert_eq!(diverges(7).await, 7);
    }
    drop(unfinished(1));
}
