//! Mistakes: 2.

use std::rc::Rc;

use cache_core::cached;

#[cached(ttl = 5m, tiers = memory)]
async fn name(id: u64) -> Rc<str> {
    id.to_string().into()
}

fn main() {}
