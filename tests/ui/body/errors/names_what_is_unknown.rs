#[cache_core::cached(ttl = 5m)]
async fn square(number: u64) -> u64 {
    numbr * number
}

fn main() {}
