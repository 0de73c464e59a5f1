//! Functions that return a boxed future, as one does that awaits itself: spelt out, by an alias, by the name in
//! `futures`, as a method.
#![deny(warnings, clippy::pedantic)]

use std::pin::Pin;

use cache_core::cached;
use tests::Runs;

static RUNS: Runs = Runs::new();

/// What awaits itself returns a box.
#[cached(ttl = 1h)]
fn factorial(n: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    if n == 0 {
        return Box::pin(async { 1 });
    }
    Box::pin(async move {
        RUNS.add();
        n * factorial(n - 1).await
    })
}

/// A copy of the text lives as long as the load.
#[cached(ttl = 1h)]
fn length(text: &str) -> Pin<Box<dyn Future<Output = usize> + Send + '_>> {
    RUNS.add();
    Box::pin(async move { text.len() })
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[cached(ttl = 1h)]
fn shortest<'a>(one: &'a str, other: &'a str) -> BoxFuture<'a, String> {
    RUNS.add();
    Box::pin(async move { one.min(other).to_owned() })
}

type Function = for<'a> fn(&'a str) -> &'a str;

/// The lifetime of a `for` is none of the load's.
#[allow(
    clippy::type_complexity,
    reason = "what is shown is that it may be complex"
)]
#[cached(ttl = 1h, tiers = memory)]
fn trimmer<'b>(
    name: &'b str,
) -> Pin<Box<dyn Future<Output = for<'a> fn(&'a str) -> &'a str> + Send + 'b>> {
    RUNS.add();
    let trim: Function = if name == "start" {
        |text| text.trim_start()
    } else {
        |text| text.trim()
    };
    Box::pin(async move { trim })
}

macro_rules! boxed {
    ($name:ident -> $future:ty) => {
        #[cached(ttl = 1h)]
        fn $name(n: u64) -> Pin<Box<$future>> {
            RUNS.add();
            Box::pin(async move { n })
        }
    };
}

boxed!(grouped -> dyn Future<Output = u64> + Send);

#[expect(unused_parens, reason = "they are what is tried")]
#[cached(ttl = 1h)]
fn in_parentheses(n: u64) -> Pin<Box<(dyn Future<Output = u64> + Send)>> {
    RUNS.add();
    Box::pin(async move { n })
}

#[cached(ttl = 1h, none_ttl = 1m)]
fn by_name(id: u64) -> futures::future::BoxFuture<'static, Result<Option<u64>, String>> {
    RUNS.add();
    Box::pin(async move { Ok(id.checked_sub(1)) })
}

struct Users(u64);

impl Users {
    #[cached(ttl = 1h, key = (self.0, id), inline)]
    fn method(&self, id: u64) -> BoxFuture<'_, u64> {
        RUNS.add();
        Box::pin(async move { self.0 + id })
    }
}

#[tokio::main]
pub(crate) async fn main() {
    for runs in [13, 0] {
        assert_eq!(factorial(5).await, 120);
        assert_eq!(length("Ada").await, 3);
        assert_eq!(shortest("b", "a").await, "a");
        assert_eq!(trimmer("start").await(" a "), "a ");
        assert_eq!(grouped(7).await, 7);
        assert_eq!(in_parentheses(7).await, 7);
        assert_eq!(by_name(1).await, Ok(Some(0)));
        assert_eq!(by_name(0).await, Ok(None));
        assert_eq!(Users(1).method(2).await, 3);
        assert_eq!(RUNS.take(), runs);
    }
    assert_eq!(tokio::spawn(factorial(6)).await.unwrap(), 720);
    assert_eq!(RUNS.take(), 1);
}
