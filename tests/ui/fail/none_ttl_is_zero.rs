use cache_core::cached;

#[cached(ttl = 5m, none_ttl = 0s)]
async fn half(n: u64) -> Option<u64> {
    n.checked_div(2)
}

fn main() {}
