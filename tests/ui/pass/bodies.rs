//! Ways out of a body and ways to wait in it: `?`, `return`, labels, loops, closures, async blocks.
#![deny(warnings, clippy::pedantic)]

use std::num::ParseIntError;

use cache_core::cached;
use tests::loads_by_key;

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
async fn early_with_nothing(n: u64) {
    if n == 0 {
        return;
    }
    assert!(n > 0);
}

#[cached(ttl = 1h)]
async fn early_from_a_closure(items: Vec<u64>) -> Option<u64> {
    let add = |n: u64| -> Option<u64> {
        let n = n.checked_add(1)?;
        if n > 9 {
            return None;
        }
        Some(n)
    };
    let later = async move |n: u64| add(n);
    let mut sum = 0;
    for item in items {
        sum += later(item).await?;
    }
    Some(sum)
}

#[cached(ttl = 1h)]
async fn early_from_a_block(text: String) -> Option<u64> {
    let parsed = async {
        let number: u64 = text.parse()?;
        if number == 0 {
            return Ok(1);
        }
        Ok::<_, ParseIntError>(number)
    };
    parsed.await.ok()
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
async fn popped(mut stack: Vec<u64>) -> u64 {
    let mut sum = 0;
    'all: while let Some(top) = stack.pop() {
        for n in 0..top {
            if n == 3 {
                continue 'all;
            }
            sum += n;
        }
    }
    sum
}

#[cached(ttl = 1h)]
async fn let_else(text: &str) -> Result<u64, String> {
    let Ok(number) = text.parse::<u64>() else {
        return Err(format!("`{text}` is no number"));
    };
    let Some(less) = number.checked_sub(1) else {
        return Ok(0);
    };
    Ok(less)
}

#[cached(ttl = 1h)]
async fn let_chain(text: Option<String>) -> usize {
    if let Some(text) = &text
        && let [first, ..] = text.as_bytes()
        && first.is_ascii()
    {
        return text.len();
    }
    match text {
        Some(text) if text.is_empty() => 0,
        _ => 1,
    }
}

#[cached(ttl = 1h)]
async fn macros(n: u64) -> String {
    assert!(n > 0, "{n} is zero");
    let list = vec![n; 2];
    let text = format!("{n}{:?}{}", list, stringify!(self));
    assert!(matches!(list.as_slice(), [a, b] if a == b));
    let (doubled, text) = tokio::join!(async { n * 2 }, async { text });
    format!("{text}{doubled}")
}

#[cached(ttl = 1h)]
async fn macro_of_items(n: u64) -> u64 {
    thread_local! {
        static ONE: u64 = const { 1 };
    }
    ONE.with(|one| one + n)
}

#[cached(ttl = 1h)]
async fn attribute_first(n: u64) -> u64 {
    #[allow(unused_variables)]
    let unused = 1;
    n
}

#[cached(ttl = 1h)]
async fn block_first(n: u64) -> u64 {
    async {
        assert!(n > 0);
    }
    .await;
    n
}

#[cached(ttl = 1h)]
async fn awaited(n: u64) -> u64 {
    let once = tokio::sync::Mutex::new(n);
    tokio::task::yield_now().await;
    let doubled = async { *once.lock().await * 2 }.await;
    *once.lock().await += doubled;
    once.into_inner()
}

#[cached(ttl = 1h)]
async fn diverges(n: u64) -> u64 {
    let mut tries = 0;
    loop {
        tries += 1;
        if tries > n {
            break tries;
        }
        assert!(n < 10, "too large");
    }
}

#[cached(ttl = 1h)]
async fn unfinished(_n: u64) -> u64 {
    unreachable!("it is not called")
}

async fn every_way() {
    assert_eq!(asked("7").await, Ok(8));
    assert!(asked("x").await.is_err());
    assert_eq!(asked_of_option(&[7]).await, Some(8));
    assert_eq!(asked_of_option(&[]).await, None);
    assert_eq!(early(0).await, 100);
    assert_eq!(early(9).await, 3);
    early_with_nothing(0).await;
    assert_eq!(early_from_a_closure(vec![1, 2]).await, Some(5));
    assert_eq!(early_from_a_closure(vec![1, 9]).await, None);
    assert_eq!(early_from_a_block("0".to_owned()).await, Some(1));
    assert_eq!(early_from_a_block("x".to_owned()).await, None);
    assert_eq!(labelled(5).await, 32);
    assert_eq!(popped(vec![2, 5]).await, 4);
    assert_eq!(let_else("0").await, Ok(0));
    assert_eq!(let_else("x").await, Err("`x` is no number".to_owned()));
    assert_eq!(let_chain(Some("Ada".to_owned())).await, 3);
    assert_eq!(let_chain(Some(String::new())).await, 0);
    assert_eq!(macros(3).await, "3[3, 3]self6");
    assert_eq!(macro_of_items(2).await, 3);
    assert_eq!(attribute_first(2).await + block_first(2).await, 4);
    assert_eq!(awaited(2).await, 6);
    assert_eq!(diverges(7).await, 8);
}

async fn calls(n: u64) {
    let text = n.to_string();
    assert_eq!(asked(&text).await, Ok(n + 1));
    assert_eq!(asked_of_option(&[n]).await, Some(n + 1));
    assert_eq!(early(n).await, n);
    early_with_nothing(n).await;
    assert_eq!(early_from_a_closure(vec![n, 2]).await, Some(n + 4));
    assert_eq!(early_from_a_block(text.clone()).await, Some(n));
    assert_eq!(labelled(n).await, n * 10 + 11);
    assert_eq!(popped(vec![n]).await, n - 1);
    assert_eq!(let_else(&text).await, Ok(n - 1));
    assert_eq!(let_chain(Some(text)).await, 1);
    let doubled = n * 2;
    assert_eq!(macros(n).await, format!("{n}[{n}, {n}]self{doubled}"));
    assert_eq!(macro_of_items(n).await, n + 1);
    assert_eq!(attribute_first(n).await + block_first(n).await, doubled);
    assert_eq!(awaited(n).await, n * 3);
    assert_eq!(diverges(n).await, n + 1);
}

#[tokio::main]
pub(crate) async fn main() {
    assert_eq!(loads_by_key(calls).await, [16, 0, 16]);
    assert_eq!(
        loads_by_key(|_| every_way()).await,
        [23, 2, 2],
        "an error that came of `?` or `return` is not kept"
    );
    drop(unfinished(1));
}
