use cache_core::cached;

#[cached(ttl = 5m, none_ttl = |value| value.lifetime)]
async fn half(n: u64) -> Option<u64> {
    n.is_multiple_of(2).then_some(n / 2)
}

fn main() {}
