//! How do I cache a method? Say whether `self` is part of what identifies the value.

use cache_core::{Cache, cached};

/// Exchange rates towards one currency.
struct Rates {
    base: &'static str,
}

impl Rates {
    /// Two `Rates` with different bases give different answers, so the base is in the key.
    #[cached(ttl = 1m, key = (self.base, currency))]
    async fn rate(&self, currency: &str) -> String {
        format!("1 {} in {currency}", self.base)
    }

    /// All `Rates` give the same answer, so `self` stays out of the key.
    #[cached(ttl = 1h, skip(self))]
    async fn full_name(&self, currency: &str) -> String {
        format!("the currency {currency}")
    }
}

trait Holidays {
    async fn is_closed(&self, day: u16) -> bool;
}

/// In an implementation of a trait it is the same.
impl Holidays for Rates {
    #[cached(ttl = 1h, key = (self.base, day))]
    async fn is_closed(&self, day: u16) -> bool {
        self.base == "EUR" && day == 1
    }
}

fn loads(method: &str) -> u64 {
    let stats = Cache::current().stats();
    stats.function(method).map_or(0, |method| method.loads)
}

#[tokio::main]
async fn main() {
    let (euro, dollar) = (Rates { base: "EUR" }, Rates { base: "USD" });

    assert_eq!(euro.rate("JPY").await, "1 EUR in JPY");
    assert_eq!(euro.rate("JPY").await, "1 EUR in JPY");
    assert_eq!(dollar.rate("JPY").await, "1 USD in JPY");
    assert_eq!(loads("rate"), 2, "one load for each base");

    euro.full_name("JPY").await;
    dollar.full_name("JPY").await;
    assert_eq!(loads("full_name"), 1, "one load for all");

    assert!(euro.is_closed(1).await && euro.is_closed(1).await);
    assert!(!dollar.is_closed(1).await);
    assert_eq!(loads("is_closed"), 2, "one load for each base");

    println!("{}", Cache::current().stats());
}
