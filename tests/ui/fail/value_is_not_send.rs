use std::{marker::PhantomData, sync::MutexGuard};

use cache_core::cached;

#[cached(ttl = 5m, tiers = memory)]
async fn permit(id: u64) -> Permit {
    Permit { id, held: PhantomData }
}

#[derive(Clone)]
struct Permit {
    id: u64,
    held: PhantomData<MutexGuard<'static, ()>>,
}

fn main() {}
