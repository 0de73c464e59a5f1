use cache_core::cached;

#[cached(ttl = 5m, key = "user:{pair}")]
async fn sum((a, b): (u64, u64)) -> u64 {
    a + b
}

fn main() {}
