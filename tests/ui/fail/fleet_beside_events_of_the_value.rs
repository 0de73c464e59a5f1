use cache_core::{Event, cached};

#[derive(Event)]
pub struct NumberChanged {
    pub id: u64,
}

#[cached(ttl = 5m, invalidate_on = |value| NumberChanged { id: *value }, fleet)]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}
