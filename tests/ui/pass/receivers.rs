//! Every receiver that a method can have.
#![deny(warnings, clippy::pedantic)]
#![allow(
    clippy::needless_arbitrary_self_type,
    reason = "they are to be taken too"
)]

use std::{pin::Pin, rc::Rc, sync::Arc};

use cache_core::cached;
use tests::Runs;

static RUNS: Runs = Runs::new();

#[derive(Clone)]
struct Users {
    tenant: u64,
}

impl Users {
    const OFFSET: u64 = 100;

    #[cached(ttl = 1h)]
    async fn none(id: u64) -> u64 {
        RUNS.add();
        id + Self::OFFSET
    }

    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn reference(&self, id: u64) -> u64 {
        RUNS.add();
        self.tenant + id + Self::OFFSET
    }

    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn reference_with_lifetime<'a>(&'a self, id: &'a u64) -> u64 {
        RUNS.add();
        self.tenant + id
    }

    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn value(self, id: u64) -> u64 {
        RUNS.add();
        self.tenant + id
    }

    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn mutable_value(mut self, id: u64) -> u64 {
        RUNS.add();
        self.tenant += id;
        self.tenant
    }

    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn typed_value(self: Self, id: u64) -> u64 {
        RUNS.add();
        let Self { tenant } = self;
        tenant + id
    }

    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn typed_reference(self: &Self, id: u64) -> u64 {
        RUNS.add();
        self.tenant + id
    }

    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn named_type(self: &Users, id: u64) -> u64 {
        RUNS.add();
        self.tenant + id
    }

    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn arc(self: Arc<Self>, id: u64) -> u64 {
        RUNS.add();
        let moved = tokio::spawn(async move { self.tenant + id });
        moved.await.unwrap_or_default()
    }

    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn mutable_arc(mut self: Arc<Self>, id: u64) -> u64 {
        RUNS.add();
        Arc::make_mut(&mut self).tenant += id;
        self.tenant
    }

    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn reference_to_arc(self: &Arc<Self>, id: u64) -> u64 {
        RUNS.add();
        let own: Arc<Self> = Arc::clone(self);
        own.tenant + id
    }

    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn boxed(self: Box<Self>, id: u64) -> u64 {
        RUNS.add();
        let own: Self = *self;
        own.tenant + id
    }

    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn pinned(self: Pin<&Self>, id: u64) -> u64 {
        RUNS.add();
        self.tenant + id
    }

    #[cached(ttl = 1h, key = (self.tenant, id))]
    async fn pinned_arc(self: Pin<Arc<Self>>, id: u64) -> u64 {
        RUNS.add();
        self.tenant + id
    }

    #[cached(ttl = 1h, skip(self))]
    async fn skipped(&self, id: u64) -> u64 {
        RUNS.add();
        id
    }

    #[cached(ttl = 1h, key = "users:{id}")]
    async fn text_key(&self, id: u64) -> u64 {
        RUNS.add();
        self.tenant + id
    }
}

#[tokio::main]
pub(crate) async fn main() {
    let users = Users { tenant: 1 };
    let arc = Arc::new(users.clone());
    for _ in 0..2 {
        assert_eq!(Users::none(7).await, 107);
        assert_eq!(users.reference(7).await, 108);
        assert_eq!(users.reference_with_lifetime(&7).await, 8);
        assert_eq!(users.clone().value(7).await, 8);
        assert_eq!(users.clone().mutable_value(7).await, 8);
        assert_eq!(users.clone().typed_value(7).await, 8);
        assert_eq!(users.typed_reference(7).await, 8);
        assert_eq!(users.named_type(7).await, 8);
        assert_eq!(Arc::clone(&arc).arc(7).await, 8);
        assert_eq!(Arc::clone(&arc).mutable_arc(7).await, 8);
        assert_eq!(arc.reference_to_arc(7).await, 8);
        assert_eq!(Box::new(users.clone()).boxed(7).await, 8);
        assert_eq!(Pin::new(&users).pinned(7).await, 8);
        assert_eq!(Pin::new(Arc::clone(&arc)).pinned_arc(7).await, 8);
        assert_eq!(users.skipped(7).await, 7);
        assert_eq!(users.text_key(7).await, 8);
    }
    assert_eq!(RUNS.take(), 16);
    assert_eq!(Users { tenant: 2 }.reference(7).await, 109);
    assert_eq!(Rc::new(users).skipped(7).await, 7);
    assert_eq!(RUNS.take(), 1);
}
