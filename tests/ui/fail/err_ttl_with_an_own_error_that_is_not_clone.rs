use cache_core::cached;

#[cached(ttl = 5m, err_ttl = 10s)]
async fn half(n: u64) -> Result<u64, Odd> {
    if n.is_multiple_of(2) { Ok(n / 2) } else { Err(Odd) }
}

struct Odd;

fn main() {}
