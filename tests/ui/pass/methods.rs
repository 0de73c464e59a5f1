//! Every receiver, inherent and in traits.
#![deny(warnings)]

use std::{
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use cache_core::cached;

static RUNS: AtomicUsize = AtomicUsize::new(0);

#[derive(Clone)]
struct Users {
    tenant: u64,
}

impl Users {
    const OFFSET: u64 = 100;

    #[cached(ttl = 1h)]
    async fn associated(id: u64) -> u64 {
        RUNS.fetch_add(1, Ordering::SeqCst);
        id + Self::OFFSET
    }

    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn by_reference(&self, id: u64) -> u64 {
        RUNS.fetch_add(1, Ordering::SeqCst);
        self.tenant + id + Self::OFFSET
    }

    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn by_value(self, id: u64) -> u64 {
        RUNS.fetch_add(1, Ordering::SeqCst);
        self.tenant + id
    }

    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn by_mutable_value(mut self, id: u64) -> u64 {
        RUNS.fetch_add(1, Ordering::SeqCst);
        self.tenant += id;
        self.tenant
    }

    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn by_arc(self: Arc<Self>, id: u64) -> u64 {
        RUNS.fetch_add(1, Ordering::SeqCst);
        self.tenant + id
    }

    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn by_box(self: Box<Self>, id: u64) -> u64 {
        RUNS.fetch_add(1, Ordering::SeqCst);
        self.tenant + id
    }

    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn by_typed_reference(self: &Self, id: u64) -> u64 {
        RUNS.fetch_add(1, Ordering::SeqCst);
        self.tenant + id
    }

    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn by_pin(self: Pin<&Self>, id: u64) -> u64 {
        RUNS.fetch_add(1, Ordering::SeqCst);
        self.tenant + id
    }

    #[cached(ttl = 1h, skip(self))]
    async fn skipped(&self, id: u64) -> u64 {
        RUNS.fetch_add(1, Ordering::SeqCst);
        id
    }
}

struct Wrapped<T>(T);

impl<T: Clone + Send + Sync + ToString> Wrapped<T> {
    #[cached(ttl = 1h, skip(self))]
    async fn shown(&self, id: u64) -> String {
        RUNS.fetch_add(1, Ordering::SeqCst);
        format!("{}{id}", self.0.to_string())
    }
}

trait Find {
    async fn find(&self, id: u64) -> String;
}

impl Find for Users {
    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn find(&self, id: u64) -> String {
        RUNS.fetch_add(1, Ordering::SeqCst);
        format!("{}:{id}", self.tenant)
    }
}

impl Find for Wrapped<u64> {
    #[cached(ttl = 1h, skip(self))]
    async fn find(&self, id: u64) -> String {
        RUNS.fetch_add(1, Ordering::SeqCst);
        format!("{id} of {}", self.0)
    }
}

trait Greet: Sync {
    const GREETING: &str;

    #[cached(ttl = 1h, skip(self))]
    async fn greet(&self, name: &str) -> String {
        RUNS.fetch_add(1, Ordering::SeqCst);
        format!("{} {name}", Self::GREETING)
    }
}

impl Greet for Users {
    const GREETING: &str = "hello";
}

impl Greet for u64 {
    const GREETING: &str = "goodbye";
}

#[tokio::main]
async fn main() {
    let users = Users { tenant: 1 };
    for _ in 0..2 {
        assert_eq!(Users::associated(7).await, 107);
        assert_eq!(users.by_reference(7).await, 108);
        assert_eq!(users.clone().by_value(7).await, 8);
        assert_eq!(users.clone().by_mutable_value(7).await, 8);
        assert_eq!(Arc::new(users.clone()).by_arc(7).await, 8);
        assert_eq!(Box::new(users.clone()).by_box(7).await, 8);
        assert_eq!(users.by_typed_reference(7).await, 8);
        assert_eq!(Pin::new(&users).by_pin(7).await, 8);
        assert_eq!(users.skipped(7).await, 7);
        assert_eq!(Wrapped("a").shown(7).await, "a7");
        assert_eq!(Wrapped(1).shown(7).await, "17");
        assert_eq!(users.find(7).await, "1:7");
        assert_eq!(Wrapped(1).find(7).await, "7 of 1");
        assert_eq!(users.greet("Ada").await, "hello Ada");
        assert_eq!(1.greet("Ada").await, "goodbye Ada");
    }
    assert_eq!(RUNS.load(Ordering::SeqCst), 15);
    assert_eq!(Users { tenant: 2 }.by_reference(7).await, 109);
    assert_eq!(Rc::new(users).skipped(7).await, 7);
}
