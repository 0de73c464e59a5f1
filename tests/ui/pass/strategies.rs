//! Every strategy, on functions, methods and traits.
#![deny(warnings, clippy::pedantic)]

use std::{sync::Arc, time::Duration};

use cache_core::{Event, TimedOut, cached, invalidates};

const GRACE: Duration = Duration::from_mins(1);

#[derive(Clone, Debug)]
enum Failure {
    Busy,
    Late,
}

impl From<TimedOut> for Failure {
    fn from(_: TimedOut) -> Self {
        Self::Late
    }
}

#[derive(Event)]
struct PriceChanged {
    id: u64,
}

#[invalidates(PriceChanged { id })]
async fn change(id: u64) -> u64 {
    id
}

#[cached(ttl = 5m, strategy = refresh_ahead(0.8))]
async fn ahead(id: u64) -> u64 {
    id
}

#[cached(ttl = 5m, strategy = early_expiration)]
async fn early(id: u64) -> Option<u64> {
    Some(id)
}

#[cached(ttl = 5m, strategy = stale_while_revalidate(GRACE))]
async fn revalidated(text: &str) -> String {
    text.to_owned()
}

#[cached(
    ttl = 5m,
    err_ttl = |failure| if matches!(failure, Failure::Busy) { Duration::ZERO } else { GRACE },
    invalidate_on = PriceChanged { id },
    strategy = [
        refresh_ahead(0.8),
        stale_while_revalidate(1m),
        stale_if_error(1h, unproven, |failure| !matches!(failure, Failure::Late)),
        stale_if_invalidated(1s),
    ],
    soft_timeout = 50ms,
    timeout = 2s,
    fleet
)]
async fn all(id: u64) -> Result<u64, Failure> {
    if id == 0 { Err(Failure::Busy) } else { Ok(id) }
}

#[derive(Clone)]
struct Prices {
    base: Arc<u64>,
}

impl Prices {
    #[cached(ttl = 5m, key = (self.base, id), strategy = stale_while_revalidate(1m), prefetch = self.price(id + 1))]
    async fn price(&self, id: u64) -> u64 {
        *self.base + id
    }
}

trait Priced {
    fn priced(&self, id: u64) -> impl Future<Output = Result<u64, Failure>> + Send;
}

impl Priced for Prices {
    #[cached(ttl = 5m, skip(self), strategy = stale_if_error(1h))]
    async fn priced(&self, id: u64) -> Result<u64, Failure> {
        if id == 0 { Err(Failure::Busy) } else { Ok(id) }
    }
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() {
    assert_eq!(ahead(1).await, 1);
    assert_eq!(early(1).await, Some(1));
    assert_eq!(revalidated("a").await, "a");
    assert_eq!(all(1).await.unwrap(), 1);
    let prices = Prices { base: Arc::new(7) };
    assert_eq!(prices.price(1).await, 8);
    assert!(prices.priced(0).await.is_err());
    assert_eq!(change(1).await, 1);
}
